"""Figures as people and JSON read them: thousands apart, as many decimals as the interval supports."""

from __future__ import annotations

import math
import re
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Any

SIGNS_OF_A_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")  # the wide ones too
_FORMULA = re.compile(rf"(^|[;\t\r\n])('*)(?=[{re.escape(''.join(SIGNS_OF_A_FORMULA))}])")
Value = int | float | Decimal | date | str | bool | None


def plain(value: Value | Fraction) -> int | float | str | bool | None:
    """A value as JSON has it: numbers as numbers, dates in ISO form."""
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal | Fraction):
        return int(value) if value == int(value) else float(value)
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def text(value: Any, places: int | None = None) -> str:
    """A value for a table cell: thousands apart, no more decimals than the interval supports."""
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int) and not places:
        return str(value) if places is None else f"{value:,}"
    if isinstance(value, int | float | Decimal | Fraction):
        return f"{float(value):,.{places or 0}f}" if places is not None else f"{float(value):g}"
    return value.isoformat() if isinstance(value, date) else str(value)


def percent(share: float) -> str:
    """A share as it may be relied upon: rounded down."""
    return f"{math.floor(share * 1000) / 10:.1f} %"


def share_words(share: float) -> str:
    """A share with two digits, and no power of ten from a hundred on."""
    return f"{100 * share:.2g} %" if share < 0.995 else f"{100 * share:,.0f} %"


def rounded(size: float) -> str:
    """A size with two digits, thousands apart."""
    if size <= 0:
        return "0"
    digits = 1 - math.floor(math.log10(size))
    return f"{round(size, digits):,.{max(0, digits)}f}"


def decimals(interval: tuple[float, float] | None) -> int | None:
    """Decimals worth showing: two digits of the interval's half width."""
    if interval is None:
        return None
    half = (float(interval[1]) - float(interval[0])) / 2
    return max(0, min(6, 1 - math.floor(math.log10(half)))) if half > 0 else 0


def interval_words(value: Any, interval: tuple[float, float] | None, places: int | None) -> str:
    """An interval as ± where it is symmetric about the value, else by its ends."""
    if interval is None:
        return ""
    low, high = float(interval[0]), float(interval[1])
    if isinstance(value, int | float | Decimal):
        below, above = float(value) - low, high - float(value)
        if math.isclose(below, above, rel_tol=0.02, abs_tol=10.0 ** -(places or 0)):
            return f"± {text(max(below, above), places)}"
    return f"{text(low, places)} .. {text(high, places)}"


def no_formula(words: str) -> str:
    """A text for a cell of a CSV: what spreadsheets would take for a formula gets an apostrophe in front, also behind
    a semicolon, a tab or the end of a line, by which some of them divide a row, whatever quotes stand around it.

    To undo it: where a sign of a formula follows apostrophes, there or at the beginning, take one away.
    """
    return _FORMULA.sub(r"\1'\2", words)
