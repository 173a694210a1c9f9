"""Joins of two departments over random rows of all shapes: every statement of exact.slt, cell by cell, against one
engine with the rows of both."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from bench import Bench
from compare import check_oracle, terms_of
from departments import Departments, multiplied
from federation import HERE, RULES
from oracle import Oracle
from slt import Script, read_script

from engine.catalogue import load_catalogue
from engine.client.dummy import dummy_rows
from engine.client.exact import exact_cells
from engine.sql import prepare
from engine.sql.explain import plan_digest
from engine.trusted.join import is_join

SHAPES = ("empty left", "empty right", "nobody in both", "all in both", "one person", "many missing", "many rows")
CATALOGUE = HERE / "catalogues/departments.yaml"
EXACT = [
    block
    for block in read_script(HERE / "private_join/exact.slt").blocks
    if block.kind == "query" and "noisy" not in block.options
]


def drawn(shape: str) -> Script:
    """Rows within the published bounds, so that nothing is clamped or cut."""
    draw = random.Random(shape)
    left, right = list(range(1, 19)), list(range(10, 28))
    if shape in ("all in both", "many rows", "many missing"):
        right = left
    if shape == "nobody in both":
        right = [person + 100 for person in left]
    if shape == "one person":
        left = right = [7]
    left, right = left * (shape != "empty left"), right * (shape != "empty right")
    missing = 0.4 if shape == "many missing" else 0.1

    def maybe(value: object) -> str:
        return "" if draw.random() < missing else str(value)

    def several(most: int) -> range:
        return range(most if shape == "many rows" else draw.randint(0, most))

    def day() -> str:
        return f"202{draw.randint(0, 1)}-{draw.randint(1, 12):02}-{draw.randint(1, 28):02}"

    taxpayers = [
        f"q{p},{maybe(draw.choice('NSE'))},{maybe(draw.randint(0, 110))},{maybe(draw.randint(0, 200_000) / 100)},"
        f"{maybe(draw.randint(1, 7) / 10)},{maybe(draw.choice(['true', 'false']))}"
        for p in left
    ]
    payslips = [
        f"Q-{p},{maybe(draw.choice(['public', 'private', 'other']))},{maybe(draw.randint(0, 100_000) / 100)},"
        f"{maybe(draw.randint(0, 60))},{maybe(day())},{maybe('Acme')}"
        for p in left
        for _ in several(4)
    ]
    residents = [
        f"Q{p},{maybe(draw.choice('FMX'))},{maybe(draw.randint(1900, 2010))},{maybe(draw.choice('NSE'))},"
        f"{maybe(draw.randint(0, 12))}"
        for p in right
    ]
    benefits = [
        f"q{p},{maybe(draw.choice(['child', 'housing', 'other']))},{maybe(draw.randint(-5_000, 100_000) / 100)},"
        f"{maybe(draw.randint(0, 52))},{maybe(day())}"
        for p in right
        for _ in several(3)
    ]
    data = {
        "taxpayers": ["nino,region,age,wage,rate,self_employed", *taxpayers],
        "payslips": ["nino,sector,gross,hours,paid_on,employer", *payslips],
        "residents": ["person_id,sex,born,region,children", *residents],
        "benefits": ["person_id,kind,amount,weeks,from_day", *benefits],
    }
    return Script("departments", {name: "\n".join(lines) + "\n" for name, lines in data.items()}, apart=True)


@pytest.fixture(scope="module", params=SHAPES)
def asked(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple]:
    script = drawn(request.param)
    departments = Departments.found(script, tmp_path_factory.mktemp("departments"), Bench.worker())
    yield departments, Oracle(departments.catalogue, script.data)
    departments.close()


@pytest.mark.parametrize("block", EXACT, ids=lambda block: f"line {block.line}")
def test_the_product_of_both_sides_is_the_join(asked: tuple, block: object) -> None:
    departments, oracle = asked
    sql, tolerance = block.sql, 100 * float(block.option("tolerance", "0"))  # type: ignore[attr-defined]
    statement, _ = departments.prepare(sql)
    answer, told = departments.answer(sql), oracle.ask(sql)
    known = [tuple(None if v != v else v for v in row) for row in told.rows]  # no number: of a column without variance
    check_oracle(answer, replace(told, rows=known), terms_of(statement, block.options, tolerance))  # type: ignore[attr-defined]


def test_the_plan_of_a_statement_is_always_the_same() -> None:
    """Of the statement and the catalogue alone: no rows are there."""
    first, again = ([prepare(b.sql, load_catalogue(CATALOGUE), RULES) for b in EXACT] for _ in range(2))
    assert [plan_digest(statement) for statement in first] == [plan_digest(statement) for statement in again]
    assert sum(is_join(statement.plan.aggregate) for statement in first) >= len(EXACT) - 1


def test_a_person_of_one_side_only_adds_nothing(asked: tuple) -> None:
    """And one whose words are moved by one is found."""
    departments, _ = asked
    statement, calibration = departments.prepare(
        "SELECT COUNT(*) FROM taxpayers t JOIN residents r ON nino = person_id"
    )
    plan, catalogue = statement.plan, departments.catalogue
    counted = multiplied(plan, catalogue, calibration, {"a": [1], "b": [1]}, {"b": [1], "c": [1]})
    assert counted == (calibration.multipliers[0],)
    assert multiplied(plan, catalogue, calibration, {"b": [2]}, {"b": [1]}) == (2 * calibration.multipliers[0],)


EVERY = (
    "SELECT r.sex, p.sector, COUNT(*), COUNT(DISTINCT p.nino), AVG(p.gross), SUM(p.gross * b.weeks), VAR_POP(b.amount)"
    " FROM payslips p JOIN benefits b ON b.person_id = p.nino JOIN residents r ON r.person_id = p.nino"
    " WHERE p.hours > 20 AND b.weeks > 20 GROUP BY CUBE (r.sex, p.sector)"
)


def test_exact_cells_of_dummy_rows_are_the_product_of_both_sides(tmp_path: Path) -> None:
    """What a rehearsal shows beside the noisy answer is what two owners and three helpers compute."""
    catalogue = load_catalogue(CATALOGUE)
    small = replace(catalogue, datasets=tuple(d for d in catalogue.datasets if d.hosts[0] in ("tax", "social")))
    rows = dummy_rows(small, prepare(EVERY, catalogue, RULES).plan, 60, 1)
    data = {d.name: csv_of(d.name, rows[d.name][d.hosts[0]]) for d in small.datasets}
    departments = Departments.found(Script("departments", data, apart=True), tmp_path, Bench.worker())
    statement, calibration = departments.prepare(EVERY)
    union = {name: [row for held in by_host.values() for row in held] for name, by_host in rows.items()}
    exact = exact_cells(statement.plan, catalogue, calibration, union)
    assert exact == departments.combined(statement, calibration)
    assert sum(1 for cell in exact if cell) > len(exact) / 2
    departments.close()


def csv_of(name: str, rows: Sequence[Mapping[str, Any]]) -> str:
    head = list(rows[0])
    cells = ([_cell(row[column]) for column in head] for row in rows)
    return "\n".join(",".join(line) for line in [head, *cells]) + "\n"


def _cell(value: object) -> str:
    if isinstance(value, Fraction):
        return str(float(value))
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
