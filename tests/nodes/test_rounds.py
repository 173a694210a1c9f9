"""The state machine of a member's rounds and the public time grid."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from engine.errors import Unavailable
from engine.trusted import wire
from engine.trusted.messages import AskAnswer, AskReady, CloseRound, OpenRound, Pulse, RoundRefusal
from nodes.committee import remember
from nodes.manifest import ROUND_MS
from nodes.rounds import Duty, Rounds, refusal_ms, release_ms, tick_class


def opened(rounds: Rounds, federation: Any, now: float = 0.0) -> tuple[bytes, Any]:
    payload = federation.honest().manifest
    return wire.digest(payload), rounds.receive(OpenRound(payload), federation.now, now)


@pytest.mark.parametrize(
    ("name", "duties"),
    [("north", [Duty.ANSWER]), ("helper-1", [Duty.REMEMBER]), ("helper-3", [])],
)
def test_each_member_gets_its_own_duties(name: str, duties: list[Duty], federation: Any) -> None:
    rounds = Rounds(name)
    round_, tasks = opened(rounds, federation)
    assert [t.duty for t in tasks] == duties
    refusals = [] if duties else [RoundRefusal(round_, "ROUND_NOT_FOR_ME")]
    assert list(rounds.due(0.0)) == refusals


def test_a_host_may_be_a_helper_too(federation: Any) -> None:
    payload = federation.honest(helpers=("south", "helper-1")).manifest
    tasks = Rounds("south").receive(OpenRound(payload), federation.now, 0.0)
    assert [t.duty for t in tasks] == [Duty.REMEMBER, Duty.ANSWER]


def test_a_duty_is_not_started_twice(federation: Any) -> None:
    rounds = Rounds("north")
    _, [task] = opened(rounds, federation)
    assert opened(rounds, federation)[1] == ()
    rounds.finished(task, (Pulse(1),), 25.0)
    assert [t.duty for t in opened(rounds, federation)[1]] == [Duty.ANSWER]  # asked again: the stored bytes


def test_nothing_leaves_before_its_tick(federation: Any) -> None:
    rounds = Rounds("north")
    _, [task] = opened(rounds, federation)
    rounds.finished(task, (Pulse(1), Pulse(2)), 25.0)
    assert not rounds.due(24.9)
    assert rounds.next_due == 25.0
    assert rounds.due(25.0) == (Pulse(1), Pulse(2))
    assert rounds.next_due is None


def test_closed_round_sends_nothing(federation: Any) -> None:
    rounds = Rounds("north")
    round_, [task] = opened(rounds, federation)
    rounds.finished(task, (Pulse(1),), 25.0)
    rounds.receive(CloseRound(round_), federation.now, 1.0)
    assert not rounds.due(1_000.0)
    round_, [task] = opened(rounds, federation, 2.0)
    rounds.receive(CloseRound(round_), federation.now, 3.0)
    rounds.finished(task, (Pulse(1),), 25.0)  # it ended after its round was closed
    assert not rounds.due(1_000.0)
    assert rounds.idle


def test_a_helper_is_asked_only_about_open_rounds(federation: Any) -> None:
    rounds = Rounds("helper-1")
    ask = AskAnswer(bytes(32), (), ())
    assert rounds.receive(ask, federation.now, 0.0) == ()
    assert rounds.due(0.0) == (RoundRefusal(bytes(32), "ROUND_NOT_OPEN"),)
    round_, _ = opened(rounds, federation)
    [task] = rounds.receive(replace(ask, round=round_), federation.now, 0.0)
    assert (task.duty, task.ask) == (Duty.HELP, AskAnswer(round_, (), ()))


def test_remembered_rounds_are_forgotten_when_closed_or_old(federation: Any) -> None:
    rounds = Rounds("helper-1")
    round_, [task] = opened(rounds, federation)
    rounds.remember(remember(task.arrival, federation.seat("helper-1")))
    assert rounds.remembered(round_).round.id == round_
    rounds.finished(task, (), 0.0)
    rounds.receive(CloseRound(round_), federation.now, 1.0)
    with pytest.raises(Unavailable, match="ROUND_NOT_OPEN"):
        rounds.remembered(round_)
    _, [task] = opened(rounds, federation)
    rounds.remember(remember(task.arrival, federation.seat("helper-1")))
    other = federation.honest(nonce=bytes([1]) * 16).manifest
    rounds.receive(OpenRound(other), federation.now, ROUND_MS + 1.0)
    with pytest.raises(Unavailable, match="ROUND_NOT_OPEN"):
        rounds.remembered(round_)


def test_bytes_that_are_no_manifest_are_refused(federation: Any) -> None:
    rounds = Rounds("north")
    assert rounds.receive(OpenRound(b"\xff"), federation.now, 0.0) == ()
    assert rounds.due(0.0) == (RoundRefusal(wire.digest(b"\xff"), "POLICY_WIRE_INVALID"),)


def test_draining_refuses_new_rounds_and_ends_those_under_way(federation: Any) -> None:
    rounds = Rounds("north")
    _, [task] = opened(rounds, federation)
    rounds.drain()
    other = federation.honest(nonce=bytes([1]) * 16).manifest
    assert rounds.receive(OpenRound(other), federation.now, 0.0) == ()
    assert rounds.due(0.0) == (RoundRefusal(wire.digest(other), "NODE_CLOSING"),)
    assert rounds.receive(AskReady(bytes(32), ()), federation.now, 0.0) == ()
    assert rounds.due(0.0) == (RoundRefusal(bytes(32), "NODE_CLOSING"),)
    assert not rounds.idle
    rounds.finished(task, (Pulse(1),), 25.0)
    assert rounds.due(25.0) == (Pulse(1),)
    assert rounds.idle


def test_a_pulse_is_answered_at_once(federation: Any) -> None:
    rounds = Rounds("north")
    rounds.receive(Pulse(1), federation.now, 7.0)
    assert rounds.due(7.0) == (Pulse(federation.now),)


def test_tick_class_grows_with_public_sizes(federation: Any) -> None:
    plan, catalogue = federation.plan("people"), federation.manifest.catalogue

    def sized(rows: int) -> Any:
        people = replace(catalogue.datasets[0], at_most_rows=rows, at_most_persons=rows)
        return replace(catalogue, datasets=(people, *catalogue.datasets[1:]))

    classes = [tick_class(plan, sized(10**n), 4) for n in range(3, 11)]
    assert classes[0] == 0
    assert classes == sorted(classes)
    assert classes[-1] > 8
    assert tick_class(plan, catalogue, 1_000_000) > tick_class(plan, catalogue, 1_000) >= 0


@pytest.mark.parametrize(
    ("least", "took", "leaves"), [(0, 3, 25), (0, 25, 25), (0, 26, 50), (2, 3, 100), (2, 99, 100), (2, 101, 200)]
)
def test_overrun_takes_the_next_tick(least: int, took: float, leaves: float) -> None:
    assert release_ms(1_000.0, least, 1_000.0 + took) == 1_000.0 + leaves


def test_refusal_leaves_at_the_tick_of_its_reply(federation: Any) -> None:
    seat, arrival = federation.seat("north"), federation.honest()
    least = tick_class(federation.plan("people"), federation.manifest.catalogue, 4)
    assert refusal_ms(arrival, seat) == release_ms(arrival.monotonic_ms, least, federation.clock.monotonic_ms())
    assert refusal_ms(federation.arrive(b"\xff"), seat) == arrival.monotonic_ms + 25.0
