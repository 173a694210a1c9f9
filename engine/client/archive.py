"""The analyst's own copies: what was asked, what was released, and the proof of it.

    requests/<request digest>/asked.json     signed request, plan, statement and agreement; epsilon and delta as asked
                              receipt        proof of the release, to be checked offline (receipts.py)
                              keys.json      of a selected key: the list that was signed
                              release.json   cells in ring units; written last
                              run-<k>-receipt, run-<k>-release.json   of the runs of a standing request after the first
    requests/revoked/<digest of an agreement>   the record that ended it, once it was seen
    requests/repeats/<digest of the question>   the request that asked it last
    requests/.turn-<n>   held by the program that is submitting one of the questions of that number
    heads/<member>/<size>-<start of the root>   every journal head that came with a release (SignedHead)

Each file is written as a whole or not at all. What was asked is on disk before it is submitted; a release lost with
the machine's power is fetched again, for the coordinator keeps it.
"""

from __future__ import annotations

import fcntl
import json
import os
import tempfile
import threading
import time
from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from engine.client.choose import Keys
from engine.client.receipts import read_receipt, sign_receipt
from engine.errors import BadFile, Refused, require
from engine.trusted import wire
from engine.trusted.home import Home
from engine.trusted.messages import Submission
from engine.trusted.records import Loss, Receipt, SignedHead, SignedRecord

TURNS, TURN_SECONDS, LOOK_SECONDS = 64, 60.0, 0.02
_KEEPING = threading.Lock()  # a home names the file it is writing by the process alone


@dataclass(frozen=True, slots=True)
class Question:
    """What makes two requests the same question."""

    plan_digest: bytes
    loss: Loss
    n_min: int
    agreement_digest: bytes
    runs: int = 1

    @property
    def key(self) -> str:
        exact = [self.plan_digest.hex(), self.loss.rho_billionths, self.loss.delta_quintillionths]
        standing = [self.runs] if self.runs > 1 else []
        return wire.digest(json.dumps([*exact, self.n_min, self.agreement_digest.hex(), *standing]).encode()).hex()


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as it was submitted."""

    digest: bytes
    submission: Submission
    agreement: SignedRecord
    epsilon: Fraction
    delta: Fraction
    shared_by: str = ""  # another analyst, who asked it


@dataclass(frozen=True, slots=True)
class Released:
    """A release as it was opened; ``receipt`` holds the round manifest and all signatures."""

    cells: tuple[int, ...]
    receipt: Receipt


class Archive:
    """The requests of one home."""

    def __init__(self, home: Home) -> None:
        self._home, self._requests = home, home.path / "requests"

    @contextmanager
    def turn(self, plan_digest: bytes) -> Iterator[None]:
        """Programs of one home that submit the same plan take turns: a desk, a driver and a terminal may be open at
        once. So do threads, for the lock is that of a file as each of them opened it. Refused POLICY_SUBMISSION_RUNS
        after a minute.
        """
        self._requests.mkdir(parents=True, exist_ok=True, mode=0o700)
        held = os.open(self._requests / f".turn-{plan_digest[0] % TURNS}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            end = time.monotonic() + TURN_SECONDS
            while not _taken(held):
                require(time.monotonic() < end, "POLICY_SUBMISSION_RUNS")
                time.sleep(LOOK_SECONDS)
            yield
        finally:
            os.close(held)

    def keep_request(self, asked: Asked, question: Question) -> None:
        self.keep_asked(asked)
        (self._requests / "repeats").mkdir(parents=True, exist_ok=True, mode=0o700)
        self._put(f"repeats/{question.key}", asked.digest.hex().encode())

    def keep_asked(self, asked: Asked) -> None:
        """What was asked, by this home's analyst or by the one who shared it."""
        name = asked.digest.hex()
        (self._requests / name).mkdir(parents=True, exist_ok=True, mode=0o700)
        document = {
            "submission": b64encode(wire.encode(asked.submission)).decode(),
            "agreement": b64encode(wire.encode(asked.agreement)).decode(),
            "epsilon": str(asked.epsilon),
            "delta": str(asked.delta),
            "shared_by": asked.shared_by,
        }
        self._keep(f"requests/{name}/asked.json", json.dumps(document).encode(), secret=True)

    def keep_release(self, digest: bytes, released: Released) -> None:
        name, of_run = digest.hex(), _of_run(released.receipt.round_manifest.run)
        self._put(f"{name}/{of_run}receipt", wire.encode(sign_receipt(released.receipt, self._home.signing_key())))
        self._put(f"{name}/{of_run}release.json", json.dumps({"cells": released.cells}).encode())

    def keep_revocation(self, agreement: bytes, record: SignedRecord) -> None:
        (self._requests / "revoked").mkdir(parents=True, exist_ok=True, mode=0o700)
        self._put(f"revoked/{agreement.hex()}", wire.encode(record))

    def is_revoked(self, agreement: bytes) -> bool:
        """Whether a revocation of that agreement was ever seen here, and found valid."""
        return (self._requests / "revoked" / agreement.hex()).exists()

    def keep_keys(self, digest: bytes, keys: Keys) -> Keys:
        """Before they are sent, for without them a release cannot be read; returns those kept first, by whomever."""
        document = {"keys": b64encode(keys.body).decode(), "named": keys.named}
        own = f"requests/{digest.hex()}/keys-{os.getpid()}-{threading.get_ident()}.json"
        self._home.write(own, json.dumps(document).encode(), secret=True)
        with suppress(FileExistsError):
            os.link(self._home.path / own, self._requests / digest.hex() / "keys.json")
        (self._home.path / own).unlink()
        folder = os.open(self._requests / digest.hex(), os.O_RDONLY)
        os.fsync(folder)
        os.close(folder)
        return self.keys(digest) or keys

    def keys(self, digest: bytes) -> Keys | None:
        """The keys chosen for a request, None if none were; BadFile FILE_HOME_BROKEN."""
        path = self._requests / digest.hex() / "keys.json"
        if not path.exists():
            return None
        try:
            document = json.loads(path.read_bytes())
            return Keys(b64decode(document["keys"]), int(document["named"]))
        except (OSError, ValueError, KeyError) as error:
            raise BadFile("FILE_HOME_BROKEN", path=str(path), internal=repr(error)) from None

    def keep_heads(self, heads: Iterable[SignedHead]) -> tuple[str, ...]:
        """Keeps journal heads; names the members that signed another one of the same size, which is evidence."""
        contrary = []
        for head in heads:
            folder = self._home.path / "heads" / head.head.member
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            name, body = f"{head.head.size:012}-{head.head.root.hex()[:16]}", wire.encode(head)
            if not (folder / name).exists():
                self._keep(f"heads/{head.head.member}/{name}", body)
            if len(list(folder.glob(f"{head.head.size:012}-*"))) > 1:
                contrary.append(head.head.member)
        return tuple(contrary)

    def heads(self, member: str) -> tuple[SignedHead, ...]:
        """The heads of a member's journal that came with releases, smallest first."""
        files = sorted((self._home.path / "heads" / member).glob("*-*"))
        try:
            return tuple(wire.decode(SignedHead, file.read_bytes()) for file in files)
        except (OSError, Refused) as error:
            raise BadFile("FILE_HOME_BROKEN", path=str(files[0].parent), internal=repr(error)) from None

    def _keep(self, name: str, body: bytes, *, secret: bool = False) -> None:
        """Writes one file of the home, durably; threads take turns."""
        with _KEEPING:
            self._home.write(name, body, secret=secret)

    def _put(self, name: str, body: bytes) -> None:
        """Writes one file as a whole, for its owner's eyes, without waiting for the disk."""
        handle, temporary = tempfile.mkstemp(dir=self._requests, prefix=".new-")
        with os.fdopen(handle, "wb") as file:
            file.write(body)
        Path(temporary).replace(self._requests / name)

    def last_asked(self, question: Question) -> bytes | None:
        """The request that asked the same question last."""
        try:
            return bytes.fromhex((self._requests / "repeats" / question.key).read_text())
        except (OSError, ValueError):
            return None

    def holds(self, digest: bytes) -> bool:
        """Whether this home submitted the request, or was given its release."""
        return (self._requests / digest.hex() / "asked.json").exists()

    def asked(self, digest: bytes) -> Asked:
        """Raises Refused POLICY_REQUEST_UNKNOWN when this home did not submit it; BadFile FILE_HOME_BROKEN."""
        path = self._requests / digest.hex() / "asked.json"
        if not path.exists():
            raise Refused("POLICY_REQUEST_UNKNOWN")
        try:
            document = json.loads(path.read_bytes())
            submission: Submission = wire.decode(Submission, b64decode(document["submission"]))
            agreement: SignedRecord = wire.decode(SignedRecord, b64decode(document["agreement"]))
            epsilon, delta = Fraction(document["epsilon"]), Fraction(document["delta"])
            shared_by = str(document.get("shared_by", ""))
        except (OSError, ValueError, KeyError, Refused) as error:
            raise BadFile("FILE_HOME_BROKEN", path=str(path), internal=repr(error)) from None
        return Asked(digest, submission, agreement, epsilon, delta, shared_by)

    def released(self, digest: bytes, run: int = 1) -> Released | None:
        """The release of a run, kept before; None when there is none yet, or no whole one."""
        folder, of_run = self._requests / digest.hex(), _of_run(run)
        try:
            cells = tuple(json.loads((folder / f"{of_run}release.json").read_bytes())["cells"])
            _, receipt = read_receipt((folder / f"{of_run}receipt").read_bytes())
        except (OSError, ValueError, KeyError, Refused):
            return None
        return Released(cells, receipt)


def _taken(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _of_run(run: int) -> str:
    return f"run-{run}-" if run > 1 else ""
