"""A release resealed to another analyst: read free of charge, verified, and only while its agreement stands."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest

from engine.cli.main import run
from engine.client import sharing
from engine.client.session import Session, connect
from engine.client.sharing import shared_info
from engine.errors import Refused, SplittallyError, Unavailable
from engine.governance.homes import set_coordinator
from engine.trusted import wire
from engine.trusted.clock import SystemClock
from engine.trusted.messages import ReleaseCopy, SharedList, Sharing
from engine.trusted.records import JournalEntry, JournalKind, Receipt, RecordKind, Revocation, SharedRelease
from engine.trusted.seal import seal
from tests.record.conftest import SQL, Bench, released, rounds_opened

YEAR_MS = 366 * 86_400_000


class Later:
    """The system's clock, a year on."""

    def now_ms(self) -> int:
        return SystemClock().now_ms() + YEAR_MS - 86_400_000 + 1

    def monotonic_ms(self) -> float:
        return SystemClock().monotonic_ms()


@pytest.fixture
def analyst(bench: Bench) -> Iterator[Session]:
    with bench.session() as session:
        yield session


@pytest.fixture
def other(bench: Bench) -> Iterator[Session]:
    with bench.session("other") as session:
        yield session


def test_the_other_analyst_reads_it_free_of_charge(bench: Bench, analyst: Session, other: Session) -> None:
    request, _ = released(bench, Fraction(9, 8))
    first, rounds = analyst.result(request), rounds_opened(bench)
    with pytest.raises(Refused, match="POLICY_REQUEST_UNKNOWN"):
        other.result(request)
    record = analyst.share(request, "other")
    given = other.result(request)
    assert (given.answer.rows, given.answer.intervals) == (first.answer.rows, first.answer.intervals)
    assert (given.repeated, given.cost["rho_billionths"]) == (True, 0)
    told = "Shared by analyst, who vouches for the figures; the receipt proves the round."
    assert given.answer.notes == (*first.answer.notes, told)
    assert wire.decode(Receipt, given.receipt) == wire.decode(Receipt, first.receipt)
    assert rounds_opened(bench) == rounds
    assert other.result(request).answer.rows == first.answer.rows  # from its own copy
    entries: list[JournalEntry] = [wire.decode(JournalEntry, e) for e in analyst.line.journal("coordinator")[1]]
    (entry,) = [e for e in entries if e.kind is JournalKind.SHARED and e.request_digest.hex() == request]
    assert (entry.analyst, entry.detail, entry.record_digest.hex()) == ("analyst", "other", record)


def test_the_reader_keeps_a_receipt_that_holds(bench: Bench, analyst: Session, other: Session, request_id: str) -> None:
    from engine.client.receipts import verify_receipt

    analyst.share(request_id, "other")
    other.result(request_id)
    kept = bench.home("other").path / "requests" / request_id / "receipt"
    assert verify_receipt(kept.read_bytes(), bench.roots).keeper == "other"


def test_sharing_the_same_again_is_journalled_each_time_it_is_signed(
    bench: Bench, analyst: Session, other: Session
) -> None:
    request, _ = released(bench, Fraction(10, 8))
    assert analyst.share(request, "other") != analyst.share(request, "other")
    assert len(other.line.shared(bytes.fromhex(request)).releases) == 2
    assert other.result(request).answer.rows


@pytest.mark.parametrize("reader", ["nobody", "analyst", "guardian-east"])
def test_only_another_analyst_of_the_agreement_is_given_it(analyst: Session, request_id: str, reader: str) -> None:
    with pytest.raises(Refused, match="POLICY_ANALYST_NOT_NAMED"):
        analyst.share(request_id, reader)


def test_a_reader_does_not_pass_it_on(bench: Bench, analyst: Session, other: Session, request_id: str) -> None:
    analyst.share(request_id, "other")
    other.result(request_id)
    with pytest.raises(Refused, match="POLICY_RELEASE_NOT_OWN"):
        other.share(request_id, "analyst")


def test_after_its_end_nothing_is_handed_on(bench: Bench, analyst: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    request, _ = released(bench, Fraction(11, 8))
    monkeypatch.setattr("engine.client.session.require_current", lambda *_: None)
    with connect(bench.home("analyst"), clock=Later()) as late, pytest.raises(Refused, match="AGREEMENT_EXPIRED"):
        late.share(request, "other")
    analyst.share(request, "other")
    with connect(bench.home("other"), clock=Later()) as late, pytest.raises(Refused, match="AGREEMENT_EXPIRED"):
        late.result(request)
    assert not (bench.home("other").path / "requests" / request).exists()


def revocation(bench: Bench, by: str) -> Any:
    digest = wire.digest(bench.home("coordinator").agreements()[0].payload)
    return bench.sign(RecordKind.REVOCATION, Revocation(1, digest, by, 1, "over"), by)


def test_after_a_revocation_nothing_is_handed_on(bench: Bench, analyst: Session, other: Session) -> None:
    request, _ = released(bench, Fraction(12, 8))
    analyst.share(request, "other")
    for session, act in ((analyst, lambda: analyst.share(request, "other")), (other, lambda: other.result(request))):
        told = session.describe()
        ended = replace(told, revocations=(revocation(bench, "guardian-west"),))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(session, "describe", lambda ended=ended: ended)
            with pytest.raises(Refused, match="POLICY_AGREEMENT_REVOKED"):
                act()
    assert other.result(request).answer.rows


def test_the_coordinator_reads_nothing_and_keeps_no_other_copy(bench: Bench, analyst: Session) -> None:
    """What it is handed is checked: whose it is, for whom, that it is the copy named, and not too long."""
    request, _ = released(bench, Fraction(13, 8))
    analyst.share(request, "other")
    with bench.session("other") as other:
        (sharing_,) = other.line.shared(bytes.fromhex(request)).releases
    assert SQL.encode() not in sharing_.sealed
    shared: SharedRelease = wire.decode(SharedRelease, sharing_.record.payload)

    def handed(signer: str = "analyst", sealed: bytes = sharing_.sealed, **changes: Any) -> None:
        record = bench.sign(RecordKind.SHARED_RELEASE, replace(shared, **changes), signer)
        analyst.line.share(Sharing(record, sealed))

    long = bytes((3 << 20) + 1)
    tries: list[tuple[dict[str, Any], str]] = [
        ({"signer": "other", "analyst": "other", "reader": "analyst"}, "POLICY_CALLER"),
        ({"signer": "other"}, "POLICY_SIGNATURE_INVALID"),
        ({"request_digest": bytes(32)}, "POLICY_REQUEST_UNKNOWN"),
        ({"agreement_digest": bytes(32)}, "POLICY_RECORD_INVALID"),
        ({"sealed_digest": bytes(32)}, "POLICY_RECORD_INVALID"),
        ({"reader": "analyst"}, "POLICY_RECORD_INVALID"),
        ({"reader": "policy"}, "POLICY_UNKNOWN_MEMBER"),
        ({"sealed": long, "sealed_digest": wire.digest(long)}, "POLICY_SHARE_LARGE"),
    ]
    for changes, code in tries:
        with pytest.raises(Refused, match=code):
            handed(**changes)


def test_what_is_not_released_cannot_be_shared(bench: Bench, analyst: Session) -> None:
    bench.members["west"].faults.add("silent")
    try:
        query = analyst.query(SQL, epsilon=Fraction(14, 8))
        request = query.submit()
        with pytest.raises(SplittallyError):
            analyst.share(request, "other")
        record = SharedRelease(1, bytes.fromhex(request), 1, "analyst", "other", b"", wire.digest(b""), 1)
        digest = wire.digest(bench.home("coordinator").agreements()[0].payload)
        signed = bench.sign(RecordKind.SHARED_RELEASE, replace(record, agreement_digest=digest), "analyst")
        with pytest.raises(Unavailable, match="ROUND_NOT_RELEASED"):
            analyst.line.share(Sharing(signed, b""))
    finally:
        bench.members["west"].faults.clear()


FALSE: dict[str, tuple[Callable[[ReleaseCopy, ReleaseCopy], ReleaseCopy], str]] = {
    "the receipt of another request": (lambda c, o: replace(c, receipt=o.receipt), "POLICY_RECORD_INVALID"),
    "a receipt that does not hold": (
        lambda c, o: replace(c, receipt=replace(c.receipt, shares=o.receipt.shares)),
        "POLICY_RECEIPT_INVALID",
    ),
    "a cell too few": (lambda c, o: replace(c, cells=c.cells[:-1]), "POLICY_RECORD_INVALID"),
    "another statement": (lambda c, o: replace(c, statement=b"SELECT COUNT(*) FROM people"), "POLICY_PLAN_DIFFERS"),
    "no statement": (lambda c, o: replace(c, statement=b"\xff"), "POLICY_RECORD_INVALID"),
    "an epsilon that is none": (lambda c, o: replace(c, epsilon="one"), "POLICY_RECORD_INVALID"),
}


@pytest.mark.parametrize(("lie", "code"), FALSE.values(), ids=FALSE.keys())
def test_a_false_copy_is_not_kept(
    bench: Bench,
    other: Session,
    receipt: Receipt,
    lie: Callable[[ReleaseCopy, ReleaseCopy], ReleaseCopy],
    code: str,
    request: pytest.FixtureRequest,
) -> None:
    strange: Receipt = request.getfixturevalue("other_receipt")
    true = ReleaseCopy(SQL.encode(), "1", "1e-9", (1, 2), receipt, b"", 0)
    body = wire.encode(lie(true, replace(true, receipt=strange)))
    digest = wire.digest(receipt.round_manifest.request.payload)
    sealed = seal(body, other.home.sealing_key().public, shared_info(digest, "analyst", "other"))
    agreement = wire.digest(receipt.agreement.payload)
    record = SharedRelease(1, digest, 1, "analyst", "other", agreement, wire.digest(sealed), 1)
    handed = Sharing(bench.sign(RecordKind.SHARED_RELEASE, record, "analyst"), sealed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(other.line, "shared", lambda _: SharedList((handed,)))
        patch.setattr(other.archive, "keep_asked", lambda _: pytest.fail("kept"))
        with pytest.raises(Refused, match=code):
            sharing.receive(other, digest)


@pytest.fixture(name="other_receipt", scope="module")
def _other_receipt(bench: Bench) -> Receipt:
    return released(bench, Fraction(3, 2))[1]


def test_the_commands(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    request, _ = released(bench, Fraction(15, 8))
    for name in ("analyst", "other"):
        set_coordinator(bench.home(name), bench.coordinator.address)
    own, reader = (str(bench.home(name).path) for name in ("analyst", "other"))
    assert run(["release", "share", request, "--with", "other", "--home", own]) == 0
    assert f"splittally result {request}" in capsys.readouterr().out
    assert run(["result", request, "--home", reader]) == 0
    shown = capsys.readouterr().out
    assert "free of charge" in shown
    assert "Shared by analyst" in shown
    assert run(["release", "share", request, "--with", "nobody", "--home", own]) == 3
