"""The unit of each column of an answer, where it is sure: what the catalogue says, followed through the plan.

Sums, means, quantiles, standard deviations, least and greatest values of an expression have its unit. So do what is
added to another of the same unit or to a bare number, and what is rounded, negated or cut off at an end. A count has
none, and a ratio of equal units neither. Nothing is claimed of anything else: not of products, nor of what is scaled by
a number, for that is how people turn pounds into pence.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping

from engine.sql.statement import (
    Figure,
    KeyLeaf,
    Leaf,
    MeanLeaf,
    MomentLeaf,
    QuantileLeaf,
    Statement,
    SumLeaf,
    TotalLeaf,
    Widen,
    WindowLeaf,
)
from engine.trusted.catalogue import Catalogue
from engine.trusted.plan import (
    Aggregate,
    Call,
    ColumnRef,
    Expression,
    Feature,
    Filter,
    Function,
    JoinKind,
    Literal,
    PersonAggregate,
    PersonJoin,
    Project,
    Relation,
    Scan,
    Type,
    UnionAll,
)


class _No(enum.Enum):
    CLAIM = 0  # nothing is known
    OWN = 1  # a bare number or NULL, which takes the unit of what it stands beside


Found = str | _No
_F = Function
_NUMBERS = (Type.INTEGER, Type.DECIMAL)
_OF_FIRST = frozenset({_F.NEGATE, _F.ABS, _F.FLOOR, _F.CEIL, _F.ROUND, _F.NULLIF, _F.CAST_INTEGER, _F.CAST_DECIMAL})
_OF_ALL = frozenset({_F.ADD, _F.SUBTRACT, _F.LEAST, _F.GREATEST, _F.COALESCE})
_DEVIATIONS = frozenset({Figure.STDDEV_POP, Figure.STDDEV_SAMP})
_FEATURES = frozenset({Feature.SUM, Feature.AVERAGE, Feature.MINIMUM, Feature.MAXIMUM})
_WINDOWS = frozenset({"sum", "avg", "min", "max", "first_value", "last_value", "nth_value", "lag", "lead"})


def units_of(statement: Statement, catalogue: Catalogue) -> tuple[str, ...]:
    """One an output, in their order; empty where there is none or none is sure."""
    aggregate = statement.plan.aggregate
    scope = _scope(aggregate.input, catalogue)
    known = {name: _leaf(leaf, aggregate, scope) for name, leaf in statement.leaves}
    for step in statement.steps:
        if isinstance(step, Widen):
            known |= {name: _window(leaf, known) for name, leaf in step.windows}
    found = ((output.type, _unit(output.expression, known)) for output in statement.outputs)
    return tuple(unit if isinstance(unit, str) and kind in _NUMBERS else "" for kind, unit in found)


def heading(name: str, unit: str) -> str:
    """A column's name for people, with its unit if it has one: `mean_age (years)`."""
    return f"{name} ({unit})" if unit else name


def _scope(relation: Relation, catalogue: Catalogue) -> Mapping[str, Found]:
    """The unit of every column that a relation puts out; one without a unit in the catalogue is not known."""
    match relation:
        case Scan(dataset=name):
            dataset = catalogue.dataset(name)
            return {column.name: column.unit or _No.CLAIM for column in dataset.columns} if dataset else {}
        case Filter(input=source):
            return _scope(source, catalogue)
        case Project(input=source, columns=columns):
            scope = _scope(source, catalogue)
            return {column.name: _unit(column.expression, scope) for column in columns}
        case PersonAggregate(input=source, features=features):
            scope = _scope(source, catalogue)
            kept = (f for f in features if f.feature in _FEATURES and f.expression is not None)
            return {f.name: _unit(f.expression, scope) for f in kept if f.expression is not None}
        case PersonJoin(join=JoinKind.SEMI | JoinKind.ANTI, left=left):
            return _scope(left, catalogue)
        case UnionAll(left=left, right=right):
            other = _scope(right, catalogue)
            return {name: _shared((unit, other.get(name, _No.CLAIM))) for name, unit in _scope(left, catalogue).items()}
        case _:
            return {**_scope(relation.right, catalogue), **_scope(relation.left, catalogue)}


def _unit(expression: Expression, scope: Mapping[str, Found]) -> Found:
    match expression:
        case ColumnRef(name=name):
            return scope.get(name, _No.CLAIM)
        case Literal():
            return _No.OWN
        case Call(function=function, arguments=arguments):
            return _of_call(function, tuple(_unit(argument, scope) for argument in arguments))


def _of_call(function: Function, units: tuple[Found, ...]) -> Found:
    if function in _OF_FIRST:
        return units[0]
    if function in _OF_ALL:
        return _shared(units)
    if function is _F.CASE:
        return _shared((*units[1::2], units[-1]))
    return _No.CLAIM  # of equal units' ratio too: it has none


def _shared(units: tuple[Found, ...]) -> Found:
    """The one unit of all that have any; bare numbers take it."""
    named = {unit for unit in units if unit is not _No.OWN}
    return named.pop() if len(named) == 1 else _No.CLAIM if named else _No.OWN


def _leaf(leaf: Leaf, aggregate: Aggregate, scope: Mapping[str, Found]) -> Found:
    match leaf:
        case KeyLeaf(key=key):
            return _unit(aggregate.keys[key].expression, scope)
        case SumLeaf(measure=measure) | QuantileLeaf(measure=measure):
            return _measured(aggregate, measure, scope)
        case TotalLeaf(centred_sum=measure) | MeanLeaf(centred_sum=measure):
            return _measured(aggregate, measure, scope)
        case MomentLeaf(figure=figure, parts=parts) if figure in _DEVIATIONS:
            return _measured(aggregate, dict(parts)["y"], scope)
        case _:
            return _No.CLAIM


def _measured(aggregate: Aggregate, measure: int, scope: Mapping[str, Found]) -> Found:
    expression = aggregate.measures[measure].expression
    return _No.CLAIM if expression is None else _unit(expression, scope)


def _window(leaf: WindowLeaf, known: Mapping[str, Found]) -> Found:
    if leaf.function not in _WINDOWS or not leaf.arguments:
        return _No.CLAIM
    found = _unit(leaf.arguments[0], known)
    return _shared((found, _unit(leaf.arguments[2], known))) if len(leaf.arguments) > 2 else found
