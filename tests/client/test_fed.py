"""The tables of ``fed``: what they hold, and the little SQL that reads them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from engine.client.asking import read
from engine.client.fed import TABLES
from engine.client.fed_select import FedSelect, Item, Order, read_fed
from engine.client.options import Options
from engine.client.session import Session
from engine.errors import Refused
from tests.client.conftest import Bench
from tests.client.test_session import SQL, fresh


@pytest.fixture
def session(bench: Bench) -> Iterator[Session]:
    with bench.session() as opened:
        yield opened


@pytest.mark.parametrize(
    ("sql", "meant"),
    [
        ("SELECT * FROM fed.requests", FedSelect("requests")),
        ("select * from FED.Requests;", FedSelect("requests")),
        ('SELECT * FROM "fed"."requests" LIMIT 200', FedSelect("requests", limit=200)),
        ("SELECT * FROM test.fed.requests", FedSelect("requests")),
        ("SELECT r.* FROM test.fed.requests AS r", FedSelect("requests")),
        ("SELECT r.state FROM fed.requests r", FedSelect("requests", (Item("state", "state"),))),
        ("SELECT state AS s, sql FROM fed.requests", FedSelect("requests", (Item("state", "s"), Item("sql", "sql")))),
        (
            "SELECT * FROM fed.columns WHERE dataset = 'it''s' AND is_person = TRUE AND step = -0.5 AND low IS NULL",
            FedSelect("columns", where=(("dataset", "it's"), ("is_person", True), ("step", -0.5), ("low", None))),
        ),
        (
            "SELECT * FROM fed.requests ORDER BY state, changed DESC, run ASC LIMIT 3",
            FedSelect("requests", order=(Order("state", False), Order("changed", True), Order("run", False)), limit=3),
        ),
        ("SELECT COUNT(*) FROM people", None),
        ("SELECT COUNT(*) FROM fed", None),
        ("SELECT fed.x FROM people", None),
        ("SELECT COUNT(*) FROM other.fed.requests", None),
        ("SELECT 'FROM fed.requests'", None),
        ("SELECT * FROM fed.requests WHERE a = 'unclosed", None),
        ("", None),
    ],
)
def test_what_a_statement_selects(sql: str, meant: FedSelect | None) -> None:
    assert read_fed(sql, "test") == meant


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT COUNT(*) FROM fed.requests",
        "SELECT state, COUNT(*) FROM fed.requests GROUP BY state",
        "SELECT * FROM fed.requests GROUP BY state",
        "SELECT * FROM fed.requests, people",
        "SELECT * FROM fed.requests JOIN people ON TRUE",
        "SELECT * FROM fed.requests WHERE run > 1",
        "SELECT * FROM fed.requests WHERE state = 'a' OR state = 'b'",
        "SELECT * FROM fed.requests WHERE state = code",
        "SELECT * FROM fed.requests WHERE state = -'a'",
        "SELECT * FROM fed.requests LIMIT 1.5",
        "SELECT * FROM fed.requests LIMIT 1 OFFSET 1",
        "SELECT * FROM fed.requests; SELECT 1",
        "SELECT DISTINCT state FROM fed.requests",
        "WITH x AS (SELECT 1) SELECT * FROM fed.requests",
        "DELETE FROM fed.requests",
        "SELECT state || code FROM fed.requests",
    ],
)
def test_more_than_that_is_refused_with_a_hint(sql: str) -> None:
    with pytest.raises(Refused, match=r"SQL_FED_SELECT .*SELECT \* FROM fed\.requests, which is free"):
        read_fed(sql, "test")


@pytest.mark.parametrize(
    ("sql", "code"),
    [
        ("SELECT * FROM fed.nothing", "SQL_UNKNOWN_DATASET"),
        ("SELECT nothing FROM fed.requests", "SQL_UNKNOWN_COLUMN"),
        ("SELECT * FROM fed.requests WHERE nothing = 1", "SQL_UNKNOWN_COLUMN"),
        ("SELECT * FROM fed.requests ORDER BY nothing", "SQL_UNKNOWN_COLUMN"),
    ],
)
def test_unknown_names_are_refused_before_anything_is_read(session: Session, sql: str, code: str) -> None:
    with pytest.raises(Refused, match=code):
        read(session, sql, Options())


@pytest.mark.parametrize("table", TABLES)
def test_a_table_has_the_columns_it_tells_of(session: Session, table: str) -> None:
    asked = read(session, f"SELECT * FROM fed.{table}", Options())
    assert asked.table().schema == asked.schema
    assert asked.schema.names == [name for name, _ in TABLES[table].columns]
    for row in TABLES[table].rows(session):
        assert list(row) == asked.schema.names


def rows(session: Session, sql: str) -> list[tuple[object, ...]]:
    return [tuple(row.values()) for row in read(session, sql, Options()).table().to_pylist()]


def test_datasets_and_columns_are_those_of_the_manifest(session: Session) -> None:
    assert rows(session, "SELECT name, hosts, person, columns FROM fed.datasets") == [
        ("people", "east, north, west", "person_id", 3)
    ]
    assert rows(session, "SELECT name, domain FROM fed.columns WHERE dataset = 'people' AND is_person = FALSE") == [
        ("region", "N, S"),
        ("clinic", None),
    ]
    assert rows(session, "SELECT name FROM fed.columns WHERE dataset = 'people' ORDER BY name DESC LIMIT 2") == [
        ("region",),
        ("person_id",),
    ]


def test_truth_is_no_number(session: Session) -> None:
    assert rows(session, "SELECT name FROM fed.columns WHERE is_person = 1") == []
    assert rows(session, "SELECT name FROM fed.columns WHERE is_person = TRUE") == [("person_id",)]


def test_budgets_are_caps_of_the_rules_and_of_agreements(session: Session) -> None:
    caps = session.roster.manifest.rules.caps
    found = rows(session, "SELECT account, span, rho_billionths FROM fed.budgets")
    for cap in caps:
        assert ("identifier", "lifetime", cap.lifetime.rho_billionths) in found
    assert {row[0] for row in found} == {"identifier", "agreement"}
    assert ("agreement", "one plan") in {row[:2] for row in found}


def test_requests_tell_what_was_asked_and_where_it_stands(session: Session) -> None:
    request = session.query(SQL, epsilon=fresh(301), purpose="why").wait(30).request_id
    asked = "SELECT state, epsilon, purpose, sql, agreement FROM fed.requests WHERE request = "
    assert rows(session, f"{asked}'{request}'") == [("released", 1.301, "why", SQL, "first-agreement")]


def test_another_analyst_sees_no_request_of_this_one(bench: Bench, session: Session) -> None:
    from engine.client.session import connect

    session.query(SQL, epsilon=fresh(302)).wait(30)
    with connect(bench.home("other")) as other:
        assert rows(other, "SELECT request FROM fed.requests") == []
        assert rows(other, "SELECT usable FROM fed.agreements") == [(True,)]
