"""Answers beside what is expected of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any, NamedTuple

from oracle import Told

from engine.sql.finish import Answer
from engine.sql.statement import Statement, SumLeaf, TotalLeaf
from engine.trusted.plan import Type
from engine.trusted.walk import names_in

ROUNDING = 1e-11  # of a double that an engine adds up or divides
KINDS = {
    "BOOLEAN": Type.BOOLEAN,
    "DATE": Type.DATE,
    "TIMESTAMP": Type.DATE,
    "VARCHAR": Type.TEXT,
    "DOUBLE": Type.DECIMAL,
    "FLOAT": Type.DECIMAL,
}


class Difference(AssertionError):
    """The answer is another one."""


class Terms(NamedTuple):
    """How rows are compared. ``tolerance``: of decimals, or ``each`` column's own; ``sums``: columns where no row at
    all may show as 0."""

    tolerance: float = 0.0
    sums: frozenset[int] = frozenset()
    ordered: bool = False
    completed: bool = False
    each: tuple[float, ...] = ()


def terms_of(statement: Statement, options: Sequence[str], tolerance: float) -> Terms:
    """A sum over nobody is NULL in SQL and 0 in a release, where nobody can tell it from a sum of 0."""
    sums = {name for name, leaf in statement.leaves if isinstance(leaf, SumLeaf | TotalLeaf)}
    places = (i for i, o in enumerate(statement.outputs) if sums & names_in(o.expression))
    return Terms(tolerance, frozenset(places), bool(statement.order), "completed" in options)


def equal(ours: Any, theirs: Any, tolerance: float = 0.0, *, summed: bool = False) -> bool:
    """Whole numbers, texts, dates and truth exactly; decimals within ``tolerance`` and the rounding of doubles."""
    if theirs is None or ours is None:
        return ours is theirs or (summed and theirs is None and not isinstance(ours, bool) and ours == 0)
    if isinstance(theirs, bool) or isinstance(ours, bool):
        return ours is theirs
    if isinstance(ours, date):
        midnight = isinstance(theirs, datetime) and theirs == datetime(theirs.year, theirs.month, theirs.day)
        return ours == (theirs.date() if midnight else theirs)
    if isinstance(ours, str) or isinstance(theirs, str):
        return bool(ours == theirs)
    if isinstance(ours, int) and isinstance(theirs, int | Decimal):
        return abs(ours - theirs) <= tolerance
    ours, theirs = float(ours), float(theirs)
    if not (math.isfinite(ours) and math.isfinite(theirs)):
        return False
    return abs(ours - theirs) <= tolerance + ROUNDING * max(1.0, abs(ours), abs(theirs))


def _same(ours: tuple[Any, ...], theirs: tuple[Any, ...], terms: Terms) -> bool:
    each = terms.each or (terms.tolerance,) * len(ours)
    return len(ours) == len(theirs) and all(
        equal(a, b, each[i], summed=i in terms.sums) for i, (a, b) in enumerate(zip(ours, theirs, strict=True))
    )


def _empty(row: tuple[Any, ...], answer: Answer) -> bool:
    """Whether every noisy column of a row shows that nobody is in the group."""
    noisy = {name for interval in answer.intervals for name in interval}
    return all(not v for v, n in zip(row, answer.columns, strict=True) if isinstance(v, int | float) and n in noisy)


def check_oracle(answer: Answer, told: Told, terms: Terms) -> None:
    """The same columns and rows, in order where the statement orders them."""
    _check_columns(answer, told)
    ours, left = list(answer.rows), list(told.rows)
    for position, row in enumerate(ours):
        match = next((i for i, r in enumerate(left) if _same(row, r, terms)), None)
        if match is None and terms.completed and _empty(row, answer):
            continue
        if match is None or (terms.ordered and match != 0):
            raise Difference(f"row {position + 1} is not the oracle's: {row}\n{_shown(answer.rows, told.rows)}")
        left.pop(match)
    if left:
        raise Difference(f"rows are missing\n{_shown(answer.rows, told.rows)}")


def _check_columns(answer: Answer, told: Told) -> None:
    """Named as the engine names them, unless it gives one name twice; of the same kind of type."""
    ours, theirs = list(answer.columns), list(told.columns)
    if ours != theirs and not (len(set(theirs)) < len(theirs) and len(set(ours)) == len(ours)):
        raise Difference(f"columns {ours}, the oracle's are {theirs}")
    kinds = [KINDS.get(t, Type.DECIMAL if t.startswith("DECIMAL") else Type.INTEGER) for t in told.types]
    if list(answer.types) != kinds:
        raise Difference(f"types {[t.name for t in answer.types]}, the oracle's are {told.types}")


def check_listed(answer: Answer, expected: Sequence[tuple[str, ...]], *, ordered: bool) -> None:
    """The rows as written: NULL, true, numbers within rounding, dates as ISO text."""
    ours = [tuple(map(_text, row)) for row in answer.rows]
    theirs = [tuple(map(_text, (_number(cell) for cell in row))) for row in expected]
    if (ours if ordered else sorted(ours)) != (theirs if ordered else sorted(theirs)):
        raise Difference(_shown(ours, theirs))


def _number(cell: str) -> object:
    try:
        return float(cell)
    except ValueError:
        return cell


def _text(value: object) -> str:
    if value is None or value == "NULL":
        return "NULL"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return f"{float(value):.6g}".replace("-0", "0") if abs(value) < 1e-9 else f"{float(value):.9g}"
    return str(value)


def _shown(ours: Sequence[object], theirs: Sequence[object]) -> str:
    return "\n".join(["ours:", *(f"  {row}" for row in ours), "expected:", *(f"  {row}" for row in theirs)])
