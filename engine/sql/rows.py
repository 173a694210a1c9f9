"""The rows a query reads: columns by name, each as an expression over one dataset's own columns, and a predicate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from engine.errors import Position, Refused
from engine.sql.bound import Bound, leaf
from engine.sql.expressions import Expressions
from engine.sql.naming import name_of
from engine.sql.refusals import meant
from engine.sql.syntax import (
    Aggregated,
    Common,
    Derived,
    Item,
    Name,
    Query,
    Star,
    SyntaxExpression,
    Table,
    holds_aggregate,
)
from engine.trusted.catalogue import Catalogue, Dataset
from engine.trusted.domains import scope_of
from engine.trusted.plan import ColumnRef, Function, Scan

Columns = Mapping[str, tuple[str, Bound]]  # lower-case name -> name as declared, expression
Defined = Mapping[str, "Rows"]


@dataclass(frozen=True, slots=True)
class Rows:
    """What can be named inside one query. ``aliases`` are names of its SELECT list, in lower case."""

    catalogue: Catalogue
    dataset: Dataset
    name: str  # of the table: alias, dataset or common table
    columns: Columns
    predicate: Bound | None
    aliases: Mapping[str, SyntaxExpression] = field(default_factory=dict)

    def with_aliases(self, aliases: Mapping[str, SyntaxExpression]) -> Rows:
        return replace(self, aliases=aliases)

    def bind(self, syntax: SyntaxExpression, where: str) -> Bound:
        """An expression over single rows; ``where`` it stands, for refusing aggregates."""
        return self._expressions(where, ()).bind(syntax)

    def condition(self, syntax: SyntaxExpression, where: str, what: str) -> Bound:
        return self._expressions(where, ()).condition(syntax, what)

    def filtered(self, syntax: SyntaxExpression | None) -> Bound | None:
        """The rows' predicate and, where there is one, a WHERE clause too."""
        if syntax is None:
            return self.predicate
        own = self.condition(syntax, "in WHERE", "WHERE")
        if self.predicate is None:
            return own
        return Expressions(_nothing).call(Function.AND, (self.predicate, own), own.at)

    def _expressions(self, where: str, expanding: tuple[str, ...]) -> Expressions:
        def resolve(syntax: SyntaxExpression) -> Bound | None:
            if isinstance(syntax, Aggregated):
                raise Refused("SQL_AGGREGATE_MISPLACED", at=syntax.at, where=where)
            if not isinstance(syntax, Name):
                return None
            column = self.column(syntax)
            if column is not None:
                return replace(column, at=syntax.at)
            alias = syntax.parts[0].lower()
            if len(syntax.parts) > 1 or alias not in self.aliases:
                raise self.unknown(syntax)
            if alias in expanding:
                raise Refused("SQL_CIRCULAR_NAME", at=syntax.at, name=syntax.parts[0])
            return self._expressions(where, (*expanding, alias)).bind(self.aliases[alias])

        return Expressions(resolve)

    def column(self, name: Name) -> Bound | None:
        """The column a name stands for, if it is one of the rows' own."""
        if len(name.parts) == 2 and name.parts[0].lower() != self.name.lower():
            raise self.unknown(name)
        found = self.columns.get(name.parts[-1].lower())
        return found[1] if found else None

    def column_behind(self, syntax: SyntaxExpression) -> str | None:
        """The declared spelling of a bare column."""
        found = self.columns.get(syntax.parts[-1].lower()) if isinstance(syntax, Name) else None
        return found[0] if found else None

    def unknown(self, name: Name) -> Refused:
        known = [spelled for spelled, _ in self.columns.values()]
        shown = ".".join(name.parts)[:80]
        return Refused("SQL_UNKNOWN_COLUMN", at=name.at, name=shown, meant=meant(name.parts[-1], known))

    def check_alias(self, alias: str, stands_for: str | None, at: Position) -> None:
        """An alias may not be the name of a dataset, or of a column it does not stand for."""
        if stands_for is not None and alias.lower() == stands_for.lower():
            return
        _check_dataset_names(alias, None, self.catalogue, at)
        _check_column_names(alias, self.dataset, at)


def _nothing(syntax: SyntaxExpression) -> Bound | None:
    return None


def _check_dataset_names(name: str, own: str | None, catalogue: Catalogue, at: Position) -> None:
    for dataset in catalogue.datasets:
        if dataset.name.lower() == name.lower() and (own is None or dataset.name.lower() != own.lower()):
            raise Refused("SQL_NAME_TAKEN", at=at, name=name, what="a dataset", other=f"{name}_1")


def _check_column_names(name: str, dataset: Dataset, at: Position) -> None:
    if any(column.name.lower() == name.lower() for column in dataset.columns):
        what = f"a column of {dataset.name}"
        raise Refused("SQL_NAME_TAKEN", at=at, name=name, what=what, other=f"{name}_1")


def rows_of(query: Query, catalogue: Catalogue, defined: Defined | None = None) -> Rows:
    """The rows after FROM of ``query``, its own WHERE not yet applied; raises Refused SQL_*."""
    known = dict(defined or {})
    for common in query.common:
        known[common.name.lower()] = _common(common, catalogue, known)
    source = query.source
    if isinstance(source, Derived):
        rows = _derived(source.query, catalogue, known)
        name = source.alias or ""
    else:
        rows, name = _table(source, catalogue, known)
    if source.alias is not None:
        own = (
            rows.dataset.name
            if isinstance(source, Table) and source.name.lower() == rows.dataset.name.lower()
            else None
        )
        _check_dataset_names(source.alias, own, catalogue, source.at)
        _check_column_names(source.alias, rows.dataset, source.at)
    return replace(rows, name=name, aliases={})


def _common(common: Common, catalogue: Catalogue, known: Mapping[str, Rows]) -> Rows:
    _check_dataset_names(common.name, None, catalogue, common.at)
    if common.name.lower() in known:
        what = "another table of WITH"
        raise Refused("SQL_NAME_TAKEN", at=common.at, name=common.name, what=what, other=f"{common.name}_2")
    rows = _derived(common.query, catalogue, known)
    _check_column_names(common.name, rows.dataset, common.at)
    return replace(rows, name=common.name)


def _table(table: Table, catalogue: Catalogue, known: Mapping[str, Rows]) -> tuple[Rows, str]:
    common = known.get(table.name.lower())
    if common is not None:
        return common, table.alias or common.name
    dataset = next((d for d in catalogue.datasets if d.name.lower() == table.name.lower()), None)
    if dataset is None:
        names = [d.name for d in catalogue.datasets] + [r.name for r in known.values()]
        raise Refused("SQL_UNKNOWN_DATASET", at=table.at, name=table.name[:80], meant=meant(table.name, names))
    scope = scope_of(Scan(dataset.name), catalogue)
    columns = {name.lower(): (name, leaf(ColumnRef(name), domain, table.at)) for name, domain in scope.items()}
    ordered = {c.name.lower(): columns[c.name.lower()] for c in dataset.columns}
    return Rows(catalogue, dataset, table.alias or dataset.name, ordered, None), table.alias or dataset.name


def _derived(query: Query, catalogue: Catalogue, known: Mapping[str, Rows]) -> Rows:
    """A query that only names, computes and filters: a common or derived table."""
    _check_row_query(query)
    rows = rows_of(query, catalogue, known)
    items = [i for i in query.items if isinstance(i, Item)]
    rows = rows.with_aliases({i.alias.lower(): i.expression for i in items if i.alias})
    predicate = rows.filtered(query.where)
    columns: dict[str, tuple[str, Bound]] = {}
    for item in query.items:
        found = _starred(item, rows) if isinstance(item, Star) else _computed(item, rows)
        for name, bound in found:
            if name.lower() in columns:
                raise Refused("SQL_NAME_TAKEN", at=item.at, name=name, what="another column", other=f"{name}_2")
            columns[name.lower()] = name, bound
    return replace(rows, columns=columns, predicate=predicate, aliases={})


def _starred(star: Star, rows: Rows) -> list[tuple[str, Bound]]:
    if star.table is not None and star.table.lower() != rows.name.lower():
        raise Refused("SQL_UNKNOWN_DATASET", at=star.at, name=star.table[:80], meant=meant(star.table, [rows.name]))
    return list(rows.columns.values())


def _computed(item: Item, rows: Rows) -> list[tuple[str, Bound]]:
    bound = rows.bind(item.expression, "inside another query")
    behind = rows.column_behind(item.expression)
    if item.alias is not None:
        rows.check_alias(item.alias, behind, item.at)
    return [(item.alias or behind or name_of(item.expression), bound)]


def _check_row_query(query: Query) -> None:
    """Inner queries select rows; figures of figures and orders of rows are refused by name."""
    if query.limit is not None or query.offset:
        raise Refused("SQL_ROW_CLAUSE", at=query.at, clause="LIMIT")
    if query.order:
        raise Refused("SQL_ROW_CLAUSE", at=query.at, clause="ORDER BY")
    figures = any(isinstance(i, Item) and holds_aggregate(i.expression) for i in query.items)
    if figures or query.grouping is not None or query.having is not None:
        instead = "Put the aggregate into the outer query; the inner one may compute columns and filter rows."
        raise Refused(
            "SQL_NOT_YET_SUPPORTED", at=query.at, construct="An aggregate inside another query", instead=instead
        )
