"""The coordinator's spine: one request, from admission to release or refusal.

     1 admit                  6 collect the shares
     2 choose the members     7 fix the survivors, ask each helper once
     3 ask for readies        8 store the result
     4 assemble the round     9 close
     5 open the round

rounds.py decides what comes next; this file carries it out. Each change is durable before anybody hears of it.
"""

from __future__ import annotations

from queue import Empty, SimpleQueue

import structlog

from engine.coordinator import endings, events, rounds
from engine.coordinator.admit import Admitted, terms_of
from engine.coordinator.assemble import assemble
from engine.coordinator.endings import MENDED
from engine.coordinator.events import Action, Event, Halt, Windows
from engine.coordinator.intake import Frame, Intake, Readies
from engine.coordinator.services import Services
from engine.errors import Bug
from engine.trusted.messages import AskReady, CloseRound, RoundRefusal

log = structlog.get_logger("coordinator")
RESTARTED = "ROUND_COORDINATOR_RESTARTED"


class Run:
    """One run of a request; ``attempts`` rounds were opened for it before. cases.py starts it, and looks at its end."""

    def __init__(self, case: Admitted, services: Services, attempts: int = 0, windows: Windows | None = None) -> None:
        self.case, self.services = case, services  # (1) admitted, by admit.py
        self.windows = windows or services.windows
        self.inbox: SimpleQueue[Event | Halt | None] = SimpleQueue()  # None: the process stops
        self.refusals: dict[str, RoundRefusal] = {}  # why nodes let it fail
        self.roster = services.roster  # the one it begins with
        self.readies = Readies(case.digest, self.roster, self.inbox.put)
        self.readies.attempt = attempts
        self.intake: Intake | None = None

    def drive(self) -> None:
        """Runs it to a release or a refusal; or leaves the request to be looked at anew, or to the next start."""
        links, left_ms = self.services.links, self.case.request.expires_ms - self.services.clock.now_ms()
        terms = terms_of(self.case, self.roster, self.windows, self._now() + left_ms)
        links.listen(self.case.digest, self.readies)
        try:
            with links.watched(self.inbox.put) as connected:  # (2)
                state, actions = rounds.begin(terms, connected, self._now(), self.readies.attempt, RESTARTED)
                while True:
                    for action in actions:
                        self._perform(action)
                    if state.phase is rounds.Phase.ENDED:
                        return
                    event = self._next(state.deadline)
                    if event is None or (isinstance(event, Halt) and self._halted(event)):
                        return
                    tick = events.Tick() if isinstance(event, Halt) else event
                    state, actions = rounds.step(terms, state, tick, self._now())
        finally:
            links.forget(self.case.digest)
            self._close()

    def _now(self) -> int:
        return int(self.services.clock.monotonic_ms())

    def _next(self, deadline: int) -> Event | Halt | None:
        try:
            return self.inbox.get(timeout=max(deadline - self._now(), 1) / 1e3)
        except Empty:
            return events.Tick()

    def _perform(self, action: Action) -> None:
        links = self.services.links
        match action:
            case events.AskReadies(members, participants):  # (3)
                links.send_each(members, AskReady(self.case.digest, participants, self.case.join_price))
            case events.Open():  # (4)
                frame = assemble(self.case, self.services, action, self.readies.records)
                self._open(frame)  # (5)
            case events.Reopen(node):
                links.send(node, self._round.frame.opening(node))
            case events.Keep(node):  # (6)
                self._round.keep(node)
                self.services.board.replied(self.case.digest, node)
            case events.Dismiss(node):
                self._log("share.refused", node=node, code="ROUND_SHARE_INVALID")
            case events.AskAnswers(survivors, helpers):  # (7)
                self._round.fix(survivors)
                links.send_all({helper: self._round.ask(helper) for helper in helpers})
            case events.Release(survivors):  # (8)
                self._log(endings.release(self.services, self.case, self._round, survivors))
            case events.Refuse(code):
                self._fail(code)
            case events.Abandon(code):
                self.services.store.lose_round(self._round.frame.round, code)
                self._log("round.lost", code=code)
                self._close()  # (9)

    @property
    def _round(self) -> Intake:
        if self.intake is None:
            raise Bug("BUG_UNEXPECTED", internal="no round is open")
        return self.intake

    @property
    def opened(self) -> bool:
        """Whether nodes may have been charged by now."""
        return self.intake is not None

    def halt(self, code: str = "", reason: str = "") -> None:
        """Ends the request with ``code``; without one, or with one of MENDED, it is only to be looked at anew."""
        self.inbox.put(Halt(code, reason))

    def _halted(self, halt: Halt) -> bool:
        if halt.code and (self.opened or halt.code not in MENDED):
            self._fail(halt.code, halt.reason)
            return True
        return not self.opened

    def _open(self, frame: Frame) -> None:
        """From here on nodes may charge."""
        services, digest, made = self.services, self.case.digest, frame.manifest
        attempt, now, phase = made.attempt, made.created_ms, made.phase
        services.store.open_round(digest, frame.round, attempt, frame.payload, now, phase, made.run)
        self.intake, self.readies.attempt = Intake(frame, self.roster, self.inbox.put, services.carry), attempt
        services.links.listen(frame.round, self.intake)
        endings.post(services, digest, self.intake)
        self._log("round.opened")
        services.links.send_all({member: frame.opening(member) for member in frame.members})

    def _fail(self, code: str, reason: str = "") -> None:
        self.refusals = {} if self.intake is None else self.intake.refusals
        self._log(endings.fail(self.services, self.case, self.intake, code, reason), code=code)

    def _close(self) -> None:
        """The round takes nothing more."""
        if self.intake is not None:
            frame, self.intake = self.intake.frame, None
            self.services.links.forget(frame.round)
            self.services.links.send_each(frame.members, CloseRound(frame.round))
            self.services.closed(frame.members)

    def _log(self, event: str, **facts: str) -> None:
        round_ = self.intake.frame.round.hex() if self.intake else ""
        log.info(event, request=self.case.digest.hex(), round=round_, attempt=self.readies.attempt, **facts)
