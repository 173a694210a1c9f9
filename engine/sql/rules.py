"""Operators and functions of the language -> calls of the plan's functions.

Where DuckDB's meaning and the plan's functions differ, the difference is written out here: LEAST and GREATEST skip
NULLs, CONCAT reads NULL as empty, a text beside a date is a date. ``//`` is for whole numbers only: of decimals DuckDB
makes plain division.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from engine.errors import Position, Refused
from engine.sql.bound import Bound, alike, as_date, is_type, literal, typed
from engine.sql.written import WRITTEN, as_text
from engine.trusted.domains import Domain
from engine.trusted.plan import Function, Literal, Type

F = Function
Call = Callable[[Function, Sequence[Bound], Position], Bound]
Rule = Callable[[Call, tuple[Bound, ...], Position], Bound]


def _plain(function: Function) -> Rule:
    return lambda call, operands, at: call(function, alike(operands), at)


def _of_whole(function: Function, sign: str, instead: str) -> Rule:
    def rule(call: Call, operands: tuple[Bound, ...], at: Position) -> Bound:
        if any(is_type(o, Type.DECIMAL) for o in operands):
            raise Refused("SQL_NOT_SUPPORTED", at=at, construct=f"{sign} of decimals", instead=instead)
        return call(function, alike(operands), at)

    return rule


def _typed_as(function: Function, kind: Type) -> Rule:
    return lambda call, operands, at: call(function, tuple(typed(o, kind) for o in operands), at)


def _dated(function: Function) -> Rule:
    """A function of a date; date_part also hands over the name of the part, which is not needed any more."""

    def rule(call: Call, operands: tuple[Bound, ...], at: Position) -> Bound:
        return call(function, (as_date(typed(operands[-1], Type.DATE)),), at)

    return rule


def _misplaced(call: Call, operands: tuple[Bound, ...], at: Position) -> Bound:
    raise Refused("SQL_AGGREGATE_MISPLACED", at=at, where="here")


def _add(call: Call, operands: tuple[Bound, ...], at: Position) -> Bound:
    first, second = operands
    if is_type(first, Type.DATE) or is_type(second, Type.DATE):
        day, days = (first, second) if is_type(first, Type.DATE) else (second, first)
        return call(F.ADD_DAYS, (day, typed(days, Type.INTEGER)), at)
    return call(F.ADD, alike(operands), at)


def _subtract(call: Call, operands: tuple[Bound, ...], at: Position) -> Bound:
    first, second = operands
    if is_type(first, Type.DATE) and not is_type(second, Type.INTEGER):
        return call(F.DAYS_BETWEEN, (as_date(typed(second, Type.DATE)), first), at)
    if is_type(first, Type.DATE):
        return call(F.ADD_DAYS, (first, call(F.NEGATE, (second,), at)), at)
    return call(F.SUBTRACT, alike(operands), at)


def _between(call: Call, operands: tuple[Bound, ...], at: Position) -> Bound:
    value, low, high = alike(operands)
    above = call(F.GREATER_EQUAL, (value, low), at)
    return call(F.AND, (above, call(F.LESS_EQUAL, (value, high), at)), at)


def _in(call: Call, operands: tuple[Bound, ...], at: Position) -> Bound:
    """A NULL in the list is refused once all types are known (nulls.py)."""
    for item in operands[1:]:
        if not isinstance(item.expression, Literal):
            raise Refused("SQL_LITERAL", at=item.at, problem="IN takes a list of literals")
    operands = alike(operands)
    listed = [
        item for item in operands[1:] if isinstance(item.expression, Literal) and item.expression.value is not None
    ]
    return call(F.IN if listed else F.EQUAL, (operands[0], *(listed or operands[1:2])), at)


def _not_like(call: Call, operands: tuple[Bound, ...], at: Position) -> Bound:
    return call(F.NOT, (_typed_as(F.LIKE, Type.TEXT)(call, operands, at),), at)


def _case(call: Call, operands: tuple[Bound, ...], at: Position) -> Bound:
    if len(operands) % 2 == 0:
        operands = (*operands, literal(None, at))
    conditions = tuple(typed(o, Type.BOOLEAN) for o in operands[:-1:2])
    outcomes = alike((*operands[1:-1:2], operands[-1]))
    pairs = [o for pair in zip(conditions, outcomes[:-1], strict=True) for o in pair]
    return call(F.CASE, (*pairs, outcomes[-1]), at)


def _is_null(call: Call, operands: tuple[Bound, ...], at: Position) -> Bound:
    [operand] = operands
    if operand.domain is not None and operand.domain.person and operand.domain.nullable:
        marked = Domain(Type.BOOLEAN, True, True, values=(False, True), side=operand.domain.side)  # joins.MARK
        operand = replace(operand, domain=marked)
    return call(F.IS_NULL, (operand,), at)


def _is_true(call: Call, operands: tuple[Bound, ...], at: Position) -> Bound:
    return call(F.COALESCE, (typed(operands[0], Type.BOOLEAN), literal(False, at)), at)


def _is_false(call: Call, operands: tuple[Bound, ...], at: Position) -> Bound:
    return _is_true(call, (call(F.NOT, (typed(operands[0], Type.BOOLEAN),), at),), at)


def _extreme(function: Function) -> Rule:
    """LEAST and GREATEST of the values that are not NULL, as DuckDB has them.

    COALESCE(f(all), f(those that are never NULL)): right when at most one operand can be NULL; with more, pair by pair.
    """

    def pair(call: Call, first: Bound, second: Bound, at: Position) -> Bound:
        both = call(function, (first, second), at)
        spare = [o for o in (first, second) if not _may_be_null(o)] or [first, second]
        if len(spare) == 2 and not _may_be_null(first):
            return both
        return call(F.COALESCE, (both, *spare), at)

    def rule(call: Call, operands: tuple[Bound, ...], at: Position) -> Bound:
        operands = alike(operands)
        sure = [o for o in operands if not _may_be_null(o)]
        if len(sure) == len(operands) > 1:
            return call(function, operands, at)
        result = call(function, sure, at) if len(sure) > 1 else sure[0] if sure else None
        for operand in (o for o in operands if _may_be_null(o)):
            result = operand if result is None else pair(call, result, operand, at)
        if result is None:
            raise Refused("SQL_TYPE_MISMATCH", function=function.name, expected="at least one value")
        return result

    return rule


def _may_be_null(bound: Bound) -> bool:
    return bound.domain is None or bound.domain.nullable


def _coalesce(call: Call, operands: tuple[Bound, ...], at: Position) -> Bound:
    operands = alike(operands)
    return operands[0] if len(operands) == 1 else call(F.COALESCE, operands, at)


def _joined(call: Call, operands: tuple[Bound, ...], at: Position) -> Bound:
    return call(F.CONCAT, tuple(as_text(call, o, at) for o in operands), at)


def _concat(call: Call, operands: tuple[Bound, ...], at: Position) -> Bound:
    """CONCAT reads NULL as empty text; ``||`` does not."""
    empty = literal("", at)
    filled = [
        call(F.COALESCE, (o, empty), at) if _may_be_null(o) else o for o in (as_text(call, o, at) for o in operands)
    ]
    return filled[0] if len(filled) == 1 else call(F.CONCAT, filled, at)


def _substring(call: Call, operands: tuple[Bound, ...], at: Position) -> Bound:
    if len(operands) == 2:
        operands = (*operands, literal(1_000_000, at))
    return call(F.SUBSTRING, operands, at)


def _left(call: Call, operands: tuple[Bound, ...], at: Position) -> Bound:
    return call(F.SUBSTRING, (operands[0], literal(1, at), operands[1]), at)


def _truncate(call: Call, operands: tuple[Bound, ...], at: Position) -> Bound:
    grain = operands[0].expression.value if isinstance(operands[0].expression, Literal) else ""
    return call(_GRAINS[str(grain)], (as_date(typed(operands[1], Type.DATE)),), at)


def _difference(call: Call, operands: tuple[Bound, ...], at: Position) -> Bound:
    grain = operands[0].expression.value if isinstance(operands[0].expression, Literal) else ""
    first, second = (as_date(typed(o, Type.DATE)) for o in operands[1:])
    if grain == "quarter":
        years = call(F.MULTIPLY, (call(F.YEARS_BETWEEN, (first, second), at), literal(4, at)), at)
        quarters = [call(F.QUARTER, (day,), at) for day in (second, first)]
        return call(F.ADD, (years, call(F.SUBTRACT, quarters, at)), at)
    return call(_COUNTS[str(grain)], (first, second), at)


def _day_of_week(call: Call, operands: tuple[Bound, ...], at: Position) -> Bound:
    """Sunday is 0."""
    return call(F.MODULO, (_dated(F.ISO_DAY_OF_WEEK)(call, operands, at), literal(7, at)), at)


_GRAINS = {
    "day": F.TRUNC_DAY,
    "week": F.TRUNC_WEEK,
    "month": F.TRUNC_MONTH,
    "quarter": F.TRUNC_QUARTER,
    "year": F.TRUNC_YEAR,
}
_COUNTS = {"day": F.DAYS_BETWEEN, "month": F.MONTHS_BETWEEN, "year": F.YEARS_BETWEEN}
RULES: dict[str, Rule] = {
    "+": _add,
    "-": _subtract,
    "*": _plain(F.MULTIPLY),
    "/": _plain(F.DIVIDE),
    "//": _of_whole(F.INTEGER_DIVIDE, "//", "Write floor(x / 10)."),
    "%": _of_whole(F.MODULO, "%", "Write x - floor(x / 10) * 10."),
    "negate": _typed_as(F.NEGATE, Type.INTEGER),
    "=": _plain(F.EQUAL),
    "!=": _plain(F.NOT_EQUAL),
    "<": _plain(F.LESS),
    "<=": _plain(F.LESS_EQUAL),
    ">": _plain(F.GREATER),
    ">=": _plain(F.GREATER_EQUAL),
    "and": _typed_as(F.AND, Type.BOOLEAN),
    "or": _typed_as(F.OR, Type.BOOLEAN),
    "not": _typed_as(F.NOT, Type.BOOLEAN),
    "between": _between,
    "in": _in,
    "like": _typed_as(F.LIKE, Type.TEXT),
    "not like": _not_like,
    "||": _joined,
    "is null": _is_null,
    "is true": _is_true,
    "is false": _is_false,
    "case": _case,
    "if": _case,
    "abs": _typed_as(F.ABS, Type.INTEGER),
    "floor": _typed_as(F.FLOOR, Type.INTEGER),
    "ceil": _typed_as(F.CEIL, Type.INTEGER),
    "round": _typed_as(F.ROUND, Type.INTEGER),
    "least": _extreme(F.LEAST),
    "greatest": _extreme(F.GREATEST),
    "coalesce": _coalesce,
    "nullif": _plain(F.NULLIF),
    "upper": _typed_as(F.UPPER, Type.TEXT),
    "lower": _typed_as(F.LOWER, Type.TEXT),
    "trim": _typed_as(F.TRIM, Type.TEXT),
    "length": _typed_as(F.LENGTH, Type.TEXT),
    "alphanumeric": _typed_as(F.ALPHANUMERIC, Type.TEXT),
    "substring": _substring,
    "left": _left,
    "concat": _concat,
    "date_trunc": _truncate,
    "date_diff": _difference,
    "days": lambda call, operands, at: operands[0],
    "year": _dated(F.YEAR),
    "quarter": _dated(F.QUARTER),
    "month": _dated(F.MONTH),
    "day": _dated(F.DAY),
    "isodow": _dated(F.ISO_DAY_OF_WEEK),
    "dow": _day_of_week,
    "grouping": _misplaced,
    **WRITTEN,
}
