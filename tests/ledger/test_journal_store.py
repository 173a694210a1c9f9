"""The journal on disk: heads and proofs are those of the whole tree, tampering is found, forks are refused."""

from __future__ import annotations

import sqlite3
import time
from dataclasses import replace
from typing import Any

import pytest

from engine.errors import Refused, Unavailable
from engine.trusted import journal
from engine.trusted.messages import ConsistencyProof
from engine.trusted.records import JournalHead, JournalKind, SignedHead


def fill(ledger: Any, make: Any, count: int) -> None:
    for number in range(count):
        ledger.record(make("entry", kind=JournalKind.AGREEMENT_STORED, detail=str(number)))


def test_head_and_proofs_are_those_of_the_whole_tree(bench: Any, make: Any) -> None:
    ledger = bench.open()
    heads = [ledger.head()]
    for number in range(40):
        fill(ledger, make, 1) if number % 3 else bench.charge(ledger, number)
        heads.append(ledger.head())
    size = heads[-1].size
    leaves = [journal.leaf_hash(ledger.entry(at)) for at in range(size)]
    for head in heads:
        assert (head.member, head.root) == ("north", journal.root(leaves[: head.size]))
        proof = ledger.consistency(head.size, size)
        assert (proof.node, proof.old_size) == ("north", head.size)
        journal.verify_consistency(head.size, size, head.root, heads[-1].root, proof.path)
    for at in range(size):
        journal.verify_inclusion(leaves[at], at, size, ledger.inclusion(at, size), heads[-1].root)


TAMPERING = {
    "an entry changed": "UPDATE entries SET entry = x'00' WHERE position = 3",
    "the last entry removed": "DELETE FROM entries WHERE position = 9",
    "an entry in the middle removed": "DELETE FROM entries WHERE position = 4",
    "entries replayed": "UPDATE entries SET entry = (SELECT entry FROM entries WHERE position = 3) WHERE position = 5",
    "an entry added": "INSERT INTO entries VALUES (10, x'00')",
    "a hash changed": "UPDATE hashes SET hash = zeroblob(32) WHERE level = 1 AND position = 1",
    "a hash removed": "DELETE FROM hashes WHERE level = 3",
    "a hash added": "INSERT INTO hashes VALUES (5, 0, zeroblob(32))",
}


@pytest.mark.parametrize("what", TAMPERING)
def test_a_tampered_row_is_found(bench: Any, make: Any, what: str) -> None:
    ledger = bench.open()
    fill(ledger, make, 9)
    ledger.close()
    with sqlite3.connect(bench.path) as db:
        db.execute("DROP TRIGGER entries_keep")
        db.execute("DROP TRIGGER entries_stay")
        db.execute(TAMPERING[what])
    with pytest.raises(Unavailable, match="NODE_JOURNAL_DAMAGED"):
        bench.open()


def test_a_missing_hash_is_no_head(bench: Any, make: Any) -> None:
    ledger = bench.open()
    fill(ledger, make, 7)
    with sqlite3.connect(bench.path) as db:
        db.execute("DELETE FROM hashes WHERE level = 3")
    with pytest.raises(Unavailable, match="NODE_JOURNAL_DAMAGED"):
        ledger.head()


@pytest.mark.parametrize("change", ["UPDATE entries SET entry = x'00'", "DELETE FROM entries"])
def test_entries_are_append_only(bench: Any, change: str) -> None:
    bench.open()
    with sqlite3.connect(bench.path) as db, pytest.raises(sqlite3.IntegrityError, match="append only"):
        db.execute(change)


def _head(leaves: list[bytes], size: int) -> SignedHead:
    return SignedHead(JournalHead("south", size, journal.root(leaves[:size]), bytes(32)), b"verified before")


def test_a_fork_is_refused(bench: Any) -> None:
    """South's journal as north sees it: growth with a proof is kept, any other history is not."""
    leaves = [journal.leaf_hash(bytes([i])) for i in range(20)]
    forked = [*leaves[:9], *(journal.leaf_hash(bytes([100 + i])) for i in range(11))]
    hashes, other = journal.stored_in(leaves), journal.stored_in(forked)

    def proof(old: int, new: int, tree: journal.Hashes = hashes) -> Any:
        return _proof("south", old, journal.consistency_path(old, new, tree))

    ledger = bench.open()
    assert ledger.held_head("south") is None
    ledger.hold_head(_head(leaves, 8), None)
    ledger.hold_head(_head(leaves, 8), None)
    ledger.hold_head(_head(leaves, 12), proof(8, 12))
    ledger.hold_head(_head(leaves, 10), proof(10, 12))  # overtaken on its way
    ledger.hold_head(_head(leaves, 8), None)
    assert ledger.held_head("south") == bench.open().held_head("south") == _head(leaves, 12)
    for head, proved, code in (
        (_head(forked, 12), None, "POLICY_HEAD_FORKED"),
        (_head(forked, 12), proof(8, 12, other), "POLICY_HEAD_FORKED"),
        (_head(forked, 10), proof(10, 12, other), "POLICY_HEAD_FORKED"),
        (_head(forked, 15), proof(12, 15, other), "POLICY_PROOF_INVALID"),
        (_head(forked, 15), proof(8, 15, other), "POLICY_PROOF_INVALID"),
        (_head(forked, 11), proof(11, 12, other), "POLICY_PROOF_INVALID"),
        (_head(leaves, 15), None, "POLICY_PROOF_INVALID"),
        (_head(leaves, 15), proof(8, 15), "POLICY_PROOF_INVALID"),
        (_head(leaves, 9), None, "POLICY_PROOF_INVALID"),
    ):
        with pytest.raises(Refused, match=code):
            ledger.hold_head(head, proved)
    changed = replace(_head(leaves, 12), head=replace(_head(leaves, 12).head, totals_digest=b"\1" * 32))
    with pytest.raises(Refused, match="POLICY_HEAD_FORKED"):
        ledger.hold_head(changed, None)
    assert ledger.held_head("south") == _head(leaves, 12)


def _proof(node: str, old: int, path: tuple[bytes, ...]) -> Any:
    return ConsistencyProof(node, old, path)


def test_a_head_is_quick_in_a_long_journal(bench: Any, make: Any) -> None:
    """20,000 entries written past the API's fsyncs; a head and a proof read O(log n) rows."""
    from engine.trusted import wire
    from nodes import journal_store

    ledger = bench.open()
    body = wire.encode(make("entry"))
    with ledger._transaction() as db:
        for _ in range(20_000):
            journal_store.append(db, body)
    took = []
    for _ in range(20):
        start = time.perf_counter()
        ledger.head()
        took.append(time.perf_counter() - start)
    assert min(took) < 0.001
    ledger.consistency(12_345, ledger.head().size)
