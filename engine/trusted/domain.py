"""What is known of a value, and the form of a rule that derives it for a call.

Claim: ``enumerated`` lists every value a domain admits, each once, or says that it cannot within a limit.
Because: a finite set lists itself; otherwise values are the multiples of a whole step, or the first days of periods,
       that lie in the interval.
Checked by: tests/trusted_numerics/test_domains.py::test_every_value_lies_in_its_domain
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from math import ceil, floor
from typing import NamedTuple

from engine.errors import Refused
from engine.trusted import dates, intervals
from engine.trusted.intervals import Interval
from engine.trusted.plan import Expression, Function, Literal, LiteralValue, Type


@dataclass(frozen=True, slots=True)
class Domain:
    """What is known of a value. ``values``: finite set without NULL, in display order; ``null_key``: NULL is a
    declared key value; ``interval``: inclusive (dates: days since 1970-01-01); ``step``: every value is a multiple;
    ``side``: of a private join, whose columns it reads: 1 the left one's, 2 the right one's, 3 both."""

    type: Type
    nullable: bool = True
    null_key: bool = False
    interval: Interval | None = None
    values: tuple[LiteralValue, ...] | None = None
    step: Fraction | None = None
    person: bool = False
    grain: Function | None = None  # a TRUNC_ function: every date is the first day of such a period
    side: int = 0


class Use(NamedTuple):
    """One call: its function, arguments, and their domains."""

    function: Function
    arguments: tuple[Expression, ...]
    domains: tuple[Domain, ...]

    def result(
        self,
        kind: Type,
        interval: Interval | None = None,
        *,
        values: tuple[LiteralValue, ...] | None = None,
        step: Fraction | None = None,
        grain: Function | None = None,
        nulls: bool = False,
    ) -> Domain:
        """A result that is NULL where an argument is; ``nulls``: and elsewhere too."""
        nullable = nulls or any(d.nullable for d in self.domains)
        null_key = nulls or any(d.null_key for d in self.domains)
        return Domain(kind, nullable, null_key and nullable, interval, values, step, grain=grain)

    def number(self, interval: Interval | None, step: Fraction | None = None, *, nulls: bool = False) -> Domain:
        """A computed number: INTEGER if every argument is, else DECIMAL (rounded as doubles are)."""
        if all(d.type is Type.INTEGER for d in self.domains):
            return self.result(Type.INTEGER, interval, step=step or Fraction(1), nulls=nulls)
        return self.result(Type.DECIMAL, interval and intervals.doubles(interval), step=step, nulls=nulls)


def refuse_type(function: Function, expected: str) -> Refused:
    return Refused("SQL_TYPE_MISMATCH", function=function.name, expected=expected)


def operands(use: Use) -> tuple[Interval, ...] | None:
    """Intervals of all arguments as an engine holds them; None if one is unbounded."""
    found = []
    for domain in use.domains:
        if not bounded(domain) or domain.interval is None:
            return None
        found.append(intervals.doubles(domain.interval) if domain.type is Type.DECIMAL else domain.interval)
    return tuple(found)


def range_of(held: tuple[Interval, ...] | None, operation: Callable[..., Fraction | int]) -> Interval | None:
    """Range of an operation that is monotone in each of the ``operands``."""
    return None if held is None else intervals.corners(operation, *held)


def bounded(domain: Domain) -> bool:
    return domain.interval is not None and all(abs(end) <= intervals.REPRESENTABLE for end in domain.interval)


def one_type(use: Use, domains: Sequence[Domain]) -> Type:
    """The type all ``domains`` share; INTEGER beside DECIMAL is DECIMAL."""
    kinds = {d.type for d in domains}
    if kinds == {Type.INTEGER, Type.DECIMAL}:
        return Type.DECIMAL
    if len(kinds) != 1:
        raise refuse_type(use.function, "values of one type")
    return kinds.pop()


def shared(domains: Sequence[Domain]) -> tuple[Fraction | None, Function | None]:
    """Step and grain that all domains keep; zero is a multiple of everything."""
    steps = [d.step for d in domains if d.interval != intervals.ZERO] or [Fraction(1)]
    grains = {d.grain for d in domains}
    return intervals.common_step(steps), grains.pop() if len(grains) == 1 else None


def literal_argument(use: Use, position: int) -> LiteralValue:
    argument = use.arguments[position]
    return argument.value if isinstance(argument, Literal) else None


def as_type(kind: Type, value: LiteralValue) -> LiteralValue:
    return Fraction(value) if kind is Type.DECIMAL and isinstance(value, int) else value


def enumerated(domain: Domain, most: int) -> tuple[LiteralValue, ...] | None:
    """All values but NULL in display order; None if they are not known to be at most ``most``."""
    if domain.values is not None:
        return domain.values
    if not bounded(domain) or domain.interval is None:
        return None
    lower, upper = domain.interval
    if domain.type is Type.DATE:
        return _first_days(dates.day_of(lower), dates.day_of(upper), domain.grain or Function.TRUNC_DAY, most)
    step = domain.step
    if step is None or step.denominator != 1 or domain.type not in (Type.INTEGER, Type.DECIMAL):
        return None
    first, last = ceil(lower / step), floor(upper / step)
    if last - first >= most:
        return None
    whole = range(first * step.numerator, last * step.numerator + 1, step.numerator)
    return tuple(as_type(domain.type, value) for value in whole)


def _first_days(first: date, last: date, grain: Function, most: int) -> tuple[date, ...] | None:
    days: list[date] = []
    for day in dates.days_between(dates.truncate(first, grain), last, grain):
        if len(days) == most:
            return None
        days.append(day)
    return tuple(days)
