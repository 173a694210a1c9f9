"""Races and damaged journals by the thousand: `FAULTS=long`; a few of each with every change."""

from __future__ import annotations

import os
import random
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from engine.errors import Refused, SplittallyError, Unavailable
from engine.trusted.journal import completed, leaf_hash, verify_consistency
from engine.trusted.records import AccountScope, JournalHead
from nodes import journal_store
from nodes.ledger import Ledger

LONG = os.environ.get("FAULTS") == "long"
NINO = (AccountScope.IDENTIFIER, "nino")
CHILD = Path(__file__).with_name("child.py")
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def quick() -> Iterator[Path]:
    with TemporaryDirectory() as folder:
        yield Path(folder)


def race(bench: Any, path: Path, caps: Any, attempts: int, threads: int) -> list[str]:
    """The outcomes of ``attempts`` charges of 10 by so many threads, on two connections."""
    bench.path, bench.caps = path, caps
    ledgers, outcomes, start = [bench.open(), bench.open()], list[str](), threading.Barrier(threads)

    def work(thread: int) -> None:
        start.wait()
        for number in range(thread, attempts, threads):
            try:
                bench.charge(ledgers[number % 2], number)
                outcomes.append("charged")
            except Refused as refused:
                outcomes.append(refused.code)

    running = [threading.Thread(target=work, args=(i,)) for i in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    assert bench.spent(ledgers[0], NINO) == 10 * outcomes.count("charged")
    for ledger in ledgers:
        ledger.close()
    return outcomes


def test_exactly_k_in_every_race_of_threads(bench: Any, make: Any, quick: Path) -> None:
    drawn, races = random.Random(1), 700 if LONG else 15
    for number in range(races):
        k, attempts = drawn.randint(0, 8), drawn.randint(8, 12)
        caps = (make("cap", AccountScope.IDENTIFIER, "", 10 * k + drawn.randint(0, 9)),)
        outcomes = race(bench, quick / f"{number}.db", caps, attempts, drawn.randint(2, 4))
        assert (outcomes.count("charged"), outcomes.count("BUDGET_EXHAUSTED")) == (k, attempts - k), number


def test_exactly_k_in_every_race_of_processes(quick: Path) -> None:
    """Three processes a race, forked by a child; it prints how many charges each race allowed and took."""
    races = 300 if LONG else 10
    command = [sys.executable, str(CHILD), "races", str(quick), str(races)]
    done = subprocess.run(
        command, env={"PYTHONPATH": str(ROOT), "PATH": ""}, capture_output=True, text=True, timeout=500
    )
    assert done.returncode == 0, done.stderr
    rows = [tuple(map(int, line.split())) for line in done.stdout.splitlines()]
    assert len(rows) == races
    assert all(allowed == taken for allowed, taken in rows)
    assert len({allowed for allowed, _ in rows}) > 3


# -- journals that somebody changed


class Forger:
    """Somebody with the ledger's file and all rights on it: changes entries, and may make every hash fit again."""

    def __init__(self, path: Path, drawn: random.Random) -> None:
        self.db, self.drawn = sqlite3.connect(path, isolation_level=None), drawn
        self.db.execute("DROP TRIGGER entries_keep")
        self.db.execute("DROP TRIGGER entries_stay")
        self.entries = [bytes(row[0]) for row in self.db.execute("SELECT entry FROM entries ORDER BY position")]

    def _place(self) -> int:
        return self.drawn.randrange(len(self.entries))

    def edit(self) -> None:
        at = self._place()
        changed = bytearray(self.entries[at])
        changed[self.drawn.randrange(len(changed))] ^= 1 << self.drawn.randrange(8)
        self.entries[at] = bytes(changed)

    def cut(self) -> None:
        del self.entries[self._place() :]

    def leave_out(self) -> None:
        del self.entries[self._place()]

    def swap(self) -> None:
        at = self.drawn.randrange(len(self.entries) - 1)
        self.entries[at : at + 2] = self.entries[at + 1], self.entries[at]

    def insert(self) -> None:
        self.entries.insert(self._place(), self.drawn.randbytes(40))

    def fork(self) -> None:
        self.cut()
        self.entries += [self.drawn.randbytes(40) for _ in range(self.drawn.randint(1, 40))]

    def write(self, *, fitting: bool) -> None:
        """``fitting``: with the hashes of the changed entries; else with the old ones."""
        self.db.execute("DELETE FROM entries")
        self.db.executemany("INSERT INTO entries VALUES (?, ?)", enumerate(self.entries))
        if fitting:
            self.db.execute("DELETE FROM hashes")
            for position, entry in enumerate(self.entries):
                rows = list(completed(position, leaf_hash(entry), journal_store.hashes(self.db)))
                self.db.executemany("INSERT INTO hashes VALUES (?, ?, ?)", rows)
        self.db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self.db.close()


CHANGES: dict[str, Callable[[Forger], None]] = {
    name: getattr(Forger, name) for name in ("edit", "cut", "leave_out", "swap", "insert", "fork")
}


def detected(path: Path, bench: Any, head: JournalHead, seen: bool) -> str:
    """Who notices: "open", or, where the file is consistent in itself, "witness" by a head held elsewhere."""
    try:
        ledger = Ledger.open(path, "north", bench.clock, bench.caps, head if seen else None)
    except (Unavailable, SplittallyError) as error:
        assert error.code in ("NODE_JOURNAL_DAMAGED", "NODE_LEDGER_FAILED")
        return "open"
    try:
        if ledger.goes_on_from(head.size, head.root):
            return ""
        now = ledger.head()
        if now.size >= head.size:  # what it would prove to a helper that holds the head
            path_ = ledger.extension(head.size, now).path
            with pytest.raises(Refused):
                verify_consistency(head.size, now.size, head.root, now.root, path_)
        return "witness"
    finally:
        ledger.close()


@pytest.mark.parametrize("fitting", [False, True], ids=["hashes as they were", "hashes that fit"])
def test_every_edit_cut_and_fork_of_a_journal_is_detected(fitting: bool, bench: Any, make: Any, quick: Path) -> None:
    bench.path = quick / "state.db"
    ledger = bench.open()
    for number in range(14):
        bench.charge(ledger, number)
        ledger.store_reply(make("round", number), b"masked")
        ledger.mark_answered(make("request"), make("entry", round=make("round", number)))
    ledger._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    head = ledger.head()
    ledger.close()
    whole, drawn = bench.path.read_bytes(), random.Random(int(fitting))
    noticed: dict[str, int] = {}
    for number in range(600 if LONG else 30):
        path = quick / f"{number}.db"
        path.write_bytes(whole)
        forger = Forger(path, drawn)
        CHANGES[list(CHANGES)[number % len(CHANGES)]](forger)
        forger.write(fitting=fitting)
        by = [detected(path, bench, head, seen) for seen in (True, False)]
        assert all(by), (number, fitting)
        assert by[0] == "open", "the head written down beside the ledger shows every change"
        noticed[by[1]] = noticed.get(by[1], 0) + 1
        path.unlink()
    print(f"without the head beside it, noticed by: {noticed}")
    assert set(noticed) == {"witness" if fitting else "open"}
