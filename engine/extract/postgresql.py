"""A PostgreSQL database: one repeatable-read transaction, COPY to a stream, the stream to Arrow.

The server converts each column to a form that has no local spelling: times become dates in UTC, numerics doubles,
what is not a date of the years 1 to 9999 becomes NULL.
"""

from __future__ import annotations

import os
import socket
import ssl
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from pyarrow import csv

from engine.errors import BadFile, SplittallyError, Unavailable
from engine.extract.reader import Described, quoted, schema, texts
from engine.extract.source import Postgresql, SourceTable, password
from engine.trusted.catalogue import LocalColumn
from engine.trusted.plan import Type

if TYPE_CHECKING:
    from pg8000.native import Connection

CONNECT_SECONDS = 30.0  # until a server has let the account in
SILENT_SECONDS = 3600.0  # that a server may think before it says something
BLOCK_BYTES = 8 << 20  # a row has to fit
# Where a numeric is beyond a double, the server would break off at that row.
_NUMERIC = (
    "CASE WHEN abs({0}) BETWEEN 1e-300 AND 1e308 OR {0} IN (0, 'NaN') THEN CAST({0} AS double precision)"
    " WHEN abs({0}) < 1e-300 THEN 0 END"
)
_DATE = "CASE WHEN {0} BETWEEN DATE '0001-01-01' AND DATE '9999-12-31' THEN {0} END"
# By their names in pg_type, whatever the account's search_path shows before them.
TYPES = {
    "bool": (Type.BOOLEAN, "{0}"),
    **dict.fromkeys(("int2", "int4", "int8"), (Type.INTEGER, "{0}")),
    **dict.fromkeys(("float4", "float8"), (Type.DECIMAL, "CAST({0} AS double precision)")),
    "numeric": (Type.DECIMAL, _NUMERIC),
    "date": (Type.DATE, _DATE),
    "timestamp": (Type.DATE, _DATE.format("CAST({0} AS date)")),
    "timestamptz": (Type.DATE, _DATE.format("CAST({0} AT TIME ZONE 'UTC' AS date)")),
    **dict.fromkeys(("text", "varchar", "bpchar", "uuid", "name"), (Type.TEXT, "CAST({0} AS text)")),
}
# Values of these may have no place in their type.
LOSSY = ("numeric", "date", "timestamp", "timestamptz")
_SHOWN = (
    " FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace"
    " WHERE n.nspname = :schema AND c.relname = :table AND c.relkind IN ('r', 'p', 'v', 'm', 'f')"
    " AND has_schema_privilege(n.oid, 'USAGE')"
)
# Name and type of what the account may read, in the table's own order; a domain is what it is made from in the end.
DESCRIBE = f"""
WITH RECURSIVE shown(i, name, kind) AS (
    SELECT a.attnum, a.attname, a.atttypid
    FROM pg_attribute AS a JOIN (SELECT c.oid AS held {_SHOWN}) AS t ON t.held = a.attrelid
    WHERE a.attnum > 0 AND NOT a.attisdropped AND has_column_privilege(a.attrelid, a.attnum, 'SELECT')
    UNION ALL
    SELECT s.i, s.name, t.typbasetype FROM shown AS s JOIN pg_type AS t ON t.oid = s.kind WHERE t.typtype = 'd'
)
SELECT s.name, CASE
    WHEN t.typtype = 'e' OR t.typname = 'citext' THEN 'text'
    WHEN t.typnamespace = 'pg_catalog'::regnamespace THEN t.typname ELSE '' END
FROM shown AS s JOIN pg_type AS t ON t.oid = s.kind WHERE t.typtype <> 'd' ORDER BY s.i
"""  # noqa: S608
MAY_WRITE = f"SELECT has_table_privilege(c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE') {_SHOWN}"
# Views since version 11; what else there is, and what is read column by column, cannot be locked.
LOCKABLE = (
    "SELECT c.relkind IN ('r', 'p') OR c.relkind = 'v' AND current_setting('server_version_num')::integer >= 110000"
    f"{_SHOWN} AND has_table_privilege(c.oid, 'SELECT')"
)
WORDS = {
    "28P01": "the password is not the account's",
    "28000": "the account may not come in this way",
    "3D000": "there is no such database",
    "42501": "the account may not read it",
    "53300": "it has too many connections",
    "55000": "it is not ready to be read",
    "57014": "it was cancelled, or took longer than the account may",
    "57P01": "it was stopped",
    "57P03": "it is starting or stopping",
}


@contextmanager
def transaction(source: Postgresql, tables: Sequence[SourceTable]) -> Iterator[_Reader]:
    """Raises as a reader does, and BadFile FILE_PACKAGE, FILE_AUTHORITY_UNREADABLE, FILE_PASSWORD_*."""
    connection = _connect(source)
    try:
        reader = _Reader(source, connection)
        reader.begin(tables)
        yield reader
    finally:
        with suppress(Exception):  # nothing was written, and the server ends what a lost connection began
            connection.close()


def _connect(source: Postgresql) -> Connection:
    try:
        import pg8000.native
    except ImportError:
        raise BadFile("FILE_PACKAGE", package="pg8000") from None
    secret = password(source.password_file) if source.password_file else None
    given: dict[str, Any] = {"password": secret, "database": source.database, "timeout": CONNECT_SECONDS}
    if source.host.startswith("/"):
        given["unix_sock"] = f"{source.host}/.s.PGSQL.{source.port}"
    else:
        given |= {"host": source.host, "port": source.port, "ssl_context": _tls(source)}
    try:
        connection = pg8000.native.Connection(source.account, application_name="splittally extract", **given)
        connection._usock.settimeout(SILENT_SECONDS)  # the driver knows one for all
    except Exception as error:  # the driver raises whatever a stranger's bytes, or a name, make of it
        why, cause = _why(error), _internal(error)
        raise Unavailable("NODE_DATABASE_UNREACHABLE", source=source.name, why=why, internal=cause) from None
    return connection


def _tls(source: Postgresql) -> ssl.SSLContext | None:
    """None for this machine's own server."""
    if source.ca_file:
        try:
            return ssl.create_default_context(cafile=source.ca_file)
        except (OSError, ssl.SSLError):
            raise BadFile("FILE_AUTHORITY_UNREADABLE", path=source.ca_file) from None
    try:
        local = source.host == "localhost" or ip_address(source.host).is_loopback
    except ValueError:
        local = False
    return None if local else ssl.create_default_context()


def _state(error: Exception) -> Mapping[str, str]:
    """What the server says of an error, by its letters (PostgreSQL manual, 55.8): C is the code of appendix A."""
    held = error.args[0] if error.args else None
    return held if isinstance(held, dict) else {}


def _why(error: Exception) -> str:
    code = _state(error).get("C", "")
    if code:
        return f"it answers {code}" + (f", {WORDS[code]}" if code in WORDS else "")
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate does not hold, {error.verify_message}"
    if isinstance(error, TimeoutError) or isinstance(error.__cause__, TimeoutError):
        return "it does not answer in time"
    if isinstance(error, pa.ArrowException):
        return f"a row is longer than {BLOCK_BYTES >> 20} MiB; a view can leave out what is long"
    return "no connection, or no TLS that fits"


def _internal(error: Exception) -> str:
    """For the operator: never the words of an error that a row could have made."""
    said = _state(error)
    if said:
        return " ".join((type(error).__name__, said.get("C", ""), said.get("R", "")))
    own = isinstance(error, OSError) or type(error).__module__.startswith("pg8000")
    return f"{error!r} {error.__cause__!r}" if own else type(error).__name__


class _Reader:
    def __init__(self, source: Postgresql, connection: Connection) -> None:
        self._source, self._connection = source, connection
        self._types: dict[SourceTable, Mapping[str, str]] = {}
        self._encoding = "UTF8"
        self._garbled = Counter[tuple[SourceTable, str]]()

    def begin(self, tables: Sequence[SourceTable]) -> None:
        """Tables are locked before the moment that is seen is chosen: one that is emptied and filled anew later is
        waited for, or waits. Without, it would look empty from a moment before (PostgreSQL manual, 13.6)."""
        with self._told():
            [[encoding]] = self._connection.run("SHOW server_encoding")
            found = [(t, self._connection.run(LOCKABLE, schema=t.schema, table=t.table)) for t in tables]
            self._connection.run("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            self._connection.run("SET LOCAL datestyle = 'ISO, YMD'")
            self._connection.run("SET LOCAL extra_float_digits = 3")
        if encoding == "SQL_ASCII":  # any bytes: they are not converted, and looked at here
            self._encoding = encoding
        for table in (table for table, lockable in found if lockable == [[True]]):
            with self._told(table):
                self._connection.run(f"LOCK TABLE {_name(table)} IN ACCESS SHARE MODE")

    def described(self, table: SourceTable) -> Described:
        with self._told(table):
            rows = self._connection.run(DESCRIBE, schema=table.schema, table=table.table)
            writes = self._connection.run(MAY_WRITE, schema=table.schema, table=table.table)
        if not rows:
            raise BadFile("FILE_SOURCE_TABLE", source=self._source.name, table=str(table))
        self._types[table] = dict(rows)
        return Described({name: TYPES[kind][0] if kind in TYPES else None for name, kind in rows}, writes == [[True]])

    def batches(self, table: SourceTable, columns: Sequence[LocalColumn]) -> Iterator[pa.RecordBatch]:
        # Columns go by number: names may hold anything.
        values = ", ".join(f'{self._value(table, c)} AS "{i}"' for i, c in enumerate(columns))
        copy = f"COPY (SELECT {values} FROM {_name(table)}) TO STDOUT (FORMAT csv, HEADER, ENCODING '{self._encoding}')"  # noqa: S608
        shape = schema(columns)
        given = [pa.binary() if kind == pa.string() else kind for kind in shape.types]
        with _streamed(lambda out: self._connection.run(copy, stream=out), self._hang_up) as (stream, failures):
            try:
                for batch in csv.open_csv(stream, *_csv(given)):
                    yield pa.record_batch(
                        [self._held(table, c, array) for c, array in zip(columns, batch.columns, strict=True)],
                        schema=shape,
                    )
            except (pa.ArrowException, OSError) as error:
                failures.append(error)
        if failures:
            raise self._failed(failures[0], table)

    def lost(self, table: SourceTable, columns: Sequence[LocalColumn]) -> Mapping[str, int]:
        lossy = [column for column in columns if self._types[table][column.name] in LOSSY]
        found = {c.name: self._garbled[table, c.name] for c in columns}
        if lossy:
            counts = ", ".join(f"count({quoted(c.name)}) - count({self._value(table, c)})" for c in lossy)
            with self._told(table):
                [row] = self._connection.run(f"SELECT {counts} FROM {_name(table)}")  # noqa: S608
            found |= {column.name: int(lost) for column, lost in zip(lossy, row, strict=True)}
        return {name: lost for name, lost in found.items() if lost}

    def _held(self, table: SourceTable, column: LocalColumn, array: pa.Array) -> pa.Array:
        if column.type is not Type.TEXT:
            return array
        read, garbled = texts(array)
        self._garbled[table, column.name] += garbled
        return read

    def _value(self, table: SourceTable, column: LocalColumn) -> str:
        return TYPES[self._types[table][column.name]][1].format(quoted(column.name))

    def _hang_up(self) -> None:
        with suppress(OSError):
            self._connection._usock.shutdown(socket.SHUT_RDWR)

    @contextmanager
    def _told(self, table: SourceTable | None = None) -> Iterator[None]:
        try:
            yield
        except SplittallyError:
            raise
        except Exception as error:  # as in _connect
            raise self._failed(error, table) from None

    def _failed(self, error: Exception, table: SourceTable | None) -> SplittallyError:
        if table and _state(error).get("C") == "42501":
            return BadFile("FILE_SOURCE_TABLE", source=self._source.name, table=str(table), internal=_internal(error))
        why, cause = _why(error), _internal(error)
        return Unavailable("NODE_DATABASE_FAILED", source=self._source.name, why=why, internal=cause)


def _csv(kinds: Sequence[pa.DataType]) -> tuple[csv.ReadOptions, csv.ParseOptions, csv.ConvertOptions]:
    """How columns "0", "1"... of these types are read; a line without anything is a row of one column that is NULL."""
    named = {str(i): kind for i, kind in enumerate(kinds)}
    return (
        csv.ReadOptions(block_size=BLOCK_BYTES, use_threads=False),
        csv.ParseOptions(newlines_in_values=True, ignore_empty_lines=False),
        csv.ConvertOptions(
            column_types=named,
            include_columns=list(named),
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
            true_values=["t"],
            false_values=["f"],
        ),
    )


def _name(table: SourceTable) -> str:
    return f"{quoted(table.schema)}.{quoted(table.table)}"


@contextmanager
def _streamed(write: Callable[[Any], object], abandon: Callable[[], None]) -> Iterator[tuple[Any, list[Exception]]]:
    """What a function writes, to be read at the same time; and what it raised, once all is read. ``abandon`` ends it
    when nobody wants the rest."""
    reading, writing = os.pipe()
    failures: list[Exception] = []

    def work() -> None:
        try:
            with os.fdopen(writing, "wb", BLOCK_BYTES) as out:
                write(out)
        except Exception as error:  # the reader tells it
            failures.append(error)

    writer, whole = threading.Thread(target=work, daemon=True), False
    writer.start()
    stream = os.fdopen(reading, "rb")
    try:
        yield stream, failures
        whole = not failures
    finally:
        if not whole:
            abandon()  # first: while Arrow waits for more in a thread of its own, the stream does not close
        stream.close()
        writer.join()
