"""A prepared statement: the plan nodes run, and what the analyst's machine does with the noisy sums afterwards."""

from __future__ import annotations

from dataclasses import dataclass

from engine.trusted.catalogue import Catalogue
from engine.trusted.plan import Expression, Plan, Type
from engine.trusted.records import Rules


@dataclass(frozen=True, slots=True)
class Context:
    """What every pass may look at: public metadata only."""

    catalogue: Catalogue
    rules: Rules


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
class MeanLeaf:
    """Centre plus centred sum by count of the same rows; NULL if the noisy count is below 1."""

    centred_sum: int
    count: int


Leaf = KeyLeaf | CountLeaf | SumLeaf | MeanLeaf


@dataclass(frozen=True, slots=True)
class Output:
    """One column of the answer: an expression over ``Statement.leaves``."""

    name: str
    type: Type
    expression: Expression


@dataclass(frozen=True, slots=True)
class Ordering:
    expression: Expression
    descending: bool
    nulls_first: bool


@dataclass(frozen=True, slots=True)
class Statement:
    """``leaves`` name the released figures that outputs, having and order are expressions over."""

    sql: str
    plan: Plan
    leaves: tuple[tuple[str, Leaf], ...]
    outputs: tuple[Output, ...]
    having: Expression | None
    order: tuple[Ordering, ...]
    limit: int | None
    offset: int
    notes: tuple[str, ...]

    @property
    def columns(self) -> tuple[tuple[str, Type], ...]:
        """Names and types of the answer's columns."""
        return tuple((output.name, output.type) for output in self.outputs)
