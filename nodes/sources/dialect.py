"""The words of one SQL dialect: how types, literals and every function of the plan's closed list are written.

Claim: each function returns a value or NULL on every row: no error, no NaN, no infinity.
Because: what could fail is guarded here: TRY_CAST for text, CASE before a division, a wider integer type before an
         overflow, a finite check after a floating result whose domain is unbounded (render.py decides which).
Checked by: tests/sources/test_render.py::test_every_function_is_total

A template names its arguments {0}, {1}...; one that is named more than once is bound by ``let`` first, so rendered
text grows linearly with the plan.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from engine.trusted.plan import Function, Type

F = Function


@dataclass(frozen=True, slots=True)
class Dialect:
    """``templates`` and the fragments around them; {0}, {1} stand for rendered arguments."""

    types: Mapping[Type, str]
    templates: Mapping[Function, str]
    wide: str  # bounded integer arithmetic in a wider type; {0}: the expression over wide arguments
    widen: str
    finite: str
    dated: str  # a date within the years 1 to 9999, else NULL
    let: str  # {0}: body, {1}: the name bound, {2}: its fields
    field: str  # one field of a let: {0} its name, {1} its value
    exact: str  # an integer within 2**53, else NULL
    listed: str  # whether {0} is one of the constants {1}, by one look-up a row
    keyed_hash: str  # {0}: key, {1}: columns

    def cast(self, text: str, to: Type) -> str:
        return f"CAST({text} AS {self.types[to]})"

    def try_cast(self, text: str, to: Type) -> str:
        return f"TRY_CAST({text} AS {self.types[to]})"


def quoted(name: str) -> str:
    """An identifier in double quotes."""
    return '"' + name.replace('"', '""') + '"'


def text_literal(value: str) -> str:
    """A text in single quotes."""
    return "'" + value.replace("'", "''") + "'"


DUCKDB = Dialect(
    types={
        Type.BOOLEAN: "BOOLEAN",
        Type.INTEGER: "BIGINT",
        Type.DECIMAL: "DOUBLE",
        Type.DATE: "DATE",
        Type.TEXT: "VARCHAR",
    },
    templates={
        F.ADD: "({0} + {1})",
        F.SUBTRACT: "({0} - {1})",
        F.MULTIPLY: "({0} * {1})",
        F.DIVIDE: "CASE WHEN {1} <> 0 THEN {0} / {1} END",
        F.INTEGER_DIVIDE: (
            "CASE WHEN {1} = 0 THEN NULL WHEN {1} = -1 THEN TRY_CAST(-CAST({0} AS HUGEINT) AS BIGINT)"
            " ELSE {0} // {1} END"
        ),
        F.MODULO: "CASE WHEN {1} = 0 THEN NULL WHEN {1} = -1 THEN {0} - {0} ELSE {0} % {1} END",
        F.NEGATE: "(- {0})",
        F.ABS: "abs({0})",
        F.FLOOR: "floor({0})",
        F.CEIL: "ceil({0})",
        F.ROUND: "round({0}, {1})",
        F.LEAST: "CASE WHEN {0} <= {1} THEN {0} WHEN {0} > {1} THEN {1} END",
        F.GREATEST: "CASE WHEN {0} >= {1} THEN {0} WHEN {0} < {1} THEN {1} END",
        F.EQUAL: "({0} = {1})",
        F.NOT_EQUAL: "({0} <> {1})",
        F.LESS: "({0} < {1})",
        F.LESS_EQUAL: "({0} <= {1})",
        F.GREATER: "({0} > {1})",
        F.GREATER_EQUAL: "({0} >= {1})",
        F.IS_NULL: "({0} IS NULL)",
        F.LIKE: "({0} LIKE {1})",
        F.NOT: "(NOT {0})",
        F.NULLIF: "CASE WHEN {0} = {1} THEN NULL ELSE {0} END",
        F.TRUNC_DAY: "{0}",
        F.TRUNC_WEEK: "CAST(date_trunc('week', {0}) AS DATE)",
        F.TRUNC_MONTH: "CAST(date_trunc('month', {0}) AS DATE)",
        F.TRUNC_QUARTER: "CAST(date_trunc('quarter', {0}) AS DATE)",
        F.TRUNC_YEAR: "CAST(date_trunc('year', {0}) AS DATE)",
        F.YEAR: "year({0})",
        F.QUARTER: "quarter({0})",
        F.MONTH: "month({0})",
        F.DAY: "day({0})",
        F.ISO_DAY_OF_WEEK: "isodow({0})",
        F.DAYS_BETWEEN: "({1} - {0})",
        F.MONTHS_BETWEEN: "date_diff('month', {0}, {1})",
        F.YEARS_BETWEEN: "date_diff('year', {0}, {1})",
        F.ADD_DAYS: "CASE WHEN {1} BETWEEN -4000000 AND 4000000 THEN {0} + CAST({1} AS INTEGER) END",
        F.UPPER: "upper({0})",
        F.LOWER: "lower({0})",
        F.TRIM: "trim({0})",
        F.LENGTH: "length({0})",
        F.SUBSTRING: "substring({0}, {1}, {2})",
        F.CONCAT: "substring({0} || {1}, 1, 4096)",
        F.ALPHANUMERIC: "regexp_replace({0}, '[^A-Za-z0-9]', '', 'g')",
    },
    wide="TRY_CAST({0} AS BIGINT)",
    widen="CAST({0} AS HUGEINT)",
    finite='list_filter([{0}], lambda "let$x": isfinite("let$x"))[1]',
    dated="CASE WHEN {0} BETWEEN DATE '0001-01-01' AND DATE '9999-12-31' THEN {0} END",
    let="list_transform([{{{2}}}], lambda {1}: {0})[1]",
    field="{0}: {1}",
    exact="CASE WHEN {0} BETWEEN -9007199254740992 AND 9007199254740992 THEN {0} END",
    listed="{0} IN (SELECT unnest([{1}]))",
    keyed_hash="hash({0}, {1})",
)
