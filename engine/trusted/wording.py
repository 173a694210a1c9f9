"""Expressions in words and in SQL, for people: one template a function in each.

Claim: two different expressions never read alike: every function has a template of its own, every call inside a call
       stands in parentheses, literals show their type and names that are not plain words are quoted.
Because: both tables are total over ``Function`` and rendering has no other case; quotes inside quotes are doubled;
       characters that nobody would see stand there as escapes.
Checked by: tests/trusted_numerics/test_describe.py::test_every_function_reads_as_in_the_table
            tests/trusted_numerics/test_describe.py::test_what_does_not_show_is_an_escape
"""

from __future__ import annotations

import re
from datetime import date
from fractions import Fraction
from unicodedata import category

from engine.trusted.plan import Call, ColumnRef, Expression, Function, Literal

F = Function
# {0} {1} {2}: arguments; {all}: all of them; {rest}: all but the first. In words, then in SQL
TEMPLATES: dict[Function, tuple[str, str]] = {
    F.ADD: ("{0} plus {1}", "{0} + {1}"),
    F.SUBTRACT: ("{0} minus {1}", "{0} - {1}"),
    F.MULTIPLY: ("{0} times {1}", "{0} * {1}"),
    F.DIVIDE: ("{0} divided by {1}", "{0} / {1}"),
    F.INTEGER_DIVIDE: ("{0} divided by {1} and rounded towards zero", "{0} // {1}"),
    F.MODULO: ("the remainder of {0} divided by {1}", "{0} % {1}"),
    F.NEGATE: ("minus {0}", "- {0}"),
    F.ABS: ("{0} without its sign", "abs({all})"),
    F.FLOOR: ("{0} rounded down", "floor({all})"),
    F.CEIL: ("{0} rounded up", "ceil({all})"),
    F.ROUND: ("{0} rounded{digits}", "round({all})"),
    F.LEAST: ("the least of {all}", "least({all})"),
    F.GREATEST: ("the greatest of {all}", "greatest({all})"),
    F.EQUAL: ("{0} is {1}", "{0} = {1}"),
    F.NOT_EQUAL: ("{0} is not {1}", "{0} <> {1}"),
    F.LESS: ("{0} is less than {1}", "{0} < {1}"),
    F.LESS_EQUAL: ("{0} is at most {1}", "{0} <= {1}"),
    F.GREATER: ("{0} is more than {1}", "{0} > {1}"),
    F.GREATER_EQUAL: ("{0} is at least {1}", "{0} >= {1}"),
    F.IN: ("{0} is one of {rest}", "{0} IN ({rest})"),
    F.IS_NULL: ("{0} is missing", "{0} IS NULL"),
    F.LIKE: ("{0} matches the pattern {1}", "{0} LIKE {1}"),
    F.AND: ("{and}", "{and}"),
    F.OR: ("{or}", "{or}"),
    F.NOT: ("not {0}", "NOT {0}"),
    F.CASE: ("{case}", "{case}"),
    F.COALESCE: ("the first of {all} that is not missing", "coalesce({all})"),
    F.NULLIF: ("{0}, but missing where it is {1}", "nullif({all})"),
    F.CAST_INTEGER: ("{0} as a whole number", "CAST({0} AS BIGINT)"),
    F.CAST_DECIMAL: ("{0} as a decimal number", "CAST({0} AS DOUBLE)"),
    F.CAST_TEXT: ("{0} as text", "CAST({0} AS VARCHAR)"),
    F.CAST_DATE: ("{0} as a date", "CAST({0} AS DATE)"),
    F.CAST_BOOLEAN: ("{0} as true or false", "CAST({0} AS BOOLEAN)"),
    F.TRUNC_DAY: ("the day of {0}", "date_trunc('day', {0})"),
    F.TRUNC_WEEK: ("the Monday of the week of {0}", "date_trunc('week', {0})"),
    F.TRUNC_MONTH: ("the first day of the month of {0}", "date_trunc('month', {0})"),
    F.TRUNC_QUARTER: ("the first day of the quarter of {0}", "date_trunc('quarter', {0})"),
    F.TRUNC_YEAR: ("the first day of the year of {0}", "date_trunc('year', {0})"),
    F.YEAR: ("the year of {0}", "year({all})"),
    F.QUARTER: ("the quarter (1 to 4) of {0}", "quarter({all})"),
    F.MONTH: ("the month (1 to 12) of {0}", "month({all})"),
    F.DAY: ("the day of the month of {0}", "day({all})"),
    F.ISO_DAY_OF_WEEK: ("the weekday (Monday 1 to Sunday 7) of {0}", "isodow({0})"),
    F.DAYS_BETWEEN: ("the days from {0} to {1}", "date_diff('day', {0}, {1})"),
    F.MONTHS_BETWEEN: ("the months begun from {0} to {1}", "date_diff('month', {0}, {1})"),
    F.YEARS_BETWEEN: ("the years begun from {0} to {1}", "date_diff('year', {0}, {1})"),
    F.ADD_DAYS: ("{0} moved on by {1} days", "{0} + to_days({1})"),
    F.UPPER: ("{0} in capitals", "upper({all})"),
    F.LOWER: ("{0} in small letters", "lower({all})"),
    F.TRIM: ("{0} without outer spaces", "trim({all})"),
    F.LENGTH: ("the length of {0}", "length({all})"),
    F.SUBSTRING: ("the part of {0} from character {1}, {2} long", "substring({all})"),
    F.CONCAT: ("{all} joined as one text", "{||}"),
    F.ALPHANUMERIC: ("the letters and digits of {0}", "regexp_replace({0}, '[^A-Za-z0-9]', '', 'g')"),
}

_BLANK = "\u115f\u1160\u2800\u3164\uffa0\ufffc\U0001d159"  # letters and symbols that print nothing
_PLAIN = re.compile(r"[a-z_][a-z0-9_]*")
_FIXED = "if then otherwise true false null as select from where group by grouping sets date count sum avg t a b "
_FIXED += "join inner left semi anti on min max bool_or filter distinct union all"
_SPOKEN = frozenset(
    re.findall("[a-z_]+", " ".join([*(text for pair in TEMPLATES.values() for text in pair), _FIXED]).lower())
)


def in_words(expression: Expression) -> str:
    """For the page a guardian reads."""
    return _render(expression, 0)


def in_sql(expression: Expression) -> str:
    """In DuckDB's dialect; for reading, never executed."""
    return _render(expression, 1)


# conjunction, disjunction, start, pair, separator and end of a CASE
_JOINTS = (
    (" and ", " or ", "", "if {0} then {1}", "; ", "; otherwise {0}"),
    (" AND ", " OR ", "CASE ", "WHEN {0} THEN {1}", " ", " ELSE {0} END"),
)


def _render(expression: Expression, language: int) -> str:
    if isinstance(expression, ColumnRef):
        return named(expression.name)
    if isinstance(expression, Literal):
        return literal_text(expression)
    both, either, start, pair, separator, otherwise = _JOINTS[language]
    parts = [(isinstance(a, Call), _render(a, language)) for a in expression.arguments]
    shown = [f"({text})" if nested else text for nested, text in parts]
    pairs = separator.join(pair.format(*shown[i : i + 2]) for i in range(0, len(shown) - 1, 2))
    words = {
        "all": ", ".join(shown),
        "rest": ", ".join(shown[1:]),
        "and": both.join(shown),
        "or": either.join(shown),
        "||": " || ".join(shown),
        "digits": f" to {shown[1]} places" if len(shown) > 1 else "",
        "case": start + pairs + otherwise.format(shown[-1]),
    }
    return TEMPLATES[expression.function][language].format(*shown, **words)


def named(name: str) -> str:
    """A column or dataset name, in double quotes unless it is one plain word that no template uses."""
    plain = _PLAIN.fullmatch(name) and name not in _SPOKEN
    return name if plain else _quoted(name, '"')


def _quoted(text: str, mark: str) -> str:
    """Between two ``mark``; after an E, as PostgreSQL writes it, if anything in it is an escape."""
    doubled = text.replace(mark, 2 * mark)
    if all(map(shows, text)):
        return f"{mark}{doubled}{mark}"
    return "E" + mark + "".join(c if shows(c) and c != "\\" else f"\\U{ord(c):08x}" for c in doubled) + mark


def shows(character: str) -> bool:
    """Printed by itself: no mark on the letter before it, no control, no blank but the space."""
    return character.isprintable() and category(character)[0] != "M" and character not in _BLANK


def literal_text(literal: Literal) -> str:
    """Texts in single quotes, E'...' if escapes are in them; dates as DATE '...', NULL as NULL; exact decimals, or a
    fraction if they do not end."""
    value = literal.value
    if value is None:
        return "NULL"
    if isinstance(value, str):
        return _quoted(value, "'")
    if isinstance(value, date):
        return f"DATE '{value.isoformat()}'"
    if isinstance(value, Fraction):
        text = number_text(value)
        return text if "." in text or "/" in text else f"{text}.0"
    return str(value).lower()


def number_text(value: Fraction) -> str:
    """An exact decimal if it ends within 60 places, else numerator/denominator."""
    places = next((p for p in range(61) if (value * 10**p).denominator == 1), None)
    if places is None:
        return f"{value.numerator}/{value.denominator}"
    scaled = value * 10**places
    digits = str(abs(scaled.numerator)).rjust(places + 1, "0")
    text = f"{digits[:-places]}.{digits[-places:]}" if places else digits
    return f"-{text}" if value < 0 else text
