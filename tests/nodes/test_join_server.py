"""Private joins over real streams: parts relayed, spooled, multiplied; closed rounds; nothing waits for ever."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import pytest

from engine.trusted import ring, wire
from engine.trusted.mask import answer_info
from engine.trusted.messages import (
    AnswerPart,
    AnswerSet,
    AskAnswer,
    AskReady,
    CloseRound,
    OpenRound,
    Pulse,
    Relay,
    RoundRefusal,
    ShareSet,
    VectorPart,
)
from engine.trusted.plan import Statistic
from engine.trusted.records import SignedRecord
from nodes import joins
from nodes.rounds import EARLY_BYTES, Rounds
from nodes.server import Server
from nodes.sources import Limits
from nodes.sources.duckdb import DuckDBSource
from nodes.tables import Tables
from tests.nodes.conftest import RunningClock
from tests.nodes.join_world import HELPERS, LOSS, OWNERS, Joining, World, catalogue_of, measured, plan_over
from tests.nodes.scripted import Script, vouch

LEFT = tuple((f"p{i}", "F", "N", 10) for i in range(50))
RIGHT = tuple((f"p{i}", "old", True, 1) for i in range(20, 90))


@pytest.fixture(scope="module")
def source() -> Iterator[DuckDBSource]:
    found = DuckDBSource(Limits(threads=1, memory_mb=512, seconds=60))
    yield found
    found.close()


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory, source: DuckDBSource) -> dict[str, Tables]:
    return World(tmp_path_factory.mktemp("tables"), catalogue_of(), LEFT, RIGHT, source).tables


@pytest.fixture
def world(
    tmp_path: Path, source: DuckDBSource, tables: dict[str, Tables], monkeypatch: pytest.MonkeyPatch
) -> Iterator[World]:
    monkeypatch.setattr(joins, "PLAIN_BYTES", 1_024)
    found = World(tmp_path, catalogue_of(), LEFT, RIGHT, source, tables)
    found.clock = RunningClock()  # type: ignore[assignment]
    yield found
    found.close()


@pytest.fixture
def servers(world: World, script: Script, log: Any, tmp_path: Path) -> Iterator[dict[str, Server]]:
    """All five members, attending."""
    from nodes.log import Log

    found: dict[str, Server] = {}
    for name in (*OWNERS, *HELPERS):
        node = world.node(name) if name in OWNERS else None
        channel: Callable[[], grpc.Channel] = lambda: grpc.insecure_channel(script.address)  # noqa: E731
        logged = Log(log, world.clock, member=name)
        found[name] = Server(world.seat(name), node, channel, logged, spool=tmp_path / f"spool {name}")
        found[name].start()
        vouch(script, world, world.seat(name))
    yield found
    for server in found.values():
        server.stop()


def opened_round(world: World, script: Script) -> tuple[Joining, bytes]:
    """A round that all five were asked to be ready for, and then told to open."""
    plan = plan_over(world.catalogue, (measured(Statistic.COUNT_ROWS, None, world.catalogue),), (("sex",),))
    joining = world.joining(plan, asked=())
    digest = wire.digest(joining.record.payload)
    for name in (*HELPERS, *OWNERS):
        script.say(name, AskReady(digest, OWNERS, LOSS))
    readies = tuple(script.hear(name, SignedRecord) for name in (*HELPERS, *OWNERS))
    manifest = replace(joining.manifest, readies=readies)
    joining = replace(joining, manifest=manifest, arrival=world.arrive(manifest))
    for name in (*HELPERS, *OWNERS):
        script.say(name, OpenRound(joining.arrival.manifest))
    return joining, wire.digest(joining.arrival.manifest)


def replies(script: Script, owner: str) -> tuple[list[Relay], VectorPart, ShareSet]:
    relays: list[Relay] = []
    while not isinstance(found := script.hear(owner, Relay | VectorPart), VectorPart):  # type: ignore[arg-type]
        relays.append(found)
    return relays, found, script.hear(owner, ShareSet)


def test_five_members_join_over_streams(
    world: World, script: Script, servers: dict[str, Server], tmp_path: Path
) -> None:
    joining, round_ = opened_round(world, script)
    said = {owner: replies(script, owner) for owner in OWNERS}
    for relays, _, _ in said.values():
        for relay in relays:
            script.say(relay.receiver, relay)
    total = None
    for place, helper in enumerate(HELPERS):
        shares = tuple(said[owner][2].shares[1 + place] for owner in OWNERS)
        proofs = tuple(said[owner][2].proofs[place] for owner in OWNERS)
        script.say(helper, AskAnswer(round_, shares, proofs))
        part: AnswerPart = script.hear(helper, AnswerPart)
        script.hear(helper, AnswerSet)
        body = ring.from_bytes(world.keys["ada"].sealing.open(part.body, answer_info(round_, helper)))
        total = body if total is None else ring.add(total, body)
    assert total is not None
    assert ring.to_signed(total) == (30 * joining.manifest.calibration.multipliers[0], 0, 0, 2)
    spooled = [file for helper in HELPERS for file in (tmp_path / f"spool {helper}").iterdir()]
    assert len(spooled) == 6
    for name in HELPERS:
        script.say(name, OpenRound(joining.arrival.manifest))  # again: kept as it is, no new keys are asked for
        script.say(name, CloseRound(round_))
        script.say(name, Pulse(1))
        script.hear(name, Pulse)
    assert not any(file.exists() for file in spooled)
    script.say("tax", OpenRound(joining.arrival.manifest))  # asked again: the stored bytes alone
    assert (script.hear("tax", VectorPart), script.hear("tax", ShareSet)) == said["tax"][1:]


def test_a_closed_round_stops_the_stream(world: World, script: Script, servers: dict[str, Server]) -> None:
    """And what an owner has to say meanwhile passes between two parts."""
    go_on = threading.Event()
    rounds = servers["tax"]._rounds
    finished = rounds.finished

    def slowly(task: Any, said: Any, leave: float) -> None:
        def parts() -> Iterator[Any]:
            for number, message in enumerate(said):
                if number == 3:
                    go_on.set()
                if number > 3:
                    time.sleep(0.05)
                yield message

        finished(task, parts() if task.duty.name == "ANSWER" else said, leave)

    rounds.finished = slowly  # type: ignore[method-assign]
    _, round_ = opened_round(world, script)
    assert go_on.wait(20)
    script.say("tax", Pulse(1))
    script.say("tax", CloseRound(round_))
    script.say("tax", Pulse(2))
    heard: list[Any] = []
    while sum(isinstance(m, Pulse) for m in heard) < 2:
        heard.append(script.heard["tax"].get(timeout=10))
    assert not any(isinstance(m, VectorPart | ShareSet) for m in heard)
    assert sum(isinstance(m, Relay) for m in heard) < 60
    time.sleep(0.3)
    assert script.heard["tax"].empty()


@pytest.mark.parametrize("lost", ["a part", "a whole stream", "the round"])
def test_what_does_not_come_is_refused_at_once(
    lost: str, world: World, script: Script, servers: dict[str, Server]
) -> None:
    _, round_ = opened_round(world, script)
    said = {owner: replies(script, owner) for owner in OWNERS}
    relays = [relay for owner in OWNERS for relay in said[owner][0] if relay.receiver == "h2"]
    if lost == "a part":
        del relays[3]
    elif lost == "a whole stream":
        relays = [relay for relay in relays if relay.sender == "tax"]
    for relay in relays:
        script.say("h2", relay)
    if lost == "the round":
        script.say("h2", CloseRound(round_))
    shares = tuple(said[owner][2].shares[2] for owner in OWNERS)
    script.say("h2", AskAnswer(round_, shares, tuple(said[owner][2].proofs[1] for owner in OWNERS)))
    code = "ROUND_NOT_OPEN" if lost == "the round" else "ROUND_JOIN_STREAM"
    assert script.hear("h2", RoundRefusal).code == code


def test_parts_for_nobody_here_are_not_kept(world: World) -> None:
    """By receiver, sender and round; before a round is checked up to a fixed number of bytes, then by its sizes."""
    plan = plan_over(world.catalogue, (measured(Statistic.COUNT_ROWS, None, world.catalogue),))
    joining = world.joining(plan)
    rounds, part = Rounds("h1"), Relay(wire.digest(joining.arrival.manifest), "tax", "h1", 0, False, b"")
    assert rounds.spooled_bytes(part.round, part.sender) == 0
    [task] = rounds.receive(OpenRound(joining.arrival.manifest), world.now, 0.0)
    assert rounds.spooled_bytes(part.round, part.sender) == EARLY_BYTES
    for round_, sender in ((part.round, "h2"), (part.round, "nobody"), (bytes(32), "tax")):
        assert rounds.spooled_bytes(round_, sender) == 0
    joining.remembered()
    rounds.remember(joining.held["h1"])
    duty = joining.held["h1"].join
    assert duty is not None
    assert rounds.spooled_bytes(part.round, part.sender) == duty.most_bytes > 2 * 2_000_000 * (16 + 8)
    rounds.finished(task, (), 0.0)
    assert rounds.joins(part.round)
    assert rounds.receive(OpenRound(joining.arrival.manifest), world.now, 1.0) == ()  # checked once
    rounds.receive(CloseRound(part.round), world.now, 2.0)
    assert (rounds.spooled_bytes(part.round, part.sender), rounds.open) == (0, frozenset())
    owner = Rounds("tax")
    owner.receive(OpenRound(joining.arrival.manifest), world.now, 0.0)
    assert owner.spooled_bytes(part.round, "tax") == 0
