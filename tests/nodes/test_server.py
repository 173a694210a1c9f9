"""The edge: real gRPC streams against a scripted coordinator."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Callable
from typing import Any

import grpc
import numpy as np
import pytest

from engine.errors import Unavailable
from engine.governance.authority import Authority
from engine.trusted import ring, wire
from engine.trusted.mask import answer_info, seed_info, subtract_mask
from engine.trusted.messages import (
    AnswerPart,
    AnswerSet,
    AskAnswer,
    AskReady,
    CloseRound,
    Hello,
    OpenRound,
    Pulse,
    RoundRefusal,
    SeekWitnesses,
    ShareSet,
    VectorPart,
)
from engine.trusted.random import SystemRandomness
from engine.trusted.records import Share, SignedRecord
from nodes.server import Server, dial
from tests.nodes.scripted import PATIENCE, Script, lone_round, served, vouch


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
