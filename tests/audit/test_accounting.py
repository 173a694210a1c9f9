"""Accounting against a second implementation: a few lines of decimal arithmetic that share nothing with account.py.

1,000 random plans at random prices over one to six hosts: what is charged pays for the noise that the plan gets, and
for at most 2 % more; the epsilon that a session of them adds up to is the one of the conversion. The same plans
against Google's dp-accounting: benchmarks/accounting.py.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal, getcontext
from fractions import Fraction
from math import ceil

import pytest
from world import CATALOGUE, operators, weighted

from engine.trusted.account import add_loss
from engine.trusted.calibrate import calibrate, grid_of
from engine.trusted.catalogue import Catalogue
from engine.trusted.domains import scope_of
from engine.trusted.epsilon import epsilon_of, loss_for
from engine.trusted.plan import Measure, Plan, Statistic
from engine.trusted.records import Calibration, Loss
from engine.trusted.stability import stability_of

PLANS = 1_000
getcontext().prec = 30


@dataclass(frozen=True)
class Priced:
    plan: Plan
    catalogue: Catalogue
    loss: Loss
    honest: int
    calibration: Calibration


def random_plans(count: int, seed: int = 4) -> Iterator[Priced]:
    """Plans of the audit's table, half with random weights, at random prices, with hosts and trust at random."""
    rng, rows = random.Random(seed), operators()
    for _ in range(count):
        hosts = tuple(f"n{i}" for i in range(rng.randint(1, 6)))
        overlap = rng.randint(1, len(hosts))
        changed = tuple(replace(d, hosts=hosts, overlap=overlap if d.overlap > 1 else 1) for d in CATALOGUE.datasets)
        catalogue = replace(CATALOGUE, datasets=changed)
        plan = rng.choice(rows).plan()
        if rng.random() < 0.5:
            plan = weighted(plan, [rng.choice((0, 1, 2, 7, 64, rng.randint(1, 64))) for _ in plan.aggregate.measures])
        n_min = rng.randint(1, len(hosts))
        f = rng.randint(0, n_min - 1)
        epsilon = Fraction(rng.choice((1, 2, 5)), 10 ** rng.randint(0, 2)) * rng.choice((1, 1, 7))
        loss = loss_for(epsilon, Fraction(1, 10 ** rng.randint(6, 12)))
        yield Priced(plan, catalogue, loss, n_min - f, calibrate(plan, catalogue, loss, n_min, f))


def reach(plan: Plan, catalogue: Catalogue, multipliers: tuple[int, ...]) -> int:
    """Squared distance that one person's rows at all hosts can move the release, from the catalogue's words."""
    aggregate, scope = plan.aggregate, scope_of(plan.aggregate.input, catalogue)
    of = stability_of(aggregate.input, catalogue)
    total = 0
    for chosen in aggregate.grouping_sets:
        for measure, multiplier in zip(aggregate.measures, multipliers, strict=True):
            cells = min(of.rows, of.groups) if chosen.keys else 1
            persons, tree = (measure.statistic is s for s in (Statistic.COUNT_PERSONS, Statistic.QUANTILE_TREE))
            moved = layers(measure, scope) if tree else steps(measure, scope) ** 2
            total += multiplier**2 * (cells if persons else of.rows**2 * moved)
    return total * of.overlap**2


def steps(measure: Measure, scope: object) -> int:
    """The farthest whole step of a measure from its centre."""
    grid, clamp = grid_of(measure, scope), measure.clamp  # type: ignore[arg-type]
    if clamp is None:
        return 1
    return max(1, ceil(max(abs(end - grid.centre) for end in (clamp.lower, clamp.upper)) / grid.step))


def layers(measure: Measure, scope: object) -> int:
    """The counts that one row moves: one a layer of the lowest tree, of five branches at most, over 4,096 leaves."""
    values = steps(measure, scope) + 1
    leaves = ceil(values / ceil(values / 4096))
    return next(depth for depth in range(1, 7) if 5**depth >= leaves)


def least_epsilon(rho: Decimal, delta: Decimal) -> Decimal:
    """min over alpha of rho alpha + (ln(1/delta) + (alpha-1) ln(1-1/alpha) - ln alpha) / (alpha-1), by a fine scan."""

    def at(order: Decimal) -> Decimal:
        return rho * order + (-delta.ln() + (order - 1) * (1 - 1 / order).ln() - order.ln()) / (order - 1)

    best, width = 1 + (-delta.ln() / rho).sqrt(), Decimal(1)
    for _ in range(24):
        around = [1 + (best - 1) * (1 + width * Decimal(k) / 4) for k in range(-3, 5)]
        best = min(around, key=at)
        width /= 2
    return at(best)


def test_each_charge_pays_for_its_noise_and_little_more() -> None:
    for priced in random_plans(PLANS):
        found = priced.calibration
        spent = Fraction(
            reach(priced.plan, priced.catalogue, found.multipliers), 2 * priced.honest * found.node_sigma**2
        )
        charged = Fraction(priced.loss.rho_billionths, 10**9)
        assert spent <= charged <= spent * Fraction(102, 100)


@pytest.mark.parametrize("session", [1, 5, 20])
def test_the_epsilon_of_a_session_is_that_of_the_conversion(session: int) -> None:
    rng = random.Random(session)
    plans = [loss_for(Fraction(rng.randint(1, 5000), 1000), Fraction(1, 10**9)) for _ in range(PLANS)]
    for start in range(0, PLANS - session, PLANS // 5):
        total = Loss(0, 0)
        for loss in plans[start : start + session]:
            total = add_loss(total, loss)
        for delta in (Fraction(1, 10**6), Fraction(1, 10**9)):
            mine = least_epsilon(Decimal(total.rho_billionths) / 10**9, Decimal(1) / delta.denominator)
            theirs = Decimal(epsilon_of(total, delta).numerator) / epsilon_of(total, delta).denominator
            assert mine - Decimal("1e-20") <= theirs <= mine * Decimal("1.0001") + Decimal("1e-8")


def test_a_charge_too_small_by_three_per_cent_would_be_seen() -> None:
    for priced in random_plans(20):
        found, loss = priced.calibration, priced.loss
        less = Loss(loss.rho_billionths * 97 // 100, 0)
        spent = Fraction(
            reach(priced.plan, priced.catalogue, found.multipliers), 2 * priced.honest * found.node_sigma**2
        )
        assert spent > Fraction(less.rho_billionths, 10**9)
