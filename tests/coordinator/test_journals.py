"""Journals at the coordinator: collected, checked against what was said before, its own; and witnesses relayed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engine.coordinator.journals import Journals, entry_of
from engine.coordinator.store import Store
from engine.errors import Refused
from engine.governance import proofs
from engine.governance.federation import Federation
from engine.trusted import wire
from engine.trusted.home import Home
from engine.trusted.journal import leaf_hash
from engine.trusted.messages import AskJournal, AskWitness, JournalPart, SeekWitnesses
from engine.trusted.records import JournalEntry, JournalKind, RecordKind, SignedHead, SignedRecord, Witness
from engine.trusted.sign import open_head, open_witness, sign_head, signed
from tests.coordinator.members import Double, doubles, make_federation, make_submission
from tests.coordinator.test_reception import COUNTS, Bench, make_bench
from tests.coordinator.test_store import REQUEST, RESULT, ROUND, SUBMISSION

COORDINATOR = "coordinator"


@pytest.fixture(scope="module")
def federation(tmp_path_factory: pytest.TempPathFactory) -> Federation:
    return make_federation(tmp_path_factory.mktemp("federation"), helpers=2)


@pytest.fixture
def kept(where: Path | str, federation: Federation) -> Iterator[tuple[Store, Journals]]:
    home = Home.load(federation.home(COORDINATOR))
    store = Store(where)
    yield store, store.journals(home.roster, home.signing_key())
    store.close()


@pytest.fixture
def north(federation: Federation) -> Double:
    member = Double(federation, "north", (1, 2))
    for number in range(10):
        member.note(JournalKind.SNAPSHOT_TAKEN, detail=str(number))
    return member


def entries_of(journals: Journals, member: str) -> list[JournalEntry]:
    """All that is stored of a member, once it leads to the head that goes with it."""
    parts = list(journals.parts(member, 0))
    entries = [entry for part in parts for entry in part.entries]
    head = open_head(parts[-1].head, journals.roster())
    assert (head.member, head.size) == (member, len(entries))
    assert head.root == proofs.root([leaf_hash(entry) for entry in entries])
    return [wire.decode(JournalEntry, entry) for entry in entries]


def test_a_journal_grows_by_signed_heads(kept: tuple[Store, Journals], north: Double) -> None:
    _, journals = kept
    assert (journals.size("north"), journals.head("north")) == (0, None)
    for size in (1, 4, 4, 10):
        start = journals.size("north")
        assert journals.take(start, north.journal[start:size], north.head_at(size)) == size
    assert journals.take(2, north.journal[2:7], north.head_at(7)) == 10  # an answer that comes late
    assert [entry.detail for entry in entries_of(journals, "north")] == [str(n) for n in range(10)]
    assert journals.head("north") == north.head
    assert [part.start for part in journals.parts("north", 6)] == [6]
    journals.check_head(north.head, newest=True)
    journals.check_head(north.head_at(5), newest=False)


def other_history(north: Double) -> Double:
    north.journal[3] = wire.encode(replace(wire.decode(JournalEntry, north.journal[3]), detail="another"))
    return north


FORKS: dict[str, Callable[[Journals, Double], Any]] = {
    "another entry, then more": lambda j, n: (n.note(JournalKind.PAUSED), j.take(6, n.journal[6:], n.head)),
    "another head of the same size": lambda j, n: j.check_head(n.head_at(6), newest=False),
    "an older head of another history": lambda j, n: j.check_head(n.head_at(4), newest=False),
    "entries again, with another one": lambda j, n: j.take(0, n.journal[:6], n.head_at(6)),
}


@pytest.mark.parametrize("fork", FORKS.values(), ids=FORKS.keys())
def test_a_fork_is_kept_as_evidence_and_nothing_more_is_taken(
    kept: tuple[Store, Journals], north: Double, fork: Callable[[Journals, Double], Any]
) -> None:
    _, journals = kept
    journals.take(0, north.journal[:6], north.head_at(6))
    before, honest = north.head_at(6), list(north.journal)
    with pytest.raises(Refused, match="POLICY_HEAD_FORKED"):
        fork(journals, other_history(north))
    assert journals.contrary() == {"north"}
    assert journals.head("north") == before
    assert [entry.detail for entry in entries_of(journals, "north")] == [str(n) for n in range(6)]
    north.journal = honest
    with pytest.raises(Refused, match="POLICY_HEAD_FORKED"):
        journals.take(6, north.journal[6:], north.head)


def test_a_journal_that_shrank(kept: tuple[Store, Journals], north: Double) -> None:
    _, journals = kept
    journals.take(0, north.journal, north.head)
    with pytest.raises(Refused, match="POLICY_HEAD_FORKED"):
        journals.check_head(north.head_at(5), newest=True)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda n: (1, n.journal[1:], n.head), "POLICY_RECORD_INVALID"),  # a gap
        (lambda n: (0, n.journal[:-1], n.head), "POLICY_RECORD_INVALID"),  # one too few
        (lambda n: (0, [*n.journal[:-1], n.journal[0]], n.head), "POLICY_HEAD_FORKED"),
        (lambda n: (0, n.journal, replace(n.head, signature=bytes(64))), "POLICY_SIGNATURE_INVALID"),
        (lambda n: (0, [b"\xff", *n.journal[1:]], n.head), "POLICY_WIRE_INVALID"),
    ],
)
def test_what_is_not_taken(
    kept: tuple[Store, Journals],
    north: Double,
    change: Callable[[Double], tuple[int, list[bytes], SignedHead]],
    code: str,
) -> None:
    _, journals = kept
    with pytest.raises(Refused, match=code):
        journals.take(*change(north))
    assert journals.size("north") == 0


def test_the_entries_of_another_member_are_not_taken(kept: tuple[Store, Journals], north: Double) -> None:
    _, journals = kept
    north.journal[2] = wire.encode(replace(wire.decode(JournalEntry, north.journal[2]), member="east"))
    with pytest.raises(Refused, match="POLICY_RECORD_INVALID"):
        journals.take(0, north.journal, north.head)


def test_the_coordinators_own_journal_tells_of_each_change(kept: tuple[Store, Journals]) -> None:
    store, journals = kept
    assert open_head(journals.parts(COORDINATOR, 0).__next__().head, journals.roster()).size == 0
    store.accept(REQUEST, "analyst", SUBMISSION, 1)
    store.accept(REQUEST, "analyst", SUBMISSION, 2)
    store.open_round(REQUEST, ROUND, 1, b"manifest", 3)
    store.release(REQUEST, ROUND, RESULT, 4)
    store.accept(b"z" * 32, "analyst", SUBMISSION, 5)
    store.refuse(b"z" * 32, "BUDGET_EXHAUSTED", 6)
    told = entries_of(journals, COORDINATOR)
    kinds = [JournalKind.REQUESTED, JournalKind.RELEASED_TO_ANALYST, JournalKind.REQUESTED, JournalKind.REQUEST_ENDED]
    assert [(e.kind, e.at_ms) for e in told] == list(zip(kinds, (1, 4, 5, 6), strict=True))
    assert {(e.analyst, e.plan_digest, e.agreement_digest, e.member) for e in told} == {
        ("analyst", b"p" * 32, b"a" * 32, COORDINATOR)
    }
    assert (told[1].round, told[1].survivors, told[3].code) == (ROUND, ("east",), "BUDGET_EXHAUSTED")


def test_a_change_that_fails_is_not_told(kept: tuple[Store, Journals]) -> None:
    store, journals = kept
    store.accept(REQUEST, "analyst", SUBMISSION, 1)
    with pytest.raises(RuntimeError), store.changing() as connection:
        store.journal(connection, entry_of(JournalKind.PUBLISHED, 2))
        raise RuntimeError
    assert len(entries_of(journals, COORDINATOR)) == 1


def test_a_long_journal_goes_out_in_parts(kept: tuple[Store, Journals], north: Double) -> None:
    _, journals = kept
    for _ in range(40):
        north.note(JournalKind.SNAPSHOT_TAKEN, detail="x" * 100_000)
    journals.take(0, north.journal, north.head)
    parts = list(journals.parts("north", 3))
    assert len(parts) > 3
    assert all(sum(map(len, part.entries)) < 2 << 20 for part in parts)
    assert [entry for part in parts for entry in part.entries] == north.journal[3:]


# -- on the links


def until(holds: Callable[[], bool], seconds: float = 10.0) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.005)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    federation = make_federation(tmp_path, helpers=2)
    members = doubles(federation, COUNTS)
    members["north"].note(JournalKind.OPENED)
    made = make_bench(federation, members)
    yield made
    made.reception.drain()
    made.links.close()


def size(bench: Bench, member: str) -> int:
    return bench.services.journals.size(member)


def test_a_journal_is_collected_when_a_member_comes_and_after_each_round(bench: Bench) -> None:
    until(lambda: size(bench, "north") == 1)
    bench.run(make_submission(bench.federation))
    until(lambda: (size(bench, "north"), size(bench, "east"), size(bench, "helper-1")) == (3, 2, 1))
    kinds = [entry.kind for entry in entries_of(bench.services.journals, "north")]
    assert kinds == [JournalKind.OPENED, JournalKind.CHARGED, JournalKind.REPLIED]
    assert entries_of(bench.services.journals, "helper-1")[0].kind is JournalKind.ANSWERED_AS_HELPER
    own = [entry.kind for entry in entries_of(bench.services.journals, COORDINATOR)]
    assert own == [JournalKind.AGREEMENT_STORED, JournalKind.REQUESTED, JournalKind.RELEASED_TO_ANALYST]


def test_what_a_member_did_while_away_is_collected_when_it_comes_back(bench: Bench) -> None:
    until(lambda: size(bench, "north") == 1)
    north = bench.members["north"]
    north.leave(bench.links)
    for _ in range(7):  # three parts
        north.note(JournalKind.SNAPSHOT_TAKEN)
    north.join(bench.links)
    until(lambda: size(bench, "north") == 8)


def test_a_new_word_of_a_member_that_stays_is_enough(bench: Bench) -> None:
    north = bench.members["north"]
    until(lambda: size(bench, "north") == 1)
    north.note(JournalKind.PAUSED)
    assert north.link is not None
    bench.links.hand_over(north.link, north.hello())
    until(lambda: size(bench, "north") == 2)


def test_a_member_whose_journal_shrank_is_shown_and_asked_no_more(bench: Bench) -> None:
    until(lambda: size(bench, "north") == 1)
    north = bench.members["north"]
    north.leave(bench.links)
    north.journal.clear()
    north.seen.clear()
    north.join(bench.links)
    until(lambda: bench.services.journals.contrary() == {"north"})
    bench.run(make_submission(bench.federation))
    until(lambda: size(bench, "east") == 2)
    assert not any(isinstance(message, AskJournal) for message in north.seen)
    shown = {state.node: state.journal for state in bench.reception.describe().nodes}
    assert shown == {"east": "", "north": "POLICY_HEAD_FORKED", "west": ""}


def test_parts_out_of_order_and_of_others_are_let_fall(bench: Bench) -> None:
    until(lambda: size(bench, "north") == 1)
    north, east = bench.members["north"], bench.members["east"]
    north.faults.add("silent")
    for _ in range(5):
        north.note(JournalKind.SNAPSHOT_TAKEN)
    assert north.link is not None
    assert east.link is not None
    one, two = (p for p in north._tell(1) if isinstance(p, JournalPart))
    bench.links.hand_over(east.link, one)
    bench.links.hand_over(north.link, two)
    bench.links.hand_over(north.link, one)
    bench.links.hand_over(north.link, replace(two, start=5))
    time.sleep(0.1)
    assert size(bench, "north") == 1
    for part in (one, two):
        bench.links.hand_over(north.link, part)
    until(lambda: size(bench, "north") == 6)


# -- witnesses


def witnesses_seen(member: Double) -> list[Witness]:
    records = [m for m in member.seen if isinstance(m, SignedRecord) and m.kind is RecordKind.WITNESS]
    return [open_witness(record, member.roster) for record in records]


def test_a_member_that_seeks_hears_every_other_one(bench: Bench) -> None:
    bench.run(make_submission(bench.federation))
    north = bench.members["north"]
    late = bench.members["west"]
    late.leave(bench.links)
    assert north.link is not None
    bench.links.hand_over(north.link, SeekWitnesses(b"n" * 16))
    until(lambda: {w.witness for w in witnesses_seen(north)} == {"east", "helper-1", "helper-2"})
    late.join(bench.links)
    until(lambda: {w.witness for w in witnesses_seen(north)} == {"east", "helper-1", "helper-2", "west"})
    charged = bench.members["helper-1"].held["north"].head
    found = {w.witness: (w.size, w.root) for w in witnesses_seen(north)}
    assert found["helper-1"] == (charged.size, charged.root)
    assert found["east"] == (0, b"")
    assert not any(isinstance(message, AskWitness) for message in north.seen)


def test_a_word_nobody_asked_for_or_of_somebody_else_is_not_carried(bench: Bench) -> None:
    north, east = bench.members["north"], bench.members["east"]
    assert north.link is not None
    assert east.link is not None
    forged = Witness(1, b"n" * 16, "west", "north", 9, bytes(32))
    bench.links.hand_over(east.link, signed(RecordKind.WITNESS, wire.encode(forged), east.key))
    stale = Witness(1, b"o" * 16, "east", "north", 9, bytes(32))
    bench.links.hand_over(east.link, signed(RecordKind.WITNESS, wire.encode(stale), east.key))
    bench.links.hand_over(north.link, SeekWitnesses(b"short"))
    bench.links.hand_over(north.link, SeekWitnesses(b"n" * 16))
    until(lambda: len(witnesses_seen(north)) == 4)
    assert {(w.size, w.nonce) for w in witnesses_seen(north)} == {(0, b"n" * 16)}


def test_nobody_seeks_for_a_member_that_left(bench: Bench) -> None:
    north, west = bench.members["north"], bench.members["west"]
    west.leave(bench.links)
    assert north.link is not None
    bench.links.hand_over(north.link, SeekWitnesses(b"n" * 16))
    until(lambda: len(witnesses_seen(north)) == 3)
    north.leave(bench.links)
    west.seen.clear()
    west.join(bench.links)
    bench.run(make_submission(bench.federation))
    assert not any(isinstance(message, AskWitness) for message in west.seen)


def test_a_head_signed_for_another_size_is_no_head(north: Double) -> None:
    forged = replace(north.head, head=replace(north.head.head, size=3))
    with pytest.raises(Refused, match="POLICY_SIGNATURE_INVALID"):
        open_head(forged, north.roster)
    assert open_head(sign_head(north.head.head, north.key), north.roster) == north.head.head


# -- proofs of a round, carried


def test_helpers_hold_heads_and_each_later_one_is_proven_to_them(bench: Bench) -> None:
    for _ in range(3):
        submission = make_submission(bench.federation)
        bench.run(submission)
    head, _ = bench.fetch(wire.digest(submission.request.payload))
    assert [proof.member for proof in head.charges] == ["east", "north", "west"]
    held = bench.members["helper-1"].held["north"].head
    assert held.size == 6  # opened, then charged and replied twice, then charged


def test_a_node_that_proves_nothing_is_still_counted(bench: Bench) -> None:
    bench.members["north"].faults.add("proves nothing")
    submission = make_submission(bench.federation)
    bench.run(submission)
    head, _ = bench.fetch(wire.digest(submission.request.payload))
    assert [proof.member for proof in head.charges] == ["east", "west"]
    assert bench.counts(submission) == (7, 70)
