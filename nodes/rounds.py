"""A member's rounds without I/O: a message, a finished duty or a tick in; duties and due messages out.

Claim: a reply leaves at a tick of a public grid, a round that was closed sends nothing, and one round has at most
       one duty of a kind under way.
Because: the grid's class comes from the owner's ``at_most`` and the number of cells, never from data; messages
         wait here until their tick, and leave only if their round is still open.
Checked by: tests/nodes/test_rounds.py::test_closed_round_sends_nothing
            tests/nodes/test_rounds.py::test_a_duty_is_not_started_twice
"""

from __future__ import annotations

import enum
import heapq
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import count

from engine.errors import SplittallyError, require
from engine.trusted.catalogue import Catalogue
from engine.trusted.messages import AskAnswer, AskReady, CloseRound, FromNode, OpenRound, Pulse, RoundRefusal, ToNode
from engine.trusted.plan import Plan
from engine.trusted.records import Request, RoundManifest
from engine.trusted.stability import stability_of
from engine.trusted.wire import PLAN_BYTES, decode, digest
from nodes.committee import Remembered
from nodes.manifest import ROUND_MS, Arrival, Round, Seat

TICK_MS = 25.0
ROWS_A_MS = 100_000
CELLS_A_MS = 50
MOST_HELD = 100
EARLY_BYTES = 1 << 30  # that may be spooled of a private join which was not checked yet


def tick_class(plan: Plan, catalogue: Catalogue, cells: int) -> int:
    """The least k with ``25 ms * 2**k`` above a public estimate of the work.

    Claim: depends on public metadata only.
    Because: reads the owner's statement of rows at one host, and the number of cells.
    Checked by: tests/nodes/test_rounds.py::test_tick_class_grows_with_public_sizes
    """
    rows = stability_of(plan.aggregate.input, catalogue).at_most_rows
    return _class_above(rows / ROWS_A_MS + cells / CELLS_A_MS)


def release_ms(arrived_ms: float, least: int, now_ms: float) -> float:
    """The tick at which a reply leaves: that of its class, or the next one of the grid after an overrun.

    Claim: two replies of one class leave equally long after arrival unless the engine overran.
    Because: the result is ``arrived + 25 ms * 2**k`` for the least k >= ``least`` that is not past.
    Checked by: tests/nodes/test_rounds.py::test_overrun_takes_the_next_tick
    """
    return arrived_ms + TICK_MS * 2.0 ** max(least, _class_above(now_ms - arrived_ms))


def hold(round_: Round, plan: Plan, arrival: Arrival, seat: Seat) -> float:
    """Monotonic milliseconds at which this round's reply leaves; past the deadline, Unavailable ROUND_LATE.

    Claim: a reply never leaves between two ticks, nor after the deadline.
    Because: the time is ``release_ms`` of the plan's public class.
    Checked by: tests/nodes/test_answer.py::test_reply_after_the_deadline_is_one_fixed_code
    """
    least = tick_class(plan, seat.catalogue, round_.manifest.calibration.cells)
    leave = release_ms(arrival.monotonic_ms, least, seat.clock.monotonic_ms())
    require(leave - arrival.monotonic_ms < round_.manifest.deadline_ms - arrival.at_ms, "ROUND_LATE")
    return leave


def refusal_ms(arrival: Arrival, seat: Seat) -> float:
    """When a refusal leaves: at the tick its reply would have had, so that a failure shows no finer time.

    Claim: the class is the reply's own, or 0 for bytes that hold no plan of this catalogue.
    Because: it is computed from the same public fields.
    Checked by: tests/nodes/test_rounds.py::test_refusal_leaves_at_the_tick_of_its_reply
    """
    try:
        manifest: RoundManifest = decode(RoundManifest, arrival.manifest)
        cells = min(manifest.calibration.cells, seat.rules.max_cells)
        least = tick_class(decode(Plan, manifest.plan, PLAN_BYTES), seat.catalogue, cells)
    except SplittallyError:
        least = 0
    return release_ms(arrival.monotonic_ms, least, seat.clock.monotonic_ms())


def _class_above(milliseconds: float) -> int:
    k = 0
    while TICK_MS * 2.0**k < milliseconds:
        k += 1
    return k


class Duty(enum.Enum):
    READY = 1  # a helper says that it would answer
    REMEMBER = 2  # a helper checks a round and keeps it
    HELP = 3  # a helper answers with the sum of masks
    ANSWER = 4  # a host answers a plan


@dataclass(frozen=True, slots=True)
class Opened:
    """A round that may send: when it was opened, under which agreement, and whose streams this helper waits for."""

    at_ms: float
    agreement: bytes
    senders: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Task:
    """One duty to do outside. ``arrival.manifest`` holds bytes for REMEMBER and ANSWER only."""

    duty: Duty
    round: bytes
    arrival: Arrival
    ask: AskReady | AskAnswer | None = None


class Rounds:
    """The state machine of the member ``name``. Times are monotonic milliseconds, ``at_ms`` is the wall clock."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._opened: dict[bytes, Opened] = {}
        self._remembered: dict[bytes, Remembered] = {}
        self._under_way: set[tuple[bytes, Duty]] = set()
        self._held: list[tuple[float, int, bytes, Iterable[FromNode]]] = []
        self._order = count()
        self._draining = False

    @property
    def idle(self) -> bool:
        """No duty is under way and nothing waits for its tick."""
        return not self._held and not self._under_way

    @property
    def next_due(self) -> float | None:
        """The next tick at which something leaves."""
        return self._held[0][0] if self._held else None

    @property
    def has_room(self) -> bool:
        """Fewer messages wait than an honest coordinator asks for."""
        return len(self._held) < MOST_HELD

    def drain(self) -> None:
        """From now on new rounds are refused; those under way end."""
        self._draining = True

    def receive(self, message: ToNode, at_ms: int, now_ms: float) -> tuple[Task, ...]:
        """What has to be done about a message."""
        arrival = Arrival(b"", at_ms, now_ms)
        match message:
            case AskReady() if not self._draining:
                return self._begin(message.request_digest, (Duty.READY,), arrival, message)
            case AskReady(request):
                self._hold(now_ms, request, (RoundRefusal(request, "NODE_CLOSING"),))
            case OpenRound():
                return self._open(replace(arrival, manifest=message.manifest, sealed_keys=message.sealed_keys))
            case AskAnswer() if message.round in self._opened:
                return self._begin(message.round, (Duty.HELP,), arrival, message)
            case AskAnswer():
                self._hold(now_ms, message.round, (RoundRefusal(message.round, "ROUND_NOT_OPEN"),))
            case CloseRound(round_):
                self._close(round_)
            case Pulse():
                self.say(Pulse(at_ms), now_ms)
        return ()

    def say(self, message: FromNode, now_ms: float) -> None:
        """A message about no round, as soon as may be."""
        self._hold(now_ms, b"", (message,))

    def drop(self, code_of: Callable[[bytes], str], now_ms: float) -> None:
        """Closes every open round for whose agreement ``code_of`` gives a code, and says so; nothing held is sent."""
        for round_, opened in tuple(self._opened.items()):
            code = code_of(opened.agreement)
            if code:
                self._close(round_)
                self._hold(now_ms, round_, (RoundRefusal(round_, code),))

    def finished(self, task: Task, messages: Iterable[FromNode], leave_ms: float) -> None:
        """A duty ended: its messages leave at ``leave_ms``, unless their round was closed meanwhile."""
        self._under_way.discard((task.round, task.duty))
        if task.round in self._opened or task.duty is Duty.READY:
            self._hold(leave_ms, task.round, messages)

    def remember(self, remembered: Remembered) -> None:
        """Keeps a round that this helper has checked, until it is closed or too old."""
        if remembered.round.id in self._opened:
            self._remembered[remembered.round.id] = remembered

    def remembered(self, round_: bytes) -> Remembered:
        """A round kept before; else Unavailable ROUND_NOT_OPEN."""
        require(round_ in self._remembered, "ROUND_NOT_OPEN")
        return self._remembered[round_]

    def spooled_bytes(self, round_: bytes, sender: str) -> int:
        """How much of a private join's streams this helper keeps for a round; 0 if it keeps none of ``sender``."""
        opened, checked = self._opened.get(round_), self._remembered.get(round_)
        if opened is None or sender not in opened.senders:
            return 0
        if checked is None:
            return EARLY_BYTES
        return checked.join.most_bytes if checked.join else 0

    def joins(self, round_: bytes) -> bool:
        """Whether a round that this helper checked is a private join, whose answer takes long."""
        return round_ in self._remembered and self._remembered[round_].join is not None

    @property
    def open(self) -> frozenset[bytes]:
        """The rounds that were opened and not closed."""
        return frozenset(self._opened)

    def due(self, now_ms: float) -> Iterable[FromNode]:
        """The messages of the first duty whose tick has come; empty if there is none. Of those that are made as they
        are taken, one at a time, so that others pass between them, and none follows once their round is closed."""
        if not self._held or self._held[0][0] > now_ms:
            return ()
        _, _, round_, messages = heapq.heappop(self._held)
        if not isinstance(messages, Iterator):
            return messages
        message = next(messages, None)
        if message is None:
            return self.due(now_ms)
        self._hold(now_ms, round_, messages)
        return (message,)

    def _open(self, arrival: Arrival) -> tuple[Task, ...]:
        round_, now = digest(arrival.manifest), arrival.monotonic_ms
        try:
            manifest: RoundManifest = decode(RoundManifest, arrival.manifest)
            request: Request = decode(Request, manifest.request.payload)
            duties = self._duties(manifest)
            under_way = any((round_, duty) in self._under_way for duty in duties)
            require(round_ in self._opened or not under_way, "ROUND_NOT_OPEN")  # closed: what it makes is not sent
        except SplittallyError as error:
            self._hold(now, round_, (RoundRefusal(round_, error.code),))
            return ()
        self._opened = {r: opened for r, opened in self._opened.items() if now - opened.at_ms < ROUND_MS}
        self._remembered = {r: kept for r, kept in self._remembered.items() if r in self._opened}
        senders = tuple(p.node for p in manifest.participants) if self._name in manifest.helpers else ()
        self._opened.setdefault(round_, Opened(now, request.agreement_digest, senders))
        duties = tuple(duty for duty in duties if duty is not Duty.REMEMBER or round_ not in self._remembered)
        return self._begin(round_, duties, arrival)

    def _close(self, round_: bytes) -> None:
        self._opened.pop(round_, None)
        self._remembered.pop(round_, None)
        self._held = [held for held in self._held if held[2] != round_]
        heapq.heapify(self._held)

    def _duties(self, manifest: RoundManifest) -> tuple[Duty, ...]:
        require(not self._draining, "NODE_CLOSING")
        duties: tuple[Duty, ...] = (Duty.REMEMBER,) if self._name in manifest.helpers else ()
        if any(p.node == self._name for p in manifest.participants):
            duties += (Duty.ANSWER,)
        require(bool(duties), "ROUND_NOT_FOR_ME")
        return duties

    def _begin(
        self, round_: bytes, duties: tuple[Duty, ...], arrival: Arrival, ask: AskReady | AskAnswer | None = None
    ) -> tuple[Task, ...]:
        new = [duty for duty in duties if (round_, duty) not in self._under_way]
        self._under_way.update((round_, duty) for duty in new)
        return tuple(Task(duty, round_, arrival, ask) for duty in new)

    def _hold(self, leave_ms: float, round_: bytes, messages: Iterable[FromNode]) -> None:
        heapq.heappush(self._held, (leave_ms, next(self._order), round_, messages))
