"""Expressions over released figures: SELECT list, HAVING and ORDER BY, as expressions over keys and aggregates."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction

from engine.errors import Position, Refused
from engine.sql.bound import Bound, leaf, typed
from engine.sql.expressions import Expressions
from engine.sql.refusals import refuse_node
from engine.sql.rows import Rows
from engine.sql.sides import factored, factors_in, reads_both
from engine.sql.statement import Figure
from engine.sql.syntax import (
    Aggregated,
    Apply,
    Constant,
    Name,
    SyntaxExpression,
    Windowed,
    holds_aggregate,
    operands_of,
)
from engine.sql.windows import Windows, refuse_window
from engine.trusted.domains import Domain, scope_of
from engine.trusted.plan import ColumnRef, Expression, Function, Literal, Type
from engine.trusted.stability import stability_of

COUNTS = frozenset({Figure.ROWS, Figure.PRESENT, Figure.PERSONS})
_FIGURES = {
    "sum": Figure.SUM,
    "avg": Figure.MEAN,
    "var_pop": Figure.VAR_POP,
    "var_samp": Figure.VAR_SAMP,
    "stddev_pop": Figure.STDDEV_POP,
    "stddev_samp": Figure.STDDEV_SAMP,
    "covar_pop": Figure.COVAR_POP,
    "covar_samp": Figure.COVAR_SAMP,
    "corr": Figure.CORR,
    "regr_slope": Figure.REGR_SLOPE,
    "regr_intercept": Figure.REGR_INTERCEPT,
    "regr_r2": Figure.REGR_R2,
    "median": Figure.QUANTILE_CONT,
    "quantile_cont": Figure.QUANTILE_CONT,
    "quantile_disc": Figure.QUANTILE_DISC,
    "min": Figure.LOWEST,
    "max": Figure.HIGHEST,
}
EXTREME = Fraction(1, 100)  # MIN and MAX are the quantiles this far from the ends
_FRACTIONS = {"median": Fraction(1, 2), "min": EXTREME, "max": 1 - EXTREME}
QUANTILES = frozenset({Figure.QUANTILE_CONT, Figure.QUANTILE_DISC, Figure.LOWEST, Figure.HIGHEST})


@dataclass(frozen=True, slots=True)
class AggregateUse:
    """``second``: the other column of a covariance; ``fraction``: which quantile."""

    figure: Figure
    argument: Bound | None
    filter: Bound | None
    at: Position
    second: Bound | None = None
    fraction: Fraction | None = None


def key_leaf(index: int) -> str:
    return f"key {index}"


def aggregate_leaf(index: int) -> str:
    return f"aggregate {index}"


def grouping_leaf(keys: tuple[int, ...]) -> str:
    return f"grouping {' '.join(map(str, keys))}"


class Outputs:
    """Binds expressions over figures and collects the aggregates they need, each once.

    ``rolled``: keys that some grouping set leaves out, so that they may be NULL in a row.
    """

    def __init__(self, rows: Rows, keys: tuple[Bound, ...], rolled: frozenset[int] = frozenset()) -> None:
        self._rows = rows
        self._keys = keys
        self._rolled = rolled
        self._groupings: list[tuple[int, ...]] = []
        self._found: list[AggregateUse] = []
        self._names: dict[str, Bound] = {}
        self.windows = Windows()
        self._expressions = Expressions(self._resolve, unbounded=True)

    @property
    def aggregates(self) -> tuple[AggregateUse, ...]:
        return tuple(self._found)

    @property
    def groupings(self) -> tuple[tuple[int, ...], ...]:
        """The keys of each GROUPING asked for."""
        return tuple(self._groupings)

    def name(self, alias: str, bound: Bound) -> None:
        """Makes an output known by its alias to what follows."""
        self._names[alias.lower()] = bound

    def bind(self, syntax: SyntaxExpression) -> Bound:
        return self._expressions.bind(syntax)

    def condition(self, syntax: SyntaxExpression, what: str) -> Bound:
        return self._expressions.condition(syntax, what)

    def behind(self, syntax: SyntaxExpression) -> str | None:
        """The declared spelling of a bare column."""
        return self._rows.column_behind(syntax)

    def check_alias(self, alias: str, stands_for: str | None, at: Position) -> None:
        self._rows.check_alias(alias, stands_for, at)

    def _resolve(self, syntax: SyntaxExpression) -> Bound | None:
        """Leaves: an aggregate, an expression that is a key, a name of an output."""
        if isinstance(syntax, Aggregated):
            return self._aggregate(syntax)
        if isinstance(syntax, Windowed):
            return self._windowed(syntax)
        if isinstance(syntax, Apply) and syntax.operator == "grouping":
            return self._grouping(syntax)
        if isinstance(syntax, Constant) or holds_aggregate(syntax):
            return None
        if isinstance(syntax, Name) and self._rows.column(syntax) is None:
            named = self._names.get(syntax.parts[0].lower()) if len(syntax.parts) == 1 else None
            if named is not None:
                return named
        if self._on_rows(syntax):
            index = self._key(syntax)
            if index is not None and (domain := self._keys[index].domain) is not None:
                domain = replace(domain, nullable=True) if index in self._rolled else domain
                return leaf(ColumnRef(key_leaf(index)), domain, syntax.at)
        return self._ungrouped(syntax) if isinstance(syntax, Name) else None

    def _windowed(self, syntax: Windowed) -> Bound:
        """Its operands are keys and figures; over the rows of people it is refused."""
        try:
            return self.windows.bind(syntax, self.bind)
        except Refused as error:
            if error.code != "SQL_UNGROUPED_COLUMN":
                raise
            raise refuse_window(error.at or syntax.at, "over single rows") from None

    def _key(self, syntax: SyntaxExpression) -> int | None:
        """Which key an expression over single rows is."""
        bound = self._rows.bind(syntax, "here")
        return next((i for i, key in enumerate(self._keys) if key.expression == bound.expression), None)

    def _grouping(self, syntax: Apply) -> Bound:
        found = [self._key(operand) for operand in syntax.operands]
        keys = tuple(key for key in found if key is not None)
        if len(keys) != len(found) or not keys:
            raise Refused("SQL_UNGROUPED_COLUMN", at=syntax.at, name="GROUPING")
        if keys not in self._groupings:
            self._groupings.append(keys)
        return leaf(ColumnRef(grouping_leaf(keys)), Domain(Type.INTEGER, nullable=False, step=Fraction(1)), syntax.at)

    def _on_rows(self, syntax: SyntaxExpression, expanding: tuple[str, ...] = ()) -> bool:
        """Whether the expression is one over single rows (else it holds the name of a figure)."""
        if not isinstance(syntax, Name):
            return all(self._on_rows(operand, expanding) for operand in operands_of(syntax))
        if self._rows.column(syntax) is not None:
            return True
        name = syntax.parts[-1].lower()
        if name in expanding:
            raise Refused("SQL_CIRCULAR_NAME", at=syntax.at, name=syntax.parts[-1])
        alias = self._rows.aliases.get(name)
        return alias is not None and not holds_aggregate(alias) and self._on_rows(alias, (*expanding, name))

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
        argument = self._value(syntax.argument)
        if syntax.distinct:
            return self._distinct(syntax, argument, condition)
        if syntax.aggregate == "count":
            return _count(argument, condition, syntax.at)
        if syntax.aggregate == "count_if":
            wanted = self._rows.condition(syntax.argument, "inside another", "COUNT_IF")
            both = wanted if condition is None else self._and(condition, wanted)
            return AggregateUse(Figure.ROWS, None, both, syntax.at)
        if syntax.second is not None:
            second = self._number(syntax, self._value(syntax.second))
            return self._pair(syntax, self._number(syntax, argument), second, condition)
        if syntax.aggregate not in _FIGURES:
            raise refuse_node("LogicalOr", syntax.at, "", ())
        figure = _FIGURES[syntax.aggregate]
        argument = self._number(syntax, argument, dates=figure in QUANTILES)
        return AggregateUse(figure, argument, condition, syntax.at, fraction=_fraction(syntax))

    def _value(self, syntax: SyntaxExpression) -> Bound:
        """What an aggregate is over; where it reads both sides of a private join, as a product of one of each."""
        bound = self._rows.bind(syntax, "inside another")
        return (
            factored(bound, scope_of(self._rows.relation, self._rows.catalogue)) if reads_both(bound.domain) else bound
        )

    def _pair(self, syntax: Aggregated, first: Bound, second: Bound, condition: Bound | None) -> AggregateUse:
        """Figures over rows where both columns have a value."""
        figure = _FIGURES.get(syntax.aggregate)
        if figure is not None:
            return AggregateUse(figure, first, condition, syntax.at, second)
        scope = scope_of(self._rows.relation, self._rows.catalogue)
        for column in (*factors_in(first, scope), *factors_in(second, scope)):
            present = self._expressions.call(Function.IS_NULL, (column,), syntax.at)
            present = self._expressions.call(Function.NOT, (present,), syntax.at)
            condition = present if condition is None else self._and(condition, present)
        if syntax.aggregate == "regr_count":
            return AggregateUse(Figure.ROWS, None, condition, syntax.at)
        averaged, other = (second, first) if syntax.aggregate == "regr_avgx" else (first, second)
        return AggregateUse(Figure.MEAN, averaged, condition, syntax.at, other)

    def _and(self, first: Bound, second: Bound) -> Bound:
        return self._expressions.call(Function.AND, (first, second), second.at)

    def _distinct(self, syntax: Aggregated, argument: Bound, condition: Bound | None) -> AggregateUse:
        if argument.domain is not None and argument.domain.person and syntax.aggregate == "count":
            if argument.domain.nullable:  # of a LEFT JOIN: only where there is one
                there = Apply("not", (Apply("is null", operands_of(syntax)[:1], syntax.at),), syntax.at)
                found = self._rows.condition(there, "inside another", "COUNT")
                condition = found if condition is None else self._and(condition, found)
            if stability_of(self._rows.relation, self._rows.catalogue).overlap > 1:
                raise Refused("SQL_OVERLAP_PERSONS", at=syntax.at)
            return AggregateUse(Figure.PERSONS, None, condition, syntax.at)
        if syntax.aggregate != "count":
            construct = f"{syntax.aggregate.upper()}(DISTINCT ...)"
            raise Refused("SQL_NOT_SUPPORTED", at=syntax.at, construct=construct, instead="Leave DISTINCT out.")
        instead = f"Count persons with COUNT(DISTINCT {self._rows.person}), or group by the column."
        construct = "COUNT(DISTINCT ...) of anything but the person column"
        raise Refused("SQL_NOT_SUPPORTED", at=syntax.at, construct=construct, instead=instead)

    def _number(self, syntax: Aggregated, argument: Bound, *, dates: bool = False) -> Bound:
        """What SUM and AVG take: numbers; true counts as 1. Quantiles take ``dates`` too."""
        argument = typed(argument, Type.INTEGER)
        domain = argument.domain
        if domain is not None and domain.person:
            raise Refused("SQL_PERSON_COLUMN", at=syntax.at)
        if domain is not None and domain.type is Type.BOOLEAN:
            return self._expressions.call(Function.CAST_INTEGER, (argument,), syntax.at)
        if dates and domain is not None and domain.type is Type.DATE:
            return argument
        if domain is None or domain.type not in (Type.INTEGER, Type.DECIMAL):
            function = syntax.aggregate.upper()
            raise Refused("SQL_TYPE_MISMATCH", at=syntax.at, function=function, expected="a number")
        return argument


def _count(argument: Bound, condition: Bound | None, at: Position) -> AggregateUse:
    """COUNT(x) counts rows where x can never be NULL: the person, literals, COALESCE with a literal."""
    if argument.domain is not None and not argument.domain.nullable:
        return AggregateUse(Figure.ROWS, None, condition, at)
    return AggregateUse(Figure.PRESENT, typed(argument, Type.INTEGER), condition, at)


def _fraction(syntax: Aggregated) -> Fraction | None:
    """Which quantile an aggregate is; WITHIN GROUP (ORDER BY x DESC) counts from the upper end."""
    if syntax.fraction is None:
        return _FRACTIONS.get(syntax.aggregate)
    value = Fraction(syntax.fraction.value or 0)
    return 1 - value if syntax.within == "desc" else value


def _same(first: AggregateUse, second: AggregateUse) -> bool:
    return _asked(first) == _asked(second)


def _asked(use: AggregateUse) -> tuple[object, ...]:
    return use.figure, _inner(use.argument), _inner(use.filter), _inner(use.second), use.fraction


def _inner(bound: Bound | None) -> Expression | None:
    return None if bound is None else bound.expression


def _domain(use: AggregateUse) -> Domain:
    """What is known of a released figure: its type; a mean, moment or quantile may be missing."""
    if use.figure in QUANTILES and use.argument is not None and use.argument.domain is not None:
        kind = use.argument.domain.type
        between = use.figure is Figure.QUANTILE_CONT and kind is Type.INTEGER
        return Domain(Type.DECIMAL if between else kind, nullable=True)
    if use.figure not in COUNTS and use.figure is not Figure.SUM:
        return Domain(Type.DECIMAL, nullable=True)
    whole = use.argument is None or use.figure is Figure.PRESENT
    kind = use.argument.domain.type if use.argument and use.argument.domain and not whole else Type.INTEGER
    return Domain(kind, nullable=False, step=Fraction(1) if kind is Type.INTEGER else None)
