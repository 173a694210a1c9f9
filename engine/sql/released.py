"""Queries over released rows: FROM is one query for figures of groups, and everything here acts on what it gave.

Columns of the inner query are written out as expressions over its leaves, so nothing new is released. WHERE, window
functions, QUALIFY, ORDER BY and LIMIT of each query become steps, in the order SQL has them.
"""

from __future__ import annotations

from collections.abc import Mapping

from engine.errors import Position, Refused
from engine.sql.bound import Bound
from engine.sql.expressions import Expressions
from engine.sql.refusals import meant, refuse_clause
from engine.sql.rows import refuse_figures
from engine.sql.syntax import Aggregated, Apply, Existence, Item, Name, Query, Star, SyntaxExpression, Windowed
from engine.sql.windows import Windows

Columns = Mapping[str, tuple[str, Bound]]  # lower-case name -> name as given, expression over leaves


class Released:
    """Names and expressions of a query over the columns of released rows."""

    def __init__(self, table: str, columns: Columns, windows: Windows) -> None:
        self._table = table.lower()
        self._columns = columns
        self._names: dict[str, Bound] = {}
        self.windows = windows
        self._expressions = Expressions(self._resolve, unbounded=True)

    def bind(self, syntax: SyntaxExpression) -> Bound:
        return self._expressions.bind(syntax)

    def condition(self, syntax: SyntaxExpression, what: str) -> Bound:
        return self._expressions.condition(syntax, what)

    def name(self, alias: str, bound: Bound) -> None:
        """Makes an output known by its alias to what follows."""
        self._names[alias.lower()] = bound

    def behind(self, syntax: SyntaxExpression) -> str | None:
        """The spelling of a bare column."""
        found = self._column(syntax) if isinstance(syntax, Name) else None
        return found[0] if found else None

    def check_alias(self, alias: str, stands_for: str | None, at: Position) -> None:
        """An alias may not be the name of a column it does not stand for."""
        if alias.lower() in self._columns and (stands_for is None or stands_for.lower() != alias.lower()):
            raise Refused("SQL_NAME_TAKEN", at=at, name=alias, what="another column", other=f"{alias}_2")

    def listed(self, item: Item | Star) -> list[Item]:
        """``*`` as the columns it stands for."""
        if isinstance(item, Item):
            return [item]
        if item.table is not None and item.table.lower() != self._table:
            raise Refused(
                "SQL_UNKNOWN_DATASET", at=item.at, name=item.table[:80], meant=meant(item.table, [self._table])
            )
        return [Item(Name((spelled,), item.at), None, item.at) for spelled, _ in self._columns.values()]

    def _column(self, name: Name) -> tuple[str, Bound] | None:
        if len(name.parts) > 1 and name.parts[0].lower() != self._table:
            return None
        return self._columns.get(name.parts[-1].lower())

    def _resolve(self, syntax: SyntaxExpression) -> Bound | None:
        if isinstance(syntax, Windowed):
            return self.windows.bind(syntax, self.bind)
        if isinstance(syntax, Aggregated) or (isinstance(syntax, Apply) and syntax.operator == "grouping"):
            raise _again(syntax.at)
        if isinstance(syntax, Existence):
            raise refuse_figures(syntax.at)
        if not isinstance(syntax, Name):
            return None
        found = self._column(syntax)
        bound = found[1] if found else self._names.get(syntax.parts[0].lower()) if len(syntax.parts) == 1 else None
        if bound is None:
            known = [spelled for spelled, _ in self._columns.values()]
            shown = ".".join(syntax.parts)[:80]
            raise Refused("SQL_UNKNOWN_COLUMN", at=syntax.at, name=shown, meant=meant(syntax.parts[-1], known))
        return bound


def _again(at: Position) -> Refused:
    construct = "An aggregate over released figures"
    instead = "Use SUM(n) OVER (), ask for the total in the query inside, or ORDER BY n DESC LIMIT 1."
    return Refused("SQL_NOT_SUPPORTED", at=at, construct=construct, instead=instead)


def check_released(query: Query) -> None:
    """Released rows are not grouped again."""
    if query.distinct:
        raise refuse_clause("Select", "distinct", query.at)
    if query.grouping is not None or query.having is not None:
        raise _again(query.at)
