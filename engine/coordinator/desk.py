"""What people may ask of the coordinator: describe, submit, watch, fetch, list. No I/O but the store's.

``caller`` is a member's name, proven by its certificate (server.py). An analyst sees own requests only; a request of
somebody else is answered as one that does not exist.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from traceback import extract_tb

import structlog

from engine.coordinator.admit import Agreements, admit
from engine.coordinator.board import Board
from engine.coordinator.run import RESTARTED, Run
from engine.coordinator.services import Services
from engine.coordinator.sharing import share, shared_with
from engine.errors import Bug, Refused, SplittallyError, Unavailable
from engine.trusted import wire
from engine.trusted.home import Home
from engine.trusted.messages import (
    PART_BYTES,
    AskShared,
    Chosen,
    FederationDescription,
    Handed,
    JournalPart,
    NodeState,
    RequestList,
    RequestState,
    RequestStatus,
    ResultBody,
    ResultPart,
    SharedList,
    Sharing,
    Submission,
)
from engine.trusted.records import Role
from engine.trusted.sign import open_request

log = structlog.get_logger("coordinator")
RUNS_AT_ONCE = 64
LIST_MOST = 1_000
DRAIN_SECONDS = 10.0
RESTART_GATHER = 25_000  # ms: longer than the longest pause of a node between two tries to dial in


class Desk:
    """The requests of one federation, each run in a thread of its own."""

    def __init__(self, home: Home, services: Services) -> None:
        self._services, self._agreements = services, Agreements(home, services.roster)
        self._manifest = home.manifest_record()
        self._pool = ThreadPoolExecutor(RUNS_AT_ONCE, thread_name_prefix="run")
        self._stopping = threading.Event()
        self._idle = threading.Condition()
        self._runs: set[Run] = set()

    @property
    def _board(self) -> Board:
        return self._services.board

    def describe(self) -> FederationDescription:
        nodes = (m.name for m in self._services.roster.manifest.members if Role.NODE in m.roles)
        connected = (self._services.links.participant(name) for name in nodes)
        told = FederationDescription(self._manifest, self._agreements.records(), tuple(p for p in connected if p))
        return replace(told, nodes=self._states())

    def _states(self) -> tuple[NodeState, ...]:
        """What each connected node says of itself, and whether its journal contradicts what it said before."""
        contrary = self._services.journals.contrary()
        said = [self._services.links.hello(m.name) for m in self._services.roster.manifest.members]
        nodes = [hello for hello in said if hello and Role.NODE in self._services.roster.member(hello.node).roles]
        codes = dict.fromkeys(contrary, "POLICY_HEAD_FORKED")
        return tuple(NodeState(h.node, h.guardians, h.paused, codes.get(h.node, "")) for h in nodes)

    def journal(self, member: str, start: int) -> Iterator[JournalPart]:
        """A member's journal as far as it was collected, or the coordinator's own, from an entry on.

        Raises Refused POLICY_UNKNOWN_MEMBER, Unavailable NODE_JOURNAL_NOT_YET.
        """
        self._services.roster.member(member)
        if self._services.journals.head(member) is None:
            raise Unavailable("NODE_JOURNAL_NOT_YET", name=member)
        return self._services.journals.parts(member, start)

    def share(self, caller: str, sharing: Sharing) -> Handed:
        """Keeps a release that its analyst resealed to another one."""
        services = self._services
        return share(services.store, caller, sharing, self._agreements, services.roster, services.clock.now_ms())

    def shared(self, caller: str, asked: AskShared) -> SharedList:
        """What others shared with the caller."""
        now = self._services.clock.now_ms()
        return shared_with(self._services.store, caller, asked.request_digest, self._agreements, now)

    def submit(self, caller: str, submission: Submission) -> RequestStatus:
        """Starts a request. The same signed bytes again are the same request."""
        if self._stopping.is_set():
            raise Unavailable("NODE_COORDINATOR_STOPPING")
        services, now = self._services, self._services.clock.now_ms()
        digest = wire.digest(submission.request.payload)
        if services.store.owner(digest) == caller:
            return self._board.status(digest)
        if open_request(submission.request, services.roster).analyst != caller:
            raise Refused("POLICY_CALLER")
        case = admit(submission, self._agreements, services.roster, now)
        if services.store.accept(digest, caller, submission, now):
            self._board.post(RequestStatus(digest, RequestState.SUBMITTED, "", (), 0, (), (), now))
            self._start(Run(case, services))
        return self._board.status(digest)

    def choose(self, caller: str, chosen: Chosen) -> RequestStatus:
        """Starts the second phase of a request. Said again, it changes nothing."""
        services, now, digest = self._services, self._services.clock.now_ms(), chosen.request_digest
        self._require_owner(caller, digest)
        self._settle(digest)
        if self._stopping.is_set():
            raise Unavailable("NODE_COORDINATOR_STOPPING")
        case = admit(services.store.submission(digest), self._agreements, services.roster, now, chosen)
        if case.chosen is None or {s.node for s in chosen.sealed} != set(case.hosts):
            raise Unavailable("ROUND_KEYS")
        if services.store.choose(digest, chosen, now):
            self._board.post(RequestStatus(digest, RequestState.SUBMITTED, "", (), 0, (), (), now))
            self._start(Run(case, services))
        return self._board.status(digest)

    def watch(self, caller: str, request: bytes, wanted: Callable[[], bool]) -> Iterator[RequestStatus]:
        """The status now and after each change, to the end of the request."""
        self._require_owner(caller, request)

        def still_wanted() -> bool:
            self._settle(request)
            return wanted()

        return self._board.follow(request, still_wanted)

    def fetch(self, caller: str, request: bytes) -> Iterator[ResultPart]:
        """The result's head, then its vectors and sealed masks in parts; of a request that waits, the nodes' lists."""
        self._require_owner(caller, request)
        if self._board.status(request).state not in (RequestState.RELEASED, RequestState.WAITING):
            raise Unavailable("ROUND_NOT_RELEASED")
        result = self._services.store.result(request)
        yield result.head
        for kind, sender, body in result.bodies:
            starts = range(0, len(body), PART_BYTES)
            for part, start in enumerate(starts):
                yield ResultBody(kind, sender, part, body[start : start + PART_BYTES], start == starts[-1])

    def requests(self, caller: str, most: int) -> RequestList:
        stored = self._services.store.statuses(caller, min(most or LIST_MOST, LIST_MOST))
        for status in stored:
            self._settle(status.request_digest)
        return RequestList(tuple(self._board.status(s.request_digest) for s in stored))

    def resume(self) -> None:
        """Settles what the last stop left: each unfinished request gets its next attempt, or its refusal."""
        services = self._services
        services.store.lose_open_rounds(RESTARTED)
        patient = replace(services, windows=replace(services.windows, gather=RESTART_GATHER))
        for digest, submission, attempts, chosen in services.store.unfinished():
            now = services.clock.now_ms()
            self._board.post(RequestStatus(digest, RequestState.SUBMITTED, "", (), attempts, (), (), now))
            try:
                case = admit(submission, self._agreements, services.roster, now, chosen)
            except SplittallyError as error:
                self._refuse(digest, error.code)
            else:
                self._start(Run(case, patient, attempts))

    def drain(self, seconds: float = DRAIN_SECONDS) -> None:
        """Takes nothing new; requests under way have ``seconds`` to end, the others wait for the next start."""
        self._stopping.set()
        with self._idle:
            self._idle.wait_for(lambda: not self._runs, seconds)
            for run in self._runs:
                run.inbox.put(None)
        self._pool.shutdown(wait=True)

    def _start(self, run: Run) -> None:
        with self._idle:
            self._runs.add(run)
        self._pool.submit(run.drive).add_done_callback(partial(self._ended, run))

    def _ended(self, run: Run, future: Future[None]) -> None:
        """A run that failed, instead of ending its request, ends it with a code."""
        with self._idle:
            self._runs.discard(run)
            self._idle.notify_all()
        digest = run.case.digest
        error = future.exception()
        if error is None:
            return
        if not isinstance(error, SplittallyError):
            place = extract_tb(error.__traceback__)[-1]
            log.error("run.failed", kind=type(error).__name__, at=f"{place.name}:{place.lineno}")
            error = Bug("BUG_UNEXPECTED")
        try:
            self._refuse(digest, error.code)
        except Unavailable as unavailable:  # the store; the request is settled at the next start
            log.error("request.unsettled", request=digest.hex(), code=unavailable.code)

    def _refuse(self, digest: bytes, code: str) -> None:
        now = self._services.clock.now_ms()
        state = RequestState.EXPIRED if code == "POLICY_REQUEST_EXPIRED" else RequestState.REFUSED_STATE
        self._services.store.refuse(digest, code, now, state)
        self._board.post(RequestStatus(digest, state, code, (), 0, (), (), now))
        log.info("request.refused", request=digest.hex(), code=code)

    def _settle(self, digest: bytes) -> None:
        """A request that waits for its analyst is over when its validity is; nobody runs it meanwhile."""
        if self._board.status(digest).state is RequestState.WAITING:
            request = open_request(self._services.store.submission(digest).request, self._services.roster)
            if self._services.clock.now_ms() >= request.expires_ms:
                self._refuse(digest, "POLICY_REQUEST_EXPIRED")

    def _require_owner(self, caller: str, request: bytes) -> None:
        if self._services.store.owner(request) != caller:
            raise Refused("POLICY_REQUEST_UNKNOWN")
