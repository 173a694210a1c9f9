"""Private joins, whole: what the analyst opens is exact before noise, and has both owners' noise."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.errors import Unavailable
from engine.trusted.calibrate import calibrate, layout_of
from engine.trusted.catalogue import Catalogue
from engine.trusted.domains import scope_of
from engine.trusted.gauss import ExactSampler
from engine.trusted.noise import ProductionSampler
from engine.trusted.plan import Call, ColumnRef, Expression, Function, Literal, Plan, Statistic, Type
from engine.trusted.random import SystemRandomness
from nodes.answer import answer
from nodes.sources import Limits
from nodes.sources.duckdb import DuckDBSource
from nodes.tables import Tables
from tests.nodes.join_world import LOSS, World, catalogue_of, measured, oracle, plan_over, product

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


def scaled(world: World, plan: Plan, rows: tuple[Any, Any], names: list[str]) -> list[int]:
    """The oracle's cells in ring units."""
    cells = oracle(plan, world.catalogue, *rows, [MEASURES[name][1] for name in names])
    multipliers = calibrate(plan, world.catalogue, LOSS, 2, 0).multipliers
    blocks = layout_of(plan.aggregate, scope_of(plan.aggregate.input, world.catalogue))
    return [multipliers[b.measure] * c for b in blocks for c in cells[b.offset : b.offset + b.cells]]


def agree(world: World, names: list[str], sets: str, rows: tuple[Any, Any]) -> None:
    measures = [measured(*MEASURES[name][0][:2], world.catalogue, *MEASURES[name][0][2:]) for name in names]
    plan = plan_over(world.catalogue, measures, SETS[sets])
    expected = scaled(world, plan, rows, names)
    assert world.joining(plan).run() == (*expected, 2)


@pytest.fixture(scope="module", params=SHAPES)
def shaped(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, source: DuckDBSource
) -> tuple[Catalogue, tuple[Any, Any], dict[str, Tables]]:
    """Random rows of one shape, and the owners' tables of them."""
    left, right, shared, most = SHAPES[request.param]
    rows = random_rows(sum(map(ord, request.param)), left, right, shared, most)
    catalogue = catalogue_of(most)
    return catalogue, rows, World(tmp_path_factory.mktemp("tables"), catalogue, *rows, source).tables


@pytest.mark.parametrize("sets", SETS)
def test_the_sum_of_three_answers_is_exact(sets: str, shaped: Any, tmp_path: Path, source: DuckDBSource) -> None:
    catalogue, rows, tables = shaped
    world = World(tmp_path, catalogue, *rows, source, tables)
    try:
        agree(world, list(MEASURES), sets, rows)
    finally:
        world.close()


def test_groups_of_a_person_are_capped_on_each_side(tmp_path: Path, source: DuckDBSource) -> None:
    """At most one group a person on the left: the answer is that over some choice of one region for each."""
    rows = random_rows(11, 12, 12, 12, (4, 2))
    world = World(tmp_path, catalogue_of((4, 2), (1, 2)), *rows, source)
    try:
        measures = [measured(S.COUNT_PERSONS, None, world.catalogue), measured(S.COUNT_ROWS, None, world.catalogue)]
        joining = world.joining(plan_over(world.catalogue, measures, (("region",),)))
        opened = joining.run()
    finally:
        world.close()
    known = {p for p, _, region, _ in rows[0] if region} & {p for p, *_ in rows[1]}
    persons = [c // joining.manifest.calibration.multipliers[0] for c in opened[:3]]
    assert sum(persons) == len(known)
    assert opened[-1] == 2


def test_each_owner_adds_the_full_noise(tmp_path: Path, source: DuckDBSource) -> None:
    """Over 6 rounds of 360 cells the variance is 2 sigma^2. False alarm below 1e-9 (Laurent, Massart 2000, t = 21.4:
    a chi-square of 2,160 degrees lies within -430 and +473); one owner's noise alone, half as much, is far outside."""
    rows = random_rows(3, 30, 30, 20, (1, 1))
    names, drawn, tables = list(MEASURES), list[float](), None
    for number in range(6):
        (tmp_path / str(number)).mkdir()
        world = World(tmp_path / str(number), catalogue_of(), *rows, source, tables)
        tables = world.tables
        try:
            world.samplers = dict.fromkeys(world.samplers, ProductionSampler(SystemRandomness()))
            measures = [measured(*MEASURES[name][0][:2], world.catalogue, *MEASURES[name][0][2:]) for name in names]
            plan = plan_over(world.catalogue, measures, SETS["several sets"])
            expected = scaled(world, plan, rows, names)
            joining = world.joining(plan)
            opened, sigma = joining.run(), joining.manifest.calibration.node_sigma
            assert opened[-1] == 2
            drawn += [(o - e) / (sigma * math.sqrt(2)) for o, e in zip(opened[:-1], expected, strict=True)]
        finally:
            world.close()
    count, square = len(drawn), sum(z * z for z in drawn)
    assert count == 2_160
    assert -430 < square - count < 473
    assert square / 2 - count < -430  # what one owner's noise alone would give
    assert abs(sum(drawn)) < 6.2 * math.sqrt(count)


def test_dummies_of_a_real_draw_never_show(tmp_path: Path, source: DuckDBSource) -> None:
    """Sizes are drawn by the production sampler, the noise of cells is none."""

    class Sizes:
        def gaussian(self, sigma: int, count: int) -> Any:
            return ExactSampler(SystemRandomness()).gaussian(sigma, count) * (count == 1)

    rows = random_rows(5, 20, 25, 15, (1, 1))
    world = World(tmp_path, catalogue_of(), *rows, source)
    try:
        world.samplers = dict.fromkeys(world.samplers, Sizes())
        agree(world, list(MEASURES), "both", rows)
    finally:
        world.close()


def test_a_failure_after_the_charge_keeps_the_charge(tmp_path: Path, source: DuckDBSource) -> None:
    """The source fails: one code, for ever; nothing is sent and nothing charged again."""
    world = World(tmp_path, catalogue_of(), *random_rows(5, 3, 3, 3, (1, 1)), source)
    joining = world.joining(plan_over(world.catalogue, [measured(S.COUNT_ROWS, None, world.catalogue)])).remembered()
    node = world.node("tax")
    broken = replace(node, tables=replace(node.tables, snapshots=(replace(node.tables.snapshots[0], path=tmp_path),)))
    for attempt in (broken, broken, node):
        with pytest.raises(Unavailable, match="NODE_SOURCE_FAILED"):
            answer(joining.arrival, attempt)
    world.seats["tax"].ledger.close()
    del world.seats["tax"]
    with pytest.raises(Unavailable, match="NODE_SOURCE_FAILED"):
        answer(joining.arrival, world.node("tax"))
    world.close()


def test_a_round_charged_before_a_crash_is_lost(tmp_path: Path, source: DuckDBSource) -> None:
    """The owner's process ends between charge and reply: never a second offer with other shares."""
    world = World(tmp_path, catalogue_of(), *random_rows(5, 3, 3, 3, (1, 1)), source)
    joining = world.joining(plan_over(world.catalogue, [measured(S.COUNT_ROWS, None, world.catalogue)])).remembered()

    class Killed(BaseException):
        pass

    class Dying:
        dialect = source.dialect

        def read(self, *_: Any) -> Any:
            raise Killed

    with pytest.raises(Killed):
        answer(joining.arrival, replace(world.node("tax"), source=Dying()))
    world.restart("tax")
    with pytest.raises(Unavailable, match="NODE_ROUND_LOST"):
        answer(joining.arrival, world.node("tax"))
    assert world.seat("tax").ledger._db.execute("SELECT count(*) FROM rounds").fetchone() == (1,)
    world.close()


def test_the_charge_is_durable_before_any_row_is_read(tmp_path: Path, source: DuckDBSource) -> None:
    """Each reading sees the charge in the ledger's own file, through another connection."""
    world = World(tmp_path, catalogue_of(), *random_rows(5, 3, 3, 3, (1, 1)), source)
    joining = world.joining(plan_over(world.catalogue, [measured(S.COUNT_ROWS, None, world.catalogue)])).remembered()
    charged: list[int] = []

    class Watched:
        dialect = source.dialect

        def read(self, *query: Any) -> Any:
            with sqlite3.connect(tmp_path / "tax.db") as other:
                charged.append(other.execute("SELECT count(*) FROM rounds").fetchone()[0])
            return source.read(*query)

    answer(joining.arrival, replace(world.node("tax"), source=Watched()))
    assert charged == [1]
    world.close()
