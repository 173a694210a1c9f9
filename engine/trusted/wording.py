"""Expressions in words and in SQL, for people: one template a function in each.

Claim: two different expressions never read alike: every function has a template of its own, every call inside a call
       stands in parentheses, literals show their type and names that are not plain words are quoted.
Because: both tables are total over ``Function`` and rendering has no other case; quotes inside quotes are doubled, and
       texts that cannot be shown never pass verify_plan.
Checked by: tests/trusted_numerics/test_describe.py::test_every_function_reads_as_in_the_table
"""

from __future__ import annotations

import re
from datetime import date
from fractions import Fraction

from engine.trusted.plan import Call, ColumnRef, Expression, Function, Literal

F = Function
# {0} {1} {2}: arguments; {all}: all of them; {rest}: all but the first
WORDS: dict[Function, str] = {
    F.ADD: "{0} plus {1}",
    F.SUBTRACT: "{0} minus {1}",
    F.MULTIPLY: "{0} times {1}",
    F.DIVIDE: "{0} divided by {1}",
    F.FLOOR_DIVIDE: "{0} divided by {1} and rounded down",
    F.MODULO: "the remainder of {0} divided by {1}",
    F.NEGATE: "minus {0}",
    F.ABS: "{0} without its sign",
    F.FLOOR: "{0} rounded down",
    F.CEIL: "{0} rounded up",
    F.ROUND: "{0} rounded{digits}",
    F.LEAST: "the least of {all}",
    F.GREATEST: "the greatest of {all}",
    F.EQUAL: "{0} is {1}",
    F.NOT_EQUAL: "{0} is not {1}",
    F.LESS: "{0} is less than {1}",
    F.LESS_EQUAL: "{0} is at most {1}",
    F.GREATER: "{0} is more than {1}",
    F.GREATER_EQUAL: "{0} is at least {1}",
    F.IN: "{0} is one of {rest}",
    F.IS_NULL: "{0} is missing",
    F.LIKE: "{0} matches the pattern {1}",
    F.AND: "{and}",
    F.OR: "{or}",
    F.NOT: "not {0}",
    F.CASE: "{case}",
    F.COALESCE: "the first of {all} that is not missing",
    F.NULLIF: "{0}, but missing where it is {1}",
    F.CAST_INTEGER: "{0} as a whole number",
    F.CAST_DECIMAL: "{0} as a decimal number",
    F.CAST_TEXT: "{0} as text",
    F.CAST_DATE: "{0} as a date",
    F.CAST_BOOLEAN: "{0} as true or false",
    F.TRUNC_DAY: "the day of {0}",
    F.TRUNC_WEEK: "the Monday of the week of {0}",
    F.TRUNC_MONTH: "the first day of the month of {0}",
    F.TRUNC_QUARTER: "the first day of the quarter of {0}",
    F.TRUNC_YEAR: "the first day of the year of {0}",
    F.YEAR: "the year of {0}",
    F.QUARTER: "the quarter (1 to 4) of {0}",
    F.MONTH: "the month (1 to 12) of {0}",
    F.DAY: "the day of the month of {0}",
    F.ISO_DAY_OF_WEEK: "the weekday (Monday 1 to Sunday 7) of {0}",
    F.DAYS_BETWEEN: "the days from {0} to {1}",
    F.MONTHS_BETWEEN: "the months begun from {0} to {1}",
    F.YEARS_BETWEEN: "the years begun from {0} to {1}",
    F.ADD_DAYS: "{0} moved on by {1} days",
    F.UPPER: "{0} in capitals",
    F.LOWER: "{0} in small letters",
    F.TRIM: "{0} without outer spaces",
    F.LENGTH: "the length of {0}",
    F.SUBSTRING: "the part of {0} from character {1}, {2} long",
    F.CONCAT: "{all} joined as one text",
    F.ALPHANUMERIC: "the letters and digits of {0}",
}
SQL: dict[Function, str] = {
    F.ADD: "{0} + {1}",
    F.SUBTRACT: "{0} - {1}",
    F.MULTIPLY: "{0} * {1}",
    F.DIVIDE: "{0} / {1}",
    F.FLOOR_DIVIDE: "{0} // {1}",
    F.MODULO: "{0} % {1}",
    F.NEGATE: "- {0}",
    F.EQUAL: "{0} = {1}",
    F.NOT_EQUAL: "{0} <> {1}",
    F.LESS: "{0} < {1}",
    F.LESS_EQUAL: "{0} <= {1}",
    F.GREATER: "{0} > {1}",
    F.GREATER_EQUAL: "{0} >= {1}",
    F.IN: "{0} IN ({rest})",
    F.IS_NULL: "{0} IS NULL",
    F.LIKE: "{0} LIKE {1}",
    F.AND: "{and}",
    F.OR: "{or}",
    F.NOT: "NOT {0}",
    F.CASE: "{case}",
    F.CAST_INTEGER: "CAST({0} AS BIGINT)",
    F.CAST_DECIMAL: "CAST({0} AS DOUBLE)",
    F.CAST_TEXT: "CAST({0} AS VARCHAR)",
    F.CAST_DATE: "CAST({0} AS DATE)",
    F.CAST_BOOLEAN: "CAST({0} AS BOOLEAN)",
    F.ISO_DAY_OF_WEEK: "isodow({0})",
    F.DAYS_BETWEEN: "date_diff('day', {0}, {1})",
    F.MONTHS_BETWEEN: "date_diff('month', {0}, {1})",
    F.YEARS_BETWEEN: "date_diff('year', {0}, {1})",
    F.ADD_DAYS: "{0} + to_days({1})",
    F.CONCAT: "{||}",
    F.ALPHANUMERIC: "regexp_replace({0}, '[^A-Za-z0-9]', '', 'g')",
}
SQL |= {f: f"date_trunc('{f.name[6:].lower()}', {{0}})" for f in Function if f.name.startswith("TRUNC_")}
SQL |= {f: f"{f.name.lower()}({{all}})" for f in Function if f not in SQL}

_PLAIN = re.compile(r"[a-z_][a-z0-9_]*")
_FIXED = "if then otherwise true false null as select from where group by grouping sets date count sum avg t"
_SPOKEN = frozenset(re.findall("[a-z_]+", " ".join([*WORDS.values(), *SQL.values(), _FIXED]).lower()))


def in_words(expression: Expression) -> str:
    """For the page a guardian reads."""
    return _render(expression, WORDS, "if {0} then {1}", "; otherwise {0}", "; ")


def in_sql(expression: Expression) -> str:
    """In DuckDB's dialect; for reading, never executed."""
    return _render(expression, SQL, "WHEN {0} THEN {1}", " ELSE {0} END", " ")


def _render(expression: Expression, table: dict[Function, str], pair: str, otherwise: str, joint: str) -> str:
    match expression:
        case ColumnRef(name=name):
            return named(name)
        case Literal():
            return literal_text(expression)
        case Call(function=function, arguments=arguments):
            parts = [_render(a, table, pair, otherwise, joint) for a in arguments]
            shown = [f"({p})" if isinstance(a, Call) else p for a, p in zip(arguments, parts, strict=True)]
            pairs = [pair.format(*shown[i : i + 2]) for i in range(0, len(shown) - 1, 2)]
            words = {
                "all": ", ".join(shown),
                "rest": ", ".join(shown[1:]),
                "and": (" AND " if table is SQL else " and ").join(shown),
                "or": (" OR " if table is SQL else " or ").join(shown),
                "||": " || ".join(shown),
                "digits": f" to {shown[1]} places" if len(shown) > 1 else "",
                "case": ("CASE " if table is SQL else "") + joint.join(pairs) + otherwise.format(shown[-1]),
            }
            return table[function].format(*shown, **words)


def named(name: str) -> str:
    """A column or dataset name, in double quotes unless it is one plain word that no template uses."""
    plain = _PLAIN.fullmatch(name) and name not in _SPOKEN
    return name if plain else '"' + name.replace('"', '""') + '"'


def literal_text(literal: Literal) -> str:
    """Texts in single quotes, dates as DATE '...', NULL as NULL; exact decimals, or a fraction if they do not end."""
    value = literal.value
    if value is None:
        return "NULL"
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
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
