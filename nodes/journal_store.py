"""The journal's rows in the ledger's database.

Claim: entries are only ever appended; the root covers every one of them; a head costs O(log n) reads.
Because: triggers refuse changes, each append stores the subtrees it completes, and ``check`` recomputes all of them
         from the entries.
Checked by: tests/ledger/test_journal_store.py::test_a_tampered_row_is_found
            tests/ledger/test_journal_store.py::test_head_and_proofs_are_those_of_the_whole_tree
"""

from __future__ import annotations

import sqlite3

from engine.errors import Unavailable, require
from engine.trusted.journal import Hashes, completed, leaf_hash, node_hash, tree_root

SCHEMA = """
CREATE TABLE entries (position INTEGER PRIMARY KEY, entry BLOB NOT NULL) STRICT;
CREATE TABLE hashes (level INTEGER, position INTEGER, hash BLOB NOT NULL CHECK (length(hash) = 32),
    PRIMARY KEY (level, position)) STRICT, WITHOUT ROWID;
CREATE TRIGGER entries_keep BEFORE UPDATE ON entries BEGIN SELECT RAISE(ABORT, 'append only'); END;
CREATE TRIGGER entries_stay BEFORE DELETE ON entries BEGIN SELECT RAISE(ABORT, 'append only'); END;
"""


def size(db: sqlite3.Connection) -> int:
    """Number of entries."""
    return int(db.execute("SELECT ifnull(max(position) + 1, 0) FROM entries").fetchone()[0])


def append(db: sqlite3.Connection, entry: bytes) -> int:
    """Appends one entry inside the caller's transaction; returns its position."""
    position = size(db)
    db.execute("INSERT INTO entries VALUES (?, ?)", (position, entry))
    db.executemany("INSERT INTO hashes VALUES (?, ?, ?)", list(completed(position, leaf_hash(entry), hashes(db))))
    return position


def entry(db: sqlite3.Connection, position: int) -> bytes:
    """The bytes of one entry; IndexError when there is none."""
    row = db.execute("SELECT entry FROM entries WHERE position = ?", (position,)).fetchone()
    if row is None:
        raise IndexError(position)
    return bytes(row[0])


def hashes(db: sqlite3.Connection) -> Hashes:
    """The stored subtree hashes, as journal.py reads them."""

    def stored(level: int, index: int) -> bytes:
        row = db.execute("SELECT hash FROM hashes WHERE level = ? AND position = ?", (level, index)).fetchone()
        if row is None:
            raise Unavailable("NODE_JOURNAL_DAMAGED")
        return bytes(row[0])

    return stored


def check(db: sqlite3.Connection) -> None:
    """Recomputes every hash from the entries. Raises Unavailable NODE_JOURNAL_DAMAGED on any difference."""
    expected: list[bytes] = []
    for position, body in db.execute("SELECT position, entry FROM entries ORDER BY position"):
        require(position == len(expected), "NODE_JOURNAL_DAMAGED")
        expected.append(leaf_hash(body))
    level = found = 0
    while expected:
        stored = db.execute("SELECT position, hash FROM hashes WHERE level = ? ORDER BY position", (level,)).fetchall()
        require(stored == list(enumerate(expected)), "NODE_JOURNAL_DAMAGED")
        expected = [node_hash(*pair) for pair in zip(expected[::2], expected[1::2], strict=False)]
        level, found = level + 1, found + len(stored)
    require(db.execute("SELECT count(*) FROM hashes").fetchone() == (found,), "NODE_JOURNAL_DAMAGED")


def root(db: sqlite3.Connection, count: int) -> bytes:
    """Root of the first ``count`` entries."""
    return tree_root(count, hashes(db))
