"""The journal on disk: heads and proofs are those of the whole tree, tampering is found."""

from __future__ import annotations

import sqlite3
import time
from typing import Any

import pytest

from engine.errors import Unavailable
from engine.governance import proofs
from engine.trusted import journal
from engine.trusted.records import JournalKind
from nodes import journal_store


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
        assert (head.member, head.root) == ("north", proofs.root(leaves[: head.size]))
        path = journal.consistency_path(head.size, size, journal_store.hashes(ledger._db))
        journal.verify_consistency(head.size, size, head.root, heads[-1].root, path)
    for at in range(size):
        path = journal.inclusion_path(at, size, journal_store.hashes(ledger._db))
        proofs.verify_inclusion(leaves[at], at, size, path, heads[-1].root)


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


def test_a_head_is_quick_in_a_long_journal(bench: Any, make: Any) -> None:
    """20,000 entries written past the API's fsyncs; a head and a proof read O(log n) rows."""
    from engine.trusted import wire

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
    journal.consistency_path(12_345, ledger.head().size, journal_store.hashes(ledger._db))
