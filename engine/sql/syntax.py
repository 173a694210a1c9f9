"""What a statement says, as frozen types: the parser's tree after everything outside the language was refused.

Later passes read these types only; no type of the parser's library goes past parse.py.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

from engine.errors import Position
from engine.trusted.plan import JoinKind, Type


@dataclass(frozen=True, slots=True)
class Name:
    """A column, as ``column`` or ``table.column``."""

    parts: tuple[str, ...]
    at: Position


@dataclass(frozen=True, slots=True)
class Constant:
    """A literal as written; ``spelled`` is its text for naming columns."""

    value: bool | int | Fraction | str | None
    spelled: str
    at: Position


@dataclass(frozen=True, slots=True)
class Apply:
    """An operator or function of the language, by its one name here, e.g. ``+``, ``is null``, ``date_trunc``.

    ``case`` has condition, value, condition, value, ..., and an optional last operand for ELSE.
    ``spelled`` is the function's name as written.
    """

    operator: str
    operands: tuple[SyntaxExpression, ...]
    at: Position
    spelled: str = ""


@dataclass(frozen=True, slots=True)
class Cast:
    """CAST to a type of the language; ``digits`` of DECIMAL(p, digits); NULL unless ``between``, strictly."""

    operand: SyntaxExpression
    type: Type
    digits: int | None
    spelled: str
    lenient: bool
    at: Position
    between: tuple[Fraction, Fraction] | None = None


@dataclass(frozen=True, slots=True)
class Aggregated:
    """An aggregate by its one name here (aggregates.py); ``argument`` None stands for ``*``.

    ``second`` is the other column of CORR and the like; ``within``: ``asc`` or ``desc`` of WITHIN GROUP.
    """

    aggregate: str
    argument: SyntaxExpression | None
    distinct: bool
    where: SyntaxExpression | None
    at: Position
    spelled: str
    second: SyntaxExpression | None = None
    fraction: Constant | None = None
    within: str = ""


@dataclass(frozen=True, slots=True)
class Existence:
    """``EXISTS (query)``, or ``operand IN (query)``."""

    query: Query
    operand: SyntaxExpression | None
    at: Position


@dataclass(frozen=True, slots=True)
class Frame:
    """Which rows around each a window looks at: ``first`` to ``last`` places from it, None for no end.

    ``peers``: of RANGE, where 0 stands for the first or last row that the order puts level with it.
    """

    first: int | None
    last: int | None
    peers: bool


@dataclass(frozen=True, slots=True)
class Windowed:
    """A window function by its one name here (windows.py); ``frame`` None: none is written."""

    function: str
    operands: tuple[SyntaxExpression, ...]
    partition: tuple[SyntaxExpression, ...]
    order: tuple[Sort, ...]
    frame: Frame | None
    at: Position


SyntaxExpression = Name | Constant | Apply | Cast | Aggregated | Existence | Windowed


@dataclass(frozen=True, slots=True)
class Star:
    """``*`` or ``table.*`` in a SELECT list."""

    table: str | None
    at: Position


@dataclass(frozen=True, slots=True)
class Item:
    expression: SyntaxExpression
    alias: str | None
    at: Position


@dataclass(frozen=True, slots=True)
class Grouping:
    """``keys`` of GROUP BY in order; ``every``: GROUP BY ALL; ``sets``: positions in ``keys``, one tuple a set."""

    keys: tuple[SyntaxExpression, ...]
    every: bool
    sets: tuple[tuple[int, ...], ...]


@dataclass(frozen=True, slots=True)
class Sort:
    """One key of ORDER BY; ``expression`` None stands for ALL; ``spelled``: what is written behind it."""

    expression: SyntaxExpression | None
    descending: bool
    nulls_first: bool
    spelled: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    name: str
    alias: str | None
    at: Position


@dataclass(frozen=True, slots=True)
class Derived:
    """A query in parentheses after FROM."""

    query: Query | Both
    alias: str | None
    at: Position


@dataclass(frozen=True, slots=True)
class Join:
    """A further table of FROM; ``using``: names of USING, empty if ``on`` says it all."""

    kind: JoinKind
    source: Table | Derived
    on: SyntaxExpression | None
    using: tuple[str, ...]
    at: Position


@dataclass(frozen=True, slots=True)
class Common:
    """``name AS (query)`` after WITH."""

    name: str
    query: Query | Both
    at: Position


@dataclass(frozen=True, slots=True)
class Query:
    common: tuple[Common, ...]
    items: tuple[Item | Star, ...]
    source: Table | Derived
    where: SyntaxExpression | None
    grouping: Grouping | None
    having: SyntaxExpression | None
    order: tuple[Sort, ...]
    limit: int | None
    offset: int
    at: Position
    joins: tuple[Join, ...] = ()
    distinct: bool = False
    qualify: SyntaxExpression | None = None


@dataclass(frozen=True, slots=True)
class Both:
    """``left UNION ALL right``."""

    left: Query | Both
    right: Query | Both
    at: Position


def operands_of(expression: SyntaxExpression) -> tuple[SyntaxExpression, ...]:
    """The expressions directly inside one."""
    if isinstance(expression, Apply):
        return expression.operands
    if isinstance(expression, Cast):
        return (expression.operand,)
    if isinstance(expression, Aggregated):
        return tuple(e for e in (expression.argument, expression.second, expression.where) if e is not None)
    if isinstance(expression, Windowed):
        ordered = tuple(s.expression for s in expression.order if s.expression is not None)
        return (*expression.operands, *expression.partition, *ordered)
    return ()


def holds_aggregate(expression: SyntaxExpression) -> bool:
    """Whether it asks for a figure of a group: an aggregate, a window function, or GROUPING."""
    return isinstance(expression, Windowed) or _any(expression, holds_aggregate) or _is_figure(expression)


def holds_figure(expression: SyntaxExpression) -> bool:
    """Whether an aggregate or GROUPING stands in it."""
    return _is_figure(expression) or _any(expression, holds_figure)


def _is_figure(expression: SyntaxExpression) -> bool:
    return isinstance(expression, Aggregated) or (isinstance(expression, Apply) and expression.operator == "grouping")


def holds_window(expression: SyntaxExpression) -> bool:
    """Whether a window function stands in it."""
    return isinstance(expression, Windowed) or _any(expression, holds_window)


def _any(expression: SyntaxExpression, holds: Callable[[SyntaxExpression], bool]) -> bool:
    return any(holds(e) for e in operands_of(expression))
