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
from math import isqrt
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from neighbours import KINDS, PERSON, Kind, any_value, crowd, datasets, record
from world import FORM, HOSTS, LOSS, Form, Mechanism, Observation, Operator, Record, World, calibration_of, operators

from engine.errors import Refused
from engine.trusted.catalogue import Dataset
from engine.trusted.plan import Plan, Scan, Statistic
from engine.trusted.records import Loss
from engine.trusted.stability import stability_of
from engine.trusted.walk import relations_of

OPERATORS = operators()
TURNS = 16
BASES: dict[str, Callable[[Dataset], list[Record]]] = {
    "nobody": lambda dataset: [],
    "few": lambda dataset: crowd(dataset, 5),
    "many": lambda dataset: crowd(dataset, 120, seed=2),
}


def dataset_of(plan: Plan) -> Dataset:
    [name] = {r.dataset for _, r in relations_of(plan.aggregate.input) if isinstance(r, Scan)}
    return next(d for d in datasets() if d.name == name)


@dataclass(frozen=True)
class Seen:
    """One round over ``rows``, at each host."""

    rows: dict[str, list[Record]]
    at: dict[str, Observation]


def observed(
    world: World, plan: Plan, rows: dict[str, list[Record]], before: Seen | None = None, loss: Loss = LOSS
) -> Seen:
    """One round; a host whose rows are those of ``before`` need not be asked again."""
    dataset = dataset_of(plan).name
    tables = {host: world.publish(dataset, rows[host], host) for host in HOSTS}
    round_ = world.round_(plan, tables, loss)
    at = {}
    for host in HOSTS:
        known = before is not None and before.rows[host] is rows[host]
        at[host] = before.at[host] if before and known else world.observe(round_, tables[host], host)
    return Seen(rows, at)


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


def pairs(number: int) -> list[tuple[str, Kind]]:
    """Long: every kind on every base. Else each kind on one base; in the short form those that reach far, and a few
    whose turn it is with this operator.
    """
    names = list(BASES)
    if FORM is Form.LONG:
        return [(base, kind) for kind in KINDS for base in names]
    mine = [k for i, k in enumerate(KINDS) if FORM is Form.WHOLE or k.far or (i + number) % TURNS == 0]
    return [(names[KINDS.index(kind) % len(names)], kind) for kind in mine]


def with_person(base: list[Record], kind: Kind, dataset: Dataset) -> dict[str, list[Record]]:
    """The person's rows among the others', at one host or, where the dataset allows it, at all."""
    added = kind.records(dataset)
    half = len(base) // 2
    joined = [*base[:half], *added, *base[half:]]
    return {host: joined if host == "n0" or (kind.everywhere and dataset.overlap > 1) else base for host in HOSTS}


@pytest.mark.parametrize("operator", OPERATORS, ids=lambda o: o.name)
def test_no_neighbour_moves_an_operator_further_than_its_noise_bears(
    operator: Operator, world: World, record_property: Any
) -> None:
    plan, used, worst = operator.plan(), 0.0, ""
    dataset, number = dataset_of(plan), OPERATORS.index(operator)
    without: dict[str, Seen] = {}
    for base, kind in pairs(number):
        rows = BASES[base](dataset)
        if base not in without:
            without[base] = observed(world, plan, dict.fromkeys(HOSTS, rows))
        share = compare(without[base], observed(world, plan, with_person(rows, kind, dataset), without[base]))
        assert not (kind.same and share), kind.name
        if share > used:
            used, worst = share, f"{kind.name} / {base}"
    record_property(f"audit {operator.name}", f"used/declared {used:.3f}  {worst}")
    assert used >= operator.least, f"{operator.name}: at most {used:.3f} of the noise is needed"
    assert operator.least == 0.5 or operator.reason


@settings(max_examples={Form.SHORT: 5, Form.WHOLE: 60, Form.LONG: 500}[FORM], deadline=None)
@given(st.sampled_from(datasets()), st.integers(0, 12), st.integers(0, 9), st.floats(0, 1), st.integers(0, 2**32))
def test_no_random_person_moves_an_operator_further_than_its_noise_bears(
    world: World, dataset: Dataset, others: int, more: int, odd: float, seed: int
) -> None:
    rng = random.Random(seed)
    base = crowd(dataset, others, seed, odd)
    added = [record(dataset, lambda c: any_value(c, rng, odd), PERSON) for _ in range(1 + more)]
    shuffled = [*base, *added]
    rng.shuffle(shuffled)
    plans = [(o, p) for o in OPERATORS if dataset_of(p := o.plan()) is dataset]
    for _, plan in plans if FORM is Form.LONG else rng.sample(plans, min(3, len(plans))):
        without = observed(world, plan, dict.fromkeys(HOSTS, base))
        compare(without, observed(world, plan, {"n0": shuffled, "n1": base}, without))


@pytest.mark.parametrize("name", [d.name for d in datasets()])
def test_the_order_of_rows_moves_nothing(name: str, world: World) -> None:
    [dataset] = [d for d in datasets() if d.name == name]
    rows = crowd(dataset, 60, seed=5, odd=0.3)
    for operator in OPERATORS[:: 4 if FORM is Form.SHORT else 1]:
        plan = operator.plan()
        if dataset_of(plan) is dataset:
            mine, theirs = (observed(world, plan, dict.fromkeys(HOSTS, r)) for r in (rows, rows[::-1]))
            assert compare(mine, theirs) == 0, operator.name


def test_the_recorder_sees_a_violation(world: World) -> None:
    """A planted error: a person with twice the rows that one may have, let in under two identifiers."""
    [dataset] = [d for d in datasets() if d.name == "visits"]
    plan = next(o for o in OPERATORS if o.name == "rows of one person").plan()
    one = [record(dataset, lambda c: "30", PERSON)] * dataset.rows_per_person
    two = [*one, *({**row, dataset.person.column: "778"} for row in one)]
    without = observed(world, plan, {"n0": [], "n1": []})
    with pytest.raises(AssertionError, match="the noise bears"):
        compare(without, observed(world, plan, {"n0": two, "n1": []}))


def test_every_statistic_and_relation_that_runs_is_audited(world: World) -> None:
    """A statistic that calibrate accepts, or a relation that stability accepts, must stand in a row."""
    plans = [o.plan() for o in OPERATORS]
    seen = {m.statistic for p in plans for m in p.aggregate.measures}
    refused = {s for s in set(Statistic) - seen if _refused(s, plans)}
    assert seen | refused == set(Statistic)
    relations = {type(r) for p in plans for _, r in relations_of(p.aggregate.input)}
    assert relations >= {Scan}
    for plan in plans:
        assert stability_of(plan.aggregate.input, world.manifest.catalogue).hosts == HOSTS


def _refused(statistic: Statistic, plans: Sequence[Plan]) -> bool:
    summing = next(p for p in plans if p.aggregate.measures[0].statistic is Statistic.SUM)
    measure = replace(summing.aggregate.measures[0], statistic=statistic)
    try:
        calibration_of(replace(summing, aggregate=replace(summing.aggregate, measures=(measure,))))
    except Refused as error:
        return error.code == "POLICY_NOT_SUPPORTED"
    return False
