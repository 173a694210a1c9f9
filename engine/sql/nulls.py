"""Comparisons with a NULL that is written there: they hold for no row, and an answer about nobody costs as much as any.

Looked for once names and types were found right: whoever tries NULL for a value that is not known yet
(engine/desk/flight/prepared.py) learns first whether the rest holds.
"""

from __future__ import annotations

from dataclasses import fields, is_dataclass

from engine.errors import Refused
from engine.sql.syntax import Apply, Cast, Constant

COMPARING = frozenset(("=", "!=", "<", "<=", ">", ">=", "between", "in"))
STRICT = frozenset(("+", "-", "*", "/", "//", "%", "negate"))  # NULL if one operand is


def refuse_null_compared(syntax: object) -> None:
    """Of a whole statement or one expression; Refused SQL_COMPARED_NULL with the place of the first one."""
    left = [syntax]
    while left:
        node = left.pop()
        if isinstance(node, Apply) and node.operator in COMPARING and any(map(_is_null, node.operands)):
            raise Refused("SQL_COMPARED_NULL", at=node.at)
        if isinstance(node, tuple):
            left += reversed(node)
        elif is_dataclass(node):
            left += [getattr(node, field.name) for field in reversed(fields(node))]


def _is_null(syntax: object) -> bool:
    while isinstance(syntax, Cast):
        syntax = syntax.operand
    if isinstance(syntax, Apply) and syntax.operator in STRICT:
        return any(map(_is_null, syntax.operands))
    return isinstance(syntax, Constant) and syntax.value is None
