"""Joins of two departments: whose rows an expression reads, and expressions of both as a product of one of each.

A private join multiplies what each department computes by itself (engine/trusted/join.py). So a condition goes to the
department whose columns it reads, and a value that reads both is written as a product, by rules that keep the value of
every pair of rows: factors are regrouped, and a division by a factor is a multiplication by its inverse.
"""

from __future__ import annotations

from dataclasses import replace
from functools import reduce

from engine.errors import Position, Refused
from engine.sql.bound import Bound, located
from engine.trusted.catalogue import Catalogue
from engine.trusted.domains import Domain, Scope, domain_of
from engine.trusted.join import LEFT, RIGHT
from engine.trusted.plan import Call, Expression, Filter, Function, Literal, PrivateJoin, Relation, Type
from engine.trusted.stability import stability_of

BOTH = LEFT | RIGHT
ONE = Literal(Type.INTEGER, 1)
Halves = tuple[Expression | None, Expression | None]  # of each side; None: 1


def is_private(relation: Relation) -> bool:
    return isinstance(relation, PrivateJoin)


def are_apart(left: Relation, right: Relation, catalogue: Catalogue) -> bool:
    """Whether rows of the two lie at different nodes, each person's of one side at one node."""
    sides = [stability_of(side, catalogue) for side in (left, right)]
    return set(sides[0].hosts) != set(sides[1].hosts) and all(side.overlap == 1 for side in sides)


def side_of_hosts(join: PrivateJoin, other: Relation, catalogue: Catalogue) -> int | None:
    """The side of a join that is held where ``other`` is."""
    hosts = set(stability_of(other, catalogue).hosts)
    sides = ((LEFT, join.left), (RIGHT, join.right))
    return next((side for side, held in sides if set(stability_of(held, catalogue).hosts) == hosts), None)


def with_side(join: PrivateJoin, side: int, relation: Relation) -> PrivateJoin:
    return replace(join, left=relation) if side == LEFT else replace(join, right=relation)


def narrowed(join: PrivateJoin, condition: Bound) -> PrivateJoin:
    """The join with a condition at the side whose columns it reads; refused SQL_JOIN_SIDES if it reads both's."""
    side = side_of(condition)
    held = join.left if side == LEFT else join.right
    if isinstance(held, Filter):
        both = Call(Function.AND, (held.predicate, condition.expression))
        return with_side(join, side, replace(held, predicate=both))
    return with_side(join, side, Filter(held, condition.expression))


def side_of(bound: Bound) -> int:
    """LEFT or RIGHT; a constant is the left side's."""
    side = (bound.domain.side if bound.domain is not None else 0) or LEFT
    if side == BOTH:
        raise Refused("SQL_JOIN_SIDES", at=bound.at)
    return side


def reads_both(domain: Domain | None) -> bool:
    return domain is not None and domain.side == BOTH


def factored(bound: Bound, scope: Scope) -> Bound:
    """The same value as a product of one expression of each side; refused SQL_JOIN_SIDES where that is none."""
    if not reads_both(bound.domain):
        return bound
    left, right = _halves(bound.expression, scope, bound.at)
    made = Call(Function.MULTIPLY, (left or ONE, right or ONE))
    with located(bound.at):
        return replace(bound, expression=made, domain=domain_of(made, scope))


def factors_in(bound: Bound, scope: Scope) -> tuple[Bound, ...]:
    """The factors of a product of both sides, else the value itself: it is missing where one of them is."""
    if not reads_both(bound.domain) or not isinstance(bound.expression, Call):
        return (bound,)
    return tuple(replace(bound, expression=e, domain=domain_of(e, scope)) for e in bound.expression.arguments)


def _halves(expression: Expression, scope: Scope, at: Position) -> Halves:
    """What of a product stems from each side."""
    side = domain_of(expression, scope).side
    if side != BOTH:
        return (None, expression) if side == RIGHT else (expression, None)
    match expression:
        case Call(function=Function.MULTIPLY, arguments=(first, second)):
            left, right = zip(_halves(first, scope, at), _halves(second, scope, at), strict=True)
            return _multiplied(*left), _multiplied(*right)
        case Call(function=Function.DIVIDE, arguments=(first, second)):
            left, right = zip(_halves(first, scope, at), _halves(second, scope, at), strict=True)
            return _divided(*left), _divided(*right)
        case Call(function=Function.NEGATE | Function.CAST_DECIMAL | Function.ABS as function, arguments=(inner,)):
            first_half, second_half = _halves(inner, scope, at)
            other = second_half if function is not Function.ABS else _called(function, second_half)
            return _called(function, first_half or ONE), other
    raise Refused("SQL_JOIN_SIDES", at=at)


def _called(function: Function, half: Expression | None) -> Expression | None:
    return None if half is None else Call(function, (half,))


def _multiplied(*halves: Expression | None) -> Expression | None:
    held = [half for half in halves if half is not None]
    return reduce(lambda a, b: Call(Function.MULTIPLY, (a, b)), held) if held else None


def _divided(number: Expression | None, divisor: Expression | None) -> Expression | None:
    return number if divisor is None else Call(Function.DIVIDE, (number or ONE, divisor))
