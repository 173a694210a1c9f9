"""What a node loads, and how long its spine is."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NEVER = [
    *("sqlglot", "starlette", "typer", "rich", "yaml", "sqlalchemy"),
    *("engine.sql", "engine.catalogue", "engine.governance", "engine.coordinator", "engine.client", "engine.local"),
    "engine.cli",
]


@pytest.mark.parametrize("module", ["nodes", "nodes.server", "nodes.config", "nodes.__main__"])
def test_a_fresh_interpreter_loads_nothing_but_the_trusted_base(module: str) -> None:
    script = f"import sys, {module}; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT)
    assert [m for m in run.stdout.split() if any(m == n or m.startswith(n + ".") for n in NEVER)] == []


def test_the_spine_is_short_and_its_steps_are_those_of_the_guide() -> None:
    spine = (ROOT / "nodes/answer.py").read_text()
    assert len(spine.splitlines()) < 150
    assert [int(n) for n in re.findall(r"# \((\d+)\)", spine)] == list(range(1, 11))
    guide = (ROOT / "nodes/AUDIT.md").read_text()
    assert [int(n) for n in re.findall(r"^\| (\d+) ", guide, re.M)] == list(range(1, 11))
    for file in set(re.findall(r"`(?:trusted/)?(\w+\.py)`", guide)):
        assert (ROOT / "nodes" / file).exists() or (ROOT / "engine/trusted" / file).exists(), file
