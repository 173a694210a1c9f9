"""Forecasts against releases that are really drawn, against the intervals of releases, and against themselves."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from math import sqrt
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import chi2

from engine.catalogue import load_catalogue
from engine.client.advice import POOR
from engine.client.assumed import LEAST_KEPT, kept_share
from engine.client.forecast import ColumnError, Forecast, Terms, forecast
from engine.errors import Refused
from engine.governance.federation import default_rules
from engine.sql import prepare
from engine.sql.evaluate import evaluate
from engine.sql.finish import Answer, finish
from engine.sql.statement import Statement
from engine.trusted import ring
from engine.trusted.calibrate import Block, calibrate, grid_of, layout_of
from engine.trusted.catalogue import Catalogue
from engine.trusted.domains import scope_of
from engine.trusted.epsilon import allowance, loss_for
from engine.trusted.noise import ProductionSampler
from engine.trusted.plan import LiteralValue, Measure
from engine.trusted.random import SystemRandomness
from engine.trusted.records import AccountCap, AccountScope, Calibration, Loss
from engine.trusted.stability import stability_of

CATALOGUE = load_catalogue(Path(__file__).parent.parent / "plans" / "catalogue.yaml")
RULES = default_rules()
EPSILON, DELTA = Fraction(1), Fraction(1, 10**9)
ALARM = 1e-9
PLANTED = 1.2
Row = dict[str, LiteralValue]


def asked(
    sql: str,
    rows: int | None = None,
    n_min: int | None = None,
    persons: int | None = None,
    catalogue: Catalogue = CATALOGUE,
) -> Forecast:
    terms = Terms(EPSILON, DELTA, n_min, rows, persons)
    return forecast(prepare(sql, catalogue, RULES), catalogue, RULES, terms)


def column(found: Forecast, name: str, keys: int | None = None) -> ColumnError:
    return next(c for c in found.columns if c.column == name and keys in (None, len(c.keys)))


def calibrated(sql: str, n_min: int) -> tuple[Statement, Calibration, int]:
    statement = prepare(sql, CATALOGUE, RULES)
    hosts = len(stability_of(statement.plan.aggregate.input, CATALOGUE).hosts)
    return statement, calibrate(statement.plan, CATALOGUE, loss_for(EPSILON, DELTA), n_min, 0), hosts


def released(sql: str, n_min: int, true: np.ndarray | None = None) -> Answer:
    """An answer with the noise that every host's node would draw; ``true``: sums in ring units, else zero."""
    statement, calibration, hosts = calibrated(sql, n_min)
    sampler = ProductionSampler(SystemRandomness())
    total = ring.from_integers([0] * calibration.cells if true is None else true.tolist())
    for _ in range(hosts):
        total = ring.add(
            total, ring.from_integers(sampler.gaussian(calibration.node_sigma, calibration.cells).tolist())
        )
    return finish(statement, CATALOGUE, calibration, ring.to_signed(total), hosts)


# -- counts and sums: exact

DRAWN = {  # statement of many cells -> n_min
    "SELECT birth_year, children, COUNT(*) AS f FROM people GROUP BY ALL": 2,
    "SELECT birth_year, children, SUM(balance) AS f FROM people GROUP BY ALL": 2,
    "SELECT birth_year, children, 2 * SUM(income) - COUNT(*) AS f FROM people GROUP BY ALL": 1,
    "SELECT birth_year, children, SUM(income) AS f, AVG(income) AS g FROM people GROUP BY ALL": 2,
    "SELECT days, COUNT(*) AS f, SUM(days) AS g FROM visits GROUP BY days": 3,
    "SELECT birth_year, region, COUNT(DISTINCT person_id) AS f FROM people GROUP BY CUBE (birth_year, region)": 2,
}


@pytest.mark.parametrize(("sql", "n_min"), DRAWN.items())
def test_forecast_deviation_is_that_of_drawn_releases(sql: str, n_min: int) -> None:
    """False alarm 1e-9 a case (chi-square over the cells, normal noise); 20 % more or less would be rejected."""
    answer, found = released(sql, n_min), column(asked(sql, n_min=n_min), "f")
    assert found.exact
    assert found.deviation is not None
    where = answer.columns.index("f")
    values = np.array([float(row[where]) for row in answer.rows])  # type: ignore[arg-type]
    assert len(values) > 300

    def fits(deviation: float) -> bool:
        low, high = chi2.ppf([ALARM / 2, 1 - ALARM / 2], len(values))
        return bool(low < float((values**2).sum()) / deviation**2 < high)

    assert fits(found.deviation)
    if len(values) > 1_000:
        assert not fits(found.deviation * PLANTED)
        assert not fits(found.deviation / PLANTED)


def test_levels_that_add_up_are_forecast_with_their_smaller_noise() -> None:
    sql = "SELECT sex, COUNT(*) AS f FROM people GROUP BY ROLLUP (sex)"
    answer, found = released(sql, 2), asked(sql)
    assert [d["f"] for d in answer.deviations] == [pytest.approx(column(found, "f", 1).deviation)] * 4 + [
        pytest.approx(column(found, "f", 0).deviation)
    ]
    alone = asked("SELECT region, COUNT(*) AS f FROM people GROUP BY ROLLUP (region)")
    ratio = (column(found, "f", 0).deviation or 0) / (column(alone, "f", 0).deviation or 1)
    assert ratio == pytest.approx(sqrt(0.8), rel=0.01)


def test_fewer_nodes_cost_what_the_forecast_says() -> None:
    sql = "SELECT COUNT(*) AS n FROM visits"
    all_, two = asked(sql, n_min=3), asked(sql, n_min=2)
    ratio = (column(two, "n").deviation or 0) / (column(all_, "n").deviation or 1)
    assert ratio == pytest.approx(sqrt(3 / 2), rel=0.005)
    assert (all_.variance_factor, two.variance_factor) == (1, 1.5)
    assert any("the variance is 1.5 times, the error 1.22 times" in note for note in two.notes)
    assert not any("the variance is" in note for note in all_.notes)


# -- means and quantiles: under the assumption

ROWS = 400  # a cell
MANY, FEWER = ("birth_year, region", 444), ("birth_year", 111)  # trees have 5,460 cells a group
FACTORS = {  # what is drawn, by what is forecast: a quantile's forecast is on the safe side
    "AVG(income)": (MANY, 0.8, 1.25),
    "MEDIAN(income)": (FEWER, 0.4, 1.1),
    "QUANTILE_CONT(income, 0.9)": (FEWER, 0.4, 1.1),
}


def counted(block: Block, measure: Measure, values: np.ndarray, statement: Statement) -> np.ndarray:
    """One measure of one group over even incomes, in steps: by numpy, apart from the code it judges."""
    grid = grid_of(measure, scope_of(statement.plan.aggregate.input, CATALOGUE))
    steps = np.floor((values - float(grid.centre)) / float(grid.step) + 0.5).astype(np.int64)
    if block.tree is None:
        return np.array([len(values) if measure.clamp is None else steps.sum()])
    leaves = np.bincount(steps // block.tree.width, minlength=block.tree.leaves)
    layers = [leaves.reshape(block.tree.branching**d, -1).sum(axis=1) for d in range(1, block.tree.depth + 1)]
    return np.concatenate(layers)


@pytest.mark.parametrize("figure", FACTORS)
def test_forecast_of_means_and_quantiles_is_near_what_is_drawn(figure: str) -> None:
    """Root mean square error over groups of even values within the factors; three times more would be rejected.

    That error itself is uncertain by 3.4 % (444 groups) or 6.7 % (111), around 0.99 of the forecast for a mean and 0.7
    for a quantile, so the factors leave some six deviations: false alarm below 1e-8.
    """
    (keys, groups), low, high = FACTORS[figure]
    sql = f"SELECT {keys}, {figure} AS f FROM people GROUP BY ALL"
    statement, calibration, _ = calibrated(sql, 2)
    aggregate = statement.plan.aggregate
    blocks = layout_of(aggregate, scope_of(aggregate.input, CATALOGUE))
    draw, true, exact = np.random.default_rng(11), np.zeros(calibration.cells, dtype=np.int64), []
    for cell in range(groups):
        values = np.round(draw.uniform(0, 200_000, ROWS), 2)
        exact.append(values.mean() if "AVG" in figure else np.quantile(values, 0.5 if "MEDIAN" in figure else 0.9))
        for block in blocks:
            size = block.tree.nodes if block.tree else 1
            sums = counted(block, aggregate.measures[block.measure], values, statement)
            true[block.offset + cell * size :][:size] = sums * calibration.multipliers[block.measure]
    answer = released(sql, 2, true)
    errors = np.array([float(row[-1]) for row in answer.rows]) - np.array(exact)  # type: ignore[arg-type]
    found = column(asked(sql, ROWS * groups), "f")
    assert not found.exact
    ratio = sqrt(float((errors**2).mean())) / (found.deviation or 0)
    assert low < ratio < high
    assert not low < 3 * ratio < high


FIGURES = [
    "COUNT(*)",
    "SUM(income)",
    "AVG(income)",
    "SUM(income) / COUNT(*)",
    "AVG(LEAST(income, 50000)) / 12",
    "STDDEV_POP(income)",
    "MEDIAN(income)",
    "QUANTILE_CONT(income, 0.9) - MEDIAN(income)",
    "100 * COUNT(*) FILTER (WHERE income < 50000) / COUNT(*)",
    "CASE WHEN COUNT(*) > 100 THEN AVG(income) END",
]


@pytest.mark.parametrize("figure", FIGURES)
def test_forecast_is_the_interval_of_a_release_over_even_data(figure: str) -> None:
    """5,000 rows with incomes spread evenly, released without noise but with its interval: within 5 %."""
    sql = f"SELECT {figure} AS f FROM people"
    statement, calibration, hosts = calibrated(sql, 2)
    aggregate = statement.plan.aggregate
    rows: list[Row] = [{"income": Fraction(round((i + 0.5) * 4000), 100)} for i in range(5_000)]
    cells: list[int] = []
    for block in layout_of(aggregate, scope_of(aggregate.input, CATALOGUE)):
        measure = aggregate.measures[block.measure]
        kept = [r for r in rows if measure.filter is None or evaluate(measure.filter, r) is True]
        values = [evaluate(measure.expression, r) if measure.expression else Fraction(1) for r in kept]
        sums = counted(block, measure, np.array([float(v) for v in values]), statement)  # type: ignore[arg-type]
        cells += [int(s) * calibration.multipliers[block.measure] for s in sums]
    answer = finish(statement, CATALOGUE, calibration, tuple(cells), hosts)
    low, high = answer.intervals[0]["f"]
    found = column(asked(sql, 5_000), "f")
    assert found.half_width == pytest.approx((high - low) / 2, rel=0.05)
    assert found.deviation == pytest.approx(answer.deviations[0]["f"], rel=0.05)
    assert found.figure == pytest.approx(float(answer.rows[0][0]), rel=0.02)  # type: ignore[arg-type]


def test_noise_too_large_for_a_figure_is_said_and_advised_about() -> None:
    """Half a row a cell is expected: there is no mean to speak of, and the advice is to merge or pay."""
    found = asked("SELECT birth_year, AVG(income) AS m FROM people GROUP BY birth_year", 55)
    mean = column(found, "m")
    assert (mean.figure, mean.half_width, mean.deviation, mean.relative) == (None, None, None, None)
    assert found.advice
    assert {a.before for a in found.advice} == {None}
    assert all("instead of no usable figure" in a.words for a in found.advice)


def test_a_correlation_of_independent_columns_is_no_measure() -> None:
    found = column(asked("SELECT CORR(income, balance) AS k FROM people", 5_000), "k")
    assert found.relative is None
    assert 0 < (found.half_width or 0) < 0.5


# -- what is assumed


def test_rows_come_from_the_analyst_else_from_at_most_else_1000_a_cell() -> None:
    sql = "SELECT region, AVG(income) AS m FROM people GROUP BY region"
    assert asked(sql, 8_000).assumption.rows == 8_000
    assert asked(sql, persons=500).assumption.rows == 500
    assert asked(sql).assumption.rows == 2_000_000
    assert "at_most at 2 hosts" in asked(sql).assumption.words
    visits = asked("SELECT ward, AVG(days) AS m FROM visits GROUP BY ward")
    assert (visits.assumption.rows, visits.assumption.persons) == (2_000, 400)
    assert asked("SELECT COUNT(*) FROM visits", persons=100).assumption.rows == 500


def test_where_keeps_its_share_of_even_values() -> None:
    statement = prepare("SELECT COUNT(*) AS n FROM people WHERE birth_year < 1955", CATALOGUE, RULES)
    assert kept_share(statement.plan.aggregate.input, CATALOGUE) == pytest.approx(55 / 111, abs=0.01)
    rare = prepare("SELECT COUNT(*) AS n FROM people WHERE income < 10", CATALOGUE, RULES)
    assert kept_share(rare.plan.aggregate.input, CATALOGUE) == 1
    assert LEAST_KEPT > 0


# -- bias


def biases(sql: str, rows: int | None = None, persons: int | None = None) -> dict[str, float | None]:
    return {bias.words: bias.share for bias in asked(sql, rows, persons=persons).bias}


def test_one_row_a_person_leaves_nothing_out() -> None:
    assert biases("SELECT COUNT(*) FROM people") == {
        "people: one row a person is declared, so no row is left out.": 0.0
    }


def test_rows_and_groups_beyond_the_bounds_are_left_out() -> None:
    found = biases("SELECT days, COUNT(*) FROM visits GROUP BY days", 1_000, 100)
    (rows,) = [share for words, share in found.items() if "further ones are left out" in words]
    (groups,) = [share for words, share in found.items() if "at most 2 groups" in words]
    assert rows == pytest.approx(-(0.9**5))  # ten a person in the mean, five kept: a half, and more if few have many
    assert -0.6 < (groups or 0) < -0.59  # five rows, nearly always of five different days, two kept


def test_what_a_narrower_clamp_cuts_is_computed() -> None:
    found = biases("SELECT SUM(GREATEST(LEAST(income, 100000), 20000)) AS s FROM people")
    high, low = sorted(words for words in found if words.startswith("Values of"))[::-1]
    assert "below 20000 count as 20000" in low + high
    shares = [share for words, share in found.items() if words.startswith("Values of")]
    assert any(share == pytest.approx(-0.245, abs=0.01) for share in shares)  # 75,000 of 100,000; and some by the floor
    assert all(share is not None for share in shares)
    assert not any(w.startswith("Values of") for w in biases("SELECT SUM(LEAST(income, 300000)) AS s FROM people"))


def test_what_a_clamp_cuts_of_a_column_without_bounds_only_owners_know() -> None:
    found = biases("SELECT SUM(LEAST(100, GREATEST(-5, serial))) AS s FROM people")
    cut = {words: share for words, share in found.items() if words.startswith("Values of")}
    assert set(cut.values()) == {None}
    assert any("only the owners know" in words for words in cut)


@pytest.mark.parametrize(
    "figure",
    [
        "VAR_POP(LEAST(income, 50000))",
        "STDDEV_SAMP(LEAST(income, 50000))",
        "CORR(LEAST(income, 50000), birth_year)",
        "COVAR_POP(birth_year, LEAST(income, 50000))",
        "REGR_SLOPE(LEAST(income, 50000), birth_year)",
        "AVG(LEAST(income, 50000)), VAR_POP(LEAST(income, 50000))",
        "SUM(LEAST(balance + 1, 2000))",  # of a sum near 0 it would be many times as much
        "AVG(GREATEST(balance + 1, 0))",
    ],
)
def test_no_share_is_told_of_moments_or_beyond_the_whole(figure: str) -> None:
    cut = {words: share for words, share in biases(f"SELECT {figure} FROM people").items() if "count as" in words}
    told = [words for words in cut if words.startswith("Values of")]
    assert told
    assert all("only the owners know" in words for words in told)
    assert set(cut.values()) == {None}


def test_a_value_over_columns_without_bounds_is_spread_itself() -> None:
    found = column(asked("SELECT AVG(LEAST(100, GREATEST(0, serial))) AS m FROM people", 5_000), "m")
    assert found.figure == pytest.approx(50, rel=0.01)


# -- cost


def test_shares_of_every_cap() -> None:
    found = asked("SELECT COUNT(*) AS n FROM people").cost
    loss = loss_for(EPSILON, DELTA)
    assert (found.loss, found.nodes) == (loss, ("north", "south"))
    part = loss.rho_billionths / allowance(Fraction(8), Fraction(1, 10**6)).rho_billionths
    assert [(s.account, s.span, s.share) for s in found.shares] == [
        ("identifier nino", "365 days", part),
        ("identifier nino", "lifetime", part),
    ]


def test_shares_are_of_the_caps_that_hold_for_the_asker() -> None:
    """Caps of other accounts do not count; of several for one account, the tighter one does; delta counts too."""
    from engine.client.cost import Asker, shares_of

    scope, wide, tight = AccountScope, Loss(10**9, 10**12), Loss(10**9, 10**10)
    caps = (
        AccountCap(scope.IDENTIFIER, "", 30, tight, wide),
        AccountCap(scope.IDENTIFIER, "nino", 0, None, tight),
        AccountCap(scope.DATASET, "visits", 0, None, tight),
        AccountCap(scope.ANALYST_ACCOUNT, "ann", 0, None, wide),
        AccountCap(scope.ANALYST_ACCOUNT, "bob", 0, None, Loss(1, 1)),
    )
    plan = prepare("SELECT COUNT(*) AS n FROM people", CATALOGUE, RULES).plan
    found = shares_of(plan, CATALOGUE, replace(RULES, caps=caps), Loss(10**7, 10**9), Asker("ann"))
    assert [(s.account, s.span, s.share) for s in found] == [
        ("identifier nino", "30 days", 0.1),
        ("identifier nino", "lifetime", 0.1),
        ("analyst ann", "lifetime", 0.01),
    ]


def test_a_delta_or_n_min_out_of_range_is_refused() -> None:
    statement = prepare("SELECT COUNT(*) AS n FROM people", CATALOGUE, RULES)
    for terms, code in (
        (Terms(EPSILON, Fraction(1, 2)), "SQL_DELTA_RANGE"),
        (Terms(EPSILON, DELTA, 3), "POLICY_N_MIN_HOSTS"),
        (Terms(Fraction(2_000), DELTA), "SQL_EPSILON_RANGE"),
    ):
        with pytest.raises(Refused) as refused:
            forecast(statement, CATALOGUE, RULES, terms)
        assert refused.value.code == code


# -- advice


def advice(sql: str, rows: int, n_min: int | None = None) -> dict[str, tuple[float | None, float]]:
    return {a.words: (a.before, a.after) for a in asked(sql, rows, n_min).advice}


def one(found: dict[str, tuple[float | None, float]], start: str) -> tuple[float | None, float]:
    (pair,) = [pair for words, pair in found.items() if words.startswith(start)]
    return pair


def test_advice_on_bounds_is_the_forecast_of_the_statement_it_gives() -> None:
    found = advice("SELECT region, SUM(income) AS s FROM people GROUP BY region", 500)
    assert any("(in SQL: LEAST(income, 100000))" in words for words in found)
    before, after = one(found, "Narrow the bounds of income from [0, 200000] to [0, 100000]")
    told = column(asked("SELECT region, SUM(LEAST(income, 100000)) AS s FROM people GROUP BY region", 500), "s")
    whole = column(asked("SELECT region, SUM(income) AS s FROM people GROUP BY region", 500), "s")
    assert after * (whole.figure or 0) == pytest.approx(told.half_width)
    assert after == pytest.approx((before or 0) / 2, rel=0.01)


def test_advice_on_groups_epsilon_and_nodes_holds_when_followed() -> None:
    sql = "SELECT birth_year, COUNT(*) AS n FROM people GROUP BY birth_year"
    found = advice(sql, 8_000, 1)
    assert one(found, "Ask with n_min = 2")[1] == pytest.approx(column(asked(sql, 8_000, 2), "n").relative)
    before, after = one(found, "Merge these groups")
    assert (before or 0) > POOR >= after
    dearer = forecast(prepare(sql, CATALOGUE, RULES), CATALOGUE, RULES, Terms(Fraction(5), DELTA, 1, 8_000))
    assert one(found, "Ask with epsilon 5")[1] == pytest.approx(column(dearer, "n").relative)
    assert (column(dearer, "n").relative or 1) <= POOR


def test_a_needlessly_exact_question_is_told_what_would_do() -> None:
    found = advice("SELECT COUNT(*) AS n FROM people", 2_000)
    before, after = one(found, "Epsilon 0.2 would do")
    assert (before or 1) < 0.02 < after <= POOR / 2


def test_a_good_forecast_needs_no_advice() -> None:
    assert advice("SELECT COUNT(*) AS n FROM people", 500) == {}
