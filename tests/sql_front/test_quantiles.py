"""Quantiles from trees: consistency against a least-squares solver, the inverse of the counts, cover of intervals."""

from __future__ import annotations

from fractions import Fraction
from math import sqrt

import numpy as np
import pytest
from scipy.stats import binom

from engine.sql import Context, prepare
from engine.sql.finish import finish
from engine.sql.quantiles import Curve, consistent, curve_of, rank_deviations
from engine.trusted.calibrate import Grid, Tree, calibrate, layout_of
from engine.trusted.domains import scope_of
from engine.trusted.epsilon import loss_for
from engine.trusted.plan import Clamp

SHAPES = [(2, 1), (2, 4), (3, 3), (5, 2)]
ALARM = 1e-6


def matrix(tree: Tree) -> np.ndarray:
    """Node by leaf: 1 where the leaf lies below the node."""
    found = np.zeros((tree.nodes, tree.leaves))
    for leaf in range(tree.leaves):
        found[list(tree.path(leaf)), leaf] = 1
    return found


def curve(counts: list[int], width: int = 1, deviation: float = 0.0) -> Curve:
    tree = Tree(len(counts), 1, width)
    top = len(counts) * width - 1
    clamp = Clamp(Fraction(0), Fraction(top))
    return curve_of(tree, Grid(Fraction(1), Fraction(0), top), clamp, np.array(counts, dtype=np.float64), deviation)


@pytest.mark.parametrize(("branching", "depth"), SHAPES)
def test_consistency_is_least_squares(branching: int, depth: int) -> None:
    tree = Tree(branching, depth, 1)
    nodes = np.random.default_rng(4).normal(10, 5, (3, tree.nodes))
    for row, leaves in zip(nodes, consistent(tree, nodes), strict=True):
        solved, *_ = np.linalg.lstsq(matrix(tree), row, rcond=None)
        assert leaves == pytest.approx(solved, abs=1e-8)


@pytest.mark.parametrize(("branching", "depth"), SHAPES)
def test_ranks_deviate_as_linear_algebra_says(branching: int, depth: int) -> None:
    """Simulated from 400 trees: within 20 % of the exact deviation (some six deviations of the simulation itself)."""
    tree = Tree(branching, depth, 1)
    leaves = np.linalg.pinv(matrix(tree))
    reached = np.cumsum(leaves, axis=0) - 0.3 * leaves.sum(axis=0)
    exact = np.sqrt((reached**2).sum(axis=1))
    assert rank_deviations(branching, depth, 0.3) == pytest.approx(exact, rel=0.2)


@pytest.mark.parametrize("q", [Fraction(0), Fraction(1, 4), Fraction(1, 2), Fraction(9, 10), Fraction(1)])
@pytest.mark.parametrize("values", [[3], [0, 9], [1, 1, 1, 8], [0, 2, 2, 5, 9, 9], list(range(10))])
def test_exact_counts_give_the_exact_quantile(values: list[int], q: Fraction) -> None:
    counted = np.bincount(values, minlength=10).tolist()
    assert float(curve(counted).at(q, discrete=False)) == pytest.approx(np.quantile(values, float(q)))
    found = float(curve(counted).at(q, discrete=True))
    assert found == np.quantile(values, float(q), method="inverted_cdf")


def test_a_quantile_stays_inside_its_bounds_whatever_the_noise() -> None:
    draw = np.random.default_rng(1)
    for _ in range(50):
        noisy = curve([round(n) for n in draw.normal(5, 200, 16)], 3, 200.0)
        found = noisy.at(Fraction(1, 2), discrete=False, noise=draw.standard_normal(40) * 9)
        assert np.all(np.isnan(found)) or (found.min() >= 0 and found.max() <= 47)


def test_nobody_has_no_quantile() -> None:
    assert np.isnan(curve([0, 0, 0]).at(Fraction(1, 2), discrete=False))
    assert np.isnan(curve([-5, 2, 1]).at(Fraction(1, 2), discrete=True))


def test_more_of_the_values_give_a_higher_quantile() -> None:
    noisy = curve([7, -3, 12, 0, 5, -8, 20, 4])
    found = [float(noisy.at(Fraction(q, 20), discrete=False)) for q in range(21)]
    assert found == sorted(found)


def covered(context: Context, figure: str, told: float, releases: int = 150) -> int:
    """How many releases of noise have the true figure in the interval; ``told``: noise as told over noise drawn."""
    statement = prepare(f"SELECT {figure} AS f FROM people", context.catalogue, context.rules)
    calibration = calibrate(statement.plan, context.catalogue, loss_for(Fraction(1), Fraction(1, 10**9)), 2, 0)
    draw = np.random.default_rng(5)
    (block,) = layout_of(statement.plan.aggregate, scope_of(statement.plan.aggregate.input, context.catalogue))
    assert block.tree is not None
    pence = np.clip(np.round(draw.normal(4_000_000, 1_200_000, 6000)), 0, 20_000_000).astype(int)
    values = pence / 100
    nodes = np.zeros(block.tree.nodes)
    for value in pence:
        nodes[list(block.tree.path(int(value) // block.tree.width))] += 1
    median, spread = np.median(values), np.quantile(values, 0.75) - np.quantile(values, 0.25)
    true = float(median if figure.startswith("MEDIAN") else spread)
    shown = calibration.__class__(
        calibration.cells, calibration.multipliers, calibration.sigma, round(calibration.node_sigma * told)
    )
    hits = 0
    for _ in range(releases):
        noise = draw.normal(0, sqrt(2) * calibration.node_sigma, len(nodes))
        cells = tuple(int(n) for n in np.rint(nodes * calibration.multipliers[0] + noise))
        answer = finish(statement, context.catalogue, shown, cells, 2, np.random.default_rng(3))
        low, high = answer.intervals[0]["f"]
        hits += low <= true <= high
    return hits


RANGE = "QUANTILE_CONT(income, 0.75) - QUANTILE_CONT(income, 0.25)"


@pytest.mark.parametrize("figure", ["MEDIAN(income)", RANGE])
def test_intervals_of_quantiles_cover(figure: str, context: Context) -> None:
    """False alarm at most 1e-6 for a cover of 93 % or more."""
    assert covered(context, figure, 1.0) >= binom.ppf(ALARM, 150, 0.93)


def test_a_planted_error_is_rejected(context: Context) -> None:
    """Noise told at a third of its size covers some half: far below the threshold of the test above."""
    assert covered(context, "MEDIAN(income)", 0.33) < binom.ppf(ALARM, 150, 0.93)


def test_notes_say_what_extremes_are(context: Context) -> None:
    statement = prepare("SELECT MIN(income), MAX(income) FROM people", context.catalogue, context.rules)
    assert any(note.startswith("MIN is the 1 % quantile") for note in statement.notes)
    assert any(note.startswith("MAX is the 99 % quantile") for note in statement.notes)
    assert len(statement.plan.aggregate.measures) == 1


def test_quantiles_of_one_expression_share_a_tree(context: Context) -> None:
    asked = "MEDIAN(income), QUANTILE_CONT(income, 0.9), QUANTILE(income, 0.1), MEDIAN(income) FILTER (WHERE consent)"
    statement = prepare(f"SELECT {asked} FROM people", context.catalogue, context.rules)
    assert len(statement.plan.aggregate.measures) == 2
