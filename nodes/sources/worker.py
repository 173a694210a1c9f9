"""The child process that holds the engine: `python -m nodes.sources.worker`, JSON frames on its pipes.

Claim: this process holds no key and no network address; what it is asked, it can read the named files only, write
       only the snapshot being cut, and its answers are rows or the position of the statement that failed.
Because: the parent starts it with an empty environment and closed descriptors; the engine is opened with the files
       named, then external access is closed, extensions are off and the configuration is locked before any query;
       each plan gets a connection of its own, a read-only transaction that is rolled back, and nothing but single
       SELECTs; the engine's own messages are dropped here.
Checked by: tests/sources/test_worker.py::test_the_engine_is_locked_down
            tests/sources/test_worker.py::test_nothing_lasts_from_one_query_to_the_next
            tests/sources/test_worker.py::test_no_word_of_the_engine_crosses_the_pipe

Requests: {"open"} opens an engine over the databases it names; {"select"} runs the queries of one plan on it;
{"read"} does so too, but answers with batches of columns; {"columns"} describes a file; {"cut"} writes one snapshot.
"""

from __future__ import annotations

import csv
import resource
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb

from nodes.sources.dialect import quoted, text_literal
from nodes.sources.frames import read_frame, write_frame

BATCH_ROWS = 1 << 17


def engine(
    threads: int, memory_mb: int, *, read: Mapping[str, str], write: Mapping[str, str], files: Sequence[str], spill: str
) -> duckdb.DuckDBPyConnection:
    """A fresh engine in memory with databases attached, shut to everything but them and ``files``."""
    connection = duckdb.connect(
        ":memory:",
        config={
            "threads": threads,
            "memory_limit": f"{memory_mb}MB",
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
            "allow_community_extensions": "false",
            "temp_directory": spill,
        },
    )
    for name, path in read.items():
        connection.execute(f"ATTACH {text_literal(path)} AS {quoted(name)} (READ_ONLY)")
    for name, path in write.items():
        connection.execute(f"ATTACH {text_literal(path)} AS {quoted(name)}")
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute("SET preserve_insertion_order = false")
    connection.execute(f"SET allowed_paths = [{', '.join(map(text_literal, files))}]")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")
    return connection


class Worker:
    """Answers one request after another. Opening an engine costs ten times a small query, so it is kept."""

    def __init__(self) -> None:
        self.opened: duckdb.DuckDBPyConnection | None = None

    def frames(self, request: dict[str, Any]) -> Iterator[bytes | dict[str, Any]]:
        """The answer to one request; before it, batches of columns if these were asked for."""
        [(kind, body)] = request.items()
        if kind == "open":
            self.opened = None
            self.opened = engine(**body, write={}, files=(), spill="")
            yield {"opened": True}
        elif kind in ("select", "read"):
            yield from self.select(body["queries"], body["most_rows"], columns=kind == "read")
        else:
            yield {"columns": columns_of(body)} if kind == "columns" else cut(body)

    def select(self, queries: list[str], most_rows: int, *, columns: bool) -> Iterator[bytes | dict[str, Any]]:
        """Rows, or columns, of each query of one plan, on a connection of its own."""
        if self.opened is None:
            yield {"failed": -1}
            return
        with self.opened.cursor() as connection:
            parsed = [connection.extract_statements(query) for query in queries]
            if any([s.type for s in statements] != [duckdb.StatementType.SELECT] for statements in parsed):
                yield {"failed": -1}
                return
            connection.execute("BEGIN TRANSACTION READ ONLY")
            statements = [statement for [statement] in parsed]
            if columns:
                yield from batches(connection, statements, most_rows)
            else:
                yield run(connection, statements, most_rows)


def batches(
    connection: duckdb.DuckDBPyConnection, statements: Sequence[duckdb.Statement], most_rows: int
) -> Iterator[bytes | dict[str, Any]]:
    """The columns of each statement as Arrow streams, one without rows and one a batch; then how many these are."""
    counts: list[int] = []
    for statement in statements:
        found = connection.sql(statement).to_arrow_reader(BATCH_ROWS)
        yield streamed(found.schema)
        counts.append(1)
        left = most_rows
        for batch in found:
            left -= batch.num_rows
            if left < 0:
                yield {"failed": len(counts) - 1}
                return
            yield streamed(found.schema, batch)
            counts[-1] += 1
    yield {"batches": counts}


def streamed(schema: Any, *batches: Any) -> bytes:
    import pyarrow as pa  # only a private join needs it

    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, schema) as stream:
        for batch in batches:
            stream.write_batch(batch)
    return sink.getvalue().to_pybytes()  # type: ignore[no-any-return]


def run(
    connection: duckdb.DuckDBPyConnection, statements: Sequence[str | duckdb.Statement], most_rows: int
) -> dict[str, Any]:
    """Rows of each statement; the position of the first that fails or has too many rows."""
    results = []
    for position, statement in enumerate(statements):
        try:
            rows = connection.execute(statement).fetchmany(most_rows + 1)
        except duckdb.Error:
            return {"failed": position}
        if len(rows) > most_rows:
            return {"failed": position}
        results.append(rows)
    return {"rows": results}


def cut(body: dict[str, Any]) -> dict[str, Any]:
    """Runs the statements that fill a snapshot, and leaves it as one closed file."""
    with engine(**body["engine"]) as connection:
        return run(connection, body["statements"], 1)


def columns_of(path: str) -> list[tuple[str, str]]:
    """Names and engine types of a file's columns: Parquet by its schema, CSV by its first line, no rows."""
    if not path.endswith(".parquet"):
        with Path(path).open(encoding="utf-8-sig", newline="") as file:
            names = next(csv.reader(file), [])
        return [(name or f"column{position}", "VARCHAR") for position, name in enumerate(names)]
    with engine(1, 256, read={}, write={}, files=[path], spill="") as connection:
        rows = connection.execute(f"DESCRIBE SELECT * FROM read_parquet({text_literal(path)})").fetchall()  # noqa: S608
    return [(name, kind) for name, kind, *_ in rows]


def main() -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    worker, requests, answers = Worker(), sys.stdin.buffer, sys.stdout.buffer
    while (request := read_frame(requests)) is not None:
        try:
            for frame in worker.frames(request):
                write_frame(answers, frame)
        except (duckdb.Error, OSError, UnicodeError, csv.Error):
            write_frame(answers, {"failed": -1})


if __name__ == "__main__":
    main()
