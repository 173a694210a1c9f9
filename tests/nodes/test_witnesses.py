"""Who vouches for a journal at a start, and what a member is told of its own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engine.errors import SplittallyError
from engine.trusted import wire
from engine.trusted.journal import EMPTY_ROOT, completed, leaf_hash, tree_root
from engine.trusted.messages import AskJournal, AskReady, AskWitness
from engine.trusted.records import JournalEntry, JournalHead, JournalKind, RecordKind, SignedRecord, Witness
from engine.trusted.sign import open_head, open_witness, signed
from nodes.answer import answer
from nodes.committee import ready, remember
from nodes.ledger import entry_of
from nodes.manifest import Seat
from nodes.witnesses import ALONE, ROLLED_BACK, Vouching, hear, journal_part, others
from nodes.witnesses import testify as word_of  # a name that pytest would take for a test

NONCE = bytes([7]) * 16


def closed(federation: Any, name: str = "north") -> Seat:
    return replace(federation.seat(name), unvouched=ALONE)  # type: ignore[no-any-return]


def word(federation: Any, by: str, **changes: Any) -> SignedRecord:
    honest = Witness(1, NONCE, by, "north", 0, b"")
    key = federation.keys[changes.pop("key", by)].signing
    return signed(RecordKind.WITNESS, wire.encode(replace(honest, **changes)), key)


def code_of(call: Any, *arguments: Any) -> str:
    with pytest.raises(SplittallyError) as refused:
        call(*arguments)
    return refused.value.code


def test_a_member_opens_only_when_enough_others_vouch(federation: Any) -> None:
    """All but one of the other helpers; one that speaks twice counts once; nobody else counts."""
    seat, asked = closed(federation), Vouching(NONCE)
    names = sorted(others(seat))
    assert names == sorted(["south", "helper-1", "helper-2", "helper-3", "helper-of-ada"])
    for name in [names[0], *names[: len(names) - 2]]:
        asked, seat = hear(word(federation, name), asked, seat)
        assert seat.unvouched == ALONE
        assert code_of(seat.require_open) == ALONE
    asked, seat = hear(word(federation, names[-1]), asked, seat)
    seat.require_open()


@pytest.mark.parametrize(
    ("by", "changes", "code"),
    [
        ("ada", {}, "POLICY_UNKNOWN_MEMBER"),
        ("guardian of south", {}, "POLICY_UNKNOWN_MEMBER"),
        ("north", {}, "POLICY_UNKNOWN_MEMBER"),
        ("south", {"member": "east"}, "POLICY_RECORD_INVALID"),
        ("south", {"nonce": bytes(16)}, "POLICY_RECORD_INVALID"),  # an answer to another start
        ("south", {"version": 2}, "POLICY_RECORD_INVALID"),
        ("south", {"key": "east"}, "POLICY_SIGNATURE_INVALID"),
    ],
)
def test_a_word_that_is_not_a_witnesss_counts_for_nothing(
    by: str, changes: dict[str, Any], code: str, federation: Any
) -> None:
    assert code_of(hear, word(federation, by, **changes), Vouching(NONCE), closed(federation)) == code


def test_a_witness_names_the_newest_head_that_it_holds(federation: Any) -> None:
    helper, north = federation.seat("helper-1"), federation.seat("north")
    nothing = open_witness(word_of(AskWitness(NONCE, "north"), helper), federation.roster)
    assert (nothing.witness, nothing.member, nothing.nonce, nothing.size) == ("helper-1", "north", NONCE, 0)
    helper.ledger.mark_answered(
        federation.request(), entry_of(JournalKind.CHARGED, round=bytes(32)), heads=[north.ledger.head()]
    )
    known = open_witness(word_of(AskWitness(NONCE, "north"), helper), federation.roster)
    head = north.ledger.head()
    assert (known.size, known.root) == (head.size, head.root)


def test_nodes_hold_the_heads_of_helpers_from_their_readies(federation: Any) -> None:
    answer(federation.honest(), federation.node("north"))
    head = federation.seat("helper-1").ledger.head()
    known = open_witness(word_of(AskWitness(NONCE, "helper-1"), federation.seat("north")), federation.roster)
    assert (known.size, known.root) == (head.size, head.root)


def put_back(federation: Any, name: str) -> tuple[JournalHead, Seat]:
    """The newest head of a member, and its seat once its ledger was put back to a copy that lacks the last entry."""
    federation.seat(name).ledger.close()
    path = Path(federation.folder) / f"{name}.db"
    copy = path.read_bytes()
    del federation.seats[name]
    newer = federation.seat(name).ledger
    newer.record(entry_of(JournalKind.ROUND_REFUSED))
    head: JournalHead = newer.head()
    newer.close()
    del federation.seats[name]
    path.write_bytes(copy)
    return head, closed(federation, name)


def test_a_ledger_that_was_put_back_stays_closed(federation: Any) -> None:
    """One that holds a newer head is enough, whatever the others say; once open, no single word closes a member."""
    head, seat = put_back(federation, "north")
    asked, opened, names = Vouching(NONCE), seat, sorted(others(seat))
    for name in names[:-1]:
        asked, opened = hear(word(federation, name), asked, opened)
    opened.require_open()  # who holds the newer head was away
    newer = word(federation, names[-1], size=head.size, root=head.root)
    assert code_of(hear, newer, asked, opened) == "POLICY_RECORD_OLD"
    asked, shut = hear(newer, Vouching(NONCE), seat)
    for name in names[:-1]:
        asked, shut = hear(word(federation, name), asked, shut)
    assert code_of(shut.require_open) == ROLLED_BACK


def test_a_journal_that_went_on_in_another_way_stays_closed(federation: Any) -> None:
    """As long as the witness's, or longer, with another history: a clone that lived on elsewhere."""
    head, seat = put_back(federation, "north")
    for _ in range(3):
        seat.ledger.record(entry_of(JournalKind.PAUSED))
    _, shut = hear(word(federation, "south", size=head.size, root=head.root), Vouching(NONCE), seat)
    assert shut.unvouched == ROLLED_BACK


def test_a_member_that_nobody_vouched_for_takes_part_in_nothing(federation: Any) -> None:
    arrival = federation.honest()
    node = federation.node("north")
    assert code_of(answer, arrival, replace(node, seat=closed(federation))) == ALONE
    assert node.tables.read == []
    assert code_of(remember, arrival, closed(federation, "helper-1")) == ALONE
    assert code_of(ready, AskReady(bytes(32), ()), closed(federation, "helper-1")) == ALONE


def test_a_journal_is_given_in_parts_that_add_up_to_its_head(federation: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    seat = federation.seat("north")
    for number in range(25):
        seat.ledger.record(entry_of(JournalKind.ROUND_REFUSED, detail="x" * 100 * (number % 3)))
    monkeypatch.setattr("engine.trusted.messages.PART_BYTES", 1_000)
    entries: list[bytes] = []
    while True:
        part = journal_part(AskJournal(len(entries)), seat)
        assert part.start == len(entries)
        entries += part.entries
        head = open_head(part.head, federation.roster)
        if not part.entries:
            break
        assert sum(map(len, part.entries)) <= 1_000
    assert len(entries) == head.size == 26
    assert head == seat.ledger.head()
    held: dict[tuple[int, int], bytes] = {}
    for position, entry in enumerate(entries):
        for level, index, found in completed(position, leaf_hash(entry), lambda *key: held[key]):
            held[level, index] = found
    assert tree_root(head.size, lambda *key: held[key]) == head.root != EMPTY_ROOT
    assert wire.decode(JournalEntry, entries[0]).kind is JournalKind.OPENED
