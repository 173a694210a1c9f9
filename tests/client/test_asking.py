"""Questions as drivers ask them: schemas before answers, intervals as columns, names with a schema before them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from engine.catalogue.load import load_catalogue
from engine.client.arrow import noisy_columns, schema_of
from engine.client.asking import Question, read
from engine.client.options import OPTIONS, Options
from engine.client.qualified import unqualified
from engine.client.session import Session
from engine.errors import Refused
from engine.sql import prepare
from engine.trusted.records import Rules
from tests.client.conftest import Bench
from tests.client.test_session import fresh
from tests.coordinator.members import catalogue

RULES = Rules(0, 0, 10_000, 1_000_000, (), 3)


@pytest.fixture
def session(bench: Bench) -> Iterator[Session]:
    with bench.session() as opened:
        yield opened


WINDOW = "SELECT region, COUNT(*) AS n, {} OVER (ORDER BY {}) AS w FROM people GROUP BY region"


@pytest.mark.parametrize(
    ("sql", "noisy"),
    [
        ("SELECT region, COUNT(*) AS n FROM people GROUP BY region", {"n"}),
        ("SELECT region, COUNT(*) > 3 AS many FROM people GROUP BY region", set()),
        ("SELECT region, 1 AS one, COUNT(*) + 1 AS n FROM people GROUP BY region", {"n"}),
        ("SELECT region, GROUPING(region) AS g, COUNT(*) AS n FROM people GROUP BY ROLLUP (region)", {"n"}),
        (WINDOW.format("SUM(COUNT(*))", "region"), {"n", "w"}),
        (WINDOW.format("ROW_NUMBER()", "region"), {"n"}),
        (WINDOW.format("RANK()", "COUNT(*)"), {"n", "w"}),
    ],
)
def test_columns_that_noise_reaches_say_so(session: Session, sql: str, noisy: set[str]) -> None:
    statement = prepare(sql, catalogue(), RULES)
    assert noisy_columns(statement) == noisy
    schema = schema_of(statement, catalogue())
    assert {field.name for field in schema if field.metadata} == noisy
    if "ROLLUP" in sql:
        return  # the doubles answer with two cells
    answer = session.query(sql, epsilon=fresh(320)).wait(30).answer
    assert {name for row in answer.intervals for name in row} <= noisy


def test_intervals_are_two_more_columns(session: Session) -> None:
    sql = "SELECT COUNT(*) AS n, region, COUNT(*) * 2 AS n_low FROM people GROUP BY region ORDER BY region"
    asked = read(session, sql, Options().changed("epsilon", "1.321").changed("intervals", "columns"))
    assert isinstance(asked, Question)
    names = ["n", "n_low_", "n_high", "region", "n_low", "n_low_low", "n_low_high"]
    assert asked.schema.names == names
    table, release = asked.table(), asked.release()
    assert table.schema.remove_metadata() == asked.schema.remove_metadata()
    for row, interval in zip(table.to_pylist(), release.intervals, strict=True):
        assert (row["n_low_"], row["n_high"]) == interval["n"]
        assert (row["n_low_low"], row["n_low_high"]) == interval["n_low"]


def test_the_table_names_its_request(session: Session) -> None:
    asked = read(session, "SELECT region, COUNT(*) AS n FROM people GROUP BY region", Options())
    assert isinstance(asked, Question)
    assert asked.table().schema.metadata == {b"splittally.request": asked.submit().encode()}


def test_every_type_has_an_arrow_type(tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_text(
        "federation: f\ndatasets:\n  t:\n    hosts: [a]\n    person: p\n    rows_per_person: 1\n    columns:\n"
        "      p: {type: text}\n      d: {type: date, bounds: [2020-01-01, 2020-01-03]}\n      b: {type: boolean}\n"
    )
    held = load_catalogue(file)
    statement = prepare("SELECT d, b, '' AS x, COUNT(*) AS n, AVG(1.5) AS a FROM t GROUP BY d, b", held, RULES)
    assert schema_of(statement, held).types == [pa.date32(), pa.bool_(), pa.string(), pa.int64(), pa.float64()]


@pytest.mark.parametrize(
    ("sql", "plain"),
    [
        ("SELECT 1 FROM datasets.people", "SELECT 1 FROM          people"),
        ('SELECT 1 FROM "test"."datasets"."people" p', 'SELECT 1 FROM                   "people" p'),
        ("SELECT 1 FROM people JOIN test.datasets.people q", "SELECT 1 FROM people JOIN               people q"),
        ("SELECT datasets.people FROM people", "SELECT datasets.people FROM people"),
        ("SELECT 1 FROM datasets.other", "SELECT 1 FROM datasets.other"),
        ("SELECT 1 FROM other.people", "SELECT 1 FROM other.people"),
        ("SELECT 1 FROM other.datasets.people", "SELECT 1 FROM other.datasets.people"),
        ("SELECT 'FROM datasets.people'", "SELECT 'FROM datasets.people'"),
        ("SELECT 1 FROM datasets.", "SELECT 1 FROM datasets."),
        ("SELECT 'unclosed", "SELECT 'unclosed"),
    ],
)
def test_a_schema_before_a_dataset_is_blanked(sql: str, plain: str) -> None:
    assert unqualified(sql, catalogue()) == plain


def test_places_in_refusals_stay(session: Session) -> None:
    with pytest.raises(Refused) as caught:
        read(session, "SELECT COUNT(*) FROM datasets.people WHERE nothing = 1", Options())
    assert (caught.value.at and caught.value.at.column, caught.value.code) == (44, "SQL_UNKNOWN_COLUMN")


def test_options_are_texts_both_ways() -> None:
    texts = {"epsilon": "0.25", "delta": "1e-06", "agreement": "a", "purpose": "p", "n_min": "2", "valid_days": "3"}
    texts |= {"intervals": "columns", "wait": "0"}
    assert set(texts) == set(OPTIONS)
    changed = Options()
    for name, text in texts.items():
        changed = changed.changed(name, text)
    assert changed.texts == texts
    for name, text in Options().texts.items():
        assert Options().changed(name, text) == Options()
