"""The catalogue, rules and tables that tests of the SQL front share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from engine.catalogue import load_catalogue
from engine.sql import Context
from engine.trusted.records import Rules

PLANS = Path(__file__).parent.parent / "plans"
RULES = Rules(n_min=0, f=0, max_keys=10_000, max_cells=100_000, caps=(), committee=3)


def table(name: str) -> Any:
    """A YAML table of tests/plans."""
    return yaml.load((PLANS / name).read_text(encoding="utf-8"), yaml.CSafeLoader)


@pytest.fixture(scope="session")
def context() -> Context:
    return Context(load_catalogue(PLANS / "catalogue.yaml"), RULES)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test a row for tests that take ``row``: the table is named by their module's ``TABLE``."""
    if "row" not in metafunc.fixturenames:
        return
    rows = table(metafunc.module.TABLE)
    if isinstance(rows, dict):
        rows = [row for group in rows.values() for row in group]
    metafunc.parametrize("row", rows, ids=[str(i) for i in range(1, len(rows) + 1)])
