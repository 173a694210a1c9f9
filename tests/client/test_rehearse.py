"""Rehearsals without their processes: dummy rows keep the catalogue, the second reading of a plan agrees with nodes."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from datetime import date
from fractions import Fraction
from pathlib import Path

import pytest
import yaml

from engine.catalogue import load_catalogue
from engine.client import rehearse
from engine.client.coverage import unreached
from engine.client.dummy import Rows, dummy_rows, write_rows
from engine.client.exact import exact_cells
from engine.client.rehearse import Rehearsing
from engine.errors import BadFile, Refused, Unavailable
from engine.governance.federation import default_rules
from engine.governance.homes import create_home
from engine.sql import prepare
from engine.sql.finish import finish
from engine.trusted.calibrate import calibrate
from engine.trusted.catalogue import Catalogue, Dataset, DatasetBinding, LocalColumn, NodeBinding
from engine.trusted.epsilon import loss_for
from engine.trusted.plan import ColumnRef, NamedExpression, Type
from engine.trusted.random import SystemRandomness
from engine.trusted.stability import stability_of
from nodes.partials import partials
from nodes.sources import Limits
from nodes.sources.duckdb import DuckDBSource
from nodes.tables import cut

TESTS = Path(__file__).parent.parent
PLANS = load_catalogue(TESTS / "plans" / "catalogue.yaml")
PLACED = load_catalogue(TESTS / "sql" / "catalogues" / "placed.yaml")
RULES = default_rules()
LOSS = loss_for(Fraction(1), Fraction(1, 10**9))
EVERY = "SELECT COUNT(*) AS n FROM people"


def made(catalogue: Catalogue, sql: str = EVERY, persons: int = 400, seed: int = 1) -> Rows:
    return dummy_rows(catalogue, prepare(sql, catalogue, RULES).plan, persons, seed)


def held_by(rows: Rows, dataset: Dataset) -> dict[str, Counter[object]]:
    """Host -> person -> rows."""
    return {node: Counter(row[dataset.person.column] for row in held) for node, held in rows[dataset.name].items()}


# -- dummy rows


def test_the_seed_decides_the_rows() -> None:
    assert made(PLANS) == made(PLANS)
    assert made(PLANS) != made(PLANS, seed=2)


@pytest.mark.parametrize("catalogue", [PLANS, PLACED], ids=["plans", "placed"])
def test_rows_keep_what_the_catalogue_says(catalogue: Catalogue) -> None:
    rows = made(catalogue)
    for dataset in catalogue.datasets:
        held = held_by(rows, dataset)
        assert max(count for at in held.values() for count in at.values()) == dataset.rows_per_person
        hosts = Counter(person for at in held.values() for person in at)
        assert max(hosts.values()) == dataset.overlap
        union = [row for at in rows[dataset.name].values() for row in at]
        for column in dataset.columns:
            values = {row[column.name] for row in union}
            if column.name == dataset.person.column:
                assert None not in values
                continue
            assert None in values
            values.discard(None)
            if column.domain:
                assert values == set(column.domain)
            if column.type is Type.BOOLEAN:
                assert values == {True, False}
            if column.bounds is not None and column.type is not Type.DATE:
                numbers = {Fraction(value) for value in values}  # type: ignore[arg-type]
                assert (min(numbers), max(numbers)) == (column.bounds.lower, column.bounds.upper)
                assert all(n % (column.step or 1) == 0 for n in numbers)


def test_persons_of_one_placement_are_at_one_host_and_not_in_all_its_datasets() -> None:
    from dataclasses import replace

    spread = replace(PLACED, datasets=tuple(replace(d, hosts=("n0", "n1", "n2")) for d in PLACED.datasets))
    rows = made(spread)
    people, payments = (spread.dataset(name) for name in ("people", "payments"))
    assert people is not None
    assert payments is not None
    own, theirs = held_by(rows, people), held_by(rows, payments)
    for node in people.hosts:
        assert own[node].keys() & theirs[node].keys()
        assert own[node].keys() - theirs[node].keys()
        assert not own[node].keys() & {p for other in people.hosts if other != node for p in theirs[other]}


def test_what_a_statement_compares_with_occurs() -> None:
    sql = "SELECT COUNT(*) FROM people WHERE income = 12345.67 AND paid_on > DATE '2020-02-29' AND clinic LIKE 'St %'"
    union = [row for at in made(PLANS, sql)["people"].values() for row in at]
    assert {Fraction("12345.66"), Fraction("12345.67"), Fraction("12345.68")} <= {row["income"] for row in union}
    assert {date(2020, 2, 28), date(2020, 2, 29), date(2020, 3, 1)} <= {row["paid_on"] for row in union}
    assert "St " in {row["clinic"] for row in union}


# -- the second reading of a plan

TABLE = yaml.safe_load((Path(__file__).parent / "rehearsed.yaml").read_text(encoding="utf-8"))
STATEMENTS = {PLANS: TABLE["plans"], PLACED: TABLE["placed"]}


@pytest.fixture(scope="module")
def worker() -> Iterator[DuckDBSource]:
    yield DuckDBSource(Limits(threads=1, memory_mb=512, seconds=60))


def binding_of(node: str, catalogue: Catalogue, folder: Path) -> NodeBinding:
    bound = [
        DatasetBinding(
            d.name,
            (str(folder / f"{d.name}.parquet"),),
            tuple(LocalColumn(c.name, c.type) for c in d.columns),
            tuple(NamedExpression(c.name, ColumnRef(c.name)) for c in d.columns),
        )
        for d in catalogue.datasets
        if node in d.hosts
    ]
    return NodeBinding(1, node, tuple(bound))


@pytest.mark.parametrize(("catalogue", "sqls"), STATEMENTS.items(), ids=["plans", "placed"])
def test_exact_cells_are_the_sums_of_the_nodes_own_partials(
    catalogue: Catalogue, sqls: list[str], tmp_path: Path, worker: DuckDBSource
) -> None:
    """Two readings of one plan and the same rows, in Python and as SQL; groups left out are the one difference."""
    rows = made(catalogue, persons=200)
    folders = write_rows(rows, catalogue, tmp_path / "data")
    tables = {}
    for node, folder in folders.items():
        home = create_home(tmp_path / node, node, "node", catalogue.federation)
        binding = binding_of(node, catalogue, folder)
        tables[node] = cut(binding, catalogue, home, randomness=SystemRandomness(), source=worker)
    union = {name: [row for held in at.values() for row in held] for name, at in rows.items()}
    for sql in sqls:
        statement = prepare(sql, catalogue, RULES)
        stability = stability_of(statement.plan.aggregate.input, catalogue)
        calibration = calibrate(statement.plan, catalogue, LOSS, len(stability.hosts), 0)
        exact = exact_cells(statement.plan, catalogue, calibration, union)
        parts = [partials(statement.plan, catalogue, calibration, tables[node], worker) for node in stability.hosts]
        summed = tuple(sum(cells) for cells in zip(*parts, strict=True))
        assert any(exact), sql
        if stability.groups < stability.rows:
            assert sum(summed) < sum(exact), sql
        else:
            assert exact == summed, sql


def test_each_row_of_the_answer_stands_beside_its_own_group() -> None:
    """Sorted, cut and filtered by noisy figures; the exact ones are found by the group all the same."""
    sql = (
        "SELECT COUNT(*) AS n, 2 * COUNT(*) AS twice, region FROM people GROUP BY ROLLUP (region)"
        " HAVING COUNT(*) > 15 ORDER BY n DESC LIMIT 3"
    )
    statement = prepare(sql, PLANS, RULES)
    calibration = calibrate(statement.plan, PLANS, LOSS, 2, 0)
    (unit,) = calibration.multipliers
    exact = tuple(n * unit for n in (10, 20, 30, 40, 100))
    noisy = tuple(n * unit for n in (41, 19, 12, 33, 99))
    answer, beside = rehearse._beside(statement, PLANS, calibration, noisy, exact, 2)
    plain = finish(statement, PLANS, calibration, noisy, 2)
    assert answer.rows == plain.rows == ((99, 198, None), (41, 82, "N"), (33, 66, "W"))
    assert answer.columns == plain.columns
    assert answer.intervals == plain.intervals
    assert [dict(row) for row in beside] == [
        {"n": 100, "twice": 200, "region": None},
        {"n": 10, "twice": 20, "region": "N"},
        {"n": 40, "twice": 80, "region": "W"},
    ]


def test_what_no_dummy_row_reaches_is_said() -> None:
    sql = (
        "SELECT SUM(CASE WHEN income > 100 THEN 1 WHEN income > 200 THEN 2 ELSE 3 END) AS s FROM people"
        " WHERE birth_year < 3000"
    )
    plan = prepare(sql, PLANS, RULES).plan
    union = {name: [row for held in at.values() for row in held] for name, at in made(PLANS, sql).items()}
    assert unreached(plan, PLANS, union) == ("No dummy row takes the branch WHEN income > 200.",)
    none = prepare("SELECT COUNT(*) AS n FROM people WHERE income < 0", PLANS, RULES, idle=True).plan
    assert unreached(none, PLANS, union) == ("WHERE income < 0 keeps no dummy row.",)


# -- what goes wrong


def rehearsed(keep: Path | None = None) -> rehearse.Rehearsal:
    terms = Rehearsing(Fraction(1), Fraction(1, 10**9), persons=20, keep=keep)
    return rehearse.rehearse(prepare(EVERY, PLANS, RULES), PLANS, RULES, terms)


def test_without_the_extra_nothing_starts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(rehearse, "find_spec", lambda name: None if name == "duckdb" else object())
    with pytest.raises(BadFile) as missing:
        rehearsed(tmp_path / "kept")
    assert (missing.value.code, missing.value.exit_status) == ("FILE_REHEARSE_EXTRA", 2)
    assert "duckdb" in missing.value.message
    assert not (tmp_path / "kept").exists()


def test_a_folder_with_something_in_it_is_not_written_to(tmp_path: Path) -> None:
    (tmp_path / "mine").touch()
    with pytest.raises(BadFile) as refused:
        rehearsed(tmp_path)
    assert refused.value.code == "FILE_REHEARSE_KEEP"
    assert [p.name for p in tmp_path.iterdir()] == ["mine"]


def test_the_childs_error_is_the_rehearsals(monkeypatch: pytest.MonkeyPatch) -> None:
    said = json.dumps({"code": "SQL_TYPE_MISMATCH", "facts": {"function": "SUM", "expected": "a number"}})
    monkeypatch.setattr(rehearse, "CHILD", ("-c", f"print('{said}')"))
    with pytest.raises(Refused) as refused:
        rehearsed()
    assert refused.value.code == "SQL_TYPE_MISMATCH"
    assert "SUM" in refused.value.message


def test_a_child_that_dies_is_unavailable_and_leaves_its_last_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rehearse, "CHILD", ("-c", "raise SystemExit('no room')"))
    with pytest.raises(Unavailable) as lost:
        rehearsed()
    assert lost.value.code == "NODE_NOT_STARTED"
    assert "no room" in lost.value.internal
