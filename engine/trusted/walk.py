"""Going through a plan: its relations, its expressions, the columns they name.

Claim: every relation and every expression of an aggregate is visited once; nothing recurses, so depth cannot hurt.
Because: explicit stacks over the fields of the frozen types, of which there are no others.
Checked by: tests/trusted_numerics/test_verify.py::test_plans_beyond_the_limits_are_refused
"""

from __future__ import annotations

from collections.abc import Iterator

from engine.trusted import plan
from engine.trusted.plan import Call, ColumnRef, Expression


def relations_of(relation: plan.Relation) -> Iterator[tuple[int, plan.Relation]]:
    """Each relation with its depth (1 for the outermost), inputs after what reads them."""
    stack = [(1, relation)]
    while stack:
        depth, current = stack.pop()
        yield depth, current
        match current:
            case plan.Scan():
                pass
            case plan.Filter() | plan.Project() | plan.PersonAggregate():
                stack.append((depth + 1, current.input))
            case _:
                stack += [(depth + 1, current.left), (depth + 1, current.right)]


def expressions_of(relation: plan.Relation) -> tuple[Expression, ...]:
    """The expressions that stand in one relation itself."""
    match relation:
        case plan.Filter(predicate=predicate):
            return (predicate,)
        case plan.Project(columns=columns):
            return tuple(column.expression for column in columns)
        case plan.PersonAggregate(features=features):
            return tuple(e for f in features for e in (f.expression, f.filter) if e is not None)
        case _:
            return ()


def expressions_above(aggregate: plan.Aggregate) -> tuple[Expression, ...]:
    """Key, measure and filter expressions of the aggregate itself."""
    keys = tuple(key.expression for key in aggregate.keys)
    return keys + tuple(e for m in aggregate.measures for e in (m.expression, m.filter) if e is not None)


def parts_of(expression: Expression) -> Iterator[tuple[int, Expression]]:
    """The expression and all its parts, each with its depth (1 for the whole)."""
    stack = [(1, expression)]
    while stack:
        depth, current = stack.pop()
        yield depth, current
        if isinstance(current, Call):
            stack += [(depth + 1, argument) for argument in current.arguments]


def names_in(expression: Expression) -> frozenset[str]:
    """The columns an expression names."""
    return frozenset(part.name for _, part in parts_of(expression) if isinstance(part, ColumnRef))
