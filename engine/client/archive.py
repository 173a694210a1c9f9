"""The analyst's own copies: what was asked, what was released, and the proof of it.

    requests/<request digest>/submission   the signed request, the plan and the statement (Submission)
                              agreement    the signed agreement it stands under
                              terms.json   epsilon and delta as asked
                              release.json cells in ring units, survivors; when there is an answer
                              receipt      proof of the release, to be checked offline (Receipt)
    requests/repeats/<digest of the question>   the request that asked it last

Each file is written as a whole or not at all; ``release.json`` is the last of a release.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from engine.errors import BadFile, Refused
from engine.trusted import wire
from engine.trusted.home import Home
from engine.trusted.messages import Submission
from engine.trusted.records import Loss, Receipt, SignedRecord

RECEIPT_BYTES = 64 << 20


@dataclass(frozen=True, slots=True)
class Question:
    """What makes two requests the same question."""

    plan_digest: bytes
    loss: Loss
    n_min: int
    agreement_digest: bytes

    @property
    def key(self) -> str:
        exact = [self.plan_digest.hex(), self.loss.rho_billionths, self.loss.delta_quintillionths]
        return wire.digest(json.dumps([*exact, self.n_min, self.agreement_digest.hex()]).encode()).hex()


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as it was submitted."""

    digest: bytes
    submission: Submission
    agreement: SignedRecord
    epsilon: Fraction
    delta: Fraction


@dataclass(frozen=True, slots=True)
class Released:
    """A release as it was opened; ``receipt`` holds the round manifest and all signatures."""

    cells: tuple[int, ...]
    survivors: tuple[str, ...]
    receipt: Receipt


class Archive:
    """The requests of one home."""

    def __init__(self, home: Home) -> None:
        self._home = home

    def keep_request(self, asked: Asked, question: Question) -> None:
        name = asked.digest.hex()
        (self._home.path / "requests" / name).mkdir(parents=True, exist_ok=True, mode=0o700)
        (self._home.path / "requests" / "repeats").mkdir(exist_ok=True, mode=0o700)
        terms = {"epsilon": str(asked.epsilon), "delta": str(asked.delta)}
        self._home.write(f"requests/{name}/agreement", wire.encode(asked.agreement), secret=True)
        self._home.write(f"requests/{name}/terms.json", json.dumps(terms).encode(), secret=True)
        self._home.write(f"requests/{name}/submission", wire.encode(asked.submission), secret=True)
        self._home.write(f"requests/repeats/{question.key}", name.encode(), secret=True)

    def keep_release(self, digest: bytes, released: Released) -> None:
        name = digest.hex()
        self._home.write(f"requests/{name}/receipt", wire.encode(released.receipt), secret=True)
        release = {"cells": released.cells, "survivors": released.survivors}
        self._home.write(f"requests/{name}/release.json", json.dumps(release).encode(), secret=True)

    def last_asked(self, question: Question) -> bytes | None:
        """The request that asked the same question last."""
        path = self._home.path / "requests" / "repeats" / question.key
        try:
            return bytes.fromhex(path.read_text())
        except (OSError, ValueError):
            return None

    def asked(self, digest: bytes) -> Asked:
        """Raises Refused POLICY_REQUEST_UNKNOWN when this home did not submit it."""
        folder = self._home.path / "requests" / digest.hex()
        if not (folder / "submission").exists():
            raise Refused("POLICY_REQUEST_UNKNOWN")
        terms = self._json(digest, "terms.json")
        submission: Submission = self._decode(digest, "submission", Submission)
        agreement: SignedRecord = self._decode(digest, "agreement", SignedRecord)
        return Asked(digest, submission, agreement, Fraction(terms["epsilon"]), Fraction(terms["delta"]))

    def released(self, digest: bytes) -> Released | None:
        """The release kept before, None when there is none yet."""
        if not (self._home.path / "requests" / digest.hex() / "release.json").exists():
            return None
        release = self._json(digest, "release.json")
        receipt: Receipt = self._decode(digest, "receipt", Receipt)
        return Released(tuple(release["cells"]), tuple(release["survivors"]), receipt)

    def _read(self, digest: bytes, name: str) -> bytes:
        path = self._home.path / "requests" / digest.hex() / name
        try:
            return path.read_bytes()
        except OSError as error:
            raise BadFile("FILE_HOME_BROKEN", path=str(path), internal=repr(error)) from None

    def _json(self, digest: bytes, name: str) -> dict[str, Any]:
        try:
            found: dict[str, Any] = json.loads(self._read(digest, name))
        except ValueError:
            raise BadFile("FILE_HOME_BROKEN", path=f"requests/{digest.hex()}/{name}") from None
        return found

    def _decode(self, digest: bytes, name: str, kind: type) -> Any:
        try:
            return wire.decode(kind, self._read(digest, name), RECEIPT_BYTES)
        except Refused:
            raise BadFile("FILE_HOME_BROKEN", path=f"requests/{digest.hex()}/{name}") from None
