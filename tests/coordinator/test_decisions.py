"""The state machine of a request against lists of operations (decisions.yaml), and what holds for all of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from engine.coordinator import decisions
from engine.coordinator.decisions import Decided, End, Go, State, Terms, Wait, judge, note
from engine.trusted.messages import RequestState

CASES: list[dict[str, Any]] = yaml.safe_load(Path(__file__).with_name("decisions.yaml").read_text())
GUARDIANS = {"a": ("a1", "a2", "a3"), "b": ("b1",), "c": ("c1", "c2")}


def decided(state: State, now: int, approved: bool, guardian: str, *rest: str) -> Decided:
    until = int(rest[0]) if approved else 0
    at = rest[1:] if approved else rest
    return Decided(guardian, approved, int(at[0]) if at else now, until, "" if approved else "too fine")


def said(state: State, node: str, wanted: int | None = None, paused: bool | None = None) -> decisions.Said:
    before = state.said.get(node, decisions.Said(node, 0, False))
    return decisions.Said(
        node, before.wanted if wanted is None else wanted, before.paused if paused is None else paused
    )


MAKE: dict[str, Callable[..., decisions.Event | None]] = {
    "tick": lambda state, now: None,
    "wants": lambda state, now, node, count: said(state, node, wanted=int(count)),
    "pauses": lambda state, now, node: said(state, node, paused=True),
    "resumes": lambda state, now, node: said(state, node, paused=False),
    "approves": lambda state, now, *words: decided(state, now, True, *words),
    "refuses": lambda state, now, *words: decided(state, now, False, *words),
    "shows": lambda state, now, node, snapshot: decisions.Shown(node, frozenset({snapshot})),
    "hides": lambda state, now, node: decisions.Shown(node, frozenset()),
    "named": lambda state, now: decisions.Named(),
    "chose": lambda state, now: decisions.Named(chosen=True),
    "released": lambda state, now: decisions.RunReleased(state.shown),
    "ended": lambda state, now, code: decisions.Ended(code),
}


def shown(outcome: decisions.Outcome) -> str:
    match outcome:
        case Wait(waiting_for):
            return f"wait {', '.join(waiting_for)}"
        case Go(run, hosts, guardians):
            return f"go {run} {''.join(hosts)}{' by ' if guardians else ''}{' '.join(guardians)}"
        case End(state, code, reason):
            return " ".join(filter(None, (state.name, code, f"({reason.replace(':', '')})" if reason else "")))


def terms_of(case: dict[str, Any]) -> Terms:
    guardians = {n: (*g, "ann") if n == case.get("guards") else g for n, g in GUARDIANS.items()}
    n_min, runs, expires = case.get("n_min", 3), case.get("runs", 1), case.get("expires", 1000)
    return Terms("ann", tuple("abc"), n_min, runs, expires, 2000, guardians, case.get("always", False))


def states(case: dict[str, Any]) -> list[tuple[str, State, int, str]]:
    """Every operation with the state after it, the time, and what is expected."""
    state, found = State(), []
    for operation in case["operations"]:
        when, _, rest = operation.partition(" ")
        words, _, expected = rest.partition("->")
        name, *arguments = words.split()
        event = MAKE[name](state, int(when), *arguments)
        state = state if event is None else note(state, event)
        found.append((operation, state, int(when), expected.strip()))
    return found


@pytest.mark.parametrize("case", CASES, ids=lambda c: c["name"])
def test_operations(case: dict[str, Any]) -> None:
    for operation, state, now, expected in states(case):
        assert shown(judge(terms_of(case), state, now)) == expected, operation


@pytest.mark.parametrize("case", CASES, ids=lambda c: c["name"])
def test_what_runs_has_every_approval_that_is_wanted(case: dict[str, Any]) -> None:
    """Counted here by itself: distinct, unexpired, of the node's own guardians, never the analyst's."""
    terms = terms_of(case)
    for operation, state, now, _ in states(case):
        outcome = judge(terms, state, now)
        if not isinstance(outcome, Go):
            continue
        assert len(outcome.hosts) >= terms.n_min
        for host in outcome.hosts:
            given = {g for g in outcome.guardians if g in GUARDIANS[host] and now < state.decisions[g].expires}
            wanted = state.said[host].wanted if host in state.said else 0
            assert len(given) >= max(wanted, case.get("always", False)), operation
        assert "ann" not in outcome.guardians


@pytest.mark.parametrize("case", CASES, ids=lambda c: c["name"])
def test_nothing_changes_by_itself_before_the_date_that_is_named(case: dict[str, Any]) -> None:
    terms = terms_of(case)
    for operation, state, now, _ in states(case):
        at = decisions.changes_at(terms, state, now)
        for later in range(now, at):
            assert judge(terms, state, later) == judge(terms, state, now), operation


def test_the_order_of_arrival_does_not_matter() -> None:
    terms = terms_of({})
    events = [decided(State(), 5, False, "a1", "5"), decided(State(), 7, True, "a1", "900", "7")]
    forward, backward = State(), State()
    for event in events:
        forward = note(forward, event)
    for event in reversed(events):
        backward = note(backward, event)
    assert judge(terms, forward, 8) == judge(terms, backward, 8) == Go(1, tuple("abc"), ("a1",))


@pytest.mark.parametrize(
    ("code", "state"),
    [
        ("", RequestState.RELEASED),
        ("BUDGET_EXHAUSTED", RequestState.REFUSED_STATE),
        ("POLICY_REQUEST_EXPIRED", RequestState.EXPIRED),
        ("POLICY_AGREEMENT_REVOKED", RequestState.REVOKED),
    ],
)
def test_the_state_an_end_leaves(code: str, state: RequestState) -> None:
    assert decisions.end(code).state is state
