"""A SQLite file, read as its declared types say.

SQLite keeps any value in any column: what is not of the declared type is read as NULL, and counted.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import pyarrow as pa

from engine.errors import BadFile, Unavailable
from engine.extract.reader import Described, quoted, schema
from engine.extract.source import SourceTable, Sqlite
from engine.trusted.catalogue import LocalColumn
from engine.trusted.plan import Type

BATCH_ROWS = 1 << 16
# Parts of a declared type, in SQLite's own order ("Datatypes in SQLite", section 3.1) with its names of dates and
# truth values before it.
DECLARED = (
    (("BOOL",), Type.BOOLEAN),
    (("DATE", "TIMESTAMP"), Type.DATE),
    (("INT",), Type.INTEGER),
    (("CHAR", "CLOB", "TEXT", "UUID"), Type.TEXT),
    (("REAL", "FLOA", "DOUB", "NUM", "DEC"), Type.DECIMAL),
)
_DAY = "-".join("[0-9]" * digits for digits in (4, 2, 2)) + "*"  # date() would also read 'now', and numbers
VALUES = {
    Type.BOOLEAN: (
        "CASE WHEN {0} IN (0, 1) THEN {0} WHEN lower({0}) = 'true' THEN 1 WHEN lower({0}) = 'false' THEN 0 END"
    ),
    Type.INTEGER: "CASE WHEN typeof({0}) = 'integer' THEN {0} END",
    Type.DECIMAL: "CASE WHEN typeof({0}) IN ('integer', 'real') THEN CAST({0} AS REAL) END",
    Type.DATE: f"CASE WHEN typeof({{0}}) = 'text' AND {{0}} GLOB '{_DAY}' THEN date({{0}}) END",
    Type.TEXT: "CASE WHEN typeof({0}) <> 'blob' THEN CAST({0} AS TEXT) END",
}
# What SQLite hands out for a type that it has not: Arrow makes the rest of it.
GIVEN = {Type.BOOLEAN: pa.int8(), Type.DATE: pa.string()}


@contextmanager
def transaction(source: Sqlite) -> Iterator[_Reader]:
    """The file opened for reading only, and read as it is at this moment."""
    path = Path(source.path)
    if not path.is_file():
        raise BadFile("FILE_MISSING", path=source.path)
    try:
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, isolation_level=None)) as connection:
            connection.execute("BEGIN")
            yield _Reader(source, connection)
    except (sqlite3.Error, UnicodeError) as error:
        raise Unavailable("NODE_DATABASE_FAILED", source=source.name, internal=repr(error)) from None


class _Reader:
    def __init__(self, source: Sqlite, connection: sqlite3.Connection) -> None:
        self._source, self._connection = source, connection

    def described(self, table: SourceTable) -> Described:
        rows = self._connection.execute("SELECT name, type FROM pragma_table_xinfo(?)", (table.table,)).fetchall()
        if not rows:
            raise BadFile("FILE_SOURCE_TABLE", source=self._source.name, table=str(table))
        return Described({name: _type(declared.upper()) for name, declared in rows})

    def batches(self, table: SourceTable, columns: Sequence[LocalColumn]) -> Iterator[pa.RecordBatch]:
        values = ", ".join(VALUES[c.type].format(quoted(c.name)) for c in columns)
        cursor = self._connection.execute(f"SELECT {values} FROM {quoted(table.table)}")  # noqa: S608
        shape = schema(columns)
        given = [GIVEN.get(c.type, kind) for c, kind in zip(columns, shape.types, strict=True)]
        while rows := cursor.fetchmany(BATCH_ROWS):
            held = [pa.array(values, kind) for values, kind in zip(zip(*rows, strict=True), given, strict=True)]
            yield pa.record_batch([a.cast(kind) for a, kind in zip(held, shape.types, strict=True)], schema=shape)

    def lost(self, table: SourceTable, columns: Sequence[LocalColumn]) -> Mapping[str, int]:
        counts = ", ".join(f"COUNT({quoted(c.name)}) - COUNT({VALUES[c.type].format(quoted(c.name))})" for c in columns)
        [row] = self._connection.execute(f"SELECT {counts} FROM {quoted(table.table)}")  # noqa: S608
        return {column.name: lost for column, lost in zip(columns, row, strict=True) if lost}


def _type(declared: str) -> Type | None:
    if not declared:
        return Type.TEXT  # an expression of a view
    return next((kind for parts, kind in DECLARED if any(part in declared for part in parts)), None)
