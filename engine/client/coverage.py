"""Which parts of a plan the dummy rows did not reach: filters that keep none or all, branches of CASE never taken."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from engine.client.exact import Row, Table, rows_of
from engine.sql.evaluate import evaluate
from engine.trusted.catalogue import Catalogue
from engine.trusted.plan import Call, Expression, Filter, Function, PersonAggregate, Plan, Project
from engine.trusted.walk import expressions_above, expressions_of, parts_of, relations_of
from engine.trusted.wording import in_sql


def unreached(plan: Plan, catalogue: Catalogue, tables: Mapping[str, Table]) -> tuple[str, ...]:
    """Sentences; none if every filter keeps some rows and leaves others out, and every branch is taken by some row."""
    found: list[str] = []
    for _, relation in relations_of(plan.aggregate.input):
        if isinstance(relation, Filter | Project | PersonAggregate):
            rows = list(rows_of(relation.input, catalogue, tables))
            for expression in expressions_of(relation):
                found += _branches(expression, rows)
            if isinstance(relation, Filter):
                found += _kept(relation.predicate, rows)
    rows = list(rows_of(plan.aggregate.input, catalogue, tables))
    for expression in expressions_above(plan.aggregate):
        found += _branches(expression, rows)
    return tuple(dict.fromkeys(found))


def _kept(predicate: Expression, rows: Iterable[Row]) -> Iterator[str]:
    outcomes = {evaluate(predicate, row) is True for row in rows}
    if len(outcomes) == 1:
        which = "every dummy row" if outcomes.pop() else "no dummy row"
        yield f"WHERE {in_sql(predicate)} keeps {which}."


def _branches(expression: Expression, rows: Iterable[Row]) -> Iterator[str]:
    for _, part in parts_of(expression):
        if isinstance(part, Call) and part.function is Function.CASE:
            waiting = dict(enumerate((*part.arguments[0:-1:2], None)))
            for row in rows:
                if not waiting:
                    break
                waiting.pop(_taken(part, row), None)
            for condition in waiting.values():
                name = "ELSE" if condition is None else f"WHEN {in_sql(condition)}"
                yield f"No dummy row takes the branch {name}."


def _taken(case: Call, row: Row) -> int:
    """The position of the branch that a row takes; ELSE is the last."""
    conditions = case.arguments[0:-1:2]
    return next((i for i, c in enumerate(conditions) if evaluate(c, row) is True), len(conditions))
