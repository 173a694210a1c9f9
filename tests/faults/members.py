"""Members of a federation in memory: the product's own server, ledger on disk and records; no network, no threads."""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.errors import SplittallyError
from engine.trusted import wire
from engine.trusted.messages import FromNode, SeekWitnesses, ToNode
from engine.trusted.records import AccountCap, JournalEntry, JournalHead, SignedRecord
from engine.trusted.sign import Roster
from nodes.answer import Node
from nodes.ledger import Ledger
from nodes.log import Log
from nodes.manifest import Keys, Seat
from nodes.rulebook import accept, recalled
from nodes.server import Server
from tests.nodes.conftest import CountedRandomness, FixedClock, FixedSampler, MemoryTables, snapshots_of

STEPS = {"charge": "charge", "reply": "store_reply", "answer": "mark_answered", "record": "keep"}


class Killed(BaseException):
    """The process ended here, as by kill -9: nothing below it catches this."""


@dataclass
class MemberClock:
    """The world's time, and how far this machine's wall clock is off."""

    world: FixedClock
    off_ms: int = 0

    def now_ms(self) -> int:
        return self.world.wall + self.off_ms

    def monotonic_ms(self) -> float:
        return self.world.monotonic


@dataclass
class OneTable(MemoryTables):
    """One number that names its node; ``before`` happens while the node computes."""

    before: Callable[[], None] | None = None

    def partials(self) -> tuple[int, ...]:
        act, self.before = self.before, None
        if act is not None:
            act()
        return super().partials()


class Inline:
    """An executor that does the work at once; a kill ends the member instead of the work."""

    def __init__(self, member: Member) -> None:
        self.member = member

    def submit(self, work: Any, *arguments: Any) -> Future[Any]:
        done: Future[Any] = Future()
        try:
            done.set_result(work(*arguments))
        except Killed:
            self.member.die()
        except Exception as error:
            done.set_exception(error)
        return done


@dataclass
class Home:
    """What a start finds: who it is, and the agreements in its home. Its ledger is a file beside."""

    name: str
    folder: Path
    roster: Roster
    roots: tuple[Any, ...]
    keys: Keys
    caps: tuple[AccountCap, ...]
    agreements: list[SignedRecord]
    guardians: int = 0
    hosts_data: bool = False
    seen: JournalHead | None = None

    @property
    def state(self) -> Path:
        return self.folder / f"{self.name}.db"


@dataclass
class Member:
    """One member: a process that may be dead, on a line that may be cut."""

    home: Home
    clock: MemberClock
    number: int
    server: Server | None = None
    connected: bool = True
    failed_to_start: str = ""
    tables: OneTable | None = None
    backups: list[tuple[Path, JournalHead | None]] = field(default_factory=list)
    starts: int = 0
    put_back: bool = False  # its ledger lacks what it once held

    @property
    def name(self) -> str:
        return self.home.name

    @property
    def seat(self) -> Seat:
        assert self.server is not None, f"{self.name} does not run"
        return self.server._seat

    @property
    def ledger(self) -> Ledger:
        return self.seat.ledger

    def start(self) -> None:
        """As ``python -m nodes`` starts: ledger, kept records, agreements of the home; closed until vouched for."""
        self.starts, self.connected, self.failed_to_start = self.starts + 1, True, ""
        home = self.home
        try:
            ledger = Ledger.open(home.state, home.name, self.clock, home.caps, home.seen)
        except SplittallyError as error:
            self.failed_to_start, self.connected = error.code, False
            return
        randomness = CountedRandomness(f"{home.name} {self.starts}")
        began = {"guardians": home.guardians, "started_ms": self.clock.now_ms()}
        seat = Seat(home.name, home.roster, {}, ledger, self.clock, randomness, home.keys, **began)
        seat = recalled(seat)
        for record in home.agreements:
            if wire.digest(record.payload) not in seat.agreements:
                seat = accept(record, (), seat)
        home.seen = ledger.head()
        node = None
        if home.hosts_data:
            kept = self.tables.snapshots if self.tables else snapshots_of(home.name)
            self.tables = OneTable(kept, (16**self.number, 0, 0, 0), ledger)
            tables: Any = self.tables
            node = Node(seat, tables, tables, FixedSampler(0))
        self.server = Server(seat, node, lambda: _no_line(), Log(io.StringIO(), self.clock), home.roots)
        inline: Any = Inline(self)
        self.server._plans = self.server._duties = inline

    def hear(self, message: ToNode) -> None:
        """One message from the coordinator; lost if nobody is there."""
        if self.server is None or not self.connected:
            return
        try:
            self.server._receive(wire.encode(message, ToNode))
        except Killed:
            self.die()

    def greeting(self) -> tuple[FromNode, ...]:
        """What a new line begins with."""
        assert self.server is not None
        seeking = (SeekWitnesses(self.server._vouching.nonce),) if self.seat.unvouched else ()
        return (self.server._hello(), *seeking)

    def due(self) -> tuple[FromNode, ...]:
        if self.server is None or not self.connected:
            return ()
        return tuple(self.server._rounds.due(self.clock.monotonic_ms()))

    @property
    def next_due(self) -> float | None:
        return self.server._rounds.next_due if self.server is not None and self.connected else None

    def kill_at(self, when: str, step: str) -> None:
        """Ends the process just before or just after the next transaction of a kind."""
        ledger, name = self.ledger, STEPS[step]
        real = getattr(ledger, name)

        def step_(*arguments: Any, **named: Any) -> Any:
            setattr(ledger, name, real)
            if when == "after":
                real(*arguments, **named)
            raise Killed

        setattr(ledger, name, step_)

    def die(self) -> None:
        if self.server is not None:
            self.ledger.close()
        self.server, self.connected = None, False

    def stop(self) -> None:
        """An orderly end: the head is written down."""
        if self.server is not None:
            self.home.seen = self.ledger.head()
        self.die()

    def back_up(self) -> None:
        """A copy of the whole home, while the member runs."""
        copy = self.home.folder / f"{self.name}.backup-{len(self.backups) + 1}"
        self.ledger._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        shutil.copy(self.home.state, copy)
        self.backups.append((copy, self.home.seen))

    def restore(self, number: int, *, head_too: bool) -> None:
        """Puts the ledger back to a copy; ``head_too``: and what was written down beside it."""
        self.die()
        self.put_back = True
        copy, seen = self.backups[number - 1]
        for suffix in ("-wal", "-shm"):
            Path(f"{self.home.state}{suffix}").unlink(missing_ok=True)
        shutil.copy(copy, self.home.state)
        self.home.seen = seen if head_too else self.home.seen

    def entries(self) -> list[JournalEntry]:
        return [wire.decode(JournalEntry, self.ledger.entry(i)) for i in range(self.ledger.head().size)]

    def closed_by(self) -> str:
        """The code that keeps this member from taking part; empty if none."""
        if self.server is None:
            return self.failed_to_start or "dead"
        try:
            self.seat.require_open()
        except SplittallyError as error:
            return error.code
        return ""


def _no_line() -> Any:
    raise AssertionError("no member dials here")
