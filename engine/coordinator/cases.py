"""Requests from submission to their end: which of them run, which wait and for whom, which are over.

``consider`` looks at one request anew, whenever something happened that may concern it: decisions.py says what
follows, this file carries it out. Each change is durable before anybody hears of it; nothing is kept only in memory,
so a restart in any state goes on from what the store holds.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from traceback import extract_tb

import structlog

from engine.coordinator import decisions
from engine.coordinator.admit import Admitted, admit
from engine.coordinator.agreements import Agreements
from engine.coordinator.decisions import Decided, End, Go, State, Terms, Wait
from engine.coordinator.events import Windows
from engine.coordinator.handed import HandedIn, NodeSays
from engine.coordinator.run import RESTARTED, Run
from engine.coordinator.services import Services
from engine.coordinator.store import ENDED, Kept
from engine.errors import Bug, SplittallyError, Unavailable
from engine.trusted import wire
from engine.trusted.messages import RequestState, RequestStatus
from engine.trusted.records import Approval, Decision, Member, RecordKind, Role, SignedRecord, SnapshotRef

log = structlog.get_logger("coordinator")
RUNS_AT_ONCE = 64
RESTART_GATHER = 25_000  # ms: longer than the longest pause of a node between two tries to dial in
COUNTED = ("POLICY_", "BUDGET_", "SQL_")  # refusals by a rule, of which an analyst may have so many an hour
# ends that do not let a round under way come to its own
AT_ONCE = ("POLICY_REQUEST_WITHDRAWN", "POLICY_AGREEMENT_REVOKED", "POLICY_AGREEMENT_EXPIRED", "APPROVAL_REFUSED")


def is_over(status: RequestStatus) -> bool:
    """Ended for good; a guardian's refusal may still be taken back."""
    return status.state in ENDED and status.code != decisions.SECOND_THOUGHTS


class Cases:
    """The requests of one federation, each run in a thread of its own."""

    def __init__(self, services: Services, agreements: Agreements, handed: HandedIn) -> None:
        self._services, self._agreements, self._handed = services, agreements, handed
        self._pool = ThreadPoolExecutor(RUNS_AT_ONCE, thread_name_prefix="run")
        self._lock = threading.RLock()
        self._idle = threading.Condition(self._lock)
        self._runs: dict[bytes, Run] = {}
        self._due: dict[bytes, int] = {}  # of those that wait: when a date is reached
        self.stopping = False

    # -- what others call

    def consider(self, digest: bytes, case: Admitted | None = None, windows: Windows | None = None) -> None:
        """Looks at one request anew; ``case``: as it was admitted just now."""
        with self._lock:
            kept, run = self._services.store.kept(digest), self._runs.get(digest)
            if is_over(kept.status) or self.stopping:
                self._due.pop(digest, None)
                return
            outcome: decisions.Outcome
            try:
                case, now = case or self._admit(kept), self._services.clock.now_ms()
                terms, state = self._terms(case), self._state(kept, case)
                outcome = decisions.judge(terms, state, now)
                self._due[digest] = decisions.changes_at(terms, state, now)
            except SplittallyError as error:
                outcome = decisions.end(error.code)
            if run is not None:
                self._interrupt(run, outcome)
            elif isinstance(outcome, Go) and case is not None:
                self._start(kept, case, outcome, windows)
            else:
                self._settle(kept, outcome)

    def consider_all(self, windows: Windows | None = None, *, opened: bool = True) -> None:
        """Looks at every request that waits or is under way; not ``opened``: leaves open rounds alone."""
        store = self._services.store
        with self._lock:
            spared = {digest for digest, run in self._runs.items() if run.opened and not opened}
        for digest in (*(found[0] for found in store.unfinished()), *store.waiting()):
            if digest not in spared:
                self.consider(digest, windows=windows)

    def new_manifest(self) -> None:
        """Rounds of another epoch are over: what is under way begins anew, if the new manifest lets it."""
        with self._lock:
            for run in self._runs.values():
                run.halt("POLICY_EPOCH_DIFFERS")
        self.consider_all()

    def look(self, digest: bytes) -> None:
        """A request that waits is over when its time is; nobody runs it meanwhile."""
        waits = self._services.board.status(digest).state is RequestState.WAITING
        if waits and self._services.clock.now_ms() >= self._due.get(digest, 0):
            self.consider(digest)

    def resume(self) -> None:
        """Settles what the last stop left: each unfinished request gets its next attempt, waits, or has ended."""
        self._services.store.lose_open_rounds(RESTARTED)
        self.consider_all(replace(self._services.windows, gather=RESTART_GATHER))

    def drain(self, seconds: float) -> None:
        """Takes nothing new; requests under way have ``seconds`` to end, the others wait for the next start."""
        with self._idle:
            self.stopping = True
            self._idle.wait_for(lambda: not self._runs, seconds)
            for run in self._runs.values():
                run.inbox.put(None)
        self._pool.shutdown(wait=True)

    # -- facts

    def _admit(self, kept: Kept) -> Admitted:
        services = self._services
        return admit(kept.submission, self._agreements, services.roster, services.clock.now_ms(), kept.chosen)

    def _terms(self, case: Admitted) -> Terms:
        request, members = case.request, self._services.roster.manifest.members
        guardians = {host: tuple(m.name for m in members if _guards(m, host)) for host in case.hosts}
        return Terms(
            request.analyst,
            case.hosts,
            request.n_min,
            request.runs,
            request.expires_ms,
            case.agreement_ends,
            guardians,
            case.joins,
        )

    def _state(self, kept: Kept, case: Admitted) -> State:
        """Everything that has happened, from the store and the links."""
        run = kept.status.run
        state = State(max(run - 1, 1))
        if run > 1:
            used = self._services.store.used(case.digest, run)
            state = decisions.note(state, decisions.RunReleased({n: _ids(refs, case) for n, refs in used.items()}))
        for record in self.approvals(case.digest):
            made: Approval = wire.decode(Approval, record.payload)
            approved = made.decision is Decision.APPROVED
            event = Decided(made.guardian, approved, made.decided_ms, made.expires_ms, made.reason)
            state = decisions.note(state, event)
        if self._handed.records(RecordKind.WITHDRAWAL, case.digest):
            state = decisions.note(state, decisions.Ended("POLICY_REQUEST_WITHDRAWN"))
        for host in case.hosts:
            says, there = self._handed.node(host), self._services.links.participant(host)
            state = decisions.note(state, decisions.Said(host, says.guardians, says.paused))
            shown = _ids(there.snapshots if there else (), case)
            state = decisions.note(state, decisions.Shown(host, shown))
        if case.names_keys and kept.named:
            state = decisions.note(state, decisions.Named(kept.chosen is not None))
        return state

    def approvals(self, digest: bytes) -> tuple[SignedRecord, ...]:
        """The decisions about a request, oldest first."""
        return self._handed.records(RecordKind.APPROVAL, digest)

    # -- what follows

    def _start(self, kept: Kept, case: Admitted, go: Go, windows: Windows | None) -> None:
        services, digest = self._services, case.digest
        approvals = _newest(self.approvals(digest), go.guardians)
        state = RequestState.APPROVED_STATE if approvals else RequestState.SUBMITTED
        if kept.status.state is not state:
            services.store.go_on(digest, state, services.clock.now_ms())
        services.board.post(services.store.status(digest))
        run = Run(
            replace(case, hosts=go.hosts, run=go.run, approvals=approvals), services, kept.status.attempt, windows
        )
        self._runs[digest] = run
        self._pool.submit(run.drive).add_done_callback(partial(self._ended, run))

    def _settle(self, kept: Kept, outcome: decisions.Outcome) -> None:
        services, now, status = self._services, self._services.clock.now_ms(), kept.status
        digest = status.request_digest
        match outcome:
            case Wait(waiting_for) if (status.state, status.waiting_for) != (RequestState.WAITING, waiting_for):
                services.store.await_(digest, waiting_for, now)
                log.info("request.waiting", request=digest.hex(), waiting_for=",".join(waiting_for))
            case End(state, code, reason) if (status.code, status.reason) != (code, reason):
                services.store.refuse(digest, code, now, state, reason=reason)
                log.info("request.ended", request=digest.hex(), code=code)
            case _:
                return
        services.board.post(services.store.status(digest))

    def _interrupt(self, run: Run, outcome: decisions.Outcome) -> None:
        """A run under way: stopped by an end, or looked at anew as long as nothing is charged."""
        match outcome:
            case End(_, code, reason) if code in AT_ONCE or (code and not run.opened):
                run.halt(code, reason)
            case Wait() if not run.opened:
                run.halt()
            case Go(_, hosts, guardians) if not run.opened:
                if (hosts, len(guardians)) != (run.case.hosts, len(run.case.approvals)):
                    run.halt()

    def _ended(self, run: Run, future: Future[None]) -> None:
        """A run that failed, instead of ending its request, ends it with a code; one set aside is looked at anew."""
        digest, error = run.case.digest, future.exception()
        with self._idle:
            self._runs.pop(digest, None)
            self._idle.notify_all()
        try:
            if error is not None:
                self._fail(digest, error)
            self._learn(run)
            self.consider(digest)
        except Unavailable as unavailable:  # the store; the request is settled at the next start
            log.error("request.unsettled", request=digest.hex(), code=unavailable.code)

    def _fail(self, digest: bytes, error: BaseException) -> None:
        if not isinstance(error, SplittallyError):
            place = extract_tb(error.__traceback__)[-1]
            log.error("run.failed", kind=type(error).__name__, at=f"{place.name}:{place.lineno}")
            error = Bug("BUG_UNEXPECTED")
        self._settle(self._services.store.kept(digest), decisions.end(error.code))

    def _learn(self, run: Run) -> None:
        """From the refusals of nodes: one that is paused says so again when it is not; a rule's refusal counts."""
        for node, refusal in run.refusals.items():
            if refusal.code == "NODE_PAUSED":
                self._handed.node_says(node, NodeSays(self._handed.node(node).guardians, True))
        if any(refusal.code.startswith(COUNTED) for refusal in run.refusals.values()):
            self._handed.refused(run.case.request.analyst, self._services.clock.now_ms())


def _guards(member: Member, host: str) -> bool:
    return Role.GUARDIAN in member.roles and member.department == host


def _ids(refs: Iterable[SnapshotRef], case: Admitted) -> frozenset[str]:
    """The snapshots of what the plan reads."""
    return frozenset(f"{ref.dataset} {ref.snapshot}" for ref in refs if ref.dataset in case.datasets)


def _newest(records: tuple[SignedRecord, ...], guardians: tuple[str, ...]) -> tuple[SignedRecord, ...]:
    """Of each guardian the decision made last."""
    found: dict[str, tuple[int, SignedRecord]] = {}
    for record in records:
        made: Approval = wire.decode(Approval, record.payload)
        if made.guardian in guardians and made.decided_ms >= found.get(made.guardian, (0, record))[0]:
            found[made.guardian] = made.decided_ms, record
    return tuple(found[guardian][1] for guardian in guardians)
