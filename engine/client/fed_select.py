"""Statements about the federation itself: SELECT columns FROM fed.TABLE, with WHERE, ORDER BY and LIMIT.

These tables hold public records and the analyst's own requests; reading them asks no node and costs nothing. They are
few and short, so the language is small: the tools that open a table and page through it are served, the rest is
refused with a hint.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from engine.errors import Refused
from engine.sql.scan import Lexeme, position_of, scan

SCHEMA = "fed"
_END = Lexeme("end", "", 0)


@dataclass(frozen=True, slots=True)
class Item:
    """A column and the name it is shown by."""

    column: str
    name: str


@dataclass(frozen=True, slots=True)
class Order:
    column: str
    descending: bool


@dataclass(frozen=True, slots=True)
class FedSelect:
    """``items`` empty: all columns. ``where``: every pair has to be equal; None stands for IS NULL."""

    table: str
    items: tuple[Item, ...] = ()
    where: tuple[tuple[str, str | int | float | bool | None], ...] = ()
    order: tuple[Order, ...] = ()
    limit: int | None = None


def read_fed(sql: str, catalog: str = "") -> FedSelect | None:
    """The statement, if it is about a table of ``fed``; None for any other.

    ``catalog``: a name that may stand before the schema. Raises Refused SQL_FED_SELECT for more than is read here.
    """
    try:
        lexemes = scan(sql)
    except Refused:
        return None  # whoever reads the statement next refuses it too, with the same words
    table = _fed_table(lexemes, catalog)
    return None if table is None else _Reader(sql, lexemes, catalog, table).statement()


def _fed_table(lexemes: Sequence[Lexeme], catalog: str) -> str | None:
    """The table of ``fed`` behind the first FROM, after what may stand before it."""
    starts = [place for place, lexeme in enumerate(lexemes) if (lexeme.kind, lexeme.text) == ("word", "from")]
    if not starts:
        return None
    names = [lexeme.text for lexeme in lexemes[starts[0] + 1 : starts[0] + 6]]
    if names[:2] == [catalog, "."]:
        names = names[2:]
    return names[2] if names[:2] == [SCHEMA, "."] and len(names) > 2 else None


@dataclass
class _Reader:
    sql: str
    lexemes: Sequence[Lexeme]
    catalog: str
    table: str
    place: int = 0
    aliases: set[str] = field(default_factory=set)

    def statement(self) -> FedSelect:
        self.expect("select")
        items = self.items()
        self.expect("from")
        self.source()
        where = self.conditions() if self.take("where") else ()
        order = self.orders() if self.take("order") else ()
        limit = self.whole() if self.take("limit") else None
        self.take(";")
        if self.next is not _END:
            raise self.refuse("nothing else can follow")
        return FedSelect(self.table, items, where, order, limit)

    @property
    def next(self) -> Lexeme:
        return self.lexemes[self.place] if self.place < len(self.lexemes) else _END

    def take(self, text: str) -> bool:
        """Whether the next word or sign is ``text``, which is then read."""
        found = self.next.kind in ("word", "sign") and self.next.text == text
        self.place += found
        return found

    def expect(self, text: str) -> None:
        if not self.take(text):
            raise self.refuse(f"{text.upper()} is expected")

    def refuse(self, detail: str) -> Refused:
        at = position_of(self.sql, self.next.start if self.next is not _END else max(len(self.sql) - 1, 0))
        return Refused("SQL_FED_SELECT", at=at, detail=detail, table=self.table)

    def name(self) -> str:
        if self.next.kind not in ("word", "name"):
            raise self.refuse("a name is expected")
        self.place += 1
        return self.lexemes[self.place - 1].text

    def column(self) -> str:
        """``column``, or ``table.column`` whatever the table is called."""
        found = self.name()
        while self.take("."):
            found = self.name()
        return found

    def items(self) -> tuple[Item, ...]:
        if self.take("*"):
            return ()
        found = []
        while True:
            column = self.name()
            while self.take("."):
                if self.take("*"):
                    return ()
                column = self.name()
            found.append(Item(column, self.name() if self.take("as") else column))
            if not self.take(","):
                return tuple(found)

    def source(self) -> None:
        """The table's own name was read before; perhaps an alias follows."""
        while self.name() != self.table or self.next.text == ".":
            self.expect(".")
        clause = self.next.kind == "word" and self.next.text in ("where", "order", "limit")
        if self.take("as") or (self.next.kind in ("word", "name") and not clause):
            self.name()

    def conditions(self) -> tuple[tuple[str, str | int | float | bool | None], ...]:
        found: list[tuple[str, str | int | float | bool | None]] = []
        while True:
            column = self.column()
            if self.take("is"):
                self.expect("null")
                found.append((column, None))
            else:
                self.expect("=")
                found.append((column, self.value()))
            if not self.take("and"):
                return tuple(found)

    def value(self) -> str | int | float | bool:
        negative = self.take("-")
        lexeme = self.next
        self.place += 1
        if lexeme.kind == "text" and not negative:
            return lexeme.text
        if lexeme.kind == "word" and lexeme.text in ("true", "false") and not negative:
            return lexeme.text == "true"
        if lexeme.kind == "number":
            plain = lexeme.text.replace("_", "")
            number = int(plain) if plain.isdecimal() else float(plain)
            return -number if negative else number
        self.place -= 1
        raise self.refuse("a text, number, TRUE or FALSE is expected")

    def orders(self) -> tuple[Order, ...]:
        self.expect("by")
        found = []
        while True:
            column = self.column()
            descending = self.take("desc")
            found.append(Order(column, descending))
            if not descending:
                self.take("asc")
            if not self.take(","):
                return tuple(found)

    def whole(self) -> int:
        if self.next.kind != "number" or not self.next.text.isdecimal():
            raise self.refuse("a whole number is expected")
        self.place += 1
        return int(self.lexemes[self.place - 1].text)
