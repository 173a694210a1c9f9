"""The exact cells of a plan over rows this machine made itself: what an answer on dummy data is held against.

A second reading of the plan, apart from the nodes': row by row, with the expressions of engine/sql/evaluate.py. Groups
a person has too many of are not left out here, so what that costs shows beside the noise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date
from fractions import Fraction
from itertools import chain
from math import floor
from typing import Any

from engine.sql.evaluate import evaluate
from engine.trusted import dates
from engine.trusted.calibrate import Block, Grid, grid_of, layout_of
from engine.trusted.catalogue import Catalogue
from engine.trusted.domain import Domain
from engine.trusted.domains import Scope, domain_of, person_of, product_of, scope_of
from engine.trusted.join import factors_of
from engine.trusted.plan import (
    Expression,
    Feature,
    Filter,
    JoinKind,
    Key,
    LiteralValue,
    Measure,
    PersonAggregate,
    PersonFeature,
    PersonJoin,
    Plan,
    PrivateJoin,
    Project,
    Relation,
    Scan,
    Statistic,
    Type,
    UnionAll,
)
from engine.trusted.records import Calibration

Row = dict[str, LiteralValue]
Table = Sequence[Row]


def exact_cells(
    plan: Plan, catalogue: Catalogue, calibration: Calibration, tables: Mapping[str, Table]
) -> tuple[int, ...]:
    """Cells in ring units, laid out as a release's; ``tables``: all rows of each dataset, of all hosts."""
    aggregate = plan.aggregate
    scope, person = scope_of(aggregate.input, catalogue), person_of(aggregate.input, catalogue)
    rows = list(rows_of(aggregate.input, catalogue, tables))
    places = [_places(key, rows) for key in aggregate.keys]
    cells = [0] * calibration.cells
    for block in layout_of(aggregate, scope):
        measure = aggregate.measures[block.measure]
        adds = _adds_of(measure, scope)
        multiplier, chosen = calibration.multipliers[block.measure], aggregate.grouping_sets[block.grouping_set].keys
        seen: set[tuple[int, LiteralValue]] = set()
        for index, row in enumerate(rows):
            cell = _cell([places[key][index] for key in chosen], block.shape)
            steps = None if cell is None else adds(row)
            if cell is None or steps is None:
                continue
            if measure.statistic is Statistic.COUNT_PERSONS:
                if (cell, row[person]) in seen:
                    continue
                seen.add((cell, row[person]))
            _add(cells, block, cell, steps, multiplier)
    return tuple(cells)


def _add(cells: list[int], block: Block, cell: int, steps: int, multiplier: int) -> None:
    if block.tree is None:
        cells[block.offset + cell] += steps * multiplier
        return
    for node in block.tree.path(steps // block.tree.width):
        cells[block.offset + cell * block.tree.nodes + node] += multiplier


def _cell(positions: Sequence[int | None], shape: Sequence[int]) -> int | None:
    cell = 0
    for position, size in zip(positions, shape, strict=True):
        if position is None:
            return None
        cell = cell * size + position
    return cell


def _places(key: Key, rows: Table) -> list[int | None]:
    """The position of each row's key value in the plan's list; None if it is not listed."""
    listed = {literal.value: position for position, literal in enumerate(key.values)}
    return [listed.get(evaluate(key.expression, row)) for row in rows]


def _adds_of(measure: Measure, scope: Scope) -> Callable[[Row], int | None]:
    """As ``_adds``; of a product across a private join, whole steps of each factor are multiplied."""
    if measure.clamp is None or measure.expression is None or product_of(measure.expression, scope) is None:
        return _adds(measure, grid_of(measure, scope))
    left, right = (_adds(factor, grid_of(factor, scope)) for factor in factors_of(measure, scope))

    def adds(row: Row) -> int | None:
        first, second = left(row), right(row)
        return None if first is None or second is None else first * second

    return adds


def _adds(measure: Measure, grid: Grid) -> Callable[[Row], int | None]:
    """What a row adds to its cell in whole steps: 1 to a count, the leaf's first step to a tree; None: nothing."""

    def adds(row: Row) -> int | None:
        if measure.filter is not None and evaluate(measure.filter, row) is not True:
            return None
        if measure.expression is None:
            return 1
        value = evaluate(measure.expression, row)
        if value is None or measure.clamp is None:
            return None if value is None else 1
        number = dates.day_number(value) if isinstance(value, date) else Fraction(value)
        ends = (_steps(measure.clamp.lower, grid), _steps(measure.clamp.upper, grid))
        return min(max(_steps(number, grid), ends[0]), ends[1])

    return adds


def _steps(number: Fraction, grid: Grid) -> int:
    whole = floor((number - grid.centre) / grid.step + Fraction(1, 2))
    return max(-grid.bound_steps, min(grid.bound_steps, whole))


def rows_of(relation: Relation, catalogue: Catalogue, tables: Mapping[str, Table]) -> Iterable[Row]:
    """The rows of a relation, of all hosts together."""
    match relation:
        case Scan(dataset=name):
            return tables[name]
        case Filter(input=source, predicate=predicate):
            return (row for row in rows_of(source, catalogue, tables) if evaluate(predicate, row) is True)
        case Project(input=source, columns=columns):
            person = person_of(source, catalogue)
            return (
                {person: row[person], **{c.name: evaluate(c.expression, row) for c in columns}}
                for row in rows_of(source, catalogue, tables)
            )
        case PersonAggregate(input=source, features=features):
            person, scope = person_of(source, catalogue), scope_of(source, catalogue)
            whole = {f.name: _is_whole(f.expression, scope) for f in features}
            return (
                {person: who, **{f.name: _feature(f, held, whole[f.name]) for f in features}}
                for who, held in _by_person(rows_of(source, catalogue, tables), person).items()
            )
        case PersonJoin():
            return _joined(relation, catalogue, tables)
        case PrivateJoin(left=left, right=right):
            return _joined(PersonJoin(JoinKind.INNER, left, right), catalogue, tables)
        case UnionAll(left=left, right=right):
            person, other = person_of(left, catalogue), person_of(right, catalogue)
            renamed = (
                {person if n == other else n: v for n, v in row.items()} for row in rows_of(right, catalogue, tables)
            )
            return chain(rows_of(left, catalogue, tables), renamed)


def _is_whole(expression: Expression | None, scope: Mapping[str, Domain]) -> bool:
    return expression is None or domain_of(expression, scope).type is Type.INTEGER


def _by_person(rows: Iterable[Row], person: str) -> dict[LiteralValue, list[Row]]:
    found: dict[LiteralValue, list[Row]] = {}
    for row in rows:
        found.setdefault(row[person], []).append(row)
    return found


def _feature(feature: PersonFeature, rows: Table, whole: bool) -> LiteralValue:
    """One figure over the rows of a person; NULL where no row has a value."""
    kept = [row for row in rows if feature.filter is None or evaluate(feature.filter, row) is True]
    if feature.expression is None:
        return len(kept)
    values: list[Any] = [v for v in (evaluate(feature.expression, row) for row in kept) if v is not None]
    if feature.feature is Feature.COUNT_PRESENT:
        return len(values)
    if not values:
        return None
    if feature.feature in (Feature.SUM, Feature.AVERAGE):
        total = sum(map(Fraction, values))
        if feature.feature is Feature.AVERAGE:
            return Fraction(total) / len(values)
        return int(total) if whole else total
    figures: dict[Feature, Callable[[list[Any]], LiteralValue]] = {
        Feature.MINIMUM: min,
        Feature.MAXIMUM: max,
        Feature.ANY_TRUE: any,
    }
    return figures[feature.feature](values)


def _joined(relation: PersonJoin, catalogue: Catalogue, tables: Mapping[str, Table]) -> Iterator[Row]:
    """Each row of a person beside each of theirs on the other side; LEFT: beside NULLs where there is none."""
    left, right = person_of(relation.left, catalogue), person_of(relation.right, catalogue)
    others = _by_person(rows_of(relation.right, catalogue, tables), right)
    absent: Row = dict.fromkeys(scope_of(relation.right, catalogue))
    for row in rows_of(relation.left, catalogue, tables):
        met = others.get(row[left], [])
        if relation.join in (JoinKind.SEMI, JoinKind.ANTI):
            if bool(met) == (relation.join is JoinKind.SEMI):
                yield row
            continue
        for other in met or ([absent] if relation.join is JoinKind.LEFT else []):
            yield {**{name: value for name, value in other.items() if name != right}, **row}
