"""A SQLite file, read as its declared types say.

SQLite keeps any value in any column: what is not of the declared type is read as NULL, and counted.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa

from engine.arrow_kinds import KINDS
from engine.errors import BadFile, Unavailable
from engine.extract.reader import Described, quoted, schema, texts
from engine.extract.source import SourceTable, Sqlite
from engine.trusted.catalogue import LocalColumn
from engine.trusted.plan import Type

BATCH_ROWS = 1 << 14  # texts may be long
# Parts of a declared type, in SQLite's own order ("Datatypes in SQLite", section 3.1) with its names of dates and
# truth values before it.
DECLARED = (
    (("BOOL",), Type.BOOLEAN),
    (("DATE", "TIMESTAMP"), Type.DATE),
    (("INT",), Type.INTEGER),
    (("CHAR", "CLOB", "TEXT", "UUID", "STRING", "ENUM"), Type.TEXT),
    (("REAL", "FLOA", "DOUB", "NUM", "DEC"), Type.DECIMAL),
)
_DAY = "-".join("[0-9]" * digits for digits in (4, 2, 2)) + "*"  # date() would also read 'now', and numbers
# A day that there is: date() takes the 30th of February, and says the 1st of March if it has to reckon.
_DATED = (
    f"typeof({{0}}) = 'text' AND {{0}} GLOB '{_DAY}' AND date(substr({{0}}, 1, 10), '+0 days') = substr({{0}}, 1, 10)"
    " AND date({0}, '+0 days') BETWEEN '0001-01-01' AND '9999-12-31'"
)
VALUES = {
    Type.BOOLEAN: (
        "CASE WHEN {0} IN (0, 1) THEN {0} WHEN lower({0}) = 'true' THEN 1 WHEN lower({0}) = 'false' THEN 0 END"
    ),
    Type.INTEGER: "CASE WHEN typeof({0}) = 'integer' THEN {0} END",
    Type.DECIMAL: "CASE WHEN typeof({0}) IN ('integer', 'real') THEN CAST({0} AS REAL) END",
    Type.DATE: f"CASE WHEN {_DATED} THEN date({{0}}, '+0 days') END",
    Type.TEXT: "CASE WHEN typeof({0}) <> 'blob' THEN CAST({0} AS TEXT) END",
}
# What SQLite hands out for a type that it has not: Arrow makes the rest of it.
GIVEN = {Type.BOOLEAN: pa.int8(), Type.DATE: pa.binary(), Type.TEXT: pa.binary()}
BUSY_SECONDS = 60.0  # that another program may hold the file
_SHUT = "it may not be read, or is in WAL mode and its folder may not be written (VACUUM INTO makes a copy that is not)"
WORDS = {
    "SQLITE_BUSY": "another program writes it",
    "SQLITE_CANTOPEN": _SHUT,
    "SQLITE_CORRUPT": "it is damaged",
    "SQLITE_NOTADB": "it is no SQLite file",
    "SQLITE_READONLY": _SHUT,
}


@contextmanager
def transaction(source: Sqlite) -> Iterator[_Reader]:
    """The file opened for reading only, and read as it is at this moment."""
    path = Path(source.path)
    with _told(source):
        if not path.is_file():
            raise BadFile("FILE_MISSING", path=source.path)
        connection = sqlite3.connect(f"{path.as_uri()}?mode=ro", BUSY_SECONDS, uri=True, isolation_level=None)
    connection.text_factory = bytes  # Python would fail at what is no UTF-8, and show it
    with closing(connection):
        with _told(source):
            connection.execute("BEGIN")
        yield _Reader(source, connection)


@contextmanager
def _told(source: Sqlite) -> Iterator[None]:
    """Never in the words of an error that a row could have made."""
    try:
        yield
    except (sqlite3.Error, pa.ArrowException, ArithmeticError, OSError) as error:
        name = getattr(error, "sqlite_errorname", "SQLITE_CANTOPEN" if isinstance(error, OSError) else "")
        why = f"it answers {name}" if name else "it holds what cannot be read"
        why += next((f", {words}" for known, words in WORDS.items() if name.startswith(known)), "")
        cause = f"{type(error).__name__} {name}"
        raise Unavailable("NODE_DATABASE_FAILED", source=source.name, why=why, internal=cause) from None


class _Reader:
    def __init__(self, source: Sqlite, connection: sqlite3.Connection) -> None:
        self._source, self._connection = source, connection
        self._garbled = Counter[tuple[SourceTable, str]]()

    def described(self, table: SourceTable) -> Described:
        asked = "SELECT name, type FROM pragma_table_xinfo(?)"
        with _told(self._source):
            rows = self._connection.execute(asked, (table.table,)).fetchall()
        if not rows:
            raise BadFile("FILE_SOURCE_TABLE", source=self._source.name, table=str(table))
        named = [(name.decode(errors="replace"), declared.decode(errors="replace")) for name, declared in rows]
        return Described({name: _type(declared.upper()) for name, declared in named})

    def batches(self, table: SourceTable, columns: Sequence[LocalColumn]) -> Iterator[pa.RecordBatch]:
        values = ", ".join(VALUES[c.type].format(quoted(c.name)) for c in columns)
        shape = schema(columns)
        with _told(self._source):
            cursor = self._connection.execute(f"SELECT {values} FROM {quoted(table.table)}")  # noqa: S608
        while True:
            with _told(self._source):
                rows = cursor.fetchmany(BATCH_ROWS)
                if not rows:
                    return
                held = [self._held(table, c, given) for c, given in zip(columns, zip(*rows, strict=True), strict=True)]
                batch = pa.record_batch(held, schema=shape)
            yield batch

    def lost(self, table: SourceTable, columns: Sequence[LocalColumn]) -> Mapping[str, int]:
        counts = ", ".join(f"COUNT({quoted(c.name)}) - COUNT({VALUES[c.type].format(quoted(c.name))})" for c in columns)
        with _told(self._source):
            [row] = self._connection.execute(f"SELECT {counts} FROM {quoted(table.table)}")  # noqa: S608
        found = {c.name: lost + self._garbled[table, c.name] for c, lost in zip(columns, row, strict=True)}
        return {name: lost for name, lost in found.items() if lost}

    def _held(self, table: SourceTable, column: LocalColumn, values: tuple[Any, ...]) -> pa.Array:
        wanted = KINDS[column.type]
        given = pa.array(values, GIVEN.get(column.type, wanted))
        if column.type is Type.DATE:
            given = given.cast(pa.string())
        if column.type is not Type.TEXT:
            return given.cast(wanted)
        read, garbled = texts(given)
        self._garbled[table, column.name] += garbled
        return read


def _type(declared: str) -> Type | None:
    if not declared:
        return Type.TEXT  # an expression of a view
    return next((kind for parts, kind in DECLARED if any(part in declared for part in parts)), None)
