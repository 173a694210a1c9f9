"""Finishing against plain computation: cells without noise give exactly what SQL over the rows gives.

The rows are summed here by the plan's own measures in plain Python, so nodes are not needed; DuckDB runs the analyst's
statement over the same rows.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from datetime import date, datetime
from fractions import Fraction
from itertools import product
from math import floor
from typing import Any

import pytest
import yaml

from engine.errors import Bug
from engine.sql import Context, Statement, prepare
from engine.sql.evaluate import evaluate
from engine.sql.finish import Answer, finish
from engine.trusted.calibrate import calibrate, grid_of
from engine.trusted.domains import scope_of
from engine.trusted.epsilon import loss_for
from engine.trusted.plan import Aggregate, Filter, Statistic
from engine.trusted.records import Calibration

duckdb = pytest.importorskip("duckdb")
COLUMNS = {
    "person_id": "VARCHAR",
    "region": "VARCHAR",
    "sex": "VARCHAR",
    "birth_year": "BIGINT",
    "children": "BIGINT",
} | {
    "income": "DOUBLE",
    "balance": "DOUBLE",
    "paid_on": "DATE",
    "consent": "BOOLEAN",
}
STATEMENTS = yaml.safe_load("""
- SELECT COUNT(*), COUNT(children), COUNT(DISTINCT person_id) FROM people
- SELECT SUM(income), AVG(income), SUM(children), AVG(children), SUM(balance), AVG(balance) FROM people
- SELECT region, COUNT(*) AS n, AVG(income) AS mean FROM people GROUP BY region ORDER BY n DESC, region
- SELECT sex, COUNT(*) FROM people GROUP BY sex ORDER BY sex NULLS FIRST
- SELECT sex, AVG(income) AS m FROM people GROUP BY sex ORDER BY m DESC LIMIT 2
- SELECT region, sex, SUM(income) AS s FROM people WHERE birth_year > 1950 GROUP BY ALL ORDER BY ALL
- SELECT region, COUNT(*) AS n FROM people GROUP BY region HAVING n > 70 ORDER BY region
- SELECT region FROM people GROUP BY region HAVING AVG(income) > 50000 ORDER BY 1 DESC
- SELECT SUM(income) / COUNT(*) AS r, COUNT(*) - COUNT(children) AS missing, ROUND(AVG(balance), 1) AS b FROM people
- SELECT region, CASE WHEN COUNT(*) > 75 THEN 'many' ELSE 'few' END AS size FROM people GROUP BY region ORDER BY region
- SELECT consent, COUNT(*) FILTER (WHERE sex = 'F') AS f, AVG(income) FILTER (WHERE sex = 'F') AS m FROM people
  GROUP BY consent ORDER BY consent
- SELECT year(paid_on) AS y, COUNT(*) AS n FROM people GROUP BY y ORDER BY n DESC, y LIMIT 3 OFFSET 1
- SELECT date_trunc('year', paid_on) AS y, SUM(children) AS c FROM people GROUP BY y ORDER BY y
- SELECT birth_year // 20 * 20 AS score, AVG(income - balance) AS d FROM people GROUP BY score ORDER BY score DESC
- SELECT SUM(CASE WHEN sex = 'F' THEN income END) AS f, SUM(LEAST(income, 1000)) AS capped FROM people
- SELECT AVG(t.z) AS a FROM (SELECT income * 2 AS z FROM people WHERE region = 'N') AS t WHERE t.z > 100
- SELECT region, COUNT(*) * 100.0 / SUM(COUNT(*)) OVER () AS share FROM people WHERE region IS NOT NULL
  GROUP BY region ORDER BY region
- SELECT region, sex, COUNT(*) AS n, SUM(COUNT(*)) OVER (PARTITION BY region) AS total,
  ROUND(COUNT(*) / SUM(COUNT(*)) OVER (PARTITION BY sex), 3) AS share FROM people WHERE region IS NOT NULL
  GROUP BY region, sex ORDER BY region, sex
- SELECT year(paid_on) AS y, SUM(COUNT(*)) OVER (ORDER BY year(paid_on)) AS so_far, LAG(COUNT(*)) OVER (ORDER BY y) AS
  before, COUNT(*) - LAG(COUNT(*), 1, 0) OVER (ORDER BY y) AS change, AVG(SUM(children)) OVER (ORDER BY y ROWS BETWEEN 2
  PRECEDING AND CURRENT ROW) AS smooth FROM people GROUP BY y ORDER BY y
- SELECT region, RANK() OVER (ORDER BY COUNT(*) DESC) AS r, ROW_NUMBER() OVER (ORDER BY region) AS i, NTILE(3) OVER
  (ORDER BY region) AS t FROM people WHERE region IS NOT NULL GROUP BY region HAVING COUNT(*) > 60 ORDER BY region
- SELECT region, AVG(income) AS m, AVG(income) - AVG(AVG(income)) OVER () AS d FROM people WHERE region IS NOT NULL
  GROUP BY region QUALIFY RANK() OVER (ORDER BY m DESC) <= 2 ORDER BY region
- SELECT region, COUNT(*) AS n FROM people WHERE region IS NOT NULL GROUP BY region
  ORDER BY ROW_NUMBER() OVER (ORDER BY SUM(income) DESC)
- WITH t AS (SELECT region, COUNT(*) AS n, SUM(income) AS s FROM people GROUP BY region HAVING COUNT(*) > 1)
  SELECT region, n, s / n AS mean, n * 100.0 / SUM(n) OVER () AS share FROM t WHERE region <> 'N' ORDER BY share DESC
- SELECT y, n FROM (SELECT year(paid_on) AS y, COUNT(*) AS n, RANK() OVER (ORDER BY year(paid_on)) AS r FROM people
  GROUP BY y) AS t WHERE r BETWEEN 3 AND 5 ORDER BY y DESC LIMIT 2
- SELECT y, n, so_far * 1.0 / MAX(so_far) OVER () AS part FROM (SELECT y, n, SUM(n) OVER (ORDER BY y) AS so_far FROM
  (SELECT year(paid_on) AS y, COUNT(*) AS n FROM people GROUP BY y ORDER BY y LIMIT 4) AS a) AS b ORDER BY y
- SELECT s / n AS mean FROM (SELECT SUM(income) AS s, COUNT(*) AS n FROM people) AS t
- SELECT region, COUNT(*) * 2 + 1 AS a, -SUM(children) AS b, SUM(income) IS NULL AS c FROM people GROUP BY 1 ORDER BY 1
""")


@pytest.fixture(scope="module")
def people() -> list[dict[str, Any]]:
    """300 rows inside their domains, NULLs among them; every region, sex and year is there."""
    draw = random.Random(11)
    rows = []
    for index in range(300):
        rows.append(
            {
                "person_id": f"p{index}",
                "region": "NSEW"[index % 4] if index % 10 else None,
                "sex": draw.choice(["F", "M", "X", None]),
                "birth_year": draw.randint(1900, 2010),
                "children": draw.choice([None, 0, 1, 2, 5]),
                "income": Fraction(draw.randint(0, 20_000_000), 100) if index % 7 else None,
                "balance": Fraction(draw.randint(-10_000, 10_000), 2),
                "paid_on": date(2015 + index % 10, 1 + index % 12, 1 + index % 28),
                "consent": draw.choice([True, False, None]),
            }
        )
    return rows


def exact_cells(
    statement: Statement, context: Context, calibration: Calibration, rows: Sequence[dict[str, Any]]
) -> list[int]:
    """What nodes without noise would send: clamped, put on the grid, summed."""
    aggregate: Aggregate = statement.plan.aggregate
    scope = scope_of(aggregate.input, context.catalogue)
    kept = [
        r for r in rows if not isinstance(aggregate.input, Filter) or evaluate(aggregate.input.predicate, r) is True
    ]
    keyed = [(tuple(evaluate(key.expression, row) for key in aggregate.keys), row) for row in kept]
    cells = []
    for measure, multiplier in zip(aggregate.measures, calibration.multipliers, strict=True):
        grid = grid_of(measure, scope)
        for keys in product(*([v.value for v in key.values] for key in aggregate.keys)):
            total, persons = 0, set()
            for values, row in keyed:
                if values != keys or (measure.filter is not None and evaluate(measure.filter, row) is not True):
                    continue
                value = None if measure.expression is None else evaluate(measure.expression, row)
                persons.add(row["person_id"])
                if measure.clamp is not None and value is not None:
                    held = min(max(Fraction(value), measure.clamp.lower), measure.clamp.upper)
                    total += floor((held - grid.centre) / grid.step + Fraction(1, 2))
                elif measure.statistic is Statistic.COUNT_ROWS or value is not None:
                    total += 1
            cells.append(multiplier * (len(persons) if measure.statistic is Statistic.COUNT_PERSONS else total))
    return cells


def answer(sql: str, context: Context, rows: Sequence[dict[str, Any]]) -> tuple[Statement, Calibration, Answer]:
    statement = prepare(sql, context.catalogue, context.rules)
    calibration = calibrate(statement.plan, context.catalogue, loss_for(Fraction(1), Fraction(1, 10**9)), 2, 0)
    cells = exact_cells(statement, context, calibration, rows)
    return statement, calibration, finish(statement, context.catalogue, calibration, tuple(cells), 2)


@pytest.mark.parametrize("sql", STATEMENTS)
def test_noiseless_cells_give_what_duckdb_gives(sql: str, context: Context, people: list[dict[str, Any]]) -> None:
    _, _, found = answer(sql, context, people)
    with duckdb.connect() as engine:
        engine.execute(f"CREATE TABLE people ({', '.join(f'{n} {t}' for n, t in COLUMNS.items())})")
        values = [[float(v) if isinstance(v, Fraction) else v for v in (row[n] for n in COLUMNS)] for row in people]
        engine.executemany(f"INSERT INTO people VALUES ({', '.join('?' * len(COLUMNS))})", values)
        rows = engine.execute(sql).fetchall()
    keyed = [r for r in rows if not (found.columns[0] in ("region", "consent") and r[0] is None)]
    assert len(found.rows) == len(keyed)
    for ours, theirs in zip(found.rows, keyed, strict=True):
        for left, right in zip(ours, theirs, strict=True):
            right = right.date() if isinstance(right, datetime) else right
            if isinstance(right, float):
                assert math.isclose(float(left), right, rel_tol=1e-6, abs_tol=0.01), sql
            else:
                assert left == right, sql


def test_each_noisy_column_has_an_interval_around_its_value(context: Context, people: list[dict[str, Any]]) -> None:
    sql = (
        "SELECT region, COUNT(*) n, AVG(income) AS m, SUM(income) / COUNT(*) AS r, 1 AS one FROM people GROUP BY region"
    )
    _, _, found = answer(sql, context, people)
    for row, intervals, deviations in zip(found.rows, found.intervals, found.deviations, strict=True):
        assert set(intervals) == set(deviations) == {"n", "m", "r"}
        for name, (low, high) in intervals.items():
            assert low <= row[found.columns.index(name)] <= high
            assert deviations[name] > 0


def test_every_key_is_shown_and_empty_groups_have_no_mean(context: Context) -> None:
    _, _, found = answer("SELECT sex, COUNT(*) AS n, AVG(income) AS m FROM people GROUP BY sex", context, [])
    assert found.rows == (("F", 0, None), ("M", 0, None), ("X", 0, None), (None, 0, None))
    assert all("m" not in intervals and "n" in intervals for intervals in found.intervals)


def test_a_mean_stays_inside_its_bounds_and_sums_do_not(context: Context) -> None:
    statement = prepare("SELECT COUNT(*), SUM(children), AVG(children) FROM people", context.catalogue, context.rules)
    calibration = calibrate(statement.plan, context.catalogue, loss_for(Fraction(1), Fraction(1, 10**9)), 2, 0)
    m = calibration.multipliers
    cells = (-3 * m[0], 40 * m[1], -15 * m[2])
    assert finish(statement, context.catalogue, calibration, cells, 2).rows == ((-3, 6 * -15 + 40, None),)
    cells = (-3 * m[0], 40 * m[1], 5 * m[2])
    assert finish(statement, context.catalogue, calibration, cells, 2).rows == ((-3, 6 * 5 + 40, 12.0),)


def test_counts_are_whole_and_compared_as_they_are_shown(context: Context) -> None:
    sql = "SELECT region, COUNT(*) AS n FROM people GROUP BY region HAVING n > 10"
    statement = prepare(sql, context.catalogue, context.rules)
    calibration = calibrate(statement.plan, context.catalogue, loss_for(Fraction(1), Fraction(1, 10**9)), 2, 0)
    (m,) = calibration.multipliers
    cells = (10 * m + m // 4, 10 * m + 3 * m // 4, 11 * m, -7 * m)
    assert finish(statement, context.catalogue, calibration, cells, 2).rows == (("S", 11), ("E", 11))


def test_the_same_cells_give_the_same_page(context: Context, people: list[dict[str, Any]]) -> None:
    sql = "SELECT region, SUM(income) / COUNT(*) AS r FROM people GROUP BY region"
    assert answer(sql, context, people)[2] == answer(sql, context, people)[2]


def test_cells_of_another_plan_are_a_bug(context: Context) -> None:
    statement = prepare("SELECT COUNT(*) FROM people", context.catalogue, context.rules)
    with pytest.raises(Bug):
        finish(statement, context.catalogue, Calibration(1, (1,), 64, 64), (1, 2), 2)
