"""Figures per person: an inner query grouped by the person, as a relation of one row a person."""

from __future__ import annotations

from dataclasses import replace

from engine.errors import Refused
from engine.sql.bound import Bound, leaf, located, typed
from engine.sql.expressions import Expressions
from engine.sql.naming import name_of
from engine.sql.relations import free_name
from engine.sql.rows import Rows, is_person
from engine.sql.sides import is_private
from engine.sql.syntax import (
    Aggregated,
    Constant,
    Item,
    Name,
    Query,
    Star,
    SyntaxExpression,
    Windowed,
    holds_aggregate,
    holds_figure,
)
from engine.sql.windows import refuse_window
from engine.trusted.domains import feature_domain, scope_of
from engine.trusted.plan import ColumnRef, Expression, Feature, Function, PersonAggregate, PersonFeature, Type
from engine.trusted.stability import stability_of

_FIGURES = {"sum": Feature.SUM, "avg": Feature.AVERAGE, "min": Feature.MINIMUM, "max": Feature.MAXIMUM}
_TRUTH = ("bool_or", "bool_and")


def asks_features(query: Query) -> bool:
    """Whether an inner query asks for figures, not for rows."""
    figures = any(isinstance(i, Item) and holds_figure(i.expression) for i in query.items)
    return figures or query.grouping is not None or query.having is not None or query.distinct


def features_of(query: Query, rows: Rows) -> Rows:
    """The rows of a query grouped by the person alone; ``rows`` are those its WHERE leaves."""
    items = [i for i in query.items if isinstance(i, Item)]
    rows = rows.with_aliases({i.alias.lower(): i.expression for i in items if i.alias})
    _check_grouping(query, items, rows)
    if is_private(rows.relation):
        raise Refused("SQL_JOIN_NESTED", at=query.at)
    with located(query.at):  # all rows of a person at one node
        stability_of(PersonAggregate(rows.whole, ()), rows.catalogue)
    features = Features(rows)
    for item in items:
        if item.alias is not None and isinstance(item.expression, Aggregated):
            features.prefer(item.expression, item.alias)
    columns: dict[str, tuple[str, Bound]] = {}
    for item in items:
        behind = rows.column_behind(item.expression)
        if item.alias is not None:
            rows.check_alias(item.alias, behind, item.at)
        name = item.alias or behind or name_of(item.expression)
        if name.lower() in columns:
            raise Refused("SQL_NAME_TAKEN", at=item.at, name=name, what="another column", other=f"{name}_2")
        columns[name.lower()] = name, features.bind(item.expression)
    having = None if query.having is None else features.condition(query.having)
    return replace(
        rows, relation=features.relation, tables={"": columns}, predicate=having, aliases={}, merged=frozenset()
    )


def by_person(query: Query, rows: Rows) -> bool:
    """Whether a query asks for figures per person: a person is among its keys, or it is SELECT DISTINCT."""
    items = [i for i in query.items if isinstance(i, Item)]
    rows = rows.with_aliases({i.alias.lower(): i.expression for i in items if i.alias})
    return query.distinct or any(is_person(_bound(key, rows)) for key in _keys(query, items))


def _keys(query: Query, items: list[Item]) -> list[SyntaxExpression]:
    if query.grouping is None or query.grouping.every:
        plain = [item.expression for item in items if not holds_aggregate(item.expression)]
        return plain if query.distinct or query.grouping is not None else []
    return [_stands_for(key, items) for key in query.grouping.keys]


def _bound(key: SyntaxExpression, rows: Rows) -> Bound | None:
    return None if holds_aggregate(key) else rows.bind(key, "in GROUP BY")


def _check_grouping(query: Query, items: list[Item], rows: Rows) -> None:
    """GROUP BY the person and nothing else, or SELECT DISTINCT of the person alone."""
    if any(isinstance(item, Star) for item in query.items):
        raise Refused("SQL_ROWS", at=query.at)
    construct = "Grouping an inner query by the person and something else"
    instead = "Group it by the person, with MIN, MAX or BOOL_OR of the other columns; group further outside."
    if query.distinct:
        construct, instead = "SELECT DISTINCT of anything but the person", "Use GROUP BY the person, with aggregates."
    keys = _keys(query, items)
    bound = [_bound(key, rows) for key in keys]
    if len(bound) != 1 or not is_person(bound[0]) or (query.grouping is not None and len(query.grouping.sets) > 1):
        raise Refused("SQL_NOT_SUPPORTED", at=keys[0].at if keys else query.at, construct=construct, instead=instead)


def _stands_for(key: SyntaxExpression, items: list[Item]) -> SyntaxExpression:
    if isinstance(key, Constant) and type(key.value) is int:
        if not 1 <= key.value <= len(items):
            raise Refused("SQL_POSITION", at=key.at, number=str(key.value))
        return items[key.value - 1].expression
    return key


class Features:
    """Binds expressions over one person's figures and collects the figures, each once."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self._scope = scope_of(rows.relation, rows.catalogue)
        self._most = stability_of(rows.relation, rows.catalogue).rows
        self._found: dict[tuple[Feature, Expression | None, Expression | None], PersonFeature] = {}
        self._wanted: dict[Aggregated, str] = {}
        self._expanding: tuple[str, ...] = ()
        self._expressions = Expressions(self._resolve)

    @property
    def relation(self) -> PersonAggregate:
        return PersonAggregate(self._rows.whole, tuple(self._found.values()))

    def prefer(self, use: Aggregated, name: str) -> None:
        """The name of the figure in the plan."""
        self._wanted.setdefault(use, name)

    def bind(self, syntax: SyntaxExpression) -> Bound:
        return self._expressions.bind(syntax)

    def condition(self, syntax: SyntaxExpression) -> Bound:
        return self._expressions.condition(syntax, "HAVING")

    def _resolve(self, syntax: SyntaxExpression) -> Bound | None:
        if isinstance(syntax, Aggregated):
            return self._figure(syntax)
        if isinstance(syntax, Windowed):
            raise refuse_window(syntax.at, "in figures per person")
        if not isinstance(syntax, Name):
            return None
        column = self._rows.column(syntax)
        if is_person(column):
            return replace(column, at=syntax.at) if column else None
        if column is not None or len(syntax.parts) > 1:
            raise Refused("SQL_UNGROUPED_COLUMN", at=syntax.at, name=".".join(syntax.parts)[:80])
        name = syntax.parts[0].lower()
        if name not in self._rows.aliases:
            raise self._rows.unknown(syntax)
        if name in self._expanding:
            raise Refused("SQL_CIRCULAR_NAME", at=syntax.at, name=syntax.parts[0])
        held, self._expanding = self._expanding, (*self._expanding, name)
        try:
            return self.bind(self._rows.aliases[name])
        finally:
            self._expanding = held

    def _figure(self, use: Aggregated) -> Bound:
        """One aggregate over the rows of a person."""
        rows, at = self._rows, use.at
        where = None if use.where is None else rows.condition(use.where, "inside another", "FILTER")
        argument = None if use.argument is None else rows.bind(use.argument, "inside another")
        if use.distinct:
            instead = "Count rows, or use BOOL_OR(x = ...) for each value."
            raise Refused("SQL_NOT_SUPPORTED", at=at, construct="DISTINCT in a figure per person", instead=instead)
        if use.aggregate == "count_if" and argument is not None:
            wanted = rows.condition(use.argument or Constant(None, "NULL", at), "inside another", "COUNT_IF")
            both = wanted if where is None else self._expressions.call(Function.AND, (where, wanted), at)
            return self._placed(use, Feature.COUNT_ROWS, None, both)
        if use.aggregate == "count":
            sure = argument is None or (argument.domain is not None and not argument.domain.nullable)
            kind = Feature.COUNT_ROWS if sure else Feature.COUNT_PRESENT
            return self._placed(use, kind, None if sure else argument, where)
        if argument is not None and use.aggregate in _FIGURES:
            return self._placed(use, _FIGURES[use.aggregate], self._number(use, typed(argument, Type.INTEGER)), where)
        if argument is not None and use.aggregate in _TRUTH:
            argument = typed(argument, Type.BOOLEAN)
            if use.aggregate == "bool_or":
                return self._placed(use, Feature.ANY_TRUE, argument, where)
            none = self._placed(use, Feature.ANY_TRUE, self._expressions.call(Function.NOT, (argument,), at), where)
            return self._expressions.call(Function.NOT, (none,), at)
        construct = f"{use.spelled.upper()} in a figure per person"
        instead = "Per person there are COUNT, SUM, AVG, MIN, MAX, BOOL_OR and BOOL_AND."
        raise Refused("SQL_NOT_SUPPORTED", at=at, construct=construct, instead=instead)

    def _number(self, use: Aggregated, argument: Bound) -> Bound:
        summed = use.aggregate in ("sum", "avg")
        if summed and argument.domain is not None and argument.domain.type is Type.BOOLEAN:
            return self._expressions.call(Function.CAST_INTEGER, (argument,), use.at)
        return argument

    def _placed(self, use: Aggregated, kind: Feature, argument: Bound | None, where: Bound | None) -> Bound:
        inner, condition = (None if b is None else b.expression for b in (argument, where))
        key = (kind, inner, condition)
        if key not in self._found:
            taken = [self._rows.person, *(f.name for f in self._found.values())]
            name = free_name(self._wanted.get(use, use.aggregate), taken)
            self._found[key] = PersonFeature(name, kind, inner, condition)
        with located(use.at):
            domain = feature_domain(self._found[key], self._scope, self._most)
        return leaf(ColumnRef(self._found[key].name), domain, use.at)
