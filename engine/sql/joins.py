"""Joins on the person: two sides of FROM, or the rows of a query and those of EXISTS or IN, as one relation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from engine.errors import Position, Refused
from engine.sql.bound import Bound, leaf, located
from engine.sql.relations import check_joins, free_name
from engine.sql.rows import Columns, Rows, conjuncts, is_person
from engine.sql.sides import are_apart, is_private, side_of_hosts, with_side
from engine.sql.syntax import Apply, Join, Name, SyntaxExpression
from engine.trusted.domains import Domain, person_of, scope_of
from engine.trusted.join import LEFT, RIGHT
from engine.trusted.plan import (
    ColumnRef,
    JoinKind,
    Literal,
    NamedExpression,
    PersonAggregate,
    PersonJoin,
    PrivateJoin,
    Project,
    Relation,
    Type,
)

ONE_SIDED = (JoinKind.SEMI, JoinKind.ANTI)
MARK = "present"  # TRUE beside every row of the right side of a LEFT JOIN


def joined(join: Join, left: Rows, right: Rows) -> Rows:
    """The rows of ``left JOIN right``; raises Refused SQL_JOIN_* with the place."""
    for name in right.tables:
        if name in left.tables:
            raise Refused("SQL_NAME_TAKEN", at=join.at, name=name, what="another table of FROM", other=f"{name}_2")
    both = replace(left, tables={**left.tables, **right.tables})
    for name in both.tables:
        if any(name in columns for columns in both.tables.values()):
            raise Refused("SQL_NAME_TAKEN", at=join.at, name=name, what="a column of FROM", other=f"{name}_2")
    conditions, merged = conjuncts(join.on), frozenset(name.lower() for name in join.using)
    if join.using:
        _check_using(join, left, right)
    else:
        keyed = [c for c in conditions if _equal_persons(c, both, right)]
        if not keyed:
            raise Refused("SQL_JOIN_PERSON", at=join.at)
        conditions = tuple(c for c in conditions if c not in keyed)
    if join.kind is not JoinKind.INNER:
        _check_right_only(conditions, both, right)
        right, conditions = right.filtered(conditions, "in ON", "ON"), ()
    found = met(join.kind, left, right, join.at)
    found = replace(found, merged=left.merged | merged, known=left.known)
    return found.filtered(conditions, "in ON", "ON")


def met(kind: JoinKind, left: Rows, right: Rows, at: Position) -> Rows:
    """One relation of both, over the names of both; the right side's columns get names of their own."""
    with located(at):
        check_joins(left.relation, right.relation)
        left, at_side, place = _placed(kind, left, right)
    if kind in ONE_SIDED:
        with located(at):
            relation = place(kind, right.whole)
            scope_of(relation, left.catalogue)
        return replace(left, relation=relation, predicate=None)
    with located(at):  # placement before names
        scope_of(place(JoinKind.SEMI, right.whole), left.catalogue)
    taken = [*scope_of(left.relation, left.catalogue), *_persons_in(left)]
    own = [n for n, d in scope_of(right.relation, left.catalogue).items() if not d.person]
    outer = kind is JoinKind.LEFT
    meets = {n.lower() for n in own} & {n.lower() for n in taken}
    side, names = (right.whole, {}) if not outer and not meets else _renamed(right, taken)
    with located(at):
        relation = place(kind, side)
        scope = scope_of(relation, left.catalogue)
    person = leaf(ColumnRef(left.person), scope[left.person], at)
    if outer:
        person = leaf(ColumnRef(names["", MARK]), Domain(Type.TEXT, nullable=True, person=True, side=at_side), at)

    def moved(table: str, name: str, bound: Bound) -> Bound:
        if is_person(bound):
            return person
        if bound.domain is None:
            return bound
        if not names:
            return _at(at_side, bound)
        made = names[table, name]
        known = scope[made]
        return leaf(ColumnRef(made), replace(known, person=True) if _marks(bound) else known, bound.at)

    tables = {t: _mapped(t, columns, moved) for t, columns in right.tables.items()}
    return replace(left, relation=relation, tables={**left.tables, **tables}, predicate=None)


Place = Callable[[JoinKind, Relation], Relation]


def _placed(kind: JoinKind, left: Rows, right: Rows) -> tuple[Rows, int, Place]:
    """Where the two sides meet: at one node, at the side of a private join that holds the right one's rows, or in a
    private join of their own. With the left rows as they then are, and the side of the right ones."""
    if is_private(right.relation):
        raise Refused("SQL_JOIN_NESTED")
    if isinstance(held := left.relation, PrivateJoin):
        side = side_of_hosts(held, right.relation, left.catalogue)
        if side is None:
            raise Refused("SQL_JOIN_DEPARTMENTS")
        own = held.left if side == LEFT else held.right
        return left, side, lambda kind, other: with_side(held, side, PersonJoin(kind, own, other))
    if not are_apart(left.relation, right.relation, left.catalogue):
        return left, 0, lambda kind, other: PersonJoin(kind, left.whole, other)
    if kind in (JoinKind.LEFT, JoinKind.ANTI):
        raise Refused("SQL_JOIN_KIND", join="LEFT JOIN" if kind is JoinKind.LEFT else "NOT EXISTS")
    tables = {t: _mapped(t, columns, lambda _t, _n, b: _at(LEFT, b)) for t, columns in left.tables.items()}
    return replace(left, tables=tables), RIGHT, lambda kind, other: _across(kind, left.whole, other)


def _across(kind: JoinKind, left: Relation, right: Relation) -> PrivateJoin:
    """EXISTS and IN: with one row for each person of the other department."""
    return PrivateJoin(left, PersonAggregate(right, ()) if kind is JoinKind.SEMI else right)


def _at(side: int, bound: Bound) -> Bound:
    return bound if bound.domain is None else replace(bound, domain=replace(bound.domain, side=side))


def _persons_in(rows: Rows) -> list[str]:
    """The person columns of both sides of a private join."""
    held = rows.relation
    return [person_of(s, rows.catalogue) for s in (held.left, held.right)] if isinstance(held, PrivateJoin) else []


def _mapped(table: str, columns: Columns, moved: Callable[[str, str, Bound], Bound]) -> Columns:
    return {name: (spelled, moved(table, name, bound)) for name, (spelled, bound) in columns.items()}


def _marks(bound: Bound) -> bool:
    """Whether this is the person of a side that may have found nobody."""
    return bound.domain is not None and bound.domain.person and bound.domain.nullable


def _renamed(right: Rows, taken: list[str]) -> tuple[Project, dict[tuple[str, str], str]]:
    """The right side under names that nobody has: table and name -> name in the plan."""
    names: dict[tuple[str, str], str] = {}
    columns: list[NamedExpression] = []
    for table, held in right.tables.items():
        for name, (spelled, bound) in held.items():
            if bound.domain is not None and not is_person(bound):
                made = free_name(spelled, [*taken, right.person, *names.values()])
                names[table, name] = made
                columns.append(NamedExpression(made, bound.expression))
    names["", MARK] = free_name(MARK, [*taken, right.person, *names.values()])
    columns.append(NamedExpression(names["", MARK], Literal(Type.BOOLEAN, True)))
    return Project(right.whole, tuple(columns)), names


def correlated(conditions: tuple[SyntaxExpression, ...], inner: Rows, outer: Rows) -> tuple[SyntaxExpression, ...]:
    """The conditions of an EXISTS that remain when its equality with the person outside is taken out."""
    rest = []
    for condition in conditions:
        sides = condition.operands if isinstance(condition, Apply) and condition.operator == "=" else ()
        places = [_within(side, inner, outer) for side in sides if isinstance(side, Name)]
        if sorted(places) != ["inner", "outer"]:
            rest.append(condition)
    return tuple(rest)


def _within(name: Name, inner: Rows, outer: Rows) -> str:
    """Where a name of EXISTS finds a person: inside first, as names do; empty if it is no person."""
    for rows, place in ((inner, "inner"), (outer, "outer")):
        if len(name.parts) == 1 or name.parts[0].lower() in rows.tables:
            found = rows.column(name)
            if found is not None:
                return place if is_person(found) else ""
    return ""


def _equal_persons(condition: SyntaxExpression, both: Rows, right: Rows) -> bool:
    """Whether this is ``a.person = b.person`` of the two sides."""
    if not isinstance(condition, Apply) or condition.operator != "=":
        return False
    names = [operand for operand in condition.operands if isinstance(operand, Name)]
    if len(names) != 2 or not all(is_person(both.column(name)) for name in names):
        return False
    sides = [both.places(name)[0] in right.tables for name in names]
    return sides[0] != sides[1]


def _check_using(join: Join, left: Rows, right: Rows) -> None:
    name = Name((join.using[0],), join.at)
    if len(join.using) != 1 or not is_person(left.column(name)) or not is_person(right.column(name)):
        raise Refused("SQL_JOIN_PERSON", at=join.at)


def _check_right_only(conditions: tuple[SyntaxExpression, ...], both: Rows, right: Rows) -> None:
    for condition in conditions:
        if any(place not in right.tables for name in names_of(condition) for place in both.places(name)):
            instead = "Put conditions on the left side into WHERE, or into CASE."
            construct = "A condition on the left side in ON of this join"
            raise Refused("SQL_NOT_SUPPORTED", at=condition.at, construct=construct, instead=instead)


def names_of(syntax: SyntaxExpression) -> list[Name]:
    """The names that stand in an expression."""
    from engine.sql.syntax import operands_of

    if isinstance(syntax, Name):
        return [syntax]
    return [name for operand in operands_of(syntax) for name in names_of(operand)]
