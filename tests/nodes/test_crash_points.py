"""A crash before and after every statement of the ledger, in every duty: no answer without a charge, nothing lost.

`FAULTS=long` repeats it over journals of other lengths, whose trees have other shapes: more than 1,000 crash points.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from engine.errors import SplittallyError
from engine.trusted.messages import AskAnswer
from engine.trusted.records import JournalEntry, JournalKind, Pause, RecordKind
from engine.trusted.sign import signed
from engine.trusted.wire import decode, encode
from nodes.answer import answer
from nodes.committee import help_answer, remember
from nodes.ledger import Ledger, entry_of
from nodes.manifest import Seat
from nodes.rulebook import accept
from tests.nodes.conftest import Federation

LENGTHS = range(1, 8) if os.environ.get("FAULTS") == "long" else (2,)


class Crash(BaseException):
    pass


class Crashing:
    """A connection that ends the process before or after its n-th statement; nothing is done on it afterwards."""

    def __init__(self, db: Any, at: int, when: str) -> None:
        self.db, self.at, self.when, self.count, self.crashed = db, at, when, 0, False

    def execute(self, *arguments: Any) -> Any:
        return self._do(self.db.execute, arguments)

    def executemany(self, *arguments: Any) -> Any:
        return self._do(self.db.executemany, arguments)

    def rollback(self) -> None:
        if not self.crashed:
            self.db.rollback()

    def _do(self, call: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
        self.count += 1
        if self.count == self.at and self.when == "before":
            self._crash()
        done = call(*arguments)
        if self.count == self.at:
            self._crash()
        return done

    def _crash(self) -> None:
        self.crashed = True
        raise Crash


class Scene:
    """One round; ``name`` does its duty on a copy of its ledger of a given length."""

    def __init__(self, federation: Any, name: str, length: int) -> None:
        self.federation, self.name = federation, name
        self.arrival = federation.honest()
        self.seat: Seat = federation.seat(name)
        for _ in range(length):
            self.seat.ledger.record(entry_of(JournalKind.SNAPSHOT_TAKEN))
        self.seat.ledger._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self.whole = (federation.folder / f"{name}.db").read_bytes()
        self.path = federation.folder / "crash.db"

    def fresh(self) -> None:
        for suffix in ("-wal", "-shm"):
            Path(f"{self.path}{suffix}").unlink(missing_ok=True)
        self.path.write_bytes(self.whole)

    def opened(self) -> Seat:
        federation = self.federation
        return replace(self.seat, ledger=Ledger.open(self.path, self.name, federation.clock, federation.rules.caps))

    def crash(self, at: int, when: str, duty: Callable[[Seat], Any]) -> tuple[bool, Any]:
        """Whether the duty crashed, and what it gave if not. The file is as the crash left it."""
        self.fresh()
        seat = self.opened()
        raw = seat.ledger._db
        given: Any = None
        crashing: Any = Crashing(raw, at, when)
        seat.ledger._db = crashing
        try:
            given = duty(seat)
        except Crash:
            pass
        finally:
            raw.close()
        return crashing.crashed, given

    def points(self, duty: Callable[[Seat], Any]) -> Iterator[tuple[int, str, Any]]:
        """After each crash point, (statement, before or after, what the duty gave), until no statement is left."""
        at = 0
        while True:
            at += 1
            for when in ("before", "after"):
                crashed, given = self.crash(at, when, duty)
                if not crashed:
                    return
                yield at, when, given


@pytest.fixture
def federation(monkeypatch: pytest.MonkeyPatch) -> Iterator[Federation]:
    monkeypatch.setattr("nodes.answer.partials", lambda plan, catalogue, calibration, tables, source: tables.partials())
    with TemporaryDirectory() as folder:
        found = Federation(Path(folder))
        yield found
        found.close()


def kinds(ledger: Ledger) -> list[JournalKind]:
    entries: list[JournalEntry] = [decode(JournalEntry, ledger.entry(i)) for i in range(ledger.head().size)]
    return [entry.kind for entry in entries]


@pytest.mark.parametrize("length", LENGTHS)
def test_an_answer_that_crashes_anywhere(length: int, federation: Any) -> None:
    """Rows are read only if the charge is on disk; afterwards there are the stored bytes, a lost round or no trace."""
    scene = Scene(federation, "north", length)
    node = federation.node("north")
    fates: dict[str, int] = {}

    def duty(seat: Seat) -> Any:
        node.tables.read.clear()
        node.tables.ledger = seat.ledger
        return answer(scene.arrival, replace(node, seat=seat))

    number = 0
    for at, when, given in scene.points(duty):
        number += 1
        assert given is None, "nothing leaves a process that crashed"
        read = bool(node.tables.read)
        seat = scene.opened()
        node.tables.ledger = seat.ledger
        found = kinds(seat.ledger)
        charges, replies = found.count(JournalKind.CHARGED), found.count(JournalKind.REPLIED)
        paid = seat.ledger._db.execute("SELECT rho FROM accounts WHERE scope = 1 AND period_days = 0").fetchone()
        assert (charges, replies) in ((0, 0), (1, 0), (1, 1)), (at, when)
        assert (paid is not None) == bool(charges), (at, when)
        assert charges or not read, f"rows were read before the charge was on disk: {at} {when}"
        try:
            first = answer(scene.arrival, replace(node, seat=seat))
            assert answer(scene.arrival, replace(node, seat=seat)) == first
            fate = "stored bytes" if charges else "no trace"
            assert bool(charges) == bool(replies)
        except SplittallyError as error:
            fate = error.code
            assert (charges, replies, fate) == (1, 0, "NODE_ROUND_LOST"), (at, when)
        fates[fate] = fates.get(fate, 0) + 1
        assert kinds(seat.ledger).count(JournalKind.CHARGED) == 1 or fate == "NODE_ROUND_LOST"
        seat.ledger.close()
    print(f"{number} crash points of an answer: {fates}")
    assert number > 100
    assert set(fates) == {"no trace", "NODE_ROUND_LOST", "stored bytes"}


@pytest.mark.parametrize("length", LENGTHS)
def test_a_helper_that_crashes_anywhere(length: int, federation: Any) -> None:
    """The round is answered by one process at most: that before the crash, if its entry is on disk, or a later one."""
    scene = Scene(federation, "helper-1", length)
    replies = [answer(scene.arrival, federation.node(host)) for host in federation.hosts]
    shares, proofs = [r.shares.shares[1] for r in replies], [r.shares.proofs[0] for r in replies]
    held = remember(scene.arrival, scene.seat)
    ask = AskAnswer(held.round.id, tuple(shares), tuple(proofs))
    number, burnt = 0, 0
    for at, when, given in scene.points(lambda seat: help_answer(ask, held, seat)):
        number += 1
        assert given is None
        seat = scene.opened()
        journalled = kinds(seat.ledger).count(JournalKind.ANSWERED_AS_HELPER)
        heads = seat.ledger._db.execute("SELECT count(*) FROM heads").fetchone()[0]
        assert (journalled, bool(heads)) in ((0, False), (1, True)), (at, when)
        if journalled:
            burnt += 1
            with pytest.raises(SplittallyError) as refused:
                help_answer(ask, held, seat)
            assert refused.value.code == "POLICY_ROUND_ANSWERED"
        else:
            help_answer(ask, held, seat)
        assert kinds(seat.ledger).count(JournalKind.ANSWERED_AS_HELPER) == 1
        seat.ledger.close()
    print(f"{number} crash points of a helper, {burnt} burn the round")
    assert number > 30
    assert 0 < burnt < number


@pytest.mark.parametrize("length", LENGTHS)
def test_a_record_that_is_kept_while_the_process_crashes(length: int, federation: Any) -> None:
    scene = Scene(federation, "north", length)
    pause = Pause(1, "north", "guardian of north", True, federation.now, "a reason")
    record = signed(RecordKind.PAUSE, encode(pause), federation.keys["guardian of north"].signing)
    number, kept = 0, 0
    for at, when, given in scene.points(lambda seat: accept(record, (), seat)):
        number += 1
        assert given is None
        seat = scene.opened()
        held = seat.ledger.kept()
        assert (len(held), kinds(seat.ledger).count(JournalKind.PAUSED)) in ((0, 0), (1, 1)), (at, when)
        kept += len(held)
        if not held:
            accept(record, (), seat)
        assert seat.ledger.kept() == (record,)
        seat.ledger.close()
    print(f"{number} crash points of a record, {kept} keep it")
    assert number > 8
    assert 0 < kept < number
