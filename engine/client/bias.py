"""What contribution bounds leave out of a statement's figures: from the catalogue and the assumption, not from data."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import ceil, prod

from engine.client.assumed import Assumption, contributions, shapes
from engine.sql.statement import MomentLeaf, Statement
from engine.trusted.catalogue import Catalogue, Dataset
from engine.trusted.domain import Domain, bounded
from engine.trusted.domains import Scope, clamp_of, domain_of, scope_of
from engine.trusted.plan import (
    Aggregate,
    Call,
    ColumnRef,
    Expression,
    Feature,
    Filter,
    Function,
    JoinKind,
    Literal,
    Measure,
    PersonAggregate,
    PersonJoin,
    PrivateJoin,
    Project,
    Relation,
    Scan,
    Statistic,
    UnionAll,
)
from engine.trusted.stability import Stability, stability_of
from engine.trusted.walk import names_in, parts_of, relations_of
from engine.trusted.wording import in_sql, literal_text

_CUTS = (Function.LEAST, Function.GREATEST)
_COUNTING = (Feature.COUNT_ROWS, Feature.COUNT_PRESENT, Feature.ANY_TRUE)  # features that take over no value
_UNKNOWN = "what that changes only the owners know."
_SUMMED = (Statistic.SUM, Statistic.CENTRED_SUM)
MOST_ROWS = 500  # of one person, thrown into groups: with more, hardly another group is met


@dataclass(frozen=True, slots=True)
class Bias:
    """One bound and what it does. ``share``: how much the figures change by it under the assumption, if that is known
    (-0.25: a quarter less), on the safe side; None if only the owners could know.
    """

    words: str
    share: float | None


def biases(statement: Statement, catalogue: Catalogue, assumption: Assumption) -> tuple[Bias, ...]:
    """Rows and groups a person counts with, rows in no group, values cut by the statement, and beyond their bounds."""
    aggregate = statement.plan.aggregate
    stability = stability_of(aggregate.input, catalogue)
    found = [_rows(d, aggregate, assumption) for d in catalogue.datasets if d.name in stability.datasets]
    if aggregate.keys and stability.groups < stability.rows:
        found.append(_groups(stability, max(prod(shape) for shape in shapes(aggregate)), assumption))
    scope = scope_of(aggregate.input, catalogue)
    for key in aggregate.keys:
        domain = domain_of(key.expression, scope)
        if domain.nullable and not domain.null_key and not key.selected_at_most:
            words = f"Rows are in no group where {in_sql(key.expression)} is missing or none of the published values."
            found.append(Bias(words, None))
    for index, measure in enumerate(aggregate.measures):
        found += _cuts(index, measure, scope, statement, catalogue)
    summed = (names_in(m.expression) for m in aggregate.measures if m.clamp is not None and m.expression is not None)
    sources = list(_sources(aggregate.input, frozenset().union(*summed), catalogue))
    found += [Bias(f"{words}; {_UNKNOWN}", None) for source, made in sources for _, _, words in _limits(made, source)]
    columns = {part.name for source, part in sources if isinstance(part, ColumnRef) and source[part.name].interval}
    if columns:
        names = ", ".join(sorted(columns))
        found.append(Bias(f"Values beyond the published bounds of {names} count as the nearest bound.", None))
    return tuple(dict.fromkeys(found))


def _sources(relation: Relation, needed: frozenset[str], catalogue: Catalogue) -> Iterator[tuple[Scope, Expression]]:
    """What the values of columns are made of, each with what it is made from: features, computed columns, and columns
    of the catalogue itself.
    """
    match relation:
        case Scan():
            scope = scope_of(relation, catalogue)
            yield from ((scope, ColumnRef(name)) for name in sorted(needed & scope.keys()))
        case Filter(input=source):
            yield from _sources(source, needed, catalogue)
        case Project(input=source, columns=made) | PersonAggregate(input=source, features=made):
            used = [new for new in made if new.name in needed and getattr(new, "feature", None) not in _COUNTING]
            expressions = [new.expression for new in used if new.expression is not None]
            yield from ((scope_of(source, catalogue), expression) for expression in expressions)
            yield from _sources(source, frozenset().union(*map(names_in, expressions)), catalogue)
        case (
            PersonJoin(left=left, right=right) | PrivateJoin(left=left, right=right) | UnionAll(left=left, right=right)
        ):
            one_side = isinstance(relation, PersonJoin) and relation.join in (JoinKind.SEMI, JoinKind.ANTI)
            for side in (left,) if one_side else (left, right):
                yield from _sources(side, needed, catalogue)


def _rows(dataset: Dataset, aggregate: Aggregate, assumption: Assumption) -> Bias:
    name, most = dataset.name, dataset.rows_per_person
    if most == 1:
        return Bias(f"{name}: one row a person is declared, so no row is left out.", 0.0)
    held = assumption.rows / max(assumption.persons, 1)
    words = f"{name}: at most {most} rows of a person count at each host; further ones are left out"
    if _only_persons(aggregate):
        return Bias(f"{words}, but every person counts.", 0.0)
    if held <= most or not _as_cut(aggregate):
        return Bias(f"{words}, and how many that are only the owners know.", None)
    even, uneven = 1 - most / held, (1 - 1 / held) ** most
    words += (
        f". {held:.3g} rows a person are expected: {100 * even:.2g} % of rows are left out if all have as many,"
        f" {100 * uneven:.2g} % if few have many (each row is followed by another with the same chance)."
    )
    return Bias(words, -uneven)


def _as_cut(aggregate: Aggregate) -> bool:
    """Whether the rows assumed are those that a node cuts: all of one dataset, not joined, added or put together."""
    below = all(isinstance(relation, Scan | Project) for _, relation in relations_of(aggregate.input))
    return below and all(measure.filter is None for measure in aggregate.measures)


def _only_persons(aggregate: Aggregate) -> bool:
    """Whether only persons are counted, in no group and under no condition: one row each is as good as all."""
    persons = all(m.statistic is Statistic.COUNT_PERSONS and m.filter is None for m in aggregate.measures)
    where = any(isinstance(relation, Filter) for _, relation in relations_of(aggregate.input))
    return persons and not where and not aggregate.keys


def _groups(stability: Stability, cells: int, assumption: Assumption) -> Bias:
    rows = min(ceil(assumption.rows / max(assumption.persons, 1)), stability.rows, MOST_ROWS)
    chances = _met(rows, cells)
    lost = sum(chance * max(0.0, 1 - stability.groups / met) for met, chance in enumerate(chances) if met)
    words = (
        f"A person counts in at most {stability.groups} groups of each grouping; rows in others are left out: about"
        f" {100 * lost:.2g} % of rows, if {rows} rows a person fall into the {cells} groups by chance."
    )
    return Bias(words, 0.0 - lost)


def _met(rows: int, cells: int) -> list[float]:
    """The chance that so many rows, thrown into cells, meet 0, 1, 2 ... of them."""
    chances = [1.0]
    for _ in range(rows):
        again = [chance * met / cells for met, chance in enumerate(chances)]
        another = [chance * (cells - met) / cells for met, chance in enumerate(chances)]
        chances = [a + b for a, b in zip([*again, 0.0], [0.0, *another], strict=True)]
    return chances


def _cuts(index: int, measure: Measure, scope: Scope, statement: Statement, catalogue: Catalogue) -> Iterator[Bias]:
    """LEAST and GREATEST against a literal inside a value's range: what they take off a sum or average; of a variance
    and the like that does not follow from their sums, and of a sum near 0 no share says much.
    """
    if measure.expression is None or measure.statistic not in _SUMMED:
        return
    moment = any(isinstance(leaf, MomentLeaf) and index in dict(leaf.parts).values() for _, leaf in statement.leaves)
    for part, inner, words in _limits(measure.expression, scope):
        share = _taken(measure, _without(measure.expression, part, inner), statement, catalogue)
        if share is None or moment or abs(share) > 1:
            yield Bias(f"{words}; {_UNKNOWN}", None)
        else:
            spread = _range(domain_of(inner, scope))
            yield Bias(f"{words}: {100 * share:+.2g} % of the sum, if values are spread evenly over {spread}.", share)


def _limits(expression: Expression, scope: Scope) -> Iterator[tuple[Expression, Expression, str]]:
    """Each LEAST and GREATEST that cuts values, what it cuts, and in words what it does."""
    for _, part in parts_of(expression):
        inner = _cut(part, scope)
        if inner is not None and isinstance(part, Call):
            limit = next(literal_text(a) for a in part.arguments if isinstance(a, Literal))
            side = "above" if part.function is Function.LEAST else "below"
            yield part, inner, f"Values of {in_sql(inner)} {side} {limit} count as {limit}"


def _taken(measure: Measure, uncut: Expression, statement: Statement, catalogue: Catalogue) -> float | None:
    """How much smaller or larger a measure is than it would be over ``uncut``; None where that has no bounds, and for
    features of persons: those of many rows are not spread evenly.
    """
    relation = statement.plan.aggregate.input
    domain = domain_of(uncut, scope_of(relation, catalogue))
    together = any(isinstance(below, PersonAggregate) for _, below in relations_of(relation))
    if together or not bounded(domain):
        return None
    whole = sum(contributions(replace(measure, expression=uncut, clamp=clamp_of(domain)), relation, catalogue))
    return (sum(contributions(measure, relation, catalogue)) - whole) / abs(whole) if whole else None


def _cut(part: Expression, scope: Scope) -> Expression | None:
    """The expression that a LEAST or GREATEST against one literal cuts."""
    if not isinstance(part, Call) or part.function not in _CUTS or len(part.arguments) != 2:
        return None
    inner = [a for a in part.arguments if not isinstance(a, Literal)]
    if len(inner) != 1:
        return None
    return inner[0] if domain_of(inner[0], scope).interval != domain_of(part, scope).interval else None


def _without(expression: Expression, part: Expression, inner: Expression) -> Expression:
    if expression == part:
        return inner
    if not isinstance(expression, Call):
        return expression
    return replace(expression, arguments=tuple(_without(a, part, inner) for a in expression.arguments))


def _range(domain: Domain) -> str:
    lower, upper = domain.interval or (0, 0)
    return f"{float(lower):,.10g} to {float(upper):,.10g}"
