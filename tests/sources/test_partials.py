"""Partials: cell order, multipliers, and the law that parts add up to the whole."""

from __future__ import annotations

import random
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest
from published import PEOPLE, catalogue_of, dataset, publish

from engine.errors import Unavailable
from engine.trusted.calibrate import calibrate, cells_of, layout_of
from engine.trusted.catalogue import Catalogue
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
from nodes.partials import partials
from nodes.sources.duckdb import DuckDBSource
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
