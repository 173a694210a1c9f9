"""The rows a query reads: a relation of the plan, and columns by table and name as expressions over its columns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from engine.errors import Position, Refused
from engine.sql.bound import Bound
from engine.sql.expressions import Expressions
from engine.sql.refusals import meant
from engine.sql.relations import datasets_in, filtered
from engine.sql.sides import is_private, narrowed
from engine.sql.syntax import Aggregated, Apply, Existence, Name, Query, SyntaxExpression, Windowed, holds_aggregate
from engine.sql.windows import refuse_window
from engine.trusted.catalogue import Catalogue, Dataset
from engine.trusted.domains import person_of
from engine.trusted.plan import Function, PrivateJoin, Relation

Columns = Mapping[str, tuple[str, Bound]]  # lower-case name -> name as declared, expression


@dataclass(frozen=True, slots=True)
class Rows:
    """What can be named inside one query.

    ``tables``: of FROM, in order, by lower-case name; ``merged``: names of USING, which the first table gives;
    ``aliases``: names of the SELECT list, in lower case; ``known``: tables of WITH. ``predicate`` is not yet part of
    the relation, so that conditions of inner and outer queries become one.
    """

    catalogue: Catalogue
    relation: Relation
    tables: Mapping[str, Columns]
    predicate: Bound | None = None
    merged: frozenset[str] = frozenset()
    aliases: Mapping[str, SyntaxExpression] = field(default_factory=dict)
    known: Mapping[str, Rows | Figures] = field(default_factory=dict)

    @property
    def person(self) -> str:
        return person_of(self.relation, self.catalogue)

    @property
    def datasets(self) -> tuple[Dataset, ...]:
        names = datasets_in(self.relation)
        return tuple(d for d in self.catalogue.datasets if d.name in names)

    @property
    def whole(self) -> Relation:
        """The relation with the predicate."""
        return filtered(self.relation, None if self.predicate is None else self.predicate.expression)

    def with_aliases(self, aliases: Mapping[str, SyntaxExpression]) -> Rows:
        return replace(self, aliases=aliases)

    def bind(self, syntax: SyntaxExpression, where: str) -> Bound:
        """An expression over single rows; ``where`` it stands, for refusing aggregates."""
        return self._expressions(where, ()).bind(syntax)

    def condition(self, syntax: SyntaxExpression, where: str, what: str) -> Bound:
        return self._expressions(where, ()).condition(syntax, what)

    def filtered(self, conditions: tuple[SyntaxExpression, ...], where: str, what: str) -> Rows:
        """Only rows where all conditions hold; each goes to its own side of a private join."""
        rows = self
        if is_private(self.relation):
            conditions = tuple(part for syntax in conditions for part in conjuncts(syntax))
        for syntax in conditions:
            own = self.condition(syntax, where, what)
            if isinstance(rows.relation, PrivateJoin):
                rows = replace(rows, relation=narrowed(rows.relation, own))
                continue
            if rows.predicate is not None:
                own = Expressions(_nothing).call(Function.AND, (rows.predicate, own), own.at)
            rows = replace(rows, predicate=own)
        return rows

    def _expressions(self, where: str, expanding: tuple[str, ...]) -> Expressions:
        def resolve(syntax: SyntaxExpression) -> Bound | None:
            if isinstance(syntax, Aggregated):
                raise Refused("SQL_AGGREGATE_MISPLACED", at=syntax.at, where=where)
            if isinstance(syntax, Windowed):
                raise refuse_window(syntax.at, where)
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
            if holds_aggregate(self.aliases[alias]):
                raise Refused("SQL_AGGREGATE_MISPLACED", at=syntax.at, where=where)
            return self._expressions(where, (*expanding, alias)).bind(self.aliases[alias])

        return Expressions(resolve)

    def column(self, name: Name) -> Bound | None:
        """The column a name stands for, if it is one of the rows' own; refused if it could be two."""
        found = self.places(name)
        if len(found) > 1 and name.parts[-1].lower() not in self.merged:
            held = [spelled for spelled in found if spelled] or ["a"]
            raise Refused("SQL_NAME_AMBIGUOUS", at=name.at, name=name.parts[0][:80], meant=f"{held[0]}.{name.parts[0]}")
        return self.tables[found[0]][name.parts[-1].lower()][1] if found else None

    def places(self, name: Name) -> list[str]:
        """The tables that have a column of this name; an unknown table before the dot is refused."""
        *table, column = (part.lower() for part in name.parts)
        if table and table[0] not in self.tables:
            raise self.unknown(name)
        return [t for t, columns in self.tables.items() if column in columns and (not table or t == table[0])]

    def column_behind(self, syntax: SyntaxExpression) -> str | None:
        """The declared spelling of a bare column."""
        found = self.places(syntax) if isinstance(syntax, Name) else []
        return self.tables[found[0]][syntax.parts[-1].lower()][0] if found and isinstance(syntax, Name) else None

    def unknown(self, name: Name) -> Refused:
        known = [spelled for columns in self.tables.values() for spelled, _ in columns.values()]
        shown = ".".join(name.parts)[:80]
        return Refused("SQL_UNKNOWN_COLUMN", at=name.at, name=shown, meant=meant(name.parts[-1], known))

    def check_alias(self, alias: str, stands_for: str | None, at: Position) -> None:
        """An alias may not be the name of a dataset, or of a column it does not stand for."""
        if stands_for is not None and alias.lower() == stands_for.lower():
            return
        self.check_table(alias, None, at)

    def check_table(self, name: str, own: str | None, at: Position) -> None:
        """A name may not be that of another dataset than its ``own``, nor of a column of a dataset read here."""
        for dataset in self.catalogue.datasets:
            if dataset.name.lower() == name.lower() and (own is None or dataset.name.lower() != own.lower()):
                raise Refused("SQL_NAME_TAKEN", at=at, name=name, what="a dataset", other=f"{name}_1")
        for dataset in self.datasets:
            if any(column.name.lower() == name.lower() for column in dataset.columns):
                what = f"a column of {dataset.name}"
                raise Refused("SQL_NAME_TAKEN", at=at, name=name, what=what, other=f"{name}_1")


@dataclass(frozen=True, slots=True)
class Figures:
    """A query for figures of groups of people, as a table that another query selects from.

    ``source``: what its own FROM reads; ``name``: the table's.
    """

    query: Query
    source: Rows | Figures
    name: str = ""


def refuse_figures(at: Position) -> Refused:
    """The refusal of figures of groups where rows of people, or figures per person, are meant."""
    construct = "Joining figures of groups, or grouping them again"
    instead = "Select from them; put two periods side by side by COUNT(*) FILTER (WHERE ...); or group by the person."
    return Refused("SQL_NOT_SUPPORTED", at=at, construct=construct, instead=instead)


def _nothing(syntax: SyntaxExpression) -> Bound | None:
    return None


def is_person(bound: Bound | None) -> bool:
    """Whether this is the person of a row, never NULL."""
    return bound is not None and bound.domain is not None and bound.domain.person and not bound.domain.nullable


def conjuncts(syntax: SyntaxExpression | None) -> tuple[SyntaxExpression, ...]:
    """The conditions that AND joins, as they stand."""
    if isinstance(syntax, Apply) and syntax.operator == "and":
        return tuple(part for operand in syntax.operands for part in conjuncts(operand))
    return () if syntax is None else (syntax,)


def existence(syntax: SyntaxExpression) -> tuple[Existence, bool] | None:
    """An EXISTS or IN with a query, and whether NOT stands before it."""
    negated = False
    while isinstance(syntax, Apply) and syntax.operator == "not":
        syntax, negated = syntax.operands[0], not negated
    return (syntax, negated) if isinstance(syntax, Existence) else None
