"""FROM and WHERE: datasets, common and derived tables, joins and tests of existence -> ``Rows``.

Common and derived tables that only compute and filter are written out: their columns become expressions over what
they read, so that domains follow lineage and no name can hide another.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from engine.errors import Position, Refused
from engine.sql.bound import Bound, leaf
from engine.sql.features import asks_features, by_person, features_of
from engine.sql.joins import correlated, joined, met, names_of
from engine.sql.naming import name_of
from engine.sql.refusals import meant
from engine.sql.rows import Figures, Rows, conjuncts, existence, is_person, refuse_figures
from engine.sql.syntax import Both, Common, Derived, Existence, Item, Name, Query, Star, SyntaxExpression, Table
from engine.sql.unions import added
from engine.sql.windows import refuse_window
from engine.trusted.catalogue import Catalogue
from engine.trusted.domains import scope_of
from engine.trusted.plan import ColumnRef, JoinKind, Scan

Defined = Mapping[str, Rows | Figures]


def source_of(query: Query, catalogue: Catalogue, defined: Defined | None = None) -> Rows | Figures:
    """What FROM of ``query`` reads, its own WHERE not yet applied; raises Refused SQL_*."""
    known = dict(defined or {})
    for common in query.common:
        known[common.name.lower()] = _common(common, catalogue, known)
    found = _source(query.source, catalogue, known)
    if isinstance(found, Figures) and not query.joins:
        return found
    rows = _as_rows(found, query.source.at)
    for join in query.joins:
        rows = joined(join, rows, _as_rows(_source(join.source, catalogue, known), join.at))
    return replace(rows, aliases={}, known=known)


def rows_of(query: Query, catalogue: Catalogue, defined: Defined | None = None) -> Rows:
    return _as_rows(source_of(query, catalogue, defined), query.source.at)


def _as_rows(found: Rows | Figures, at: Position) -> Rows:
    if isinstance(found, Figures):
        raise refuse_figures(at)
    return found


def where(rows: Rows, syntax: SyntaxExpression | None) -> Rows:
    """The rows that a WHERE clause leaves; EXISTS and IN with a query stand at its top, joined by AND."""
    if syntax is None:
        return rows
    parts = conjuncts(syntax)
    tests = [found for part in parts if (found := existence(part)) is not None]
    if not tests:
        return rows.filtered((syntax,), "in WHERE", "WHERE")
    rows = rows.filtered(tuple(p for p in parts if existence(p) is None), "in WHERE", "WHERE")
    for test, negated in tests:
        kind = JoinKind.ANTI if negated else JoinKind.SEMI
        rows = met(kind, rows, _listed(test, rows) if test.operand else _related(test, rows), test.at)
    return rows


def _listed(test: Existence, rows: Rows) -> Rows:
    """``person IN (SELECT person ...)``."""
    operand = None if test.operand is None else rows.bind(test.operand, "in WHERE")
    found = _as_rows(_derived(test.query, rows.catalogue, rows.known), test.at)
    columns = [bound for held in found.tables.values() for _, bound in held.values()]
    if not is_person(operand) or len(columns) != 1 or not is_person(columns[0]):
        raise Refused("SQL_JOIN_PERSON", at=test.at)
    return found


def _related(test: Existence, rows: Rows) -> Rows:
    """``EXISTS (SELECT ... FROM d WHERE d.person = person AND ...)``."""
    query = test.query
    if asks_features(query) or query.limit is not None or query.order:
        instead = "Write person IN (SELECT person ... GROUP BY person HAVING ...)."
        raise Refused("SQL_NOT_SUPPORTED", at=query.at, construct="A figure or clause inside EXISTS", instead=instead)
    inner = rows_of(query, rows.catalogue, rows.known)
    for item in query.items:
        if isinstance(item, Item):
            inner.bind(item.expression, "inside EXISTS")
    conditions = conjuncts(query.where)
    rest = correlated(conditions, inner, rows)
    if len(rest) == len(conditions):
        raise Refused("SQL_JOIN_PERSON", at=test.at)
    for condition in rest:
        _check_inner(condition, inner, rows)
        inner = where(inner, condition)
    return inner


def _check_inner(condition: SyntaxExpression, inner: Rows, outer: Rows) -> None:
    """A condition of EXISTS besides the person's names columns of its own query only."""
    for name in names_of(condition):
        if not _is_outside(name, inner, outer):
            continue
        construct = "A column of the query outside, but for its person, in EXISTS"
        instead = "JOIN the other dataset on the person, with the condition in WHERE, and COUNT(DISTINCT the person)."
        raise Refused("SQL_NOT_SUPPORTED", at=name.at, construct=construct, instead=instead)


def _is_outside(name: Name, inner: Rows, outer: Rows) -> bool:
    """Whether a name of EXISTS means a column of the query around it: inside is looked first."""
    if len(name.parts) > 1:
        return name.parts[0].lower() in outer.tables and name.parts[0].lower() not in inner.tables
    return inner.column(name) is None and outer.column(name) is not None


def _source(source: Table | Derived, catalogue: Catalogue, known: Defined) -> Rows | Figures:
    """One table of FROM under its name."""
    rows: Rows | Figures
    if isinstance(source, Derived):
        rows, name, own = _derived(source.query, catalogue, known), source.alias or "", None
    else:
        rows, name, own = _table(source, catalogue, known)
    if isinstance(rows, Figures):
        return replace(rows, name=name)
    if source.alias is not None:
        rows.check_table(source.alias, own, source.at)
    columns = {n: column for held in rows.tables.values() for n, column in held.items()}
    return replace(rows, tables={name.lower(): columns})


def _common(common: Common, catalogue: Catalogue, known: Defined) -> Rows | Figures:
    if common.name.lower() in known:
        what = "another table of WITH"
        raise Refused("SQL_NAME_TAKEN", at=common.at, name=common.name, what=what, other=f"{common.name}_2")
    rows = _derived(common.query, catalogue, known)
    base = rows
    while isinstance(base, Figures):
        base = base.source
    base.check_table(common.name, None, common.at)
    return rows


def _table(table: Table, catalogue: Catalogue, known: Defined) -> tuple[Rows | Figures, str, str | None]:
    common = known.get(table.name.lower())
    if common is not None:
        return common, table.alias or table.name, None
    dataset = next((d for d in catalogue.datasets if d.name.lower() == table.name.lower()), None)
    if dataset is None:
        names = [d.name for d in catalogue.datasets] + list(known)
        raise Refused("SQL_UNKNOWN_DATASET", at=table.at, name=table.name[:80], meant=meant(table.name, names))
    scope = scope_of(Scan(dataset.name), catalogue)
    columns = {c.name.lower(): (c.name, leaf(ColumnRef(c.name), scope[c.name], table.at)) for c in dataset.columns}
    return Rows(catalogue, Scan(dataset.name), {"": columns}), table.alias or dataset.name, dataset.name


def _derived(query: Query | Both, catalogue: Catalogue, known: Defined) -> Rows | Figures:
    """A query inside another: rows computed and filtered, figures per person, or figures of groups.

    Its one table has no name yet.
    """
    if isinstance(query, Both):
        sides = [_as_rows(_derived(side, catalogue, known), side.at) for side in (query.left, query.right)]
        return added(sides[0], sides[1], query.at)
    rows = source_of(query, catalogue, known)
    if isinstance(rows, Figures) or (asks_features(query) and not by_person(query, rows)):
        return Figures(query, rows)
    for clause, there in (("LIMIT", query.limit is not None or query.offset), ("ORDER BY", query.order)):
        if there:
            raise Refused("SQL_ROW_CLAUSE", at=query.at, clause=clause)
    if query.qualify is not None:
        raise refuse_window(query.qualify.at, "over single rows")
    items = [i for i in query.items if isinstance(i, Item)]
    rows = rows.with_aliases({i.alias.lower(): i.expression for i in items if i.alias})
    rows = where(rows, query.where)
    if asks_features(query):
        return features_of(query, rows)
    columns: dict[str, tuple[str, Bound]] = {}
    for item in query.items:
        found = _starred(item, rows) if isinstance(item, Star) else _computed(item, rows)
        for name, bound in found:
            if name.lower() in columns:
                raise Refused("SQL_NAME_TAKEN", at=item.at, name=name, what="another column", other=f"{name}_2")
            columns[name.lower()] = name, bound
    return replace(rows, tables={"": columns}, aliases={}, merged=frozenset())


def _starred(star: Star, rows: Rows) -> list[tuple[str, Bound]]:
    if star.table is not None and star.table.lower() not in rows.tables:
        raise Refused("SQL_UNKNOWN_DATASET", at=star.at, name=star.table[:80], meant=meant(star.table, [*rows.tables]))
    found, seen = [], set[str]()
    for table, columns in rows.tables.items():
        if star.table is None or star.table.lower() == table:
            found += [column for name, column in columns.items() if name not in rows.merged or name not in seen]
            seen |= columns.keys()
    return found


def _computed(item: Item, rows: Rows) -> list[tuple[str, Bound]]:
    bound = rows.bind(item.expression, "inside another query")
    behind = rows.column_behind(item.expression)
    if item.alias is not None:
        rows.check_alias(item.alias, behind, item.at)
    return [(item.alias or behind or name_of(item.expression), bound)]
