"""Plans written by hand to break what a person can move: names that hide others, depth, caps, trees, unread columns."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

import pytest
from neighbours import any_value, crowd, record
from world import (
    CATALOGUE,
    FORM,
    LOSS,
    RULES,
    Counted,
    Form,
    Held,
    InProcess,
    Record,
    World,
    csv_of,
    datasets_with,
    operators,
)

from engine.errors import Refused
from engine.governance.homes import create_home
from engine.sql import prepare
from engine.trusted import wire
from engine.trusted.calibrate import calibrate, grid_of, layout_of, tree_of
from engine.trusted.catalogue import Catalogue, Column, Dataset, DatasetBinding, LocalColumn, NodeBinding
from engine.trusted.domains import scope_of
from engine.trusted.plan import (
    Call,
    ColumnRef,
    Feature,
    Filter,
    Function,
    GroupingSet,
    JoinKind,
    Literal,
    Measure,
    NamedExpression,
    PersonAggregate,
    PersonFeature,
    PersonJoin,
    Plan,
    Project,
    Relation,
    Scan,
    Statistic,
    Type,
)
from engine.trusted.records import AccountScope
from engine.trusted.verify import MOST_DEPTH, columns_read, verify_plan
from nodes.partials import partials
from nodes.tables import Tables, cut


@pytest.fixture(scope="module")
def source() -> Iterator[InProcess]:
    kept = InProcess()
    yield kept
    kept.forget()


def published(catalogue: Catalogue, held: Held, folder: Path, source: InProcess) -> Tables:
    """The snapshots of these rows under any catalogue."""
    snapshots = []
    for dataset in catalogue.datasets:
        home = create_home(folder / dataset.name, "n0", "node", "audit")
        file = home.path / "rows.csv"
        file.write_text(csv_of(dataset, held.get(dataset.name, ())), encoding="utf-8")
        names = [c.name for c in dataset.columns]
        local = tuple(LocalColumn(n, Type.TEXT) for n in names)
        columns = tuple(NamedExpression(n, ColumnRef(n)) for n in names)
        binding = NodeBinding(1, "n0", (DatasetBinding(dataset.name, (str(file),), local, columns),))
        snapshots += cut(binding, catalogue, home, randomness=Counted(dataset.name), source=source).snapshots
    return Tables(tuple(snapshots))


def cells(plan: Plan, catalogue: Catalogue, tables: Tables, source: InProcess) -> tuple[int, ...]:
    """Exact whole steps of every cell, each block by its own multiplier."""
    calibration = calibrate(plan, catalogue, LOSS, 1, 0)
    found = partials(plan, catalogue, calibration, tables, source)
    return tuple(
        found[i] // calibration.multipliers[block.measure]
        for block in layout_of(plan.aggregate, scope_of(plan.aggregate.input, catalogue))
        for i in range(block.offset, block.offset + block.cells)
    )


def over(relation: Relation, *measures: Measure) -> Plan:
    """A grand total over a relation; verified as a node would."""
    counted = prepare("SELECT COUNT(*) FROM people", CATALOGUE, RULES).plan
    plan = replace(counted, aggregate=replace(counted.aggregate, input=relation))
    if measures:
        plan = replace(plan, aggregate=replace(plan.aggregate, measures=measures))
    verify_plan(wire.decode(Plan, wire.encode(plan)), CATALOGUE, RULES)
    return plan


# -- names

INNER_NAMES = ("p", "k0", "k1", "x0", "x1", "f0", "m0", "n", "r", "o", "a", "b", "g", "own", "above", "ranked", "leaf")
INNER_NAMES += ("rows", "i", "several", "let", "key", "main", "select", "snapshot_stays", "x", "y")
STATEMENTS = (
    'SELECT "{ward}", "{nights}", COUNT(*), SUM("{cost}"), COUNT(DISTINCT "{guest}") FROM stays GROUP BY 1, 2',
    'SELECT "{ward}", MEDIAN("{nights}") FILTER (WHERE "{cost}" > 10) FROM stays GROUP BY ROLLUP ("{ward}")',
    (
        'SELECT "{one}", COUNT(*) FROM (SELECT "{guest}", COUNT("{cost}") AS "{one}", SUM("{nights}") AS "{two}",'
        ' MAX("{nights}") AS "{three}" FROM stays GROUP BY "{guest}") AS f WHERE "{two}" > 3 AND "{three}" > 2'
        " GROUP BY 1"
    ),
    (
        'SELECT z."{nights}", c.kind, COUNT(*), SUM(z."{one}" * c.amount) FROM (SELECT "{guest}", "{nights}",'
        ' "{cost}" + 1 AS "{one}" FROM stays) AS z LEFT JOIN claims AS c ON z."{guest}" = c.claimant GROUP BY 1, 2'
    ),
)


def renamed(names: dict[str, str]) -> Catalogue:
    def changed(dataset: Dataset) -> Dataset:
        if dataset.name != "stays":
            return dataset
        columns = tuple(replace(c, name=names[c.name]) for c in dataset.columns)
        return replace(dataset, columns=columns, person=replace(dataset.person, column=names[dataset.person.column]))

    placed = tuple(changed(d) for d in CATALOGUE.datasets if d.placement == "resident")
    return replace(CATALOGUE, datasets=placed)


def test_no_name_of_a_column_stands_for_another(source: InProcess, tmp_path: Path) -> None:
    """Columns under the names that a node's own SQL uses inside give the answers of columns under plain names."""
    rng = random.Random(3)
    plain = ("guest", "ward", "nights", "cost", "day", "one", "two", "three")
    rows = {d.name: crowd(d, 25, seed=8, odd=0.05) for d in CATALOGUE.datasets if d.placement == "resident"}
    answers = []
    for turn in range(2 if FORM is Form.SHORT else 30):
        names = dict(zip(plain, rng.sample(INNER_NAMES, 8) if turn else plain, strict=True))
        catalogue = renamed(names)
        held = {**rows, "stays": [{names[k]: v for k, v in row.items()} for row in rows["stays"]]}
        tables = published(catalogue, held, tmp_path / str(turn), source)
        plans = [prepare(sql.format(**names), catalogue, RULES).plan for sql in STATEMENTS]
        answers.append([cells(plan, catalogue, tables, source) for plan in plans])
        assert any(any(vector) for vector in answers[-1])
        assert answers[-1] == answers[0], names


@pytest.mark.parametrize("name", ["rowid", "RowId"])
def test_no_column_has_the_name_that_an_engine_gives_to_rows(name: str) -> None:
    """Surplus rows of a person are dropped by it: a column of the name would choose whose rows are dropped."""
    people = CATALOGUE.datasets[0]
    named = replace(people, columns=(*people.columns, Column(name, Type.INTEGER)))
    catalogue = replace(CATALOGUE, datasets=(named,))
    plan = replace(over(Scan("people")), catalogue_digest=wire.digest(wire.encode(catalogue)))
    with pytest.raises(Refused, match="POLICY_PLAN_INVALID"):
        verify_plan(plan, catalogue, RULES)


# -- depth


def _featured(relation: Relation) -> Relation:
    return PersonAggregate(relation, (PersonFeature("n", Feature.COUNT_ROWS),))


def _projected(relation: Relation) -> Relation:
    return Project(relation, (NamedExpression("n", Literal(Type.INTEGER, 1)),))


def _kept(relation: Relation) -> Relation:
    return Filter(relation, Literal(Type.BOOLEAN, True))


DEEP = MOST_DEPTH - 1


@pytest.mark.parametrize(
    ("grown", "times", "joined"),
    [
        (_featured, DEEP, False),
        (_projected, DEEP - 1, False),
        (_kept, DEEP - 1, False),
        (lambda r: _kept(_featured(r)), DEEP // 2, False),
        (lambda r: PersonJoin(JoinKind.SEMI, Scan("residents"), _kept(r)), 6, True),
        (lambda r: _featured(PersonJoin(JoinKind.SEMI, _kept(r), Scan("residents"))), 6, True),
        (lambda r: PersonJoin(JoinKind.INNER, _featured(_kept(r)), Project(Scan("residents"), ())), 6, True),
        (lambda r: PersonJoin(JoinKind.LEFT, _projected(r), Project(Scan("residents"), ())), 6, True),
    ],
)
def test_the_deepest_plans_run(grown: Any, times: int, joined: bool, source: InProcess, tmp_path: Path) -> None:
    """No engine gives up on a plan that verifies; each of these counts the residents."""
    relation: Relation = Scan("residents")
    for _ in range(times):
        relation = grown(relation)
    plan = over(relation)
    dataset = next(d for d in CATALOGUE.datasets if d.name == "residents")
    held = {"residents": [record(dataset, lambda c: "1", str(i)) for i in range(1, 8)]}
    small = replace(CATALOGUE, datasets=(dataset,))
    assert cells(plan, CATALOGUE, published(small, held, tmp_path, source), source) == (7,)


# -- caps, sets, trees


def test_measures_of_a_set_count_a_persons_same_groups(source: InProcess, tmp_path: Path) -> None:
    """Somebody in five wards counts in two: the same two in every measure and in the tree beside them."""
    stays = next(d for d in CATALOGUE.datasets if d.name == "stays")
    rows = [{"guest": "1", "ward": w, "nights": "5", "cost": "2", "day": "2020-03-04"} for w in "ABCD"]
    small = replace(CATALOGUE, datasets=(stays,))
    tables = published(small, {"stays": rows}, tmp_path, source)
    for by in ("ward", "ward, month(day)"):
        sql = f"SELECT {by}, COUNT(*), SUM(nights), COUNT(DISTINCT guest), MEDIAN(nights) FROM stays GROUP BY {by}"
        plan = prepare(sql, CATALOGUE, RULES).plan
        found, blocks = cells(plan, CATALOGUE, tables, source), _blocks(plan)
        counted = []
        for block in blocks:
            nodes = block.tree.nodes if block.tree else 1
            groups = found[block.offset : block.offset + block.cells : nodes or 1]
            held = [sum(found[block.offset + g * nodes : block.offset + (g + 1) * nodes]) for g in range(len(groups))]
            counted.append([g for g, total in enumerate(held) if total])
        assert len(blocks) == 4
        assert len(counted[0]) == 2
        assert all(places == counted[0] for places in counted)


def _blocks(plan: Plan) -> Sequence[Any]:
    return layout_of(plan.aggregate, scope_of(plan.aggregate.input, CATALOGUE))


def test_each_of_64_grouping_sets_holds_what_it_would_alone(source: InProcess, tmp_path: Path) -> None:
    keys = ", ".join(f"age > {10 * i}" for i in range(1, 7))
    sql = f"SELECT {keys}, COUNT(*), SUM(age) FROM people WHERE age IS NOT NULL GROUP BY CUBE (1, 2, 3, 4, 5, 6)"
    plan = prepare(sql, CATALOGUE, RULES).plan
    people = CATALOGUE.datasets[0]
    small = replace(CATALOGUE, datasets=(people,))
    tables = published(small, {"people": crowd(people, 30, seed=6)}, tmp_path, source)
    together, sets = cells(plan, CATALOGUE, tables, source), plan.aggregate.grouping_sets
    assert len(sets) == 64
    assert {s.keys for s in sets} == {c for n in range(7) for c in combinations(range(6), n)}
    blocks = _blocks(plan)
    for number, chosen in list(enumerate(sets))[:: 9 if FORM is Form.SHORT else 1]:
        few = replace(
            plan.aggregate,
            keys=tuple(plan.aggregate.keys[k] for k in chosen.keys),
            grouping_sets=(GroupingSet(tuple(range(len(chosen.keys)))),),
        )
        first, last = blocks[2 * number], blocks[2 * number + 1]
        alone = cells(replace(plan, aggregate=few), CATALOGUE, tables, source)
        assert together[first.offset : last.offset + last.cells] == alone


@pytest.mark.parametrize(
    "expression",
    [
        "age",
        "income",
        "balance",
        "ratio",
        "born",
        "income / 7 - 3",
        "LEAST(0, age)",
        "GREATEST(-0.25, LEAST(ratio, 0.5))",
    ],
)
def test_every_row_stands_on_one_path_of_its_tree(expression: str, source: InProcess, tmp_path: Path) -> None:
    """Each layer holds every row that has a value, the lowest in the leaf where exact arithmetic puts it."""
    plan = prepare(f"SELECT QUANTILE_DISC({expression}, 0.5) FROM people", CATALOGUE, RULES).plan
    [measure], scope = plan.aggregate.measures, scope_of(Scan("people"), CATALOGUE)
    tree, grid = tree_of(measure, scope), grid_of(measure, scope)
    assert tree is not None
    people = CATALOGUE.datasets[0]
    rows = crowd(people, 80, seed=9)
    tables = published(replace(CATALOGUE, datasets=(people,)), {"people": rows}, tmp_path, source)
    found, at, layers = cells(plan, CATALOGUE, tables, source), 0, []
    for layer in range(1, tree.depth + 1):
        layers.append(found[at : at + tree.branching**layer])
        at += tree.branching**layer
    assert at == len(found) == tree.nodes
    assert len({sum(layer) for layer in layers}) == 1
    assert 20 < sum(layers[0]) <= len(rows)
    for upper, lower in pairwise(layers):
        parts = [sum(lower[i : i + tree.branching]) for i in range(0, len(lower), tree.branching)]
        assert list(upper) == parts
    for leaf in range(0, tree.leaves, tree.leaves // 7) if expression in ("age", "income") else ():
        end = Literal(Type.DECIMAL, grid.centre + (leaf * tree.width - Fraction(1, 2)) * grid.step)
        before = Measure(Statistic.COUNT_ROWS, None, Call(Function.LESS, (ColumnRef(expression), end)))
        assert cells(over(Scan("people"), before), CATALOGUE, tables, source) == (sum(layers[-1][:leaf]),)
    most = (grid.bound_steps + tree.width) // tree.width
    assert not any(layers[-1][most:])
    if measure.expression is not None and measure.expression in (ColumnRef("born"), ColumnRef("age")):
        assert (grid.step, tree.width) == (1, 1)


def test_a_left_join_keeps_everybody_and_an_anti_join_the_rest(source: InProcess, tmp_path: Path) -> None:
    """Rows without a match stand under NULL; a person is either in the semi join or in the anti join."""
    held = {d.name: crowd(d, 40, seed=7, odd=0) for d in CATALOGUE.datasets if d.placement == "resident"}
    placed = replace(CATALOGUE, datasets=tuple(d for d in CATALOGUE.datasets if d.name in held))
    tables = published(placed, held, tmp_path, source)

    def asked(sql: str) -> tuple[int, ...]:
        return cells(prepare(sql, CATALOGUE, RULES).plan, CATALOGUE, tables, source)

    [everybody] = asked("SELECT COUNT(*) FROM residents")
    claimants = {row["claimant"] for row in held["claims"]} & {row["resident"] for row in held["residents"]}
    assert 0 < len(claimants) < everybody
    assert asked("SELECT COUNT(*) FROM residents WHERE resident IN (SELECT claimant FROM claims)") == (len(claimants),)
    [others] = asked("SELECT COUNT(*) FROM residents WHERE resident NOT IN (SELECT claimant FROM claims)")
    assert others == everybody - len(claimants)
    join = "FROM residents AS a LEFT JOIN (SELECT claimant, MAX(weeks) > 30 AS w FROM claims GROUP BY claimant) AS b"
    found = asked(f"SELECT w, COUNT(*) {join} ON a.resident = b.claimant GROUP BY w")
    [matched] = asked(f"SELECT COUNT(*) {join.replace('LEFT ', '')} ON a.resident = b.claimant")
    assert matched == len(claimants)
    assert len(found) == 3
    assert sum(found) == everybody
    assert found[-1] == others


# -- what is charged and what an agreement covers


@pytest.mark.parametrize("kind", list(JoinKind))
def test_every_dataset_that_is_joined_is_charged(kind: JoinKind, world: World) -> None:
    plan = over(PersonJoin(kind, Scan("residents"), PersonAggregate(Scan("stays"), ())))
    nobody = dict.fromkeys(("residents", "stays"), NOBODY)
    tables = {h: world.publish(nobody, h) for h in ("n0", "n1")}
    charged: Any = world.observe(world.round_(plan, tables), tables["n0"]).shown["charge"]
    assert {name for (scope, name), rho in charged.items() if scope is AccountScope.DATASET and rho} == set(nobody)


NOBODY: list[Record] = []


def test_a_column_that_is_not_read_cannot_be_seen(world: World) -> None:
    """Every column outside ``columns_read`` given other values: the sums are the same, at persons within their caps."""
    rng = random.Random(2)
    for operator in operators()[:: 25 if FORM is Form.SHORT else 1]:
        plan = operator.plan()
        read = columns_read(plan, CATALOGUE)
        held: dict[str, list[Record]] = {}
        other: dict[str, list[Record]] = {}
        for dataset in datasets_with(plan):
            persons = [str(1000 + i) for i in range(12) for _ in range(rng.randint(0, dataset.rows_per_person))]
            held[dataset.name] = [record(dataset, lambda c: any_value(c, rng, 0.1), p) for p in persons]
            kept = {dataset.person.column, *read.get(dataset.name, ())}
            unread = [c for c in dataset.columns if c.name not in kept]
            changes = [{c.name: any_value(c, rng, 0.2) for c in unread} for _ in persons]
            other[dataset.name] = [{**r, **new} for r, new in zip(held[dataset.name], changes, strict=True)]
        seen = []
        for share in (held, other):
            tables = {"n0": world.publish(share), "n1": world.publish(dict.fromkeys(share, NOBODY), "n1")}
            seen.append(world.observe(world.round_(plan, tables), tables["n0"]))
        assert seen[0] == seen[1], operator.name


def test_a_column_that_is_read_is_seen(world: World) -> None:
    """The same comparison over columns that a statement reads through a join, a figure and a semi join finds them."""
    sql = (
        "WITH f AS (SELECT guest, SUM(cost) FILTER (WHERE nights > 3) AS s FROM stays GROUP BY guest) SELECT SUM(f.s)"
        " FROM f JOIN residents AS r ON f.guest = r.resident WHERE f.guest IN (SELECT claimant FROM claims WHERE paid)"
    )
    plan = prepare(sql, CATALOGUE, RULES).plan
    assert {n: set(c) for n, c in columns_read(plan, CATALOGUE).items()} == {
        "stays": {"guest", "cost", "nights"},
        "residents": {"resident"},
        "claims": {"claimant", "paid"},
    }
    rows: dict[str, Record] = {
        "residents": {"resident": "1", "area": "N", "age": "30", "wealth": "5", "active": "true"},
        "stays": {"guest": "1", "ward": "A", "nights": "5", "cost": "9", "day": "2020-05-05"},
        "claims": {"claimant": "1", "kind": "x", "amount": "3", "weeks": "4", "paid": "true"},
    }
    changed = {"cost": "10", "nights": "1", "paid": "false", "guest": "2", "resident": "2", "claimant": "2"}

    def total(held: dict[str, Record]) -> tuple[int, ...]:
        shares = {"n0": {n: [r] for n, r in held.items()}, "n1": dict.fromkeys(held, NOBODY)}
        tables = {h: world.publish(share, h) for h, share in shares.items()}
        return world.observe(world.round_(plan, tables), tables["n0"]).mechanisms[0].before

    without = total(rows)
    for name, value in changed.items():
        [dataset] = [d for d, row in rows.items() if name in row]
        assert total({**rows, dataset: {**rows[dataset], name: value}}) != without, name


def test_a_total_of_large_numbers_is_refused_before_it_is_rounded() -> None:
    """Figures per person are exact up to 2**53; a sum that could go beyond is no figure."""
    large, small = ColumnRef("units"), Call(Function.INTEGER_DIVIDE, (ColumnRef("units"), Literal(Type.INTEGER, 2**20)))
    with pytest.raises(Refused, match="SQL_TOO_LARGE"):
        over(PersonAggregate(Scan("ledger"), (PersonFeature("s", Feature.SUM, Call(Function.ADD, (large, large))),)))
    relation = PersonAggregate(Scan("ledger"), (PersonFeature("s", Feature.SUM, small),))
    domain = scope_of(relation, CATALOGUE)["s"]
    assert domain.interval == (Fraction(-(2**33)), Fraction(2**33))
    over(relation, Measure(Statistic.COUNT_PRESENT, ColumnRef("s")))
