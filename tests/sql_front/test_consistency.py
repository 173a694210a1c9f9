"""Totals that add up: against a least squares solver, and on drawn releases (sums, errors, cover)."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import product
from math import prod, sqrt

import numpy as np
import pytest
from scipy.stats import binom, chi2

from engine.sql import Context, prepare
from engine.sql.consistency import cell_variance, families, fitted
from engine.sql.finish import Answer, finish
from engine.sql.statement import Statement
from engine.trusted.calibrate import calibrate
from engine.trusted.epsilon import loss_for
from engine.trusted.records import Calibration

Keys = tuple[int, ...]
SIZES = (2, 3, 4)
SETS = {
    "rollup": [(0, 1, 2), (0, 1), (0,), ()],
    "cube": [(0, 1, 2), (0, 1), (0, 2), (1, 2), (0,), (1,), (2,), ()],
    "some": [(0, 1, 2), (1,), (0, 2)],
    "twice": [(0, 1), (0, 1), ()],
    "one key": [(1,), ()],
}
ALARM = 1e-9
ROLLUP = "SELECT sex, children, {} AS f FROM people GROUP BY ROLLUP (sex, children)"
AGE = "CASE WHEN birth_year < 1940 THEN 'old' WHEN birth_year < 1990 THEN 'middle' ELSE 'young' END"
CUBE = f"SELECT sex, children, {AGE} AS age, {{}} AS f FROM people GROUP BY CUBE (sex, children, age)"


def design(sets: Sequence[Keys]) -> np.ndarray:
    """Released cell by cell of the finest table: 1 where the latter is part of the former."""
    finest = sets[0]
    lines = []
    for keys in sets:
        for values in product(*(range(SIZES[key]) for key in keys)):
            at = dict(zip(keys, values, strict=True))
            lines.append(
                [
                    float(all(cell[finest.index(k)] == v for k, v in at.items()))
                    for cell in product(*(range(SIZES[key]) for key in finest))
                ]
            )
    return np.array(lines)


@pytest.mark.parametrize("sets", SETS.values(), ids=SETS)
def test_the_estimate_is_least_squares_and_its_variance_is_known(sets: list[Keys]) -> None:
    matrix, draw = design(sets), np.random.default_rng(3)
    released = draw.normal(50, 20, len(matrix))
    ends = np.cumsum([prod(SIZES[k] for k in keys) for keys in sets])[:-1]
    parts = np.split(released, ends)
    tables = [(keys, part.reshape([SIZES[k] for k in keys])) for keys, part in zip(sets, parts, strict=True)]
    solved, *_ = np.linalg.lstsq(matrix, released, rcond=None)
    assert fitted(sets[0], tables).ravel() == pytest.approx(solved, abs=1e-9)
    variances = np.diag(matrix @ np.linalg.pinv(matrix))
    for keys, own in zip(sets, np.split(variances, ends), strict=True):
        assert own == pytest.approx(cell_variance(keys, sets, SIZES), abs=1e-9)


# -- drawn releases


def priced(sql: str, context: Context, epsilon: str = "1") -> tuple[Statement, Calibration]:
    statement = prepare(sql, context.catalogue, context.rules)
    loss = loss_for(Fraction(epsilon), Fraction(1, 10**9))
    return statement, calibrate(statement.plan, context.catalogue, loss, 2, 0)


def released(sql: str, context: Context, draw: np.random.Generator, epsilon: str = "1") -> Answer:
    return drawn(*priced(sql, context, epsilon), context, draw)


def drawn(statement: Statement, calibration: Calibration, context: Context, draw: np.random.Generator) -> Answer:
    """Zeros under the noise of two nodes: what is shown is the error."""
    noise = np.rint(draw.normal(0, sqrt(2) * calibration.node_sigma, calibration.cells)).astype(int)
    return finish(statement, context.catalogue, calibration, tuple(noise.tolist()), 2)


SHOWN = ("COUNT(*)", "SUM(income)", "SUM(children)", "COUNT(children)", "COUNT(DISTINCT person_id)")


@pytest.mark.parametrize("figure", [*SHOWN, "SUM(income), COUNT(income)", "SUM(children), AVG(children)"])
@pytest.mark.parametrize("epsilon", ["0.1", "1", "4"])
def test_shown_totals_of_a_rollup_are_the_sums_of_what_is_shown(figure: str, epsilon: str, context: Context) -> None:
    statement, _ = priced(ROLLUP.format(figure), context)
    kept = [set(chosen.keys) for chosen in statement.plan.aggregate.grouping_sets]
    assert kept == [{0, 1}, {0}, set()]
    rows = released(ROLLUP.format(figure), context, np.random.default_rng(8), epsilon).rows
    cells = [Fraction(str(row[2])) for row in rows]
    finest, subtotals, total = cells[:56], cells[56:60], cells[60]
    assert any(finest)
    assert subtotals == [sum(finest[i * 14 : (i + 1) * 14]) for i in range(4)]
    assert sum(subtotals) == total


@pytest.mark.parametrize(
    "figure", ["COUNT(*)", "COUNT(*), SUM(children), COUNT(sex)", "SUM(children), COUNT(children)"]
)
def test_with_little_noise_totals_add_up_but_for_rounding_and_the_note_says_so(figure: str, context: Context) -> None:
    """Each of the sums shown is rounded by a half at most."""
    answer = released(ROLLUP.format(figure), context, np.random.default_rng(8), "20")
    cells = [Fraction(str(row[2])) for row in answer.rows]
    off = [abs(total - sum(cells[i * 14 : (i + 1) * 14])) for i, total in enumerate(cells[56:60])]
    assert 0 < max(off) <= Fraction(15, 2)
    assert any("add up, but for rounding" in note for note in answer.notes)


def test_shown_totals_of_a_cube_add_up_along_every_key(context: Context) -> None:
    statement, _ = priced(CUBE.format("COUNT(*)"), context)
    rows = released(CUBE.format("COUNT(*)"), context, np.random.default_rng(9)).rows
    tables, start = {}, 0
    for chosen in statement.plan.aggregate.grouping_sets:
        shape = [len(statement.plan.aggregate.keys[k].values) for k in chosen.keys]
        tables[chosen.keys] = np.array([row[3] for row in rows[start : start + prod(shape)]]).reshape(shape)
        start += prod(shape)
    assert len(tables) == 8
    for keys, table in tables.items():
        for axis, key in enumerate(keys):
            above = tables[tuple(k for k in keys if k != key)]
            assert (table.sum(axis=axis) == above).all()


def errors(
    sql: str, context: Context, releases: int, column: int
) -> tuple[dict[int, np.ndarray], dict[int, tuple[float, float]]]:
    """By how many keys a row is grouped: all errors shown, and (deviation, half of the interval) as told."""
    draw, found, told = np.random.default_rng(21), dict[int, list[float]](), {}
    statement, calibration = priced(sql, context)
    aggregate = statement.plan.aggregate
    levels = [
        len(chosen.keys)
        for chosen in aggregate.grouping_sets
        for _ in range(prod(len(aggregate.keys[k].values) for k in chosen.keys))
    ]
    for _ in range(releases):
        answer = drawn(statement, calibration, context, draw)
        for level, row, interval, deviation in zip(
            levels, answer.rows, answer.intervals, answer.deviations, strict=True
        ):
            found.setdefault(level, []).append(float(row[column]))  # type: ignore[arg-type]
            low, high = interval["f"]
            told[level] = (deviation["f"], (high - low) / 2)
    return {level: np.array(values) for level, values in found.items()}, told


YEARS = 111  # each with four parts and their total, apart from the others: a row may have no year of birth
LEVELS = "SELECT birth_year, sex, {} AS f FROM people GROUP BY GROUPING SETS ((birth_year, sex), (birth_year))"


@pytest.mark.parametrize("figure", ["COUNT(*)", "SUM(income)"])
def test_the_error_falls_to_what_is_told_and_intervals_cover(figure: str, context: Context) -> None:
    """4,440 totals (1), and the first of the four parts of each (2), in 40 releases. False alarm 1e-9 each.

    Deviation by chi-square: the noise of a cell by itself, 12 % more, is rejected. Cover within 95 % +- 1 %.
    """
    found, told = errors(LEVELS.format(figure), context, 40, 2)
    _, calibration = priced(LEVELS.format(figure), context)
    step = {"COUNT(*)": 1.0, "SUM(income)": 0.01}[figure]
    plain = step * sqrt(2) * calibration.node_sigma / calibration.multipliers[0]
    for level, cells in ((1, 1), (2, 4)):
        values, (deviation, half) = found[level][::cells], told[level]
        assert len(values) == 40 * YEARS
        assert deviation == pytest.approx(plain * sqrt(0.8), rel=0.01)
        low, high = chi2.ppf([ALARM / 2, 1 - ALARM / 2], len(values))
        assert low < (values**2).sum() / deviation**2 < high
        assert not low < (values**2).sum() / plain**2 < high
        covered = int((np.abs(values) <= half).sum())
        assert binom.ppf(ALARM / 2, len(values), 0.94) <= covered <= binom.ppf(1 - ALARM / 2, len(values), 0.96)


def test_a_two_way_table_gains_at_every_level(context: Context) -> None:
    found, told = errors(ROLLUP.format("COUNT(*)"), context, 300, 2)
    _, calibration = priced(ROLLUP.format("COUNT(*)"), context)
    plain = sqrt(2) * calibration.node_sigma / calibration.multipliers[0]
    for level, share in ((0, 0.9), (1, 0.9), (2, 0.97)):
        assert told[level][0] < share * plain
        assert sqrt(float((found[level] ** 2).mean())) == pytest.approx(told[level][0], rel=0.2)


def test_means_use_the_smaller_noise(context: Context) -> None:
    """Sex has three values and NULL, region four and a NULL that is not listed: the same cells, settled or not."""
    settled, alone = (means_by(key, context) for key in ("sex", "region"))
    for own, other in zip(settled.deviations, alone.deviations, strict=True):
        assert own["f"] == pytest.approx(sqrt(0.8) * other["f"], rel=0.01)
    assert settled.rows[4][1] == alone.rows[4][1] == 150_000


def means_by(key: str, context: Context) -> Answer:
    """1,000 rows in each group, of 50,000 above the centre of 100,000, with the interval of a release."""
    statement, calibration = priced(f"SELECT {key}, AVG(income) AS f FROM people GROUP BY ROLLUP ({key})", context)
    total, count = 5_000_000_000 * calibration.multipliers[0], 1_000 * calibration.multipliers[1]
    cells = [total] * 4 + [count] * 4 + [4 * total, 4 * count]
    return finish(statement, context.catalogue, calibration, tuple(cells), 2)


def test_noise_below_one_count_is_not_made_larger_by_rounding(context: Context) -> None:
    """A whole cube at epsilon 100: estimates add up in ring units, and every level errs less than a cell by itself."""
    draw, errs = np.random.default_rng(4), dict[int, list[float]]()
    sql = CUBE.format("COUNT(*) / 1.0")
    statement, calibration = priced(sql, context, "100")
    plain = sqrt(2) * calibration.node_sigma / calibration.multipliers[0]
    for _ in range(30):
        noise = np.rint(draw.normal(0, sqrt(2) * calibration.node_sigma, calibration.cells)).astype(int)
        answer = finish(statement, context.catalogue, calibration, tuple(noise.tolist()), 2)
        for interval, deviation in zip(answer.intervals, answer.deviations, strict=True):
            middle = (interval["f"][0] + interval["f"][1]) / 2
            errs.setdefault(round(1e6 * deviation["f"]), []).append(middle)
    assert 0 < plain < 0.5
    for deviation, middles in errs.items():
        assert deviation / 1e6 < plain
        assert sqrt(float(np.mean(np.square(middles)))) < 1.25 * deviation / 1e6


# -- where it does not apply


@pytest.mark.parametrize(
    ("sql", "sets"),
    [
        ("SELECT sex, COUNT(*) AS n FROM people GROUP BY ROLLUP (sex)", [(0, 1)]),
        ("SELECT region, COUNT(*) AS n FROM people GROUP BY ROLLUP (region)", []),  # a row may have no region
        ("SELECT region, sex, COUNT(*) AS n FROM people GROUP BY CUBE (region, sex)", [(0, 1), (2, 3)]),
        ("SELECT sex, children, COUNT(*) AS n FROM people GROUP BY GROUPING SETS ((sex), (children))", []),
        ("SELECT sex, COUNT(*) AS n FROM people GROUP BY sex", []),
        ("SELECT COALESCE(ward, 'a') AS w, COUNT(*) AS n FROM visits GROUP BY ROLLUP (w)", []),  # groups are left out
    ],
)
def test_only_sets_whose_truth_adds_up_are_settled(sql: str, sets: list[Keys], context: Context) -> None:
    statement = prepare(sql, context.catalogue, context.rules)
    found = families(statement.plan.aggregate, context.catalogue)
    keys = [tuple(len(statement.plan.aggregate.grouping_sets[p].keys) for p in family) for family in found]
    assert len(found) == len(sets)
    assert all(list(lengths) == sorted(lengths, reverse=True) for lengths in keys)
    assert sorted(tuple(sorted(family)) for family in found) == sorted(sorted_sets(statement, sets))


def sorted_sets(statement: Statement, sets: list[Keys]) -> list[Keys]:
    """CUBE lists its sets by size: (region, sex), (region), (sex), ()."""
    if len(statement.plan.aggregate.grouping_sets) == 4:
        return [(0, 1), (2, 3)]
    return sets


def test_what_is_consistent_already_stays_as_it_is(context: Context) -> None:
    statement, calibration = priced(ROLLUP.format("SUM(income)"), context)
    unit = calibration.multipliers[0]
    finest = np.arange(56).reshape(4, 14) * 12_345
    cells = [*finest.ravel(), *finest.sum(axis=1), finest.sum()]
    answer = finish(statement, context.catalogue, calibration, tuple(int(c) * unit for c in cells), 2)
    assert [row[2] for row in answer.rows] == pytest.approx([int(c) / 100 for c in cells])
