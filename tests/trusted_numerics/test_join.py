"""Private joins, planned: factors, layouts and losses against sums over pairs of rows."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_catalogue import RULES, call, column, counted, departments, summed, value

from engine.errors import Refused
from engine.trusted.account import add_loss, noise_part
from engine.trusted.calibrate import block_norms, calibrate, cells_of, grid_of, layout_of, row_square
from engine.trusted.catalogue import Catalogue
from engine.trusted.domains import Scope, clamp_of, domain_of, key_values, scope_of
from engine.trusted.join import (
    LEFT,
    MOST_WORDS,
    RIGHT,
    factors_of,
    pairs,
    side_at,
    side_columns,
    side_of,
    sides_of,
    sizes_of,
)
from engine.trusted.plan import (
    Aggregate,
    Clamp,
    ColumnRef,
    Expression,
    Filter,
    Function,
    GroupingSet,
    JoinKind,
    Key,
    Literal,
    Measure,
    NamedExpression,
    PersonAggregate,
    PersonJoin,
    Plan,
    PrivateJoin,
    Project,
    Relation,
    Scan,
    Statistic,
    UnionAll,
)
from engine.trusted.records import Loss, Operation
from engine.trusted.stability import stability_of
from engine.trusted.verify import columns_read, operations_used, verify_plan
from engine.trusted.wire import decode, digest, encode

FEW = settings(max_examples=60, deadline=None)
JOIN = PrivateJoin(Scan("wages"), Scan("claims"))
LOSS = Loss(16_000_000, 5 * 10**8)
Row = Mapping[str, Any]


def plan_of(catalogue: Catalogue, *measures: Measure, keys: Sequence[str] = (), sets: Sequence[Sequence[int]] = ((),),
            join: Relation = JOIN) -> Plan:  # fmt: skip
    scope = scope_of(join, catalogue)
    listed = tuple(Key(ColumnRef(k), key_values(scope[k], 0)) for k in keys)
    chosen = tuple(GroupingSet(tuple(s)) for s in sets)
    return Plan(1, digest(encode(catalogue)), Aggregate(join, listed, chosen, measures))


def across(first: str, second: str, catalogue: Catalogue, **rest: Any) -> Measure:
    """The sum of a product."""
    both = call("MULTIPLY", column(first), column(second))
    clamp = clamp_of(domain_of(both, scope_of(JOIN, catalogue)))
    return replace(summed(both, clamp.lower, clamp.upper), **rest)


LONG = call("GREATER", column("hours"), value(3))
SHORT = call("LESS", column("days"), value(5))
BOTH = call("AND", call("AND", LONG, SHORT), column("open"))
CATALOGUE = departments()
MEASURES = (
    counted(),
    counted(filter=BOTH),
    counted(Statistic.COUNT_PERSONS),
    counted(Statistic.COUNT_PERSONS, filter=call("AND", SHORT, LONG)),
    counted(Statistic.COUNT_PRESENT, expression=column("hours")),
    counted(Statistic.COUNT_PRESENT, expression=call("MULTIPLY", column("days"), column("wage")), filter=LONG),
    summed(column("wage"), 0, 2000),
    summed(column("change"), -5, 3, centred=True),
    replace(summed(column("hours"), -3, 12, centred=True), filter=SHORT),
    across("wage", "change", CATALOGUE),
    across("days", "hours", CATALOGUE),
    across("hours", "change", CATALOGUE, filter=BOTH),
)
KEYS = ("sector", "region", "open", "hours", "days")


# -- the definition: sums over pairs of rows, written without join.py


def evaluated(expression: Expression, row: Row) -> Any:
    if isinstance(expression, ColumnRef):
        return row[expression.name]
    if isinstance(expression, Literal):
        return expression.value
    values = [evaluated(argument, row) for argument in expression.arguments]
    if expression.function is Function.AND:
        return False if False in values else None if None in values else True
    if None in values:
        return None
    return {
        Function.MULTIPLY: lambda a, b: a * b,
        Function.GREATER: lambda a, b: a > b,
        Function.LESS: lambda a, b: a < b,
    }[expression.function](*values)


def steps_of(measure: Measure, row: Row, scope: Scope) -> int:
    """What one row, or one pair of rows, adds to a sum or count of rows."""
    if measure.filter is not None and evaluated(measure.filter, row) is not True:
        return 0
    if measure.expression is None:
        return 1
    held = evaluated(measure.expression, row)
    if held is None or measure.clamp is None:
        return int(held is not None)
    grid = grid_of(measure, scope)
    found = (Fraction(held) - grid.centre) / grid.step
    assert found.denominator == 1
    return int(found)


def vector(aggregate: Aggregate, scope: Scope, rows: Sequence[Row]) -> np.ndarray[Any, Any]:
    """Of one person's rows."""
    cells = np.zeros(cells_of(aggregate, scope), dtype=object)
    for block in layout_of(aggregate, scope):
        measure = aggregate.measures[block.measure]
        keys = [aggregate.keys[k] for k in aggregate.grouping_sets[block.grouping_set].keys]
        for row in rows:
            places = [[v.value for v in key.values].index(evaluated(key.expression, row)) for key in keys]
            cell = block.offset + int(np.ravel_multi_index(places, block.shape)) if keys else block.offset
            added = steps_of(measure, row, scope)
            cells[cell] = (
                max(cells[cell], added) if measure.statistic is Statistic.COUNT_PERSONS else cells[cell] + added
            )
    return cells


def joined(left: Sequence[Row], right: Sequence[Row]) -> list[Row]:
    return [{**a, **b} for a, b in product(left, right)]


def multiplied(plan: Plan, left: Any, right: Any, *, swapped: bool = False) -> Any:
    """As helpers do: the blocks of one person, left by right. ``swapped``: an error, axes left as they are."""
    scope = scope_of(plan.aggregate.input, CATALOGUE)
    cells = np.zeros(cells_of(plan.aggregate, scope), dtype=object)
    for pair in pairs(plan.aggregate, scope):
        a = left[pair.left.offset : pair.left.offset + pair.left.cells]
        b = right[pair.right.offset : pair.right.offset + pair.right.cells]
        table = np.outer(a, b).reshape(pair.left.shape + pair.right.shape)
        table = table if swapped else table.transpose(pair.axes)
        assert swapped or table.shape == pair.block.shape
        cells[pair.block.offset : pair.block.offset + pair.block.cells] = table.ravel()
    return cells


# -- random plans and rows


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    keys = draw(st.lists(st.sampled_from(KEYS), max_size=3, unique=True))
    measures = draw(st.lists(st.sampled_from(MEASURES), min_size=1, max_size=4, unique=True))
    subset = st.lists(st.sampled_from(range(len(keys))), unique=True).map(sorted).map(tuple) if keys else st.just(())
    sets = dict.fromkeys([tuple(range(len(keys))), *draw(st.lists(subset, max_size=3))])
    return plan_of(CATALOGUE, *measures, keys=keys, sets=list(sets))


def in_few_groups(rows: list[Row], dataset: str) -> list[Row]:
    """As many rows, of no more groups than a node keeps of one person."""
    held = CATALOGUE.dataset(dataset)
    assert held is not None
    return [rows[i % held.groups_per_person] for i in range(len(rows))]


def rows_of(rng: random.Random, dataset: str, *, extreme: bool = False, missing: bool = True) -> list[Row]:
    """One person's rows within the published bounds; key columns are never NULL unless that is a key."""
    held = CATALOGUE.dataset(dataset)
    assert held is not None
    rows: list[Row] = []
    for _ in range(held.rows_per_person if extreme else rng.randint(0, held.rows_per_person)):
        row: dict[str, Any] = {}
        for c in held.columns[1:]:
            if c.bounds is None:
                row[c.name] = rng.choice(c.domain or (True, False, None) if missing else c.domain or (True,))
                continue
            step, lower, upper = c.step or Fraction(1), c.bounds.lower, c.bounds.upper
            steps = int((upper - lower) / step)
            place = rng.choice((0, steps)) if extreme else rng.randint(0, steps)
            row[c.name] = lower + place * step
            if missing and c.name in ("wage", "change") and rng.random() < 0.2:
                row[c.name] = None
        rows.append(row)
    return rows


@FEW
@given(plans(), st.randoms(use_true_random=False))
def test_factors_multiply_to_the_joined_vector(plan: Plan, rng: random.Random) -> None:
    verify_plan(plan, CATALOGUE, RULES)
    assert decode(Plan, encode(plan)) == plan
    scope = scope_of(JOIN, CATALOGUE)
    left, right = sides_of(plan, CATALOGUE)
    for _ in range(5):
        mine, theirs = rows_of(rng, "wages"), rows_of(rng, "claims")
        a, b = vector(left.aggregate, scope, mine), vector(right.aggregate, scope, theirs)
        assert (len(a), len(b)) == (left.words, right.words)
        assert list(multiplied(plan, a, b)) == list(vector(plan.aggregate, scope, joined(mine, theirs)))


def test_cells_out_of_order_are_found() -> None:
    """A planted error: the keys of the right side come before those of the left."""
    plan = plan_of(CATALOGUE, counted(), keys=("region", "sector"), sets=((0, 1),))
    scope, rng = scope_of(JOIN, CATALOGUE), random.Random(1)
    left, right = sides_of(plan, CATALOGUE)
    mine, theirs = rows_of(rng, "wages", extreme=True), rows_of(rng, "claims", extreme=True)
    a, b = vector(left.aggregate, scope, mine), vector(right.aggregate, scope, theirs)
    exact = list(vector(plan.aggregate, scope, joined(mine, theirs)))
    assert list(multiplied(plan, a, b)) == exact != list(multiplied(plan, a, b, swapped=True))


def distance_of(plan: Plan, multipliers: Sequence[int]) -> int:
    """D2^2 as calibrate sums it up."""
    scope = scope_of(JOIN, CATALOGUE)
    squares = tuple(row_square(m, scope) for m in plan.aggregate.measures)
    norms = block_norms(plan.aggregate, squares, stability_of(JOIN, CATALOGUE))
    return sum(m * m * n for m, found in zip(multipliers, norms, strict=True) for n in found)


def scaled_square(plan: Plan, cells: Any, multipliers: Sequence[int]) -> int:
    blocks = layout_of(plan.aggregate, scope_of(JOIN, CATALOGUE))
    return sum(
        int(sum(c * c for c in cells[b.offset : b.offset + b.cells])) * multipliers[b.measure] ** 2 for b in blocks
    )


@FEW
@given(plans(), st.randoms(use_true_random=False))
def test_no_person_moves_a_private_join_beyond_d2(plan: Plan, rng: random.Random) -> None:
    """Whichever owner a person is added at: the answer moves by that person's own pairs, all at once at most."""
    found, scope = calibrate(plan, CATALOGUE, LOSS, 2, 0), scope_of(JOIN, CATALOGUE)
    distance = distance_of(plan, found.multipliers)
    for trial in range(20):
        mine, theirs = (in_few_groups(rows_of(rng, n, extreme=trial % 2 > 0), n) for n in ("wages", "claims"))
        moved = vector(plan.aggregate, scope, joined(mine, theirs))
        assert scaled_square(plan, moved, found.multipliers) <= distance
    noise = noise_part(LOSS)
    assert found.node_sigma == found.sigma  # each owner adds all of it
    assert 2 * noise.rho_billionths * found.sigma**2 >= distance * 10**9
    assert found.sigma <= 1.01 * math.sqrt(distance * 1e9 / (2 * noise.rho_billionths))


@pytest.mark.parametrize("measure", MEASURES)
def test_the_worst_person_reaches_d2(measure: Measure) -> None:
    """So a bound of one row less at either side would be rejected."""
    plan, scope = plan_of(CATALOGUE, measure), scope_of(JOIN, CATALOGUE)
    row = {"sector": "A", "hours": 12, "wage": Fraction(2000), "region": "N", "open": True, "days": 4, "change": -5}
    if measure.statistic is Statistic.SUM and measure.filter is None:
        row["days"] = 7
    if measure.statistic is Statistic.CENTRED_SUM:
        row["hours"] = -3
    moved = vector(plan.aggregate, scope, joined([row] * 2, [row] * 3))
    assert scaled_square(plan, moved, (1,)) == distance_of(plan, (1,))


def test_sizes_cost_what_the_loss_leaves() -> None:
    """The tail is summed up here from the law itself: P[Z = k] in proportion to exp(-k^2 / 2 sigma^2)."""
    for loss in (LOSS, Loss(16, 1), Loss(10**9, 10**12), Loss(33_333_333, 10**17)):
        sizes = sizes_of(loss)
        spent = add_loss(sizes.noise, Loss(loss.rho_billionths // 16, loss.delta_quintillionths))
        assert spent == loss
        assert sizes.sigma**2 * (loss.rho_billionths // 16) >= 10**9  # squared norm 2, by 2 sigma^2
        assert (sizes.sigma - 1) ** 2 * (loss.rho_billionths // 16) < 10**9
    loss = Loss(16_000_000, 10**15)
    sizes = sizes_of(loss)
    weights = [math.exp(-(k**2) / (2 * sizes.sigma**2)) for k in range(40 * sizes.sigma)]
    total = 2 * sum(weights) - 1

    def tail(least: int) -> float:
        return 2 * sum(weights[least:]) / total

    assert tail(sizes.shift) <= 1e-3 < tail(sizes.shift - 2 - sizes.sigma // 10)
    for nothing, code in ((Loss(15, 1), "SQL_EPSILON_RANGE"), (Loss(16, 0), "SQL_DELTA_RANGE")):
        with pytest.raises(Refused, match=code):
            sizes_of(nothing)
        with pytest.raises(Refused, match=code):
            calibrate(plan_of(CATALOGUE, counted()), CATALOGUE, nothing, 2, 0)


def test_both_owners_answer_and_each_adds_all_noise() -> None:
    plan = plan_of(CATALOGUE, counted())
    for n_min, f in ((1, 0), (3, 0), (2, 2), (2, -1)):
        with pytest.raises(Refused, match="POLICY_TOO_FEW_HONEST"):
            calibrate(plan, CATALOGUE, LOSS, n_min, f)
    assert calibrate(plan, CATALOGUE, LOSS, 2, 0) == calibrate(plan, CATALOGUE, LOSS, 2, 1)


def test_a_side_knows_its_own_rows_only() -> None:
    plan = plan_of(CATALOGUE, *MEASURES, keys=("region", "sector", "open"), sets=((0, 1), (1,), (0, 2), ()))
    left, right = sides_of(plan, CATALOGUE)
    assert (left.number, left.host, right.number, right.host) == (LEFT, "tax", RIGHT, "social")
    assert (left.aggregate.input, right.aggregate.input) == (JOIN.left, JOIN.right)
    assert [k.expression for k in left.aggregate.keys] == [column("sector")]
    assert left.aggregate.grouping_sets == (GroupingSet((0,)), GroupingSet(()))
    assert right.aggregate.grouping_sets == (GroupingSet((0,)), GroupingSet(()), GroupingSet((0, 1)))
    assert side_at(plan, "social", CATALOGUE) == right
    for side in (left, right):
        own = scope_of(side.aggregate.input, CATALOGUE)
        assert cells_of(side.aggregate, own) == side.words
        assert layout_of(side.aggregate, own) == side_columns(plan.aggregate, scope_of(JOIN, CATALOGUE), side.number)
    with pytest.raises(Refused, match="POLICY_PLAN_INVALID"):
        side_at(plan, "north", CATALOGUE)
    with pytest.raises(Refused, match="POLICY_PLAN_INVALID"):
        local = replace(plan.aggregate, input=Scan("wages"), keys=(), grouping_sets=(GroupingSet(()),))
        side_of(replace(local, measures=(counted(),)), scope_of(Scan("wages"), CATALOGUE), LEFT)


def test_the_grid_of_a_product_is_that_of_its_factors() -> None:
    scope = scope_of(JOIN, CATALOGUE)
    found = grid_of(across("share", "change", CATALOGUE), scope)
    share, change = (grid_of(m, scope) for m in factors_of(across("change", "share", CATALOGUE), scope))
    assert (found.step, found.centre) == (share.step * change.step, Fraction(0))
    assert found.bound_steps == share.bound_steps * change.bound_steps


def _measured(measure: Measure) -> Plan:
    return plan_of(CATALOGUE, measure)


def _over(relation: Relation) -> Plan:
    return replace(_measured(counted()), aggregate=replace(_measured(counted()).aggregate, input=relation))


def _keyed(key: Key) -> Plan:
    plan = _measured(counted())
    return replace(plan, aggregate=replace(plan.aggregate, keys=(key,), grouping_sets=(GroupingSet((0,)),)))


MIXED = call("ADD", column("hours"), column("days"))
ONLY = (NamedExpression("hours", column("hours")),)
FORGED = {
    "filter above": (_over(Filter(JOIN, LONG)), "POLICY_NOT_SUPPORTED"),
    "project above": (_over(Project(JOIN, ONLY)), "POLICY_NOT_SUPPORTED"),
    "features above": (_over(PersonAggregate(JOIN, ())), "POLICY_NOT_SUPPORTED"),
    "local join above": (_over(PersonJoin(JoinKind.SEMI, JOIN, Scan("wages"))), "POLICY_NOT_SUPPORTED"),
    "union above": (_over(UnionAll(Project(JOIN, ONLY), Project(JOIN, ONLY))), "POLICY_NOT_SUPPORTED"),
    "join of a join": (_over(PrivateJoin(Project(JOIN, ONLY), Scan("claims"))), "POLICY_NOT_SUPPORTED"),
    "one department": (_over(PrivateJoin(Scan("wages"), Project(Scan("wages"), ()))), "SQL_JOIN_PLACEMENT"),
    "one name twice": (
        _over(PrivateJoin(Scan("wages"), Project(Scan("claims"), (NamedExpression("hours", column("days")),)))),
        "POLICY_PLAN_INVALID",
    ),
    "sum of both": (_measured(summed(MIXED, -3, 19)), "SQL_JOIN_SIDES"),
    "count of both": (_measured(counted(Statistic.COUNT_PRESENT, expression=MIXED)), "SQL_JOIN_SIDES"),
    "centred product": (
        _measured(replace(across("hours", "days", CATALOGUE), statistic=Statistic.CENTRED_SUM)),
        "SQL_JOIN_SIDES",
    ),
    "condition on both": (_measured(counted(filter=call("LESS", column("hours"), column("days")))), "SQL_JOIN_SIDES"),
    "either condition": (_measured(counted(filter=call("OR", LONG, SHORT))), "SQL_JOIN_SIDES"),
    "key of both": (_keyed(Key(MIXED, key_values(domain_of(MIXED, scope_of(JOIN, CATALOGUE)), 0))), "SQL_JOIN_SIDES"),
    "product with a narrow clamp": (
        _measured(replace(across("hours", "days", CATALOGUE), clamp=Clamp(Fraction(0), Fraction(1)))),
        "POLICY_PLAN_INVALID",
    ),
    "quantile": (
        _measured(replace(summed(column("hours"), -3, 12), statistic=Statistic.QUANTILE_TREE)),
        "SQL_JOIN_FIGURE",
    ),
    "key without a list": (_keyed(Key(column("employer"), (), 10)), "SQL_JOIN_KEY"),
}  # fmt: skip


@pytest.mark.parametrize("name", FORGED)
def test_what_a_private_join_cannot_give_is_refused(name: str) -> None:
    plan, code = FORGED[name]
    with pytest.raises(Refused) as refused:
        verify_plan(plan, CATALOGUE, RULES)
    assert refused.value.code == code


def test_sides_are_two_departments_that_name_persons_alike() -> None:
    wages, claims = CATALOGUE.datasets
    other = replace(claims.person, identifier="nhs_number")
    for changed, code in (
        (replace(claims, hosts=("social", "north")), "SQL_JOIN_HOSTS"),
        (replace(claims, hosts=("social", "north"), overlap=2), "SQL_JOIN_HOSTS"),
        (replace(claims, person=other), "SQL_JOIN_IDENTIFIER"),
        (replace(claims, hosts=("tax",)), "SQL_JOIN_PLACEMENT"),
        (replace(claims, rows_per_person=100_001), "SQL_TOO_LARGE"),
    ):
        with pytest.raises(Refused, match=code):
            stability_of(JOIN, replace(CATALOGUE, datasets=(wages, changed)))
    found = stability_of(JOIN, CATALOGUE)
    assert (found.rows, found.groups, found.overlap, found.hosts) == (6, 4, 1, ("tax", "social"))
    assert (found.datasets, found.at_most_rows) == (("wages", "claims"), 6 * 10**6)


def test_a_row_has_at_most_so_many_words() -> None:
    """Of the side that has most, whatever the other has."""
    wide = plan_of(CATALOGUE, counted(), summed(column("days"), 0, 7), keys=("hours", "sector"), sets=((0, 1), (0,)))
    left, right = sides_of(wide, CATALOGUE)
    assert (left.words, right.words) == (16 * 3 + 16, 2)
    filters = [counted(filter=call("LESS", column("hours"), value(i))) for i in range(22)]
    verify_plan(plan_of(CATALOGUE, *filters[:21], keys=("hours", "sector"), sets=((0, 1),)), CATALOGUE, RULES)
    with pytest.raises(Refused, match="SQL_TOO_COMPLEX"):
        verify_plan(plan_of(CATALOGUE, *filters, keys=("hours", "sector"), sets=((0, 1),)), CATALOGUE, RULES)
    assert 21 * 48 <= MOST_WORDS < 22 * 48


def test_columns_follow_lineage_through_private_joins() -> None:
    """The person column of both sides, and what each side's keys, factors and conditions name."""
    plan = plan_of(CATALOGUE, across("wage", "days", CATALOGUE, filter=BOTH), keys=("region",), sets=((0,),))
    assert columns_read(plan, CATALOGUE) == {
        "wages": {"person_id", "wage", "hours"},
        "claims": {"person_id", "days", "open", "region"},
    }
    assert columns_read(plan_of(CATALOGUE, counted()), CATALOGUE) == {"wages": {"person_id"}, "claims": {"person_id"}}
    assert operations_used(plan) == {Operation.AGGREGATE, Operation.PRIVATE_JOIN}
