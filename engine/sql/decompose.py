"""Pass 4, decompose: the statement's aggregates -> measures that nodes can add up. ``Restricted`` -> ``Decomposed``.

SUM is one measure. AVG is a centred sum and the count of the same rows (same expression, same filter); variances and
the like are several (moments.py); a quantile is a tree of counts that all quantiles of the same values share. Equal
measures are released once. Where the rows of a SUM are counted for another figure anyway, it is the centre times that
count plus a centred sum: in a release of k measures with centre c and half range r that has the variance k (c^2 + r^2)
where a sum of its own has k (|c| + r)^2, or k + 1 times as much beside an AVG of the same values (decision 0016).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from engine.sql.bind import BoundQuery
from engine.sql.bound import Bound, located
from engine.sql.moments import MOMENTS, centred, moment_leaf
from engine.sql.outputs import QUANTILES, AggregateUse, aggregate_leaf, grouping_leaf, key_leaf
from engine.sql.restrict import Restricted
from engine.sql.sides import is_private
from engine.sql.statement import (
    Context,
    CountLeaf,
    Figure,
    GroupingLeaf,
    KeyLeaf,
    Leaf,
    MeanLeaf,
    QuantileLeaf,
    SumLeaf,
    TotalLeaf,
)
from engine.trusted.calibrate import grid_of
from engine.trusted.domains import Scope, scope_of
from engine.trusted.join import factors_of
from engine.trusted.plan import Aggregate, Clamp, Expression, GroupingSet, Measure, Statistic, Type

_COUNTED = {
    Figure.ROWS: Statistic.COUNT_ROWS,
    Figure.PRESENT: Statistic.COUNT_PRESENT,
    Figure.PERSONS: Statistic.COUNT_PERSONS,
}


@dataclass(frozen=True, slots=True)
class Decomposed:
    query: BoundQuery
    aggregate: Aggregate
    leaves: tuple[tuple[str, Leaf], ...]


def decompose(restricted: Restricted, context: Context) -> Decomposed:
    """The plan's aggregate, and what each leaf of the outputs is in terms of its measures."""
    measures: list[Measure] = []
    leaves: list[tuple[str, Leaf]] = [(key_leaf(i), KeyLeaf(i)) for i in range(len(restricted.keys))]
    leaves += [(grouping_leaf(keys), GroupingLeaf(keys)) for keys in restricted.query.groupings]
    scope = scope_of(restricted.relation, context.catalogue)
    uses = list(zip(restricted.query.aggregates, restricted.clamps, strict=True))
    others: list[Measure] = []  # released for figures that are no sums
    for use, clamp in uses:
        if use.figure is not Figure.SUM:
            _leaf(use, clamp, scope, others)
    for index, (use, clamp) in enumerate(uses):
        total = _total(use, clamp, scope, others) if use.figure is Figure.SUM else None
        known = len(measures)
        if total is None:
            leaf = _leaf(use, clamp, scope, measures)
        else:
            leaf = TotalLeaf(*(_place(measures, measure) for measure in total))
        leaves.append((aggregate_leaf(index), leaf))
        if is_private(restricted.relation):
            with located(use.at):  # conditions of FILTER are of one side each
                for measure in measures[known:]:
                    factors_of(measure, scope)
    sets = tuple(GroupingSet(keys) for keys in restricted.query.sets)
    aggregate = Aggregate(restricted.relation, restricted.keys, sets, tuple(measures))
    return Decomposed(restricted.query, aggregate, tuple(leaves))


def _total(
    use: AggregateUse, clamp: Clamp | None, scope: Scope, others: Sequence[Measure]
) -> tuple[Measure, Measure] | None:
    """Centred sum and count that make up a SUM; None where they are not released, or gain nothing."""
    condition = _inner(use.filter)
    total = Measure(Statistic.CENTRED_SUM, _inner(use.argument), condition, clamp)
    counted = _present(use.argument, condition)
    gains = total in others or grid_of(total, scope).centre != 0
    return (total, counted) if counted in others and gains else None


def _leaf(use: AggregateUse, clamp: Clamp | None, scope: Scope, measures: list[Measure]) -> Leaf:
    argument, condition = _inner(use.argument), _inner(use.filter)
    if use.figure is Figure.SUM:
        return SumLeaf(_place(measures, Measure(Statistic.SUM, argument, condition, clamp)))
    if use.figure is Figure.MEAN and use.argument is not None:
        total = _place(measures, centred(use.argument, condition))
        counted = _present(use.argument if use.second is None else None, condition)  # of two: where both have a value
        return MeanLeaf(total, _place(measures, counted))
    if use.figure in MOMENTS and use.argument is not None:
        columns = [use.argument] if use.second is None else [use.argument, use.second]
        with located(use.at):
            return moment_leaf(use.figure, columns, use.filter, scope, lambda measure: _place(measures, measure))
    if use.figure in QUANTILES and use.fraction is not None:
        tree = _place(measures, Measure(Statistic.QUANTILE_TREE, argument, condition, clamp))
        return QuantileLeaf(tree, use.fraction, use.figure is not Figure.QUANTILE_CONT or _is_date(use.argument))
    return CountLeaf(_place(measures, Measure(_COUNTED[use.figure], argument, condition)))


def _is_date(bound: Bound | None) -> bool:
    return bound is not None and bound.domain is not None and bound.domain.type is Type.DATE


def _present(argument: Bound | None, condition: Expression | None) -> Measure:
    """The count of the rows a sum adds up; all of them if the argument can never be NULL."""
    if argument is None or (argument.domain is not None and not argument.domain.nullable):
        return Measure(Statistic.COUNT_ROWS, None, condition)
    return Measure(Statistic.COUNT_PRESENT, argument.expression, condition)


def _place(measures: list[Measure], measure: Measure) -> int:
    """The position of a measure; equal ones share it."""
    if measure not in measures:
        measures.append(measure)
    return measures.index(measure)


def _inner(bound: Bound | None) -> Expression | None:
    return None if bound is None else bound.expression
