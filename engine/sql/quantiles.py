"""Quantiles from noisy trees of counts: nodes made consistent, one rising curve of counts, and its inverse.

Consistency is the exact weighted least squares of Hay, Rastogi, Miklau and Suciu 2010 (arXiv 0904.0942, Theorem 3) for
``b`` children a node, where the root is not measured: of all trees whose nodes are the sums of their children it takes
the one nearest to what was released. The curve is the middle of the running maximum from below and the running
minimum from above, the rising curve nearest to the counts. A value between two leaves' ends is interpolated.
All of it works on released numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.trusted.calibrate import Grid, Tree
from engine.trusted.plan import Clamp

Floats = NDArray[np.float64]
TREES = 400  # simulated, for the deviation of a rank


def consistent(tree: Tree, nodes: Floats) -> Floats:
    """Leaf counts from the counts of all nodes, layer by layer in the last axis."""
    b = tree.branching
    layers, start = [], 0
    for layer in range(1, tree.depth + 1):
        layers.append(nodes[..., start : start + b**layer])
        start += b**layer
    below = layers[-1]
    best = [below]
    for height, measured in enumerate(reversed(layers[:-1]), 2):
        weight = (b**height - b ** (height - 1)) / (b**height - 1)
        below = weight * measured + (1 - weight) * _sums(below, b)
        best.insert(0, below)
    counts = best[0]
    for lower in best[1:]:
        counts = lower + np.repeat((counts - _sums(lower, b)) / b, b, axis=-1)
    return counts


def _sums(counts: Floats, branching: int) -> Floats:
    total: Floats = counts.reshape(*counts.shape[:-1], -1, branching).sum(axis=-1)
    return total


@dataclass(frozen=True, slots=True)
class Curve:
    """How many rows have a value up to the end of each leaf, from 0; ``deviation``: of the noise on one node."""

    grid: Grid
    tree: Tree
    clamp: Clamp
    reached: Floats
    deviation: float

    @property
    def total(self) -> float:
        return float(self.reached[-1])

    def at(self, fraction: Fraction, *, discrete: bool, noise: Any = 0.0) -> Any:
        """The quantile; NaN where fewer than one row is counted. ``noise``: draws of the rank, standard normal."""
        if self.total < 1:
            return np.full(np.shape(noise), np.nan)
        q = float(fraction)
        shift = self.deviation * self._rank_deviation(fraction) * np.asarray(noise)
        if discrete:
            return self._value(np.ceil(q * self.total - 1e-9) - 0.5 + shift)
        rank = q * (self.total - 1) + shift
        lower = np.floor(rank + 1e-9)
        part = np.clip(rank - lower, 0, 1)
        return (1 - part) * self._value(lower + 0.5) + part * self._value(lower + 1.5)

    def _value(self, count: Any) -> Any:
        """The value at which the curve reaches a count."""
        wanted = np.clip(count, 0.5, max(self.total - 0.5, 0.5))
        leaf = np.minimum(np.searchsorted(self.reached, wanted, side="left"), self.tree.leaves - 1)
        before = np.where(leaf > 0, self.reached[np.maximum(leaf - 1, 0)], 0.0)
        inside = np.clip((wanted - before) / np.maximum(self.reached[leaf] - before, 1e-12), 0, 1)
        steps = leaf * self.tree.width + inside * (self.tree.width - 1)
        return np.clip(
            float(self.grid.centre) + steps * float(self.grid.step), float(self.clamp.lower), float(self.clamp.upper)
        )

    def _rank_deviation(self, fraction: Fraction) -> float:
        """The largest among the leaves that the quantile may lie in: it differs much from leaf to leaf."""
        spread = rank_deviations(self.tree.branching, self.tree.depth, float(fraction))
        rank, reach = float(fraction) * self.total, 2 * self.deviation * float(spread.max())
        first, last = np.searchsorted(self.reached, [rank - reach, rank + reach])
        return float(spread[min(first, self.tree.leaves - 1) : last + 1].max())


def curve_of(tree: Tree, grid: Grid, clamp: Clamp, nodes: Floats, deviation: float) -> Curve:
    """The curve of one group from its released nodes, in counts."""
    reached = np.cumsum(consistent(tree, nodes))
    risen = np.maximum.accumulate(np.maximum(reached, 0))
    fallen = np.minimum.accumulate(np.maximum(reached, 0)[::-1])[::-1]
    return Curve(grid, tree, clamp, (risen + fallen) / 2, deviation)


@lru_cache(maxsize=64)
def rank_deviations(branching: int, depth: int, fraction: float) -> Floats:
    """For noise of deviation 1 on each node: that of (rows up to a leaf) - fraction * (all rows), at each leaf."""
    tree = Tree(branching, depth, 1)
    drawn = np.random.default_rng(1).standard_normal((TREES, tree.nodes))
    reached = np.cumsum(consistent(tree, drawn), axis=-1)
    spread: Floats = (reached - fraction * reached[:, -1:]).std(axis=0)
    return spread
