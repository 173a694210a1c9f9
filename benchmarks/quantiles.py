"""Error of quantiles from trees of counts, by branching, beside the exact quantile: python -m benchmarks.quantiles

One row a person, 10,000 rows, (epsilon, delta) = (1, 1e-9), all of it spent on one tree. Prints the root mean square
error of the rank (in rows) and of the value, and how often the 95 % interval holds the exact quantile.
"""

from __future__ import annotations

from fractions import Fraction
from math import sqrt

import numpy as np

from engine.sql.quantiles import curve_of
from engine.trusted.calibrate import Grid, Tree
from engine.trusted.epsilon import loss_for
from engine.trusted.plan import Clamp

ROWS = 10_000
RELEASES = 200
SHAPES = ((2, 12), (4, 6), (8, 4), (16, 3), (64, 2), (4096, 1))
TOP = 200_000


def measured(tree: Tree, values: np.ndarray, fraction: Fraction, generator: np.random.Generator) -> tuple[float, ...]:
    rho = float(Fraction(loss_for(Fraction(1), Fraction(1, 10**9)).rho_billionths, 10**9))
    deviation = sqrt(tree.depth / (2 * rho))
    width = TOP / tree.leaves
    leaves = np.bincount(np.minimum(values // width, tree.leaves - 1).astype(int), minlength=tree.leaves)
    layers = [leaves.reshape(tree.branching**j, -1).sum(axis=1) for j in range(1, tree.depth + 1)]
    nodes = np.concatenate(layers).astype(float)
    exact, ordered, errors = float(np.quantile(values, float(fraction))), np.sort(values), []
    grid, clamp = Grid(Fraction(1, 100), Fraction(0), TOP * 100), Clamp(Fraction(0), Fraction(TOP))
    tree = Tree(tree.branching, tree.depth, int(width * 100))
    hits = 0
    for _ in range(RELEASES):
        curve = curve_of(tree, grid, clamp, nodes + generator.normal(0, deviation, tree.nodes), deviation)
        value = float(curve.at(fraction, discrete=False))
        low, high = curve.at(fraction, discrete=False, noise=np.array([-1.96, 1.96]))
        hits += low <= exact <= high
        errors.append((np.searchsorted(ordered, value) - float(fraction) * len(values), value - exact))
    rank, size = np.sqrt(np.mean(np.square(errors), axis=0))
    return float(rank), float(size), hits / RELEASES


def main() -> None:
    generator = np.random.default_rng(1)
    incomes = np.round(np.clip(generator.lognormal(10.2, 0.6, ROWS), 0, TOP), 2)
    print(f"{'branching':>9} {'layers':>6} {'cells':>6} {'quantile':>8} {'rank':>7} {'pounds':>8} {'in 95 %':>7}")
    for branching, depth in SHAPES:
        tree = Tree(branching, depth, 1)
        for fraction in (Fraction(1, 2), Fraction(9, 10), Fraction(99, 100)):
            rank, size, hits = measured(tree, incomes, fraction, generator)
            print(f"{branching:9} {depth:6} {tree.nodes:6} {float(fraction):8} {rank:7.1f} {size:8.1f} {hits:7.3f}")


if __name__ == "__main__":
    main()
