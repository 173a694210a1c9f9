"""The coordinator's gRPC edge: mutual TLS, who is calling, raw bytes through wire.py, and the life of the process.

    /splittally.v1.Federation/Attend                         nodes and helpers, one stream each
    /splittally.v1.Reception/{Describe,Submit,Choose,Watch,Fetch,List,Hand,Queue,Journal,Share,Shared,Register}   people
    /grpc.health.v1.Health/*                                 any member (health.py)

A caller is the member that its certificate names (spiffe://<federation>/<role>/<name>) if the federation manifest
gives that member that role. Errors leave as a bare code; whatever was not foreseen leaves as BUG_UNEXPECTED.
"""

from __future__ import annotations

import signal
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from queue import Empty
from traceback import extract_tb
from types import FrameType, TracebackType

import grpc
import structlog
from grpc_health.v1 import health_pb2, health_pb2_grpc

from engine.coordinator.board import Board
from engine.coordinator.collect import Collector
from engine.coordinator.events import Windows
from engine.coordinator.health import Health
from engine.coordinator.links import Link, Links
from engine.coordinator.reception import Reception
from engine.coordinator.services import Services
from engine.coordinator.standing import Standing
from engine.coordinator.store import Store
from engine.coordinator.witnesses import Witnesses
from engine.errors import Refused, SplittallyError, Unavailable, require
from engine.trusted import wire
from engine.trusted.clock import Clock, SystemClock
from engine.trusted.home import Home
from engine.trusted.messages import (
    MESSAGE_VERSION,
    AskMemberJournal,
    AskQueue,
    AskRegister,
    AskShared,
    Chosen,
    DescribeFederation,
    FromNode,
    Hello,
    ListRequests,
    Pulse,
    RequestName,
    ResultPart,
    Sharing,
    Submission,
    ToNode,
    Welcome,
)
from engine.trusted.random import Randomness, SystemRandomness
from engine.trusted.records import Member, Role, SignedRecord
from engine.trusted.sign import Roster, open_head

log = structlog.get_logger("coordinator")
CALLERS = 64  # people's calls served at once, beside one stream a member
WATCHES_EACH = 8  # at once, of one caller
WATCHES = CALLERS // 2
PULSE_SECONDS = 30.0
STOP_SECONDS = 2.0
DECIDING = (Role.GUARDIAN, Role.POLICY_OFFICER, Role.AUDITOR)
PEOPLE = (Role.ANALYST, *DECIDING)
SEEING_ALL = (Role.POLICY_OFFICER, Role.AUDITOR)
OPTIONS = (
    ("grpc.so_reuseport", 0),
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
    ("grpc.http2.max_ping_strikes", 0),
)
STATUS = {"NODE_": grpc.StatusCode.UNAVAILABLE, "ROUND_": grpc.StatusCode.UNAVAILABLE, "BUG_": grpc.StatusCode.INTERNAL}


class _Edge:
    """Ends a call with the code of whatever was raised inside, and never with a library's text."""

    def __init__(self, context: grpc.ServicerContext) -> None:
        self._context = context

    def __enter__(self) -> None:
        return None

    def __exit__(self, _: object, error: BaseException | None, trace: TracebackType | None) -> None:
        if error is None or not isinstance(error, Exception):
            return
        code = "BUG_UNEXPECTED"
        if isinstance(error, SplittallyError):
            code = error.code
        else:
            place = extract_tb(trace)[-1]
            log.error("call.failed", kind=type(error).__name__, at=f"{place.name}:{place.lineno}")
        prefix = code[: code.index("_") + 1]
        self._context.abort(STATUS.get(prefix, grpc.StatusCode.FAILED_PRECONDITION), code)


def caller_of(context: grpc.ServicerContext, roster: Roster, allowed: tuple[Role, ...]) -> Member:
    """The member that is calling, in one of the roles ``allowed``; else Refused POLICY_CALLER."""
    names = context.auth_context().get("peer_spiffe_id", ())
    parts = names[0].decode().split("/") if len(names) == 1 else []
    if len(parts) != 5 or parts[:3] != ["spiffe:", "", roster.manifest.federation]:
        raise Refused("POLICY_CALLER")
    member = roster.member(parts[4])
    if not any(role in member.roles and role.name.lower() == parts[3] for role in allowed):
        raise Refused("POLICY_CALLER")
    return member


class Handlers:
    """The methods of both services, on bytes."""

    def __init__(self, services: Services, reception: Reception) -> None:
        self._services, self._reception = services, reception
        self._watches, self._counting = Counter[str](), threading.Lock()

    def generic(self) -> tuple[grpc.GenericRpcHandler, ...]:
        unary, stream = grpc.unary_unary_rpc_method_handler, grpc.unary_stream_rpc_method_handler
        reception = {
            "Describe": unary(self.describe),
            "Submit": unary(self.submit),
            "Watch": stream(self.watch),
            "Fetch": stream(self.fetch),
            "List": unary(self.requests),
            "Choose": unary(self.choose),
            "Journal": stream(self.journal),
            "Share": unary(self.share),
            "Shared": unary(self.shared),
            "Hand": unary(self.hand),
            "Queue": unary(self.queue),
            "Register": stream(self.register),
        }
        federation = {"Attend": grpc.stream_stream_rpc_method_handler(self.attend)}
        return (
            grpc.method_handlers_generic_handler("splittally.v1.Reception", reception),
            grpc.method_handlers_generic_handler("splittally.v1.Federation", federation),
        )

    def attend(self, messages: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[bytes]:
        """One member's stream: what it says goes to the links, what waits for it goes out."""
        with _Edge(context):
            link = self._join(messages, context)
            context.add_callback(partial(self._services.links.broke, link))
            reader = threading.Thread(target=self._read, args=(link, messages), daemon=True)
            reader.start()
            yield wire.encode(Welcome(MESSAGE_VERSION, self._services.roster.manifest.epoch), ToNode)
            while True:
                try:
                    message = link.outbox.get(timeout=PULSE_SECONDS)
                except Empty:
                    message = Pulse(self._services.clock.now_ms())
                if message is None:
                    return
                yield wire.encode(message, ToNode)

    def _join(self, messages: Iterator[bytes], context: grpc.ServicerContext) -> Link:
        member = caller_of(context, self._services.roster, (Role.NODE, Role.HELPER))
        hello = wire.decode(FromNode, next(messages, b""))
        if not isinstance(hello, Hello) or hello.version != MESSAGE_VERSION or hello.node != member.name:
            raise Refused("POLICY_RECORD_INVALID")
        if open_head(hello.head, self._services.roster).member != member.name:
            raise Refused("POLICY_RECORD_INVALID")
        log.info("member.joined", member=member.name)
        return self._services.links.join(hello)

    def _read(self, link: Link, messages: Iterator[bytes]) -> None:
        try:
            for payload in messages:
                self._services.links.hand_over(link, wire.decode(FromNode, payload))
        except Refused as refused:
            log.warning("member.malformed", member=link.name, code=refused.code)
        except grpc.RpcError:
            pass  # the stream broke; told below
        finally:
            self._services.links.leave(link)
            link.outbox.put(None)
            log.info("member.left", member=link.name)

    def describe(self, payload: bytes, context: grpc.ServicerContext) -> bytes:
        with _Edge(context):
            caller_of(context, self._services.roster, PEOPLE)
            wire.decode(DescribeFederation, payload)
            return wire.encode(self._reception.describe())

    def submit(self, payload: bytes, context: grpc.ServicerContext) -> bytes:
        with _Edge(context):
            caller = caller_of(context, self._services.roster, (Role.ANALYST,))
            return wire.encode(self._reception.submit(caller.name, wire.decode(Submission, payload)))

    def choose(self, payload: bytes, context: grpc.ServicerContext) -> bytes:
        with _Edge(context):
            caller = caller_of(context, self._services.roster, (Role.ANALYST,))
            return wire.encode(self._reception.choose(caller.name, wire.decode(Chosen, payload)))

    def watch(self, payload: bytes, context: grpc.ServicerContext) -> Iterator[bytes]:
        with _Edge(context):
            caller = caller_of(context, self._services.roster, (Role.ANALYST,))
            context.add_callback(self._services.board.wake)
            name: RequestName = wire.decode(RequestName, payload)
            context.add_callback(self._seat_of(caller.name))
            for status in self._reception.watch(caller.name, name.request_digest, context.is_active):
                yield wire.encode(status)

    def _seat_of(self, caller: str) -> Callable[[], None]:
        """One more watch of a caller; what ends it. Refused POLICY_WATCHES_LIMITED: others need threads too."""
        with self._counting:
            few = self._watches[caller] < WATCHES_EACH and self._watches.total() < WATCHES
            require(few, "POLICY_WATCHES_LIMITED")
            self._watches[caller] += 1

        def over() -> None:
            with self._counting:
                self._watches[caller] -= 1

        return over

    def fetch(self, payload: bytes, context: grpc.ServicerContext) -> Iterator[bytes]:
        with _Edge(context):
            caller = caller_of(context, self._services.roster, (Role.ANALYST,))
            name: RequestName = wire.decode(RequestName, payload)
            for part in self._reception.fetch(caller.name, name.request_digest, name.run):
                yield wire.encode(part, ResultPart)

    def requests(self, payload: bytes, context: grpc.ServicerContext) -> bytes:
        with _Edge(context):
            caller = caller_of(context, self._services.roster, (Role.ANALYST,))
            asked: ListRequests = wire.decode(ListRequests, payload)
            return wire.encode(self._reception.requests(caller.name, asked.most))

    def journal(self, payload: bytes, context: grpc.ServicerContext) -> Iterator[bytes]:
        with _Edge(context):
            caller_of(context, self._services.roster, PEOPLE)
            asked: AskMemberJournal = wire.decode(AskMemberJournal, payload)
            for part in self._reception.journal(asked.member, asked.start):
                yield wire.encode(part)

    def share(self, payload: bytes, context: grpc.ServicerContext) -> bytes:
        with _Edge(context):
            caller = caller_of(context, self._services.roster, (Role.ANALYST,))
            return wire.encode(self._reception.share(caller.name, wire.decode(Sharing, payload)))

    def shared(self, payload: bytes, context: grpc.ServicerContext) -> bytes:
        with _Edge(context):
            caller = caller_of(context, self._services.roster, (Role.ANALYST,))
            return wire.encode(self._reception.shared(caller.name, wire.decode(AskShared, payload)))

    def hand(self, payload: bytes, context: grpc.ServicerContext) -> bytes:
        with _Edge(context):
            caller_of(context, self._services.roster, PEOPLE)
            return wire.encode(self._reception.hand(wire.decode(SignedRecord, payload)))

    def queue(self, payload: bytes, context: grpc.ServicerContext) -> bytes:
        with _Edge(context):
            caller = caller_of(context, self._services.roster, DECIDING)
            asked: AskQueue = wire.decode(AskQueue, payload)
            return wire.encode(self._reception.queue(caller, asked.all))

    def register(self, payload: bytes, context: grpc.ServicerContext) -> Iterator[bytes]:
        with _Edge(context):
            caller_of(context, self._services.roster, SEEING_ALL)
            wire.decode(AskRegister, payload)
            for part in self._reception.register():
                yield wire.encode(part)


class Coordinator:
    """A coordinator that serves at ``address``; made by ``start``."""

    def __init__(self, home: Home, services: Services, listen: str, standing: Standing) -> None:
        self._services, self._reception, self._standing = services, Reception(home, services), standing
        seats = sum(Role.NODE in m.roles or Role.HELPER in m.roles for m in services.roster.manifest.members)
        self._server = grpc.server(ThreadPoolExecutor(2 * seats + CALLERS), options=OPTIONS)
        self._server.add_generic_rpc_handlers(Handlers(services, self._reception).generic())
        self._health = Health(services.links)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        tls = home.tls()
        credentials = grpc.ssl_server_credentials([(tls.key, tls.certificate)], tls.authority, require_client_auth=True)
        try:
            port = self._server.add_secure_port(listen, credentials)
        except RuntimeError:
            raise Unavailable("NODE_ADDRESS_TAKEN", address=listen) from None
        self.address = f"{listen.rpartition(':')[0]}:{port}"

    def begin(self) -> None:
        self._standing.start()
        self._server.start()
        self._reception.resume()
        self._health.set("", health_pb2.HealthCheckResponse.SERVING)

    def stop(self) -> None:
        """Takes nothing new, lets requests under way end, then closes every stream."""
        self._health.enter_graceful_shutdown()
        self._reception.drain()
        self._services.links.close()
        self._server.stop(STOP_SECONDS).wait()
        self._standing.stop()
        self._services.store.close()
        log.info("stopped")


def start(
    home: Home,
    listen: str = "",
    *,
    clock: Clock | None = None,
    randomness: Randomness | None = None,
    windows: Windows | None = None,
    store: str = "",
) -> Coordinator:
    """Starts serving and returns; the bound address is written to ``home/address``.

    ``listen``: host:port, port 0 for any free one; default the home's own. ``store``: URL of a PostgreSQL database;
    default a file in the home. Raises Unavailable NODE_ADDRESS_TAKEN or NODE_STORE_FAILED.
    """
    kept, roster, links = Store(store or home.state_path, home.name), home.roster(), Links()
    journals = kept.journals(lambda: services.roster, home.signing_key())
    standing = Standing(links, Collector(links, journals), Witnesses(links, lambda: services.roster))
    services = Services(
        roster=roster,
        links=links,
        store=kept,
        board=Board(kept),
        clock=clock or SystemClock(),
        randomness=randomness or SystemRandomness(),
        windows=windows or Windows(),
        journals=journals,
        closed=standing.closed,
    )
    coordinator = Coordinator(home, services, listen or home.listen, standing)
    coordinator.begin()
    home.write("address", coordinator.address.encode() + b"\n")
    log.info("serving", address=coordinator.address)
    return coordinator


def serve(home: Home, listen: str = "", windows: Windows | None = None, store: str = "") -> None:
    """Serves until SIGTERM or SIGINT, then drains. Logs JSON lines to standard error: ids and codes only."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    asked_to_stop = threading.Event()

    def stop(number: int, frame: FrameType | None) -> None:
        asked_to_stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    coordinator = start(home, listen, windows=windows, store=store)
    asked_to_stop.wait()
    coordinator.stop()
