"""A million rows of a database into a node's home, over the database's own export of the same columns.

PostgreSQL against its COPY to a client that throws the rows away; SQLite against fetching the same rows in Python.
"""

from __future__ import annotations

import os
import resource
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from pyarrow import parquet

from engine.extract.reader import opened, schema
from engine.extract.source import Postgresql, Source, SourceTable, Sqlite
from engine.trusted.catalogue import LocalColumn
from engine.trusted.plan import Type
from tests.postgres import PASSWORD, USER, cluster, programs

ROWS = 1_000_000
COLUMNS = (
    LocalColumn("nino", Type.TEXT),
    LocalColumn("area", Type.TEXT),
    LocalColumn("years", Type.INTEGER),
    LocalColumn("wages", Type.DECIMAL),
    LocalColumn("paid", Type.DATE),
    LocalColumn("active", Type.BOOLEAN),
)
NAMED = ", ".join(column.name for column in COLUMNS)
MADE = "(nino text, area text, years integer, wages {money}, paid date, active boolean, note text)"


def run() -> list[tuple[str, str]]:
    """Rows of (what, figure)."""
    with tempfile.TemporaryDirectory() as scratch:
        found = _sqlite(Path(scratch))
        return found + (_postgresql(Path(scratch)) if programs() else [("PostgreSQL", "not on this machine")])


def _sqlite(scratch: Path) -> list[tuple[str, str]]:
    path = scratch / "rows.sqlite"
    with closing(sqlite3.connect(path)) as made, made:
        made.execute(f"CREATE TABLE held {MADE.format(money='real')}")
        numbers = f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {ROWS})"
        values = "'QQ' || i, 'N', i % 90, (i % 10000000) / 100.0, date(i % 9000 + 2451545), i % 2, 'A note on ' || i"
        made.execute(f"INSERT INTO held {numbers} SELECT {values} FROM n")

    def own() -> None:
        with closing(sqlite3.connect(path)) as read:
            for _ in read.execute(f"SELECT {NAMED} FROM held"):
                pass

    return _compared("SQLite", SourceTable(Sqlite("main", str(path)), "", "held"), own, scratch)


def _postgresql(scratch: Path) -> list[tuple[str, str]]:
    import pg8000.native

    with cluster() as running:
        name = running.new_database().rpartition("/")[2]
        secret = scratch / "secret"
        secret.touch(mode=0o600)
        secret.write_text(PASSWORD)
        read = pg8000.native.Connection(USER, host="127.0.0.1", port=running.port, database=name, password=PASSWORD)
        read.run(f"CREATE TABLE held {MADE.format(money='numeric(10, 2)')}")
        values = (
            "'QQ' || i, 'N', i % 90, (i % 10000000) / 100.0, DATE '2000-01-01' + i % 9000, i % 2 = 0, 'A note ' || i"
        )
        read.run(f"INSERT INTO held SELECT {values} FROM generate_series(1, {ROWS}) AS t(i)")
        source: Source = Postgresql("main", "127.0.0.1", running.port, name, USER, str(secret))
        with open(os.devnull, "wb") as nowhere:  # noqa: PTH123
            own = lambda: read.run(f"COPY (SELECT {NAMED} FROM held) TO STDOUT (FORMAT csv)", stream=nowhere)  # noqa: E731
            found = _compared("PostgreSQL", SourceTable(source, "public", "held"), own, scratch)
        read.close()
        return found


def _compared(what: str, table: SourceTable, own: Callable[[], object], scratch: Path) -> list[tuple[str, str]]:
    began = time.perf_counter()
    own()
    alone = time.perf_counter() - began
    began = time.perf_counter()
    with opened(table.source, table) as reader:
        reader.described(table)
        with parquet.ParquetWriter(scratch / "held.parquet", schema(COLUMNS)) as writer:
            for batch in reader.batches(table, COLUMNS):
                writer.write_batch(batch)
        reader.lost(table, COLUMNS)
    spent = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    size = (scratch / "held.parquet").stat().st_size / 1e6
    return [(what, f"{spent:.1f} s, {spent / alone:.2f} x its own export; {size:.0f} MB; peak {peak} MiB so far")]


if __name__ == "__main__":
    for name, figure in run():
        print(f"{name:20} {figure}", flush=True)
    sys.exit(0)
