"""Columns of the catalogue file: type, domain, bounds and step."""

from __future__ import annotations

from datetime import date
from fractions import Fraction

from engine.catalogue.entry import Entry, is_name
from engine.trusted.catalogue import Bounds, Column
from engine.trusted.domains import ROW_NAME
from engine.trusted.plan import Type

MOST_COLUMNS = 1_000
MOST_VALUES = 10_000
_TYPES = {kind.name.lower(): kind for kind in Type}
_KEYS = ("type", "about", "unit", "nullable", "domain", "bounds", "step")
_EPOCH = date(1970, 1, 1)


def load_columns(entry: Entry) -> tuple[Column, ...]:
    """The columns of one dataset in file order; raises BadFile FILE_CATALOGUE_*."""
    pairs = entry.pairs("Write one entry a column, `NAME: {type: ...}`.")
    if not pairs or len(pairs) > MOST_COLUMNS:
        raise entry.wrong(f"holds {len(pairs)} columns", f"Declare from 1 to {MOST_COLUMNS} columns.")
    columns: dict[str, Column] = {}
    for name, inner in pairs:
        if not is_name(name):
            raise inner.wrong("is not a name for a column", "Use letters, digits and underscores, a letter first.")
        if name.lower() == ROW_NAME:
            raise inner.wrong(
                "has a name that database engines use for rows themselves", "Name the column differently."
            )
        if name.lower() in columns:
            raise inner.wrong("has the name of another column", "SQL does not tell upper from lower case; rename it.")
        columns[name.lower()] = _column(name, inner)
    return tuple(columns.values())


def _column(name: str, entry: Entry) -> Column:
    fields = entry.fields(_KEYS, ("type",), "Write `{type: ...}`.")
    kind = _TYPES[fields["type"].one_of(tuple(_TYPES))]
    _check_fitting(kind, fields)
    step = _step(entry, fields.get("step")) if kind is Type.DECIMAL else None
    bounds = _bounds(kind, fields["bounds"], step) if "bounds" in fields else None
    return Column(
        name=name,
        type=kind,
        about=fields["about"].text("a sentence") if "about" in fields else "",
        unit=fields["unit"].text("a unit, for example GBP") if "unit" in fields else "",
        nullable=fields["nullable"].boolean() if "nullable" in fields else False,
        domain=_domain(fields["domain"]) if "domain" in fields else (),
        bounds=bounds,
        step=step,
    )


def _check_fitting(kind: Type, fields: dict[str, Entry]) -> None:
    """``domain`` is for text; ``bounds`` for numbers and dates; ``step`` for decimals."""
    if "domain" in fields and kind is not Type.TEXT:
        instead = "Leave it out; a boolean is true or false." if kind is Type.BOOLEAN else "Use `bounds: [LOW, HIGH]`."
        raise fields["domain"].wrong(f"does not fit a column of type {kind.name.lower()}", instead)
    if "bounds" in fields and kind in (Type.TEXT, Type.BOOLEAN):
        instead = "Use `domain: [A, B]`." if kind is Type.TEXT else "Leave it out."
        raise fields["bounds"].wrong(f"does not fit a column of type {kind.name.lower()}", instead)
    if "step" in fields and kind is not Type.DECIMAL:
        raise fields["step"].wrong(f"does not fit a column of type {kind.name.lower()}", "Leave it out.")


def _domain(entry: Entry) -> tuple[str, ...]:
    values: list[str] = []
    seen: set[str] = set()
    for item in entry.items("Write `domain: [A, B]`."):
        value = item.text("a value; for NULL write `nullable: true` beside the domain")
        if value in seen:
            raise item.wrong(f"`{value[:40]}` stands there twice", "Name each value once.")
        seen.add(value)
        values.append(value)
    if not values or len(values) > MOST_VALUES:
        raise entry.wrong(f"holds {len(values)} values", f"Name from 1 to {MOST_VALUES} values.")
    return tuple(values)


def _step(column: Entry, entry: Entry | None) -> Fraction:
    if entry is None:
        raise column.missing(
            "step", "Write `step: 0.01` for pence, `step: 1` for whole units: the grid values are put on."
        )
    step = entry.number("a number above 0, for example 0.01")
    if step <= 0:
        raise entry.wrong("is not above 0", "Write a number above 0, for example 0.01.")
    return step


def _bounds(kind: Type, entry: Entry, step: Fraction | None) -> Bounds:
    items = entry.items("Write `bounds: [LOW, HIGH]`.")
    if len(items) != 2:
        raise entry.wrong(f"holds {len(items)} values", "Write `bounds: [LOW, HIGH]`.")
    low, high = (_bound(kind, item) for item in items)
    if low > high:
        raise entry.wrong("has its lower bound above the upper", "Write the lower bound first.")
    for item, bound in zip(items, (low, high), strict=True):
        if step and (bound / step).denominator != 1:
            raise item.wrong("is not a multiple of the step", "Choose bounds on the grid, or a smaller step.")
    if step and (high - low) / step > 2**52:
        raise entry.wrong("has too many steps between the bounds", "Use a larger step or narrower bounds.")
    return Bounds(low, high)


def _bound(kind: Type, item: Entry) -> Fraction:
    if kind is Type.DATE:
        return Fraction((item.date("a date, for example 2015-01-01") - _EPOCH).days)
    if kind is Type.INTEGER:
        return Fraction(item.integer(-(2**53), "a whole number"))
    return item.number("a number")
