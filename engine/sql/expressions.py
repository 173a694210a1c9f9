"""Syntax expressions -> typed expressions of the plan's closed language, with their domains."""

from __future__ import annotations

import operator as op
from collections.abc import Callable, Sequence
from fractions import Fraction

from engine.errors import Position, Refused
from engine.sql.bound import Bound, as_date, is_type, literal, located, typed
from engine.sql.rules import RULES
from engine.sql.syntax import Aggregated, Apply, Cast, Constant, Existence, Name, SyntaxExpression, Windowed
from engine.sql.terms import LARGEST_INTEGER
from engine.sql.windows import refuse_window
from engine.sql.written import simplified
from engine.trusted.domains import Domain, domain_of
from engine.trusted.plan import Call, ColumnRef, Expression, Function, Literal, Type

F = Function
_EXACT = {"+": op.add, "-": op.sub, "*": op.mul}
DEEPEST = 39  # what the wire can carry, below the levels of a relation
MOST_NODES = 2_000
Resolve = Callable[[SyntaxExpression], Bound | None]
_CASTS = {
    Type.INTEGER: F.CAST_INTEGER,
    Type.DECIMAL: F.CAST_DECIMAL,
    Type.TEXT: F.CAST_TEXT,
    Type.DATE: F.CAST_DATE,
    Type.BOOLEAN: F.CAST_BOOLEAN,
}


def _folded(operator: str, operands: Sequence[Expression]) -> Fraction | None:
    """A sum, difference or product of literals with a decimal among them, which DuckDB computes exactly."""
    values = [o.value for o in operands if isinstance(o, Literal) and type(o.value) in (int, Fraction)]
    if operator not in _EXACT or len(values) != 2 or all(type(v) is int for v in values):
        return None
    first, second = (Fraction(v) for v in values)  # type: ignore[arg-type]
    value: Fraction = _EXACT[operator](first, second)
    return value if abs(value) <= LARGEST_INTEGER >= value.denominator else None


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
            case Apply():
                syntax = simplified(syntax)
                operator, operands, at = syntax.operator, syntax.operands, syntax.at
                bound = tuple(self.bind(operand) for operand in operands)
                with located(at):
                    exact = _folded(operator, [o.expression for o in bound])
                    if exact is not None:
                        return literal(exact, at)
                    return RULES[operator](self.call, bound, at)
            case Aggregated(at=at):
                raise Refused("SQL_AGGREGATE_MISPLACED", at=at, where="here")
            case Name(parts=parts, at=at):
                raise Refused("SQL_UNKNOWN_COLUMN", at=at, name=".".join(parts), meant="")
            case Windowed(at=at):
                raise refuse_window(at, "here")
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
        if syntax.type is Type.DATE and isinstance(operand.expression, Literal) and is_type(operand, Type.TEXT):
            return as_date(operand)
        if domain.type is Type.BOOLEAN and syntax.type is Type.DECIMAL:
            operand = self.call(F.CAST_INTEGER, (operand,), syntax.at)
        bound = self.call(_CASTS[syntax.type], (operand,), syntax.at)
        if syntax.digits is not None:
            bound = self.call(F.ROUND, (bound, literal(syntax.digits, syntax.at)), syntax.at)
        return bound if syntax.between is None or self._unbounded else self._within(bound, syntax.between)

    def _within(self, bound: Bound, between: tuple[Fraction, Fraction]) -> Bound:
        """NULL beyond what the type named holds, as TRY_CAST gives."""
        domain, at = bound.domain, bound.at
        if domain is None or (domain.interval and between[0] < domain.interval[0] <= domain.interval[1] < between[1]):
            return bound
        low, high = (literal(int(e) if domain.type is Type.INTEGER else e, at) for e in between)
        inside = self.call(F.AND, (self.call(F.GREATER, (bound, low), at), self.call(F.LESS, (bound, high), at)), at)
        return self.call(F.CASE, (inside, bound, typed(literal(None, at), domain.type)), at)
