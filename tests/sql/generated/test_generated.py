"""Random statements over random small data: what is accepted equals the oracle, on one node and on several.

``SQL_EXAMPLES=20000`` runs long, over new draws and new data each time.
"""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterator
from math import sqrt
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from bench import Bench
from compare import check_oracle, terms_of
from crowds import Crowd
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st
from statements import Generated, seeded, statements

from engine.errors import Refused
from engine.sql.figures import Unit, units_of
from engine.sql.statement import Leaf, MeanLeaf, MomentLeaf, QuantileLeaf, Statement, SumLeaf, TotalLeaf
from engine.trusted.calibrate import layout_of, tree_of
from engine.trusted.domains import scope_of
from engine.trusted.plan import ColumnRef, Feature, JoinKind, PersonAggregate, PersonJoin, Plan, Statistic
from engine.trusted.records import Calibration
from engine.trusted.walk import relations_of

LONG = int(os.environ.get("SQL_EXAMPLES", "0"))
EXAMPLES = LONG or 30
SEEDS = range(3 * LONG or 90)
CROWDS = 12 if LONG else 2
LEAST_ACCEPTED = 0.8
seen: Counter[Any] = Counter()
benches: dict[int, Bench] = {}


@pytest.fixture(scope="module", autouse=True)
def _closed() -> Iterator[None]:
    yield
    for bench in benches.values():
        bench.close()
    benches.clear()


def bench_of(crowd: int) -> Bench:
    if crowd not in benches:
        benches[crowd] = Bench(Crowd(crowd).script())
    return benches[crowd]


def kinds(plan: Plan) -> set[Any]:
    """What a statement is made of, so that a run can say what it looked at."""
    found: set[Any] = {m.statistic for m in plan.aggregate.measures}
    for _, relation in relations_of(plan.aggregate.input):
        found |= {relation.join} if isinstance(relation, PersonJoin) else set()
        found |= {f.feature for f in relation.features} if isinstance(relation, PersonAggregate) else set()
    return found | ({"several sets"} if len(plan.aggregate.grouping_sets) > 1 else set())


def reach(unit: Unit) -> float:
    assert unit.measure.clamp is not None
    return float(unit.measure.clamp.upper - unit.measure.clamp.lower)


def slack(leaf: Leaf, units: tuple[Unit, ...], rows: int) -> float:
    """How far a figure may be from the oracle's: half a step a row, carried through its formula."""
    match leaf:
        case SumLeaf(measure=m) | TotalLeaf(centred_sum=m):
            return rows * float(units[m].grid.step)
        case MeanLeaf(centred_sum=m):
            return float(units[m].grid.step)
        case QuantileLeaf():
            return 0.0
        case MomentLeaf(figure=figure, parts=parts):
            held = {name: units[m] for name, m in parts}
            squares = held.get("yy") or held["xy"]
            wide = max(reach(u) for n, u in held.items() if len(n) == 1)
            steps = sum(float(u.grid.step) for n, u in held.items() if len(n) == 1)
            off = 4 * (float(squares.grid.step) + wide * steps) + 1e-12 * wide**2
            return sqrt(off) if figure.name.startswith("STDDEV") else off
    return 0.0


def tolerances(
    generated: Generated, statement: Statement, bench: Bench, calibration: Calibration, rows: int
) -> tuple[float, ...]:
    catalogue = bench.federation(1).catalogue
    units = units_of(statement, catalogue, calibration, 1)
    scope, leaves = scope_of(statement.plan.aggregate.input, catalogue), dict(statement.leaves)
    found = []
    for place, output in enumerate(statement.outputs):
        leaf = leaves[output.expression.name] if isinstance(output.expression, ColumnRef) else None
        if leaf is None or place not in generated.inexact:
            found.append(0.0)
        elif isinstance(leaf, QuantileLeaf):
            tree, unit = tree_of(units[leaf.measure].measure, scope), units[leaf.measure]
            assert tree is not None
            found.append(float(tree.width * unit.grid.step) if tree.width > 1 else float(unit.grid.step) / 2)
        else:
            found.append(slack(leaf, units, rows))
    return tuple(found)


def check(generated: Generated, crowd: int) -> None:
    """One statement over one crowd: refused, or the oracle's answer."""
    bench = bench_of(crowd)
    whole = bench.federation(1)
    seen["all"] += 1
    try:
        statement, calibration = whole.prepare(generated.sql, idle=True)
    except Refused as error:
        seen[error.code] += 1
        return
    seen["accepted"] += 1
    seen.update(kinds(statement.plan))
    cells = whole.combined(statement, calibration)
    for nodes in (2, 5):  # partials of parts, dealt at random, add up to those of the whole
        assert bench.federation(nodes).combined(statement, calibration) == cells, f"{nodes} nodes"
    told = bench.ask_oracle(generated.sql)
    rows = 4 * max(len(s) for s in bench.script.data.values())
    terms = terms_of(statement, ["completed"] if generated.completed else [], 0.0)
    each = tolerances(generated, statement, bench, calibration, rows)
    answer = whole.finished(statement, calibration, cells)
    check_oracle(answer, told, terms._replace(each=each))
    if statement.idle is not None:  # refused in earnest: see that it is right to be
        seen[statement.idle.code] += 1
        blocks = layout_of(statement.plan.aggregate, scope_of(statement.plan.aggregate.input, whole.catalogue))
        empty = any(not any(cells[b.offset : b.offset + b.cells]) for b in blocks)
        columns = zip(*answer.rows, strict=True)
        assert empty or not answer.rows or any(set(column) == {None} for column in columns), statement.idle


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=not LONG,
    database=None,
    suppress_health_check=list(HealthCheck),
)
@given(statements(), st.integers(0, CROWDS - 1))
def test_a_drawn_statement_equals_the_oracle(generated: Generated, crowd: int) -> None:
    note(generated.sql)
    check(generated, crowd)


def test_seeded_statements_equal_the_oracle() -> None:
    """And enough of them are accepted, of every kind, for that to say something."""
    seen.clear()
    for seed in SEEDS:
        generated = seeded(seed)
        try:
            check(generated, seed % CROWDS)
        except Exception as error:
            error.add_note(f"seed {seed}: {generated.sql}")
            raise
    assert seen["accepted"] >= LEAST_ACCEPTED * len(SEEDS), seen
    looked = {*Statistic, *JoinKind, Feature.COUNT_ROWS, Feature.SUM, Feature.MAXIMUM, Feature.ANY_TRUE, "several sets"}
    assert looked <= set(seen), looked - set(seen)
