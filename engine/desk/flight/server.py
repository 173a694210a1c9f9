"""Flight SQL on this machine alone: who may call, how errors leave, and the life of the server.

    server = FlightSqlServer.start(session_now, "127.0.0.1", 0, token)
    server.port
    server.stop()

Every call carries the desk's token: as a bearer token, or as the password of a handshake, which answers with the bearer
token. The server listens on a loopback address and refuses any other; there, nothing on the wire can be read by others.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import ipaddress
import logging
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from traceback import extract_tb
from typing import Any

import grpc

from engine.client.session import Session
from engine.desk.flight.service import Caller, Service
from engine.desk.flight.sessions import COOKIE, Sessions
from engine.desk.flight.status import status_of, text_of, unexpected
from engine.errors import BadFile, SplittallyError, require
from engine.trusted.random import Randomness, SystemRandomness
from protos.arrow import flight_pb2 as flight

NAME = "arrow.flight.protocol.FlightService"
CALLERS = 64
STOP_SECONDS = 2.0
LEAST_TOKEN = 16
OPTIONS = (
    ("grpc.so_reuseport", 0),
    ("grpc.max_allowed_incoming_connections", 256),
    ("grpc.server_handshake_timeout_ms", 10_000),  # for one that connects and says nothing
    ("grpc.max_connection_idle_ms", 600_000),  # drivers connect again by themselves, with their cookie
)
_log = logging.getLogger("splittally.flight")
OpenSession = Callable[[], Session]


class FlightSqlServer:
    """A running server. ``port``: where it listens."""

    def __init__(self, server: grpc.Server, threads: ThreadPoolExecutor, port: int, service: Service) -> None:
        self._server, self._threads, self.port, self.service = server, threads, port, service

    @classmethod
    def start(
        cls,
        open_session: OpenSession,
        host: str,
        port: int,
        token: str,
        randomness: Randomness | None = None,
    ) -> FlightSqlServer:
        """Listens at once. ``open_session`` gives the session to use, for each call; it is never closed here.

        Port 0: any that is free. BadFile FILE_DESK_ADDRESS for an address that is not this machine's own, or taken.
        """
        if len(token) < LEAST_TOKEN:
            raise ValueError(f"a token has at least {LEAST_TOKEN} characters")
        address = f"{_loopback(host)}:{port}"
        chosen = randomness or SystemRandomness()
        sessions = Sessions(chosen)
        service = Service(sessions, chosen)
        threads = ThreadPoolExecutor(CALLERS, thread_name_prefix="flight")
        server = grpc.server(threads, options=OPTIONS)
        server.add_generic_rpc_handlers((_Edge(open_session, token, sessions, service).handlers(),))
        try:
            bound = server.add_insecure_port(address)
        except RuntimeError as error:
            raise BadFile("FILE_DESK_ADDRESS", address=address, why="it is taken", internal=repr(error)) from None
        server.start()
        return cls(server, threads, bound, service)

    def stop(self) -> None:
        """Ends calls that are under way after a moment; requests that were submitted go on without them."""
        self._server.stop(STOP_SECONDS).wait()
        self._threads.shutdown(wait=False)


def _loopback(host: str) -> str:
    try:
        address = ipaddress.ip_address("127.0.0.1" if host == "localhost" else host)
    except ValueError:
        address = None
    if address is None or not address.is_loopback:
        shown = "".join(c if c.isprintable() else "…" for c in host[:60])
        raise BadFile("FILE_DESK_ADDRESS", address=shown, why="it is not an address of this machine alone")
    return f"[{address}]" if address.version == 6 else str(address)


class _Edge:
    """gRPC's side: the token, the cookie, the codes."""

    def __init__(self, open_session: OpenSession, token: str, sessions: Sessions, service: Service) -> None:
        self._open_session, self._token, self._sessions, self._service = open_session, token, sessions, service

    def handlers(self) -> grpc.GenericRpcHandler:
        service, descriptor = self._service, flight.FlightDescriptor
        unary, stream = grpc.unary_unary_rpc_method_handler, grpc.unary_stream_rpc_method_handler
        both = grpc.stream_stream_rpc_method_handler
        methods = {
            "Handshake": both(self._handshake, flight.HandshakeRequest.FromString, _bytes),
            "GetFlightInfo": unary(self._one(service.info), descriptor.FromString, _bytes),
            "PollFlightInfo": unary(self._one(service.poll), descriptor.FromString, _bytes),
            "GetSchema": unary(self._one(service.schema), descriptor.FromString, _bytes),
            "DoGet": stream(self._many(service.get), flight.Ticket.FromString, _bytes),
            "DoAction": stream(self._many(service.act), flight.Action.FromString, _bytes),
            "ListActions": stream(self._many(service.actions), flight.Empty.FromString, _bytes),
            "DoPut": both(self._many(service.put), flight.FlightData.FromString, _bytes),
        }
        return grpc.method_handlers_generic_handler(NAME, methods)

    def _one(self, method: Callable[[Any, Caller], Any]) -> Callable[[Any, grpc.ServicerContext], Any]:
        def call(asked: Any, context: grpc.ServicerContext) -> Any:
            try:
                return method(asked, self._caller(context))
            except Exception as error:
                return _end(context, error)

        return call

    def _many(self, method: Callable[[Any, Caller], Iterator[Any]]) -> Callable[[Any, grpc.ServicerContext], Any]:
        def call(asked: Any, context: grpc.ServicerContext) -> Iterator[Any]:
            try:
                yield from method(asked, self._caller(context))
            except Exception as error:
                _end(context, error)

        return call

    def _caller(self, context: grpc.ServicerContext) -> Caller:
        """Who calls, once the token was seen; whoever has no cookie is given one."""
        metadata = _metadata(context)
        require(self._bears(metadata.get("authorization", "")), "POLICY_DESK_TOKEN")
        named = self._sessions.named(metadata)
        if named is None:
            context.send_initial_metadata((("set-cookie", f"{COOKIE}={self._sessions.new_cookie()}"),))
        return Caller(self._open_session(), self._sessions.options(metadata, named), named, context.is_active)

    def _handshake(self, sent: Iterator[Any], context: grpc.ServicerContext) -> Iterator[Any]:
        """The token as a bearer token or as the password of any user; answers with it as drivers expect."""
        try:
            authorization = _metadata(context).get("authorization", "")
            require(self._bears(authorization) or self._is_password(authorization), "POLICY_DESK_TOKEN")
            cookie = f"{COOKIE}={self._sessions.new_cookie()}"
            context.send_initial_metadata((("authorization", f"Bearer {self._token}"), ("set-cookie", cookie)))
            for _ in sent:
                yield flight.HandshakeResponse()
        except Exception as error:
            _end(context, error)

    def _bears(self, authorization: str) -> bool:
        kind, _, given = authorization.partition(" ")
        return kind.lower() == "bearer" and self._is_token(given)

    def _is_password(self, authorization: str) -> bool:
        kind, _, given = authorization.partition(" ")
        if kind.lower() != "basic":
            return False
        try:
            padded = given + "=" * (-len(given) % 4)  # some drivers leave the padding out
            user_and_password = base64.b64decode(padded, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            return False
        return self._is_token(user_and_password.partition(":")[2])

    def _is_token(self, given: str) -> bool:
        return hmac.compare_digest(given.encode(), self._token.encode())


def _metadata(context: grpc.ServicerContext) -> Mapping[str, str]:
    """The headers that are text; of one that stands twice, the last."""
    return {key: value for key, value in context.invocation_metadata() if isinstance(value, str)}


def _bytes(message: Any) -> bytes:
    return bytes(message.SerializeToString())


def _end(context: grpc.ServicerContext, error: Exception) -> None:
    """Ends a call with the code of an error; one that gRPC itself raised to end it passes."""
    if context.code() is not None or not context.is_active():
        raise error
    if isinstance(error, SplittallyError):
        known = error
    else:
        known, place = unexpected(error), extract_tb(error.__traceback__)[-1]
        _log.error("a call failed: %s at %s:%s", type(error).__name__, place.name, place.lineno)
    context.abort(status_of(known), text_of(known))
