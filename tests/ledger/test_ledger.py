"""Charges, replies, answers: once each, whatever comes again, in whatever order, from however many."""

from __future__ import annotations

import sqlite3
import threading
from dataclasses import replace
from typing import Any

import pytest

from engine.errors import Bug, Refused, SplittallyError, Unavailable
from engine.trusted import wire
from engine.trusted.journal import EMPTY_ROOT
from engine.trusted.records import (
    AccountScope,
    HeldHead,
    JournalEntry,
    JournalHead,
    JournalKind,
    Loss,
    RecordKind,
    Signature,
    SignedRecord,
    SnapshotRef,
)
from nodes.ledger import CLOCK_BACK_MS, Ledger

NINO = (AccountScope.IDENTIFIER, "nino")


def entries(ledger: Ledger) -> list[JournalEntry]:
    return [wire.decode(JournalEntry, ledger.entry(at)) for at in range(ledger.head().size)]


def kinds(ledger: Ledger) -> list[JournalKind]:
    return [entry.kind for entry in entries(ledger)]


# -- one round


def test_a_charge_is_journalled_with_what_the_ledger_knows(bench: Any, make: Any) -> None:
    ledger = bench.open()
    snapshots = (SnapshotRef("people", "s1", 0),)
    bench.charge(ledger, 1, 7, 3, entry=make("entry", snapshots=snapshots, member="forged", at_ms=5))
    opened, charged = entries(ledger)
    assert opened.kind is JournalKind.OPENED
    assert (charged.kind, charged.member, charged.at_ms) == (JournalKind.CHARGED, "north", bench.clock.now)
    assert (charged.round, charged.analyst, charged.loss) == (make("round", 1), "ana", Loss(7, 3))
    assert charged.snapshots == snapshots
    with pytest.raises(IndexError):
        ledger.entry(2)


def test_a_reply_is_kept_for_ever_and_is_the_only_one(bench: Any, make: Any) -> None:
    ledger, round_ = bench.open(), make("round", 1)
    assert ledger.reply(round_) is None
    bench.charge(ledger, 1)
    with pytest.raises(Unavailable, match="ROUND_ALREADY_CHARGED"):
        ledger.reply(round_)
    ledger.store_reply(round_, b"masked")
    ledger.store_reply(round_, b"masked")
    for other in (
        lambda: ledger.store_reply(round_, b"other"),
        lambda: ledger.store_refusal(round_, "NODE_ROUND_LOST"),
    ):
        with pytest.raises(Bug, match="BUG_SECOND_REPLY"):
            other()
    assert ledger.reply(round_) == bench.open().reply(round_) == b"masked"
    assert kinds(ledger) == [JournalKind.OPENED, JournalKind.CHARGED, JournalKind.REPLIED]
    assert entries(ledger)[2].loss is None


def test_an_empty_reply_is_a_reply(bench: Any, make: Any) -> None:
    ledger = bench.open()
    bench.charge(ledger, 1)
    ledger.store_reply(make("round", 1), b"")
    assert ledger.reply(make("round", 1)) == b""


def test_a_refusal_after_the_charge_is_the_rounds_outcome(bench: Any, make: Any) -> None:
    ledger, round_ = bench.open(), make("round", 1)
    bench.charge(ledger, 1)
    ledger.store_refusal(round_, "POLICY_SEAL_INVALID")
    ledger.store_refusal(round_, "POLICY_SEAL_INVALID")
    for opened in (ledger, bench.open()):
        with pytest.raises(Refused, match="POLICY_SEAL_INVALID"):
            opened.reply(round_)
    with pytest.raises(Bug, match="BUG_SECOND_REPLY"):
        ledger.store_reply(round_, b"masked")
    assert bench.spent(ledger, NINO) == 10
    assert entries(ledger)[-1].kind is JournalKind.ROUND_REFUSED
    assert entries(ledger)[-1].code == "POLICY_SEAL_INVALID"


def test_a_reply_without_a_charge_is_our_mistake(bench: Any, make: Any) -> None:
    ledger = bench.open()
    with pytest.raises(Bug, match="BUG_REPLY_WITHOUT_CHARGE"):
        ledger.store_reply(make("round", 1), b"masked")
    assert ledger.reply(make("round", 1)) is None


def test_a_round_is_charged_once(bench: Any, make: Any) -> None:
    ledger = bench.open()
    bench.charge(ledger, 1)
    for again in (ledger, bench.open()):
        with pytest.raises(Unavailable, match="ROUND_ALREADY_CHARGED"):
            bench.charge(again, 1)
    assert bench.spent(ledger, NINO) == 10


def test_a_round_charged_before_a_crash_is_lost(bench: Any, make: Any) -> None:
    bench.charge(bench.open(), 1)
    after = bench.open()
    for _ in range(2):
        with pytest.raises(Unavailable, match="NODE_ROUND_LOST"):
            after.reply(make("round", 1))
    with pytest.raises(Unavailable, match="ROUND_ALREADY_CHARGED"):
        bench.charge(after, 1)
    assert bench.spent(after, NINO) == 10


@pytest.mark.parametrize("what", ["budget", "per plan", "attempts", "no cap", "run", "clock", "round", "entry"])
def test_a_refused_charge_changes_nothing(bench: Any, make: Any, what: str) -> None:
    bench.caps = (make("cap", AccountScope.IDENTIFIER, "nino", 15),)
    ledger = bench.open()
    bench.charge(ledger, 0)
    before = ledger.head(), make("balances", ledger)
    change: dict[str, Any] = {
        "per plan": {"agreement": make("agreement", per_plan=Loss(9, 0))},
        "attempts": {"request": make("request", max_attempts=1)},
        "no cap": {"accounts": ((AccountScope.IDENTIFIER, "nhs"),)},
        "run": {"run": 2},
        "entry": {"entry": make("entry", detail="\ud800")},
    }.get(what, {})
    rho = {"budget": 6, "per plan": 10}.get(what, 1)
    bench.clock.now -= CLOCK_BACK_MS + 1 if what == "clock" else 0
    if what == "round":
        with pytest.raises(Unavailable, match="NODE_LEDGER_FAILED"):
            request, entry = make("request", loss=Loss(1, 0)), make("entry", round=b"short")
            ledger.charge(request, make("agreement"), (NINO,), entry)
    else:
        with pytest.raises(SplittallyError):
            bench.charge(ledger, 1, rho, **change)
    bench.clock.now += CLOCK_BACK_MS + 1 if what == "clock" else 0
    assert (ledger.head(), make("balances", ledger)) == before
    assert ledger.reply(make("round", 1)) is None
    bench.charge(ledger, 1, 5)


@pytest.mark.parametrize("loss", [(0, 0), (-1, 0), (1, -1)])
def test_a_charge_that_is_not_positive_is_our_mistake(bench: Any, loss: Any) -> None:
    with pytest.raises(ValueError, match="positive"):
        bench.charge(bench.open(), 1, *loss)


def test_the_scope_of_an_exhausted_budget_is_a_fact(bench: Any, make: Any) -> None:
    bench.caps = (
        make("cap", AccountScope.IDENTIFIER, "", 50),
        make("cap", AccountScope.DATASET, "people", 40),
        make("cap", AccountScope.ANALYST_ACCOUNT, "", 30),
    )
    ledger = bench.open()
    expected = [(31, "analyst", "ana"), (41, "dataset", "people"), (51, "identifier", "nino")]
    for rho, scope, name in expected:
        with pytest.raises(Refused, match="BUDGET_EXHAUSTED") as caught:
            bench.charge(ledger, 1, rho)
        assert caught.value.facts == {"scope": scope, "name": name, "refreshes_ms": "0"}
    with pytest.raises(Refused, match="BUDGET_EXHAUSTED") as caught:
        bench.charge(ledger, 1, 30, agreement=make("agreement", budget=Loss(29, 0)))
    assert caught.value.facts == {"scope": "agreement", "name": "study", "refreshes_ms": "0"}


def test_an_identifier_without_a_cap_is_refused(bench: Any, make: Any) -> None:
    bench.caps = (make("cap", AccountScope.IDENTIFIER, "nhs", 50),)
    with pytest.raises(Refused, match="BUDGET_NO_CAP"):
        bench.charge(bench.open(), 1)


# -- attempts and answers


def test_attempts_are_counted_for_each_request_and_run(bench: Any, make: Any) -> None:
    ledger, request = bench.open(), make("request", max_attempts=2, runs=3)
    for run in (1, 2, 3):
        for attempt in (1, 2):
            bench.charge(ledger, f"{run}.{attempt}", request=request, run=run)
        with pytest.raises(Refused, match="POLICY_ATTEMPTS_EXHAUSTED"):
            bench.charge(ledger, f"{run}.3", request=request, run=run)
    for run in (0, 4):
        with pytest.raises(Refused, match="POLICY_ATTEMPTS_EXHAUSTED"):
            bench.charge(ledger, f"run {run}", request=request, run=run)
    bench.charge(ledger, "another request", request=request, entry=make("entry", "another"))


def test_a_helper_answers_a_round_once(bench: Any, make: Any) -> None:
    ledger, request = bench.open(), make("request", max_attempts=2)
    before = ledger.head()
    ledger.mark_answered(request, make("entry", round=make("round", 1), survivors=("north", "south")))
    for again in (ledger, bench.open()):
        with pytest.raises(Refused, match="POLICY_ROUND_ANSWERED"):
            again.mark_answered(request, make("entry", round=make("round", 1), survivors=("north",)))
    answered = entries(ledger)[-1]
    assert answered.kind is JournalKind.ANSWERED_AS_HELPER
    assert (answered.round, answered.survivors) == (make("round", 1), ("north", "south"))
    assert ledger.head().totals_digest != before.totals_digest
    ledger.mark_answered(request, make("entry", round=make("round", 2)))
    with pytest.raises(Refused, match="POLICY_ATTEMPTS_EXHAUSTED"):
        ledger.mark_answered(request, make("entry", round=make("round", 3)))


def test_a_member_may_charge_and_answer_the_same_round(bench: Any, make: Any) -> None:
    ledger = bench.open()
    bench.charge(ledger, 1)
    ledger.mark_answered(make("request"), make("entry", round=make("round", 1)))
    assert kinds(ledger)[1:] == [JournalKind.CHARGED, JournalKind.ANSWERED_AS_HELPER]


def test_other_entries_are_recorded_and_the_ledgers_own_kinds_are_not(bench: Any, make: Any) -> None:
    ledger = bench.open()
    assert ledger.record(make("entry", kind=JournalKind.PAUSED, detail="maintenance")) == 1
    assert entries(ledger)[1].detail == "maintenance"
    for kind in (JournalKind.CHARGED, JournalKind.REPLIED, JournalKind.ANSWERED_AS_HELPER):
        with pytest.raises(ValueError, match=kind.name):
            ledger.record(make("entry", kind=kind))


def test_a_record_is_kept_once_and_journalled(bench: Any, make: Any) -> None:
    """In the order in which they came, by their payload's digest, and again after a restart."""
    ledger = bench.open()
    records = [
        SignedRecord(RecordKind.PAUSE, f"pause {n}".encode(), (Signature("guardian", bytes(64)),)) for n in range(3)
    ]
    for record in records:
        ledger.keep(record, make("entry", kind=JournalKind.PAUSED, agreement_digest=b""))
        assert entries(ledger)[-1].record_digest == wire.digest(record.payload)
    size = ledger.head().size
    signed_again = replace(records[0], signatures=(Signature("another", bytes(64)),))
    for again in (ledger, bench.open()):
        with pytest.raises(Refused, match="POLICY_RECORD_OLD"):
            again.keep(signed_again, make("entry", kind=JournalKind.PAUSED))
        assert again.head().size == size == 1 + len(records)
        assert again.kept() == tuple(records)


def test_a_record_that_cannot_be_written_is_not_kept(bench: Any, make: Any) -> None:
    ledger = bench.open()
    (pages,) = ledger._db.execute("PRAGMA page_count").fetchone()
    ledger._db.execute(f"PRAGMA max_page_count = {pages + 1}")
    large = SignedRecord(RecordKind.AGREEMENT, bytes(100_000), ())
    with pytest.raises(Unavailable, match="NODE_LEDGER_FAILED"):
        ledger.keep(large, make("entry", kind=JournalKind.AGREEMENT_STORED))
    assert (ledger.kept(), ledger.head().size) == ((), 1)


def test_the_newest_head_of_each_member_is_held(bench: Any, make: Any) -> None:
    """With the charge or the answer that brought it; an older one changes nothing; nothing is held after a refusal."""
    ledger = bench.open()

    def head(member: str, size: int) -> JournalHead:
        return JournalHead(member, size, bytes([size]) * 32, bytes(32))

    entry = make("entry", round=make("round", 1))
    ledger.charge(make("request"), make("agreement"), (NINO,), entry, heads=[head("h", 5), head("g", 2)])
    ledger.mark_answered(make("request"), entry, heads=[head("h", 4), head("g", 3)])
    with pytest.raises(Refused, match="POLICY_ROUND_ANSWERED"):
        ledger.mark_answered(make("request"), entry, heads=[head("h", 9)])
    held = (HeldHead("g", 3, bytes([3]) * 32), HeldHead("h", 5, bytes([5]) * 32))
    assert ledger.held(("h", "g")) == bench.open().held(("g", "h", "g")) == held
    assert ledger.held(("nobody",)) == (HeldHead("nobody", 0, EMPTY_ROOT),)
    assert ledger.held(("h",)) == held[1:]


# -- time


def test_time_never_goes_back(bench: Any, make: Any) -> None:
    ledger = bench.open()
    bench.charge(ledger, 1)
    latest = bench.clock.now
    bench.clock.now -= CLOCK_BACK_MS
    assert bench.open().head() == ledger.head()
    bench.charge(ledger, 2)
    assert entries(ledger)[-1].at_ms == latest
    bench.clock.now -= 1
    refused = (
        lambda: bench.charge(ledger, 3),
        lambda: ledger.mark_answered(make("request"), make("entry", round=make("round", 3))),
    )
    for step in refused:
        with pytest.raises(Unavailable, match="NODE_CLOCK_BACK"):
            step()
    ledger.store_reply(make("round", 2), b"masked")  # what was charged is still finished
    assert entries(ledger)[-1].at_ms == latest
    bench.clock.now = latest + 5
    bench.charge(ledger, 4)
    assert entries(ledger)[-1].at_ms == latest + 5


# -- the file


def test_everything_is_there_after_reopening(bench: Any, make: Any) -> None:
    ledger = bench.open()
    for number in range(20):
        bench.charge(ledger, number, 1 + number, number)
        ledger.store_reply(make("round", number), bytes([number]) * 1000)
    ledger.mark_answered(make("request"), make("entry", round=make("round", 50)))
    before = ledger.head(), make("balances", ledger), entries(ledger)
    ledger.close()
    again = bench.open()
    assert (again.head(), make("balances", again), entries(again)) == before
    assert [again.reply(make("round", n)) for n in range(20)] == [bytes([n]) * 1000 for n in range(20)]


def test_the_file_is_the_owners_alone_and_commits_are_synced(bench: Any) -> None:
    ledger = bench.open()
    bench.charge(ledger, 1)
    for file in bench.path.parent.iterdir():
        assert file.stat().st_mode & 0o077 == 0, file
    assert ledger._db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert ledger._db.execute("PRAGMA synchronous").fetchone() == (2,)


def test_a_ledger_of_another_member_does_not_open(bench: Any) -> None:
    bench.open("north").close()
    with pytest.raises(Unavailable, match="NODE_LEDGER_FAILED"):
        bench.open("south")


@pytest.mark.parametrize("what", ["gone", "emptied", "a new one", "an older copy", "another history"])
def test_a_journal_that_does_not_go_on_from_a_head_does_not_open(bench: Any, what: str) -> None:
    ledger = bench.open()
    bench.charge(ledger, 1)
    ledger.close()
    older = bench.path.read_bytes()
    ledger = bench.open()
    bench.charge(ledger, 2)
    head = ledger.head()
    ledger.close()
    again = Ledger.open(bench.path, "north", bench.clock, bench.caps, head)
    bench.charge(again, 3)
    again.close()
    Ledger.open(bench.path, "north", bench.clock, bench.caps, head).close()
    bench.path.unlink()
    if what == "emptied":
        bench.path.touch()
    elif what == "an older copy":
        bench.path.write_bytes(older)
    elif what != "gone":
        new = bench.open()
        for number in range(5 if what == "another history" else 0):
            bench.charge(new, f"other {number}")
        new.close()
    for _ in range(2):
        with pytest.raises(Unavailable, match="NODE_JOURNAL_DAMAGED"):
            Ledger.open(bench.path, "north", bench.clock, bench.caps, head)
    assert bench.path.exists() == (what != "gone")


@pytest.mark.parametrize("what", ["folder", "not a database", "another version", "closed"])
def test_a_file_that_cannot_be_used_is_one_fixed_code(bench: Any, what: str) -> None:
    if what == "folder":
        bench.path.mkdir()
    elif what == "not a database":
        bench.path.write_bytes(b"canary " * 1000)
    else:
        bench.open()
        with sqlite3.connect(bench.path) as db:
            db.execute("PRAGMA user_version = 99")
    with pytest.raises(Unavailable, match="NODE_LEDGER_FAILED") as caught:
        if what == "closed":
            bench.opened[0].close()
            bench.opened[0].head()
        bench.open()
    assert "canary" not in str(caught.value)


def test_a_full_disk_refuses_and_loses_nothing(bench: Any, make: Any) -> None:
    ledger = bench.open()
    bench.charge(ledger, 1)
    before = ledger.head(), make("balances", ledger)
    (pages,) = ledger._db.execute("PRAGMA page_count").fetchone()
    ledger._db.execute(f"PRAGMA max_page_count = {pages + 2}")
    with pytest.raises(Unavailable, match="NODE_LEDGER_FAILED"):
        ledger.store_reply(make("round", 1), bytes(100_000))
    assert (ledger.head(), make("balances", ledger)) == before
    ledger._db.execute("PRAGMA max_page_count = 100000")
    ledger.store_reply(make("round", 1), b"masked")


# -- races


def test_exactly_k_of_many_attempts_succeed(bench: Any, make: Any) -> None:
    """200 charges of 10 by 8 threads on two connections against a cap of 370: exactly 37."""
    bench.caps = (make("cap", AccountScope.IDENTIFIER, "", 379),)
    ledgers = [bench.open(), bench.open()]
    outcomes: list[str] = []

    def work(thread: int) -> None:
        for number in range(25):
            try:
                bench.charge(ledgers[thread % 2], f"{thread}/{number}")
                outcomes.append("charged")
            except Refused as refused:
                outcomes.append(refused.code)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (outcomes.count("charged"), outcomes.count("BUDGET_EXHAUSTED")) == (37, 163)
    assert bench.spent(ledgers[0], NINO) == 370
    assert kinds(bench.open()).count(JournalKind.CHARGED) == 37


def test_one_round_is_charged_by_one_of_many_threads(bench: Any) -> None:
    ledgers = [bench.open(), bench.open()]
    codes: list[str] = []

    def work(thread: int) -> None:
        try:
            bench.charge(ledgers[thread % 2], "the same")
            codes.append("charged")
        except Unavailable as refused:
            codes.append(refused.code)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(codes) == ["ROUND_ALREADY_CHARGED"] * 9 + ["charged"]
