from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from fractions import Fraction
from typing import Any

import pytest
from small_catalogue import RULES, call, catalogue_of, column, counted, plan_of, summed, value

from engine.errors import Refused
from engine.trusted.plan import (
    Aggregate,
    Clamp,
    Expression,
    Filter,
    GroupingSet,
    JoinKind,
    Key,
    Literal,
    Measure,
    NamedExpression,
    PersonJoin,
    Plan,
    PrivateJoin,
    Project,
    Relation,
    Scan,
    Statistic,
    Type,
    UnionAll,
)
from engine.trusted.records import Operation
from engine.trusted.verify import check_size, columns_read, operations_used, verify_plan
from engine.trusted.wire import decode, encode

CATALOGUE = catalogue_of()
GOOD = plan_of(
    CATALOGUE,
    counted(),
    counted(Statistic.COUNT_PERSONS),
    counted(Statistic.COUNT_PRESENT, expression=column("income"), filter=call("GREATER", column("age"), value(3))),
    summed(column("income"), 0, 2000),
    summed(column("income"), 10, Fraction("99.5"), centred=True),
    keys=("region", "flag", "age"),
    total=True,
)
SCAN = Scan("people")


def changed(**fields: Any) -> Plan:
    return replace(GOOD, aggregate=replace(GOOD.aggregate, **fields))


def measured(*measures: Measure) -> Plan:
    return changed(measures=measures)


def with_key(**fields: Any) -> Plan:
    first, *rest = GOOD.aggregate.keys
    return changed(keys=(replace(first, **fields), *rest))


def filtered(predicate: Expression, times: int = 1) -> Plan:
    relation: Relation = SCAN
    for _ in range(times):
        relation = Filter(relation, predicate)
    return changed(input=relation)


def test_a_good_plan_passes_also_after_the_wire() -> None:
    verify_plan(GOOD, CATALOGUE, RULES)
    verify_plan(decode(Plan, encode(GOOD)), CATALOGUE, RULES)


@pytest.mark.parametrize("name", ["free", "huge"])
def test_a_plan_may_select_the_values_of_one_key_that_has_no_list(name: str) -> None:
    verify_plan(with_key(expression=column(name), **CHOSEN), CATALOGUE, RULES)


def tree(measure: Measure) -> Measure:
    return replace(measure, statistic=Statistic.QUANTILE_TREE)


def test_quantiles_of_numbers_and_dates_pass() -> None:
    measures = (tree(summed(INCOME, 0, 2000)), tree(summed(column("paid"), 18300, 18400)))
    verify_plan(changed(keys=(), grouping_sets=(GroupingSet(()),), measures=measures), CATALOGUE, RULES)


REGIONS = GOOD.aggregate.keys[0].values
NULL_TEXT = Literal(Type.TEXT, None)
INCOME, FREE = column("income"), column("free")
CHOSEN: dict[str, Any] = {"values": (), "selected_at_most": 9}

FORGED: dict[str, tuple[Plan, str]] = {
    "other version": (replace(GOOD, version=2), "POLICY_PLAN_INVALID"),
    "other catalogue": (replace(GOOD, catalogue_digest=bytes(32)), "POLICY_CATALOGUE_DIFFERS"),
    "key value left out": (with_key(values=REGIONS[:-1]), "POLICY_PLAN_INVALID"),
    "key value added": (with_key(values=(*REGIONS, value("Z"))), "POLICY_PLAN_INVALID"),
    "key value twice": (with_key(values=(*REGIONS, REGIONS[0])), "POLICY_PLAN_INVALID"),
    "keys in another order": (with_key(values=REGIONS[::-1]), "POLICY_PLAN_INVALID"),
    "NULL key not declared": (with_key(values=(*REGIONS, NULL_TEXT)), "POLICY_PLAN_INVALID"),
    "no key values": (with_key(values=()), "POLICY_PLAN_INVALID"),
    "selected key with a list": (with_key(values=(), selected_at_most=9), "POLICY_PLAN_INVALID"),
    "selected key of decimals": (with_key(expression=INCOME, **CHOSEN), "POLICY_PLAN_INVALID"),
    "selected key on the person": (with_key(expression=column("person_id"), **CHOSEN), "POLICY_PLAN_INVALID"),
    "selected key and values": (
        with_key(expression=FREE, values=(value("a"),), selected_at_most=9),
        "POLICY_PLAN_INVALID",
    ),
    "selected key of too many": (with_key(expression=FREE, values=(), selected_at_most=10_001), "POLICY_PLAN_INVALID"),
    "two selected keys": (changed(keys=(Key(FREE, (), 9), Key(column("huge"), (), 9))), "POLICY_PLAN_INVALID"),
    "selected key of too many cells": (
        with_key(expression=FREE, values=(), selected_at_most=10_000),
        "SQL_TOO_COMPLEX",
    ),
    "key without domain": (with_key(expression=column("free")), "SQL_KEY_NO_DOMAIN"),
    "key on the person": (with_key(expression=column("person_id")), "SQL_PERSON_COLUMN"),
    "key on every day": (with_key(expression=column("born")), "SQL_KEY_TOO_MANY"),
    "no grouping set": (changed(grouping_sets=()), "POLICY_PLAN_INVALID"),
    "grouping set twice": (changed(grouping_sets=GOOD.aggregate.grouping_sets * 2), "POLICY_PLAN_INVALID"),
    "keys of a set out of order": (changed(grouping_sets=(GroupingSet((1, 0, 2)),)), "POLICY_PLAN_INVALID"),
    "key of a set twice": (changed(grouping_sets=(GroupingSet((0, 0, 1, 2)),)), "POLICY_PLAN_INVALID"),
    "key unused": (changed(grouping_sets=(GroupingSet((0, 2)),)), "POLICY_PLAN_INVALID"),
    "no measure": (measured(), "POLICY_PLAN_INVALID"),
    "measure twice": (measured(counted(), counted()), "POLICY_PLAN_INVALID"),
    "clamp above": (measured(summed(INCOME, 0, Fraction("2000.01"))), "POLICY_PLAN_INVALID"),
    "clamp below": (measured(summed(INCOME, -1, 2000)), "POLICY_PLAN_INVALID"),
    "weight": (measured(counted(), replace(summed(INCOME, 0, 2000), weight=65)), "POLICY_PLAN_INVALID"),
    "weight of one spelt out": (
        measured(counted(), replace(summed(INCOME, 0, 2000), weight=1)),
        "POLICY_PLAN_INVALID",
    ),
    "weight of the only measure": (measured(replace(counted(), weight=5)), "POLICY_PLAN_INVALID"),
    "weights with a common divisor": (
        measured(replace(counted(), weight=10), replace(summed(INCOME, 0, 2000), weight=14)),
        "POLICY_PLAN_INVALID",
    ),
    "measure twice under two weights": (measured(counted(), replace(counted(), weight=2)), "POLICY_PLAN_INVALID"),
    "no clamp": (measured(Measure(Statistic.SUM, INCOME)), "POLICY_PLAN_INVALID"),
    "clamp on a count": (
        measured(Measure(Statistic.COUNT_ROWS, None, None, Clamp(Fraction(0), Fraction(1)))),
        "POLICY_PLAN_INVALID",
    ),
    "expression on a count": (measured(counted(expression=INCOME)), "POLICY_PLAN_INVALID"),
    "count of nothing": (measured(counted(Statistic.COUNT_PRESENT)), "POLICY_PLAN_INVALID"),
    "sum of text": (measured(summed(column("region"), 0, 1)), "SQL_TYPE_MISMATCH"),
    "sum of dates": (measured(summed(column("paid"), 18300, 18400)), "SQL_TYPE_MISMATCH"),
    "sum without bounds": (measured(summed(column("huge"), 0, 1)), "SQL_UNBOUNDED_MEASURE"),
    "quantiles of text": (measured(tree(summed(column("region"), 0, 1))), "SQL_TYPE_MISMATCH"),
    "quantiles without clamp": (measured(Measure(Statistic.QUANTILE_TREE, INCOME)), "POLICY_PLAN_INVALID"),
    "quantiles beyond the bounds": (measured(tree(summed(INCOME, 0, 2001))), "POLICY_PLAN_INVALID"),
    "filter is a number": (measured(counted(filter=column("age"))), "SQL_TYPE_MISMATCH"),
    "one person": (filtered(call("EQUAL", column("person_id"), value("AB1"))), "SQL_PERSON_LITERAL"),
    "where is a number": (filtered(column("age")), "SQL_TYPE_MISMATCH"),
    "unknown column": (filtered(call("IS_NULL", column("nothing"))), "POLICY_PLAN_INVALID"),
    "unknown dataset": (changed(input=Scan("nothing")), "POLICY_PLAN_INVALID"),
    "hidden characters": (filtered(call("EQUAL", column("free"), value("N\u202e"))), "SQL_TEXT_UNPRINTABLE"),
    "name with a newline": (
        changed(input=Project(SCAN, (NamedExpression("a\nb", INCOME),))),
        "POLICY_PLAN_INVALID",
    ),
    **{
        f"names {' '.join(names)}": (
            changed(
                input=Project(Filter(SCAN, column("flag")), tuple(NamedExpression(n, column("age")) for n in names)),
                keys=(),
                grouping_sets=(GroupingSet(()),),
                measures=(counted(), summed(column(names[-1]), 0, 1)),
            ),
            "POLICY_PLAN_INVALID",
        )
        for names in (
            ("x", "X"),
            ("a$key", "a"),
            ("a", "a"),
            ("person_id",),
            ("PERSON_ID",),
            ("let$0",),
            ("\u0430",),
            ("",),
        )
    },
    "name without end": (changed(input=Project(SCAN, (NamedExpression("a" * 129, INCOME),))), "POLICY_PLAN_INVALID"),
    "names of both sides": (changed(input=PersonJoin(JoinKind.INNER, SCAN, SCAN)), "POLICY_PLAN_INVALID"),
    "columns of a union": (
        changed(input=UnionAll(SCAN, Project(SCAN, (NamedExpression("age", column("age")),)))),
        "POLICY_PLAN_INVALID",
    ),
    "types of a union": (
        changed(
            input=UnionAll(
                Project(SCAN, (NamedExpression("a", column("age")),)), Project(SCAN, (NamedExpression("a", INCOME),))
            )
        ),
        "POLICY_PLAN_INVALID",
    ),
    "private join of one dataset": (changed(input=PrivateJoin(SCAN, SCAN)), "SQL_JOIN_HOSTS"),
    "private join inside": (changed(input=Filter(PrivateJoin(SCAN, SCAN), column("flag"))), "POLICY_NOT_SUPPORTED"),
}


@pytest.mark.parametrize("name", FORGED)
def test_forged_plans_are_refused(name: str) -> None:
    plan, code = FORGED[name]
    with pytest.raises(Refused) as refused:
        verify_plan(plan, CATALOGUE, RULES)
    assert refused.value.code == code


def _nested(depth: int) -> Expression:
    expression: Expression = column("flag")
    for _ in range(depth - 1):
        expression = call("NOT", expression)
    return expression


def _joined(joins: int) -> Relation:
    relation: Relation = SCAN
    for _ in range(joins):
        relation = PersonJoin(JoinKind.SEMI, relation, SCAN)
    return relation


def _added(unions: int) -> Relation:
    relation: Relation = SCAN
    for _ in range(unions):
        relation = UnionAll(SCAN, relation)
    return relation


LIMITS: dict[str, tuple[Callable[[int], Plan], int]] = {
    "depth of expressions": (lambda n: filtered(_nested(n)), 39),
    "depth of queries": (lambda n: filtered(column("flag"), n - 1), 40),
    "depth of both": (lambda n: filtered(_nested(n - 20), 20), 40),
    "expressions": (lambda n: filtered(call("IN", column("age"), *[value(1)] * (n - 11))), 2000),
    "aggregates": (
        lambda n: measured(*[counted(filter=call("EQUAL", column("age"), value(i))) for i in range(n)]),
        32,
    ),
    "joins": (lambda n: changed(input=_joined(n)), 6),
    "unions": (lambda n: changed(input=_added(n)), 6),
}


@pytest.mark.parametrize("name", LIMITS)
def test_plans_beyond_the_limits_are_refused(name: str) -> None:
    build, most = LIMITS[name]
    verify_plan(build(most), CATALOGUE, RULES)
    for beyond in (most + 1, 50 * most):
        with pytest.raises(Refused, match="SQL_TOO_COMPLEX"):
            verify_plan(build(beyond), CATALOGUE, RULES)


def test_grouping_sets_are_limited() -> None:
    def sets(count: int) -> Aggregate:
        return replace(GOOD.aggregate, grouping_sets=tuple(GroupingSet((i,)) for i in range(count)))

    check_size(sets(64))
    with pytest.raises(Refused, match="SQL_TOO_COMPLEX"):
        check_size(sets(65))


@pytest.mark.parametrize("name", [name for name in LIMITS if name.startswith("depth")])
def test_the_deepest_plan_fits_the_wire(name: str) -> None:
    build, most = LIMITS[name]
    assert decode(Plan, encode(build(most))) == build(most)


def test_cells_and_keys_are_limited_by_the_rules() -> None:
    cells = 5 * (4 * 3 * 17 + 1)
    verify_plan(GOOD, CATALOGUE, replace(RULES, max_cells=cells, max_keys=16))
    with pytest.raises(Refused, match="SQL_TOO_COMPLEX"):
        verify_plan(GOOD, CATALOGUE, replace(RULES, max_cells=cells - 1))
    with pytest.raises(Refused, match="SQL_KEY_TOO_MANY"):
        verify_plan(GOOD, CATALOGUE, replace(RULES, max_keys=15))


def test_persons_are_counted_only_where_each_is_at_one_node() -> None:
    twice = catalogue_of(overlap=2)
    with pytest.raises(Refused, match="SQL_OVERLAP_PERSONS"):
        verify_plan(plan_of(twice, counted(Statistic.COUNT_PERSONS)), twice, RULES)
    verify_plan(plan_of(twice, counted()), twice, RULES)


def test_columns_follow_lineage() -> None:
    def read(relation: Relation, *measures: Measure, keys: tuple[str, ...] = ()) -> set[str]:
        listed = tuple(Key(column(k), ()) for k in keys)
        aggregate = Aggregate(relation, listed, (GroupingSet(tuple(range(len(keys)))),), measures)
        found = columns_read(Plan(1, b"", aggregate), CATALOGUE)
        assert set(found) == {"people"}
        return set(found["people"])

    assert read(SCAN, counted()) == set()
    assert read(SCAN, counted(Statistic.COUNT_PERSONS)) == {"person_id"}
    assert read(SCAN, summed(INCOME, 0, 1), keys=("region",)) == {"income", "region"}
    assert read(SCAN, counted(filter=call("IS_NULL", column("age")))) == {"age"}
    assert read(Filter(SCAN, column("flag")), counted()) == {"flag"}
    swapped = Project(
        Filter(SCAN, call("EQUAL", column("paid"), value(date(2020, 1, 1)))),
        (
            NamedExpression("age", call("ADD", column("visits"), column("visits"))),
            NamedExpression("unused", column("free")),
        ),
    )
    assert read(swapped, summed(column("age"), 0, 1)) == {"visits", "paid"}
    assert read(Filter(swapped, call("LIKE", column("unused"), value("a%"))), counted()) == {"free", "paid"}
    assert read(swapped, counted(Statistic.COUNT_PRESENT, expression=column("person_id"))) == {"person_id", "paid"}
    with pytest.raises(Refused, match="POLICY_PLAN_INVALID"):
        read(Scan("nothing"), counted())


def test_operations_are_named() -> None:
    assert operations_used(GOOD) == {Operation.AGGREGATE}
    assert operations_used(measured(tree(summed(INCOME, 0, 1)))) == {Operation.AGGREGATE, Operation.QUANTILE}
    assert operations_used(with_key(expression=FREE, **CHOSEN)) == {Operation.AGGREGATE, Operation.KEY_SELECTION}
    assert operations_used(FORGED["private join of one dataset"][0]) == {Operation.AGGREGATE, Operation.PRIVATE_JOIN}
