"""Intervals cover what they claim: simulated releases from known true sums, with stated false-alarm rates."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from math import sqrt

import numpy as np
import pytest
from scipy.stats import binom

from engine.sql import Context, prepare
from engine.sql.finish import finish
from engine.trusted.calibrate import calibrate, grid_of
from engine.trusted.domains import scope_of
from engine.trusted.epsilon import loss_for
from engine.trusted.plan import Statistic
from engine.trusted.records import Calibration
from engine.trusted.wording import in_sql

RELEASES = 400
ALARM = 1e-6
CASES = {  # what is asked, and its true value for 1,000 rows of income 30,000 and 1 child
    "COUNT(*)": 1000.0,
    "SUM(income)": 30_000_000.0,
    "2 * COUNT(*) - SUM(children) / 4": 1750.0,
    "SUM(income) + 0 * COUNT(income)": 30_000_000.0,
    "AVG(income)": 30_000.0,
    "SUM(income) / COUNT(income)": 30_000.0,
    "SUM(income) / COUNT(*)": 30_000.0,
    "ROUND(100 * AVG(children) / 2, 3)": 50.0,
    "CASE WHEN COUNT(*) > 500 THEN SUM(children) ELSE 0 END": 1000.0,
    "SUM(children) * COUNT(*)": 1_000_000.0,
    "STDDEV_POP(balance)": 1_000.0,
    "VAR_SAMP(balance)": 1_000_000 * 1000 / 999,
    "CORR(balance, birth_year)": 0.5,
    "REGR_SLOPE(balance, birth_year)": 20.0,
}
VALUES = {  # means: balance 100 with deviation 1,000, birth year 1975 with deviation 25, correlation 0.5
    "income": Fraction(30_000),
    "children": Fraction(1),
    "balance": Fraction(100),
    "birth_year": Fraction(1975),
    "balance * balance": Fraction(1_010_000),
    "(birth_year - 1955) * (birth_year - 1955)": Fraction(1025),
    "(birth_year - 1955) * balance": Fraction(14_500),
}


def covered(figure: str, context: Context, shown: float) -> int:
    """How many of the releases have the true value inside the interval; ``shown``: noise as told over noise drawn."""
    statement = prepare(f"SELECT {figure} AS f FROM people", context.catalogue, context.rules)
    calibration = calibrate(statement.plan, context.catalogue, loss_for(Fraction(1), Fraction(1, 10**9)), 2, 0)
    scope = scope_of(statement.plan.aggregate.input, context.catalogue)
    true = []
    for measure, multiplier in zip(statement.plan.aggregate.measures, calibration.multipliers, strict=True):
        grid, value = grid_of(measure, scope), Fraction(1)
        if measure.statistic in (Statistic.SUM, Statistic.CENTRED_SUM):
            value = (VALUES[in_sql(measure.expression)] - grid.centre) / grid.step
        true.append(int(1000 * value * multiplier))
    told: Calibration = replace(calibration, node_sigma=round(calibration.node_sigma * shown))
    draw = np.random.default_rng(5)
    noise = np.rint(draw.normal(0, sqrt(2) * calibration.node_sigma, (RELEASES, len(true)))).astype(int)
    hits = 0
    for row in noise:
        cells = tuple(t + int(n) for t, n in zip(true, row, strict=True))
        answer = finish(statement, context.catalogue, told, cells, 2, np.random.default_rng(3))
        low, high = answer.intervals[0]["f"]
        hits += low <= CASES[figure] <= high
    return hits


@pytest.mark.parametrize("figure", CASES)
def test_95_percent_intervals_cover(figure: str, context: Context) -> None:
    """False alarm at most 1e-6 for a coverage of 93.5 % or more (normal approximations cost a little)."""
    assert covered(figure, context, 1.0) >= binom.ppf(ALARM, RELEASES, 0.935)


@pytest.mark.parametrize(
    "figure", ["COUNT(*)", "SUM(income) + 0 * COUNT(income)", "AVG(income)", "SUM(income) / COUNT(*)"]
)
def test_a_planted_error_is_rejected(figure: str, context: Context) -> None:
    """Noise told at half its size covers some 67 %: far below the threshold of the test above."""
    assert covered(figure, context, 0.5) < binom.ppf(ALARM, RELEASES, 0.935)
