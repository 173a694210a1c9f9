"""Pass 2, bind: names and types. ``Parsed`` -> ``BoundQuery``.

Common and derived tables are written out: every expression becomes one over the columns of a single dataset, so that
domains follow lineage and no name can hide another. What is asked of released figures (SELECT list, HAVING, ORDER BY)
becomes expressions over leaves, one for each key and aggregate.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from engine.errors import Position, Refused
from engine.sql.bound import Bound, typed
from engine.sql.naming import name_of
from engine.sql.nulls import null_compared
from engine.sql.outputs import AggregateUse, Outputs
from engine.sql.parse import Parsed
from engine.sql.refusals import refuse_clause
from engine.sql.released import Released, check_released
from engine.sql.rows import Figures, Rows
from engine.sql.statement import Context, Cut, Keep, Ordering, Step, Widen
from engine.sql.syntax import Constant, Grouping, Item, Query, Star, SyntaxExpression, holds_aggregate
from engine.sql.tables import source_of, where
from engine.sql.windows import Windows, refuse_window
from engine.trusted.plan import Relation, Type
from engine.trusted.walk import names_in

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
    """One aggregate query over one relation. Leaves are ``key N`` and ``aggregate N``, counted from 0.

    ``steps``: what is done with the released rows before ``order`` and ``limit``.
    """

    sql: str
    relation: Relation  # all of FROM, and what joins leave of it
    predicate: Bound | None
    keys: tuple[Bound, ...]
    sets: tuple[tuple[int, ...], ...]
    groupings: tuple[tuple[int, ...], ...]
    aggregates: tuple[AggregateUse, ...]
    outputs: tuple[BoundOutput, ...]
    steps: tuple[Step, ...]
    order: tuple[BoundSort, ...]
    limit: int | None
    offset: int
    null_compared: Position | None = None  # where a written NULL is compared with something


def bind(parsed: Parsed, context: Context) -> BoundQuery:
    """Resolves every name and type of a statement; raises Refused SQL_* with the place."""
    query = parsed.query
    bound = _query(query, source_of(query, context.catalogue), 0)
    return replace(bound, sql=parsed.sql, null_compared=null_compared(query))


def _query(query: Query, source: Rows | Figures, windows: int) -> BoundQuery:
    """``windows``: the number of the first window function."""
    return _grouped(query, source) if isinstance(source, Rows) else _selected(query, source, windows)


def _grouped(query: Query, rows: Rows) -> BoundQuery:
    """A query for figures of groups of people."""
    if query.distinct:
        raise refuse_clause("Select", "distinct", query.at)
    items = _items(query)
    if not _asks_figures(query, items):
        raise Refused("SQL_ROWS", at=query.at)
    rows = rows.with_aliases({i.alias.lower(): i.expression for i in items if i.alias})
    rows = where(rows, query.where)
    keys, sets = _keys(query.grouping, items, rows)
    outputs = Outputs(rows, keys, frozenset(k for k in range(len(keys)) if any(k not in s for s in sets)))
    listed = _outputs(items, outputs)
    having = _condition(query.having, outputs, "HAVING")
    qualify = _qualified(query, outputs)
    order = _order(query, items, listed, outputs)
    if not outputs.aggregates:
        raise Refused("SQL_ROWS", at=query.at)
    return BoundQuery(
        sql="",
        relation=rows.relation,
        predicate=rows.predicate,
        keys=keys,
        sets=sets,
        groupings=outputs.groupings,
        aggregates=outputs.aggregates,
        outputs=listed,
        steps=(*having, *_widened(outputs.windows), *qualify),
        order=order,
        limit=query.limit,
        offset=query.offset,
    )


def _selected(query: Query, source: Figures, windows: int) -> BoundQuery:
    """A query over the released rows of another."""
    check_released(query)
    inner = _query(source.query, source.source, windows)
    held = sum(len(step.windows) for step in inner.steps if isinstance(step, Widen))
    columns = {output.name.lower(): (output.name, output.bound) for output in inner.outputs}
    outputs = Released(source.name, columns, Windows(windows + held))
    items = tuple(item for each in query.items for item in outputs.listed(each))
    kept = _condition(query.where, outputs, "WHERE")
    listed = _outputs(items, outputs)
    qualify = _qualified(query, outputs)
    order = _order(query, items, listed, outputs)
    cut = () if inner.limit is None and not inner.offset else (_cut(inner),)
    return replace(
        inner,
        outputs=listed,
        steps=(*inner.steps, *cut, *kept, *_widened(outputs.windows), *qualify),
        order=order or (() if cut else inner.order),
        limit=query.limit,
        offset=query.offset,
    )


def _cut(query: BoundQuery) -> Cut:
    order = tuple(Ordering(s.bound.expression, s.descending, s.nulls_first) for s in query.order)
    return Cut(order, query.limit, query.offset)


def _widened(windows: Windows) -> tuple[Step, ...]:
    return (Widen(windows.named),) if windows.named else ()


def _qualified(query: Query, outputs: Outputs | Released) -> tuple[Step, ...]:
    found = _condition(query.qualify, outputs, "QUALIFY")
    if query.qualify is not None and not outputs.windows.named:
        construct, instead = "QUALIFY without a window function", "Use HAVING."
        raise Refused("SQL_NOT_SUPPORTED", at=query.qualify.at, construct=construct, instead=instead)
    return found


def _condition(syntax: SyntaxExpression | None, outputs: Outputs | Released, what: str) -> tuple[Step, ...]:
    """A condition on released rows; window functions are known to QUALIFY only."""
    if syntax is None:
        return ()
    before = outputs.windows.end
    bound = outputs.condition(syntax, what)
    windowed = any(name.startswith("window ") for name in names_in(bound.expression))
    if what != "QUALIFY" and (outputs.windows.end > before or (what == "HAVING" and windowed)):
        raise refuse_window(syntax.at, "in HAVING" if what == "HAVING" else "in WHERE of released rows")
    return (Keep(bound.expression),)


def _items(query: Query) -> tuple[Item, ...]:
    for item in query.items:
        if isinstance(item, Star):
            raise Refused("SQL_ROWS", at=item.at)
    return tuple(item for item in query.items if isinstance(item, Item))


def _asks_figures(query: Query, items: tuple[Item, ...]) -> bool:
    asked = [i.expression for i in items] + [s.expression for s in query.order if s.expression is not None]
    asked += [e for e in (query.having, query.qualify) if e is not None]
    return any(holds_aggregate(e) for e in asked)


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


def _outputs(items: tuple[Item, ...], outputs: Outputs | Released) -> tuple[BoundOutput, ...]:
    listed: list[BoundOutput] = []
    taken: set[str] = set()
    for item in items:
        bound = outputs.bind(item.expression)
        if item.alias is not None:
            outputs.check_alias(item.alias, outputs.behind(item.expression), item.at)
            if item.alias.lower() in taken:
                raise Refused(
                    "SQL_NAME_TAKEN", at=item.at, name=item.alias, what="another column", other=f"{item.alias}_2"
                )
            outputs.name(item.alias, bound)
        name = item.alias or outputs.behind(item.expression) or name_of(item.expression)
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
    query: Query, items: tuple[Item, ...], listed: tuple[BoundOutput, ...], outputs: Outputs | Released
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
    expression: SyntaxExpression, items: tuple[Item, ...], listed: tuple[BoundOutput, ...], outputs: Outputs | Released
) -> Bound:
    if isinstance(expression, Constant) and type(expression.value) is int:
        _numbered(expression, items)
        return listed[expression.value - 1].bound
    if isinstance(expression, Constant):
        raise Refused("SQL_LITERAL", at=expression.at, problem="ORDER BY a literal orders nothing")
    return typed(outputs.bind(expression), Type.INTEGER)
