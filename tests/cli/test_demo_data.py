"""The demonstration's own files: deterministic, in the schema the bindings expect, with the promised bounds."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest
from pyarrow import parquet

from engine.catalogue import load_catalogue
from engine.errors import Refused
from engine.governance.federation import default_rules
from engine.local.demo import generated
from engine.local.demo.exact import Exact
from engine.local.demo.files import prepare as prepare_files
from engine.local.demo.questions import BY_COUNCIL, QUESTIONS
from engine.local.demo.schema import COUNCILS, HERE, NODES, Table, council_of
from engine.sql import prepare


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return prepare_files(tmp_path_factory.mktemp("demo"), simulated=False, progress=lambda _: None)


def figures(files: Path, sql: str) -> tuple[int, ...]:
    (row,) = duckdb.sql(sql.replace("FILES", str(files))).fetchall()
    return row  # type: ignore[no-any-return]


def test_every_department_has_its_table_in_the_shared_schema(files: Path) -> None:
    tables = {"tax": Table.TAXES, "social-security": Table.SOCIAL_SECURITY} | dict.fromkeys(COUNCILS, Table.CENSUS)
    assert set(tables) == set(NODES)
    for node, table in tables.items():
        assert tuple(parquet.read_schema(files / node / f"{table.value}.parquet").names) == table.columns


def test_the_same_seed_gives_the_same_files(files: Path, tmp_path: Path) -> None:
    generated.write(tmp_path)
    for node in NODES:
        for path in (files / node).iterdir():
            assert parquet.read_table(path).equals(parquet.read_table(tmp_path / node / path.name))


def test_nobody_is_counted_at_two_councils_and_forms_are_few(files: Path) -> None:
    persons, rows = figures(files, "SELECT count(DISTINCT simulant_id), count(*) FROM 'FILES/council-*/*.parquet'")
    assert persons == rows > 9_000
    (most,) = figures(files, "SELECT max(n) FROM (SELECT count(*) n FROM 'FILES/tax/*.parquet' GROUP BY simulant_id)")
    assert 4 < most <= 6


def test_a_household_lies_in_one_council() -> None:
    assert {council_of("0_7"), council_of("1_17")} == {"council-north"}
    assert {council_of(f"0_{number}") for number in range(10)} == set(COUNCILS)


def test_files_are_made_once(files: Path) -> None:
    said: list[str] = []
    assert prepare_files(files.parent, simulated=False, progress=said.append) == files
    assert said == []


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda q: q.asks[:30])
def test_each_question_is_planned_or_refused_as_its_words_say(question: object) -> None:
    assert isinstance(question, type(BY_COUNCIL))
    catalogue = load_catalogue(HERE / "catalogue.yaml")
    if "Nobody learns" in question.asks:
        with pytest.raises(Refused) as refused:
            prepare(question.sql, catalogue, default_rules())
        assert refused.value.hint
    else:
        statement = prepare(question.sql, catalogue, default_rules())
        names = [name for name, _ in statement.columns]
        assert set(question.keys) <= set(names)


def test_exact_rows_stand_beside_the_released_ones_by_key(files: Path) -> None:
    released = [{"council": "west", "people": 1}, {"council": "east", "people": 2}, {"council": "nowhere", "people": 0}]
    west, east, nowhere = Exact(files).rows(BY_COUNCIL, released)
    assert (west["council"], east["council"], nowhere) == ("west", "east", {})
    (people,) = figures(files, "SELECT count(*) FROM 'FILES/council-west/*.parquet'")
    assert west["people"] == people
