"""The audit's world, and its table: how much of each declared sensitivity some neighbour used."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from world import World


@pytest.fixture(scope="session")
def world() -> Iterator[World]:
    with TemporaryDirectory() as folder:
        world = World(Path(folder))
        yield world
        world.close()


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Figures that tests recorded, one line each."""
    reports = [r for kind in ("passed", "failed") for r in terminalreporter.stats.get(kind, ())]
    lines = [
        (key, value) for r in reports for key, value in getattr(r, "user_properties", ()) if key.startswith("audit")
    ]
    if lines:
        terminalreporter.section("audit")
    for key, value in lines:
        terminalreporter.write_line(f"{key.removeprefix('audit '):52} {value}")
