"""DB-API 2.0 (PEP 249) over a person's own home: no server and no driver between.

    from engine.client import dbapi

    with dbapi.connect("~/.splittally/analyst", epsilon=0.5) as connection:
        cursor = connection.cursor()
        cursor.execute("SELECT region, COUNT(*) AS n FROM people WHERE sex = ? GROUP BY region", ["F"])
        cursor.fetchall(), cursor.release.intervals

``execute`` asks the federation and is charged for; the same statement again is free. A request that waits for people
raises OperationalError (code APPROVAL_WAITING_REQUEST); executed again, the statement fetches its answer. There are no
transactions: ``commit`` does nothing, and what was asked cannot be rolled back.
"""

from __future__ import annotations

import builtins
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, datetime, time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.arrow_kinds import KINDS
from engine.client.arrow import SQL_NAMES
from engine.client.asking import Free, read, released_table
from engine.client.options import Options, text_of
from engine.client.parameters import bind
from engine.client.session import Session
from engine.client.session import connect as open_session
from engine.errors import SplittallyError, Waiting
from engine.trusted.home import Home
from engine.trusted.plan import Type

if TYPE_CHECKING:
    import pyarrow

    from engine.client.release import Release

apilevel = "2.0"
threadsafety = 2  # threads may share the module and connections
paramstyle = "qmark"

Row = tuple[Any, ...]
Column = tuple[str, str, None, None, None, None, bool]


class Warning(builtins.Warning):  # noqa: A001 - the name is the standard's
    """Never raised here; part of the standard."""


class Error(Exception):
    """The root. ``code``, ``message`` and ``hint`` are those of the error tree (engine/errors.py); empty for misuse."""

    def __init__(self, text: str, code: str = "", message: str = "", hint: str = "") -> None:
        super().__init__(text)
        self.code, self.message, self.hint = code, message or text, hint


class InterfaceError(Error):
    """Misuse of this module, or a home that is not whole."""


class DatabaseError(Error):
    pass


class DataError(DatabaseError):
    """A value that cannot be written as a literal."""


class OperationalError(DatabaseError):
    """It may work later: people have to decide, a machine or a round failed."""


class IntegrityError(DatabaseError):
    """Never raised here; part of the standard."""


class InternalError(DatabaseError):
    """Our own mistake."""


class ProgrammingError(DatabaseError):
    """The statement, its terms or its price were refused."""


class NotSupportedError(DatabaseError):
    pass


_NOT_SUPPORTED = ("SQL_NOT_SUPPORTED", "SQL_NOT_YET_SUPPORTED", "SQL_COMMAND")
_BY_PREFIX: Mapping[str, type[Error]] = {
    "FILE_": InterfaceError,
    "ROUND_": OperationalError,
    "NODE_": OperationalError,
    "BUG_": InternalError,
}


class TypeObject:
    """Equal to the type codes that it stands for."""

    def __init__(self, *codes: str) -> None:
        self.codes = frozenset(codes)

    def __eq__(self, other: object) -> bool:
        return other.codes == self.codes if isinstance(other, TypeObject) else other in self.codes

    def __hash__(self) -> int:
        return hash(self.codes)


STRING = TypeObject("VARCHAR")
BINARY = TypeObject("VARBINARY")
NUMBER = TypeObject("BIGINT", "DOUBLE", "BOOLEAN")
DATETIME = TypeObject("DATE")
ROWID = TypeObject("ROWID")

Date, Time, Timestamp, Binary = date, time, datetime, bytes


def DateFromTicks(ticks: float) -> date:  # noqa: N802 - the names are the standard's
    return datetime.fromtimestamp(ticks).date()


def TimeFromTicks(ticks: float) -> time:  # noqa: N802
    return datetime.fromtimestamp(ticks).time()


def TimestampFromTicks(ticks: float) -> datetime:  # noqa: N802
    return datetime.fromtimestamp(ticks)


def connect(home: Home | Path | str | Session, **options: object) -> Connection:
    """A connection of the analyst whose home it is, or over a session that is open already and stays so.

    ``options`` are those of engine/client/options.py: epsilon, delta, agreement, purpose, n_min, valid_days, intervals
    (True: two more columns for each with noise), wait.
    """
    with _standard():
        chosen = Options()
        for name, value in options.items():
            chosen = chosen.changed(name, text_of(value))
        return Connection(home if isinstance(home, Session) else open_session(home), chosen, isinstance(home, Session))


class Connection:
    """Questions under one set of options. Close it, or use it as a context manager."""

    Warning, Error, InterfaceError, DatabaseError = Warning, Error, InterfaceError, DatabaseError
    DataError, OperationalError, IntegrityError = DataError, OperationalError, IntegrityError
    InternalError, ProgrammingError, NotSupportedError = InternalError, ProgrammingError, NotSupportedError

    def __init__(self, session: Session, options: Options, shared: bool = False) -> None:
        self._session, self._options, self._shared = session, options, shared
        self._closed = False

    def __enter__(self) -> Connection:
        self.session()
        return self

    def __exit__(self, *_: object) -> None:
        if not self._closed:
            self.close()

    @property
    def options(self) -> Options:
        return self._options

    def session(self) -> Session:
        """The session behind; InterfaceError once the connection is closed."""
        if self._closed:
            raise InterfaceError("The connection is closed.")
        return self._session

    def close(self) -> None:
        session = self.session()
        self._closed = True
        if not self._shared:
            session.close()

    def commit(self) -> None:
        """Nothing to do: there are no transactions."""
        self.session()

    def rollback(self) -> None:
        """NotSupportedError: what was asked and charged cannot be called back."""
        self.session()
        raise NotSupportedError("There are no transactions: what was asked cannot be called back.")

    def cursor(self) -> Cursor:
        self.session()
        return Cursor(self)


class Cursor:
    """One statement at a time. ``release``: of the last one, with intervals, cost and receipt; None for ``fed``."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.arraysize = 1
        self.lastrowid = None
        self.release: Release | None = None
        self._table: pyarrow.Table | None = None
        self._rows: list[Row] = []
        self._place = 0
        self._closed = False

    def __enter__(self) -> Cursor:
        self._open()
        return self

    def __exit__(self, *_: object) -> None:
        self._closed = True

    @property
    def description(self) -> tuple[Column, ...] | None:
        """One entry a column: name, type code, and whether it may be NULL; None before a statement was executed."""
        if self._table is None:
            return None
        names = {KINDS[kind]: SQL_NAMES[kind] for kind in Type}
        return tuple((f.name, names[f.type], None, None, None, None, f.nullable) for f in self._table.schema)

    @property
    def rowcount(self) -> int:
        return -1 if self._table is None else len(self._rows)

    @property
    def rownumber(self) -> int | None:
        """The place of the next row, from 0."""
        return None if self._table is None else self._place

    @property
    def table(self) -> pyarrow.Table:
        """All rows as Arrow."""
        return self._result()

    def close(self) -> None:
        self._open()
        self._closed = True

    def execute(self, operation: str, parameters: Sequence[object] = ()) -> Cursor:
        """Asks a statement, its ``?`` replaced by the parameters, and waits for the answer; the cursor itself."""
        session = self._open()
        self._table, self._rows, self._place, self.release = None, [], 0, None
        if isinstance(parameters, str | bytes | Mapping) or not isinstance(parameters, Sequence):
            raise ProgrammingError("Parameters are a list or tuple of values, one for each `?`.")
        with _standard():
            asked = read(session, bind(operation, parameters), self.connection.options)
            if isinstance(asked, Free):
                self._table = asked.table()
            else:
                self.release = asked.release()
                self._table = released_table(self.release, asked.schema)
        columns = [column.to_pylist() for column in self._table.columns]
        self._rows = list(zip(*columns, strict=True))
        return self

    def executemany(self, operation: str, seq_of_parameters: Sequence[Sequence[object]]) -> None:
        """NotSupportedError: each set of values would be a question, and a charge, of its own."""
        self._open()
        raise NotSupportedError("Only one set of values can be asked with at a time: each is a question of its own.")

    def fetchone(self) -> Row | None:
        rows = self.fetchmany(1)
        return rows[0] if rows else None

    def fetchmany(self, size: int | None = None) -> list[Row]:
        self._result()
        start, wanted = self._place, self.arraysize if size is None else size
        if wanted < 0:
            raise ProgrammingError("No negative number of rows can be fetched.")
        self._place = min(start + wanted, len(self._rows))
        return self._rows[start : self._place]

    def fetchall(self) -> list[Row]:
        self._result()
        return self.fetchmany(len(self._rows))

    def setinputsizes(self, sizes: Sequence[object]) -> None:
        """Nothing to do: literals need no room."""
        self._open()

    def setoutputsize(self, size: int, column: int | None = None) -> None:
        """Nothing to do: values come whole."""
        self._open()

    def __iter__(self) -> Iterator[Row]:
        return self

    def __next__(self) -> Row:
        row = self.fetchone()
        if row is None:
            raise StopIteration
        return row

    def _open(self) -> Session:
        if self._closed:
            raise InterfaceError("The cursor is closed.")
        return self.connection.session()

    def _result(self) -> pyarrow.Table:
        self._open()
        if self._table is None:
            raise ProgrammingError("No statement was executed, so there are no rows.")
        return self._table


@contextmanager
def _standard() -> Iterator[None]:
    """Errors of the tree as the standard names them."""
    try:
        yield
    except SplittallyError as error:
        raise _kind(error)(str(error), error.code, error.message, error.hint) from error


def _kind(error: SplittallyError) -> type[Error]:
    if isinstance(error, Waiting):
        return OperationalError
    if error.code in _NOT_SUPPORTED:
        return NotSupportedError
    if error.code == "SQL_LITERAL":
        return DataError
    return _BY_PREFIX.get(error.code[: error.code.index("_") + 1], ProgrammingError)
