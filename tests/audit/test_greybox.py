"""T0, the grey box: on neighbouring data no mechanism's exact input moves further than its noise was sized for.

For every operator of ``operators.yaml`` and every pair of neighbours: the integers before the noise, at all hosts
together, differ by an L2 distance D with D^2 <= 2 rho h node_sigma^2 - what the noise that was really asked for
pays for at the rho that was really charged, in exact integers - and everything else that a round shows is equal. The
declared sensitivity is not read from the code under audit: it is what its noise can bear.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cache
from itertools import product
from math import isqrt
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from neighbours import ALWAYS, KINDS, OFTEN, PERSON, SELDOM, Kind, any_value, crowd, datasets, placements, record
from world import (
    CATALOGUE,
    FORM,
    HOSTS,
    LOSS,
    RULES,
    Form,
    Held,
    Mechanism,
    Observation,
    Operator,
    Record,
    World,
    datasets_with,
    operators,
)

from engine.errors import Refused
from engine.trusted import wire
from engine.trusted.catalogue import Dataset
from engine.trusted.plan import (
    Aggregate,
    Clamp,
    ColumnRef,
    Feature,
    Filter,
    GroupingSet,
    JoinKind,
    Literal,
    Measure,
    PersonAggregate,
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
from engine.trusted.records import Loss
from engine.trusted.stability import stability_of
from engine.trusted.verify import verify_plan
from engine.trusted.walk import relations_of

OPERATORS = sorted(operators(), key=lambda o: datasets_with(o.plan())[0].name)  # so that engines stay open
Rows = dict[str, Held]  # each host's
SHARED = 8  # operators in a row that try the same neighbours
BASES: dict[str, Callable[[Dataset], list[Record]]] = {
    "nobody": lambda dataset: [],
    "few": lambda dataset: crowd(dataset, 5),
    "many": lambda dataset: crowd(dataset, 120, seed=2),
}


@dataclass(frozen=True)
class Seen:
    """One round over ``rows``, at each host."""

    rows: Rows
    at: dict[str, Observation]


def observed(world: World, plan: Plan, rows: Rows, before: Seen | None = None, loss: Loss = LOSS) -> Seen:
    """One round; a host whose rows are those of ``before`` need not be asked again."""
    tables = {host: world.publish(rows[host], host) for host in HOSTS}
    round_ = world.round_(plan, tables, loss)
    at = {}
    for host in HOSTS:
        known = before is not None and before.rows[host] is rows[host]
        at[host] = before.at[host] if before and known else world.observe(round_, tables[host], host)
    return Seen(rows, at)


@cache
def share(held: tuple[Dataset, ...], base: str, kind: Kind | None = None) -> Held:
    """Everybody else's rows in each dataset, and in their midst those of the person."""
    found = {}
    for dataset in held:
        others = BASES[base](dataset)
        half = len(others) // 2
        found[dataset.name] = [*others[:half], *(kind.rows(dataset) if kind else ()), *others[half:]]
    return found


def neighbours(held: tuple[Dataset, ...], base: str, kind: Kind) -> tuple[Rows, Rows]:
    """Without the person and with, at one host or, where the datasets allow it, at all."""
    without, joined = share(held, base), share(held, base, kind)
    everywhere = kind.everywhere and all(d.overlap > 1 for d in held)
    return dict.fromkeys(HOSTS, without), {h: joined if h == HOSTS[0] or everywhere else without for h in HOSTS}


def distance_square(ones: Sequence[Observation], others: Sequence[Observation]) -> int:
    """Squared L2 distance of all hosts' sums, over all mechanisms of the round."""
    total = 0
    for mine, theirs in zip(
        zip(*(o.mechanisms for o in ones), strict=True), zip(*(o.mechanisms for o in others), strict=True), strict=True
    ):
        total += sum((a - b) ** 2 for a, b in zip(summed(mine), summed(theirs), strict=True))
    return total


def summed(mechanisms: Sequence[Mechanism]) -> list[int]:
    return [sum(cells) for cells in zip(*(m.before for m in mechanisms), strict=True)]


def used_share(square: int, sigma: int) -> float:
    """D over what the noise bears; above 1 is a violation, decided in integers."""
    bearable = Fraction(2 * LOSS.rho_billionths * len(HOSTS) * sigma**2, 10**9)
    assert square <= bearable, f"moved by {isqrt(square)} units; the noise bears {isqrt(int(bearable))}"
    return float(Fraction(square) / bearable) ** 0.5


def compare(one: Seen, other: Seen) -> float:
    """The share of the declared sensitivity that one pair used; fails if anything else can be told apart."""
    mine, theirs = one.at, other.at
    for host in HOSTS:
        assert mine[host].shown == theirs[host].shown, host
        assert not mine[host].shown["code"]
        assert [m.before[-1] for m in mine[host].mechanisms] == [m.before[-1] for m in theirs[host].mechanisms]
    sigma = min(m.sigma for o in mine.values() for m in o.mechanisms)
    return used_share(distance_square(list(mine.values()), list(theirs.values())), sigma)


def pairs(number: int, held: tuple[Dataset, ...]) -> list[tuple[str, Kind]]:
    """Long: every kind on every base. Else each kind on one base (in the short form an operator's kinds on the same),
    those that give the same rows once, and of the kinds that seldom reach far those whose turn it is with this operator
    and the next ones, which then share the snapshots.
    """
    names, kinds = list(BASES), [kind for kind in KINDS if kind.among(held)]
    if FORM is Form.LONG:
        return [(base, kind) for kind in kinds for base in names]
    whole = {SELDOM: 3, OFTEN: 1, ALWAYS: 1}  # where there are minutes
    turns = {k: k.every if FORM is Form.SHORT else whole[k.every] for k in kinds}
    mine = [k for k in kinds if (KINDS.index(k) + number // SHARED) % turns[k] == 0]
    different = {repr([kind.rows(d) for d in held]) + str(kind.everywhere): kind for kind in mine[::-1]}
    bases = [number // SHARED if FORM is Form.SHORT else KINDS.index(kind) for kind in different.values()]
    return [(names[b % len(names)], kind) for b, kind in zip(bases, different.values(), strict=True)][::-1]


@pytest.mark.parametrize("operator", OPERATORS, ids=lambda o: o.name)
def test_no_neighbour_moves_an_operator_further_than_its_noise_bears(
    operator: Operator, world: World, record_property: Any
) -> None:
    plan, used, worst = operator.plan(), 0.0, ""
    held, number = datasets_with(plan), OPERATORS.index(operator)
    seen: dict[str, Seen] = {}
    for base, kind in pairs(number, held):
        without, joined = neighbours(held, base, kind)
        if base not in seen:
            seen[base] = observed(world, plan, without)
        reached = compare(seen[base], observed(world, plan, joined, seen[base]))
        assert not (kind.same and reached), kind.name
        if reached > used:
            used, worst = reached, f"{kind.name} / {base}"
    record_property(f"audit {operator.name}", f"used/declared {used:.3f}  {worst}")
    assert used >= operator.least, f"{operator.name}: at most {used:.3f} of the noise is needed"
    assert operator.least == 0.5 or operator.reason


@settings(max_examples={Form.SHORT: 5, Form.WHOLE: 60, Form.LONG: 200}[FORM], deadline=None)
@given(st.sampled_from(placements()), st.integers(0, 12), st.integers(0, 9), st.floats(0, 1), st.integers(0, 2**32))
def test_no_random_person_moves_an_operator_further_than_its_noise_bears(
    world: World, held: tuple[Dataset, ...], others: int, more: int, odd: float, seed: int
) -> None:
    rng = random.Random(seed)
    base: dict[str, list[Record]] = {d.name: crowd(d, others, seed, odd) for d in held}
    joined = {}
    for dataset in held:
        count = rng.randint(0, 1 + more) if len(held) > 1 else 1 + more
        rows = [record(dataset, lambda c, d=dataset: any_value(c, rng, odd), PERSON) for _ in range(count)]
        joined[dataset.name] = [*base[dataset.name], *rows]
        rng.shuffle(joined[dataset.name])
    plans = [p for o in OPERATORS if datasets_with(p := o.plan()) == held]
    for plan in plans if FORM is Form.LONG else rng.sample(plans, min(3, len(plans))):
        without = observed(world, plan, dict.fromkeys(HOSTS, base))
        compare(without, observed(world, plan, {"n0": joined, "n1": base}, without))


@pytest.mark.parametrize("held", placements(), ids=lambda held: held[0].placement)
def test_the_order_of_rows_moves_nothing(held: tuple[Dataset, ...], world: World) -> None:
    rows = {d.name: crowd(d, 60, seed=5, odd=0.3) for d in held}
    turned = {name: records[::-1] for name, records in rows.items()}
    for operator in OPERATORS[:: 10 if FORM is Form.SHORT else 1]:
        plan = operator.plan()
        if datasets_with(plan) == held:
            mine, theirs = (observed(world, plan, dict.fromkeys(HOSTS, r)) for r in (rows, turned))
            assert compare(mine, theirs) == 0, operator.name


def test_the_recorder_sees_a_violation(world: World) -> None:
    """A planted error: a person with twice the rows that one may have, let in under two identifiers."""
    [dataset] = [d for d in datasets() if d.name == "visits"]
    plan = next(o for o in OPERATORS if o.name == "rows of one person").plan()
    one = [record(dataset, lambda c: "30", PERSON)] * dataset.rows_per_person
    two = [*one, *({**row, dataset.person.column: "778"} for row in one)]
    without: Rows = {"n0": {"visits": []}, "n1": {"visits": []}}
    seen = observed(world, plan, without)
    with pytest.raises(AssertionError, match="the noise bears"):
        compare(seen, observed(world, plan, {**without, "n0": {"visits": two}}, seen))


def test_the_recorder_sees_one_row_too_many_in_a_join(world: World) -> None:
    """A planted error: the node joins a side that may have five rows a person where the plan was priced for four."""
    plan = next(o for o in OPERATORS if o.name == "inner join with fan-out").plan()
    held = datasets_with(plan)
    without, joined = neighbours(held, "nobody", next(k for k in KINDS if k.name == "all rows, high, one group"))
    spare = {d.name: [{**row, d.person.column: "778"} for row in joined["n0"][d.name][:1]] for d in held}
    more = {name: [*rows, *spare[name]] for name, rows in joined["n0"].items()}
    seen = observed(world, plan, without)
    assert compare(seen, observed(world, plan, joined, seen)) <= 1
    with pytest.raises(AssertionError, match="the noise bears"):
        compare(seen, observed(world, plan, {**joined, "n0": more}, seen))


def test_every_statistic_and_relation_that_runs_is_audited() -> None:
    """Each sort of relation, join, figure and statistic that a node would run stands in a row."""
    plans = [o.plan() for o in OPERATORS]
    relations = [r for p in plans for _, r in relations_of(p.aggregate.input)]
    assert {m.statistic for p in plans for m in p.aggregate.measures} == {s for s in Statistic if _runs(_measured(s))}
    local = [r for r in _relations() if not isinstance(r, PrivateJoin)]  # two owners: test_joins.py
    assert {type(r) for r in relations} == {type(r) for r in local if _runs(_over(r))}
    joins = {(r.join, stability_of(side, CATALOGUE).rows > 1) for r in _joins(relations) for side in (r.left, r.right)}
    assert joins == set(product(JoinKind, (False, True)))
    features = {(f.feature, f.filter is None) for r in relations if isinstance(r, PersonAggregate) for f in r.features}
    assert features >= {(feature, True) for feature in Feature} | {(Feature.SUM, False), (Feature.COUNT_ROWS, False)}
    sets = {len(p.aggregate.grouping_sets) > 1 for p in plans if stability_of(p.aggregate.input, CATALOGUE).rows > 1}
    assert sets == {False, True}
    for plan in plans:
        assert stability_of(plan.aggregate.input, CATALOGUE).hosts == HOSTS


def _joins(relations: Sequence[Relation]) -> list[PersonJoin]:
    return [r for r in relations if isinstance(r, PersonJoin)]


def _relations() -> list[Relation]:
    """One of each sort that a plan can hold."""
    one, other = Scan("residents"), Scan("stays")
    made: list[Relation] = [one, Filter(one, Literal(Type.BOOLEAN, True)), Project(one, ()), PersonAggregate(one, ())]
    made += [PersonJoin(JoinKind.INNER, one, other), PrivateJoin(one, other), UnionAll(one, one)]
    assert {type(r) for r in made} == set(get_args(Relation))
    return made


def _over(relation: Relation) -> Aggregate:
    return Aggregate(relation, (), (GroupingSet(()),), (Measure(Statistic.COUNT_ROWS),))


def _measured(statistic: Statistic) -> Aggregate:
    expression, clamp = ColumnRef("age"), Clamp(Fraction(0), Fraction(110))
    counted = statistic in (Statistic.COUNT_ROWS, Statistic.COUNT_PERSONS)
    present = statistic is Statistic.COUNT_PRESENT
    measure = Measure(statistic, None if counted else expression, None, None if counted or present else clamp)
    return replace(_over(Scan("people")), measures=(measure,))


def _runs(aggregate: Aggregate) -> bool:
    """Whether a node answers the aggregate alone; if not, it is for want of the operator, or of two departments: what
    each owner of a private join computes is audited apart (tests/sources/test_join_side.py)."""
    try:
        verify_plan(Plan(1, wire.digest(wire.encode(CATALOGUE)), aggregate), CATALOGUE, RULES)
    except Refused as error:
        assert error.code in ("POLICY_NOT_SUPPORTED", "SQL_JOIN_HOSTS")
        return False
    return True
