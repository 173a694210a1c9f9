"""Questions of drivers, by ticket and by poll: submitted once, followed, handed out.

A ticket names the request whose release it fetches and the statement that it is told by, for one question may be asked
in several wordings at a time; or only a statement about the federation, which it runs. The server keeps nothing that a
ticket needs. A release that was opened moments ago is at hand and is not opened again.
"""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa

from engine.client.asking import Asked, Free, Question, named, read, released_table
from engine.client.options import Options
from engine.client.session import digest_of
from engine.client.states import state_word
from engine.errors import Refused, Unavailable
from engine.governance.letters import plain
from engine.trusted.messages import RequestState, RequestStatus

if TYPE_CHECKING:
    from engine.client.release import Release
    from engine.client.session import Session

AT_HAND = 32
AT_HAND_MS = 60_000.0
POLL_SECONDS = 0.5
_PROGRESS = {
    RequestState.DRAFTED: 0.0,
    RequestState.SUBMITTED: 0.05,
    RequestState.WAITING: 0.1,
    RequestState.APPROVED_STATE: 0.3,
    RequestState.RUNNING: 0.4,
    RequestState.RELEASED: 1.0,
}


@dataclass(frozen=True, slots=True)
class Ticket:
    """``request``: of a release, told by ``sql``, as it was sent; without one, ``sql`` is about the federation."""

    request: str = ""
    sql: str = ""
    intervals: bool = False

    def encoded(self) -> bytes:
        return json.dumps({"request": self.request, "sql": self.sql, "intervals": self.intervals}).encode()

    @classmethod
    def decoded(cls, body: bytes) -> Ticket:
        """Refused SQL_HANDLE for bytes that no ticket has."""
        try:
            held = json.loads(body)
            return cls(str(held["request"]), str(held["sql"]), held["intervals"] is True)
        except (ValueError, KeyError, TypeError, RecursionError):
            raise Refused("SQL_HANDLE") from None


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a question stands; ``known``: its state and for whom it waits, as JSON, for programs that look."""

    ticket: Ticket
    schema: pa.Schema
    done: bool
    share: float
    known: bytes = b""


class Answers:
    """Of one server."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._at_hand: OrderedDict[Ticket, tuple[float, Release]] = OrderedDict()

    def execute(self, asked: Asked, sql: str, alive: Callable[[], bool]) -> tuple[Ticket, pa.Schema]:
        """Runs a statement to its end; a question that waits for people is told of with its id."""
        if isinstance(asked, Free):
            return Ticket(sql=sql), asked.schema
        release = asked.release(alive=alive)
        ticket = Ticket(release.request_id, sql, asked.options.intervals)
        self._keep(asked.query.session, ticket, release)
        return ticket, named(asked.schema, release.request_id)

    def begin(self, asked: Asked, sql: str) -> Progress:
        """Submits a question and looks at it for a moment."""
        if isinstance(asked, Free):
            return Progress(Ticket(sql=sql), asked.schema, True, 1.0)
        ticket = Ticket(asked.submit(), sql, asked.options.intervals)
        if asked.query.kept is not None:
            return self._progress(asked, ticket, None)
        return self._followed(asked.query.session, asked, ticket)

    def resume(self, session: Session, ticket: Ticket) -> Progress:
        """Looks at a question that was begun; raises the refusal of one that was refused."""
        if not ticket.request:
            raise Refused("SQL_HANDLE")
        return self._followed(session, self._question(session, ticket), ticket)

    def table(self, session: Session, ticket: Ticket) -> pa.Table:
        """What a ticket stands for; a ticket asks no question of its own. Refused once the agreement has ended."""
        if not ticket.request:
            asked = read(session, ticket.sql, Options())
            if isinstance(asked, Question):
                raise Refused("SQL_HANDLE")
            return asked.table()
        question = self._question(session, ticket)
        release = self._taken(session, ticket) or _told(session, ticket.request, question)
        return released_table(release, question.schema)

    def _question(self, session: Session, ticket: Ticket) -> Question:
        """The statement of a ticket, which is not asked again. Refused POLICY_REQUEST_UNKNOWN, SQL_HANDLE."""
        session.archive.asked(digest_of(ticket.request))
        asked = read(session, ticket.sql, Options(intervals=ticket.intervals))
        if not isinstance(asked, Question):
            raise Refused("SQL_HANDLE")
        return asked

    def _followed(self, session: Session, asked: Question, ticket: Ticket) -> Progress:
        last: RequestStatus | None = None
        for status in _watched(session, ticket.request):
            last = status
            if status.state is RequestState.RELEASED:
                break
            session.check_ended_well(status)
        return self._progress(asked, ticket, last)

    def _progress(self, asked: Question, ticket: Ticket, status: RequestStatus | None) -> Progress:
        """Without a status, the answer is here already."""
        state = RequestState.RELEASED if status is None else status.state
        share = _PROGRESS[state]
        if status is not None and state is RequestState.RUNNING and status.participants:
            share += 0.5 * len(status.replied) / len(status.participants)
        waiting = [] if status is None else [plain(name) for name in status.waiting_for]
        known = {"request": ticket.request, "state": state_word(state), "waiting_for": waiting}
        done = state is RequestState.RELEASED
        return Progress(ticket, named(asked.schema, ticket.request), done, share, json.dumps(known).encode())

    def _keep(self, session: Session, ticket: Ticket, release: Release) -> None:
        with self._lock:
            self._at_hand[ticket] = (session.clock.monotonic_ms(), release)
            while len(self._at_hand) > AT_HAND:
                self._at_hand.popitem(last=False)

    def _taken(self, session: Session, ticket: Ticket) -> Release | None:
        with self._lock:
            since, release = self._at_hand.get(ticket, (0.0, None))
        return release if session.clock.monotonic_ms() - since <= AT_HAND_MS else None


def _told(session: Session, request: str, question: Question) -> Release:
    """The release of a request, told by a statement of the same plan; Refused POLICY_CATALOGUE_DIFFERS for another."""
    release, digest = session.result(request), digest_of(request)
    kept = session.archive.released(digest, release.run)
    if kept is None:  # nothing is kept of it here, so there is only what was asked first
        raise Refused("SQL_HANDLE")
    return session.release(session.archive.asked(digest), kept, question.query.statement, repeated=True)


def _watched(session: Session, request: str) -> Iterator[RequestStatus]:
    """What becomes of a request within the time of a poll."""
    try:
        yield from session.watch(request, POLL_SECONDS)
    except Unavailable as late:
        if late.code != "ROUND_PENDING":
            raise
