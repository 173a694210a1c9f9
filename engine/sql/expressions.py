"""Syntax expressions -> typed expressions of the plan's closed language, with their domains.

Where DuckDB's meaning and the plan's functions differ, the difference is written out here: LEAST and GREATEST skip
NULLs, CONCAT reads NULL as empty, a text beside a date is a date. ``//`` is for whole numbers only: of decimals DuckDB
makes plain division.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date
from fractions import Fraction

from engine.errors import Position, Refused
from engine.sql.syntax import Aggregated, Apply, Cast, Constant, Existence, Name, SyntaxExpression
from engine.trusted.domains import Domain, domain_of
from engine.trusted.plan import Call, ColumnRef, Expression, Function, Literal, LiteralValue, Type

F = Function
DEEPEST = 64
MOST_NODES = 2_000


@dataclass(frozen=True, slots=True)
class Bound:
    """An expression with what is known of it; ``domain`` None: a NULL whose type nothing has said yet."""

    expression: Expression
    domain: Domain | None
    size: int
    depth: int
    at: Position


Resolve = Callable[[SyntaxExpression], Bound | None]


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


class Expressions:
    """Binds expressions whose leaves ``resolve`` knows: it is asked first about every node.

    ``unbounded`` allows arithmetic on integers without bounds (released figures, a node's own columns).
    """

    def __init__(self, resolve: Resolve, *, unbounded: bool = False) -> None:
        self._resolve = resolve
        self._unbounded = unbounded

    def bind(self, syntax: SyntaxExpression) -> Bound:
        """The typed expression; raises Refused SQL_* with the place."""
        found = self._resolve(syntax)
        if found is not None:
            return found
        match syntax:
            case Constant(value=value, at=at):
                return literal(value, at)
            case Cast():
                return self._cast(syntax)
            case Apply(operator=operator, operands=operands, at=at):
                bound = tuple(self.bind(operand) for operand in operands)
                with located(at):
                    return _RULES[operator](self, bound, at)
            case Aggregated(at=at):
                raise Refused("SQL_AGGREGATE_MISPLACED", at=at, where="here")
            case Name(parts=parts, at=at):
                raise Refused("SQL_UNKNOWN_COLUMN", at=at, name=".".join(parts), meant="")
            case Existence(at=at):
                raise Refused("SQL_EXISTENCE_MISPLACED", at=at)

    def condition(self, syntax: SyntaxExpression, what: str) -> Bound:
        """An expression that is true or false."""
        bound = self.bind(syntax)
        if bound.domain is None:
            return typed(bound, Type.BOOLEAN)
        if bound.domain.person:
            raise Refused("SQL_PERSON_COLUMN", at=bound.at)
        if bound.domain.type is not Type.BOOLEAN:
            expected = "a condition that is true or false"
            raise Refused("SQL_TYPE_MISMATCH", at=bound.at, function=what, expected=expected)
        return bound

    def call(self, function: Function, operands: Sequence[Bound], at: Position) -> Bound:
        """A call with its domain, within the limits of size and depth."""
        size, depth = 1 + sum(o.size for o in operands), 1 + max(o.depth for o in operands)
        if depth > DEEPEST:
            raise Refused("SQL_TOO_DEEP", at=at)
        if size > MOST_NODES:
            raise Refused("SQL_TOO_MANY_PARTS", at=at)
        for operand in operands:
            if operand.domain is None:
                raise Refused("SQL_UNTYPED_NULL", at=operand.at)
        with located(at):
            domain = self._domain(function, operands)
        return Bound(Call(function, tuple(o.expression for o in operands)), domain, size, depth, at)

    def _domain(self, function: Function, operands: Sequence[Bound]) -> Domain:
        """The domain of a call from those of its operands, without walking into them again."""
        scope: dict[str, Domain] = {}
        arguments: list[Expression] = []
        for position, operand in enumerate(operands):
            if isinstance(operand.expression, Literal) or operand.domain is None:
                arguments.append(operand.expression)
                continue
            same = function is F.MULTIPLY and operand.expression == operands[0].expression
            name = "0" if same else str(position)
            scope[name] = operand.domain
            arguments.append(ColumnRef(name))
        return domain_of(Call(function, tuple(arguments)), scope, local=self._unbounded)

    def _cast(self, syntax: Cast) -> Bound:
        operand = self.bind(syntax.operand)
        domain = operand.domain
        if domain is None:
            return typed(operand, syntax.type)
        if syntax.type is Type.DATE and isinstance(operand.expression, Literal) and _is(operand, Type.TEXT):
            return as_date(operand)
        if domain.type is Type.BOOLEAN and syntax.type is Type.DECIMAL:
            operand = self.call(F.CAST_INTEGER, (operand,), syntax.at)
        bound = self.call(_CASTS[syntax.type], (operand,), syntax.at)
        if syntax.digits is None:
            return bound
        return self.call(F.ROUND, (bound, literal(syntax.digits, syntax.at)), syntax.at)


_CASTS = {
    Type.INTEGER: F.CAST_INTEGER,
    Type.DECIMAL: F.CAST_DECIMAL,
    Type.TEXT: F.CAST_TEXT,
    Type.DATE: F.CAST_DATE,
    Type.BOOLEAN: F.CAST_BOOLEAN,
}


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


def _is(bound: Bound, kind: Type) -> bool:
    return bound.domain is not None and bound.domain.type is kind


Rule = Callable[[Expressions, tuple[Bound, ...], Position], Bound]


def _plain(function: Function) -> Rule:
    return lambda binder, operands, at: binder.call(function, alike(operands), at)


def _typed_as(function: Function, kind: Type) -> Rule:
    return lambda binder, operands, at: binder.call(function, tuple(typed(o, kind) for o in operands), at)


def _dated(function: Function) -> Rule:
    """A function of a date; date_part also hands over the name of the part, which is not needed any more."""

    def rule(binder: Expressions, operands: tuple[Bound, ...], at: Position) -> Bound:
        return binder.call(function, (as_date(typed(operands[-1], Type.DATE)),), at)

    return rule


def _misplaced(binder: Expressions, operands: tuple[Bound, ...], at: Position) -> Bound:
    raise Refused("SQL_AGGREGATE_MISPLACED", at=at, where="here")


def _add(binder: Expressions, operands: tuple[Bound, ...], at: Position) -> Bound:
    first, second = operands
    if _is(first, Type.DATE) or _is(second, Type.DATE):
        day, days = (first, second) if _is(first, Type.DATE) else (second, first)
        return binder.call(F.ADD_DAYS, (day, typed(days, Type.INTEGER)), at)
    return binder.call(F.ADD, alike(operands), at)


def _subtract(binder: Expressions, operands: tuple[Bound, ...], at: Position) -> Bound:
    first, second = operands
    if _is(first, Type.DATE) and not _is(second, Type.INTEGER):
        return binder.call(F.DAYS_BETWEEN, (as_date(typed(second, Type.DATE)), first), at)
    if _is(first, Type.DATE):
        return binder.call(F.ADD_DAYS, (first, binder.call(F.NEGATE, (second,), at)), at)
    return binder.call(F.SUBTRACT, alike(operands), at)


def _between(binder: Expressions, operands: tuple[Bound, ...], at: Position) -> Bound:
    value, low, high = alike(operands)
    above = binder.call(F.GREATER_EQUAL, (value, low), at)
    return binder.call(F.AND, (above, binder.call(F.LESS_EQUAL, (value, high), at)), at)


def _in(binder: Expressions, operands: tuple[Bound, ...], at: Position) -> Bound:
    for item in operands[1:]:
        if not isinstance(item.expression, Literal) or item.expression.value is None:
            raise Refused("SQL_LITERAL", at=item.at, problem="IN takes a list of literals other than NULL")
    operands = alike(operands)
    return binder.call(F.IN, operands, at)


def _not_like(binder: Expressions, operands: tuple[Bound, ...], at: Position) -> Bound:
    return binder.call(F.NOT, (_typed_as(F.LIKE, Type.TEXT)(binder, operands, at),), at)


def _case(binder: Expressions, operands: tuple[Bound, ...], at: Position) -> Bound:
    if len(operands) % 2 == 0:
        operands = (*operands, literal(None, at))
    conditions = tuple(typed(o, Type.BOOLEAN) for o in operands[:-1:2])
    outcomes = alike((*operands[1:-1:2], operands[-1]))
    pairs = [o for pair in zip(conditions, outcomes[:-1], strict=True) for o in pair]
    return binder.call(F.CASE, (*pairs, outcomes[-1]), at)


def _is_null(binder: Expressions, operands: tuple[Bound, ...], at: Position) -> Bound:
    [operand] = operands
    if operand.domain is not None and operand.domain.person and operand.domain.nullable:
        operand = replace(operand, domain=Domain(Type.BOOLEAN, True, True, values=(False, True)))  # joins.MARK
    return binder.call(F.IS_NULL, (operand,), at)


def _is_true(binder: Expressions, operands: tuple[Bound, ...], at: Position) -> Bound:
    return binder.call(F.COALESCE, (typed(operands[0], Type.BOOLEAN), literal(False, at)), at)


def _is_false(binder: Expressions, operands: tuple[Bound, ...], at: Position) -> Bound:
    return _is_true(binder, (binder.call(F.NOT, (typed(operands[0], Type.BOOLEAN),), at),), at)


def _extreme(function: Function) -> Rule:
    """LEAST and GREATEST of the values that are not NULL, as DuckDB has them.

    COALESCE(f(all), f(those that are never NULL)): right when at most one operand can be NULL; with more, pair by pair.
    """

    def pair(binder: Expressions, first: Bound, second: Bound, at: Position) -> Bound:
        both = binder.call(function, (first, second), at)
        spare = [o for o in (first, second) if not _may_be_null(o)] or [first, second]
        if len(spare) == 2 and not _may_be_null(first):
            return both
        return binder.call(F.COALESCE, (both, *spare), at)

    def rule(binder: Expressions, operands: tuple[Bound, ...], at: Position) -> Bound:
        operands = alike(operands)
        sure = [o for o in operands if not _may_be_null(o)]
        if len(sure) == len(operands) > 1:
            return binder.call(function, operands, at)
        result = binder.call(function, sure, at) if len(sure) > 1 else sure[0] if sure else None
        for operand in (o for o in operands if _may_be_null(o)):
            result = operand if result is None else pair(binder, result, operand, at)
        if result is None:
            raise Refused("SQL_TYPE_MISMATCH", function=function.name, expected="at least one value")
        return result

    return rule


def _may_be_null(bound: Bound) -> bool:
    return bound.domain is None or bound.domain.nullable


def _coalesce(binder: Expressions, operands: tuple[Bound, ...], at: Position) -> Bound:
    operands = alike(operands)
    return operands[0] if len(operands) == 1 else binder.call(F.COALESCE, operands, at)


def _concat(binder: Expressions, operands: tuple[Bound, ...], at: Position) -> Bound:
    """CONCAT reads NULL as empty text; ``||`` does not."""
    empty = literal("", at)
    filled = [
        binder.call(F.COALESCE, (o, empty), at) if _may_be_null(o) else o
        for o in (typed(o, Type.TEXT) for o in operands)
    ]
    return filled[0] if len(filled) == 1 else binder.call(F.CONCAT, filled, at)


def _substring(binder: Expressions, operands: tuple[Bound, ...], at: Position) -> Bound:
    if len(operands) == 2:
        operands = (*operands, literal(1_000_000, at))
    return binder.call(F.SUBSTRING, operands, at)


def _left(binder: Expressions, operands: tuple[Bound, ...], at: Position) -> Bound:
    return binder.call(F.SUBSTRING, (operands[0], literal(1, at), operands[1]), at)


def _truncate(binder: Expressions, operands: tuple[Bound, ...], at: Position) -> Bound:
    grain = operands[0].expression.value if isinstance(operands[0].expression, Literal) else ""
    return binder.call(_GRAINS[str(grain)], (as_date(typed(operands[1], Type.DATE)),), at)


def _difference(binder: Expressions, operands: tuple[Bound, ...], at: Position) -> Bound:
    grain = operands[0].expression.value if isinstance(operands[0].expression, Literal) else ""
    return binder.call(_COUNTS[str(grain)], tuple(as_date(typed(o, Type.DATE)) for o in operands[1:]), at)


def _day_of_week(binder: Expressions, operands: tuple[Bound, ...], at: Position) -> Bound:
    """Sunday is 0."""
    return binder.call(F.MODULO, (_dated(F.ISO_DAY_OF_WEEK)(binder, operands, at), literal(7, at)), at)


_GRAINS = {
    "day": F.TRUNC_DAY,
    "week": F.TRUNC_WEEK,
    "month": F.TRUNC_MONTH,
    "quarter": F.TRUNC_QUARTER,
    "year": F.TRUNC_YEAR,
}
_COUNTS = {"day": F.DAYS_BETWEEN, "month": F.MONTHS_BETWEEN, "year": F.YEARS_BETWEEN}
_RULES: dict[str, Rule] = {
    "+": _add,
    "-": _subtract,
    "*": _plain(F.MULTIPLY),
    "/": _plain(F.DIVIDE),
    "//": _plain(F.INTEGER_DIVIDE),
    "%": _plain(F.MODULO),
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
    "||": _typed_as(F.CONCAT, Type.TEXT),
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
    "days": lambda binder, operands, at: operands[0],
    "year": _dated(F.YEAR),
    "quarter": _dated(F.QUARTER),
    "month": _dated(F.MONTH),
    "day": _dated(F.DAY),
    "isodow": _dated(F.ISO_DAY_OF_WEEK),
    "dow": _day_of_week,
    "grouping": _misplaced,
}
