"""A coordinator that lies: it has the coordinator's keys and address, and real nodes dial it. It keeps no rule."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from queue import Empty, SimpleQueue
from typing import Any

import grpc

from engine.client.query import Query
from engine.local.federation import ANALYST
from engine.trusted import wire
from engine.trusted.calibrate import calibrate
from engine.trusted.clock import SystemClock
from engine.trusted.home import Tls
from engine.trusted.messages import (
    AnswerPart,
    AnswerSet,
    AskAnswer,
    AskReady,
    AskWitness,
    FromNode,
    Hello,
    OpenRound,
    RoundRefusal,
    SeekWitnesses,
    ShareSet,
    Submission,
    ToNode,
    VectorPart,
    Welcome,
)
from engine.trusted.plan import Plan
from engine.trusted.random import SystemRandomness
from engine.trusted.records import Participant, RecordKind, Request, RoundManifest, SignedRecord, Witness
from engine.trusted.sign import Roster, open_share
from tests.processes.faults_fleet import MEMBERS, NODES, PATIENCE, Fleet, until

# What a helper says about a round that it answered in an earlier life: the last two if its *ready* is of that life too.
SILENT = frozenset(("POLICY_ROUND_ANSWERED", "ROUND_READY_STALE", "ROUND_NOT_OPEN"))


class Rogue:
    """Serves the Federation stream at ``address``; ``tell`` and ``hear`` are all it does by itself."""

    def __init__(self, address: str, tls: Tls, roster: Roster) -> None:
        self._roster = roster
        self._outboxes: dict[str, SimpleQueue[ToNode | None]] = {}
        self._heard: dict[str, SimpleQueue[FromNode]] = defaultdict(SimpleQueue)
        self._seeking: dict[str, bytes] = {}
        self._helpers: dict[bytes, tuple[str, ...]] = {}  # of the rounds it made up
        self.hellos: dict[str, Hello] = {}
        self._server = grpc.server(ThreadPoolExecutor(32), options=[("grpc.so_reuseport", 0)])
        attend = {"Attend": grpc.stream_stream_rpc_method_handler(self._attend)}
        self._server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler("splittally.v1.Federation", attend),)
        )
        credentials = grpc.ssl_server_credentials([(tls.key, tls.certificate)], tls.authority, require_client_auth=True)
        self.port = self._server.add_secure_port(address, credentials)
        self._server.start()

    def __enter__(self) -> Rogue:
        return self

    def __exit__(self, *_: object) -> None:
        for outbox in self._outboxes.values():
            outbox.put(None)
        self._server.stop(0).wait()

    def _attend(self, messages: Iterator[bytes], _: grpc.ServicerContext) -> Iterator[bytes]:
        hello = wire.decode(FromNode, next(messages))
        assert isinstance(hello, Hello)
        outbox = self._outboxes[hello.node] = SimpleQueue()
        self.hellos[hello.node] = hello
        for seeker, nonce in tuple(self._seeking.items()):
            outbox.put(AskWitness(nonce, seeker))
        threading.Thread(target=self._read, args=(hello.node, messages, outbox), daemon=True).start()
        yield wire.encode(Welcome(1, hello.epoch), ToNode)
        for message in iter(outbox.get, None):
            yield wire.encode(message, ToNode)

    def _read(self, node: str, messages: Iterator[bytes], outbox: SimpleQueue[ToNode | None]) -> None:
        try:
            for payload in messages:
                self._take(node, wire.decode(FromNode, payload))
        except grpc.RpcError:
            pass  # the stream broke
        finally:
            self.hellos.pop(node, None)
            outbox.put(None)

    def _take(self, node: str, message: FromNode) -> None:
        """Carries questions for witnesses and their answers, so that members open; the rest is to be heard."""
        match message:
            case Hello():
                self.hellos[node] = message
            case SeekWitnesses(nonce):
                self._seeking[node] = nonce
                for other, outbox in tuple(self._outboxes.items()):
                    if other != node:
                        outbox.put(AskWitness(nonce, node))
            case SignedRecord(kind=RecordKind.WITNESS):
                self._outboxes[wire.decode(Witness, message.payload).member].put(message)
            case _:
                self._heard[node].put(message)

    def await_members(self, *names: str) -> None:
        """Until they have dialled, and others have vouched for their journals."""
        until(f"{names} dialled", lambda: all(name in self.hellos and not self.hellos[name].paused for name in names))

    def restart(self, fleet: Fleet, *names: str) -> None:
        """Starts killed members again, and waits for them; what they said before is forgotten."""
        until(f"{names} missed", lambda: not set(names) & set(self.hellos))
        for name in names:
            self._heard.pop(name, None)
            fleet.begin(name)
        self.await_members(*names)

    def tell(self, member: str, message: ToNode) -> None:
        self._outboxes[member].put(message)

    def hear(self, member: str) -> FromNode:
        """The next message of a member; none within the time is a failure."""
        try:
            return self._heard[member].get(timeout=PATIENCE)
        except Empty:
            raise AssertionError(f"{member} said nothing") from None

    def hear_of(self, member: str, round_: bytes) -> RoundRefusal:
        """A member's next refusal of a round."""
        while True:
            match self.hear(member):
                case RoundRefusal(round=of) as refusal if of == round_:
                    return refusal

    def manifest(self, submission: Submission, helpers: tuple[str, ...], **lies: Any) -> bytes:
        """A round manifest that no member can tell from an honest one, but for the fields that ``lies`` give; its nonce
        makes it another round each time.
        """
        request: Request = wire.decode(Request, submission.request.payload)
        plan: Plan = wire.decode(Plan, submission.plan, wire.PLAN_BYTES)
        digest, now = wire.digest(submission.request.payload), SystemClock().now_ms()
        for helper in helpers:
            self.tell(helper, AskReady(digest, NODES))
        readies = tuple(self._ready(helper) for helper in helpers)
        manifest = RoundManifest(
            version=1,
            nonce=SystemRandomness().bytes(16),
            request=submission.request,
            plan=submission.plan,
            approvals=(),
            epoch=self._roster.manifest.epoch,
            attempt=1,
            run=1,
            phase=1,
            participants=tuple(Participant(n, self.hellos[n].snapshots) for n in NODES),
            helpers=helpers,
            calibration=calibrate(plan, self._roster.manifest.catalogue, request.loss, request.n_min, request.f),
            created_ms=now,
            deadline_ms=now + 600_000,  # no test waits for it
            readies=readies,
        )
        made = wire.encode(replace(manifest, **lies))
        self._helpers[wire.digest(made)] = helpers
        return made

    def _ready(self, helper: str) -> SignedRecord:
        while not isinstance(said := self.hear(helper), SignedRecord):
            pass
        return said

    def begin(self, manifest: bytes, *members: str) -> None:
        """Opens a round, and hears nothing."""
        for member in members:
            self.tell(member, OpenRound(manifest))

    def open(self, manifest: bytes, *members: str) -> dict[str, tuple[bytes, ShareSet] | str]:
        """Opens a round; what each node answers: its vector and shares, or the code of its refusal."""
        self.begin(manifest, *members)
        return {member: self._answer(member, wire.digest(manifest)) for member in members if member in NODES}

    def _answer(self, member: str, round_: bytes) -> tuple[bytes, ShareSet] | str:
        while True:
            match self.hear(member):
                case RoundRefusal(round=of, code=code) if of == round_:
                    return code
                case VectorPart(round=of, body=body) if of == round_:
                    while not isinstance(shares := self.hear(member), ShareSet):
                        pass  # a pulse, or news of its journal
                    return body, shares

    def ask(self, helper: str, round_: bytes, sets: list[ShareSet]) -> SignedRecord | str:
        """Asks a helper for its masks over these nodes' shares: its signed answer, or the code of its refusal."""
        given = self.masks(helper, round_, sets)
        return given if isinstance(given, str) else given[1]

    def begin_to_ask(self, helper: str, round_: bytes, sets: list[ShareSet]) -> None:
        """Asks, and hears nothing."""
        own = tuple(r for s in sets for r in s.shares if open_share(r, self._roster).member == helper)
        place = self._helpers[round_].index(helper)
        self.tell(helper, AskAnswer(round_, own, tuple(s.proofs[place] for s in sets if s.proofs)))

    def masks(self, helper: str, round_: bytes, sets: list[ShareSet]) -> tuple[bytes, SignedRecord] | str:
        """The same, with the sealed masks."""
        self.begin_to_ask(helper, round_, sets)
        sealed = b""
        while True:
            match self.hear(helper):
                case RoundRefusal(round=of, code=code) if of == round_:
                    return code
                case AnswerPart(round=of, body=body) if of == round_:
                    sealed = body
                case AnswerSet(round=of, answer=answer) if of == round_:
                    return sealed, answer


@contextmanager
def lying(fleet: Fleet, n_min: int, analyst: str = ANALYST) -> Iterator[tuple[Rogue, Query, Submission]]:
    """A lying coordinator in the place of the honest one, and a question that its analyst signed."""
    with fleet.session(analyst) as session:
        query = fleet.question(session, n_min)
        session.line.submit = lambda submission: None  # type: ignore[method-assign,assignment,return-value]
        query.submit()
        assert query.asked is not None
        fleet.kill("coordinator")
        home = fleet.home("coordinator")
        with Rogue((home.path / "address").read_text().strip(), home.tls(), home.roster()) as rogue:
            rogue.await_members(*MEMBERS)
            yield rogue, query, query.asked.submission
