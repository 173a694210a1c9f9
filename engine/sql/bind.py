"""Pass 2, bind: names and types. ``Parsed`` -> ``BoundQuery``.

Common and derived tables are written out: every expression becomes one over the columns of a single dataset, so that
domains follow lineage and no name can hide another. What is asked of released figures (SELECT list, HAVING, ORDER BY)
becomes expressions over leaves, one for each key and aggregate.
"""

from __future__ import annotations

from dataclasses import dataclass

from engine.errors import Refused
from engine.sql.bound import Bound, typed
from engine.sql.naming import name_of
from engine.sql.outputs import AggregateUse, Outputs
from engine.sql.parse import Parsed
from engine.sql.refusals import refuse_clause
from engine.sql.rows import Rows
from engine.sql.statement import Context
from engine.sql.syntax import Constant, Grouping, Item, Query, Star, SyntaxExpression, holds_aggregate
from engine.sql.tables import rows_of, where
from engine.trusted.plan import Relation, Type

__all__ = ["AggregateUse", "BoundOutput", "BoundQuery", "BoundSort", "bind"]


@dataclass(frozen=True, slots=True)
class BoundOutput:
    name: str
    bound: Bound  # over leaves


@dataclass(frozen=True, slots=True)
class BoundSort:
    bound: Bound
    descending: bool
    nulls_first: bool


@dataclass(frozen=True, slots=True)
class BoundQuery:
    """One aggregate query over one relation. Leaves are ``key N`` and ``aggregate N``, counted from 0."""

    sql: str
    relation: Relation  # all of FROM, and what joins leave of it
    predicate: Bound | None
    keys: tuple[Bound, ...]
    sets: tuple[tuple[int, ...], ...]
    groupings: tuple[tuple[int, ...], ...]
    aggregates: tuple[AggregateUse, ...]
    outputs: tuple[BoundOutput, ...]
    having: Bound | None
    order: tuple[BoundSort, ...]
    limit: int | None
    offset: int


def bind(parsed: Parsed, context: Context) -> BoundQuery:
    """Resolves every name and type of a statement; raises Refused SQL_* with the place."""
    query = parsed.query
    rows = rows_of(query, context.catalogue)
    if query.distinct:
        raise refuse_clause("Select", "distinct", query.at)
    items = _items(query)
    if not _asks_figures(query, items):
        raise Refused("SQL_ROWS", at=query.at)
    rows = rows.with_aliases({i.alias.lower(): i.expression for i in items if i.alias})
    rows = where(rows, query.where)
    keys, sets = _keys(query.grouping, items, rows)
    outputs = Outputs(rows, keys, frozenset(k for k in range(len(keys)) if any(k not in s for s in sets)))
    listed = _outputs(items, outputs, rows)
    having = None if query.having is None else outputs.condition(query.having)
    order = _order(query, items, listed, outputs)
    if not outputs.aggregates:
        raise Refused("SQL_ROWS", at=query.at)
    return BoundQuery(
        sql=parsed.sql,
        relation=rows.relation,
        predicate=rows.predicate,
        keys=keys,
        sets=sets,
        groupings=outputs.groupings,
        aggregates=outputs.aggregates,
        outputs=listed,
        having=having,
        order=order,
        limit=query.limit,
        offset=query.offset,
    )


def _items(query: Query) -> tuple[Item, ...]:
    for item in query.items:
        if isinstance(item, Star):
            raise Refused("SQL_ROWS", at=item.at)
    return tuple(item for item in query.items if isinstance(item, Item))


def _asks_figures(query: Query, items: tuple[Item, ...]) -> bool:
    asked = [i.expression for i in items] + [s.expression for s in query.order if s.expression is not None]
    return any(holds_aggregate(e) for e in asked) or (query.having is not None and holds_aggregate(query.having))


def _keys(
    grouping: Grouping | None, items: tuple[Item, ...], rows: Rows
) -> tuple[tuple[Bound, ...], tuple[tuple[int, ...], ...]]:
    """Distinct keys in the order of GROUP BY, and the sets of them; constants are no keys."""
    if grouping is None:
        return (), ((),)
    listed: list[SyntaxExpression]
    if grouping.every:
        listed = [i.expression for i in items if not holds_aggregate(i.expression)]
    else:
        listed = [_numbered(key, items) for key in grouping.keys]
    keys: list[Bound] = []
    places: list[int | None] = []
    for key in listed:
        if holds_aggregate(key):
            raise Refused("SQL_AGGREGATE_MISPLACED", at=key.at, where="in GROUP BY")
        if isinstance(key, Constant):
            places.append(None)
            continue
        bound = typed(rows.bind(key, "in GROUP BY"), Type.TEXT)
        place = next((i for i, other in enumerate(keys) if bound.expression == other.expression), len(keys))
        places.append(place)
        if place == len(keys):
            keys.append(bound)
    sets = (tuple(range(len(listed))),) if grouping.every else grouping.sets
    return tuple(keys), _sets(sets, places, listed)


def _sets(
    sets: tuple[tuple[int, ...], ...], places: list[int | None], listed: list[SyntaxExpression]
) -> tuple[tuple[int, ...], ...]:
    """Each grouping set as ascending positions of distinct keys."""
    found = [tuple(sorted({p for k in chosen if (p := places[k]) is not None})) for chosen in sets]
    if len(set(found)) < len(found):
        construct, instead = "The same grouping set twice", "Leave one out: it would cost twice."
        raise Refused("SQL_NOT_SUPPORTED", at=listed[0].at if listed else None, construct=construct, instead=instead)
    return tuple(found)


def _numbered(key: SyntaxExpression, items: tuple[Item, ...]) -> SyntaxExpression:
    """A position of the SELECT list stands for the expression there."""
    if not isinstance(key, Constant) or type(key.value) is not int:
        return key
    if not 1 <= key.value <= len(items):
        raise Refused("SQL_POSITION", at=key.at, number=str(key.value))
    return items[key.value - 1].expression


def _outputs(items: tuple[Item, ...], outputs: Outputs, rows: Rows) -> tuple[BoundOutput, ...]:
    listed: list[BoundOutput] = []
    taken: set[str] = set()
    for item in items:
        bound = outputs.bind(item.expression)
        if item.alias is not None:
            rows.check_alias(item.alias, rows.column_behind(item.expression), item.at)
            if item.alias.lower() in taken:
                raise Refused(
                    "SQL_NAME_TAKEN", at=item.at, name=item.alias, what="another column", other=f"{item.alias}_2"
                )
            outputs.name(item.alias, bound)
        name = item.alias or rows.column_behind(item.expression) or name_of(item.expression)
        name = _distinct(name, taken)
        taken.add(name.lower())
        listed.append(BoundOutput(name, typed(bound, Type.INTEGER)))
    return tuple(listed)


def _distinct(name: str, taken: set[str]) -> str:
    """A name of its own, with a number behind it as DuckDB gives to columns of one name."""
    number, found = 0, name
    while found.lower() in taken:
        number += 1
        found = f"{name}_{number}"
    return found


def _order(
    query: Query, items: tuple[Item, ...], listed: tuple[BoundOutput, ...], outputs: Outputs
) -> tuple[BoundSort, ...]:
    sorts: list[BoundSort] = []
    for sort in query.order:
        if sort.expression is None:
            sorts.extend(BoundSort(o.bound, sort.descending, sort.nulls_first) for o in listed)
            continue
        bound = _sorted_by(sort.expression, items, listed, outputs)
        sorts.append(BoundSort(bound, sort.descending, sort.nulls_first))
    return tuple(sorts)


def _sorted_by(
    expression: SyntaxExpression, items: tuple[Item, ...], listed: tuple[BoundOutput, ...], outputs: Outputs
) -> Bound:
    if isinstance(expression, Constant) and type(expression.value) is int:
        _numbered(expression, items)
        return listed[expression.value - 1].bound
    if isinstance(expression, Constant):
        raise Refused("SQL_LITERAL", at=expression.at, problem="ORDER BY a literal orders nothing")
    return typed(outputs.bind(expression), Type.INTEGER)
