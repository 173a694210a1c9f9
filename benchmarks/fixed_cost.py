"""What a query costs when the data cost nothing: 4 nodes, mutual TLS, real signatures, ten rows each.

From the SQL text to the opened, verified answer; with the hold to the public tick and without it. Processor time is
given beside the clock's, for a machine that others use too.
"""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path
from statistics import median, quantiles

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.federations import federation, seconds

NODES = ("north", "south", "east", "west")
QUERIES = 150
SQL = """SELECT region, COUNT(*) AS n, AVG(income) AS mean FROM people
         WHERE birth_year > {year} AND income < {most} GROUP BY region"""


def tiny(scratch: Path) -> dict[str, Path]:
    folders = {}
    for name in NODES:
        folders[name] = scratch / name
        folders[name].mkdir()
        rows = range(10)
        columns = {
            "person_id": [f"{name}{i}" for i in rows],
            "region": ["N"] * 10,
            "birth_year": [1950 + i for i in rows],
            "income": [1000.0 * i for i in rows],
        }
        pq.write_table(pa.table(columns), folders[name] / "people.parquet")
    return folders


def run() -> list[tuple[str, str]]:
    """Rows of (what, figure)."""
    found = []
    with tempfile.TemporaryDirectory() as scratch:
        folders = tiny(Path(scratch))
        for hold in (False, True):
            with federation(Path(scratch), folders, 1_000, hold=hold) as (session, processes):
                for warm in range(10):
                    seconds(session, SQL.format(year=1901 + warm, most=150_000))
                calls = []
                for _ in range(50):
                    start = time.perf_counter()
                    session.describe()
                    calls.append(time.perf_counter() - start)
                before = processes.cpu_ms()
                times = [seconds(session, SQL.format(year=1901 + i % 100, most=1000 + i)) for i in range(QUERIES)]
                spent = {role: (ms - before[role]) / QUERIES for role, ms in processes.cpu_ms().items()}
            p50, p99 = median(times) * 1e3, quantiles(times, n=100)[98] * 1e3
            one = median(calls) * 1e3
            name = "with the hold" if hold else "without the hold"
            found.append(
                (f"fixed cost of a query, {name}", f"p50 {p50:.0f} ms, p99 {p99:.0f} ms ({p50 / one:.0f} calls)")
            )
            found.append(
                ("  processor time a query and process", ", ".join(f"{r} {ms:.0f} ms" for r, ms in spent.items()))
            )
    found.append(("one call to the coordinator over mutual TLS", f"p50 {one:.1f} ms"))
    found.append(("load of the machine, last minute", f"{os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"))
    return found
