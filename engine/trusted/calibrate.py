"""Calibration: from a plan and a loss to whole-number units, multipliers and noise.

Claim: the released vector (ring units, all blocks of a plan together) has L2 sensitivity at most D2 for adding or
       removing one person, and noise of scale ``sigma`` over h = n_min - f honest nodes makes it rho-zCDP with
       rho = D2^2 / (2 sigma^2) <= the loss (of a private join: its noise part, with h = 1). Headroom: no true sum plus
       40 standard deviations reaches 2^62.
Because: a block (one measure in one grouping set) moves by at most ``rows`` steps of ``bound_steps`` (counts of
       persons: sqrt(min(rows, groups)), 1 without keys; trees: rows sqrt(depth), all rows on one path), scaled by its
       multiplier; squares of blocks add; ``overlap`` hosts move at most ``overlap`` times as far. A product across a
       private join is one of whole steps, at most the product of both bounds; each of its two owners adds noise of
       scale sigma and relies on no other. Ceilings are taken on exact integers.
       A measure's weight only enters the choice of multipliers: D2 is summed up from the multipliers chosen, whatever
       they are, and sigma follows from it: a weight moves accuracy between measures, never the loss.
       Shares: each of h nodes adds a discrete Gaussian of scale s = node_sigma >= 64. By Kairouz, Liu, Steinke 2021
       (arXiv 2102.06387, Theorem 1) the sum costs rho = 1/2 (D2/sigma + tau sqrt(d))^2 with
       tau = 10 sum_{k<h} exp(-2 pi^2 s^2 k/(k+1)) <= 10 h exp(-pi^2 64^2) < h 1e-17000: for every h and d below 1e1000
       tau sqrt(d) < 1e-60, and the term is dropped.
Checked by: tests/trusted_numerics/test_calibrate.py::test_no_person_moves_a_block_beyond_its_declared_norm
            tests/trusted_numerics/test_calibrate.py::test_weights_split_the_square_and_change_no_loss
            tests/trusted_numerics/test_join.py::test_no_person_moves_a_private_join_beyond_d2
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor, isqrt, lcm, prod

from engine.errors import Refused
from engine.trusted.account import BILLION, noise_part
from engine.trusted.catalogue import Catalogue
from engine.trusted.domains import Scope, clamp_of, domain_of, product_of, scope_of
from engine.trusted.intervals import step_within
from engine.trusted.plan import Aggregate, Measure, Plan, PrivateJoin, Statistic, Type
from engine.trusted.records import Calibration, Loss
from engine.trusted.stability import Stability, stability_of

LEAST_NODE_SIGMA = 64  # proof above
FINE_NODE_SIGMA = 256  # then rounding sigma up wastes at most 0.4 %
FINE_BALANCE = 200  # norms of blocks within 0.5 % of what they are to be, so the split of the budget within 1 %
HEADROOM = 1 << 62
MOST_LEAVES = 4096
BRANCHING = 5  # at most; 4 at six layers errs 18 % less than 16 at three (benchmarks/quantiles.py)
_COUNTS = (Statistic.COUNT_ROWS, Statistic.COUNT_PRESENT, Statistic.COUNT_PERSONS)


@dataclass(frozen=True, slots=True)
class Grid:
    """A measure's units: k = floor((x - centre) / step + 1/2) of the clamped x, and |k| <= bound_steps."""

    step: Fraction
    centre: Fraction
    bound_steps: int


@dataclass(frozen=True, slots=True)
class Tree:
    """Counts of ``depth`` layers of nodes, ``branching`` below each; a leaf holds ``width`` steps. No root."""

    branching: int
    depth: int
    width: int

    @property
    def leaves(self) -> int:
        return int(self.branching**self.depth)

    @property
    def nodes(self) -> int:
        """Cells a group, layer by layer from the top."""
        return sum(self.branching**layer for layer in range(1, self.depth + 1))

    def path(self, leaf: int) -> tuple[int, ...]:
        """The nodes above a leaf, and the leaf itself: one a layer."""
        sizes = [self.branching**layer for layer in range(1, self.depth + 1)]
        return tuple(sum(sizes[:i]) + leaf * size // self.leaves for i, size in enumerate(sizes))


@dataclass(frozen=True, slots=True)
class Block:
    """The cells of one measure in one grouping set; row-major over ``shape``, the numbers of values of its keys, and
    for a quantile then over the nodes of its ``tree``."""

    grouping_set: int
    measure: int
    offset: int
    shape: tuple[int, ...]
    tree: Tree | None = None

    @property
    def cells(self) -> int:
        return prod(self.shape) * (self.tree.nodes if self.tree else 1)


def grid_of(measure: Measure, scope: Scope) -> Grid:
    """Step, centre and bound of one measure; counts: 1, 0, 1.

    The step is the one every value of the expression is a multiple of, where that is known and not too fine; else the
    power of two that puts 2^19 to 2^20 steps (2^29 to 2^30 where a known step was too fine) into the bound. Ends
    between grid points round to a neighbour, so the bound is rounded up. A product across a private join has the
    product of its factors' grids. Raises Refused POLICY_PLAN_INVALID,
    POLICY_NOT_SUPPORTED.
    """
    if measure.statistic in _COUNTS:
        return Grid(Fraction(1), Fraction(0), 1)
    if measure.expression is None or measure.clamp is None:
        raise Refused("POLICY_PLAN_INVALID", internal="a sum without expression or clamp")
    if factors := product_of(measure.expression, scope):
        left, right = (grid_of(Measure(Statistic.SUM, f, None, clamp_of(domain_of(f, scope))), scope) for f in factors)
        return Grid(left.step * right.step, Fraction(0), left.bound_steps * right.bound_steps)
    lower, upper = measure.clamp.lower, measure.clamp.upper
    if measure.statistic is Statistic.QUANTILE_TREE:
        reach, middle = upper - lower, lower
    else:
        centred = measure.statistic is Statistic.CENTRED_SUM
        reach = (upper - lower) / 2 if centred else max(abs(lower), abs(upper))
        middle = (lower + upper) / 2 if centred else Fraction(0)
    domain = domain_of(measure.expression, scope)
    step = step_within(Fraction(1) if domain.type is Type.DATE else domain.step, reach)
    centre = floor(middle / step + Fraction(1, 2)) * step
    bound = ceil(max(abs(lower - centre), abs(upper - centre)) / step)
    return Grid(step, centre, max(bound, 1))


def tree_of(measure: Measure, scope: Scope) -> Tree | None:
    """The tree of a quantile; None for other measures.

    A leaf is one step of the grid, or as many as it takes to have at most 4,096; no more than 5 nodes below one.
    """
    if measure.statistic is not Statistic.QUANTILE_TREE:
        return None
    steps = grid_of(measure, scope).bound_steps + 1
    width = -(-steps // MOST_LEAVES)
    leaves = -(-steps // width)
    depth = next(d for d in range(1, 7) if leaves <= BRANCHING**d)
    return Tree(next(b for b in range(1, BRANCHING + 1) if b**depth >= leaves), depth, width)


def layout_of(aggregate: Aggregate, scope: Scope) -> tuple[Block, ...]:
    """Where each block's cells lie: set by set, in a set measure by measure; offsets follow on."""
    blocks, offset = [], 0
    for index, grouping_set in enumerate(aggregate.grouping_sets):
        chosen = (aggregate.keys[key] for key in grouping_set.keys)
        shape = tuple(len(key.values) or key.selected_at_most for key in chosen)
        for position, measure in enumerate(aggregate.measures):
            blocks.append(Block(index, position, offset, shape, tree_of(measure, scope)))
            offset += blocks[-1].cells
    return tuple(blocks)


def cells_of(aggregate: Aggregate, scope: Scope) -> int:
    """Number of cells of all blocks, without the check cell."""
    return sum(block.cells for block in layout_of(aggregate, scope))


def calibrate(plan: Plan, catalogue: Catalogue, loss: Loss, n_min: int, f: int) -> Calibration:
    """Units and noise for one plan at one price, the same at every party that computes it.

    Raises Refused SQL_TOO_LARGE (headroom), SQL_EPSILON_RANGE (no rho), POLICY_TOO_FEW_HONEST (n_min - f < 1 or
    n_min above the number of hosts), SQL_OVERLAP_PERSONS, and what typing the plan raises.
    """
    aggregate = plan.aggregate
    stability = stability_of(aggregate.input, catalogue)
    honest = n_min - f
    private = isinstance(aggregate.input, PrivateJoin)
    if f < 0 or honest < 1 or n_min > len(stability.hosts) or (private and n_min < len(stability.hosts)):
        raise Refused("POLICY_TOO_FEW_HONEST")
    if private:
        loss, honest = noise_part(loss), 1
    if loss.rho_billionths < 1:
        raise Refused("SQL_EPSILON_RANGE")
    scope = scope_of(aggregate.input, catalogue)
    rows_moved = tuple(row_square(measure, scope) for measure in aggregate.measures)
    norms = block_norms(aggregate, rows_moved, stability)
    weights = [measure.weight or 1 for measure in aggregate.measures]
    shared = [max(squares) * lcm(*weights) // w for squares, w in zip(norms, weights, strict=True)]
    for tolerance, target in ((FINE_BALANCE, FINE_NODE_SIGMA), (1, LEAST_NODE_SIGMA)):
        multipliers = _balance(shared, tolerance)
        found = _noise(multipliers, norms, stability, loss, honest, target)
        noise = 40 * found[2] * (isqrt(len(stability.hosts)) + 1)
        rows = stability.at_most_rows * len(stability.hosts)
        if max(rows * m * isqrt(square) for m, square in zip(found[0], rows_moved, strict=True)) + noise < HEADROOM:
            return Calibration(cells_of(aggregate, scope), *found)
    raise Refused("SQL_TOO_LARGE", what="a sum over all rows")


def row_square(measure: Measure, scope: Scope) -> int:
    """The squared L2 norm, in steps, of what one row adds to a block: a tree counts it once in each layer."""
    tree = tree_of(measure, scope)
    return tree.depth if tree else grid_of(measure, scope).bound_steps ** 2


def block_norms(aggregate: Aggregate, squares: Sequence[int], stability: Stability) -> tuple[tuple[int, ...], ...]:
    """For each measure, the squared L2 norm (in its steps) of one person at one host, set by set."""
    return tuple(
        tuple(_square(measure, square, bool(chosen.keys), stability) for chosen in aggregate.grouping_sets)
        for measure, square in zip(aggregate.measures, squares, strict=True)
    )


def _square(measure: Measure, square: int, keyed: bool, stability: Stability) -> int:
    if measure.statistic is not Statistic.COUNT_PERSONS:
        return stability.rows**2 * square
    if stability.overlap > 1:
        raise Refused("SQL_OVERLAP_PERSONS")
    return min(stability.rows, stability.groups) if keyed else 1


def _balance(squares: Sequence[int], tolerance: int) -> tuple[int, ...]:
    """Multipliers that give all blocks nearly the norm of the largest: within 1/tolerance of it. ``squares``: those of
    the norms, each by the weight of its measure.

    The largest gets the least multiplier up to ``tolerance`` that achieves this; at ``tolerance`` it always does.
    """
    largest = max(squares)
    for lead in range(1, tolerance + 1):
        target = lead * lead * largest
        multipliers = tuple(_nearest_root(target, square) for square in squares)
        within = (
            (tolerance - 1) ** 2 * target <= tolerance**2 * m * m * square <= (tolerance + 1) ** 2 * target
            for m, square in zip(multipliers, squares, strict=True)
        )
        if all(within):
            break
    return multipliers


def _nearest_root(target: int, square: int) -> int:
    """The whole number m for which m * sqrt(square) is nearest to sqrt(target)."""
    m = isqrt(target // square)
    return m + 1 if (2 * m + 1) ** 2 * square < 4 * target else m


def _noise(
    balanced: Sequence[int],
    norms: Sequence[Sequence[int]],
    stability: Stability,
    loss: Loss,
    honest: int,
    target: int,
) -> tuple[tuple[int, ...], int, int]:
    """Multipliers scaled up until a node's share is at least ``target`` wide; sigma; a node's sigma."""
    square = sum(m * m * n for m, squares in zip(balanced, norms, strict=True) for n in squares)
    distance = stability.overlap**2 * square  # D2^2
    scale = max(1, root_up(Fraction(target**2 * 2 * loss.rho_billionths * honest, BILLION * distance)))
    sigma = root_up(Fraction(scale**2 * distance * BILLION, 2 * loss.rho_billionths))
    return tuple(m * scale for m in balanced), sigma, root_up(Fraction(sigma**2, honest))


def root_up(value: Fraction) -> int:
    """The least whole number whose square is at least ``value``."""
    whole = ceil(value)
    root = isqrt(whole)
    return root if root * root >= whole else root + 1
