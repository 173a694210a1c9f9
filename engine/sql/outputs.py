"""Expressions over released figures: SELECT list, HAVING and ORDER BY, as expressions over keys and aggregates."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from fractions import Fraction

from engine.errors import Position, Refused
from engine.sql.bound import Bound, leaf, typed
from engine.sql.expressions import Expressions
from engine.sql.rows import Rows
from engine.sql.syntax import Aggregated, Constant, Name, SyntaxExpression, holds_aggregate, operands_of
from engine.trusted.domains import Domain
from engine.trusted.plan import ColumnRef, Expression, Function, Literal, Type


class Figure(enum.Enum):
    """What an aggregate of the statement asks for."""

    ROWS = 1
    PRESENT = 2
    PERSONS = 3
    SUM = 4
    MEAN = 5


@dataclass(frozen=True, slots=True)
class AggregateUse:
    figure: Figure
    argument: Bound | None
    filter: Bound | None
    at: Position


def key_leaf(index: int) -> str:
    return f"key {index}"


def aggregate_leaf(index: int) -> str:
    return f"aggregate {index}"


class Outputs:
    """Binds expressions over figures and collects the aggregates they need, each once."""

    def __init__(self, rows: Rows, keys: tuple[Bound, ...]) -> None:
        self._rows = rows
        self._keys = keys
        self._found: list[AggregateUse] = []
        self._names: dict[str, Bound] = {}
        self._expressions = Expressions(self._resolve, unbounded=True)

    @property
    def aggregates(self) -> tuple[AggregateUse, ...]:
        return tuple(self._found)

    def name(self, alias: str, bound: Bound) -> None:
        """Makes an output known by its alias to what follows."""
        self._names[alias.lower()] = bound

    def bind(self, syntax: SyntaxExpression) -> Bound:
        return self._expressions.bind(syntax)

    def condition(self, syntax: SyntaxExpression) -> Bound:
        return self._expressions.condition(syntax, "HAVING")

    def _resolve(self, syntax: SyntaxExpression) -> Bound | None:
        """Leaves: an aggregate, an expression that is a key, a name of an output."""
        if isinstance(syntax, Aggregated):
            return self._aggregate(syntax)
        if isinstance(syntax, Constant) or holds_aggregate(syntax):
            return None
        if isinstance(syntax, Name) and self._rows.column(syntax) is None:
            named = self._names.get(syntax.parts[0].lower()) if len(syntax.parts) == 1 else None
            if named is not None:
                return named
        if self._on_rows(syntax):
            bound = self._rows.bind(syntax, "here")
            for index, key in enumerate(self._keys):
                if key.expression == bound.expression and key.domain is not None:
                    return leaf(ColumnRef(key_leaf(index)), key.domain, syntax.at)
        return self._ungrouped(syntax) if isinstance(syntax, Name) else None

    def _on_rows(self, syntax: SyntaxExpression) -> bool:
        """Whether the expression is one over single rows (else it holds the name of a figure)."""
        if isinstance(syntax, Name):
            if self._rows.column(syntax) is not None:
                return True
            alias = self._rows.aliases.get(syntax.parts[-1].lower())
            return alias is not None and not holds_aggregate(alias) and self._on_rows(alias)
        return all(self._on_rows(operand) for operand in operands_of(syntax))

    def _ungrouped(self, name: Name) -> Bound:
        bound = self._rows.bind(name, "here")
        if isinstance(bound.expression, Literal):
            return bound
        if bound.domain is not None and bound.domain.person:
            raise Refused("SQL_PERSON_COLUMN", at=name.at)
        raise Refused("SQL_UNGROUPED_COLUMN", at=name.at, name=".".join(name.parts)[:80])

    def _aggregate(self, syntax: Aggregated) -> Bound:
        use = self._use(syntax)
        index = next((i for i, other in enumerate(self._found) if _same(use, other)), len(self._found))
        if index == len(self._found):
            self._found.append(use)
        return leaf(ColumnRef(aggregate_leaf(index)), _domain(use), syntax.at)

    def _use(self, syntax: Aggregated) -> AggregateUse:
        where = syntax.where
        condition = None if where is None else self._rows.condition(where, "inside another", "FILTER")
        if syntax.argument is None:
            return AggregateUse(Figure.ROWS, None, condition, syntax.at)
        argument = self._rows.bind(syntax.argument, "inside another")
        if syntax.distinct:
            return self._distinct(syntax, argument, condition)
        if syntax.aggregate == "count":
            return _count(argument, condition, syntax.at)
        if syntax.aggregate == "count_if":
            wanted = self._rows.condition(syntax.argument, "inside another", "COUNT_IF")
            both = wanted if condition is None else self._and(condition, wanted)
            return AggregateUse(Figure.ROWS, None, both, syntax.at)
        argument = self._number(syntax, argument)
        figure = Figure.SUM if syntax.aggregate == "sum" else Figure.MEAN
        return AggregateUse(figure, argument, condition, syntax.at)

    def _and(self, first: Bound, second: Bound) -> Bound:
        return self._expressions.call(Function.AND, (first, second), second.at)

    def _distinct(self, syntax: Aggregated, argument: Bound, condition: Bound | None) -> AggregateUse:
        if argument.domain is not None and argument.domain.person and syntax.aggregate == "count":
            return AggregateUse(Figure.PERSONS, None, condition, syntax.at)
        if syntax.aggregate != "count":
            construct = f"{syntax.aggregate.upper()}(DISTINCT ...)"
            raise Refused("SQL_NOT_SUPPORTED", at=syntax.at, construct=construct, instead="Leave DISTINCT out.")
        instead = f"Count persons with COUNT(DISTINCT {self._rows.dataset.person.column}), or group by the column."
        construct = "COUNT(DISTINCT ...) of anything but the person column"
        raise Refused("SQL_NOT_SUPPORTED", at=syntax.at, construct=construct, instead=instead)

    def _number(self, syntax: Aggregated, argument: Bound) -> Bound:
        """What SUM and AVG take: numbers; true counts as 1."""
        argument = typed(argument, Type.INTEGER)
        domain = argument.domain
        if domain is not None and domain.person:
            raise Refused("SQL_PERSON_COLUMN", at=syntax.at)
        if domain is not None and domain.type is Type.BOOLEAN:
            return self._expressions.call(Function.CAST_INTEGER, (argument,), syntax.at)
        if domain is None or domain.type not in (Type.INTEGER, Type.DECIMAL):
            function = syntax.aggregate.upper()
            raise Refused("SQL_TYPE_MISMATCH", at=syntax.at, function=function, expected="a number")
        return argument


def _count(argument: Bound, condition: Bound | None, at: Position) -> AggregateUse:
    """COUNT(x) counts rows where x can never be NULL: the person, literals, COALESCE with a literal."""
    if argument.domain is not None and not argument.domain.nullable:
        return AggregateUse(Figure.ROWS, None, condition, at)
    return AggregateUse(Figure.PRESENT, typed(argument, Type.INTEGER), condition, at)


def _same(first: AggregateUse, second: AggregateUse) -> bool:
    return (first.figure, _inner(first.argument), _inner(first.filter)) == (
        second.figure,
        _inner(second.argument),
        _inner(second.filter),
    )


def _inner(bound: Bound | None) -> Expression | None:
    return None if bound is None else bound.expression


def _domain(use: AggregateUse) -> Domain:
    """What is known of a released figure: its type; a mean may be missing."""
    if use.figure is Figure.MEAN:
        return Domain(Type.DECIMAL, nullable=True)
    whole = use.argument is None or use.figure is Figure.PRESENT
    kind = use.argument.domain.type if use.argument and use.argument.domain and not whole else Type.INTEGER
    return Domain(kind, nullable=False, step=Fraction(1) if kind is Type.INTEGER else None)
