"""Private joins, whole: what the analyst opens is exact before noise, and has both owners' noise."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.trusted.plan import Call, ColumnRef, Expression, Function, Literal, Measure, Statistic, Type
from engine.trusted.random import SystemRandomness
from engine.trusted.gauss import ExactSampler
from nodes.sources import Limits
from nodes.sources.duckdb import DuckDBSource
from tests.nodes.join_world import World, catalogue_of, measured, oracle, plan_over, product

S = Statistic
Row = dict[str, Any]


@pytest.fixture(scope="module")
def source() -> Iterator[DuckDBSource]:
    found = DuckDBSource(Limits(threads=1, memory_mb=512, seconds=60))
    yield found
    found.close()


def random_rows(seed: int, left: int, right: int, shared: int, most: tuple[int, int]) -> tuple[Any, Any]:
    """Rows of ``left`` and ``right`` persons of whom ``shared`` are the same; up to ``most`` rows each."""
    rng = np.random.default_rng(seed)

    def persons(first: int, count: int) -> list[str]:
        return [f"AB{number:0{6 + number % 9}d}" for number in range(first, first + count)]

    def pick(*values: Any) -> Any:
        return values[rng.integers(len(values))]

    a, b = persons(0, left), persons(left - shared, right)
    lefts = [
        (p, pick("F", "M", None), pick("N", "S", "W", None), pick(None, *range(-50, 201, 10)))
        for p in a
        for _ in range(rng.integers(1, most[0] + 1))
    ]
    rights = [
        (p, pick("old", "ill", None), pick(True, False, None), pick(None, 0, 0.25, 1.5, 10))
        for p in b
        for _ in range(rng.integers(1, most[1] + 1))
    ]
    return lefts, rights


def equal(name: str, value: str) -> Expression:
    return Call(Function.EQUAL, (ColumnRef(name), Literal(Type.TEXT, value)))


WAGE, CLAIM = ColumnRef("wage"), ColumnRef("claim")
FEMALE, OLD = equal("sex", "F"), equal("kind", "old")
BOTH = Call(Function.AND, (FEMALE, OLD))


def quarters(row: Row) -> int:
    return int(4 * row["claim"])


# A measure, and what one pair of rows gives it, in whole steps.
MEASURES: dict[str, tuple[tuple[Any, ...], Callable[[Row, Row], int]]] = {
    "pairs": ((S.COUNT_ROWS, None), lambda a, b: 1),
    "pairs of women": ((S.COUNT_ROWS, None, FEMALE), lambda a, b: int(a["sex"] == "F")),
    "pairs of old women": ((S.COUNT_ROWS, None, BOTH), lambda a, b: int(a["sex"] == "F" and b["kind"] == "old")),
    "persons": ((S.COUNT_PERSONS, None), lambda a, b: 1),
    "old women": ((S.COUNT_PERSONS, None, BOTH), lambda a, b: int(a["sex"] == "F" and b["kind"] == "old")),
    "wages there are": ((S.COUNT_PRESENT, WAGE), lambda a, b: int(a["wage"] is not None)),
    "wages": ((S.SUM, WAGE), lambda a, b: a["wage"] or 0),
    "wages of the old": ((S.SUM, WAGE, OLD), lambda a, b: (a["wage"] or 0) * (b["kind"] == "old")),
    "claims": ((S.SUM, CLAIM), lambda a, b: 0 if b["claim"] is None else quarters(b)),
    "centred wages": ((S.CENTRED_SUM, WAGE), lambda a, b: 0 if a["wage"] is None else a["wage"] - 75),
    "wages times claims": (
        (S.SUM, product()),
        lambda a, b: 0 if None in (a["wage"], b["claim"]) else a["wage"] * quarters(b),
    ),
    "both there": ((S.COUNT_PRESENT, product()), lambda a, b: int(None not in (a["wage"], b["claim"]))),
}
SETS: dict[str, tuple[tuple[str, ...], ...]] = {
    "no key": ((),),
    "left": (("sex",),),
    "right": (("kind",),),
    "both": (("sex", "kind"),),
    "wide on both sides, right first": (("active", "sex", "kind", "region"),),
    "several sets": ((), ("sex",), ("kind",), ("region", "kind"), ("kind", "sex", "region")),
}
SHAPES: dict[str, tuple[int, int, int, tuple[int, int]]] = {
    "nobody at all": (0, 0, 0, (1, 1)),
    "empty left": (0, 9, 0, (1, 1)),
    "empty right": (9, 0, 0, (1, 1)),
    "no overlap": (8, 7, 0, (1, 1)),
    "full overlap": (12, 12, 12, (1, 1)),
    "some overlap": (15, 12, 7, (1, 1)),
    "several rows left": (9, 12, 8, (4, 1)),
    "several rows both": (9, 8, 8, (3, 4)),
}


def agree(world: World, names: list[str], sets: str, rows: tuple[Any, Any]) -> None:
    measures: list[Measure] = []
    for name in names:
        (statistic, of, *where), _ = MEASURES[name]
        measures.append(measured(statistic, of, world.catalogue, *where))
    plan = plan_over(world.catalogue, measures, SETS[sets])
    expected = oracle(plan, world.catalogue, *rows, [MEASURES[name][1] for name in names])
    joining = world.joining(plan)
    opened = joining.run()
    multipliers = joining.manifest.calibration.multipliers
    of_cell = [m for _ in plan.aggregate.grouping_sets for m in range(len(names))]
    from engine.trusted.calibrate import layout_of
    from engine.trusted.domains import scope_of

    blocks = layout_of(plan.aggregate, scope_of(plan.aggregate.input, world.catalogue))
    scaled = [
        multipliers[m] * c
        for m, b in zip(of_cell, blocks, strict=True)
        for c in expected[b.offset : b.offset + b.cells]
    ]
    assert opened == (*scaled, 2)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("sets", SETS)
def test_the_sum_of_three_answers_is_exact(shape: str, sets: str, tmp_path: Path, source: DuckDBSource) -> None:
    left, right, shared, most = SHAPES[shape]
    rows = random_rows(hash_of(shape, sets), left, right, shared, most)
    world = World(tmp_path, catalogue_of(most), *rows, source)
    try:
        agree(world, list(MEASURES), sets, rows)
    finally:
        world.close()


def hash_of(*words: str) -> int:
    return sum(ord(c) * (i + 1) for i, c in enumerate("".join(words)))
