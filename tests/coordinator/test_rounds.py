"""The state machine of a request's rounds against lists of operations (rounds.yaml)."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import yaml

from engine.coordinator import events, rounds
from engine.coordinator.events import Candidate, Terms, Windows

CASES: list[dict[str, Any]] = yaml.load(Path(__file__).with_name("rounds.yaml").read_text(), yaml.CSafeLoader)
WINDOWS = Windows(gather=3_000, ready=5_000, share=60_000, answer=30_000, rejoin=2_000)
CANDIDATES = tuple(Candidate(n, b) for n, b in [("h1", "H1"), ("h5", "H1"), ("h2", "H2"), ("h3", "H3"), ("h4", "H4")])
TO_OPEN = ["0 begin -> readies", "1 ready h1 ->", "2 ready h2 -> open"]
TO_ASKED = [*TO_OPEN, *(f"3 shared {n} x -> keep" for n in "abcd")]
JOIN_TO_OPEN = ["0 begin -> readies", *(f"1 ready {member} ->" for member in ("h1", "a", "h2", "b", "h3"))]
JOIN_TO_ASKED = [*JOIN_TO_OPEN, "3 shared a x -> keep", "3 shared b x -> keep"]
MAKE: dict[str, Callable[..., events.Event]] = {
    "tick": lambda attempt: events.Tick(),
    "joined": lambda attempt, name: events.Joined(name),
    "lost": lambda attempt, name: events.Lost(name),
    "ready": lambda attempt, name: events.Readied(name),
    "unready": lambda attempt, name, code: events.Unready(name, code),
    "shared": lambda attempt, name, digest: events.Shared(attempt, name, digest.encode()),
    "declined": lambda attempt, name, code: events.Declined(attempt, name, code),
    "answered": lambda attempt, name: events.Answered(attempt, name),
}


def shown(action: events.Action) -> str:
    match action:
        case events.AskReadies(helpers, nodes):
            return f"readies {','.join(helpers)} of {','.join(nodes)}"
        case events.Open(attempt, nodes, helpers):
            return f"open {attempt} {','.join(nodes)} with {','.join(helpers)}"
        case events.AskAnswers(survivors, helpers):
            return f"ask {','.join(helpers)} over {','.join(survivors)}"
        case events.Release(survivors):
            return f"release {','.join(survivors)}"
        case events.Reopen(name) | events.Keep(name) | events.Dismiss(name):
            return f"{type(action).__name__.lower()} {name}"
        case _:
            return f"{type(action).__name__.lower()} {action.code}"


def event_of(words: list[str]) -> events.Event:
    attempt = int(words.pop(1)) if len(words) > 1 and words[1].isdigit() else 1
    return MAKE[words[0]](attempt, *words[1:])


def terms_of(case: dict[str, Any]) -> Terms:
    joins = case.get("joins", False)
    return Terms(
        hosts=tuple("ab" if joins else "abcd"),
        candidates=CANDIDATES,
        n_min=case.get("n_min", 2 if joins else 4),
        helpers=3 if joins else 2,
        max_attempts=case.get("max_attempts", 2),
        expires=case.get("expires", 600_000),
        windows=WINDOWS,
        names_keys=case.get("names_keys", False),
        joins=joins,
    )


def opening_of(case: dict[str, Any]) -> list[str]:
    to_open, to_asked = (JOIN_TO_OPEN, JOIN_TO_ASKED) if case.get("joins") else (TO_OPEN, TO_ASKED)
    return to_asked if case.get("asked") else to_open if case.get("open") else []


@pytest.mark.parametrize("case", CASES, ids=lambda c: c["name"])
def test_operations(case: dict[str, Any]) -> None:
    terms = terms_of(case)
    connected = case.get("connected", ["a", "b", "c", "d", "h1", "h2", "h3", "h4"])
    opening = opening_of(case)
    state = None
    for number, operation in enumerate(opening + case["operations"]):
        when, _, rest = operation.partition(" ")
        event, _, expected = rest.partition("->")
        if event.strip() == "begin":
            state, actions = rounds.begin(
                terms, connected, int(when), case.get("attempt", 0), "ROUND_COORDINATOR_RESTARTED"
            )
        else:
            assert state is not None
            state, actions = rounds.step(terms, state, event_of(event.split()), int(when))
        if number >= len(opening):
            assert [shown(a) for a in actions] == [a.strip() for a in expected.split(";") if a.strip()], operation


def test_an_ended_request_does_nothing_more() -> None:
    terms = terms_of({})
    state, _ = rounds.begin(terms, "abcd", 0, attempt=2, code="ROUND_COORDINATOR_RESTARTED")
    assert state.phase is rounds.Phase.ENDED
    for event in (events.Tick(), events.Joined("h1"), events.Readied("h1"), events.Shared(2, "a", b"x")):
        assert rounds.step(terms, state, event, 10_000) == (state, ())


def test_every_state_that_is_not_ended_has_an_end_in_time() -> None:
    """Left alone, a request ends within the sum of its windows, whatever was missing."""
    everybody, asked = ["a", "b", "c", "d", "h1", "h2", "h3"], ({}, {"joins": True})
    for connected, case in product(("", "abcd", everybody, [*everybody, "h4"]), asked):
        terms, now = terms_of(case), 0
        state, _ = rounds.begin(terms, connected, now)
        while state.phase is not rounds.Phase.ENDED:
            assert state.deadline > now or now == 0
            now = state.deadline
            state, _ = rounds.step(terms, state, events.Tick(), now)
        assert now <= 20_000
