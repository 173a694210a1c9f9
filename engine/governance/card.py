"""A quality card: how complete the columns of a dataset are, as one question that anybody can make anew.

    statement(dataset, wanted)     the SQL of a card, from the catalogue alone
    read(table, plan, ...)         what a published table says, if it is the table of a card and of nothing else

A card is an ordinary question on the ordinary path: agreed, charged, journalled, with noise. What makes it a card is
its plan: the headers of the table say which figures were wanted, the statement follows from them, and its plan has to
be the one that was signed and answered. So no title makes a card of another table.

A row is complete in a column if it has a value there once the data are cut: a text outside the published list is none,
a number beyond its bounds is one. A share is shown as released: noise can lift it above 100 %.
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from engine.errors import Refused, require
from engine.figures import decimals, interval_words, text
from engine.trusted import wire
from engine.trusted.catalogue import Catalogue, Column, Dataset
from engine.trusted.plan import Plan, Type
from engine.trusted.records import Rules
from engine.trusted.verify import columns_read

ROWS, PERSONS = "all rows", "all persons"
ENDS = ("low 95 %", "high 95 %")  # as tables of releases name them
QUARTILES = (("25 %", "0.25"), ("50 %", "0.5"), ("75 %", "0.75"))
MOST_BYTES = 1 << 20
SMALLEST, LARGEST = 1e-30, 1e30  # of a figure that is not 0: others would be too much for drawings and decimals
HIDDEN = "…"  # in place of a name or value that the catalogue in force does not publish
_FILLED, _SPREAD = re.compile(r"(\w+): rows"), re.compile(r"(\w+): 25 %")
_VALUE, _PLAIN = re.compile(r"(\w+)(?: = .+|: value [0-9]+)"), re.compile(r"[A-Za-z0-9._/-][A-Za-z0-9 ._/-]{0,39}")
_NUMBER = re.compile(r"-?[0-9]{1,20}(\.[0-9]{1,20})?(e[-+]?[0-9]{1,3})?")


@dataclass(frozen=True, slots=True)
class Wanted:
    """``columns``: whose completeness is asked; ``values``: of which each published value is counted; ``quartiles``:
    of which the quartiles are asked. All in the order of the catalogue. ``persons``: whether they are counted."""

    columns: tuple[str, ...]
    values: tuple[str, ...] = ()
    quartiles: tuple[str, ...] = ()
    persons: bool = True


@dataclass(frozen=True, slots=True)
class Measured:
    """A figure with the ends of its 95 % interval; None where the answer had none."""

    value: float | None
    low: float | None = None
    high: float | None = None

    @property
    def span(self) -> tuple[float, float] | None:
        return None if self.low is None or self.high is None else (self.low, self.high)

    @property
    def words(self) -> tuple[str, str]:
        """The figure and its interval, with the decimals that the interval supports."""
        places = decimals(self.span)
        shown = "not known" if self.value is None else text(self.value, places)
        return shown, interval_words(self.value, self.span, places)


@dataclass(frozen=True, slots=True)
class Filled:
    """One column: ``rows`` with a value, their ``share`` of all in per cent. ``values``: rows of each published value;
    ``quartiles``: three, or none, in the column's ``unit`` at the time."""

    column: str
    rows: Measured
    share: Measured
    values: tuple[tuple[str, Measured], ...] = ()
    quartiles: tuple[Measured, ...] = ()
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Figures:
    """What a card says; ``persons`` None where they were not counted."""

    dataset: str
    rows: Measured
    persons: Measured | None
    columns: tuple[Filled, ...]


def wanted_of(
    dataset: Dataset,
    columns: Sequence[str] = (),
    values: Sequence[str] = (),
    quartiles: Sequence[str] = (),
    *,
    persons: bool = True,
) -> Wanted:
    """No ``columns``: all but the person's. Persons are not counted where one may be at several departments.

    Refused SQL_UNKNOWN_COLUMN, SQL_CARD_COLUMN.
    """
    usual = [column.name for column in dataset.columns if column.name != dataset.person.column]
    _check(dataset, columns, lambda c: c.name in usual, "it names the person and is never missing")
    _check(dataset, values, lambda c: bool(c.domain), "no list of its values is published")
    _check(dataset, quartiles, is_bounded, "quartiles are of numbers with bounds")
    named = {*(columns or usual), *values, *quartiles}
    first, second, third = (tuple(n for n in usual if n in some) for some in (named, set(values), set(quartiles)))
    return Wanted(first, second, third, persons and dataset.overlap == 1)


def _check(dataset: Dataset, names: Iterable[str], fits: Callable[[Column], bool], why: str) -> None:
    for name in names:
        found = dataset.column(name)
        if found is None:
            known = ", ".join(column.name for column in dataset.columns)
            raise Refused("SQL_UNKNOWN_COLUMN", name=name[:40], meant=f"{dataset.name} has {known}.")
        require(fits(found), "SQL_CARD_COLUMN", name=name, why=why)


def is_bounded(column: Column) -> bool:
    return column.bounds is not None and column.type in (Type.INTEGER, Type.DECIMAL)


def statement(dataset: Dataset, wanted: Wanted) -> str:
    items = ",\n  ".join(f"{expression} AS {_quoted(name)}" for name, expression in _items(dataset, wanted))
    return f"SELECT\n  {items}\nFROM {_quoted(dataset.name)}"


def _items(dataset: Dataset, wanted: Wanted) -> Iterator[tuple[str, str]]:
    """(header, SQL) of each figure."""
    yield ROWS, "COUNT(*)"
    if wanted.persons:
        yield PERSONS, f"COUNT(DISTINCT {_quoted(dataset.person.column)})"
    for name in wanted.columns:
        column = _quoted(name)
        yield f"{name}: rows", f"COUNT({column})"
        yield f"{name}: %", f"100 * COUNT({column}) / COUNT(*)"
        found = dataset.column(name) if name in wanted.values else None
        for header, value in _counted(found) if found else ():
            literal = value.replace("'", "''")
            yield header, f"COUNT(*) FILTER (WHERE {column} = '{literal}')"
        for words, fraction in QUARTILES if name in wanted.quartiles else ():
            yield f"{name}: {words}", f"QUANTILE_CONT({column}, {fraction})"


def _counted(column: Column) -> Iterator[tuple[str, str]]:
    """(header, value) of each published value; one that no header of a statement can hold, or that reads like another
    but for capitals or spaces, goes by its place."""
    alike = Counter(map(_folded, column.domain))
    for place, value in enumerate(column.domain, 1):
        plain = _PLAIN.fullmatch(value) and alike[_folded(value)] == 1
        yield f"{column.name} = {value}" if plain else f"{column.name}: value {place}", value


def _folded(value: str) -> str:
    return " ".join(value.split()).lower()


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def read(table: bytes, plan: bytes, catalogue: Catalogue, rules: Rules) -> Figures:
    """What a table says as a card: its plan, verified already, is that of the card whose headers it has.

    Raises Refused POLICY_CARD_INVALID, with what is wrong with it.
    """
    cells = _cells(table)
    read_of = columns_read(wire.decode(Plan, plan, wire.PLAN_BYTES), catalogue)
    dataset = catalogue.dataset(next(iter(read_of), "")) if len(read_of) == 1 else None
    if dataset is None:
        raise _invalid("it is not about one dataset")
    wanted = _wanted_in(cells)
    try:
        wanted = wanted_of(dataset, wanted.columns, wanted.values, wanted.quartiles, persons=wanted.persons)
        same = [name for name, _ in _items(dataset, wanted)] == list(cells)
        same = same and _plan_of(statement(dataset, wanted), catalogue, rules) == plan
    except Refused as refused:
        raise _invalid(f"its headers are no card's ({refused.code})") from None
    if not same:
        raise _invalid("its headers are not those of the plan that was answered")
    return _figures(dataset, wanted, cells)


def _plan_of(sql: str, catalogue: Catalogue, rules: Rules) -> bytes:
    from engine.sql import prepare

    return wire.encode(prepare(sql, catalogue, rules).plan)


def _invalid(detail: str) -> Refused:
    return Refused("POLICY_CARD_INVALID", detail=detail)


def _cells(table: bytes) -> dict[str, Measured]:
    """The one row of the table: header -> figure, each with the ends of its interval behind it."""
    if len(table) > MOST_BYTES:
        raise _invalid("it is longer than any card")
    try:
        header, row = csv.reader(io.StringIO(table.decode(), newline=""), strict=True)
    except (UnicodeDecodeError, csv.Error, ValueError):
        raise _invalid("a card has one line of headers and one of figures") from None
    found: dict[str, Measured] = {}
    place = 0
    while place < len(header):
        name = header[place]
        width = 3 if header[place + 1 : place + 3] == [f"{name}, {end}" for end in ENDS] else 1
        if name in found or len(row) != len(header):
            raise _invalid("its lines do not fit")
        found[name] = measured = Measured(*map(_number, row[place : place + width]))
        if measured.span and measured.span[0] > measured.span[1]:
            raise _invalid("an interval ends before it begins")
        place += width
    return found


def _number(said: str) -> float | None:
    if not said:
        return None
    found = float(said) if _NUMBER.fullmatch(said) else math.nan
    if found and not SMALLEST <= abs(found) <= LARGEST:  # NaN is neither
        raise _invalid("a figure is no number, or one that no data have")
    return found


def _wanted_in(headers: Iterable[str]) -> Wanted:
    """What was wanted, as the headers say."""
    names = list(headers)
    filled, spread, values = (
        [found[1] for name in names if (found := form.fullmatch(name))] for form in (_FILLED, _SPREAD, _VALUE)
    )
    return Wanted(tuple(filled), tuple(dict.fromkeys(values)), tuple(spread), PERSONS in names)


def _figures(dataset: Dataset, wanted: Wanted, cells: dict[str, Measured]) -> Figures:
    columns = []
    for name in wanted.columns:
        found = dataset.column(name) if name in wanted.values else None
        counted = tuple((value, cells[header]) for header, value in (_counted(found) if found else ()))
        spread = tuple(cells[f"{name}: {words}"] for words, _ in QUARTILES if name in wanted.quartiles)
        unit = declared.unit if (declared := dataset.column(name)) else ""
        columns.append(Filled(name, cells[f"{name}: rows"], cells[f"{name}: %"], counted, spread, unit))
    return Figures(dataset.name, cells[ROWS], cells.get(PERSONS), tuple(columns))


def wanted_in(figures: Figures) -> Wanted:
    """What was wanted of a card."""
    columns = figures.columns
    values, quartiles = (f.column for f in columns if f.values), (f.column for f in columns if f.quartiles)
    return Wanted(tuple(f.column for f in columns), tuple(values), tuple(quartiles), figures.persons is not None)


def published(figures: Figures, catalogue: Catalogue) -> Figures:
    """The figures for readers of a catalogue: names and values that it does not declare are shown as '…'."""
    dataset = catalogue.dataset(figures.dataset)

    def declared(filled: Filled) -> Filled:
        found = dataset.column(filled.column) if dataset else None
        known = frozenset(found.domain) if found else frozenset[str]()
        values = tuple((value if value in known else HIDDEN, count) for value, count in filled.values)
        unit = filled.unit if found else ""
        return replace(filled, column=filled.column if found else HIDDEN, values=values, unit=unit)

    return replace(figures, columns=tuple(declared(filled) for filled in figures.columns))


@dataclass(frozen=True, slots=True)
class Line:
    """One figure of a card. ``figure``: all rows, all persons, rows with a value, complete, a value, or a quartile."""

    column: str
    figure: str
    unit: str
    measured: Measured

    @property
    def words(self) -> tuple[str, str]:
        return self.measured.words


def lines(figures: Figures) -> Iterator[Line]:
    """Every figure, one below the other."""
    yield Line("", ROWS, "rows", figures.rows)
    if figures.persons is not None:
        yield Line("", PERSONS, "persons", figures.persons)
    for filled in figures.columns:
        yield Line(filled.column, "rows with a value", "rows", filled.rows)
        yield Line(filled.column, "complete", "%", filled.share)
        for value, count in filled.values:
            yield Line(filled.column, f"= {value}", "rows", count)
        for (words, _), quartile in zip(QUARTILES, filled.quartiles, strict=False):
            yield Line(filled.column, f"{words} are at most", filled.unit, quartile)
