"""The reference is fresh and leaves nothing out."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.sql.aggregates import AGGREGATES as KNOWN
from engine.sql.parse import parse_expression
from engine.sql.reference import AGGREGATES, FUNCTIONS, bound, reference
from engine.sql.syntax import Apply, Cast, SyntaxExpression, operands_of
from engine.sql.terms import FUNCTIONS as READ
from engine.sql.terms import OPERATORS
from engine.trusted.plan import Call, Function
from engine.trusted.walk import parts_of

PAGE = Path(__file__).parents[2] / "engine/docs/sql.md"
EXAMPLES = [example for examples in FUNCTIONS.values() for example in examples]


def test_the_page_is_what_the_code_says() -> None:
    assert PAGE.read_text(encoding="utf-8") == reference(), "run: python -m engine.sql.reference > engine/docs/sql.md"


def test_every_function_of_plans_stands_in_an_example() -> None:
    shown = {p.function for e in EXAMPLES for _, p in parts_of(bound(e).expression) if isinstance(p, Call)}
    assert shown == set(Function)


def operators(syntax: SyntaxExpression) -> set[str]:
    own = {syntax.operator} if isinstance(syntax, Apply) else {"cast"} if isinstance(syntax, Cast) else set()
    return own.union(*(operators(inner) for inner in operands_of(syntax)))


def test_every_operator_that_is_read_stands_in_an_example() -> None:
    shown = set().union(*(operators(parse_expression(e)) for e in EXAMPLES))
    assert {row.operator for row in (*READ.values(), *OPERATORS.values())} <= shown


@pytest.mark.parametrize("aggregate", sorted(set(KNOWN.values()) - {"bool_or", "bool_and"}))
def test_every_aggregate_stands_in_an_example(aggregate: str) -> None:
    """BOOL_OR and BOOL_AND are for figures of one person only."""
    spelled = {"quantile_cont": "percentile_cont", "quantile_disc": "percentile_disc"}
    assert any(e.lower().startswith((aggregate, spelled.get(aggregate, aggregate))) for e in AGGREGATES)
