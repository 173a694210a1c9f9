"""What the fuzzers start from: every statement in the tables of the tests, with the catalogue it is asked under."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml

from engine.cli.check import context_of
from engine.sql import Context

TESTS = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Seed:
    sql: str
    catalogue: Path

    def context(self) -> Context:
        return _context(self.catalogue)


@cache
def _context(catalogue: Path) -> Context:
    return context_of(catalogue)


@cache
def seeds() -> tuple[Seed, ...]:
    """Accepted and refused statements, in the order of the files."""
    return tuple(dict.fromkeys((*_plans(), *_tables(), *_themes(), *audited())))


@cache
def audited() -> tuple[Seed, ...]:
    """The statements of the audit: all accepted under one catalogue."""
    rows = yaml.load((TESTS / "audit/operators.yaml").read_text(encoding="utf-8"), yaml.CSafeLoader)
    return tuple(Seed(row["sql"], TESTS / "audit/catalogue.yaml") for row in rows)


def _plans() -> Iterator[Seed]:
    catalogue = TESTS / "plans/catalogue.yaml"
    for row in yaml.load((TESTS / "plans/accepted.yaml").read_text(encoding="utf-8"), yaml.CSafeLoader):
        yield Seed(row["sql"], catalogue)
    for rows in yaml.load((TESTS / "plans/refused.yaml").read_text(encoding="utf-8"), yaml.CSafeLoader).values():
        for row in rows:
            if isinstance(row.get("sql"), str):
                yield Seed(row["sql"], catalogue)


def _tables() -> Iterator[Seed]:
    """The blocks of the .slt files: a first line that says what, then the statement."""
    for file in sorted((TESTS / "sql").glob("*.slt")):
        catalogue = TESTS / "sql/catalogues/people.yaml"
        for block in re.split(r"\n\s*\n", file.read_text(encoding="utf-8")):
            lines = [line for line in block.splitlines() if not line.startswith("#")]
            if lines and lines[0].startswith("catalogue "):
                catalogue = TESTS / f"sql/catalogues/{lines[0].split()[1]}.yaml"
            elif lines and lines[0].startswith(("query", "refused")):
                yield Seed("\n".join(lines[1:]).split("\n----")[0], catalogue)


def _themes() -> Iterator[Seed]:
    for file in sorted((TESTS / "sql/themes").glob("*.sql")):
        text = re.sub(r"^--.*$", "", file.read_text(encoding="utf-8"), flags=re.MULTILINE)
        for statement in text.split(";"):
            if statement.strip():
                yield Seed(statement.strip(), file.with_suffix(".yaml"))
