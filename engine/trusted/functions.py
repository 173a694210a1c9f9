"""The table of functions: what each accepts, and what is known of its result.

Claim: for arguments inside their domains, the value an engine computes lies inside the domain returned here: type,
       NULL only if ``nullable``, inside ``interval``, among ``values``, a multiple of ``step`` (before the rounding
       of doubles), first day of ``grain``. Integers stay within +-2^53, so no engine overflows on them.
Because: each rule is one line of interval arithmetic (intervals.py, where doubles are rounded outward) or a map over
       a finite set of ASCII text, on which all engines agree; unknown means None, never a guess.
Checked by: tests/trusted_numerics/test_domains.py::test_every_value_lies_in_its_domain

Meanings that plan.proto leaves open: FLOOR, CEIL and ROUND keep the type of their argument; INTEGER_DIVIDE and MODULO
take integers only; CONCAT is NULL if an argument is; TRIM removes spaces; ALPHANUMERIC keeps A-Z a-z 0-9; UPPER and
LOWER are fixed for ASCII only, so a domain with other letters has no known image.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from functools import partial
from itertools import product
from math import prod
from typing import NamedTuple

from engine.trusted import arithmetic, dates, domain, intervals
from engine.trusted.domain import Domain, Use
from engine.trusted.intervals import Interval
from engine.trusted.plan import Function, Literal, Type

SET_LIMIT = 4_000  # finite sets of text are followed up to this size
LONGEST = 1_000_000  # what SUBSTRING counts to; engines fail on the row they are asked for positions beyond 2^32
F = Function
BOOLEAN, INTEGER, DECIMAL, DATE, TEXT = Type.BOOLEAN, Type.INTEGER, Type.DECIMAL, Type.DATE, Type.TEXT


def _range(use: Use, operation: Callable[..., Fraction | int]) -> Interval | None:
    """That of an operation that is monotone in each argument."""
    return domain.range_of(domain.operands(use), operation)


# -- choices


def _union(use: Use, outcomes: Sequence[Domain], *, nullable: bool, null_key: bool) -> Domain:
    kind = domain.one_type(use, outcomes)
    real = [d for d in outcomes if d.values != ()]
    if not real:
        return replace(outcomes[0], type=kind)
    interval = None
    if all(d.interval is not None for d in real):
        interval = intervals.hull(end for d in real for end in d.interval or ())
    step, grain = domain.shared(real)
    sets = [d.values for d in real if d.values is not None]
    values = None
    if len(sets) == len(real):
        values = tuple(dict.fromkeys(domain.as_type(kind, v) for held in sets for v in held))
    return Domain(kind, nullable, null_key and nullable, interval, values, step, grain=grain)


def _case(use: Use) -> Domain:
    if len(use.domains) % 2 == 0:
        raise domain.refuse_type(use.function, "condition and value pairs and an ELSE")
    if any(d.type is not BOOLEAN for d in use.domains[:-1:2]):
        raise domain.refuse_type(use.function, "conditions that are true or false")
    outcomes = (*use.domains[1::2], use.domains[-1])
    nullable, null_key = any(d.nullable for d in outcomes), any(d.null_key for d in outcomes)
    return _union(use, outcomes, nullable=nullable, null_key=null_key)


def _coalesce(use: Use) -> Domain:
    nullable, null_key = all(d.nullable for d in use.domains), all(d.null_key for d in use.domains)
    return _union(use, use.domains, nullable=nullable, null_key=null_key)


def _nullif(use: Use) -> Domain:
    domain.one_type(use, use.domains)
    first, without = use.domains[0], domain.literal_argument(use, 1)
    values = first.values and tuple(v for v in first.values if without is None or v != without)
    return replace(first, nullable=True, null_key=True, values=values)


# -- truth


def _truth(use: Use) -> Domain:
    return use.result(BOOLEAN, values=(False, True))


def _compare(use: Use) -> Domain:
    kind = domain.one_type(use, use.domains)
    if kind is TEXT and use.function not in (F.EQUAL, F.NOT_EQUAL):
        raise domain.refuse_type(use.function, "numbers or dates; text is compared with = <> IN LIKE only")
    return _truth(use)


def _in(use: Use) -> Domain:
    domain.one_type(use, use.domains)
    if not all(isinstance(a, Literal) for a in use.arguments[1:]):
        raise domain.refuse_type(use.function, "a list of literals")
    return _truth(use)


def _is_null(use: Use) -> Domain:
    return Domain(BOOLEAN, False, values=(False, True))


def _like(use: Use) -> Domain:
    if not isinstance(domain.literal_argument(use, 1), str):
        raise domain.refuse_type(use.function, "a literal pattern")
    return _truth(use)


# -- casts


def _cast_integer(use: Use) -> Domain:
    argument = use.domains[0]
    if argument.type is BOOLEAN:
        return use.result(INTEGER, (Fraction(0), Fraction(1)), step=Fraction(1))
    if argument.type is INTEGER:
        return argument
    interval = _range(use, intervals.round_half_away)
    limit = Fraction(intervals.EXACT)
    fits = interval is not None and -limit <= interval[0] and interval[1] <= limit
    return use.result(INTEGER, interval if fits else (-limit, limit), step=Fraction(1), nulls=not fits)


def _cast_decimal(use: Use) -> Domain:
    argument = use.domains[0]
    if argument.type is TEXT:
        return use.result(DECIMAL, nulls=True)
    values = argument.values and tuple(domain.as_type(DECIMAL, v) for v in argument.values)
    return replace(argument, type=DECIMAL, values=values)


def _cast_text(use: Use) -> Domain:
    argument = use.domains[0]
    if argument.type is TEXT:
        return argument
    held = None if argument.type is DECIMAL else domain.enumerated(argument, SET_LIMIT)
    return use.result(TEXT, values=held and tuple(str(v).lower() if isinstance(v, bool) else str(v) for v in held))


def _cast_date(use: Use) -> Domain:
    return use.domains[0] if use.domains[0].type is DATE else use.result(DATE, nulls=True)


def _cast_boolean(use: Use) -> Domain:
    kind = use.domains[0].type
    return use.domains[0] if kind is BOOLEAN else use.result(BOOLEAN, values=(False, True), nulls=kind is TEXT)


# -- dates


def _truncate(use: Use) -> Domain:
    interval = _range(use, lambda n: dates.day_number(dates.truncate(dates.day_of(n), use.function)))
    return use.result(DATE, interval, grain=use.function)


_PARTS = {F.QUARTER: 4, F.MONTH: 12, F.DAY: 31, F.ISO_DAY_OF_WEEK: 7}  # counted from 1


def _part(use: Use) -> Domain:
    return use.result(INTEGER, (Fraction(1), Fraction(_PARTS[use.function])), step=Fraction(1))


def _year(number: Fraction) -> int:
    return dates.day_of(number).year


def _month(number: Fraction) -> int:
    return dates.months(dates.day_of(number))


def _count(use: Use, operation: Callable[..., int]) -> Domain:
    return use.result(INTEGER, _range(use, operation), step=Fraction(1))


def _add_days(use: Use) -> Domain:
    return use.result(DATE, _range(use, operator.add))


# -- text


def _alphanumeric(text: str) -> str:
    return "".join(c for c in text if c.isascii() and c.isalnum())


def _image(use: Use, change: Callable[..., str]) -> Domain:
    """A text function over the values its arguments may have."""
    sets = [d.values for d in use.domains if d.values is not None]
    values = None
    if len(sets) == len(use.domains) and prod(map(len, sets)) <= SET_LIMIT:
        texts = [tuple(str(v) for v in held) for held in sets]
        if all(t.isascii() for held in texts for t in held):
            values = tuple(dict.fromkeys(change(*combination) for combination in product(*texts)))
    return use.result(TEXT, values=values)


def _substring(use: Use) -> Domain:
    start, length = domain.literal_argument(use, 1), domain.literal_argument(use, 2)
    if not isinstance(start, int) or not isinstance(length, int) or not (1 <= start <= LONGEST >= length >= 0):
        raise domain.refuse_type(use.function, "a literal start from 1 and a literal length from 0, up to 1,000,000")
    return _image(use._replace(domains=use.domains[:1]), lambda text: text[start - 1 : start - 1 + length])


def _length(use: Use) -> Domain:
    values, interval = use.domains[0].values, None
    if values is not None:
        longest = max((len(str(v).encode()) for v in values), default=0)
        interval = (Fraction(0), Fraction(longest))
    return use.result(INTEGER, interval, step=Fraction(1))


# -- the table


class Row(NamedTuple):
    """Types the arguments may have (the last entry serves all further ones), how many there may be, and the rule."""

    accepts: tuple[frozenset[Type], ...]
    least: int
    most: int
    rule: Callable[[Use], Domain]


_NUMBER, _ORDERED, _ANY = frozenset({INTEGER, DECIMAL}), frozenset({INTEGER, DECIMAL, DATE}), frozenset(Type)
_INT, _DATE, _TEXTS, _BOOL = frozenset({INTEGER}), frozenset({DATE}), frozenset({TEXT}), frozenset({BOOLEAN})
_MANY = 10_000

TABLE: dict[Function, Row] = {
    **dict.fromkeys((F.ADD, F.SUBTRACT), Row((_NUMBER,), 2, 2, arithmetic.sum_rule)),
    F.MULTIPLY: Row((_NUMBER,), 2, 2, arithmetic.multiply_rule),
    F.DIVIDE: Row((_NUMBER,), 2, 2, arithmetic.divide_rule),
    F.INTEGER_DIVIDE: Row((_INT,), 2, 2, arithmetic.integer_divide_rule),
    F.MODULO: Row((_INT,), 2, 2, arithmetic.modulo_rule),
    F.NEGATE: Row((_NUMBER,), 1, 1, arithmetic.negate_rule),
    F.ABS: Row((_NUMBER,), 1, 1, arithmetic.abs_rule),
    **dict.fromkeys((F.FLOOR, F.CEIL), Row((_NUMBER,), 1, 1, arithmetic.whole_rule)),
    F.ROUND: Row((_NUMBER, _INT), 1, 2, arithmetic.round_rule),
    **dict.fromkeys((F.LEAST, F.GREATEST), Row((_ORDERED,), 2, _MANY, arithmetic.extreme_rule)),
    **dict.fromkeys((F.EQUAL, F.NOT_EQUAL), Row((_ANY,), 2, 2, _compare)),
    **dict.fromkeys((F.LESS, F.LESS_EQUAL, F.GREATER, F.GREATER_EQUAL), Row((_ORDERED,), 2, 2, _compare)),
    F.IN: Row((_ANY,), 2, _MANY, _in),
    F.IS_NULL: Row((_ANY,), 1, 1, _is_null),
    F.LIKE: Row((_TEXTS,), 2, 2, _like),
    **dict.fromkeys((F.AND, F.OR), Row((_BOOL,), 2, _MANY, _truth)),
    F.NOT: Row((_BOOL,), 1, 1, _truth),
    F.CASE: Row((_ANY,), 3, _MANY, _case),
    F.COALESCE: Row((_ANY,), 2, _MANY, _coalesce),
    F.NULLIF: Row((_ANY,), 2, 2, _nullif),
    F.CAST_INTEGER: Row((_ANY - _DATE,), 1, 1, _cast_integer),
    F.CAST_DECIMAL: Row((_NUMBER | _TEXTS,), 1, 1, _cast_decimal),
    F.CAST_TEXT: Row((_ANY,), 1, 1, _cast_text),
    F.CAST_DATE: Row((_DATE | _TEXTS,), 1, 1, _cast_date),
    F.CAST_BOOLEAN: Row((_BOOL | _INT | _TEXTS,), 1, 1, _cast_boolean),
    **dict.fromkeys(dates.GRAINS, Row((_DATE,), 1, 1, _truncate)),
    F.YEAR: Row((_DATE,), 1, 1, partial(_count, operation=_year)),
    **dict.fromkeys(_PARTS, Row((_DATE,), 1, 1, _part)),
    F.DAYS_BETWEEN: Row((_DATE,), 2, 2, partial(_count, operation=lambda a, b: int(b - a))),
    F.MONTHS_BETWEEN: Row((_DATE,), 2, 2, partial(_count, operation=lambda a, b: _month(b) - _month(a))),
    F.YEARS_BETWEEN: Row((_DATE,), 2, 2, partial(_count, operation=lambda a, b: _year(b) - _year(a))),
    F.ADD_DAYS: Row((_DATE, _INT), 2, 2, _add_days),
    F.UPPER: Row((_TEXTS,), 1, 1, partial(_image, change=str.upper)),
    F.LOWER: Row((_TEXTS,), 1, 1, partial(_image, change=str.lower)),
    F.TRIM: Row((_TEXTS,), 1, 1, partial(_image, change=lambda text: text.strip(" "))),
    F.ALPHANUMERIC: Row((_TEXTS,), 1, 1, partial(_image, change=_alphanumeric)),
    F.LENGTH: Row((_TEXTS,), 1, 1, _length),
    F.SUBSTRING: Row((_TEXTS, _INT), 3, 3, _substring),
    F.CONCAT: Row((_TEXTS,), 2, _MANY, partial(_image, change=lambda *parts: "".join(parts))),
}
