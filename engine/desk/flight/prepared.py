"""Prepared statements: their text, their values once bound, and what their columns and parameters are.

Preparing reads and prices a statement on this machine; nothing is sent, nothing is spent.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from itertools import islice, product

import pyarrow as pa

from engine.arrow_kinds import KINDS
from engine.client.asking import Asked
from engine.client.parameters import bind, places
from engine.errors import Refused
from engine.trusted.plan import Type
from engine.trusted.random import Randomness

HANDLE_BYTES = 16
MOST = 4_096  # the oldest is forgotten first: some tools close none
ATTEMPTS = 64
MOST_TYPED = 8  # parameters whose types are found out
_SAMPLES: dict[Type, object] = {
    Type.TEXT: "x",
    Type.DATE: date(2000, 1, 1),
    Type.DECIMAL: 1.5,
    Type.INTEGER: 1,
    Type.BOOLEAN: True,
}
Read = Callable[[str], Asked]


@dataclass(frozen=True, slots=True)
class Prepared:
    """``values`` is None until they are bound; a statement without parameters needs none."""

    sql: str
    values: tuple[object, ...] | None = None

    @property
    def text(self) -> str:
        """The statement as it can be asked; Refused SQL_PARAMETERS, SQL_LITERAL."""
        return bind(self.sql, self.values or ())

    def bound(self, table: pa.Table) -> Prepared:
        """With the one row of values that a client put."""
        if table.num_rows != 1:
            raise Refused("SQL_PARAMETERS", wanted=str(len(places(self.sql))), given=f"{table.num_rows} rows of")
        try:
            values = tuple(column[0].as_py() for column in table.columns)
        except (ValueError, OverflowError, pa.ArrowException) as error:
            problem = "a parameter holds no value of its type"
            raise Refused("SQL_LITERAL", problem=problem, internal=repr(error)) from None
        found = replace(self, values=values)
        _ = found.text
        return found


class Statements:
    """Those that are open, by handle."""

    def __init__(self, randomness: Randomness) -> None:
        self._randomness, self._lock = randomness, threading.Lock()
        self._held: OrderedDict[bytes, Prepared] = OrderedDict()

    def keep(self, statement: Prepared) -> bytes:
        handle = self._randomness.bytes(HANDLE_BYTES)
        with self._lock:
            self._held[handle] = statement
            if len(self._held) > MOST:
                self._held.popitem(last=False)
        return handle

    def find(self, handle: bytes) -> Prepared:
        """Refused SQL_HANDLE for one that is not open."""
        with self._lock:
            found = self._held.get(handle)
        if found is None:
            raise Refused("SQL_HANDLE")
        return found

    def change(self, handle: bytes, statement: Prepared) -> None:
        with self._lock:
            if handle in self._held:
                self._held[handle] = statement

    def close(self, handle: bytes) -> None:
        with self._lock:
            self._held.pop(handle, None)

    def __len__(self) -> int:
        with self._lock:
            return len(self._held)


def described(sql: str, read: Read) -> tuple[pa.Schema, pa.Schema]:
    """The columns of a statement, and of its parameters, each of a type that the statement takes there.

    With parameters, the statement is read with values in their place until it can be; the refusal of the first try, if
    it never can.
    """
    count = len(places(sql))
    if not count:
        return read(sql).schema, pa.schema([])
    values, asked = _first(sql, count, read)
    kinds = [_kind(sql, values, place, read) for place in range(count)]
    return asked.schema, pa.schema([pa.field(str(place), KINDS[kind]) for place, kind in enumerate(kinds, 1)])


def _first(sql: str, count: int, read: Read) -> tuple[tuple[object, ...], Asked]:
    refused: Refused | None = None
    for values in islice(product((None, 1, "x", date(2000, 1, 1)), repeat=count), ATTEMPTS):
        try:
            return values, read(bind(sql, values))
        except Refused as found:
            refused = refused or found
    raise refused or Refused("SQL_HANDLE")


def _kind(sql: str, values: Sequence[object], place: int, read: Read) -> Type:
    return next(_taken(sql, values, place, read), Type.TEXT) if len(values) <= MOST_TYPED else Type.TEXT


def _taken(sql: str, values: Sequence[object], place: int, read: Read) -> Iterator[Type]:
    """The types that a parameter may have, the others being as they are."""
    for kind, sample in _SAMPLES.items():
        try:
            read(bind(sql, (*values[:place], sample, *values[place + 1 :])))
        except Refused:
            continue
        yield kind
