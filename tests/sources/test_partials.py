"""Partials: cell order, multipliers, and the law that parts add up to the whole."""

from __future__ import annotations

import random
from dataclasses import replace
from fractions import Fraction
from functools import reduce
from math import sqrt
from pathlib import Path

import pytest
from published import PEOPLE, catalogue_of, dataset, publish

from engine.errors import Unavailable
from engine.trusted.calibrate import block_norms, calibrate, cells_of, layout_of, row_square
from engine.trusted.catalogue import Bounds, Catalogue
from engine.trusted.domains import clamp_of, domain_of, key_values, scope_of
from engine.trusted.plan import (
    Aggregate,
    Call,
    ColumnRef,
    Expression,
    Function,
    GroupingSet,
    Key,
    Literal,
    Measure,
    Plan,
    Scan,
    Statistic,
    Type,
)
from engine.trusted.records import Loss
from engine.trusted.stability import stability_of
from nodes.partials import partials
from nodes.sources.duckdb import DuckDBSource
from nodes.sources.render import query_of
from nodes.tables import Tables

HEADER = "person_id,region,sex,age,income,paid_on,active,note\n"


def key(expression: Expression, catalogue: Catalogue) -> Key:
    scope = scope_of(Scan("people"), catalogue)
    return Key(expression, key_values(domain_of(expression, scope), 10_000))


def plan_of(catalogue: Catalogue) -> Plan:
    """Every statistic, over grouping sets with text, NULL, integer, date and decimal keys and without any."""
    scope = scope_of(Scan("people"), catalogue)
    age, income, sex = ColumnRef("age"), ColumnRef("income"), ColumnRef("sex")
    young = Call(Function.LESS, (age, Literal(Type.INTEGER, 40)))
    rate = Call(Function.CASE, (young, Literal(Type.DECIMAL, Fraction(1, 10)), Literal(Type.DECIMAL, Fraction(3, 10))))
    keys = (
        key(ColumnRef("region"), catalogue),
        key(sex, catalogue),
        key(Call(Function.INTEGER_DIVIDE, (age, Literal(Type.INTEGER, 25))), catalogue),
        key(Call(Function.TRUNC_QUARTER, (ColumnRef("paid_on"),)), catalogue),
        key(rate, catalogue),
    )
    measures = (
        Measure(Statistic.COUNT_ROWS),
        Measure(Statistic.COUNT_PRESENT, income, young),
        Measure(Statistic.COUNT_PERSONS),
        Measure(Statistic.SUM, income, None, clamp_of(domain_of(income, scope))),
        Measure(Statistic.CENTRED_SUM, age, young, clamp_of(domain_of(age, scope))),
        Measure(Statistic.QUANTILE_TREE, age, young, clamp_of(domain_of(age, scope))),
    )
    sets = (GroupingSet((0, 1)), GroupingSet((2,)), GroupingSet((1, 3)), GroupingSet((4,)), GroupingSet(()))
    return Plan(1, bytes(32), Aggregate(Scan("people"), keys, sets, measures))


def lines(count: int, seed: int) -> list[str]:
    draw = random.Random(seed)
    return [
        f"p{draw.randrange(count)},{draw.choice('NSEWX')},{draw.choice('FMX')},{draw.randrange(-5, 130)},"
        f"{draw.randrange(-100, 25_000_000) / 100},{draw.choice((2019, 2020, 2021))}-{draw.randrange(1, 13):02}-28,,\n"
        for _ in range(count)
    ]


def _times(*factors: Expression | Fraction) -> Expression:
    """A product of doubles, without folding."""
    first, *rest = (f if isinstance(f, Call | ColumnRef) else Literal(Type.DECIMAL, Fraction(f)) for f in factors)
    return reduce(lambda a, b: Call(Function.MULTIPLY, (a, b)), rest, first)


TENTHS = Call(Function.ADD, (Literal(Type.DECIMAL, Fraction(1, 10)), Literal(Type.DECIMAL, Fraction(1, 5))))
UNEVEN: dict[str, Expression] = {  # whole before the rounding of doubles, beside a whole number after it
    "income in pence": _times(ColumnRef("income"), Fraction(100)),
    "three": _times(TENTHS, Fraction(10)),
    "three for some": Call(
        Function.CASE,
        (
            Call(Function.EQUAL, (ColumnRef("region"), Literal(Type.TEXT, "S"))),
            _times(TENTHS, Fraction(10)),
            Literal(Type.DECIMAL, None),
        ),
    ),
}


@pytest.mark.parametrize("capped", [False, True])
@pytest.mark.parametrize("name", UNEVEN)
def test_a_whole_key_loses_no_row_to_doubles(source: DuckDBSource, tmp_path: Path, name: str, capped: bool) -> None:
    """Every row falls into a listed cell, and the engine's rows are never more than the cells."""
    columns = tuple(replace(c, bounds=Bounds(Fraction(0), Fraction(1))) if c.name == "income" else c for c in PEOPLE)
    definition = dataset(columns, rows_per_person=2 if capped else 1, groups_per_person=1)
    catalogue = catalogue_of(definition)
    body = "".join(f"p{n},{'NS'[n % 2]},F,1,{n / 100},2020-01-01,true,\n" for n in range(101))
    expression = UNEVEN[name]
    made = key(expression, catalogue)
    aggregate = Aggregate(Scan("people"), (made,), (GroupingSet((0,)),), (Measure(Statistic.COUNT_ROWS),))
    plan = Plan(1, bytes(32), aggregate)
    calibration = calibrate(plan, catalogue, Loss(10_000_000, 0), 1, 0)
    tables = publish(definition, HEADER + body, tmp_path, source)
    cells = partials(plan, catalogue, calibration, tables, source)
    expected = [1] * 101 if name == "income in pence" else [101] if name == "three" else [50, 51]
    assert [c // calibration.multipliers[0] for c in cells] == expected
    query = query_of(aggregate, aggregate.grouping_sets[0], catalogue, source.dialect, "salt")
    [rows] = source.select(tables.databases, [query], len(cells))
    assert len(rows) == len(cells)


def test_rows_of_unlisted_keys_are_dropped_before_groups(source: DuckDBSource, tmp_path: Path) -> None:
    """A list of fewer values than the rows have, as if a domain were wrong: the rest never becomes groups."""
    definition = dataset()
    catalogue = catalogue_of(definition)
    made = replace(key(Call(Function.ABS, (ColumnRef("age"),)), catalogue), values=(Literal(Type.INTEGER, 7),))
    aggregate = Aggregate(Scan("people"), (made,), (GroupingSet((0,)),), (Measure(Statistic.COUNT_ROWS),))
    body = "".join(f"p{n},N,F,{n},1,2020-01-01,true,\n" for n in range(100))
    tables = publish(definition, HEADER + body, tmp_path, source)
    query = query_of(aggregate, aggregate.grouping_sets[0], catalogue, source.dialect, "salt")
    assert [[tuple(row) for row in rows] for rows in source.select(tables.databases, [query], 1)] == [[(7, "1")]]


@pytest.mark.parametrize("rows_per_person", [1, 3])
def test_partials_of_parts_add_up_to_partials_of_the_whole(
    source: DuckDBSource, tmp_path: Path, rows_per_person: int
) -> None:
    """combine(partials over a split by person) = partials of the union, cell by cell."""
    definition = dataset(rows_per_person=rows_per_person)
    catalogue = catalogue_of(definition)
    plan = plan_of(catalogue)
    calibration = calibrate(plan, catalogue, Loss(10_000_000, 0), 1, 0)
    body = lines(400, seed=9)

    def sums(part: list[str], name: str) -> tuple[int, ...]:
        tables = publish(definition, HEADER + "".join(part), tmp_path / name, source, seed=7)
        return partials(plan, catalogue, calibration, tables, source)

    whole = sums(body, "whole")
    parts = [sums([x for x in body if hash_of(x) % 3 == n], f"part{n}") for n in range(3)]
    assert tuple(map(sum, zip(*parts, strict=True))) == whole
    assert len(whole) == cells_of(plan.aggregate, scope_of(Scan("people"), catalogue))
    assert sum(map(bool, whole)) > 60


EXTREME = (
    ["big,N,F,130,1e9,2021-12-31,,\n"] * 6,
    ["big,N,F,-9,-1e9,2020-01-01,,\n"] * 2,
    [f"big,{r},{s},130,1e308,2020-{m:02}-28,,\n" for r in "NSEW" for s in "FM" for m in (2, 5, 8, 11)],
    ["big,X,,nan,inf,infinity,,\n"] * 3,
    ["p3,W,M,30,250000,2020-06-30,true,\n"] * 3,
)


@pytest.mark.parametrize(("rows", "groups"), [(1, 1), (4, 4), (4, 2)])
def test_one_person_moves_no_block_beyond_its_norm(
    source: DuckDBSource, tmp_path: Path, rows: int, groups: int
) -> None:
    """Neighbouring files, same snapshot key: the real partials differ by at most the declared L2 norms.

    And the norms are not wasted: somebody reaches at least half of those of counts and sums.
    """
    definition = dataset(rows_per_person=rows, groups_per_person=groups)
    catalogue = catalogue_of(definition)
    plan = plan_of(catalogue)
    calibration = calibrate(plan, catalogue, Loss(10_000_000, 0), 1, 0)
    scope = scope_of(Scan("people"), catalogue)
    squares = tuple(row_square(m, scope) for m in plan.aggregate.measures)
    norms = block_norms(plan.aggregate, squares, stability_of(Scan("people"), catalogue))
    body = lines(60, seed=4)
    reached = [0.0] * len(plan.aggregate.measures)
    before = [x for x in body if not x.startswith("p3,")]

    def sums(part: list[str], name: str) -> tuple[int, ...]:
        tables = publish(definition, HEADER + "".join(part), tmp_path / name, source, seed=2)
        return partials(plan, catalogue, calibration, tables, source)

    without = sums(before, "without")
    for index, added in enumerate(EXTREME):
        moved = [a - b for a, b in zip(sums(before + added, str(index)), without, strict=True)]
        for block in layout_of(plan.aggregate, scope):
            cells = moved[block.offset : block.offset + block.cells]
            allowed = norms[block.measure][block.grouping_set] * calibration.multipliers[block.measure] ** 2
            square = sum(c * c for c in cells)
            assert square <= allowed, (index, block)
            reached[block.measure] = max(reached[block.measure], sqrt(square / allowed))
    assert min(reached) >= 0.5


def hash_of(line: str) -> int:
    """The share of a line: by its person alone."""
    return int(line.partition(",")[0][1:])


def test_keys_are_placed_in_cell_order(source: DuckDBSource, tmp_path: Path) -> None:
    """Row-major over the values listed, NULL where declared; a value not listed falls in no cell."""
    definition = dataset()
    catalogue = catalogue_of(definition)
    rows = [("N", "F", 3), ("N", "", 2), ("W", "M", 4), ("X", "F", 1), ("S", "F", 1)]
    body = [f"{r}{s}{n},{r},{s},,,,,\n" for r, s, count in rows for n in range(count)]
    tables = publish(definition, HEADER + "".join(body), tmp_path, source)
    keys = (key(ColumnRef("region"), catalogue), key(ColumnRef("sex"), catalogue))
    aggregate = Aggregate(
        Scan("people"), keys, (GroupingSet((0, 1)), GroupingSet((1,))), (Measure(Statistic.COUNT_ROWS),)
    )
    plan = Plan(1, bytes(32), aggregate)
    calibration = replace(calibrate(plan, catalogue, Loss(10_000_000, 0), 1, 0), multipliers=(10,))
    cells = partials(plan, catalogue, calibration, tables, source)
    by_both, by_sex = (
        cells[b.offset : b.offset + 12] for b in layout_of(aggregate, scope_of(Scan("people"), catalogue))
    )
    shown = {
        (r.value, s.value): by_both[i * 3 + j] // 10
        for i, r in enumerate(keys[0].values)
        for j, s in enumerate(keys[1].values)
        if by_both[i * 3 + j]
    }
    assert shown == {("N", "F"): 3, ("N", None): 2, ("W", "M"): 4, ("S", "F"): 1}
    assert dict(zip((v.value for v in keys[1].values), by_sex, strict=False)) == {"F": 50, "M": 40, None: 20}
    shorter = replace(keys[0], values=keys[0].values[1:])
    fewer = replace(plan, aggregate=replace(aggregate, keys=(shorter, keys[1])))
    calibration = replace(calibration, cells=cells_of(fewer.aggregate, scope_of(Scan("people"), catalogue)))
    assert sum(partials(fewer, catalogue, calibration, tables, source)[:9]) == 50


def test_many_cells(source: DuckDBSource, tmp_path: Path) -> None:
    """An integer key of thousands of values, each in its own cell."""
    columns = (PEOPLE[0], replace(PEOPLE[3], name="n", bounds=replace(PEOPLE[3].bounds, upper=Fraction(9_999))))  # type: ignore[type-var]
    definition = dataset(columns)
    catalogue = catalogue_of(definition)
    body = "".join(f"p{n},{n}\n" for n in range(0, 10_000, 3))
    tables = publish(definition, "person_id,n\n" + body, tmp_path, source)
    aggregate = Aggregate(
        Scan("people"), (key(ColumnRef("n"), catalogue),), (GroupingSet((0,)),), (Measure(Statistic.COUNT_ROWS),)
    )
    plan = Plan(1, bytes(32), aggregate)
    calibration = replace(calibrate(plan, catalogue, Loss(10_000_000, 0), 1, 0), multipliers=(1,))
    cells = partials(plan, catalogue, calibration, tables, source)
    assert cells == tuple(int(n % 3 == 0) for n in range(10_000))


def test_no_snapshot_no_answer(source: DuckDBSource) -> None:
    catalogue = catalogue_of(dataset())
    plan = plan_of(catalogue)
    calibration = calibrate(plan, catalogue, Loss(10_000_000, 0), 1, 0)
    with pytest.raises(Unavailable, match="NODE_SNAPSHOT_MISSING"):
        partials(plan, catalogue, calibration, Tables(()), source)
