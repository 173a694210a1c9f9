"""Retention: what is past its days goes, digests and proofs of charges stay, everything else is untouched."""

from __future__ import annotations

import json
from base64 import b64decode
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import pytest

from engine.catalogue import parse_catalogue
from engine.client.archive import Archive, Asked, Question, Released
from engine.errors import BadFile, Refused
from engine.governance.agreement import default_agreement
from engine.governance.federation import found
from engine.governance.retention import apply_retention, due
from engine.trusted import wire
from engine.trusted.clock import SystemClock
from engine.trusted.home import Home
from engine.trusted.messages import Submission
from engine.trusted.random import SystemRandomness
from engine.trusted.records import (
    Agreement,
    Calibration,
    InclusionProof,
    JournalHead,
    Loss,
    Receipt,
    RecordKind,
    Request,
    RoundManifest,
    SignedHead,
    SignedRecord,
)
from tests.governance.machines import CATALOGUE

DAY_MS = 86_400_000
MADE = 1_800_000_000_000


@dataclass
class At:
    wall: int

    def now_ms(self) -> int:
        return self.wall

    def monotonic_ms(self) -> float:
        return 0.0


@pytest.fixture
def home(tmp_path: Path) -> Home:
    catalogue = parse_catalogue(CATALOGUE, "c.yaml")
    federation = found(tmp_path, catalogue, clock=SystemClock(), randomness=SystemRandomness())
    return Home.load(federation.home("analyst"))


def request(agreement: SignedRecord, nonce: int, runs: int = 1) -> Request:
    price, digest = Loss(1, 0), wire.digest(agreement.payload)
    ends = MADE + 400 * DAY_MS if runs > 1 else MADE + DAY_MS
    return Request(
        1,
        bytes([nonce]) * 16,
        "realm",
        "analyst",
        bytes(32),
        digest,
        price,
        2,
        0,
        3,
        bytes(32),
        MADE,
        ends,
        2,
        runs,
        "why",
    )


def kept(home: Home, days: int, nonce: int, runs: int = 1) -> bytes:
    """A request that was asked and answered, under an agreement that lets it be kept so long; its digest."""
    agreement: Agreement = replace(default_agreement(home.manifest(), SystemClock()), retention_days=days)
    signed = SignedRecord(RecordKind.AGREEMENT, wire.encode(agreement), ())
    asked = SignedRecord(RecordKind.REQUEST, wire.encode(request(signed, nonce, runs)), ())
    digest = wire.digest(asked.payload)
    archive = Archive(home)
    submission = Submission(asked, b"plan", b"SELECT secret words")
    question = Question(bytes([nonce]) * 32, Loss(1, 0), 2, wire.digest(signed.payload))
    archive.keep_request(Asked(digest, submission, signed, Fraction(1), Fraction(1, 10**9)), question)
    head = SignedHead(JournalHead("north", 3, bytes(32), bytes(32)), b"signature")
    proof = InclusionProof("north", 1, b"entry", (bytes(32),), head)
    for run in range(1, min(runs, 2) + 1):
        manifest = RoundManifest(
            1, bytes(16), asked, b"plan", (), 1, 1, run, 1, (), (), Calibration(1, (1,), 1, 1), MADE, MADE, ()
        )
        receipt = Receipt(1, home.manifest_record(), signed, manifest, ("north",), (), (), True, (proof,))
        archive.keep_release(digest, Released((1, 2), receipt))
    return digest


def test_what_is_past_its_days_goes_and_proofs_stay(home: Home) -> None:
    old, young = kept(home, 30, 1), kept(home, 60, 2)
    folder = home.path / "requests" / old.hex()
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    clock = At(MADE + 30 * DAY_MS)
    assert apply_retention(home, At(clock.wall - 1)) == ()
    (looked,) = apply_retention(home, clock, only_look=True)
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == before
    assert apply_retention(home, clock) == (looked,)
    assert (looked.request, looked.files) == (old.hex(), len(before))
    assert [file.name for file in folder.iterdir()] == ["kept.json"]
    document = json.loads((folder / "kept.json").read_text())
    assert document["request_digest"] == old.hex()
    assert document["files"] == {name: wire.digest(body).hex() for name, body in before.items()}
    (proof,) = document["rounds"][0]["charges"]
    assert wire.decode(InclusionProof, b64decode(proof)).entry == b"entry"
    assert len(bytes.fromhex(document["rounds"][0]["round"])) == 32
    archive = Archive(home)
    assert archive.released(young) is not None
    with pytest.raises(Refused, match="POLICY_REQUEST_UNKNOWN"):
        archive.asked(old)
    assert archive.released(old) is None
    pointers = {file.read_text() for file in (home.path / "requests/repeats").iterdir()}
    assert pointers == {young.hex()}
    assert apply_retention(home, clock) == ()


def test_a_standing_request_is_kept_while_its_runs_may_go_on(home: Home) -> None:
    digest = kept(home, 30, 1, runs=12)
    assert apply_retention(home, At(MADE + 399 * DAY_MS)) == ()
    assert len(apply_retention(home, At(MADE + 430 * DAY_MS))) == 1
    document = json.loads((home.path / "requests" / digest.hex() / "kept.json").read_text())
    assert len({run["round"] for run in document["rounds"]}) == 2


def test_the_rule_for_every_store(home: Home) -> None:
    agreement = replace(default_agreement(home.manifest(), SystemClock()), retention_days=0)
    made = request(SignedRecord(RecordKind.AGREEMENT, wire.encode(agreement), ()), 1)
    assert not due(agreement, made, MADE - 1)
    assert due(agreement, made, MADE)


def test_what_cannot_be_read_is_not_deleted(home: Home) -> None:
    digest = kept(home, 0, 1)
    (home.path / "requests" / digest.hex() / "asked.json").write_text("{}")
    with pytest.raises(BadFile, match="FILE_HOME_BROKEN"):
        apply_retention(home, At(MADE * 2))
    assert (home.path / "requests" / digest.hex() / "release.json").exists()
    with pytest.raises(BadFile, match="FILE_HOME_NOT_AN_ANALYST"):
        apply_retention(Home.load(home.path.parent / "policy"), At(MADE))
