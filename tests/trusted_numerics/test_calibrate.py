from __future__ import annotations

import math
import random
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_catalogue import call, catalogue_of, column, counted, plan_of, summed, value

from engine.errors import Refused
from engine.trusted.calibrate import Tree, block_norms, calibrate, cells_of, grid_of, layout_of, row_square, tree_of
from engine.trusted.catalogue import Catalogue
from engine.trusted.domains import clamp_of, domain_of, scope_of
from engine.trusted.epsilon import loss_for
from engine.trusted.plan import Measure, Plan, Scan, Statistic
from engine.trusted.records import Calibration, Loss
from engine.trusted.stability import stability_of

FEW = settings(max_examples=50, deadline=None)
ONE = loss_for(Fraction(1), Fraction(1, 10**9))
SHAPES = st.tuples(st.integers(1, 5), st.integers(1, 5), st.integers(1, 3))

MEASURES = (
    counted(),
    counted(Statistic.COUNT_PRESENT, expression=column("age")),
    counted(Statistic.COUNT_PERSONS),
    summed(column("income"), 0, 2000),
    summed(column("income"), 0, 2000, centred=True),
    summed(column("age"), -3, 12),
    summed(column("ratio"), Fraction(1, 10), Fraction(7, 10)),
    summed(call("DIVIDE", column("income"), value(7)), 0, 285, centred=True),
    replace(summed(column("income"), 0, 2000), statistic=Statistic.QUANTILE_TREE),
    replace(summed(column("age"), -3, 12), statistic=Statistic.QUANTILE_TREE),
    replace(summed(column("ratio"), Fraction(1, 10), Fraction(7, 10)), statistic=Statistic.QUANTILE_TREE),
)


def steps_of(measure: Measure, x: Fraction | None, catalogue: Catalogue) -> int:
    """What one row adds to a cell, written from PROTOCOL's words: clamp, floor to the grid, NULL adds nothing."""
    grid = grid_of(measure, scope_of(Scan("people"), catalogue))
    if measure.statistic not in (Statistic.SUM, Statistic.CENTRED_SUM):
        return int(measure.statistic is not Statistic.COUNT_PRESENT or x is not None)
    if x is None or measure.clamp is None:
        return 0
    clamped = min(max(x, measure.clamp.lower), measure.clamp.upper)
    return math.floor((clamped - grid.centre) / grid.step + Fraction(1, 2))


def block_square(measure: Measure, rows: list[tuple[int, Fraction | None]], catalogue: Catalogue) -> int:
    """Squared L2 norm of one person's rows (group, value) in one block."""
    scope = scope_of(Scan("people"), catalogue)
    tree, grid = tree_of(measure, scope), grid_of(measure, scope)
    cells: dict[tuple[int, int], int] = {}
    for group, x in rows:
        added = {(group, 0): 1 if measure.statistic is Statistic.COUNT_PERSONS else steps_of(measure, x, catalogue)}
        if tree and measure.clamp:
            clamped = None if x is None else min(max(x, measure.clamp.lower), measure.clamp.upper)
            steps = None if clamped is None else math.floor((clamped - grid.centre) / grid.step + Fraction(1, 2))
            added = {} if steps is None else {(group, 1 + n): 1 for n in tree.path(steps // tree.width)}
        for cell, count in added.items():
            cells[cell] = 1 if measure.statistic is Statistic.COUNT_PERSONS else cells.get(cell, 0) + count
    return sum(c * c for c in cells.values())


@FEW
@given(SHAPES, st.sampled_from(MEASURES), st.booleans(), st.randoms(use_true_random=False))
def test_no_person_moves_a_block_beyond_its_declared_norm(
    shape: tuple[int, int, int], measure: Measure, keyed: bool, rng: random.Random
) -> None:
    """Random persons stay inside the declared norm; the worst person reaches at least half of it."""
    rows, groups, _ = shape
    catalogue = catalogue_of(rows=rows, groups=min(groups, rows))
    plan = plan_of(catalogue, measure, keys=("region",) if keyed else ())
    stability = stability_of(Scan("people"), catalogue)
    square = row_square(measure, scope_of(Scan("people"), catalogue))
    (declared,) = block_norms(plan.aggregate, (square,), stability)
    ends = (Fraction(-(10**6)), Fraction(0), Fraction(10**6), None)
    worst = 0
    for trial in range(60):
        count = rows if trial % 2 else rng.randint(1, rows)
        values = [rng.choice(ends) if trial % 3 else Fraction(rng.randint(-(10**5), 10**6), 100) for _ in range(count)]
        if trial >= 50:
            values = [ends[0 if trial % 2 else 2]] * rows
        spread = min(groups, rows) if keyed else 1
        persons = [(i % (spread if trial % 4 else 1), x) for i, x in enumerate(values)]
        worst = max(worst, block_square(measure, persons, catalogue))
    assert worst <= declared[0]
    assert 4 * worst >= declared[0]


@FEW
@given(
    SHAPES,
    st.lists(st.sampled_from(MEASURES), min_size=1, max_size=5, unique=True),
    st.integers(1, 20),
    st.sampled_from([Fraction(1, 10), Fraction(1), Fraction(5), Fraction(100)]),
    st.booleans(),
)
def test_calibration_keeps_every_promise(
    shape: tuple[int, int, int], measures: list[Measure], hosts: int, epsilon: Fraction, total: bool
) -> None:
    rows, groups, overlap = shape
    overlap = min(overlap, hosts)
    if overlap > 1:
        measures = [m for m in measures if m.statistic is not Statistic.COUNT_PERSONS] or [counted()]
    catalogue = catalogue_of(rows=rows, groups=groups, overlap=overlap, hosts=hosts, persons=1000)
    plan = plan_of(catalogue, *measures, total=total)
    loss = loss_for(epsilon, Fraction(1, 10**9))
    n_min = max(1, hosts - 1)
    found = calibrate(plan, catalogue, loss, n_min, 0)
    assert found == calibrate(plan, catalogue, loss, n_min, 0)
    scope = scope_of(Scan("people"), catalogue)
    norms = block_norms(
        plan.aggregate, tuple(row_square(m, scope) for m in measures), stability_of(Scan("people"), catalogue)
    )
    squares = [max(n) * m * m for n, m in zip(norms, found.multipliers, strict=True)]
    assert min(squares) >= 0.979 * max(squares)  # L2 within 1 % of the largest, or above it by 1 %
    distance = overlap**2 * sum(m * m * n for m, sets in zip(found.multipliers, norms, strict=True) for n in sets)
    assert 2 * loss.rho_billionths * found.sigma**2 >= distance * 10**9
    assert found.node_sigma**2 * n_min >= found.sigma**2
    assert found.node_sigma >= 64
    exact = math.sqrt(distance * 1e9 / (2 * loss.rho_billionths) / n_min)
    assert found.node_sigma <= 1.01 * exact
    assert found.cells == cells_of(plan.aggregate, scope)


@pytest.mark.parametrize("nodes", [2, 5, 20])
@pytest.mark.parametrize("epsilon", ["0.1", "1", "10"])
def test_many_nodes_are_as_exact_as_one_curator(nodes: int, epsilon: str) -> None:
    """n_min = n, f = 0: SD of the sum of all shares within 5 % of one curator's at the same (epsilon, delta)."""
    loss = loss_for(Fraction(epsilon), Fraction(1, 10**9))

    def deviation(hosts: int, n_min: int) -> float:
        catalogue = catalogue_of(hosts=hosts)
        found = calibrate(plan_of(catalogue, counted()), catalogue, loss, n_min, 0)
        return found.node_sigma * math.sqrt(n_min) / found.multipliers[0]

    curator = math.sqrt(1e9 / (2 * loss.rho_billionths))
    assert curator <= deviation(1, 1) <= 1.01 * curator
    assert curator <= deviation(nodes, nodes) <= 1.05 * curator
    assert deviation(nodes, nodes - 1) <= 1.05 * curator


def _calibrated(catalogue: Catalogue, *measures: Measure, loss: Loss = ONE, n_min: int = 2, f: int = 0) -> Calibration:
    return calibrate(plan_of(catalogue, *measures), catalogue, loss, n_min, f)


def test_noise_grows_with_overlap_rows_and_corrupt_nodes() -> None:
    def sd(found: Calibration, honest: int) -> float:
        return found.node_sigma * math.sqrt(honest) / found.multipliers[0]

    single = sd(_calibrated(catalogue_of(hosts=4), counted(), n_min=4), 4)
    assert sd(_calibrated(catalogue_of(hosts=4, rows=3), counted(), n_min=4), 4) == pytest.approx(3 * single, rel=0.01)
    assert sd(_calibrated(catalogue_of(hosts=4, overlap=2), counted(), n_min=4), 4) == pytest.approx(
        2 * single, rel=0.01
    )
    assert sd(_calibrated(catalogue_of(hosts=4), counted(), n_min=4, f=3), 1) == pytest.approx(single, rel=0.01)
    both = _calibrated(catalogue_of(hosts=4), counted(), summed(column("income"), 0, 2000), n_min=4)
    assert sd(both, 4) == pytest.approx(math.sqrt(2) * single, rel=0.01)


def test_persons_in_many_groups_cost_the_root_of_their_number() -> None:
    catalogue = catalogue_of(rows=9, groups=4)
    found = _calibrated(catalogue, counted(Statistic.COUNT_PERSONS))
    plain = _calibrated(catalogue_of(), counted(Statistic.COUNT_PERSONS))
    ratio = found.node_sigma / found.multipliers[0] / (plain.node_sigma / plain.multipliers[0])
    assert ratio == pytest.approx(2, rel=0.01)


def test_refusals() -> None:
    catalogue = catalogue_of()
    for n_min, f in ((0, 0), (2, 2), (3, 0), (2, -1)):
        with pytest.raises(Refused, match="POLICY_TOO_FEW_HONEST"):
            _calibrated(catalogue, counted(), n_min=n_min, f=f)
    with pytest.raises(Refused, match="SQL_EPSILON_RANGE"):
        _calibrated(catalogue, counted(), loss=Loss(0, 0))
    with pytest.raises(Refused, match="SQL_OVERLAP_PERSONS"):
        _calibrated(catalogue_of(overlap=2), counted(Statistic.COUNT_PERSONS))
    crowded = catalogue_of(rows=1000, persons=10**15, most=10**16, hosts=10)
    with pytest.raises(Refused, match="SQL_TOO_LARGE"):
        _calibrated(crowded, summed(column("income"), 0, 2000))


def test_headroom_gives_way_to_coarser_shares_before_it_refuses() -> None:
    """Blocks of awkward sizes want large multipliers; near the limit they get plain ones."""
    measures = (summed(column("income"), 0, 2000), summed(column("income"), 0, Fraction("1370.01")))
    free = _calibrated(catalogue_of(), *measures)
    assert min(free.multipliers) > 1
    tight = _calibrated(catalogue_of(most=10**12, persons=10**12, hosts=10), *measures)
    assert tight.multipliers == (1, 1)


@FEW
@given(
    SHAPES,
    st.lists(st.sampled_from(MEASURES), min_size=1, max_size=5, unique=True),
    st.lists(st.integers(0, 64), min_size=5, max_size=5),
    st.booleans(),
)
def test_weights_split_the_square_and_change_no_loss(
    shape: tuple[int, int, int], measures: list[Measure], drawn: list[int], total: bool
) -> None:
    """Squares of blocks are as their weights within 2 %; what the multipliers add up to is paid for all the same."""
    rows, groups, _ = shape
    catalogue = catalogue_of(rows=rows, groups=groups, persons=1000)
    weighted = [replace(measure, weight=w) for measure, w in zip(measures, drawn, strict=False)]
    plan, loss = plan_of(catalogue, *weighted, total=total), loss_for(Fraction(1), Fraction(1, 10**9))
    found, scope = calibrate(plan, catalogue, loss, 2, 0), scope_of(Scan("people"), catalogue)
    squares = tuple(row_square(m, scope) for m in measures)
    norms = block_norms(plan.aggregate, squares, stability_of(Scan("people"), catalogue))
    parts = [max(n) * m * m / (w.weight or 1) for n, m, w in zip(norms, found.multipliers, weighted, strict=True)]
    assert min(parts) >= 0.979 * max(parts)
    distance = sum(m * m * n for m, sets in zip(found.multipliers, norms, strict=True) for n in sets)
    assert 2 * loss.rho_billionths * found.sigma**2 >= distance * 10**9
    assert 64 <= found.node_sigma <= 1.01 * math.sqrt(distance * 1e9 / (2 * loss.rho_billionths) / 2)


def test_weight_one_is_no_weight() -> None:
    plain, given_ = (
        _calibrated(catalogue_of(), counted(), replace(summed(column("income"), 0, 2000), weight=w)) for w in (0, 1)
    )
    assert plain == given_
    assert plain != _calibrated(catalogue_of(), counted(), replace(summed(column("income"), 0, 2000), weight=2))


def test_grids() -> None:
    scope = scope_of(Scan("people"), catalogue_of())
    income = grid_of(summed(column("income"), 0, 2000), scope)
    assert (income.step, income.centre, income.bound_steps) == (Fraction(1, 100), 0, 200_000)
    centred = grid_of(summed(column("income"), 0, Fraction("1999.99"), centred=True), scope)
    assert (centred.centre, centred.bound_steps) == (1000, 100_000)
    ratio = grid_of(summed(column("ratio"), Fraction(1, 10), Fraction(7, 10)), scope)
    assert ratio.step == Fraction(1, 2**20)
    assert 2**19 < ratio.bound_steps <= 2**20
    product = call("MULTIPLY", column("income"), call("MULTIPLY", column("income"), column("income")))
    fine = grid_of(summed(product, 0, clamp_of(domain_of(product, scope)).upper), scope)
    assert 2**29 < fine.bound_steps <= 2**30
    assert grid_of(counted(), scope).bound_steps == 1
    assert grid_of(summed(column("income"), 0, 0), scope).bound_steps == 1


def test_layout_is_set_by_set_then_measure_by_measure() -> None:
    plan: Plan = plan_of(catalogue_of(), counted(), summed(column("age"), 0, 3), keys=("region", "flag"), total=True)
    blocks = layout_of(plan.aggregate, scope_of(Scan("people"), catalogue_of()))
    assert [(b.grouping_set, b.measure, b.offset, b.shape) for b in blocks] == [
        (0, 0, 0, (4, 3)),
        (0, 1, 12, (4, 3)),
        (1, 0, 24, ()),
        (1, 1, 25, ()),
    ]
    assert cells_of(plan.aggregate, scope_of(Scan("people"), catalogue_of())) == 26


def test_trees_have_a_leaf_a_step_or_4096_leaves() -> None:
    scope = scope_of(Scan("people"), catalogue_of())

    def tree(name: str, lower: int, upper: int) -> tuple[int, int, int]:
        found = tree_of(replace(summed(column(name), lower, upper), statistic=Statistic.QUANTILE_TREE), scope)
        assert found is not None
        return found.branching, found.depth, found.width

    assert tree("age", -3, 12) == (4, 2, 1)
    assert tree("income", 0, 2000) == (4, 6, 49)
    assert tree("income", 0, 0) == (2, 1, 1)
    assert tree("ratio", 0, 1)[:2] == (4, 6)
    assert tree_of(counted(), scope) is None


@FEW
@given(st.integers(1, 5), st.integers(1, 6), st.integers(0, 4095))
def test_a_leaf_lies_below_one_node_of_each_layer(branching: int, depth: int, leaf: int) -> None:
    tree = Tree(branching, depth, 1)
    leaf %= tree.leaves
    path = tree.path(leaf)
    starts = [sum(branching**j for j in range(1, i)) for i in range(1, depth + 2)]
    assert len(path) == depth
    assert all(starts[i] <= node < starts[i + 1] for i, node in enumerate(path))
    assert path[-1] - starts[depth - 1] == leaf
    assert starts[depth] == tree.nodes
    for above, below in pairwise(path):
        layer = path.index(above)
        assert (below - starts[layer + 1]) // branching == above - starts[layer]
