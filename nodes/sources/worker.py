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
from contextlib import contextmanager
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
        if kind == "read":
            yield from self.read(body)
        else:
            yield self.answer(kind, body)

    def answer(self, kind: str, body: Any) -> dict[str, Any]:
        if kind == "open":
            self.opened = None
            self.opened = engine(**body, write={}, files=(), spill="")
            return {"opened": True}
        if kind == "columns":
            return {"columns": columns_of(body)}
        return self.select(body) if kind == "select" else cut(body)

    def select(self, body: dict[str, Any]) -> dict[str, Any]:
        """Rows of each query of one plan, on a connection of its own."""
        with self._reading(body["queries"]) as (connection, statements):
            return run(connection, statements, body["most_rows"]) if statements is not None else {"failed": -1}

    def read(self, body: dict[str, Any]) -> Iterator[bytes | dict[str, Any]]:
        """Batches of each query's columns, as Arrow streams of their own; then how many of them each query has."""
        with self._reading(body["queries"]) as (connection, statements):
            batches: list[int] = []
            for statement in statements or ():
                rows, found = 0, connection.sql(statement).to_arrow_reader(BATCH_ROWS)
                yield _streamed(found.schema)
                batches.append(1)
                for batch in found:
                    rows += batch.num_rows
                    if rows > body["most_rows"]:
                        yield {"failed": len(batches) - 1}
                        return
                    yield _streamed(found.schema, batch)
                    batches[-1] += 1
            yield {"batches": batches} if statements is not None else {"failed": -1}

    @contextmanager
    def _reading(self, queries: list[str]) -> Iterator[tuple[Any, list[duckdb.Statement] | None]]:
        """A connection in a read-only transaction, and the queries parsed; None unless each is a single SELECT."""
        if self.opened is None:
            yield None, None
            return
        with self.opened.cursor() as connection:
            parsed = [connection.extract_statements(query) for query in queries]
            if any([s.type for s in statements] != [duckdb.StatementType.SELECT] for statements in parsed):
                yield connection, None
                return
            connection.execute("BEGIN TRANSACTION READ ONLY")
            yield connection, [statement for [statement] in parsed]


def _streamed(schema: Any, *batches: Any) -> bytes:
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
