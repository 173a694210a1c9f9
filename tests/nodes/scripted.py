"""A scripted coordinator, and members on real streams to it."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from queue import Empty, SimpleQueue
from typing import Any

import grpc

from engine.trusted import wire
from engine.trusted.home import Tls
from engine.trusted.messages import FromNode, Hello, SeekWitnesses, ToNode, Welcome
from engine.trusted.records import Participant, RecordKind, SignedRecord, Witness
from engine.trusted.sign import signed
from nodes.log import Log
from nodes.server import Server
from nodes.witnesses import others

PATIENCE = 10.0


class Script:
    """A coordinator that says what the test says, and keeps what it hears, by member."""

    def __init__(self, tls: Tls | None = None, address: str = "127.0.0.1:0") -> None:
        self.heard: dict[str, SimpleQueue[Any]] = {}
        self.said: dict[str, SimpleQueue[bytes | None]] = {}
        self._server = grpc.server(ThreadPoolExecutor(16), options=(("grpc.so_reuseport", 0),))
        handler = grpc.stream_stream_rpc_method_handler(self._attend)
        generic = grpc.method_handlers_generic_handler("splittally.v1.Federation", {"Attend": handler})
        self._server.add_generic_rpc_handlers((generic,))
        if tls is None:
            port = self._server.add_insecure_port(address)
        else:
            keys = grpc.ssl_server_credentials([(tls.key, tls.certificate)], tls.authority, require_client_auth=True)
            port = self._server.add_secure_port(address, keys)
        self.address = f"127.0.0.1:{port}"
        self._server.start()

    def _attend(self, messages: Iterator[bytes], _: grpc.ServicerContext) -> Iterator[bytes]:
        hello: Hello = wire.decode(FromNode, next(messages))
        said: SimpleQueue[bytes | None] = SimpleQueue()
        heard = self.heard.setdefault(hello.node, SimpleQueue())

        def listen() -> None:
            try:
                for payload in messages:
                    heard.put(wire.decode(FromNode, payload))
            except grpc.RpcError:
                pass
            said.put(None)

        self.said[hello.node] = said
        heard.put(hello)
        threading.Thread(target=listen, daemon=True).start()
        yield wire.encode(Welcome(1, 7), ToNode)
        while (payload := said.get()) is not None:
            yield payload

    def say(self, name: str, message: Any) -> None:
        self.said[name].put(wire.encode(message, ToNode))

    def hear(self, name: str, kind: type[Any]) -> Any:
        """The next message of a member, which has to be of this kind."""
        until = time.monotonic() + PATIENCE
        while name not in self.heard and time.monotonic() < until:
            time.sleep(0.01)
        try:
            found = self.heard[name].get(timeout=PATIENCE)
        except (KeyError, Empty):
            raise AssertionError(f"{name} said nothing") from None
        assert isinstance(found, kind), found
        return found

    def stop(self) -> None:
        self._server.stop(0).wait()


def served(seat: Any, node: Any, dialler: Callable[[], grpc.Channel], log: io.StringIO | None = None) -> Server:
    return Server(seat, node, dialler, Log(log or io.StringIO(), seat.clock, member=seat.name))


def vouch(script: Script, federation: Any, seat: Any) -> None:
    """Every other member says that it has never seen a head of this one; the member then opens."""
    assert script.hear(seat.name, Hello).paused
    nonce = script.hear(seat.name, SeekWitnesses).nonce
    for name in sorted(others(seat)):
        witness = Witness(1, nonce, name, seat.name, 0, b"")
        script.say(seat.name, signed(RecordKind.WITNESS, wire.encode(witness), federation.keys[name].signing))
    assert not script.hear(seat.name, Hello).paused


def lone_round(federation: Any, readies: tuple[SignedRecord, ...] | None = None, **changes: Any) -> bytes:
    """A round over the dataset that only `north` hosts."""
    plan = federation.plan("lone")
    request = federation.sign(federation.request(plan, n_min=1, **changes))
    participants = (Participant("north", federation.snapshots_of("north")),)
    extra = {} if readies is None else {"readies": readies}
    return wire.encode(federation.round(request, plan, participants=participants, **extra))
