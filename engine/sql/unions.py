"""UNION ALL in FROM: the rows of several queries under the names of the first, with their persons."""

from __future__ import annotations

from collections.abc import Sequence

from engine.errors import Position, Refused
from engine.sql.bound import Bound, alike, leaf, located, typed
from engine.sql.expressions import Expressions
from engine.sql.relations import check_joins, free_name
from engine.sql.rows import Rows, is_person
from engine.sql.sides import is_private
from engine.trusted.domains import scope_of
from engine.trusted.plan import ColumnRef, Expression, Function, NamedExpression, Project, Relation, Type, UnionAll

Column = tuple[str, Bound]


def added(left: Rows, right: Rows, at: Position) -> Rows:
    """The rows of both; columns meet by position and have the left side's names."""
    with located(at):
        check_joins(left.relation, right.relation)
        if is_private(left.relation) or is_private(right.relation):
            raise Refused("SQL_JOIN_NESTED")
    sides = _columns(left), _columns(right)
    if len(sides[0]) != len(sides[1]):
        expected = f"as many columns on both sides, and there are {len(sides[0])} and {len(sides[1])}"
        raise Refused("SQL_TYPE_MISMATCH", at=at, function="UNION ALL", expected=expected)
    persons = left.person, right.person
    taken, named = [*persons], list[str]()
    made: tuple[list[NamedExpression], list[NamedExpression]] = [], []
    for (spelled, first), (_, second) in zip(*sides, strict=True):
        both = _met(spelled, first, second, at)
        named.append(left.person if both is None else free_name(spelled, taken))
        if both is not None:
            taken.append(named[-1])
            for side, expression in zip(made, both, strict=True):
                side.append(NamedExpression(named[-1], expression))
    relation: Relation = UnionAll(Project(left.whole, tuple(made[0])), Project(right.whole, tuple(made[1])))
    with located(at):
        scope = scope_of(relation, left.catalogue)
    held = {
        spelled.lower(): (spelled, leaf(ColumnRef(name), scope[name], at))
        for (spelled, _), name in zip(sides[0], named, strict=True)
    }
    return Rows(left.catalogue, relation, {"": held}, known=left.known)


def _columns(rows: Rows) -> Sequence[Column]:
    return [column for held in rows.tables.values() for column in held.values()]


def _met(name: str, first: Bound, second: Bound, at: Position) -> tuple[Expression, Expression] | None:
    """Both sides of a column in one type; None for the person."""
    if is_person(first) and is_person(second):
        return None
    if any(bound.domain is not None and bound.domain.person for bound in (first, second)):
        expected = f"the person on both sides or on neither, and `{name[:80]}` has it on one"
        raise Refused("SQL_TYPE_MISMATCH", at=at, function="UNION ALL", expected=expected)
    both = [typed(bound, Type.TEXT) for bound in alike((first, second))]
    kinds = {bound.domain.type for bound in both if bound.domain is not None}
    if kinds == {Type.INTEGER, Type.DECIMAL}:
        both = [_decimal(bound, at) for bound in both]
    elif len(kinds) > 1:
        expected = f"columns of one type, and `{name[:80]}` has two: CAST one of them"
        raise Refused("SQL_TYPE_MISMATCH", at=at, function="UNION ALL", expected=expected)
    return both[0].expression, both[1].expression


def _decimal(bound: Bound, at: Position) -> Bound:
    if bound.domain is None or bound.domain.type is Type.DECIMAL:
        return bound
    return Expressions(lambda syntax: None).call(Function.CAST_DECIMAL, (bound,), at)
