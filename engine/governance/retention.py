"""How long texts, replies and answers of a request are kept, and what stays of them: digests and proofs.

Each agreement says how many days after a request that is. ``due`` is the rule for every store: the analyst's home is
cleared here; the coordinator's store holds what it relayed (sealed answers, the analyst's words) and is cleared under
the same rule (engine/coordinator/reception.py), keeping digests, signed requests, plans, states and journal.

    requests/<request digest>/kept.json    in place of what was deleted: digests, round, proofs of the charge
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from dataclasses import dataclass
from pathlib import Path

from engine.errors import BadFile, Refused
from engine.governance.agreement_text import agreement_of
from engine.trusted import wire
from engine.trusted.clock import Clock
from engine.trusted.home import Home
from engine.trusted.messages import Submission
from engine.trusted.records import Agreement, Receipt, Request, Role, SignedRecord

DAY_MS = 86_400_000
RECEIPT_BYTES = 64 << 20
KEPT = "kept.json"


@dataclass(frozen=True, slots=True)
class Cleared:
    request: str
    agreement: str
    due_ms: int
    files: int


def due_ms(agreement: Agreement, request: Request) -> int:
    """When a request's text, replies and answer are to be deleted: days after it was made, or after it expires if its
    runs may go on until then."""
    last = request.expires_ms if request.runs > 1 else request.created_ms
    return last + agreement.retention_days * DAY_MS


def due(agreement: Agreement, request: Request, now_ms: int) -> bool:
    return now_ms >= due_ms(agreement, request)


def apply_retention(home: Home, clock: Clock, *, only_look: bool = False) -> tuple[Cleared, ...]:
    """Delete what is past its time in an analyst's home and leave digests; ``only_look``: say what would go.

    Raises BadFile FILE_HOME_NOT_AN_ANALYST, and FILE_HOME_BROKEN for a request that cannot be read: nobody can say
    whether it is past its time.
    """
    if home.role != Role.ANALYST.name.lower():
        raise BadFile("FILE_HOME_NOT_AN_ANALYST", path=str(home.path), name=home.name)
    found = []
    for asked in sorted((home.path / "requests").glob("*/asked.json")):
        submission, record = _asked(asked)
        agreement, request = agreement_of(record), _request(submission)
        if not due(agreement, request, clock.now_ms()):
            continue
        files = [file for file in sorted(asked.parent.rglob("*")) if file.is_file() and file.name != KEPT]
        found.append(Cleared(asked.parent.name, agreement.name, due_ms(agreement, request), len(files)))
        if not only_look:
            _clear(home, asked.parent, files, _kept(submission, record, files, asked.parent, clock))
    return tuple(found)


def _asked(path: Path) -> tuple[Submission, SignedRecord]:
    try:
        document = json.loads(path.read_bytes())
        submission: Submission = wire.decode(Submission, b64decode(document["submission"]))
        agreement: SignedRecord = wire.decode(SignedRecord, b64decode(document["agreement"]))
    except (OSError, ValueError, KeyError, Refused) as error:
        raise BadFile("FILE_HOME_BROKEN", path=str(path), internal=repr(error)) from None
    return submission, agreement


def _request(submission: Submission) -> Request:
    request: Request = wire.decode(Request, submission.request.payload)
    return request


def _kept(
    submission: Submission, agreement: SignedRecord, files: list[Path], folder: Path, clock: Clock
) -> dict[str, object]:
    """What stays: digests of everything that goes, and of what the receipt proved."""
    receipts = [_receipt(file) for file in files if file.name.endswith("receipt")]
    return {
        "request_digest": wire.digest(submission.request.payload).hex(),
        "plan_digest": _request(submission).plan_digest.hex(),
        "agreement_digest": wire.digest(agreement.payload).hex(),
        "rounds": [
            {
                "round": wire.digest(wire.encode(receipt.round_manifest)).hex(),
                "survivors": list(receipt.survivors),
                "charges": [b64encode(wire.encode(proof)).decode() for proof in receipt.charges],
            }
            for receipt in receipts
        ],
        "files": {str(file.relative_to(folder)): wire.digest(file.read_bytes()).hex() for file in files},
        "deleted_ms": clock.now_ms(),
    }


def _receipt(file: Path) -> Receipt:
    """The receipt in a file that its keeper signed; read for its digests, so its signatures are not looked at."""
    try:
        record: SignedRecord = wire.decode(SignedRecord, file.read_bytes(), RECEIPT_BYTES)
        receipt: Receipt = wire.decode(Receipt, record.payload, RECEIPT_BYTES)
    except Refused as error:
        raise BadFile("FILE_HOME_BROKEN", path=str(file), internal=repr(error)) from None
    return receipt


def _clear(home: Home, folder: Path, files: list[Path], kept: dict[str, object]) -> None:
    """Digests are on disk before anything goes; what says that there is a request goes last."""
    home.write(f"requests/{folder.name}/{KEPT}", json.dumps(kept, indent=2).encode() + b"\n", secret=True)
    for pointer in (home.path / "requests/repeats").glob("*"):
        if pointer.read_text().strip() == folder.name:
            pointer.unlink()
    for file in sorted(files, key=lambda file: file.name == "asked.json"):
        file.unlink()
    for inner in sorted((path for path in folder.rglob("*") if path.is_dir()), reverse=True):
        inner.rmdir()
