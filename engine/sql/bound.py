"""A bound expression with what is known of it, and how operands that meet are brought to one type."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from fractions import Fraction

from engine.errors import Position, Refused
from engine.trusted.domains import Domain, domain_of
from engine.trusted.plan import Expression, Literal, LiteralValue, Type


@dataclass(frozen=True, slots=True)
class Bound:
    """An expression with what is known of it; ``domain`` None: a NULL whose type nothing has said yet."""

    expression: Expression
    domain: Domain | None
    size: int
    depth: int
    at: Position


@contextmanager
def located(at: Position) -> Iterator[None]:
    """Gives a refusal that has no place this one."""
    try:
        yield
    except Refused as error:
        if error.at is not None:
            raise
        facts = dict(error.facts)
        if "function" in facts:
            facts["function"] = _SIGNS.get(facts["function"], facts["function"])
        raise type(error)(error.code, at=at, internal=error.internal, **facts) from None


def leaf(expression: Expression, domain: Domain | None, at: Position) -> Bound:
    return Bound(expression, domain, 1, 1, at)


def literal(value: LiteralValue, at: Position) -> Bound:
    """A constant; a bare NULL has no type yet."""
    if value is None:
        return leaf(Literal(Type.TEXT, None), None, at)
    kind = Type.DECIMAL if isinstance(value, Fraction) else _TYPES[type(value)]
    made = Literal(kind, value)
    with located(at):
        return leaf(made, domain_of(made, {}), at)


_SIGNS = {
    "ADD": "+",
    "SUBTRACT": "-",
    "MULTIPLY": "*",
    "DIVIDE": "/",
    "INTEGER_DIVIDE": "//",
    "MODULO": "%",
    "NEGATE": "-",
    "EQUAL": "=",
    "NOT_EQUAL": "<>",
    "LESS": "<",
    "LESS_EQUAL": "<=",
    "GREATER": ">",
    "GREATER_EQUAL": ">=",
    "CONCAT": "||",
}
_TYPES: dict[type, Type] = {bool: Type.BOOLEAN, int: Type.INTEGER, str: Type.TEXT, date: Type.DATE}


def typed(bound: Bound, kind: Type) -> Bound:
    """Gives a bare NULL the type ``kind``."""
    if bound.domain is not None:
        return bound
    made = Literal(kind, None)
    return Bound(made, domain_of(made, {}), 1, 1, bound.at)


def as_date(bound: Bound) -> Bound:
    """A text literal as the date it spells."""
    value = bound.expression.value if isinstance(bound.expression, Literal) else None
    if not isinstance(value, str):
        return bound
    try:
        return literal(date.fromisoformat(value), bound.at)
    except ValueError:
        problem = f"'{value[:20]}' is not a date; write it as '2024-01-31'"
        raise Refused("SQL_LITERAL", at=bound.at, problem=problem) from None


def alike(operands: Sequence[Bound]) -> tuple[Bound, ...]:
    """Operands that meet: bare NULLs get the type of the others, text literals beside dates become dates."""
    kinds = {o.domain.type for o in operands if o.domain is not None}
    if Type.DATE in kinds:
        return tuple(as_date(typed(o, Type.DATE)) for o in operands)
    if not kinds:
        return tuple(operands)
    kind = Type.DECIMAL if Type.DECIMAL in kinds else min(kinds, key=lambda t: t.value)
    return tuple(typed(o, kind) for o in operands)


def is_type(bound: Bound, kind: Type) -> bool:
    return bound.domain is not None and bound.domain.type is kind
