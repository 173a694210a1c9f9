"""Expressions over released figures, evaluated as SQL does: NULL in, NULL out, and no failure.

Numbers are exact (int, Fraction); NULL is None. Division by zero is NULL. Only the analyst's machine runs this, on
figures that are released already.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta
from fractions import Fraction
from math import ceil, floor, trunc
from typing import Any

from engine.trusted import dates
from engine.trusted.plan import Call, ColumnRef, Expression, Function, Literal, LiteralValue

F = Function
Value = LiteralValue
Row = Mapping[str, Value]


def evaluate(expression: Expression, row: Row) -> Value:
    """The value of an expression for one row of leaves."""
    match expression:
        case ColumnRef(name=name):
            return row[name]
        case Literal(value=value):
            return value
        case Call(function=function, arguments=arguments):
            lazy = _CHOICES.get(function)
            if lazy is not None:
                return lazy(arguments, row)
            values = [evaluate(argument, row) for argument in arguments]
            if any(value is None for value in values):
                return None
            return _strict(function, values)


def _strict(function: Function, values: Sequence[Value]) -> Value:
    """A function that is NULL where an argument is, and where it has no value."""
    try:
        found: Value = _STRICT[function](*values)
    except (ArithmeticError, ValueError):
        return None
    return found


def _case(arguments: Sequence[Expression], row: Row) -> Value:
    for condition, value in zip(arguments[0:-1:2], arguments[1::2], strict=True):
        if evaluate(condition, row) is True:
            return evaluate(value, row)
    return evaluate(arguments[-1], row)


def _coalesce(arguments: Sequence[Expression], row: Row) -> Value:
    return next((v for v in (evaluate(a, row) for a in arguments) if v is not None), None)


def _nullif(arguments: Sequence[Expression], row: Row) -> Value:
    first, second = (evaluate(argument, row) for argument in arguments)
    return None if first is not None and first == second else first


def _is_null(arguments: Sequence[Expression], row: Row) -> Value:
    return evaluate(arguments[0], row) is None


def _decided(answer: bool) -> Callable[[Sequence[Expression], Row], Value]:
    """AND is decided by a false operand, OR by a true one; else NULL if one is NULL."""

    def decide(arguments: Sequence[Expression], row: Row) -> Value:
        values = [evaluate(argument, row) for argument in arguments]
        if answer in values:
            return answer
        return None if None in values else not answer

    return decide


_CHOICES: dict[Function, Callable[[Sequence[Expression], Row], Value]] = {
    F.CASE: _case,
    F.COALESCE: _coalesce,
    F.NULLIF: _nullif,
    F.IS_NULL: _is_null,
    F.AND: _decided(False),
    F.OR: _decided(True),
}


def round_half_away(value: Any, digits: int = 0) -> int | Fraction:
    """Rounded to ``digits`` decimals, halves away from zero."""
    scale = Fraction(10) ** digits
    size = floor(abs(Fraction(value)) * scale + Fraction(1, 2)) / scale
    rounded = size if value >= 0 else -size
    return int(rounded) if isinstance(value, int) and rounded.denominator == 1 else rounded


def _divide(first: Any, second: Any) -> Fraction | None:
    return None if second == 0 else Fraction(first) / Fraction(second)


def _integer_divide(first: Any, second: Any) -> int | None:
    return None if second == 0 else trunc(Fraction(first) / Fraction(second))


def _modulo(first: Any, second: Any) -> Any:
    """Sign of the dividend."""
    if second == 0:
        return None
    size = abs(first) % abs(second)
    return size if first >= 0 else -size


def _like(text: Any, pattern: Any) -> bool:
    parts = {"%": ".*", "_": "."}
    return re.fullmatch("".join(parts.get(c, re.escape(c)) for c in pattern), text, re.DOTALL) is not None


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(float(value)) if isinstance(value, Fraction) else str(value)


def _boolean(value: Any) -> bool:
    if isinstance(value, str):
        return {"true": True, "false": False}[value.lower()] if value.lower() in ("true", "false") else value == "t"
    return bool(value)


def _integer(value: Any) -> int:
    return int(value) if isinstance(value, bool | int) else int(round_half_away(Fraction(value)))


def _date(value: Any) -> date:
    return value if isinstance(value, date) else date.fromisoformat(value)


def _truncation(grain: Function) -> Callable[[date], date]:
    return lambda day: dates.truncate(day, grain)


_STRICT: dict[Function, Callable[..., Any]] = {
    F.ADD: lambda a, b: a + b,
    F.SUBTRACT: lambda a, b: a - b,
    F.MULTIPLY: lambda a, b: a * b,
    F.DIVIDE: _divide,
    F.INTEGER_DIVIDE: _integer_divide,
    F.MODULO: _modulo,
    F.NEGATE: lambda a: -a,
    F.ABS: abs,
    F.FLOOR: floor,
    F.CEIL: ceil,
    F.ROUND: round_half_away,
    F.LEAST: min,
    F.GREATEST: max,
    F.EQUAL: lambda a, b: a == b,
    F.NOT_EQUAL: lambda a, b: a != b,
    F.LESS: lambda a, b: a < b,
    F.LESS_EQUAL: lambda a, b: a <= b,
    F.GREATER: lambda a, b: a > b,
    F.GREATER_EQUAL: lambda a, b: a >= b,
    F.IN: lambda a, *items: a in items,
    F.LIKE: _like,
    F.NOT: lambda a: not a,
    F.CAST_INTEGER: _integer,
    F.CAST_DECIMAL: Fraction,
    F.CAST_TEXT: _text,
    F.CAST_DATE: _date,
    F.CAST_BOOLEAN: _boolean,
    **{grain: _truncation(grain) for grain in dates.GRAINS},
    F.YEAR: lambda d: d.year,
    F.QUARTER: lambda d: (d.month + 2) // 3,
    F.MONTH: lambda d: d.month,
    F.DAY: lambda d: d.day,
    F.ISO_DAY_OF_WEEK: lambda d: d.isoweekday(),
    F.DAYS_BETWEEN: lambda a, b: (b - a).days,
    F.MONTHS_BETWEEN: lambda a, b: dates.months(b) - dates.months(a),
    F.YEARS_BETWEEN: lambda a, b: b.year - a.year,
    F.ADD_DAYS: lambda d, n: d + timedelta(days=n),
    F.UPPER: str.upper,
    F.LOWER: str.lower,
    F.TRIM: lambda t: t.strip(" "),
    F.LENGTH: len,
    F.SUBSTRING: lambda t, start, length: t[start - 1 : start - 1 + length],
    F.CONCAT: lambda *parts: "".join(parts),
    F.ALPHANUMERIC: lambda t: "".join(c for c in t if c.isascii() and c.isalnum()),
}
