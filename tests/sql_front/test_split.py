"""Weights and shared counts, judged by formulas written down here: what they gain and that they harm no data much."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import product
from math import sqrt

import pytest

from engine.sql import Context, prepare
from engine.sql.figures import Unit, units_of
from engine.sql.split import split
from engine.sql.statement import CountLeaf, Leaf, MeanLeaf, Statement, SumLeaf, TotalLeaf
from engine.trusted.calibrate import calibrate
from engine.trusted.epsilon import loss_for
from engine.trusted.plan import Measure
from engine.trusted.walk import names_in

LOSS = loss_for(Fraction(1), Fraction(1, 10**9))
MOST_HARM = 1.04  # in variance: 3.03 %, and what multipliers are off by
POSITIONS = (0.005, 0.05, 0.2, 0.48, 0.8, 0.95, 1.0)  # of a mean, from the lower to the upper bound
ROWS, KEPT = 1_000.0, 100.0  # all, and those that a FILTER keeps
# statement -> the least and the most that the sum of relative variances falls to, over all positions
HELPED = {
    "AVG(income)": (0.86, MOST_HARM),
    "AVG(income), AVG(balance) FILTER (WHERE consent)": (0.86, MOST_HARM),
    "COUNT(*), SUM(income)": (0.86, MOST_HARM),
    "SUM(income), COUNT(*), SUM(income) / COUNT(*)": (0.86, MOST_HARM),
    "COUNT(*), SUM(income), SUM(children)": (0.91, MOST_HARM),
}


def units(statement: Statement, context: Context) -> tuple[Unit, ...]:
    found = calibrate(statement.plan, context.catalogue, LOSS, 2, 0)
    return units_of(statement, context.catalogue, found, 2)


def relative_variance(leaf: Leaf, held: Sequence[Unit], mean: Mapping[str, float]) -> float:
    """To first order, over rows whose values have these means."""
    match leaf:
        case CountLeaf(measure=m):
            return (held[m].deviation / rows_of(held[m])) ** 2
        case SumLeaf(measure=m):
            return (held[m].deviation / rows_of(held[m]) / mean_of(held[m].measure, mean)) ** 2
        case MeanLeaf(centred_sum=m, count=n):
            middle = mean_of(held[m].measure, mean)
            off = middle - float(held[m].grid.centre)
            return (held[m].deviation ** 2 + (off * held[n].deviation) ** 2) / (rows_of(held[m]) * middle) ** 2
    raise TypeError(leaf)


def rows_of(unit: Unit) -> float:
    return ROWS if unit.measure.filter is None else KEPT


def mean_of(measure: Measure, position: Mapping[str, float]) -> float:
    name = measure.expression.name  # type: ignore[union-attr]
    low, high = float(measure.clamp.lower), float(measure.clamp.upper)  # type: ignore[union-attr]
    return low + position[name] * (high - low)


def factors(sql: str, context: Context, weights: Sequence[int] | None = None) -> list[float]:
    """Sum of relative variances with weights (the statement's own, or these) by that of equal shares."""
    statement = prepare(f"SELECT {sql} FROM people", context.catalogue, context.rules)
    own = [m.weight for m in statement.plan.aggregate.measures]
    after, before = (units(weighted(statement, w), context) for w in (weights or own, [0] * len(own)))
    leaves = dict(statement.leaves)
    figures = [leaves[name] for output in statement.outputs for name in names_in(output.expression)]
    found = []
    for places in product(POSITIONS, repeat=3):
        mean = dict(zip(("income", "balance", "children"), places, strict=True))
        new, old = (sum(relative_variance(leaf, held, mean) for leaf in figures) for held in (after, before))
        found.append(new / old)
    return found


def weighted(statement: Statement, weights: Sequence[int]) -> Statement:
    measures = tuple(replace(m, weight=w) for m, w in zip(statement.plan.aggregate.measures, weights, strict=True))
    aggregate = replace(statement.plan.aggregate, measures=measures)
    return replace(statement, plan=replace(statement.plan, aggregate=aggregate))


@pytest.mark.parametrize("sql", HELPED)
def test_weights_help_and_harm_no_data_much(sql: str, context: Context) -> None:
    least, most = HELPED[sql]
    found = factors(sql, context)
    assert min(found) < least
    assert max(found) < most


@pytest.mark.parametrize(
    ("sql", "weights"),
    [
        ("AVG(income)", (64, 1)),
        ("AVG(income)", (2, 1)),
        ("COUNT(*), SUM(income)", (1, 4)),
        ("COUNT(*), SUM(income)", (7, 5)),
        ("AVG(income), COUNT(*)", (7, 5, 7)),
        ("SUM(income), AVG(children)", (7, 7, 5)),
        ("SUM(income), COUNT(*) FILTER (WHERE consent)", (7, 5)),
        ("SUM(income), COUNT(*), COUNT(*) / 2", (7, 5)),
    ],
)
def test_other_weights_would_harm_some_data(sql: str, weights: tuple[int, ...], context: Context) -> None:
    assert max(factors(sql, context, weights)) > MOST_HARM


def test_an_output_counts_once_for_each_figure_in_it(context: Context) -> None:
    """Twice the count and once the sum: equal shares, or the count would be harmed."""
    for counts in ("COUNT(*), COUNT(person_id)", "COUNT(*), COUNT(*) / 2"):  # a person is never NULL
        own = prepare(f"SELECT {counts}, SUM(income) FROM people", context.catalogue, context.rules)
        assert [m.weight for m in own.plan.aggregate.measures] == [0, 0]
    outputs = [o.expression for o in own.outputs[1:]]
    assert {m.weight for m in split(own.plan.aggregate, own.leaves, outputs).measures} == {5, 7}


# -- a sum beside a count of its rows: measures of the release, then half range and centre of the values
TOTALS = {
    "SUM(income), COUNT(income)": (2, 100_000, 100_000),
    "COUNT(*), SUM(income), AVG(income)": (3, 100_000, 100_000),
    "SUM(children), STDDEV_POP(children)": (3, 6, 6),
}


@pytest.mark.parametrize("sql", TOTALS)
def test_a_sum_made_of_a_centred_sum_and_a_count_errs_less(sql: str, context: Context) -> None:
    """By its variance k (c^2 + r^2), against k (|c| + r)^2 of a sum of its own in a release of as many measures."""
    statement = prepare(f"SELECT {sql} FROM people", context.catalogue, context.rules)
    [total] = [leaf for _, leaf in statement.leaves if isinstance(leaf, TotalLeaf)]
    held = units(statement, context)
    found = sqrt(held[total.centred_sum].deviation ** 2 + (TOTALS[sql][2] * held[total.count].deviation) ** 2)
    count, reach, centre = TOTALS[sql]
    one = units(prepare("SELECT COUNT(*) FROM people", context.catalogue, context.rules), context)[0].deviation
    assert len(held) == count
    assert found == pytest.approx(one * sqrt(count * (centre**2 + reach**2)), rel=0.01)
    assert found < 0.75 * one * sqrt(count) * (centre + reach)
