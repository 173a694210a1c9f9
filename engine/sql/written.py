"""Functions that plans have not, written out in those they have.

Each means what it means to DuckDB (tests/plans/expressions.yaml, tests/sql_front/test_meaning.py). What depends on a
short list of values becomes a CASE over them, as the list is published.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Callable, Sequence
from datetime import date, datetime

from engine.errors import Position, Refused
from engine.sql.bound import Bound, alike, as_date, is_type, literal, typed
from engine.sql.naming import render
from engine.sql.syntax import Apply, Constant
from engine.trusted.domain import bounded
from engine.trusted.plan import Function, Literal, LiteralValue, Type

F = Function
Caller = Callable[[Function, Sequence[Bound], Position], Bound]
Rule = Callable[[Caller, tuple[Bound, ...], Position], Bound]
MOST_VALUES = 200  # of a text that is written out
MOST_PADDING = 40
MOST_PIECES = 16  # of a format
_SHIFTED = ("year", "quarter", "month")
_PIECE = re.compile(r"%-?[A-Za-z%]|[^%]+")
_LITERAL_FORMAT = re.compile(r"(%[Ymd]|[-/. ])+")


def simplified(syntax: Apply) -> Apply:
    """``year(d + INTERVAL 9 MONTH)`` needs no date in between."""
    inner = syntax.operands[-1] if syntax.operands else None
    if syntax.operator in _SHIFTED and isinstance(inner, Apply) and inner.operator == "add months":
        return Apply(f"{syntax.operator} of shifted", inner.operands, syntax.at)
    return _first_day(syntax) if syntax.operator == "make_date" else syntax


def _first_day(syntax: Apply) -> Apply:
    """``make_date(year(d), month(d), 1)`` is date_trunc('month', d)."""
    parts = [part.operator if isinstance(part, Apply) else part for part in syntax.operands]
    days = [part.operands[-1] for part in syntax.operands if isinstance(part, Apply)]
    ones = [part.value for part in parts if isinstance(part, Constant)]
    taken = tuple(part for part in parts if isinstance(part, str))
    grain = {("year", "month"): "month", ("year",): "year"}.get(taken)
    if grain is None or set(ones) != {1} or len({render(day) for day in days}) != 1:
        return syntax
    return Apply("date_trunc", (Constant(grain, f"'{grain}'", syntax.at), days[0]), syntax.at)


def _value(bound: Bound) -> LiteralValue:
    return bound.expression.value if isinstance(bound.expression, Literal) else None


def _refuse(construct: str, instead: str, at: Position) -> Refused:
    return Refused("SQL_NOT_SUPPORTED", at=at, construct=construct, instead=instead)


def _whole(value: int, at: Position) -> Bound:
    return literal(value, at)


def as_text(call: Caller, operand: Bound, at: Position) -> Bound:
    """What ``||`` and CONCAT make of whole numbers, truth values and dates."""
    operand = typed(operand, Type.TEXT)
    if any(is_type(operand, kind) for kind in (Type.INTEGER, Type.BOOLEAN, Type.DATE)):
        return call(F.CAST_TEXT, (operand,), at)
    return operand


# -- comparisons


def _same(call: Caller, operands: tuple[Bound, ...], at: Position) -> Bound:
    """IS NOT DISTINCT FROM: NULL is like NULL and unlike everything else."""
    first, second = (typed(bound, Type.TEXT) for bound in alike(operands))
    both = call(F.AND, [call(F.IS_NULL, (bound,), at) for bound in (first, second)], at)
    return call(F.COALESCE, (call(F.EQUAL, (first, second), at), both), at)


def _different(call: Caller, operands: tuple[Bound, ...], at: Position) -> Bound:
    return call(F.NOT, (_same(call, operands, at),), at)


def _ilike(call: Caller, operands: tuple[Bound, ...], at: Position) -> Bound:
    pattern = _value(operands[1])
    if not isinstance(pattern, str) or not pattern.isascii():
        raise Refused("SQL_LITERAL", at=operands[1].at, problem="ILIKE takes a pattern of plain letters, as written")
    lowered = call(F.LOWER, (typed(operands[0], Type.TEXT),), at)
    return call(F.LIKE, (lowered, literal(pattern.lower(), operands[1].at)), at)


def _not_ilike(call: Caller, operands: tuple[Bound, ...], at: Position) -> Bound:
    return call(F.NOT, (_ilike(call, operands, at),), at)


def _holds(before: str, after: str) -> Rule:
    def rule(call: Caller, operands: tuple[Bound, ...], at: Position) -> Bound:
        part = _value(operands[1])
        if not isinstance(part, str) or set(part) & {"%", "_"}:
            raise Refused("SQL_LITERAL", at=operands[1].at, problem="the part looked for is a text without % and _")
        pattern = literal(f"{before}{part}{after}", operands[1].at)
        return call(F.LIKE, (typed(operands[0], Type.TEXT), pattern), at)

    return rule


# -- numbers


def _sign(call: Caller, operands: tuple[Bound, ...], at: Position) -> Bound:
    number, zero = typed(operands[0], Type.INTEGER), _whole(0, at)
    cases = [call(F.GREATER, (number, zero), at), _whole(1, at), call(F.LESS, (number, zero), at), _whole(-1, at)]
    null = typed(literal(None, at), Type.INTEGER)
    return call(F.CASE, (*cases, call(F.EQUAL, (number, zero), at), zero, null), at)


def _power(call: Caller, operands: tuple[Bound, ...], at: Position) -> Bound:
    times = _value(operands[1])
    if type(times) is not int or not 1 <= times <= 4:
        raise _refuse("A power other than 1, 2, 3 or 4", "Write the product: x * x.", operands[1].at)
    base = typed(operands[0], Type.INTEGER)
    base = base if is_type(base, Type.DECIMAL) else call(F.CAST_DECIMAL, (base,), at)
    found = base
    for _ in range(times - 1):
        found = call(F.MULTIPLY, (found, base), at)
    return found


def _truncated(call: Caller, operands: tuple[Bound, ...], at: Position) -> Bound:
    number = typed(operands[0], Type.INTEGER)
    below = call(F.LESS, (number, _whole(0, at)), at)
    return call(F.CASE, (below, call(F.CEIL, (number,), at), call(F.FLOOR, (number,), at)), at)


# -- texts with a published list


def _listed(name: str, make: Callable[..., str], numbers: tuple[int, ...] = ()) -> Rule:
    """A text function of listed values; ``numbers``: which operands behind the text are whole numbers."""

    def rule(call: Caller, operands: tuple[Bound, ...], at: Position) -> Bound:
        text, others = typed(operands[0], Type.TEXT), [_value(bound) for bound in operands[1:]]
        for place, (other, bound) in enumerate(zip(others, operands[1:], strict=True)):
            wanted = type(other) is int and 1 <= other <= MOST_PADDING if place in numbers else isinstance(other, str)
            if not wanted:
                raise Refused("SQL_LITERAL", at=bound.at, problem=f"{name} takes literals behind the text")
        values = text.domain.values if text.domain is not None and is_type(text, Type.TEXT) else None
        if values is None or len(values) > MOST_VALUES:
            instead = "Use it on a column with a short list of values; else LEFT, SUBSTRING, TRIM, or ALPHANUMERIC(x),"
            instead += " which keeps letters and digits."
            raise _refuse(f"{name} of a text without a list of values", instead, at)
        made = {str(value): make(str(value), *others) for value in values}
        return _chosen(call, text, made, at)

    return rule


def _chosen(call: Caller, subject: Bound, made: dict[str, str] | dict[int, str], at: Position) -> Bound:
    """CASE over the values of ``subject``."""
    pairs: list[Bound] = []
    for value, outcome in made.items():
        pairs += [call(F.EQUAL, (subject, literal(value, at)), at), literal(outcome, at)]
    return call(F.CASE, (*pairs, typed(literal(None, at), Type.TEXT)), at)


def _padded(text: str, size: int, fill: str) -> str:
    missing = size - len(text)
    return text[:size] if missing <= 0 else (fill * missing)[:missing] + text


def _part(text: str, separator: str, place: int) -> str:
    parts = text.split(separator) if separator else [text]
    return parts[place - 1] if place <= len(parts) else ""


# -- dates


def _date(bound: Bound) -> Bound:
    return as_date(typed(bound, Type.DATE))


def _made_date(call: Caller, operands: tuple[Bound, ...], at: Position) -> Bound:
    parts = [_value(bound) for bound in operands]
    if all(type(part) is int for part in parts) and len(parts) == 3:
        try:
            return literal(date(*parts), at)  # type: ignore[arg-type]
        except (ValueError, OverflowError):
            raise Refused("SQL_LITERAL", at=at, problem="there is no such date") from None
    raise _refuse("A date made of columns", "Write date_trunc('month', d), or a date as DATE '2024-04-06'.", at)


def _parsed(call: Caller, operands: tuple[Bound, ...], at: Position) -> Bound:
    """STRPTIME of literals, with year, month and day."""
    text, form = (_value(bound) for bound in operands)
    if isinstance(text, str) and isinstance(form, str) and _LITERAL_FORMAT.fullmatch(form):
        try:
            return literal(datetime.strptime(text, form).date(), at)
        except ValueError:
            pass
    raise _refuse("STRPTIME of anything but a date as written", "Write DATE '2024-01-31', or CAST(x AS DATE).", at)


_MONTHS = {number: calendar.month_name[number] for number in range(1, 13)}
_DAYS = {number: calendar.day_name[number - 1] for number in range(1, 8)}
_FORMATS: dict[str, tuple[Function, dict[int, str]]] = {
    "%m": (F.MONTH, {number: f"{number:02}" for number in range(1, 13)}),
    "%d": (F.DAY, {number: f"{number:02}" for number in range(1, 32)}),
    "%B": (F.MONTH, _MONTHS),
    "%b": (F.MONTH, {number: name[:3] for number, name in _MONTHS.items()}),
    "%A": (F.ISO_DAY_OF_WEEK, _DAYS),
    "%a": (F.ISO_DAY_OF_WEEK, {number: name[:3] for number, name in _DAYS.items()}),
}


def _formatted(call: Caller, operands: tuple[Bound, ...], at: Position) -> Bound:
    """STRFTIME of a date, in either order of operands."""
    first, second = operands
    if isinstance(_value(first), str) and not isinstance(_value(second), str):
        first, second = second, first
    form, day = _value(second), _date(first)
    pieces = _PIECE.findall(form) if isinstance(form, str) else []
    if not isinstance(form, str) or "".join(pieces) != form or not 0 < len(pieces) <= MOST_PIECES:
        raise Refused("SQL_LITERAL", at=second.at, problem="STRFTIME takes a format as written, such as '%Y-%m'")
    made = [_piece(call, piece, day, second.at) for piece in pieces]
    return made[0] if len(made) == 1 else call(F.CONCAT, made, at)


def _piece(call: Caller, piece: str, day: Bound, at: Position) -> Bound:
    if not piece.startswith("%"):
        return literal(piece, at)
    if piece == "%Y":
        year = call(F.YEAR, (day,), at)
        if year.domain is not None and year.domain.interval is not None and year.domain.interval[0] >= 1000:
            return call(F.CAST_TEXT, (year,), at)
        raise _refuse("The year of a date that may lie before 1000, as text", "Use year(d).", at)
    if piece not in _FORMATS:
        instead = "There are %Y, %m, %d, %B, %b, %A and %a; for quarters write 'Q' || quarter(d)."
        raise _refuse(f"The format {piece} of STRFTIME", instead, at)
    function, names = _FORMATS[piece]
    return _chosen(call, call(function, (day,), at), names, at)


def _named(piece: str) -> Rule:
    return lambda call, operands, at: _piece(call, piece, _date(operands[0]), at)


def _months_added(call: Caller, operands: tuple[Bound, ...], at: Position) -> Bound:
    """Of a date as written; beyond the end of a month it is the month's last day."""
    day, months = _value(_date(operands[0])), _value(operands[1])
    if not isinstance(day, date) or not isinstance(months, int):
        instead = "Add days or weeks; for a year from April write year(d) - CASE WHEN month(d) < 4 THEN 1 ELSE 0 END."
        raise _refuse("Adding months or years to a column", instead, at)
    count = day.year * 12 + day.month - 1 + months
    year, month = divmod(count, 12)
    if not 1 <= year <= 9998:
        raise Refused("SQL_LITERAL", at=at, problem="there is no such date")
    return literal(date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1])), at)


def _shifted(part: str) -> Rule:
    """Year, quarter or month of a date moved by months, from the number of its month."""

    def rule(call: Caller, operands: tuple[Bound, ...], at: Position) -> Bound:
        day, months = _date(operands[0]), operands[1]
        year = call(F.MULTIPLY, (call(F.YEAR, (day,), at), _whole(12, at)), at)
        month = call(F.ADD, (year, call(F.MONTH, (day,), at)), at)
        count = call(F.ADD, (month, _whole(int(str(_value(months))) - 1, at)), at)
        if part == "year":
            return call(F.INTEGER_DIVIDE, (count, _whole(12, at)), at)
        month = call(F.MODULO, (count, _whole(12, at)), at)
        if part == "quarter":
            month = call(F.INTEGER_DIVIDE, (month, _whole(3, at)), at)
        return call(F.ADD, (month, _whole(1, at)), at)

    return rule


def _interval(call: Caller, operands: tuple[Bound, ...], at: Position) -> Bound:
    raise _refuse("An age as an interval", "Write date_part('year', age(DATE '2024-12-31', born)).", at)


def _age(call: Caller, operands: tuple[Bound, ...], at: Position) -> Bound:
    """Complete years from the second date to the first."""
    return _between(call, _date(operands[1]), _date(operands[0]), at, last=False)


def _complete(call: Caller, operands: tuple[Bound, ...], at: Position) -> Bound:
    """DATE_SUB('year', a, b): the last day of February completes a year begun on the 29th."""
    return _between(call, _date(operands[1]), _date(operands[2]), at, last=True)


def _between(call: Caller, first: Bound, second: Bound, at: Position, *, last: bool) -> Bound:
    forward = _years(call, first, second, at, last)
    a, b = (bound.domain for bound in (first, second))
    known = a is not None and b is not None and bounded(a) and bounded(b)
    if known and a is not None and b is not None and a.interval and b.interval and a.interval[1] <= b.interval[0]:
        return forward
    backward = call(F.NEGATE, (_years(call, second, first, at, last),), at)
    return call(F.CASE, (call(F.LESS_EQUAL, (first, second), at), forward, backward), at)


def _years(call: Caller, first: Bound, second: Bound, at: Position, last: bool) -> Bound:
    """Complete years where the second date is not before the first; NULL where one is."""
    begun = call(F.YEARS_BETWEEN, (first, second), at)
    early = call(F.LESS, (_day_of_year(call, second, at, last), _day_of_year(call, first, at, False)), at)
    return call(F.SUBTRACT, (begun, call(F.CASE, (early, _whole(1, at), _whole(0, at)), at)), at)


def _day_of_year(call: Caller, day: Bound, at: Position, last: bool) -> Bound:
    """Month and day as one number."""
    month, number = call(F.MONTH, (day,), at), call(F.DAY, (day,), at)
    found = call(F.ADD, (call(F.MULTIPLY, (month, _whole(100, at)), at), number), at)
    if not last:
        return found
    march = call(F.EQUAL, (call(F.MONTH, (call(F.ADD_DAYS, (day, _whole(1, at)), at),), at), _whole(3, at)), at)
    ends = call(F.AND, (call(F.EQUAL, (month, _whole(2, at)), at), march), at)
    return call(F.CASE, (ends, _whole(229, at), found), at)


WRITTEN: dict[str, Rule] = {
    "not distinct from": _same,
    "distinct from": _different,
    "ilike": _ilike,
    "not ilike": _not_ilike,
    "contains": _holds("%", "%"),
    "starts_with": _holds("", "%"),
    "ends_with": _holds("%", ""),
    "sign": _sign,
    "pow": _power,
    "trunc": _truncated,
    "replace": _listed("REPLACE", str.replace),
    "right": _listed("RIGHT", lambda text, size: text[-size:], (0,)),
    "lpad": _listed("LPAD", _padded, (0,)),
    "split_part": _listed("SPLIT_PART", _part, (1,)),
    "make_date": _made_date,
    "strptime": _parsed,
    "strftime": _formatted,
    "monthname": _named("%B"),
    "dayname": _named("%A"),
    "add months": _months_added,
    "year of shifted": _shifted("year"),
    "quarter of shifted": _shifted("quarter"),
    "month of shifted": _shifted("month"),
    "age": _interval,
    "years of age": _age,
    "date_sub": _complete,
}
