"""What a forecast assumes where the error depends on data: rows made from the public catalogue alone.

Every column lies evenly over its published bounds or domain, independently of the others; no value is missing; rows
lie evenly over the cells. How many rows there are is what the analyst expects, else the owners' ``at_most``, else
1,000 a cell. Nothing here has seen a row.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from functools import lru_cache
from math import ceil, floor, prod

import numpy as np

from engine.sql.consistency import noise_scales
from engine.sql.evaluate import evaluate
from engine.sql.figures import Group, Unit
from engine.sql.quantiles import Curve
from engine.sql.statement import Statement
from engine.trusted import dates
from engine.trusted.calibrate import Tree, tree_of
from engine.trusted.catalogue import DEFAULT_PERSONS, Catalogue, Dataset
from engine.trusted.domain import Domain, bounded
from engine.trusted.domains import domain_of, scope_of
from engine.trusted.join import is_join
from engine.trusted.plan import Aggregate, Clamp, Filter, LiteralValue, Measure, Project, Relation, Statistic, Type
from engine.trusted.stability import Stability, stability_of
from engine.trusted.walk import names_in

SAMPLE = 1_000  # rows made to stand for all
LEAST_KEPT = 50  # of them, or WHERE is taken to keep every row
ROWS_A_CELL = 1_000  # where nobody has said anything
SEED = 1
VALUE = "value of the measure"
Row = dict[str, LiteralValue]


@dataclass(frozen=True, slots=True)
class Assumption:
    """``rows`` that reach the figures, of ``persons`` persons, at all hosts together; ``words`` say where from."""

    rows: int
    persons: int
    words: str


def assume(plan: Aggregate, catalogue: Catalogue, rows: int | None, persons: int | None) -> Assumption:
    """``rows``: expected after WHERE, if the analyst knows; ``persons`` likewise."""
    stability = stability_of(plan.input, catalogue)
    if rows is not None:
        return Assumption(rows, min(persons or rows, rows), f"{rows:,} rows, as given")
    if persons is not None:
        words = f"{persons:,} persons, as given"
        if stability.rows > 1:
            words += f", with {stability.rows} rows each: {persons * stability.rows:,} rows"
        return Assumption(persons * stability.rows, persons, words)
    return _from_catalogue(plan, catalogue, stability)


def _from_catalogue(plan: Aggregate, catalogue: Catalogue, stability: Stability) -> Assumption:
    scanned = [d for d in catalogue.datasets if d.name in stability.datasets]
    persons = (min if is_join(plan) else max)(map(_persons, scanned))
    if all(d.at_most_persons == DEFAULT_PERSONS for d in scanned):
        rows = ROWS_A_CELL * max(prod(shape) for shape in shapes(plan))
        persons = max(1, rows // stability.rows)
        return Assumption(rows, persons, f"{ROWS_A_CELL:,} rows a cell, for the catalogue does not say at_most")
    rows = min(stability.at_most_rows * len(stability.hosts), persons * stability.rows)
    kept = round(rows * kept_share(plan.input, catalogue))
    hosts = f"{len(stability.hosts)} hosts" if len(stability.hosts) > 1 else "its host"
    words = f"{rows:,} rows, the catalogue's at_most at {hosts}"
    if kept < rows:
        words += f", of which WHERE keeps {kept:,}"
    return Assumption(kept, min(persons, kept), words)


def _persons(dataset: Dataset) -> int:
    return dataset.at_most_persons * len(dataset.hosts) // min(dataset.overlap, len(dataset.hosts))


def shapes(plan: Aggregate) -> tuple[tuple[int, ...], ...]:
    """For each grouping set, how many values each of its keys has."""
    sizes = [len(key.values) or key.selected_at_most for key in plan.keys]
    return tuple(tuple(sizes[key] for key in chosen.keys) for chosen in plan.grouping_sets)


def assumed_group(
    statement: Statement, catalogue: Catalogue, units: Sequence[Unit], chosen: int, assumption: Assumption
) -> Group:
    """The released figures of a middle cell of grouping set ``chosen``, as they would be without noise."""
    plan, scales = statement.plan.aggregate, noise_scales(statement, catalogue, units)[chosen]
    scope, kept = scope_of(plan.input, catalogue), plan.grouping_sets[chosen].keys
    cells = prod(shapes(plan)[chosen])
    rows = assumption.rows / cells
    groups = min(stability_of(plan.input, catalogue).groups, assumption.rows / max(assumption.persons, 1))
    persons = min(rows, assumption.persons * (groups / cells if kept else 1))
    keys = tuple(
        key.values[len(key.values) // 2].value if place in kept and key.values else None
        for place, key in enumerate(plan.keys)
    )
    sample = len(made_rows(plan.input, catalogue))
    sums, curves = [], {}
    for index, unit in enumerate(units):
        tree = tree_of(unit.measure, scope)
        values = contributions(unit.measure, plan.input, catalogue)
        share = len(values) / sample
        if tree is not None:
            curves[index] = _curve(tree, unit, values, rows * share)
        sums.append(_sum(unit, values, persons if unit.measure.statistic is Statistic.COUNT_PERSONS else rows, sample))
    return Group(keys, tuple(sums), kept, curves, scales)


@lru_cache(maxsize=128)
def contributions(measure: Measure, relation: Relation, catalogue: Catalogue) -> tuple[float, ...]:
    """What each made row that counts adds to a measure: 1 to a count, else its clamped value."""
    found = []
    for row in _measured(measure, relation, catalogue):
        if measure.filter is not None and evaluate(measure.filter, row) is not True:
            continue
        value = 1 if measure.expression is None else row[VALUE]
        if value is None:
            continue
        if measure.clamp is None:
            found.append(1.0)
        else:
            number = dates.day_number(value) if isinstance(value, date) else Fraction(value)
            found.append(float(min(max(number, measure.clamp.lower), measure.clamp.upper)))
    return tuple(found)


def _measured(measure: Measure, relation: Relation, catalogue: Catalogue) -> list[Row]:
    """The made rows, each with the measure's own value; that is spread evenly itself over a column without bounds."""
    rows, expression = made_rows(relation, catalogue), measure.expression
    if expression is None:
        return rows
    scope = scope_of(relation, catalogue)
    if all(_is_known(scope[name]) for name in names_in(expression)):
        return [row | {VALUE: evaluate(expression, row)} for row in rows]
    domain = domain_of(expression, scope)
    order = np.random.default_rng(SEED).permutation(len(rows))
    return [row | {VALUE: _spaced(domain, (int(i) + 0.5) / len(rows))} for i, row in zip(order, rows, strict=True)]


def _is_known(domain: Domain) -> bool:
    """Whether the values that a column may have are published."""
    return domain.person or domain.values is not None or bounded(domain)


def _sum(unit: Unit, values: Sequence[float], rows: float, sample: int) -> Fraction:
    if unit.measure.statistic is Statistic.QUANTILE_TREE:
        return Fraction(0)
    centre = float(unit.grid.centre)
    return Fraction(sum(value - centre for value in values) / sample * rows)


def _curve(tree: Tree, unit: Unit, values: Sequence[float], rows: float) -> Curve:
    """Counts up to the end of each leaf, straight between the made values: those stand for many others."""
    clamp, step = unit.measure.clamp, float(unit.grid.step)
    if clamp is None or not values:
        return Curve(unit.grid, tree, clamp or Clamp(Fraction(0), Fraction(0)), np.zeros(tree.leaves), unit.deviation)
    ends = float(unit.grid.centre) + (np.arange(1, tree.leaves + 1) * tree.width - 0.5) * step
    ordered = np.sort(np.array(values))
    edges = np.concatenate(([float(clamp.lower) - step / 2], ordered, [float(clamp.upper) + step / 2]))
    ranks = np.concatenate(([0.0], np.arange(len(ordered)) + 0.5, [float(len(ordered))])) * rows / len(ordered)
    return Curve(unit.grid, tree, clamp, np.interp(ends, edges, ranks), unit.deviation)


def made_rows(relation: Relation, catalogue: Catalogue) -> list[Row]:
    """``SAMPLE`` rows of a relation, or those that its filters keep; all, if they would keep too few to go by."""
    rows = _through(relation, catalogue)
    return rows if len(rows) >= LEAST_KEPT else _drawn(relation, catalogue)


def kept_share(relation: Relation, catalogue: Catalogue) -> float:
    """The share of rows that WHERE keeps, of those made; 1 where too few are kept to go by."""
    kept = len(_through(relation, catalogue))
    return kept / SAMPLE if kept >= LEAST_KEPT else 1.0


@lru_cache(maxsize=8)  # a forecast asks for the same rows for each figure
def _through(relation: Relation, catalogue: Catalogue) -> list[Row]:
    """Scans are made up and what stands above them is computed; features and joins are made up as a whole."""
    match relation:
        case Filter(input=source, predicate=predicate):
            return [row for row in _through(source, catalogue) if evaluate(predicate, row) is True]
        case Project(input=source, columns=columns):
            return [row | {c.name: evaluate(c.expression, row) for c in columns} for row in _through(source, catalogue)]
        case _:
            return _drawn(relation, catalogue)


@lru_cache(maxsize=8)
def _drawn(relation: Relation, catalogue: Catalogue) -> list[Row]:
    generator = np.random.default_rng(SEED)  # only the order of evenly spaced values: it protects nobody
    columns: Mapping[str, list[LiteralValue]] = {
        name: [_spread(domain)[place] for place in generator.permutation(SAMPLE).tolist()]
        for name, domain in scope_of(relation, catalogue).items()
    }
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


@lru_cache(maxsize=256)  # the columns of a catalogue, whatever is asked of them
def _spread(domain: Domain) -> tuple[LiteralValue, ...]:
    """``SAMPLE`` values that lie evenly over a domain."""
    return tuple(_spaced(domain, (place + 0.5) / SAMPLE) for place in range(SAMPLE))


def _spaced(domain: Domain, share: float) -> LiteralValue:
    """The value that lies at a share, from 0 to 1, of a domain."""
    if domain.person:
        return f"person {share}"
    if domain.values is not None:
        return domain.values[int(share * len(domain.values))] if domain.values else None
    if domain.interval is None or not bounded(domain):
        return _UNKNOWN[domain.type]
    lower, upper = domain.interval
    step = Fraction(1) if domain.type is Type.DATE else domain.step
    if step is None:
        return lower + (upper - lower) * Fraction(share)
    first, last = ceil(lower / step), floor(upper / step)
    value = (first + int(share * (last - first + 1))) * step
    if domain.type is Type.DATE:
        day = dates.day_of(value)
        return dates.truncate(day, domain.grain) if domain.grain else day
    return int(value) if domain.type is Type.INTEGER else value


_UNKNOWN: dict[Type, LiteralValue] = {
    Type.TEXT: "text",
    Type.INTEGER: 0,
    Type.DECIMAL: Fraction(0),
    Type.DATE: dates.EPOCH,
    Type.BOOLEAN: False,
}
