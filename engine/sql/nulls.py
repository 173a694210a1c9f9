"""Comparisons with a NULL that is written there: they hold for no row, wherever in a condition they stand.

What else can hold for no row is found in the plan (idle.py).
"""

from __future__ import annotations

from dataclasses import fields, is_dataclass

from engine.errors import Position, Refused
from engine.sql.syntax import Apply, Cast, Constant

COMPARING = frozenset(("=", "!=", "<", "<=", ">", ">=", "between", "in"))
STRICT = frozenset(("+", "-", "*", "/", "//", "%", "negate"))  # NULL if one operand is


def refuse_null_compared(syntax: object) -> None:
    """Refused SQL_COMPARED_NULL with the place of the first one."""
    at = null_compared(syntax)
    if at is not None:
        raise Refused("SQL_COMPARED_NULL", at=at)


def null_compared(syntax: object) -> Position | None:
    """The place of the first one in a whole statement or one expression."""
    left = [syntax]
    while left:
        node = left.pop()
        if isinstance(node, Apply) and node.operator in COMPARING and any(map(_is_null, node.operands)):
            return node.at
        if isinstance(node, tuple):
            left += reversed(node)
        elif is_dataclass(node):
            left += [getattr(node, field.name) for field in reversed(fields(node))]
    return None


def _is_null(syntax: object) -> bool:
    while isinstance(syntax, Cast):
        syntax = syntax.operand
    if isinstance(syntax, Apply) and syntax.operator in STRICT:
        return any(map(_is_null, syntax.operands))
    return isinstance(syntax, Constant) and syntax.value is None
