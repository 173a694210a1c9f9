"""A PostgreSQL database: one repeatable-read transaction, COPY to a stream, the stream to Arrow.

The server converts each column to a form that has no local spelling: times become dates in UTC, numerics doubles,
what is not a date of the years 1 to 9999 becomes NULL.
"""

from __future__ import annotations

import os
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from pyarrow import csv

from engine.errors import BadFile, SplittallyError, Unavailable
from engine.extract.reader import Described, quoted, schema
from engine.extract.source import Postgresql, SourceTable, password
from engine.trusted.catalogue import LocalColumn
from engine.trusted.plan import Type

if TYPE_CHECKING:
    from pg8000.native import Connection

SILENT_SECONDS = 3600.0  # that a server may think before it says something
BLOCK_BYTES = 8 << 20  # a row has to fit
TYPES = {
    "boolean": (Type.BOOLEAN, "{0}"),
    **dict.fromkeys(("smallint", "integer", "bigint"), (Type.INTEGER, "{0}")),
    **dict.fromkeys(("real", "double precision", "numeric"), (Type.DECIMAL, "CAST({0} AS double precision)")),
    "date": (Type.DATE, "{0}"),
    "timestamp without time zone": (Type.DATE, "CAST({0} AS date)"),
    "timestamp with time zone": (Type.DATE, "CAST({0} AT TIME ZONE 'UTC' AS date)"),
    **dict.fromkeys(("text", "character varying", "character", "uuid", "name"), (Type.TEXT, "CAST({0} AS text)")),
}
CALENDAR = "CASE WHEN {0} BETWEEN DATE '0001-01-01' AND DATE '9999-12-31' THEN {0} END"
# Name, type without its width, whether a type reads as text, in the table's own order.
DESCRIBE = (
    "SELECT a.attname, format_type(coalesce(nullif(t.typbasetype, 0), t.oid), NULL),"
    " t.typtype = 'e' OR t.typname = 'citext'"
    " FROM pg_attribute AS a JOIN pg_type AS t ON t.oid = a.atttypid"
    " WHERE a.attrelid = to_regclass(:name) AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum"
)
MAY_WRITE = "SELECT has_table_privilege(to_regclass(:name), 'INSERT, UPDATE, DELETE, TRUNCATE')"


@contextmanager
def transaction(source: Postgresql) -> Iterator[_Reader]:
    """Raises as a reader does, and BadFile FILE_PACKAGE, FILE_MISSING, FILE_PASSWORD_*."""
    connection = _connect(source)
    try:
        yield _Reader(source, connection)
    finally:
        with suppress(Exception):  # nothing was written, and the server ends what a lost connection began
            connection.close()


def _connect(source: Postgresql) -> Connection:
    try:
        import pg8000.exceptions
        import pg8000.native
    except ImportError:
        raise BadFile("FILE_PACKAGE", package="pg8000") from None
    secret = password(source.password_file) if source.password_file else None
    given: dict[str, Any] = {"password": secret, "database": source.database, "timeout": SILENT_SECONDS}
    if source.host.startswith("/"):
        given["unix_sock"] = f"{source.host}/.s.PGSQL.{source.port}"
    else:
        given |= {"host": source.host, "port": source.port, "ssl_context": _tls(source)}
    try:
        connection = pg8000.native.Connection(source.account, application_name="splittally extract", **given)
        connection.run("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        connection.run("SET LOCAL datestyle = 'ISO, YMD'")
    except (pg8000.exceptions.Error, OSError) as error:
        why = _state(error)
        raise Unavailable("NODE_DATABASE_UNREACHABLE", source=source.name, why=why, internal=repr(error)) from None
    return connection


def _tls(source: Postgresql) -> ssl.SSLContext | None:
    """None for this machine's own server."""
    if source.ca_file:
        try:
            return ssl.create_default_context(cafile=source.ca_file)
        except (OSError, ssl.SSLError):
            raise BadFile("FILE_MISSING", path=source.ca_file) from None
    try:
        local = source.host == "localhost" or ip_address(source.host).is_loopback
    except ValueError:
        local = False
    return None if local else ssl.create_default_context()


def _state(error: Exception) -> str:
    """The server's five letters for what went wrong (PostgreSQL manual, appendix A), or who spoke last."""
    held = error.args[0] if error.args and isinstance(error.args[0], dict) else {}
    return f"it answers {held['C']}" if "C" in held else "no connection, or no TLS that fits"


class _Reader:
    def __init__(self, source: Postgresql, connection: Connection) -> None:
        self._source, self._connection = source, connection
        self._types: dict[SourceTable, Mapping[str, str]] = {}

    def described(self, table: SourceTable) -> Described:
        rows = self._run(lambda: self._connection.run(DESCRIBE, name=_name(table)))
        if not rows:
            raise BadFile("FILE_SOURCE_TABLE", source=self._source.name, table=str(table))
        named = {name: "text" if texts else kind for name, kind, texts in rows}
        self._types[table] = named
        [[writes]] = self._run(lambda: self._connection.run(MAY_WRITE, name=_name(table)))
        return Described({name: TYPES[kind][0] if kind in TYPES else None for name, kind in named.items()}, writes)

    def batches(self, table: SourceTable, columns: Sequence[LocalColumn]) -> Iterator[pa.RecordBatch]:
        values = ", ".join(f"{self._value(table, c)} AS {quoted(c.name)}" for c in columns)
        copy = f"COPY (SELECT {values} FROM {_name(table)}) TO STDOUT (FORMAT csv, HEADER, ENCODING 'UTF8')"  # noqa: S608
        convert = csv.ConvertOptions(
            column_types=schema(columns),
            include_columns=[c.name for c in columns],
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
            true_values=["t"],
            false_values=["f"],
        )
        with _streamed(lambda out: self._connection.run(copy, stream=out)) as (stream, failures):
            try:
                found = csv.open_csv(
                    stream,
                    csv.ReadOptions(block_size=BLOCK_BYTES, use_threads=False),
                    csv.ParseOptions(newlines_in_values=True),
                    convert,
                )
                yield from found
            except (pa.ArrowException, OSError) as error:
                failures.append(error)
        if failures:
            raise self._failed(failures[0])

    def lost(self, table: SourceTable, columns: Sequence[LocalColumn]) -> Mapping[str, int]:
        dates = [column for column in columns if column.type is Type.DATE]
        if not dates:
            return {}
        counts = ", ".join(f"count({quoted(c.name)}) - count({self._value(table, c)})" for c in dates)
        [row] = self._run(lambda: self._connection.run(f"SELECT {counts} FROM {_name(table)}"))  # noqa: S608
        return {column.name: int(lost) for column, lost in zip(dates, row, strict=True) if lost}

    def _value(self, table: SourceTable, column: LocalColumn) -> str:
        kind, template = TYPES[self._types[table][column.name]]
        value = template.format(quoted(column.name))
        return CALENDAR.format(value) if kind is Type.DATE else value

    def _run(self, asked: Callable[[], Any]) -> Any:
        import pg8000.exceptions

        try:
            return asked()
        except (pg8000.exceptions.Error, OSError) as error:
            raise self._failed(error) from None

    def _failed(self, error: Exception) -> SplittallyError:
        return Unavailable("NODE_DATABASE_FAILED", source=self._source.name, internal=repr(error))


def _name(table: SourceTable) -> str:
    return f"{quoted(table.schema)}.{quoted(table.table)}"


@contextmanager
def _streamed(write: Callable[[Any], object]) -> Iterator[tuple[Any, list[Exception]]]:
    """What a function writes, to be read at the same time; and what it raised, once all is read."""
    reading, writing = os.pipe()
    failures: list[Exception] = []

    def work() -> None:
        try:
            with os.fdopen(writing, "wb", BLOCK_BYTES) as out:
                write(out)
        except Exception as error:  # the reader tells it
            failures.append(error)

    writer = threading.Thread(target=work, daemon=True)
    writer.start()
    try:
        with os.fdopen(reading, "rb") as stream:
            yield stream, failures
    finally:
        writer.join()
