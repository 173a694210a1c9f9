"""What weights and shared counts do to the errors of a statement, against equal shares and a sum of its own.

Exact sums of made-up rows, the production sampler's noise at one host, and the client's own formulas. For each
statement and each kind of data: the root of the sum of the relative mean squared errors of its outputs, after over
before, and in brackets that of each output. ``TURNED_DOWN``: weights that theory suggests for some data, and what they
do to others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.catalogue import parse_catalogue
from engine.client.exact import exact_cells
from engine.governance.federation import default_rules
from engine.sql import prepare
from engine.sql.figures import Unit, mean_bounds, units_of
from engine.sql.moments import moment
from engine.sql.quantiles import curve_of
from engine.sql.statement import CountLeaf, Leaf, MeanLeaf, MomentLeaf, QuantileLeaf, Statement, SumLeaf, TotalLeaf
from engine.trusted.calibrate import calibrate, layout_of
from engine.trusted.domains import scope_of
from engine.trusted.epsilon import loss_for
from engine.trusted.noise import ProductionSampler
from engine.trusted.plan import Clamp, LiteralValue, Measure, Statistic
from engine.trusted.random import SystemRandomness

ROWS = 2_000
TIMES = 100  # that each row counts, but in trees: errors are small by the figures then
RELEASES, OF_TREES = 100_000, 4_000
MOST = 200_000
LOSS = loss_for(Fraction(1), Fraction(1, 10**9))
CATALOGUE = parse_catalogue(
    f"""
federation: benchmark
datasets:
  people:
    title: Residents
    about: Made-up residents, one row each.
    hosts: [one]
    person: person_id
    overlap: 1
    rows_per_person: 1
    columns:
      person_id: {{type: text}}
      x: {{type: integer, bounds: [0, {MOST}]}}
      y: {{type: integer, bounds: [0, {MOST}]}}
""",
    "catalogue.yaml",
)
Floats = NDArray[np.float64]
STATEMENTS = (
    "AVG(x)",
    "COUNT(*), SUM(x)",
    "COUNT(x), SUM(x)",
    "SUM(x), AVG(x)",
    "COUNT(*), SUM(x), AVG(x)",
    "COUNT(*), AVG(x)",
    "COVAR_POP(x, y)",
    "VAR_POP(x)",
    "CORR(x, y)",
    "COUNT(*), MEDIAN(x)",
)
# statement -> weights of its measures, in their order
TURNED_DOWN: Mapping[str, tuple[int, ...]] = {
    "COUNT(*), AVG(x)": (7, 7, 5),  # the centred sum as much as the count shown
    "SUM(x), AVG(y)": (7, 7, 5),
    "VAR_POP(x)": (10, 28, 18),  # x, its square, their count, by the assumption made for means
    "CORR(x, y)": (5, 5, 7, 7, 7, 5),
    "COUNT(*), MEDIAN(x)": (5, 7),
}


def kinds() -> Mapping[str, tuple[Floats, Floats]]:
    """Values within 0 to ``MOST``, and a second column that follows them in part."""
    drawn = np.random.default_rng(5)
    found = {
        "even": drawn.uniform(0, MOST, ROWS),
        "skewed": drawn.lognormal(10.1, 0.6, ROWS),
        "low": drawn.exponential(MOST / 20, ROWS),
        "high": MOST - drawn.exponential(MOST / 50, ROWS),
        "narrow": drawn.normal(MOST / 2, MOST / 50, ROWS),
    }
    noise = drawn.uniform(-1, 1, ROWS)
    pairs = {name: (x, x + x.std() * noise) for name, x in found.items()}
    pairs["low, independent"] = (found["low"], drawn.permutation(found["low"]))
    return {name: (np.clip(x, 0, MOST).round(), np.clip(y, 0, MOST).round()) for name, (x, y) in pairs.items()}


def apart(statement: Statement) -> Statement:
    """Equal shares, and each SUM released by itself."""
    aggregate, leaves = statement.plan.aggregate, dict(statement.leaves)
    measures = [replace(measure, weight=0) for measure in aggregate.measures]
    totals = [name for name, leaf in leaves.items() if isinstance(leaf, TotalLeaf)]
    others = {leaf.centred_sum for leaf in leaves.values() if isinstance(leaf, MeanLeaf)}
    for name in totals:
        place = leaves[name].centred_sum  # type: ignore[union-attr]
        own = replace(measures[place], statistic=Statistic.SUM)
        if place in others:
            place = len(measures)
            measures.append(own)
        measures[place] = own
        leaves[name] = SumLeaf(place)
    return _with(replace(statement, leaves=tuple(leaves.items())), measures)


def _with(statement: Statement, measures: Sequence[Measure]) -> Statement:
    aggregate = replace(statement.plan.aggregate, measures=tuple(measures))
    return replace(statement, plan=replace(statement.plan, aggregate=aggregate))


def errors(statement: Statement, columns: tuple[Floats, Floats], sampler: Any) -> list[float]:
    """Of each output, the root of the mean of the squared relative errors."""
    found = calibrate(statement.plan, CATALOGUE, LOSS, 1, 0)
    units = units_of(statement, CATALOGUE, found, 1)
    rows: list[dict[str, LiteralValue]] = [
        {"person_id": str(i), "x": int(x), "y": int(y)} for i, (x, y) in enumerate(zip(*columns, strict=True))
    ]
    trees = any(isinstance(leaf, QuantileLeaf) for _, leaf in statement.leaves)
    cells = np.array(exact_cells(statement.plan, CATALOGUE, found, {"people": rows}), dtype=np.int64)
    cells *= 1 if trees else TIMES
    count = OF_TREES if trees else RELEASES
    noise = sampler.gaussian(found.node_sigma, len(cells) * count).reshape(len(cells), count)
    held = []
    for _, leaf in statement.leaves:
        exact, noisy = (_figure(leaf, statement, units, v) for v in (cells[:, None], cells[:, None] + noise))
        held.append(float(np.sqrt(np.nanmean((noisy / exact - 1) ** 2))))
    return held


def _figure(leaf: Leaf, statement: Statement, units: tuple[Unit, ...], cells: NDArray[np.int64]) -> Floats:
    """One figure in each column of ``cells``."""
    aggregate = statement.plan.aggregate
    blocks = layout_of(aggregate, scope_of(aggregate.input, CATALOGUE))
    sums = {b.measure: cells[b.offset] * float(units[b.measure].ring) for b in blocks if not b.tree}
    match leaf:
        case CountLeaf(measure=m) | SumLeaf(measure=m):
            return sums[m]
        case TotalLeaf(centred_sum=m, count=n):
            return float(units[m].grid.centre) * sums[n] + sums[m]
        case MeanLeaf(centred_sum=m, count=n):
            low, high = map(float, mean_bounds(leaf, units))
            return np.clip(float(units[m].grid.centre) + sums[m] / np.where(sums[n] >= 1, sums[n], np.nan), low, high)
        case MomentLeaf():
            return np.asarray(moment(leaf, sums, units))
        case QuantileLeaf(measure=m, fraction=fraction):
            [block], unit = [b for b in blocks if b.measure == m], units[m]
            assert block.tree is not None
            nodes = cells[block.offset : block.offset + block.cells].T * float(unit.ring)
            clamp = unit.measure.clamp or Clamp(Fraction(0), Fraction(0))
            curves = [curve_of(block.tree, unit.grid, clamp, row, unit.deviation) for row in nodes]
            return np.array([float(curve.at(fraction, discrete=False)) for curve in curves])
    raise TypeError(leaf)


def run() -> list[tuple[str, str]]:
    """Rows of (what, figure)."""
    sampler, found = ProductionSampler(SystemRandomness()), []
    for text in STATEMENTS:
        after = prepare(f"SELECT {text} FROM people", CATALOGUE, default_rules())
        found += _compared(text, after, apart(after), sampler)
    for text, weights in TURNED_DOWN.items():
        before = prepare(f"SELECT {text} FROM people", CATALOGUE, default_rules())
        measures = [replace(m, weight=w) for m, w in zip(before.plan.aggregate.measures, weights, strict=True)]
        found += _compared(f"turned down: {text}", _with(before, measures), apart(before), sampler)
    return found


def _compared(text: str, after: Statement, before: Statement, sampler: Any) -> list[tuple[str, str]]:
    rows = []
    for name, columns in kinds().items():
        new, old = (np.array(errors(s, columns, sampler)) for s in (after, before))
        each = ", ".join(f"{ratio:.3f}" for ratio in new / old)
        rows.append((f"{text} / {name}", f"{float(np.linalg.norm(new) / np.linalg.norm(old)):.3f} ({each})"))
    return rows
