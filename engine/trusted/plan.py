"""The plan: the closed, typed form of a query.

A plan is an ``Aggregate`` over relations. Expressions name columns, literals and functions of the closed list below,
and nothing else. Types, domains, bounds, stability and price are never stored here: they are computed (domains.py,
stability.py, calibrate.py) by everybody who needs them.

Scoping. The output columns of a relation are: Scan, the dataset's columns; Filter, its input's; Project, the
person column of its input, then its own; PersonAggregate, the person column and one column a feature;
PersonJoin, the left columns then the right ones without its person column (names disjoint); UnionAll, its left
side's. The person column keeps the name it has in the (left-most) scanned dataset.

Generated from plan.proto by protos/build.py; do not edit.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from fractions import Fraction

from engine.trusted.literal import Literal as Literal
from engine.trusted.literal import LiteralValue as LiteralValue
from engine.trusted.literal import Type as Type

PLAN_VERSION = 1


class Statistic(enum.Enum):
    COUNT_ROWS = 1  # rows that pass the filter
    COUNT_PRESENT = 2  # rows that pass the filter and where the expression is not NULL
    COUNT_PERSONS = 3  # distinct persons among the rows that pass the filter
    SUM = 4  # clamped and floored to the step, then summed; NULL adds nothing
    CENTRED_SUM = 5  # as SUM, of the value less the centre of its clamp (AVG and moments)
    QUANTILE_TREE = 6  # b-ary tree of counts over the clamp


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
    """Every function is total: it cannot fail on any row."""

    ADD = 1
    SUBTRACT = 2
    MULTIPLY = 3
    DIVIDE = 4  # NULL where the divisor is 0
    INTEGER_DIVIDE = 5  # rounds towards zero; NULL where the divisor is 0
    MODULO = 6  # sign of the dividend; NULL where the divisor is 0
    NEGATE = 7
    ABS = 8
    FLOOR = 9
    CEIL = 10
    ROUND = 11  # half away from zero; optional second argument: literal digits
    LEAST = 12  # NULL if any argument is NULL
    GREATEST = 13
    EQUAL = 20
    NOT_EQUAL = 21
    LESS = 22
    LESS_EQUAL = 23
    GREATER = 24
    GREATER_EQUAL = 25
    IN = 26  # first argument against literals
    IS_NULL = 27
    LIKE = 28  # literal pattern
    AND = 30
    OR = 31
    NOT = 32
    CASE = 40  # condition, value, condition, value, ..., else
    COALESCE = 41
    NULLIF = 42
    CAST_INTEGER = 50  # half away from zero; NULL where it does not fit
    CAST_DECIMAL = 51
    CAST_TEXT = 52
    CAST_DATE = 53
    CAST_BOOLEAN = 54
    TRUNC_DAY = 60
    TRUNC_WEEK = 61  # Monday
    TRUNC_MONTH = 62
    TRUNC_QUARTER = 63
    TRUNC_YEAR = 64
    YEAR = 65
    QUARTER = 66
    MONTH = 67
    DAY = 68
    ISO_DAY_OF_WEEK = 69  # Monday = 1
    DAYS_BETWEEN = 70  # second minus first
    MONTHS_BETWEEN = 71  # boundaries crossed, second minus first
    YEARS_BETWEEN = 72
    ADD_DAYS = 73
    UPPER = 80
    LOWER = 81
    TRIM = 82
    LENGTH = 83
    SUBSTRING = 84  # text, literal start >= 1, literal length
    CONCAT = 85
    ALPHANUMERIC = 86  # keeps letters and digits only


@dataclass(frozen=True, slots=True)
class Plan:
    version: int  # 1
    catalogue_digest: bytes  # SHA-256 of the Catalogue it was bound to
    aggregate: Aggregate


@dataclass(frozen=True, slots=True)
class Aggregate:
    """The root of every plan: keys x measures over a relation."""

    input: Relation
    keys: tuple[Key, ...]
    grouping_sets: tuple[GroupingSet, ...]  # at least one; the empty set is the grand total
    measures: tuple[Measure, ...]


@dataclass(frozen=True, slots=True)
class GroupingSet:
    keys: tuple[int, ...]  # positions in Aggregate.keys, ascending


@dataclass(frozen=True, slots=True)
class Key:
    """A group key with every value it may take, in the order cells are laid out."""

    expression: Expression
    values: tuple[Literal, ...]  # explicit list; empty only when selected_at_most is set
    selected_at_most: int = 0  # 0, or: values are chosen privately, at most so many


@dataclass(frozen=True, slots=True)
class Measure:
    statistic: Statistic
    expression: Expression | None = None  # absent for COUNT_ROWS and COUNT_PERSONS
    filter: Expression | None = None  # FILTER (WHERE ...)
    clamp: Clamp | None = None  # present for SUM, CENTRED_SUM, QUANTILE_TREE
    weight: int = 0  # its part of the squared sensitivity, 2 to 64, in lowest terms; 0: 1


@dataclass(frozen=True, slots=True)
class Clamp:
    lower: Fraction
    upper: Fraction

    def __post_init__(self) -> None:
        if self.lower > self.upper:
            raise ValueError("lower bound above upper bound")


@dataclass(frozen=True, slots=True)
class Scan:
    dataset: str


@dataclass(frozen=True, slots=True)
class Filter:
    input: Relation
    predicate: Expression


@dataclass(frozen=True, slots=True)
class Project:
    """Output: the person column of the input, then the named columns."""

    input: Relation
    columns: tuple[NamedExpression, ...]


@dataclass(frozen=True, slots=True)
class NamedExpression:
    name: str
    expression: Expression


@dataclass(frozen=True, slots=True)
class PersonAggregate:
    """GROUP BY the person: one row a person. Exact, inside the node."""

    input: Relation
    features: tuple[PersonFeature, ...]


@dataclass(frozen=True, slots=True)
class PersonFeature:
    name: str
    feature: Feature
    expression: Expression | None = None
    filter: Expression | None = None


@dataclass(frozen=True, slots=True)
class PersonJoin:
    """Equality on the person, both sides at the same node. Column names are disjoint."""

    join: JoinKind
    left: Relation
    right: Relation


@dataclass(frozen=True, slots=True)
class PrivateJoin:
    """The two sides live at two departments; answered by the private join protocol."""

    left: Relation
    right: Relation


@dataclass(frozen=True, slots=True)
class UnionAll:
    """All rows of both sides. Equal column names and types; the person column has the name of the left one."""

    left: Relation
    right: Relation


@dataclass(frozen=True, slots=True)
class ColumnRef:
    name: str


@dataclass(frozen=True, slots=True)
class Call:
    function: Function
    arguments: tuple[Expression, ...]


Relation = Scan | Filter | Project | PersonAggregate | PersonJoin | PrivateJoin | UnionAll
Expression = ColumnRef | Literal | Call
