"""Statements whose answer is known before anything is asked: no row can pass, or a figure is NULL on every row.

They would cost as much as any. What they say follows from the catalogue alone, so refusing them tells nobody anything,
and nothing of them is ever sent. They can still be read, for the columns that they would have.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from engine.sql.bind import BoundQuery
from engine.sql.bound import Bound
from engine.sql.outputs import AggregateUse, key_leaf
from engine.sql.reach import Known, can_hold, conjuncts_of, narrowed, never, reach
from engine.sql.statement import Cut, Idle, Keep
from engine.trusted import dates
from engine.trusted.catalogue import Catalogue
from engine.trusted.domain import Domain, bounded
from engine.trusted.domains import scope_of
from engine.trusted.plan import (
    Call,
    ColumnRef,
    Expression,
    Feature,
    Filter,
    Function,
    JoinKind,
    Literal,
    PersonAggregate,
    PersonJoin,
    PrivateJoin,
    Project,
    Relation,
    Scan,
    Type,
    UnionAll,
)
from engine.trusted.walk import names_in
from engine.trusted.wording import in_sql, literal_text, number_text

SHOWN_VALUES = 12
SHOWN_CHARACTERS = 200
_TOGETHER = "no value fulfils all of it"
_COUNTS = (Feature.COUNT_ROWS, Feature.COUNT_PRESENT)


def idle_of(query: BoundQuery, relation: Relation, catalogue: Catalogue) -> Idle | None:
    """Why the statement can tell nothing; None if some data could make it tell something."""
    if query.null_compared is not None:
        return Idle("SQL_COMPARED_NULL", query.null_compared)
    known = _left(relation, catalogue)
    if isinstance(known, Idle):
        return known if query.predicate is None else replace(known, at=known.at or query.predicate.at)
    figures = (found for use in query.aggregates if (found := _figure(use, known)) is not None)
    return next(figures, None) or _keys(query, known) or _shown(query)


def _figure(use: AggregateUse, known: Known) -> Idle | None:
    """One aggregate, over the rows that its FILTER leaves."""
    left: Known | None = known
    if use.filter is not None:
        left = narrowed(use.filter.expression, known)
        if left is None:
            return replace(_impossible(use.filter.expression, known), at=use.filter.at)
    operands = (bound for bound in (use.argument, use.second) if bound is not None)
    return next((_null(bound) for bound in operands if never(reach(bound.expression, left or known))), None)


def _null(bound: Bound) -> Idle:
    return Idle("SQL_ALWAYS_NULL", bound.at, (("what", _text(bound.expression)),))


def _keys(query: BoundQuery, known: Known) -> Idle | None:
    """A key that is NULL on every row, of which NULL is no value: no group has a row."""
    lost = {
        place: key
        for place, key in enumerate(query.keys)
        if key.domain is not None and not key.domain.null_key and never(reach(key.expression, known))
    }
    within = [next((place for place in chosen if place in lost), None) for chosen in query.sets]
    return _null(lost[within[0]]) if within and within[0] is not None and None not in within else None


def _shown(query: BoundQuery) -> Idle | None:
    """What is done with the released figures, of which nothing is known; keys are."""
    rolled = {k for k in range(len(query.keys)) if any(k not in chosen for chosen in query.sets)}
    leaves: Known = {
        ColumnRef(key_leaf(place)): replace(key.domain, nullable=key.domain.nullable or place in rolled)
        for place, key in enumerate(query.keys)
        if key.domain is not None
    }
    for step in query.steps:
        if isinstance(step, Keep) and narrowed(step.condition, leaves) is None:
            return Idle("SQL_NO_ROW", None, (("why", "a condition on released figures, as of HAVING, is never true"),))
        if isinstance(step, Cut) and step.limit == 0:
            return Idle("SQL_NO_ROW", None, (("why", "LIMIT is 0"),))
    if query.limit == 0:
        return Idle("SQL_NO_ROW", None, (("why", "LIMIT is 0"),))
    for output in query.outputs:
        figures = [name for name in names_in(output.bound.expression) if ColumnRef(name) not in leaves]
        if figures and never(reach(output.bound.expression, leaves)):
            return Idle("SQL_ALWAYS_NULL", output.bound.at, (("what", output.name[:SHOWN_CHARACTERS]),))
    return None


# -- the rows that a relation leaves


def _left(relation: Relation, catalogue: Catalogue) -> Known | Idle:
    """What is known of the columns of the rows that are left, or why there are none."""
    match relation:
        case Scan():
            return _named(scope_of(relation, catalogue))
        case Filter(input=source, predicate=predicate):
            known = _left(source, catalogue)
            if isinstance(known, Idle):
                return known
            found = narrowed(predicate, known)
            return _impossible(predicate, known) if found is None else found
        case Project(input=source, columns=columns):
            known = _left(source, catalogue)
            if isinstance(known, Idle):
                return known
            return {ColumnRef(column.name): reach(column.expression, known) for column in columns}
        case PersonAggregate(input=source):
            known = _left(source, catalogue)
            return known if isinstance(known, Idle) else dict(_features(relation, known, catalogue))
        case PersonJoin(join=JoinKind.ANTI, left=left):
            return _left(left, catalogue)
        case PersonJoin() | PrivateJoin():
            return _joined(relation, catalogue)
        case UnionAll(left=left, right=right):
            sides = _left(left, catalogue), _left(right, catalogue)
            if isinstance(sides[0], Idle):
                return sides[1] if isinstance(sides[1], Idle) else _named(scope_of(relation, catalogue))
            return _named(scope_of(relation, catalogue))


def _named(scope: Mapping[str, Domain]) -> Known:
    return {ColumnRef(name): domain for name, domain in scope.items()}


def _features(relation: PersonAggregate, known: Known, catalogue: Catalogue) -> Iterator[tuple[ColumnRef, Domain]]:
    """Figures per person; one over no value of any row is NULL."""
    scope = scope_of(relation, catalogue)
    for feature in relation.features:
        inner = known if feature.filter is None else narrowed(feature.filter, known)
        nothing = inner is None or (feature.expression is not None and never(reach(feature.expression, inner)))
        domain = scope[feature.name]
        if nothing and feature.feature not in _COUNTS:
            domain = replace(domain, nullable=True, values=())
        yield ColumnRef(feature.name), domain


def _joined(relation: PersonJoin | PrivateJoin, catalogue: Catalogue) -> Known | Idle:
    left, right = _left(relation.left, catalogue), _left(relation.right, catalogue)
    if isinstance(left, Idle):
        return left
    kind = relation.join if isinstance(relation, PersonJoin) else JoinKind.INNER
    if kind is not JoinKind.LEFT:
        return right if isinstance(right, Idle) else left if kind is JoinKind.SEMI else {**left, **right}
    if isinstance(right, Idle):
        absent = _named(scope_of(relation.right, catalogue))
        return {**left, **{name: domain and replace(domain, values=()) for name, domain in absent.items()}}
    beside = {name: domain and replace(domain, nullable=True, null_key=True) for name, domain in right.items()}
    return {**left, **{name: domain for name, domain in beside.items() if name not in left}}


# -- why


def _impossible(condition: Expression, known: Known) -> Idle:
    """The first part that cannot hold, or the parts that cannot hold together."""
    parts = list(conjuncts_of(condition))
    for part in parts:
        if not can_hold(part, known):
            return _never_true(part, _why(part, known))
    held: Known = known
    for place, part in enumerate(parts):
        after = narrowed(part, held)
        if after is None or place == len(parts) - 1:
            about = names_in(part)
            together = tuple(other for other in parts[: place + 1] if names_in(other) & about)
            return _never_true(Call(Function.AND, together) if len(together) > 1 else part, _TOGETHER)
        held = after
    return _never_true(condition, _TOGETHER)


def _never_true(condition: Expression, why: str) -> Idle:
    return Idle("SQL_NEVER_TRUE", None, (("condition", _text(condition)), ("why", why)))


def _why(part: Expression, known: Known) -> str:
    if never(reach(part, known)):
        return "it is NULL"
    while isinstance(part, Call) and part.function is Function.NOT:
        part = part.arguments[0]
    operands = part.arguments if isinstance(part, Call) else ()
    for operand in operands:
        domain = None if isinstance(operand, Literal) else reach(operand, known)
        told = None if domain is None else _values(domain)
        if told is not None:
            return f"`{_text(operand)}` is {told}"
    return "it is false"


def _values(domain: Domain) -> str | None:
    """What an expression can come to, in words."""
    if domain.type is Type.BOOLEAN:
        return None
    if domain.values:
        shown = [literal_text(Literal(domain.type, value)) for value in domain.values[:SHOWN_VALUES]]
        more = ", ..." if len(domain.values) > SHOWN_VALUES else ""
        return f"one of {', '.join(shown)}{more}" if len(domain.values) > 1 else shown[0]
    if not bounded(domain) or domain.interval is None:
        return None
    of_days = domain.type is Type.DATE
    ends = (dates.day_of(end).isoformat() if of_days else number_text(end) for end in domain.interval)
    return " to ".join(ends)


def _text(expression: Expression) -> str:
    text = in_sql(expression)
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}..."
