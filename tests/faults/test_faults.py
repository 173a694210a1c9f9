"""Every scenario of the tables in this folder: `pytest tests/faults -k NAME` runs one."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import yaml

from engine.trusted.records import JournalKind
from tests.faults.federated import OPERATIONS
from tests.faults.world import World
from tests.nodes.conftest import HOSTS

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
TABLES = {
    file.name: yaml.load(file.read_text(encoding="utf-8"), yaml.CSafeLoader) for file in sorted(HERE.glob("*.yaml"))
}
SCENARIOS: list[dict[str, Any]] = [scenario for table in TABLES.values() for scenario in table]
OPTIONS = {"n_min", "budget", "period_days", "guardians", "max_attempts", "runs", "valid_h"}
EXPECTED = {"outcomes", "counted", "charges", "answers", "closed", "said", "journal", "entries", "rounds", "replies"}


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setattr("nodes.answer.partials", lambda plan, catalogue, calibration, tables, source: tables.partials())
    with TemporaryDirectory() as path:
        yield Path(path)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda s: s["name"])
def test_scenario(scenario: dict[str, Any], folder: Path) -> None:
    world = World(folder, {k: v for k, v in scenario.items() if k in OPTIONS})
    try:
        for words in scenario["operations"]:
            world.perform(words)
        require_expected(scenario, world)
        require_sound(world)
    finally:
        world.close()


def require_expected(scenario: dict[str, Any], world: World) -> None:
    asked = world.coordinator.requests
    found: dict[str, Any] = {
        "outcomes": [a.outcome for a in asked],
        "counted": [list(a.opened[-1].counted) for a in asked if a.outcome == "released"],
        "replies": len(world.coordinator.sent_replies),
        "rounds": [len(a.opened) for a in asked],
        "charges": {n: world.spent(n) for n in world.members if n in HOSTS},
        "answers": {n: count(world, n, JournalKind.ANSWERED_AS_HELPER) for n in world.members},
        "closed": {n: m.closed_by() for n, m in world.members.items() if m.closed_by()},
        "said": {name: codes[-1] if name != "race" else codes for name, codes in world.said.items()},
        "entries": {n: count(world, n, JournalKind[k]) for n, k in split(scenario.get("entries", {}))},
    }
    for name in EXPECTED & set(scenario):
        expected, there = scenario[name], found[name]
        if name == "charges":
            expected = {n: scenario[name].get(n, scenario[name].get("all", 0)) for n in there}
        elif name == "answers":
            there = {n: times for n, times in there.items() if n in expected}
        elif name == "entries":
            there = {f"{n} {k}": count(world, n, JournalKind[k]) for n, k in split(expected)}
        elif name == "said":
            there = {n: there.get(n) for n in expected}
        assert there == expected, name


def split(entries: dict[str, int]) -> list[tuple[str, str]]:
    return [(key.rpartition(" ")[0], key.rpartition(" ")[2]) for key in entries]


def count(world: World, name: str, kind: JournalKind) -> int:
    return sum(entry.kind is kind for entry in world.journal(name))


def require_sound(world: World) -> None:
    """What holds after every scenario: no release without durable charges, each round charged and answered once at
    most, one reply a round, and accounts that are the sum of the journal's charges."""
    journals = {name: world.journal(name) for name in world.members}
    for name, entries in journals.items():
        for kind in (JournalKind.CHARGED, JournalKind.ANSWERED_AS_HELPER, JournalKind.REPLIED):
            rounds = Counter(entry.round for entry in entries if entry.kind is kind)
            assert set(rounds.values()) <= {1}, f"{name}: one round twice as {kind.name}"
        if name in HOSTS:
            assert world.spent(name) == sum(entry.kind is JournalKind.CHARGED for entry in entries), name
    put_back = {name for name, member in world.members.items() if member.put_back}
    for asked in world.coordinator.requests:
        for opened in asked.opened:
            for name in opened.counted:
                charged = {e.round for e in journals[name] if e.kind is JournalKind.CHARGED}
                assert opened.id in charged or name in put_back, f"{name} was counted and never charged"
    for (name, _), bodies in world.coordinator.sent_replies.items():
        assert len(bodies) == 1, f"{name} sent two replies for one round"


def test_the_tables_are_complete() -> None:
    """Enough scenarios, each with a name of its own, an expectation and a guard; each operation is explained above."""
    names = [scenario["name"] for scenario in SCENARIOS]
    assert len(set(names)) == len(names) >= 40
    for scenario in SCENARIOS:
        known = {"name", "operations", "guard", "why"} | OPTIONS | EXPECTED
        assert set(scenario) <= known, (scenario["name"], set(scenario) - known)
        assert EXPECTED & set(scenario), scenario["name"]
        assert re.fullmatch(r"[a-z0-9-]+", scenario["name"]), "a name that -k can take"
        file = scenario["guard"][0]
        assert file.startswith(("nodes/", "engine/"))
        text = (ROOT / file).read_text(encoding="utf-8")
        for old, new in edits(scenario):
            assert text.count(old) == 1, (
                scenario["name"],
                f"the guard's text stands {text.count(old)} times in {file}",
            )
            text = text.replace(old, new)
        compile(text, file, "exec")


def edits(scenario: dict[str, Any]) -> list[tuple[str, str]]:
    """The texts of a guard and what takes their places."""
    _, *texts = scenario["guard"]
    return list(zip(texts[::2], texts[1::2], strict=True))


@pytest.mark.parametrize("table", TABLES)
def test_every_operation_is_explained_where_it_is_used(table: str) -> None:
    """Each table begins with an example of every operation in it, and of no other."""
    head = [line for line in (HERE / table).read_text(encoding="utf-8").splitlines() if line.startswith("#   ")]
    examples = [re.split(r"  +", line[4:].strip())[0] for line in head]
    used = [words for scenario in TABLES[table] for words in scenario["operations"]]
    used += [words.partition(": ")[2] for words in used if words.startswith("while ")]
    for pattern in OPERATIONS:
        explained = any(re.fullmatch(pattern, example) for example in examples)
        assert explained or not any(re.fullmatch(pattern, words) for words in used), (
            f"{table} does not explain {pattern}"
        )
    for example in examples:
        assert any(re.fullmatch(pattern, example) for pattern in OPERATIONS), f"no such operation: {example}"
