"""Random lists of operations against a small model: `FAULTS=long pytest tests/faults/test_random.py` tries many more.

The model: a round is charged once a host and answered once a helper; every host has paid for its journal's charges, and
never for more than its budget; what a host once paid it has paid for ever; a release counts only hosts that paid for
its round, at least n_min of them, each once; a round that a host answered is given the same bytes again or a refusal.
"""

from __future__ import annotations

import os
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.error_codes import CODES
from engine.trusted.records import JournalKind
from tests.faults.federated import HELPERS
from tests.faults.test_faults import count, require_sound
from tests.faults.world import LIES, World
from tests.nodes.conftest import HOSTS

LONG = os.environ.get("FAULTS") == "long"
EXAMPLES = 400 if LONG else 12
BUDGET, N_MIN = 3, 3
NODES = st.sampled_from(HOSTS[:3])
THREE = "north and south and east"
STEPS = st.sampled_from(["charge", "reply", "answer"])
SIMPLE = st.one_of(
    st.just("submit"),
    st.builds("lose the reply of {}".format, NODES),
    st.builds("kill {} {} its next {}".format, NODES, st.sampled_from(["before", "after"]), STEPS),
    st.builds("kill {} {} its next answer".format, st.sampled_from(HELPERS), st.sampled_from(["before", "after"])),
    st.builds("kill {}".format, st.sampled_from([*HOSTS[:3], *HELPERS])),
    st.builds("start {}".format, st.sampled_from([*HOSTS[:3], *HELPERS])),
    st.builds("{} dials again".format, NODES),
    st.builds("wait {} s".format, st.sampled_from([1, 4, 40, 200])),
    st.builds("replay round {} at {}".format, st.integers(1, 4), st.sampled_from([*HOSTS[:3], *HELPERS])),
    st.builds(
        "ask {} about round {} over north and south and east".format, st.sampled_from(HELPERS), st.integers(1, 4)
    ),
    st.builds("submit request {} again".format, st.integers(1, 3)),
    st.builds("the round says {}".format, st.sampled_from(sorted(LIES))),
    st.just("the coordinator is honest again"),
    st.builds("pause {}".format, NODES),
    st.builds("resume {}".format, NODES),
    st.builds("the disk of {} is full".format, NODES),
    st.builds("the disk of {} has room".format, NODES),
    st.builds("{} cuts new tables".format, NODES),
)
OPERATIONS = st.one_of(SIMPLE, st.just("submit"), st.builds("while {} computes: {}".format, NODES, SIMPLE))


def possible(world: World, words: str) -> bool:
    """Whether the operation makes sense now: who is named lives or not, and what is named was there."""
    named = [world.members[w] for w in words.replace(":", "").split() if w in world.members]
    opened = [o for asked in world.coordinator.requests for o in asked.opened]
    numbers = [int(w) for w in words.split() if w.isdigit()]
    match words.split():
        case ["submit", "request", *_]:
            return numbers[0] <= len(world.coordinator.requests)
        case ["replay", *_]:
            return numbers[0] <= len(opened)
        case ["ask", helper, *_]:
            there = numbers[0] <= len(opened) and helper in opened[numbers[0] - 1].manifest.helpers
            return there and {"north", "south", "east"} <= set(opened[numbers[0] - 1].shares)
        case ["start", *_]:
            return named[0].server is None
        case ["while", _, "computes:", *rest]:
            return all(m.server is not None for m in named) and rest[0] in ("submit", "pause", "resume", "the", "wait")
        case _:
            return all(m.server is not None for m in named)


def require_of_model(world: World, before: dict[str, int]) -> dict[str, int]:
    spent = {name: world.spent(name) for name in HOSTS}
    for name, paid in spent.items():
        assert before.get(name, 0) <= paid <= BUDGET
    for asked in world.coordinator.requests:
        assert asked.outcome in ("", "released", "unreadable") or asked.outcome in CODES
        for opened in asked.opened:
            assert not opened.counted or N_MIN <= len(set(opened.counted)) == len(opened.counted)
        if asked.outcome == "BUDGET_EXHAUSTED":
            assert max(spent.values()) == BUDGET
    return spent


def test_whatever_happens_the_model_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nodes.answer.partials", lambda plan, catalogue, calibration, tables, source: tables.partials())
    seen: dict[str, int] = {}

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize=not LONG,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.lists(OPERATIONS, min_size=3, max_size=14))
    def law(operations: list[str]) -> None:
        with TemporaryDirectory() as folder:
            world: Any = World(Path(folder), {"n_min": N_MIN, "budget": BUDGET})
            spent: dict[str, int] = {}
            try:
                for words in operations:
                    if possible(world, words):
                        world.perform(words)
                        spent = require_of_model(world, spent)
                for member in world.members.values():  # a restart forgets nothing that was promised
                    member.die()
                    member.start()
                require_of_model(world, spent)
                require_sound(world)
                for asked in world.coordinator.requests:
                    seen[asked.outcome] = seen.get(asked.outcome, 0) + 1
                seen["answers"] = seen.get("answers", 0) + sum(
                    count(world, name, JournalKind.ANSWERED_AS_HELPER) for name in world.members
                )
            finally:
                world.close()

    law()
    assert seen.get("released", 0) > 0
    print(f"outcomes over {EXAMPLES} lists: {seen}")
