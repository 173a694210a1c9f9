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

from engine.coordinator import events, rounds
from engine.coordinator.admit import Admitted, terms_of
from engine.coordinator.assemble import assemble
from engine.coordinator.events import Action, Event
from engine.coordinator.intake import Frame, Intake, Readies
from engine.coordinator.services import Services
from engine.errors import Bug
from engine.trusted.messages import AskReady, CloseRound, RequestState, RequestStatus

log = structlog.get_logger("coordinator")
RESTARTED = "ROUND_COORDINATOR_RESTARTED"


class Run:
    """One request under way; ``attempts`` rounds were opened for it before."""

    def __init__(self, case: Admitted, services: Services, attempts: int = 0) -> None:
        self.case, self.services = case, services  # (1) admitted, by admit.py
        self.inbox: SimpleQueue[Event | None] = SimpleQueue()  # None: go no further
        self.readies = Readies(case.digest, services.roster, self.inbox.put)
        self.readies.attempt = attempts
        self.intake: Intake | None = None

    def drive(self) -> None:
        """Runs the request to its end: RELEASED, REFUSED or EXPIRED; or leaves it to the next start."""
        links, left_ms = self.services.links, self.case.request.expires_ms - self.services.clock.now_ms()
        terms = terms_of(self.case, self.services.roster, self.services.windows, self._now() + left_ms)
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
                    if event is None:
                        return
                    state, actions = rounds.step(terms, state, event, self._now())
        finally:
            links.forget(self.case.digest)
            self._close()

    def _now(self) -> int:
        return int(self.services.clock.monotonic_ms())

    def _next(self, deadline: int) -> Event | None:
        try:
            return self.inbox.get(timeout=max(deadline - self._now(), 1) / 1e3)
        except Empty:
            return events.Tick()

    def _perform(self, action: Action) -> None:
        links = self.services.links
        match action:
            case events.AskReadies(helpers, participants):  # (3)
                links.send_each(helpers, AskReady(self.case.digest, participants))
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
                self._ask_answers(survivors, helpers)
            case events.Release(survivors):  # (8)
                self._release(survivors)
            case events.Refuse(code):
                self.refuse(code)
            case events.Abandon(code):
                self.services.store.lose_round(self._round.frame.round, code)
                self._log("round.lost", code=code)
                self._close()  # (9)

    @property
    def _round(self) -> Intake:
        if self.intake is None:
            raise Bug("BUG_UNEXPECTED", internal="no round is open")
        return self.intake

    def _open(self, frame: Frame) -> None:
        """From here on nodes may charge."""
        services, digest, made = self.services, self.case.digest, frame.manifest
        services.store.open_round(digest, frame.round, made.attempt, frame.payload, made.created_ms, made.phase)
        self.intake, self.readies.attempt = Intake(frame, services.roster, self.inbox.put), made.attempt
        services.links.listen(frame.round, self.intake)
        self._post(RequestState.RUNNING)
        self._log("round.opened")
        services.links.send_all({member: frame.opening(member) for member in frame.members})

    def _ask_answers(self, survivors: tuple[str, ...], helpers: tuple[str, ...]) -> None:
        """Each helper is asked once, over one set of survivors."""
        self._round.fix(survivors)
        self.services.links.send_all({helper: self._round.ask(helper) for helper in helpers})

    def _release(self, survivors: tuple[str, ...]) -> None:
        """The result waits for its analyst, who may be away; the lists of a first phase wait for an answer."""
        services, frame, now = self.services, self._round.frame, self.services.clock.now_ms()
        state = RequestState.WAITING if frame.names_keys else RequestState.RELEASED
        services.store.release(self.case.digest, frame.round, self._round.result(survivors), now, state)
        self._post(state)
        self._log(f"request.{state.name.lower()}")

    def refuse(self, code: str) -> None:
        """The end without a result."""
        state = RequestState.EXPIRED if code == "POLICY_REQUEST_EXPIRED" else RequestState.REFUSED_STATE
        self.services.store.refuse(self.case.digest, code, self.services.clock.now_ms(), state)
        self._post(state, code)
        self._log("request.refused", code=code)

    def _close(self) -> None:
        """The round takes nothing more."""
        if self.intake is not None:
            frame, self.intake = self.intake.frame, None
            self.services.links.forget(frame.round)
            self.services.links.send_each(frame.members, CloseRound(frame.round))
            self.services.closed(frame.members)

    def _post(self, state: RequestState, code: str = "") -> None:
        nodes = tuple(p.node for p in self._round.frame.manifest.participants) if state is RequestState.RUNNING else ()
        waiting, now = (self.case.request.analyst,) * (state is RequestState.WAITING), self.services.clock.now_ms()
        attempt = self.readies.attempt
        self.services.board.post(RequestStatus(self.case.digest, state, code, waiting, attempt, nodes, (), now))

    def _log(self, event: str, **facts: str) -> None:
        round_ = self.intake.frame.round.hex() if self.intake else ""
        log.info(event, request=self.case.digest.hex(), round=round_, attempt=self.readies.attempt, **facts)
