"""The edge: real gRPC streams against a scripted coordinator."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from queue import Empty, SimpleQueue
from typing import Any

import grpc
import numpy as np
import pytest

from engine.errors import Unavailable
from engine.governance.authority import Authority
from engine.trusted import ring, wire
from engine.trusted.home import Tls
from engine.trusted.mask import answer_info, seed_info, subtract_mask
from engine.trusted.messages import (
    AnswerPart,
    AnswerSet,
    AskAnswer,
    AskReady,
    CloseRound,
    FromNode,
    Hello,
    OpenRound,
    Pulse,
    RoundRefusal,
    SeekWitnesses,
    ShareSet,
    ToNode,
    VectorPart,
    Welcome,
)
from engine.trusted.random import SystemRandomness
from engine.trusted.records import Participant, RecordKind, Share, SignedRecord, Witness
from engine.trusted.sign import signed
from nodes.log import Log
from nodes.server import Server, dial
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

        heard.put(hello)
        self.said[hello.node] = said
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


@pytest.fixture
def script() -> Iterator[Script]:
    found = Script()
    yield found
    found.stop()


@pytest.fixture
def log() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def serve(script: Script, log: io.StringIO, running: Any) -> Iterator[Callable[..., Server]]:
    servers: list[Server] = []

    def start(seat: Any, node: Any = None) -> Server:
        server = served(seat, node, lambda: grpc.insecure_channel(script.address), log)
        servers.append(server)
        server.start()
        vouch(script, running, seat)
        return server

    yield start
    for server in servers:
        server.stop()


def lone_round(federation: Any, readies: tuple[SignedRecord, ...] | None = None, **changes: Any) -> bytes:
    """A round over the dataset that only `north` hosts."""
    federation_ = federation
    plan = federation_.plan("lone")
    request = federation_.sign(federation_.request(plan, n_min=1, **changes))
    participants = (Participant("north", federation_.snapshots_of("north")),)
    extra = {} if readies is None else {"readies": readies}
    return wire.encode(federation_.round(request, plan, participants=participants, **extra))


def test_node_answers_and_helps_over_a_stream(running: Any, script: Script, serve: Callable[..., Server]) -> None:
    helpers = ("helper-1", "helper-2")
    servers = [serve(running.seat("north"), running.node("north", (5, -6, 7, 8)))]
    servers += [serve(running.seat(h)) for h in helpers]
    digest = wire.digest(running.sign(running.request(running.plan("lone"), n_min=1)).payload)
    for helper in helpers:
        script.say(helper, AskReady(digest, ("north",)))
    payload = lone_round(running, tuple(script.hear(h, SignedRecord) for h in helpers))
    round_, opened = wire.digest(payload), time.monotonic()
    for name in ("north", *helpers):
        script.say(name, OpenRound(payload))
    part: VectorPart = script.hear("north", VectorPart)
    assert time.monotonic() - opened >= 0.024  # held to the first tick
    shares: ShareSet = script.hear("north", ShareSet)
    assert (part.part, shares.parts, shares.round) == (0, 1, round_)
    keys, total = running.keys["ada"].sealing, ring.from_bytes(part.body)
    own: Share = wire.decode(Share, shares.shares[0].payload)
    subtract_mask(total, keys.open(own.sealed_seed, seed_info(round_, "north", "ada")), round_, "north")
    for place, helper in enumerate(helpers, 1):
        script.say(helper, AskAnswer(round_, (shares.shares[place],), (shares.proofs[place - 1],)))
        sealed: AnswerPart = script.hear(helper, AnswerPart)
        script.hear(helper, AnswerSet)
        total = np.subtract(total, ring.from_bytes(keys.open(sealed.body, answer_info(round_, helper))))
        script.say(helper, AskAnswer(round_, (shares.shares[place],), (shares.proofs[place - 1],)))
        assert script.hear(helper, RoundRefusal).code == "POLICY_ROUND_ANSWERED"
    assert ring.to_signed(total) == (5, -6, 7, 8, 1)
    script.say("north", OpenRound(payload))  # asked again: the same bytes
    assert (script.hear("north", VectorPart), script.hear("north", ShareSet)) == (part, shares)
    script.say("north", CloseRound(round_))
    for server in servers:
        server.stop()
        assert not server.alive


def test_a_long_plan_delays_neither_helping_nor_a_pulse(
    running: Any, script: Script, serve: Callable[..., Server]
) -> None:
    node, go_on = running.node("south"), threading.Event()
    honest = node.tables.partials
    node.tables.partials = lambda: go_on.wait(PATIENCE) and honest()
    serve(node.seat, node)
    script.say("south", OpenRound(running.honest(helpers=("helper-1", "south")).manifest))
    script.say("south", AskReady(bytes(32), ()))
    script.hear("south", SignedRecord)
    script.say("south", Pulse(1))
    script.hear("south", Pulse)
    go_on.set()
    script.hear("south", VectorPart)


def test_no_secret_or_row_value_reaches_the_log(
    running: Any, script: Script, serve: Callable[..., Server], log: io.StringIO, capsys: pytest.CaptureFixture[str]
) -> None:
    canary = 4_242_424_242
    node = running.node("north", (canary, 0, 0, 0))
    serve(node.seat, node)
    failures = (None, Unavailable("NODE_SOURCE_FAILED", internal=f"row {canary}"), RuntimeError(f"row {canary}"))
    codes = []
    for number, failure in enumerate(failures):
        node.tables.failure = failure
        script.say("north", OpenRound(lone_round(running, nonce=bytes([number]) * 16)))
        if failure is None:
            script.hear("north", VectorPart)
            script.hear("north", ShareSet)
        else:
            codes.append(script.hear("north", RoundRefusal).code)
    script.said["north"].put(b"\xff")  # not a message
    script.say("north", Pulse(1))
    script.hear("north", Pulse)
    printed = log.getvalue() + "".join(capsys.readouterr())
    assert codes == ["NODE_SOURCE_FAILED", "NODE_FAILED"]
    assert '"event": "done"' in printed
    assert '"kind": "RuntimeError"' in printed
    assert '"code": "POLICY_WIRE_INVALID"' in printed
    secrets = [k._key.private_bytes_raw() for k in (running.keys["north"].signing, running.keys["north"].sealing)]
    for secret in (str(canary), *(s.hex() for s in secrets), *(repr(s) for s in secrets)):
        assert secret not in printed


def test_the_node_dials_again_when_the_coordinator_was_away(running: Any, serve: Callable[..., Server]) -> None:
    """Start order does not matter, nor does a restart; a reply made meanwhile leaves on the new line. It seeks
    witnesses on every line until enough have vouched, and on none afterwards."""
    first = Script()
    node = running.node("north")
    server = served(node.seat, node, lambda: grpc.insecure_channel(first.address))
    first.stop()
    server.start()
    time.sleep(0.3)
    second = Script(address=first.address)
    second.hear("north", Hello)
    second.hear("north", SeekWitnesses)
    second.stop()
    third = Script(address=first.address)
    vouch(third, running, node.seat)
    node.tables.partials = lambda: time.sleep(0.5) or (1, 2, 3, 4)
    third.say("north", OpenRound(lone_round(running)))
    time.sleep(0.1)
    third.stop()
    fourth = Script(address=first.address)
    assert not fourth.hear("north", Hello).paused
    fourth.hear("north", VectorPart)
    fourth.hear("north", ShareSet)
    server.stop()
    fourth.stop()


def test_stopping_ends_a_round_under_way_and_takes_no_new_one(running: Any, script: Script) -> None:
    node, go_on = running.node("north"), threading.Event()
    honest = node.tables.partials
    node.tables.partials = lambda: go_on.wait(PATIENCE) and honest()
    server = served(node.seat, node, lambda: grpc.insecure_channel(script.address))
    server.start()
    vouch(script, running, node.seat)
    script.say("north", OpenRound(lone_round(running)))
    while not node.tables.read and not server._rounds._under_way:
        time.sleep(0.01)
    stopping = threading.Thread(target=server.stop)
    stopping.start()
    time.sleep(0.1)
    script.say("north", OpenRound(lone_round(running, nonce=bytes([1]) * 16)))
    assert script.hear("north", RoundRefusal).code == "NODE_CLOSING"
    go_on.set()
    script.hear("north", VectorPart)
    script.hear("north", ShareSet)
    stopping.join(PATIENCE)
    assert not server.alive


@pytest.mark.parametrize(("name", "attends"), [("coordinator", True), ("somebody", False)])
def test_only_the_coordinators_certificate_is_accepted(name: str, attends: bool, running: Any) -> None:
    authority = Authority.create("demo", SystemClockNow(), SystemRandomness())
    script = Script(authority.issue("coordinator", "coordinator", (name,)))
    own = authority.issue("helper-1", "helper")
    server = served(running.seat("helper-1"), None, lambda: dial(script.address, own))
    server.start()
    if attends:
        script.hear("helper-1", Hello)
    else:
        time.sleep(0.5)
        assert script.heard == {}
    server.stop()
    script.stop()


class SystemClockNow:
    """Certificates are judged by the machine's own time."""

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def monotonic_ms(self) -> float:
        return time.monotonic_ns() / 1e6
