"""Ten million rows, one a person, over 4 nodes: a whole private query against DuckDB's clamped GROUP BY over the union.

DuckDB runs in one process with all cores, once over the departments' Parquet files and once over a table of its own.
On a machine that others use, the ratio of processor time says more than that of the clock.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from statistics import median

import duckdb

from benchmarks.federations import federation, seconds

NODES = ("north", "south", "east", "west")
ROWS = 10_000_000
REPEATS = 7
SQL = "SELECT region, COUNT(*) AS n, SUM(income) AS total FROM people WHERE birth_year > {year} GROUP BY region"
CLAMPED = """
SELECT region, COUNT(*),
       SUM(CAST(FLOOR(CASE WHEN income >= 0 AND income <= 200000 THEN income
                           WHEN income > 200000 THEN 200000 ELSE 0 END * 100) AS BIGINT))
FROM {source} WHERE birth_year > {year} GROUP BY region ORDER BY region
"""
MADE = """
COPY (SELECT '{name}' || i AS person_id,
             (['N','S','E','W','NE','NW','SE','SW','C','I','H','F'])[1 + CAST(hash(i) % 12 AS INTEGER)] AS region,
             1920 + CAST(hash(i + 7) % 90 AS INTEGER) AS birth_year,
             CAST(hash(i * 3 + 1) % 6000000 AS DOUBLE) / 100 AS income
      FROM range({first}, {first} + {rows}) AS t(i)) TO '{file}' (FORMAT parquet)
"""


def run() -> list[tuple[str, str]]:
    """Rows of (what, figure)."""
    with tempfile.TemporaryDirectory() as scratch:
        folders = {}
        share = ROWS // len(NODES)
        with duckdb.connect() as engine:
            for position, name in enumerate(NODES):
                folders[name] = Path(scratch) / name
                folders[name].mkdir()
                file = folders[name] / "people.parquet"
                engine.execute(MADE.format(name=name, first=position * share, rows=share, file=file))
            files = f"read_parquet('{scratch}/*/people.parquet')"
            parquet, parquet_cpu = baseline(engine, files)
            engine.execute(f"CREATE TABLE people AS SELECT * FROM {files}")
            table, table_cpu = baseline(engine, "people")
        found = [
            (
                "DuckDB, clamped, Parquet files of all nodes",
                f"{parquet * 1e3:.0f} ms, {parquet_cpu:.0f} ms of processor",
            ),
            ("DuckDB, clamped, a table of its own", f"{table * 1e3:.0f} ms, {table_cpu:.0f} ms of processor"),
        ]
        for hold in (False, True):
            with federation(Path(scratch), folders, share, hold=hold) as (session, processes):
                seconds(session, SQL.format(year=1900))
                before = processes.total_cpu_ms()
                taken = median(seconds(session, SQL.format(year=1901 + i)) for i in range(REPEATS))
                cpu = (processes.total_cpu_ms() - before) / REPEATS
            name = "with the hold" if hold else "without the hold"
            figure = f"{taken * 1e3:.0f} ms = {taken / parquet:.2f} x Parquet, {taken / table:.2f} x table"
            found.append((f"whole private query, 4 nodes, {name}", figure))
            figure = f"{cpu:.0f} ms = {cpu / parquet_cpu:.2f} x Parquet, {cpu / table_cpu:.2f} x table"
            found.append(("  processor time of all its processes", figure))
    return found


def baseline(engine: duckdb.DuckDBPyConnection, source: str) -> tuple[float, float]:
    """Median seconds by the clock, and milliseconds of processor time, a query."""
    times, before = [], time.process_time()
    for repeat in range(REPEATS):
        start = time.perf_counter()
        engine.execute(CLAMPED.format(source=source, year=1901 + repeat)).fetchall()
        times.append(time.perf_counter() - start)
    return median(times), (time.process_time() - before) * 1e3 / REPEATS
