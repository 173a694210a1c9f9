"""Noisy cells -> released figures: what each measure came to in each group, in its own unit, and its noise."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from fractions import Fraction
from itertools import product
from math import isnan, sqrt
from typing import TYPE_CHECKING

from engine.errors import Bug
from engine.sql.evaluate import round_half_away
from engine.sql.statement import (
    CountLeaf,
    GroupingLeaf,
    KeyLeaf,
    Leaf,
    MeanLeaf,
    MomentLeaf,
    QuantileLeaf,
    Statement,
    SumLeaf,
    TotalLeaf,
)
from engine.trusted.calibrate import Block, Grid, grid_of, layout_of
from engine.trusted.catalogue import Catalogue
from engine.trusted.dates import EPOCH
from engine.trusted.domains import domain_of, scope_of
from engine.trusted.plan import Literal, LiteralValue, Measure, Statistic, Type
from engine.trusted.records import Calibration

if TYPE_CHECKING:
    from engine.sql.quantiles import Curve


@dataclass(frozen=True, slots=True)
class Unit:
    """How one measure is decoded: grid, value of one ring unit, standard deviation, whether it counts in wholes."""

    measure: Measure
    grid: Grid
    ring: Fraction  # what one ring unit is worth
    deviation: float  # of the noise on one cell, in the measure's own unit
    whole: bool
    type: Type  # of the values


@dataclass(frozen=True, slots=True)
class Group:
    """One row before HAVING: key values, for each measure the noisy sum, and ``kept``: the keys of its grouping set.

    ``scales``: for measures whose noise here is less than a unit's deviation, by how much (consistency.py).
    """

    keys: tuple[LiteralValue, ...]
    sums: tuple[Fraction, ...]
    kept: tuple[int, ...] = ()
    curves: Mapping[int, Curve] = field(default_factory=dict)
    scales: Mapping[int, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Line:
    """One group with its leaves by name; ``index``: its place among all groups."""

    index: int
    group: Group
    leaves: Mapping[str, LiteralValue]


def units_of(statement: Statement, catalogue: Catalogue, calibration: Calibration, survivors: int) -> tuple[Unit, ...]:
    """One a measure. The noise of a cell has variance survivors * node_sigma**2 in ring units."""
    aggregate = statement.plan.aggregate
    scope = scope_of(aggregate.input, catalogue)
    if len(calibration.multipliers) != len(aggregate.measures):
        raise Bug("BUG_UNEXPECTED", internal="multipliers")
    units: list[Unit] = []
    for measure, multiplier in zip(aggregate.measures, calibration.multipliers, strict=True):
        grid = grid_of(measure, scope)
        ring = (Fraction(1) if measure.statistic is Statistic.QUANTILE_TREE else grid.step) / multiplier
        deviation = sqrt(survivors) * calibration.node_sigma * float(ring)
        whole = measure.expression is None or measure.clamp is None
        if not whole and measure.expression is not None:
            whole = domain_of(measure.expression, scope).type is Type.INTEGER
        kind = Type.INTEGER if measure.expression is None else domain_of(measure.expression, scope).type
        units.append(Unit(measure, grid, ring, deviation, whole, kind))
    return tuple(units)


def groups_of(
    statement: Statement, catalogue: Catalogue, units: tuple[Unit, ...], cells: tuple[int, ...]
) -> Iterator[Group]:
    """Every group of every grouping set, in the order of the cells."""
    aggregate = statement.plan.aggregate
    blocks = layout_of(aggregate, scope_of(aggregate.input, catalogue))
    for index, grouping_set in enumerate(aggregate.grouping_sets):
        own = [block for block in blocks if block.grouping_set == index]
        plain = [None if block.tree else block.offset for block in own]
        values = [
            key.values if position in grouping_set.keys else (Literal(Type.TEXT, None),)
            for position, key in enumerate(aggregate.keys)
        ]
        for cell, literals in enumerate(product(*values)):
            keys = tuple(literal.value for literal in literals)
            sums = tuple(
                Fraction(0) if start is None else cells[start + cell] * unit.ring
                for start, unit in zip(plain, units, strict=True)
            )
            yield Group(keys, sums, grouping_set.keys, _curves(own, cell, units, cells))


def _curves(blocks: list[Block], cell: int, units: tuple[Unit, ...], cells: tuple[int, ...]) -> dict[int, Curve]:
    """The trees of one group, opened."""
    found: dict[int, Curve] = {}
    for block in blocks:
        unit, tree = units[block.measure], block.tree
        if tree is None or unit.measure.clamp is None:
            continue
        import numpy as np

        from engine.sql.quantiles import curve_of

        start = block.offset + cell * tree.nodes
        nodes = np.array(cells[start : start + tree.nodes], dtype=np.float64)
        counts = nodes * unit.ring.numerator / unit.ring.denominator
        found[block.measure] = curve_of(tree, unit.grid, unit.measure.clamp, counts, unit.deviation)
    return found


def leaf_value(leaf: Leaf, group: Group, units: tuple[Unit, ...]) -> LiteralValue:
    """What a leaf shows: counts and sums of integers as whole numbers, sums of decimals on their grid."""
    match leaf:
        case KeyLeaf(key=key):
            return group.keys[key]
        case CountLeaf(measure=measure):
            return int(round_half_away(group.sums[measure]))
        case SumLeaf(measure=measure):
            return _shown_sum(group.sums[measure], units[measure])
        case TotalLeaf(centred_sum=measure):
            return _shown_sum(total_of(leaf, group, units), units[measure])
        case GroupingLeaf(keys=asked):
            return sum(1 << i for i, key in enumerate(reversed(asked)) if key not in group.kept)
        case QuantileLeaf(measure=measure):
            return _quantile(leaf, group.curves[measure], units[measure])
        case MomentLeaf():
            return _moment(leaf, group, units)
        case MeanLeaf(centred_sum=total, count=count):
            if group.sums[count] < 1:
                return None
            lower, upper = mean_bounds(leaf, units)
            mean = units[total].grid.centre + group.sums[total] / group.sums[count]
            return min(max(mean, lower), upper)


def total_of(leaf: TotalLeaf, group: Group, units: Sequence[Unit]) -> Fraction:
    """A sum before it is rounded for showing."""
    return units[leaf.centred_sum].grid.centre * group.sums[leaf.count] + group.sums[leaf.centred_sum]


def _quantile(leaf: QuantileLeaf, curve: Curve, unit: Unit) -> LiteralValue:
    """On the grid of the values where one row's value is asked for; dates as dates."""
    found = float(curve.at(leaf.fraction, discrete=leaf.discrete))
    if isnan(found):
        return None
    if unit.type is Type.DATE:
        return EPOCH + timedelta(days=round(found))
    step, centre = unit.grid.step, unit.grid.centre
    value = centre + round((Fraction(found) - centre) / step) * step if leaf.discrete else Fraction(found)
    return int(value) if unit.type is Type.INTEGER and leaf.discrete else value


def _moment(leaf: MomentLeaf, group: Group, units: tuple[Unit, ...]) -> LiteralValue:
    from engine.sql.moments import moment

    sums = {m: float(group.sums[m]) for m in (leaf.count, *(m for _, m in leaf.parts))}
    found = float(moment(leaf, sums, units))
    return None if isnan(found) else Fraction(found)


def _shown_sum(total: Fraction, unit: Unit) -> LiteralValue:
    if unit.whole:
        return int(round_half_away(total))
    step = unit.grid.step
    decimal = 10**9 % step.denominator == 0
    return Fraction(round_half_away(total / step)) * step if decimal else total


def mean_bounds(leaf: MeanLeaf, units: tuple[Unit, ...]) -> tuple[Fraction, Fraction]:
    """The clamp of the values a mean is over."""
    clamp = units[leaf.centred_sum].measure.clamp
    if clamp is None:
        raise Bug("BUG_UNEXPECTED", internal="a mean without clamp")
    return clamp.lower, clamp.upper
