"""The plan: the closed, typed form of a query, as frozen types.

A plan is an ``Aggregate`` over relations built from Scan, Filter, Project, PersonAggregate, PersonJoin and
PrivateJoin. Expressions name columns, literals and functions of the closed list below, and nothing else.
Types, domains, bounds, stability and price are never stored here: they are computed (domains.py,
stability.py, calibrate.py) by everybody who needs them.

Scoping. The output columns of a relation are: Scan, the dataset's columns; Filter, its input's; Project, the
person column of its input, then its own; PersonAggregate, the person column and one column a feature;
PersonJoin, the left columns then the right ones without its person column (names disjoint). The person column
keeps the name it has in the (left-most) scanned dataset.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import date
from fractions import Fraction

PLAN_VERSION = 1


class Type(enum.Enum):
    BOOLEAN = 1
    INTEGER = 2
    DECIMAL = 3
    DATE = 4
    TEXT = 5


class Statistic(enum.Enum):
    """What one measure sums up; see plan.proto for each."""

    COUNT_ROWS = 1
    COUNT_PRESENT = 2
    COUNT_PERSONS = 3
    SUM = 4
    CENTRED_SUM = 5
    QUANTILE_TREE = 6


class Feature(enum.Enum):
    COUNT_ROWS = 1
    COUNT_PRESENT = 2
    SUM = 3
    AVERAGE = 4
    MINIMUM = 5
    MAXIMUM = 6
    ANY_TRUE = 7


class JoinKind(enum.Enum):
    INNER = 1
    LEFT = 2
    SEMI = 3
    ANTI = 4


class Function(enum.Enum):
    """The closed list of functions. Each is total: it returns a value or NULL on every row."""

    ADD = 1
    SUBTRACT = 2
    MULTIPLY = 3
    DIVIDE = 4
    FLOOR_DIVIDE = 5
    MODULO = 6
    NEGATE = 7
    ABS = 8
    FLOOR = 9
    CEIL = 10
    ROUND = 11
    LEAST = 12
    GREATEST = 13
    EQUAL = 20
    NOT_EQUAL = 21
    LESS = 22
    LESS_EQUAL = 23
    GREATER = 24
    GREATER_EQUAL = 25
    IN = 26
    IS_NULL = 27
    LIKE = 28
    AND = 30
    OR = 31
    NOT = 32
    CASE = 40
    COALESCE = 41
    NULLIF = 42
    CAST_INTEGER = 50
    CAST_DECIMAL = 51
    CAST_TEXT = 52
    CAST_DATE = 53
    CAST_BOOLEAN = 54
    TRUNC_DAY = 60
    TRUNC_WEEK = 61
    TRUNC_MONTH = 62
    TRUNC_QUARTER = 63
    TRUNC_YEAR = 64
    YEAR = 65
    QUARTER = 66
    MONTH = 67
    DAY = 68
    ISO_DAY_OF_WEEK = 69
    DAYS_BETWEEN = 70
    MONTHS_BETWEEN = 71
    YEARS_BETWEEN = 72
    ADD_DAYS = 73
    UPPER = 80
    LOWER = 81
    TRIM = 82
    LENGTH = 83
    SUBSTRING = 84
    CONCAT = 85
    ALPHANUMERIC = 86


@dataclass(frozen=True, slots=True)
class ColumnRef:
    name: str


type_of_value: dict[Type, type] = {
    Type.BOOLEAN: bool,
    Type.INTEGER: int,
    Type.DECIMAL: Fraction,
    Type.DATE: date,
    Type.TEXT: str,
}

LiteralValue = bool | int | Fraction | date | str | None


@dataclass(frozen=True, slots=True)
class Literal:
    """A typed constant; ``value`` None is the NULL of that type."""

    type: Type
    value: LiteralValue

    def __post_init__(self) -> None:
        if self.value is not None and type(self.value) is not type_of_value[self.type]:
            raise ValueError(f"a {self.type.name} literal holds a {type(self.value).__name__}")


@dataclass(frozen=True, slots=True)
class Call:
    function: Function
    arguments: tuple[Expression, ...]


Expression = ColumnRef | Literal | Call


@dataclass(frozen=True, slots=True)
class NamedExpression:
    name: str
    expression: Expression


@dataclass(frozen=True, slots=True)
class Scan:
    dataset: str


@dataclass(frozen=True, slots=True)
class Filter:
    """Keeps the rows where ``predicate`` is TRUE."""

    input: Relation
    predicate: Expression


@dataclass(frozen=True, slots=True)
class Project:
    input: Relation
    columns: tuple[NamedExpression, ...]


@dataclass(frozen=True, slots=True)
class PersonFeature:
    name: str
    feature: Feature
    expression: Expression | None = None
    filter: Expression | None = None


@dataclass(frozen=True, slots=True)
class PersonAggregate:
    input: Relation
    features: tuple[PersonFeature, ...]


@dataclass(frozen=True, slots=True)
class PersonJoin:
    join: JoinKind
    left: Relation
    right: Relation


@dataclass(frozen=True, slots=True)
class PrivateJoin:
    left: Relation
    right: Relation


Relation = Scan | Filter | Project | PersonAggregate | PersonJoin | PrivateJoin


@dataclass(frozen=True, slots=True)
class Clamp:
    """Inclusive bounds in the value's own unit (dates: days since 1970-01-01)."""

    lower: Fraction
    upper: Fraction

    def __post_init__(self) -> None:
        if self.lower > self.upper:
            raise ValueError("a clamp's lower bound is above its upper bound")


@dataclass(frozen=True, slots=True)
class Measure:
    statistic: Statistic
    expression: Expression | None = None
    filter: Expression | None = None
    clamp: Clamp | None = None


@dataclass(frozen=True, slots=True)
class Key:
    """A group key and all its values, in cell order. ``selected_at_most`` > 0: chosen privately instead."""

    expression: Expression
    values: tuple[Literal, ...]
    selected_at_most: int = 0


@dataclass(frozen=True, slots=True)
class GroupingSet:
    keys: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Aggregate:
    input: Relation
    keys: tuple[Key, ...]
    grouping_sets: tuple[GroupingSet, ...]
    measures: tuple[Measure, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    version: int
    catalogue_digest: bytes
    aggregate: Aggregate
