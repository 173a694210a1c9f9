"""A prepared statement: the plan nodes run, and what the analyst's machine does with the noisy sums afterwards."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from engine.errors import Position, Refused
from engine.trusted.catalogue import Catalogue
from engine.trusted.plan import Expression, Literal, Plan, Type
from engine.trusted.records import Rules
from engine.trusted.selection import with_keys


@dataclass(frozen=True, slots=True)
class Context:
    """What every pass may look at: public metadata only."""

    catalogue: Catalogue
    rules: Rules


class Figure(enum.Enum):
    """What an aggregate of the statement asks for."""

    ROWS = 1
    PRESENT = 2
    PERSONS = 3
    SUM = 4
    MEAN = 5
    VAR_POP = 6
    VAR_SAMP = 7
    STDDEV_POP = 8
    STDDEV_SAMP = 9
    COVAR_POP = 10
    COVAR_SAMP = 11
    CORR = 12
    REGR_SLOPE = 13
    REGR_INTERCEPT = 14
    REGR_R2 = 15
    QUANTILE_CONT = 16
    QUANTILE_DISC = 17
    LOWEST = 18
    HIGHEST = 19


@dataclass(frozen=True, slots=True)
class Ordering:
    expression: Expression
    descending: bool
    nulls_first: bool


@dataclass(frozen=True, slots=True)
class KeyLeaf:
    """The value of a group key in the row's cell."""

    key: int


@dataclass(frozen=True, slots=True)
class CountLeaf:
    """A released count, rounded to a whole number."""

    measure: int


@dataclass(frozen=True, slots=True)
class SumLeaf:
    """A released sum, in the expression's own unit."""

    measure: int


@dataclass(frozen=True, slots=True)
class TotalLeaf:
    """A sum from its centred sum and the count of the same rows, which err less together than a sum of its own."""

    centred_sum: int
    count: int


@dataclass(frozen=True, slots=True)
class MeanLeaf:
    """Centre plus centred sum by count of the same rows; NULL if the noisy count is below 1."""

    centred_sum: int
    count: int


@dataclass(frozen=True, slots=True)
class MomentLeaf:
    """A figure of variances and covariances; ``parts``: its sums, by what is summed (``y``, ``xx``, ``xy``)."""

    figure: Figure
    count: int
    parts: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class QuantileLeaf:
    """A quantile from the tree of counts that is ``measure``; ``fraction`` from 0 to 1.

    ``discrete``: the value of one row, else between two.
    """

    measure: int
    fraction: Fraction
    discrete: bool


@dataclass(frozen=True, slots=True)
class GroupingLeaf:
    """GROUPING(keys): one bit a key, the first highest; 1 where the row's grouping set leaves the key out."""

    keys: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class WindowLeaf:
    """A window function over released rows, its operands expressions over leaves; frame as ``syntax.Frame``."""

    function: str
    arguments: tuple[Expression, ...]
    partition: tuple[Expression, ...]
    order: tuple[Ordering, ...]
    first: int | None = None
    last: int | None = 0
    peers: bool = True


Leaf = KeyLeaf | CountLeaf | SumLeaf | TotalLeaf | MeanLeaf | MomentLeaf | QuantileLeaf | GroupingLeaf
Leaves = tuple[tuple[str, Leaf], ...]


@dataclass(frozen=True, slots=True)
class Keep:
    """HAVING, QUALIFY, or WHERE on released rows."""

    condition: Expression


@dataclass(frozen=True, slots=True)
class Widen:
    """Window functions over the rows there are now, by the names that later expressions give them."""

    windows: tuple[tuple[str, WindowLeaf], ...]


@dataclass(frozen=True, slots=True)
class Cut:
    """ORDER BY, LIMIT and OFFSET."""

    order: tuple[Ordering, ...]
    limit: int | None
    offset: int


Step = Keep | Widen | Cut


@dataclass(frozen=True, slots=True)
class Output:
    """One column of the answer: an expression over ``Statement.leaves``."""

    name: str
    type: Type
    expression: Expression


@dataclass(frozen=True, slots=True)
class Idle:
    """Why a statement can tell nothing, whatever the data (idle.py): the refusal of it."""

    code: str
    at: Position | None
    facts: tuple[tuple[str, str], ...] = ()

    def refused(self) -> Refused:
        return Refused(self.code, at=self.at, **dict(self.facts))


@dataclass(frozen=True, slots=True)
class Statement:
    """``leaves`` name the released figures that outputs, order and steps are expressions over.

    ``steps`` are what is done with the released rows, in order, before ``order``, ``limit`` and ``offset``.
    """

    sql: str
    plan: Plan
    leaves: Leaves
    outputs: tuple[Output, ...]
    steps: tuple[Step, ...]
    order: tuple[Ordering, ...]
    limit: int | None
    offset: int
    notes: tuple[str, ...]
    fillers: frozenset[Literal] = frozenset()  # values of a selected key that stand for nothing
    idle: Idle | None = None

    def require_telling(self) -> None:
        """Refused SQL_COMPARED_NULL, SQL_NEVER_TRUE, SQL_ALWAYS_NULL, SQL_NO_ROW if the answer is known beforehand."""
        if self.idle is not None:
            raise self.idle.refused()

    def with_keys(self, values: Sequence[Literal], named: int) -> Statement:
        """The statement over the list of its selected key, of which the first ``named`` are keys."""
        return replace(self, plan=with_keys(self.plan, values), fillers=frozenset(values[named:]))

    @property
    def columns(self) -> tuple[tuple[str, Type], ...]:
        """Names and types of the answer's columns."""
        return tuple((output.name, output.type) for output in self.outputs)
