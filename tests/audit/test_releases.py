"""T2, end to end: an attacker who sees many releases over two neighbouring data sets learns no more than is claimed.

The exact sums of both come from the whole spine of every host; noise is added to a vector that holds them many times
over, by the node's own function and sampler, then all hosts' vectors are added in the ring (cells that are the same in
both say nothing and are left out). The attacker projects each
release on the difference - the best test there is against Gaussian noise - and accepts above a threshold fixed
beforehand. Of both frequencies a one-sided Clopper-Pearson bound gives, for each delta, an epsilon that the mechanism
has at least; it must not exceed ``epsilon_of`` of the loss that was charged. False alarms: 1e-6 an aggregate.
"""

from __future__ import annotations

from fractions import Fraction
from math import log
from typing import Any

import numpy as np
import pytest
from neighbours import KINDS, OFTEN
from scipy import stats
from test_greybox import neighbours, observed
from world import FORM, HOSTS, Form, Operator, World, datasets_with, operators

from engine.trusted import ring
from engine.trusted.epsilon import epsilon_of, loss_for
from engine.trusted.noise import ProductionSampler
from engine.trusted.random import SystemRandomness
from nodes.shares import add_noise, with_check_cell

ALARM = 1e-6
RELEASES = {Form.SHORT: 20_000, Form.WHOLE: 200_000, Form.LONG: 2_000_000}[FORM]
DELTAS = (Fraction(1, 10**9), Fraction(1, 1000), Fraction(1, 50), Fraction(1, 10))
THRESHOLDS = (0.5, 1.0, 1.5, 2.0, 2.5, 3.0)  # standard deviations of the release
COMPARISONS = len(DELTAS) * len(THRESHOLDS) * 2
PRICE = loss_for(Fraction(6), Fraction(1, 10**6))  # wide apart, so that little noise would show in few releases
CHUNK = 1 << 20
TYPES = (
    "count rows",
    "count persons",
    "count present",
    "sum of a decimal",
    "sum about zero",
    "average",
    "several measures",
    "GROUP BY a nullable text",
    "levels of two keys",
    "capped groups",
    "capped groups of persons",
    "overlapping hosts",
    "quantile of capped groups",
    "a person's total",
    "persons of a join by group",
)
SAMPLER = ProductionSampler(SystemRandomness())
Cells = tuple[int, ...]


def worst_pair(world: World, operator: Operator) -> tuple[list[Cells], list[Cells], int]:
    """Each host's exact sums without and with the person that moves them furthest; the scale of a node's noise."""
    plan = operator.plan()
    held = datasets_with(plan)
    kinds = [k for k in KINDS if k.every <= OFTEN and k.among(held)]
    without = observed(world, plan, neighbours(held, "nobody", kinds[0])[0], loss=PRICE)
    best: tuple[int, list[Cells]] = (0, [])
    before = [without.at[h].mechanisms[0].before[:-1] for h in HOSTS]
    for kind in kinds:
        seen = observed(world, plan, neighbours(held, "nobody", kind)[1], without, loss=PRICE)
        after = [seen.at[h].mechanisms[0].before[:-1] for h in HOSTS]
        far = sum(
            (sum(b) - sum(a)) ** 2 for a, b in zip(zip(*before, strict=True), zip(*after, strict=True), strict=True)
        )
        best = max(best, (far, after))
    moved = np.flatnonzero(added(before) - added(best[1]))
    before, after = ([tuple(cells[i] for i in moved) for cells in sums] for sums in (before, best[1]))
    return before, after, without.at[HOSTS[0]].mechanisms[0].sigma


def projections(sums: list[Cells], origin: np.ndarray, direction: np.ndarray, sigma: int) -> np.ndarray:
    """Each release less ``origin`` along ``direction``."""
    cells, found = len(origin), []
    for start in range(0, RELEASES, max(1, CHUNK // cells)):
        count = min(RELEASES - start, max(1, CHUNK // cells))
        total = ring.from_integers([0] * (count * cells + 1))
        for own in sums:
            total = ring.add(total, add_noise(with_check_cell(own * count), sigma, SAMPLER))
        found.append((total[:-1].view(np.int64).reshape(count, cells) - origin).astype(float) @ direction)
    return np.concatenate(found)


def added(sums: list[Cells]) -> np.ndarray:
    return np.array([sum(cells) for cells in zip(*sums, strict=True)], dtype=np.int64)


def bounds(before: list[Cells], after: list[Cells], declared: int, drawn: int) -> dict[Fraction, float]:
    """For each delta a lower bound of epsilon; ``declared``: a node's calibrated scale, ``drawn``: the real one."""
    scale = declared * len(HOSTS) ** 0.5
    step = (added(after) - added(before)).astype(float)
    far = float(np.linalg.norm(step)) / scale
    direction = step / np.linalg.norm(step) / scale
    quiet, loud = (projections(sums, added(before), direction, drawn) for sums in (before, after))
    found = dict.fromkeys(DELTAS, 0.0)
    for threshold in THRESHOLDS:
        for hits, misses in ((loud > threshold, quiet > threshold), (quiet < far - threshold, loud < far - threshold)):
            lower, upper = at_least(int(hits.sum())), 1 - at_least(RELEASES - int(misses.sum()))
            for delta in DELTAS:
                if lower > delta:
                    found[delta] = max(found[delta], log((lower - float(delta)) / upper))
    return found


def at_least(hits: int) -> float:
    """One-sided Clopper-Pearson bound of a frequency, for all comparisons together."""
    return float(stats.beta.ppf(ALARM / COMPARISONS / 2, hits, RELEASES - hits + 1)) if hits else 0.0


def excess(found: dict[Fraction, float]) -> float:
    return max(bound - float(epsilon_of(PRICE, delta)) for delta, bound in found.items())


@pytest.mark.parametrize("name", TYPES[:: 2 if FORM is Form.SHORT else 1])
def test_releases_show_no_more_than_is_claimed(name: str, world: World, record_property: Any) -> None:
    operator = next(o for o in operators() if o.name == name)
    before, after, sigma = worst_pair(world, operator)
    found = bounds(before, after, sigma, sigma)
    claimed = ", ".join(f"{found[d]:.2f} <= {float(epsilon_of(PRICE, d)):.2f} at {float(d):g}" for d in DELTAS)
    record_property(f"audit {name}: epsilon of {RELEASES} releases a side", claimed)
    assert excess(found) <= 0
    assert excess(bounds(before, after, sigma, sigma // 2)) > 0, "half the noise would not be noticed"
