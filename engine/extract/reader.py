"""The one interface to a database that is read: its columns, then their values as Arrow batches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

import pyarrow as pa

from engine.arrow_kinds import KINDS
from engine.extract.source import Postgresql, Source, SourceTable
from engine.trusted.catalogue import LocalColumn
from engine.trusted.plan import Type


@dataclass(frozen=True, slots=True)
class Described:
    """Columns of a table in order; None: a type that no expression can use. ``may_write``: the account could change
    the table, which it should not be able to."""

    columns: Mapping[str, Type | None]
    may_write: bool = False


class Reader(Protocol):
    """One read-only transaction: all that it gives is of one moment. Raises Unavailable NODE_DATABASE_UNREACHABLE,
    NODE_DATABASE_FAILED, BadFile FILE_SOURCE_TABLE; never a word of the database."""

    def described(self, table: SourceTable) -> Described: ...

    def batches(self, table: SourceTable, columns: Sequence[LocalColumn]) -> Iterator[pa.RecordBatch]: ...

    def lost(self, table: SourceTable, columns: Sequence[LocalColumn]) -> Mapping[str, int]:
        """Of each column, how many values are no value of its type, and are read as NULL; those with any."""


def opened(source: Source, *tables: SourceTable) -> AbstractContextManager[Reader]:
    """A transaction on the source, in which ``tables`` stay as they are."""
    if isinstance(source, Postgresql):
        from engine.extract import postgresql

        return postgresql.transaction(source, tables)
    from engine.extract import sqlite

    return sqlite.transaction(source)


def schema(columns: Sequence[LocalColumn]) -> pa.Schema:
    return pa.schema([(column.name, KINDS[column.type]) for column in columns])


def texts(given: pa.Array) -> tuple[pa.Array, int]:
    """Bytes as texts; what is no UTF-8 is NULL, and counted."""
    try:
        return given.cast(pa.string()), 0
    except pa.ArrowInvalid:
        read = pa.array([_decoded(value) for value in given.to_pylist()], pa.string())
        return read, read.null_count - given.null_count


def _decoded(value: bytes | None) -> str | None:
    try:
        return None if value is None else value.decode()
    except UnicodeDecodeError:
        return None


def quoted(name: str) -> str:
    """An identifier in double quotes, as both databases read it."""
    return '"' + name.replace('"', '""') + '"'
