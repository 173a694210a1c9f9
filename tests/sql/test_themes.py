"""Sixty statements that analysts of five themes write: each is accepted, and those marked ``(oracle)`` are run on two
nodes without noise beside one engine with all the rows."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from datetime import timedelta
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import pytest
from bench import Bench
from compare import check_oracle, terms_of
from federation import RULES, Federation
from oracle import Oracle
from slt import Script

from engine.catalogue import load_catalogue
from engine.sql import prepare
from engine.trusted.catalogue import Catalogue, Column
from engine.trusted.dates import EPOCH
from engine.trusted.plan import Type

THEMES = ("tax", "benefits", "health", "education", "justice")
FOLDER = Path(__file__).parent / "themes"
PEOPLE = 200


class Worked(NamedTuple):
    theme: str
    question: str
    sql: str
    options: str | None  # of a statement that is run

    @property
    def tolerance(self) -> float:
        found = re.search(r"tolerance=([0-9.]+)", self.options or "")
        return float(found.group(1)) if found else 0.0


def worked(theme: str) -> Iterator[Worked]:
    for block in (FOLDER / f"{theme}.sql").read_text(encoding="utf-8").split("\n\n"):
        question, _, sql = block.strip().partition("\n")
        marked = re.fullmatch(r"-- (.*?)(?: \((oracle.*)\))?", question)
        assert marked is not None, question
        yield Worked(theme, marked.group(1), sql.rstrip(";"), marked.group(2))


ALL = [w for theme in THEMES for w in worked(theme)]


def catalogue_of(theme: str) -> Catalogue:
    return load_catalogue(FOLDER / f"{theme}.yaml")


@pytest.mark.parametrize("statement", ALL, ids=lambda w: f"{w.theme}: {w.question}")
def test_a_statement_of_a_theme_is_accepted(statement: Worked) -> None:
    assert prepare(statement.sql, catalogue_of(statement.theme), RULES).outputs


def test_there_are_sixty() -> None:
    assert len(ALL) == 60
    assert sum(w.options is not None for w in ALL) >= 12


def cell(column: Column, draw: random.Random) -> str:
    """A value inside the bounds; none now and then in columns that are no keys, or may be NULL as keys."""
    if draw.random() < 0.05 and (column.nullable or column.type is Type.DECIMAL):
        return ""
    if column.type is Type.BOOLEAN:
        return draw.choice(["true", "false"])
    if column.domain:
        return str(draw.choice(column.domain))
    assert column.bounds is not None
    step = column.step or Fraction(1)
    low, high = int(column.bounds.lower / step), int(column.bounds.upper / step)
    value = draw.randint(low, high) * step
    if column.type is Type.DATE:
        return (EPOCH + timedelta(days=int(value))).isoformat()
    return str(int(value)) if value.denominator == 1 else str(float(value))


def rows(catalogue: Catalogue) -> dict[str, str]:
    """CSV of each dataset: one to two rows a person."""
    draw, data = random.Random(3), {}
    for dataset in catalogue.datasets:
        lines = [",".join(c.name for c in dataset.columns)]
        for person in range(PEOPLE):
            for _ in range(draw.randint(1, min(2, dataset.rows_per_person))):
                cells = [
                    str(1000 + person) if c.name == dataset.person.column else cell(c, draw) for c in dataset.columns
                ]
                lines.append(",".join(cells))
        data[dataset.name] = "\n".join(lines) + "\n"
    return data


@pytest.fixture(scope="module", params=THEMES)
def answered(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple]:
    theme: str = request.param
    data = rows(catalogue_of(theme))
    script = Script(f"../themes/{theme}", data)
    federation = Federation.found(script, 2, tmp_path_factory.mktemp(theme), Bench.worker())
    yield theme, federation, Oracle(federation.catalogue, data)
    federation.close()


def test_a_statement_of_a_theme_equals_the_oracle(answered: tuple) -> None:
    theme, federation, engine = answered
    for statement in ALL:
        if statement.theme == theme and statement.options is not None:
            prepared, _ = federation.prepare(statement.sql)
            check_oracle(
                federation.answer(statement.sql),
                engine.ask(statement.sql),
                terms_of(prepared, ["completed"], statement.tolerance)._replace(ordered=False),
            )
            assert prepared.outputs
