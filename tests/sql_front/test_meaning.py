"""Bound expressions mean what their text means to DuckDB, on rows with every NULL."""

from __future__ import annotations

import math
from datetime import date, datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

from engine.sql.bound import Bound, leaf
from engine.sql.evaluate import evaluate
from engine.sql.expressions import Expressions
from engine.sql.parse import parse_expression
from engine.sql.syntax import Name, SyntaxExpression
from engine.trusted.domains import Domain
from engine.trusted.plan import ColumnRef, Type

TABLE = "expressions.yaml"
duckdb = pytest.importorskip("duckdb")
TYPES = {"a": "BIGINT", "b": "BIGINT", "x": "DOUBLE", "y": "DOUBLE", "d": "DATE", "e": "DATE"} | {
    "t": "VARCHAR",
    "u": "VARCHAR",
    "p": "BOOLEAN",
    "q": "BOOLEAN",
}
KINDS = {
    "BIGINT": Type.INTEGER,
    "DOUBLE": Type.DECIMAL,
    "DATE": Type.DATE,
    "VARCHAR": Type.TEXT,
    "BOOLEAN": Type.BOOLEAN,
}
ROWS: list[tuple[Any, ...]] = [
    (1, 3, 1.25, 2.0, date(2020, 2, 29), date(2021, 3, 1), "N", " ab ", True, False),
    (3, 1, -2.6, 0.25, date(2019, 12, 31), date(2020, 1, 1), "S", "banana", False, None),
    (-4, 2, 2.5, -8.0, date(2024, 1, 7), date(2023, 12, 31), "n", "", None, True),
    (2, 2, 10.05, 4.0, date(2020, 1, 1), date(2020, 1, 1), "NW", "cat", True, True),
    (None, 5, None, 1.0, None, date(2020, 5, 5), None, "x", None, None),
    (5, None, 6.5, None, date(2020, 6, 1), None, "W", None, False, False),
]


def resolve(syntax: SyntaxExpression) -> Bound | None:
    if not isinstance(syntax, Name):
        return None
    kind = KINDS[TYPES[syntax.parts[0]]]
    limit = (Fraction(-1000), Fraction(1000)) if kind in (Type.INTEGER, Type.DECIMAL) else None
    limit = (Fraction(0), Fraction(30000)) if kind is Type.DATE else limit
    values = ("N", "S") if kind is Type.TEXT else None
    return leaf(ColumnRef(syntax.parts[0]), Domain(kind, True, False, limit, values), syntax.at)


def plain(value: Any) -> Any:
    """Both sides in common terms: timestamps at midnight are dates, numbers are floats."""
    if isinstance(value, datetime):
        return value.date()
    if isinstance(value, Decimal | Fraction) or (isinstance(value, int) and not isinstance(value, bool)):
        return float(value)
    return value


def test_an_expression_means_what_it_means_to_duckdb(row: Any) -> None:
    text = row if isinstance(row, str) else {True: "true", None: "NULL"}.get(row, str(row))
    bound = Expressions(resolve).bind(parse_expression(text))
    with duckdb.connect() as engine:
        engine.execute(f"CREATE TABLE local ({', '.join(f'{name} {kind}' for name, kind in TYPES.items())})")
        engine.executemany(f"INSERT INTO local VALUES ({', '.join('?' * len(TYPES))})", ROWS)
        expected = [plain(v) for (v,) in engine.execute(f"SELECT {text} FROM local").fetchall()]
    for values, wanted in zip(ROWS, expected, strict=True):
        named = {n: Fraction(v) if isinstance(v, float) else v for n, v in zip(TYPES, values, strict=True)}
        found = plain(evaluate(bound.expression, named))
        if isinstance(wanted, float):
            assert found is not None
            assert math.isclose(found, wanted, rel_tol=1e-12), (text, values)
        else:
            assert found == wanted, (text, values)
