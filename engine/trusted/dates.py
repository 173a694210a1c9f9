"""Whole days: numbers of dates, truncation, parts, and the dates of a range that a truncation can give.

Claim: ``truncate`` and ``part`` are what every engine computes for TRUNC_* and the date parts, in the proleptic
       Gregorian calendar; both are non-decreasing where intervals are derived from their ends (YEAR, TRUNC_*).
Because: Python's dates use the same calendar, and each truncation keeps order.
Checked by: tests/trusted_numerics/test_domains.py::test_every_value_lies_in_its_domain
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from fractions import Fraction

from engine.trusted.plan import Function

EPOCH = date(1970, 1, 1)
FIRST, LAST = (date.min - EPOCH).days, (date.max - EPOCH).days
GRAINS = tuple(f for f in Function if f.name.startswith("TRUNC_"))
_MONTHS = {Function.TRUNC_MONTH: 1, Function.TRUNC_QUARTER: 3, Function.TRUNC_YEAR: 12}  # in one period


def day_number(day: date) -> Fraction:
    """Days since 1970-01-01."""
    return Fraction((day - EPOCH).days)


def day_of(number: Fraction) -> date:
    return EPOCH + timedelta(days=int(number))


def truncate(day: date, grain: Function) -> date:
    """The first day of the week (Monday), month, quarter or year that ``day`` lies in."""
    if grain is Function.TRUNC_WEEK:
        return day - timedelta(days=day.weekday())
    if grain in _MONTHS:
        return _first_day(months(day) // _MONTHS[grain] * _MONTHS[grain])
    return day


def months(day: date) -> int:
    """Months since year 0, so that differences count boundaries crossed."""
    return day.year * 12 + day.month - 1


def _first_day(month: int) -> date:
    """Of a month that is numbered as ``months`` does."""
    return date(month // 12, month % 12 + 1, 1)


def days_between(first: date, last: date, grain: Function) -> Iterator[date]:
    """Every truncated date from ``first`` (truncated already) to ``last``, one at a time."""
    day = first
    while day <= last:
        yield day
        try:
            day = _next(day, grain)
        except (OverflowError, ValueError):  # the year 10000
            return


def _next(day: date, grain: Function) -> date:
    if grain in _MONTHS:
        return _first_day(months(day) + _MONTHS[grain])
    return day + timedelta(days=7 if grain is Function.TRUNC_WEEK else 1)
