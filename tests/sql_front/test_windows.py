"""Window functions over released rows: values as DuckDB has them, intervals that cover, and what is refused."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from datetime import date
from fractions import Fraction
from math import sqrt
from typing import Any

import numpy as np
import pytest
from scipy.stats import binom

from engine.errors import Position
from engine.sql import Context, prepare
from engine.sql.bound import leaf
from engine.sql.finish import finish
from engine.sql.frames import shown
from engine.sql.parse import parse_expression
from engine.sql.released import Released
from engine.sql.statement import Widen
from engine.sql.windows import Windows
from engine.trusted.calibrate import calibrate
from engine.trusted.domains import Domain
from engine.trusted.epsilon import loss_for
from engine.trusted.plan import ColumnRef, Type

duckdb = pytest.importorskip("duckdb")
COLUMNS = {"id": "BIGINT", "k": "VARCHAR", "n": "BIGINT", "x": "DOUBLE", "d": "DATE"}
KINDS = {"BIGINT": Type.INTEGER, "VARCHAR": Type.TEXT, "DOUBLE": Type.DECIMAL, "DATE": Type.DATE}
PARTITIONS = ("", "PARTITION BY k", "PARTITION BY k, n > 2")
ORDERS = (  # with what the order leaves level
    *("ORDER BY id", "ORDER BY id DESC", "ORDER BY n, id", "ORDER BY x DESC NULLS FIRST, k, id"),
    "ORDER BY k NULLS FIRST, id DESC",
)
LEVEL = ("", "ORDER BY n", "ORDER BY n DESC NULLS FIRST", "ORDER BY k, n")
FRAMES = (
    *("", "ROWS BETWEEN 2 PRECEDING AND CURRENT ROW", "ROWS BETWEEN 1 PRECEDING AND 1 FOLLOWING", "ROWS 3 PRECEDING"),
    *("ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING", "ROWS BETWEEN 2 FOLLOWING AND 3 FOLLOWING"),
    *("ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING", "RANGE BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING"),
    "ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING",
)
FIGURES: tuple[str, ...] = (
    "SUM(n)",
    "SUM(x)",
    "AVG(n)",
    "AVG(x)",
    "MIN(x)",
    "MAX(k)",
    "MIN(d)",
    "COUNT(*)",
    "COUNT(x)",
)
FIGURES += ("FIRST_VALUE(k)", "LAST_VALUE(x)", "NTH_VALUE(n, 2)")
RANKS = ("RANK()", "DENSE_RANK()", "PERCENT_RANK()", "CUME_DIST()")
PLACES = (
    "ROW_NUMBER()",
    "NTILE(3)",
    "NTILE(40)",
    "LAG(n)",
    "LEAD(k, 2)",
    "LAG(x, 1, 0)",
    "LEAD(n, 3, -1)",
    "LAG(d, 0)",
)


def cases() -> list[str]:
    """Functions with an order that decides between any two rows, and those that need none."""
    found = [f"{f} OVER ({p} {o} {w})" for f in FIGURES for p in PARTITIONS for o in ORDERS[:4] for w in FRAMES]
    level = [f for f in FIGURES if not f.startswith(("FIRST", "LAST", "NTH"))]
    found += [f"{f} OVER ({p} {o})" for f in level for p in PARTITIONS for o in LEVEL]
    found += [f"{f} OVER ({p} {o})" for f in RANKS for p in PARTITIONS for o in (*ORDERS, *LEVEL[1:])]
    return found + [f"{f} OVER ({p} {o})" for f in PLACES for p in PARTITIONS for o in ORDERS]


def rows() -> list[tuple[Any, ...]]:
    draw = random.Random(3)
    return [
        (
            i,
            draw.choice(["a", "b", "c", None]),
            draw.choice([None, 0, 1, 2, 3, -4]),
            draw.choice([None, 0.5, 1.25, -3.0, 7.75]),
            None if i % 5 == 0 else date(2024, 1, 1 + i % 20),
        )
        for i in range(31)
    ]


def test_windows_mean_what_they_mean_to_duckdb() -> None:
    """Every function with every partition, order and frame, over rows with NULLs and ties; all in one test."""
    held, at = rows(), Position(1, 1)
    columns = {n: (n, leaf(ColumnRef(n), Domain(KINDS[kind]), at)) for n, kind in COLUMNS.items()}
    lines = [{n: Fraction(v) if isinstance(v, float) else v for n, v in zip(COLUMNS, row, strict=True)} for row in held]
    with duckdb.connect() as engine:
        engine.execute(f"CREATE TABLE local ({', '.join(f'{name} {kind}' for name, kind in COLUMNS.items())})")
        engine.executemany(f"INSERT INTO local VALUES ({', '.join('?' * len(COLUMNS))})", held)
        for text in cases():
            windows = Windows()
            Released("local", columns, windows).bind(parse_expression(text))
            [(_, found)] = windows.named
            wanted = [v for (v,) in engine.execute(f"SELECT {text} FROM local ORDER BY id").fetchall()]
            for ours, theirs in zip(shown(found, lines), wanted, strict=True):
                if isinstance(theirs, float):
                    assert isinstance(ours, int | Fraction) and math.isclose(
                        float(ours), theirs, rel_tol=1e-9, abs_tol=1e-12
                    ), text
                else:
                    assert ours == theirs, text


RELEASES = 300
ALARM = 1e-6
COUNTS = (1_000, 2_000, 4_000, 3_000)  # of the four regions
SHARES = {  # what is asked, and its true values for N, S, E, W
    "COUNT(*) * 100.0 / SUM(COUNT(*)) OVER ()": (10.0, 20.0, 40.0, 30.0),
    "SUM(COUNT(*)) OVER (ORDER BY region DESC)": (6_000.0, 5_000.0, 10_000.0, 3_000.0),
    "COUNT(*) - LAG(COUNT(*), 1, 500) OVER (ORDER BY region)": (-3_000.0, 1_000.0, 3_500.0, 1_000.0),
    "COUNT(*) / MAX(COUNT(*)) OVER ()": (0.25, 0.5, 1.0, 0.75),
    "AVG(COUNT(*)) OVER (ORDER BY COUNT(*) ROWS 1 PRECEDING)": (1_000.0, 1_500.0, 3_500.0, 2_500.0),
}


def covered(figure: str, context: Context, told: float) -> int:
    """Rows whose interval holds the true value, of four a release; ``told``: noise as told over noise drawn."""
    statement = prepare(f"SELECT region, {figure} AS f FROM people GROUP BY region", context.catalogue, context.rules)
    calibration = calibrate(statement.plan, context.catalogue, loss_for(Fraction(1, 50), Fraction(1, 10**9)), 2, 0)
    [multiplier] = calibration.multipliers
    draw = np.random.default_rng(8)
    noise = np.rint(draw.normal(0, sqrt(2) * calibration.node_sigma, (RELEASES, 4))).astype(int)
    shown_as = replace(calibration, node_sigma=round(calibration.node_sigma * told))
    hits = 0
    for row in noise:
        cells = tuple(count * multiplier + int(n) for count, n in zip(COUNTS, row, strict=True))
        answer = finish(statement, context.catalogue, shown_as, cells, 2, np.random.default_rng(3))
        for true, interval in zip(SHARES[figure], answer.intervals, strict=True):
            low, high = interval["f"]
            hits += low - 1e-9 <= true <= high + 1e-9
    return hits


@pytest.mark.parametrize("figure", SHARES)
def test_95_percent_intervals_of_windows_cover(figure: str, context: Context) -> None:
    """False alarm at most 1e-6 for a coverage of 93.5 % or more; the rows of one release are not independent, so as
    if there were half as many."""
    least = binom.ppf(ALARM, 2 * RELEASES, 0.935) / (2 * RELEASES)
    assert covered(figure, context, 1.0) / (4 * RELEASES) >= least


@pytest.mark.parametrize("figure", list(SHARES)[:3])
def test_a_planted_error_in_windows_is_rejected(figure: str, context: Context) -> None:
    """Noise told at half its size covers some 67 %."""
    least = binom.ppf(ALARM, 2 * RELEASES, 0.935) / (2 * RELEASES)
    assert covered(figure, context, 0.5) / (4 * RELEASES) < least


def test_a_share_errs_less_than_its_parts_do_apart(context: Context) -> None:
    """One region alone is the whole: its share is exactly 100 % however much noise there is."""
    sql = "SELECT region, COUNT(*) / SUM(COUNT(*)) OVER () AS f FROM people GROUP BY region HAVING region = 'N'"
    statement = prepare(sql, context.catalogue, context.rules)
    calibration = calibrate(statement.plan, context.catalogue, loss_for(Fraction(1), Fraction(1, 10**9)), 2, 0)
    answer = finish(statement, context.catalogue, calibration, (10**6, 3, 3, 3), 2)
    assert answer.rows == (("N", 1.0),)
    assert answer.intervals[0]["f"] == (1.0, 1.0)


def test_ranks_have_intervals_and_key_order_has_none(context: Context) -> None:
    sql = "SELECT region, RANK() OVER (ORDER BY COUNT(*)) r, RANK() OVER (ORDER BY region) i FROM people GROUP BY 1"
    statement = prepare(sql, context.catalogue, context.rules)
    calibration = calibrate(statement.plan, context.catalogue, loss_for(Fraction(1), Fraction(1, 10**9)), 2, 0)
    [m] = calibration.multipliers
    answer = finish(statement, context.catalogue, calibration, (m * 10, m * 10, m * 9_000, m * 90_000), 2)
    found = {row[0]: interval for row, interval in zip(answer.rows, answer.intervals, strict=True)}
    assert found["N"] == {"r": (1.0, 2.0)} and found["S"] == {"r": (1.0, 2.0)}
    assert found["E"] == {"r": (3.0, 3.0)} and found["W"] == {"r": (4.0, 4.0)}


def test_window_functions_release_nothing_more(context: Context) -> None:
    """The plan is that of the figures they read: they cost nothing."""
    plain = prepare("SELECT region, COUNT(*) AS n FROM people GROUP BY region", context.catalogue, context.rules)
    for sql in (
        "SELECT region, COUNT(*) / SUM(COUNT(*)) OVER () AS f FROM people GROUP BY region QUALIFY f > 0.1",
        "WITH t AS (SELECT region, COUNT(*) AS n FROM people GROUP BY region) SELECT region, SUM(n) OVER () FROM t",
    ):
        statement = prepare(sql, context.catalogue, context.rules)
        assert statement.plan == plain.plan
        assert any(isinstance(step, Widen) for step in statement.steps)
