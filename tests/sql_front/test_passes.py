"""Each pass against its table: what it makes of statements, line by line as ``explain --stages`` has it."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from engine.sql import PASSES, Context
from engine.sql.explain import stages

PLANS = Path(__file__).parent.parent / "plans"
NAMES = [step.__name__ for step in PASSES]
CASES = [
    (name, row["sql"], row["lines"])
    for name in NAMES
    for row in yaml.load((PLANS / f"{name}.yaml").read_text(encoding="utf-8"), yaml.CSafeLoader)
]


@pytest.mark.parametrize(("name", "sql", "lines"), CASES, ids=[f"{c[0]}-{i}" for i, c in enumerate(CASES, 1)])
def test_a_pass_makes_of_a_statement(name: str, sql: str, lines: list[str], context: Context) -> None:
    made = {stage.name: list(stage.lines) for stage in stages(sql, context)}
    assert list(made) == NAMES
    assert made[name] == lines
