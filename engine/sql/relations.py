"""Relations of the plan while they are put together: filters, names that do not meet, columns nobody needs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from engine.errors import Refused
from engine.trusted.catalogue import Catalogue
from engine.trusted.domains import person_of, scope_of
from engine.trusted.plan import (
    Expression,
    Filter,
    NamedExpression,
    PersonAggregate,
    PersonFeature,
    PersonJoin,
    PrivateJoin,
    Project,
    Relation,
    Scan,
    UnionAll,
)
from engine.trusted.verify import MOST_JOINS
from engine.trusted.walk import names_in, relations_of


def filtered(relation: Relation, predicate: Expression | None) -> Relation:
    return relation if predicate is None else Filter(relation, predicate)


def check_joins(*sides: Relation) -> None:
    """Refused SQL_TOO_COMPLEX if a join or union of these would be one too many: tables of WITH could double them."""
    joins = PersonJoin | PrivateJoin | UnionAll
    if sum(isinstance(found, joins) for side in sides for _, found in relations_of(side)) >= MOST_JOINS:
        raise Refused("SQL_TOO_COMPLEX", what=f"more than {MOST_JOINS} joins")


def free_name(wanted: str, taken: Iterable[str]) -> str:
    """``wanted``, or with the first number behind it that makes it differ from all ``taken``, in any case."""
    held, number, found = {name.lower() for name in taken}, 1, wanted
    while found.lower() in held:
        number += 1
        found = f"{wanted}_{number}"
    return found


def datasets_in(relation: Relation) -> tuple[str, ...]:
    """Names of the datasets scanned, left to right, each once."""
    match relation:
        case Scan(dataset=name):
            return (name,)
        case PersonJoin() | PrivateJoin() | UnionAll():
            left, right = relation.left, relation.right
            return tuple(dict.fromkeys(datasets_in(left) + datasets_in(right)))
        case _:
            return datasets_in(relation.input)


def pruned(relation: Relation, needed: frozenset[str], catalogue: Catalogue) -> Relation:
    """The relation without the computed columns and features that ``needed`` does not name."""
    match relation:
        case Filter(input=source, predicate=predicate):
            return Filter(pruned(source, needed | names_in(predicate), catalogue), predicate)
        case Project(input=source, columns=columns):
            kept = tuple(c for c in columns if c.name in needed)
            return Project(pruned(source, _named(kept), catalogue), kept)
        case PersonAggregate(input=source, features=features):
            used = tuple(f for f in features if f.name in needed)
            return PersonAggregate(pruned(source, _named(used), catalogue), used)
        case PersonJoin(left=left, right=right) | PrivateJoin(left=left, right=right):
            left_needed = needed & scope_of(left, catalogue).keys()
            right_needed = (needed - left_needed) | {person_of(right, catalogue)}
            return replace(
                relation,
                left=pruned(left, left_needed, catalogue),
                right=pruned(right, right_needed, catalogue),
            )
        case UnionAll(left=left, right=right):
            return UnionAll(pruned(left, needed, catalogue), pruned(right, needed, catalogue))
        case _:
            return relation


def _named(made: tuple[NamedExpression, ...] | tuple[PersonFeature, ...]) -> frozenset[str]:
    found = [m.expression for m in made] + [m.filter for m in made if isinstance(m, PersonFeature)]
    return frozenset().union(*(names_in(expression) for expression in found if expression is not None))
