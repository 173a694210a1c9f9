"""What people may ask of the coordinator: describe, submit, watch, fetch, list, hand in, queue. No I/O but the store's.

``caller`` is a member's name, proven by its certificate (server.py). An analyst sees own requests only; a request of
somebody else is answered as one that does not exist. A guardian sees requests about its node; officers and auditors
see all. What a request waits for and when it runs is cases.py; what becomes of signed records is governance.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import structlog

from engine.coordinator.admit import admit
from engine.coordinator.agreements import Agreements
from engine.coordinator.cases import Cases
from engine.coordinator.governance import Governance
from engine.coordinator.handed import HandedIn
from engine.coordinator.register import EVERYTHING, register_parts
from engine.coordinator.services import Services
from engine.coordinator.sharing import share, shared_with
from engine.coordinator.store import Kept
from engine.coordinator.tidying import Tidying
from engine.errors import Refused, Unavailable
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
    QueuedRequest,
    RegisterPart,
    RequestList,
    RequestQueue,
    RequestState,
    RequestStatus,
    ResultBody,
    ResultPart,
    SharedList,
    Sharing,
    Submission,
)
from engine.trusted.plan import Plan
from engine.trusted.records import Member, Request, Role, SignedRecord
from engine.trusted.sign import open_request
from engine.trusted.stability import stability_of

log = structlog.get_logger("coordinator")
LIST_MOST = 1_000
QUEUE_BYTES = 3 << 20  # of one answer: a message is at most 4 MiB
REFUSALS_MOST = 60  # of an analyst's questions, in an hour
DRAIN_SECONDS = 10.0


class Reception:
    """The reception of one federation."""

    def __init__(self, home: Home, services: Services) -> None:
        self._home, self._services = home, services
        self._handed = HandedIn(services.store)
        self._agreements = Agreements(home, services, self._handed)
        self._cases = Cases(services, self._agreements, self._handed)
        self._governance = Governance(home, services, self._agreements, self._handed, self._cases)
        self._board, self.tidying = services.board, Tidying(services, self._agreements)
        services.links.joined, services.links.greeted = self._governance.joined, self._governance.greeted

    def describe(self) -> FederationDescription:
        """The federation as the coordinator knows it; of nodes, those that are connected."""
        links = self._services.links
        nodes = (m.name for m in self._services.roster.manifest.members if Role.NODE in m.roles)
        connected = tuple(p for p in (links.participant(name) for name in nodes) if p)
        says = [(p.node, self._handed.node(p.node)) for p in connected]
        codes = dict.fromkeys(self._services.journals.contrary(), "POLICY_HEAD_FORKED")
        own = {p.node: links.hello(p.node) for p in connected}  # the node's own word on a pause, not ours
        paused = {name for name, hello in own.items() if hello and hello.paused}
        states = tuple(NodeState(name, said.guardians, name in paused, codes.get(name, "")) for name, said in says)
        agreements, revocations = self._agreements.records(), self._agreements.revocations()
        return FederationDescription(self._home.manifest_record(), agreements, connected, states, revocations)

    def journal(self, member: str, start: int) -> Iterator[JournalPart]:
        """A member's journal as far as it was collected, or the coordinator's own, from an entry on.

        Raises Refused POLICY_UNKNOWN_MEMBER, Unavailable NODE_JOURNAL_NOT_YET.
        """
        self._services.roster.member(member)
        if self._services.journals.head(member) is None:
            raise Unavailable("NODE_JOURNAL_NOT_YET", name=member)
        return self._services.journals.parts(member, start)

    def register(self) -> Iterator[RegisterPart]:
        """What the public register is made from besides the journals."""
        for digest in self._services.store.newest(EVERYTHING):
            self._cases.look(digest)
        return register_parts(self._home, self._services.store, self._handed, self._services.journals)

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
        self._require_serving()
        services, now = self._services, self._services.clock.now_ms()
        digest = wire.digest(submission.request.payload)
        if services.store.owner(digest) == caller:
            self._cases.look(digest)
            return self._board.status(digest)
        if self._handed.refusals(caller, now) >= REFUSALS_MOST:
            raise Refused("POLICY_REFUSALS_LIMITED", name=caller)
        try:
            if open_request(submission.request, services.roster).analyst != caller:
                raise Refused("POLICY_CALLER")
            case = admit(submission, self._agreements, services.roster, now)
        except Refused:
            self._handed.refused(caller, now)
            raise
        if services.store.accept(digest, caller, submission, now):
            self._cases.consider(digest, case)
        return self._board.status(digest)

    def choose(self, caller: str, chosen: Chosen) -> RequestStatus:
        """Starts the second phase of a request. Said again, it changes nothing."""
        services, now, digest = self._services, self._services.clock.now_ms(), chosen.request_digest
        self._require_owner(caller, digest)
        self._cases.look(digest)
        self._require_serving()
        case = admit(services.store.kept(digest).submission, self._agreements, services.roster, now, chosen)
        if case.chosen is None or {s.node for s in chosen.sealed} != set(case.hosts):
            raise Unavailable("ROUND_KEYS")
        if services.store.choose(digest, chosen, now):
            self._cases.consider(digest, case)
        return self._board.status(digest)

    def watch(self, caller: str, request: bytes, wanted: Callable[[], bool]) -> Iterator[RequestStatus]:
        """The status now and after each change, to the end of the request."""
        self._require_owner(caller, request)
        return self._board.follow(request, wanted, lambda: self._cases.look(request))

    def fetch(self, caller: str, request: bytes, run: int = 0) -> Iterator[ResultPart]:
        """The result's head, then its vectors and sealed masks in parts; of a request that waits for its analyst, the
        nodes' lists. ``run`` 0: the newest. As long as the agreement stands, the same bytes each time."""
        self._require_owner(caller, request)
        kept = self._services.store.kept(request)
        signed: Request = wire.decode(Request, kept.submission.request.payload)
        self._agreements.standing(signed.agreement_digest, self._services.clock.now_ms())
        result = self._services.store.result(request, self._run_to_fetch(kept, run))
        yield result.head
        for kind, sender, body in result.bodies:
            starts = range(0, len(body), PART_BYTES)
            for part, start in enumerate(starts):
                yield ResultBody(kind, sender, part, body[start : start + PART_BYTES], start == starts[-1])

    def _run_to_fetch(self, kept: Kept, run: int) -> int:
        """The run that is meant, if it is released; the one under way only while its analyst has to choose."""
        status = kept.status
        under_way = status.run if status.state is not RequestState.RELEASED else status.run + 1
        choosing = status.state is RequestState.WAITING and kept.named and kept.chosen is None
        meant = run or (under_way if choosing else under_way - 1)
        if not (1 <= meant < under_way or (choosing and meant == under_way)):
            raise Unavailable("ROUND_NOT_RELEASED")
        return meant

    def requests(self, caller: str, most: int) -> RequestList:
        stored = self._services.store.statuses(caller, min(most or LIST_MOST, LIST_MOST))
        for status in stored:
            self._cases.look(status.request_digest)
        return RequestList(tuple(self._board.status(s.request_digest) for s in stored))

    def queue(self, caller: Member, everything: bool) -> RequestQueue:
        """Requests that wait for the caller, or with ``everything`` all it may see; newest first, as many as fit."""
        store, found, room = self._services.store, list[QueuedRequest](), QUEUE_BYTES
        for digest in store.newest(LIST_MOST):
            kept = store.kept(digest)
            if not self._may_see(caller, kept):
                continue
            self._cases.look(digest)
            status = self._board.status(digest)
            guards = Role.GUARDIAN in caller.roles
            waits = caller.name in status.waiting_for if guards else status.state is RequestState.WAITING
            if not (everything or waits):
                continue
            queued = QueuedRequest(kept.submission, status, self._cases.approvals(digest), kept.received_ms)
            room -= len(wire.encode(queued))
            if room < 0:
                break
            found.append(queued)
        return RequestQueue(tuple(found))

    def _may_see(self, caller: Member, kept: Kept) -> bool:
        if Role.POLICY_OFFICER in caller.roles or Role.AUDITOR in caller.roles:
            return True
        plan: Plan = wire.decode(Plan, kept.submission.plan, wire.PLAN_BYTES)
        try:
            hosts = stability_of(plan.aggregate.input, self._services.roster.manifest.catalogue).hosts
        except Refused:  # of an earlier catalogue
            return False
        return Role.GUARDIAN in caller.roles and caller.department in hosts

    def hand(self, record: SignedRecord) -> Handed:
        """Takes a signed record: governance.py."""
        self._require_serving()
        return self._governance.hand(record)

    def resume(self) -> None:
        """Goes on with what the last stop left."""
        self._cases.resume()
        self.tidying.start()

    def drain(self, seconds: float = DRAIN_SECONDS) -> None:
        """Takes nothing new; requests under way have ``seconds`` to end, the others wait for the next start."""
        self._cases.drain(seconds)
        self.tidying.stop()

    def _require_serving(self) -> None:
        if self._cases.stopping:
            raise Unavailable("NODE_COORDINATOR_STOPPING")

    def _require_owner(self, caller: str, request: bytes) -> None:
        if self._services.store.owner(request) != caller:
            raise Refused("POLICY_REQUEST_UNKNOWN")
