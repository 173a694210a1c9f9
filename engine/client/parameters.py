"""Parameters of a statement: the value of each ``?`` becomes a literal before the statement is read.

A plan holds literals and no parameters, so a statement with other values is another plan, approved and charged as such.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import date, datetime, time
from decimal import Decimal
from numbers import Integral, Real

from engine.errors import Refused

MOST_DIGITS = 100  # of a number; what no literal can have is told by whoever reads the statement
_ENDS = {"'": "'", '"': '"', "--": "\n", "/*": "*/"}


def places(sql: str) -> tuple[int, ...]:
    """The offsets of the parameters: each ``?`` outside quotes and comments."""
    found, offset = [], 0
    while offset < len(sql):
        begins = next((mark for mark in _ENDS if sql.startswith(mark, offset)), None)
        if begins is None:
            if sql[offset] == "?":
                found.append(offset)
            offset += 1
            continue
        end = sql.find(_ENDS[begins], offset + len(begins))
        offset = len(sql) if end < 0 else end + len(_ENDS[begins])  # a doubled quote opens the next literal at once
    return tuple(found)


def bind(sql: str, values: Sequence[object]) -> str:
    """The statement with its values written out. Refused SQL_PARAMETERS, SQL_LITERAL."""
    found = places(sql)
    if len(found) != len(values):
        raise Refused("SQL_PARAMETERS", wanted=str(len(found)), given=str(len(values)))
    starts = (0, *(offset + 1 for offset in found))
    texts = (sql[start:end] for start, end in zip(starts, (*found, len(sql)), strict=True))
    literals = (*(f" {literal(value)} " for value in values), "")
    return "".join(text + value for text, value in zip(texts, literals, strict=True))


def literal(value: object) -> str:
    """A value as SQL has it: NULL, a truth value, a number, a date or a text; Refused SQL_LITERAL for others."""
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    if isinstance(value, date):
        return f"DATE '{_day(value).isoformat()}'"
    return _number(value)


def _day(value: date) -> date:
    if not isinstance(value, datetime):
        return value
    if value != value or value.time() != time() or value.tzinfo is not None:  # NaT is not itself
        raise Refused("SQL_LITERAL", problem="a parameter is a time of day, and there are only dates")
    return value.date()


def _digits(value: int) -> str:
    if abs(value) >= 10**MOST_DIGITS:
        raise Refused("SQL_LITERAL", problem="a parameter is too large")
    return str(value)


def _number(value: object) -> str:
    if isinstance(value, Integral):
        text = _digits(int(value))
    elif isinstance(value, Decimal) and value.is_finite() and abs(value.adjusted()) <= MOST_DIGITS:
        text = f"{value:f}"
    elif isinstance(value, Real) and not isinstance(value, Decimal) and math.isfinite(value):
        text = repr(float(value))
    else:
        problem = "a number is not finite" if isinstance(value, Real | Decimal) else f"it is a {type(value).__name__}"
        raise Refused("SQL_LITERAL", problem=f"a parameter cannot be written out, for {problem}")
    return f"({text})" if text.startswith("-") else text  # two signs side by side begin a comment
