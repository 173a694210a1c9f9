"""Drivers that others wrote, against the desk: ADBC with its DB-API, pandas, polars, and pyarrow's Flight client."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from pyarrow import flight as arrow_flight

from protos.arrow import flight_sql_pb2 as sql
from tests.desk_flight.conftest import ROWS, SQL, TOKEN, Served, enveloped, fresh

BY_REGION = "SELECT region, COUNT(*) AS n FROM people WHERE region = ? GROUP BY region ORDER BY region"


@pytest.fixture
def connection(served: Served) -> Iterator[Any]:
    with served.connect() as opened:
        yield opened


def test_execute_and_fetch(connection: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(SQL)
        assert [column[0] for column in cursor.description] == ["region", "n"]
        assert cursor.fetchone() == ROWS[0]
        assert cursor.fetchall() == ROWS[1:]
        assert cursor.fetchone() is None


def test_an_arrow_table_keeps_its_types_and_names_the_request(served: Served, connection: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(SQL)
        table = cursor.fetch_arrow_table()
    assert table.to_pylist() == [{"region": r, "n": n} for r, n in ROWS]
    assert [field.type for field in table.schema] == [pa.string(), pa.int64()]
    assert table.schema.field("n").metadata == {b"splittally.noise": b"95%"}
    request = table.schema.metadata[b"splittally.request"].decode()
    assert served.session.result(request).answer.rows == tuple(ROWS)


def test_pandas_and_polars_read_a_statement(connection: Any) -> None:
    frame = pd.read_sql(SQL, connection)
    assert list(frame.itertuples(index=False, name=None)) == ROWS
    assert pl.read_database(SQL, connection).rows() == ROWS


def test_a_second_client_of_another_hand(served: Served) -> None:
    options = arrow_flight.FlightCallOptions(headers=[(b"authorization", f"Bearer {TOKEN}".encode())])
    client = arrow_flight.connect(served.uri)
    command = arrow_flight.FlightDescriptor.for_command(enveloped(sql.CommandStatementQuery(query=SQL)))
    assert client.get_schema(command, options).schema.names == ["region", "n"]
    info = client.get_flight_info(command, options)
    (endpoint,) = info.endpoints
    table = client.do_get(endpoint.ticket, options).read_all()
    assert [tuple(row.values()) for row in table.to_pylist()] == ROWS
    assert info.schema == table.schema
    assert "CreatePreparedStatement" in {action.type for action in client.list_actions(options)}
    client.close()


def test_that_client_signs_in_with_the_token_as_its_password(served: Served) -> None:
    client = arrow_flight.connect(served.uri)
    key, value = client.authenticate_basic_token("anybody", TOKEN)
    assert (key, value) == (b"authorization", f"Bearer {TOKEN}".encode())
    with pytest.raises(arrow_flight.FlightUnauthenticatedError, match="POLICY_DESK_TOKEN"):
        client.authenticate_basic_token("anybody", "another password")
    client.close()


def test_adbc_signs_in_with_the_token_as_its_password(served: Served) -> None:
    from adbc_driver_flightsql import dbapi

    with dbapi.connect(served.uri, db_kwargs={"username": "anybody", "password": TOKEN}, autocommit=True) as opened:
        assert pd.read_sql("SELECT name FROM fed.datasets", opened)["name"].tolist() == ["people"]


@pytest.mark.parametrize("value", ["N", "it's"])
def test_parameters_are_bound_before_the_statement_is_planned(connection: Any, value: str) -> None:
    """A double answers any plan with all its rows: only the value in the request's text tells."""
    with connection.cursor() as cursor:
        cursor.execute(BY_REGION.replace("=", "<>"), [value])
        cursor.fetchall()
        cursor.execute("SELECT sql FROM fed.requests LIMIT 1")
        ((text,),) = cursor.fetchall()
    assert f" {value!r} " in text.replace("''", "'").replace(" 'it's' ", ' "it\'s" ')


def test_a_statement_is_executed_again_with_other_values(connection: Any) -> None:
    with connection.cursor() as cursor:
        for value in ("N", "S"):
            cursor.execute(BY_REGION, (value,))
            assert cursor.fetchall()


@pytest.mark.parametrize(
    ("sql_text", "values"),
    [
        (BY_REGION, []),
        (BY_REGION, ["N", "S"]),
        (SQL, ["N"]),
        (BY_REGION, [b"N"]),
    ],
)
def test_wrong_values_are_refused(connection: Any, sql_text: str, values: list[object]) -> None:
    with (
        connection.cursor() as cursor,
        pytest.raises(connection.ProgrammingError, match=r"\[SQL_(PARAMETERS|LITERAL)\]"),
    ):
        cursor.execute(sql_text, values)
        cursor.fetchall()


def test_many_rows_of_values_are_not_many_questions(served: Served, connection: Any) -> None:
    before = served.requests()
    with connection.cursor() as cursor, pytest.raises(connection.ProgrammingError, match="SQL_COMMAND"):
        cursor.executemany(BY_REGION, [["N"], ["S"]])
    assert served.requests() == before


def test_prepare_and_schema_spend_nothing(served: Served, connection: Any) -> None:
    rounds, requests = served.rounds(), served.requests()
    text = f"SELECT region, COUNT(*) AS n, COUNT(*) + {fresh(1)} AS more FROM people GROUP BY region"
    with connection.cursor() as cursor:
        schema = cursor.adbc_execute_schema(text)
        assert cursor.adbc_prepare(text) is None
        parameters = cursor.adbc_prepare(BY_REGION + " LIMIT ?")
    assert [str(field.type) for field in schema] == ["string", "int64", "double"]
    assert [field.type for field in parameters] == [pa.string(), pa.int64()]
    assert (served.rounds(), served.requests()) == (rounds, requests)


def test_parameters_that_are_compared_have_the_types_of_what_they_are_compared_with(connection: Any) -> None:
    where = "region = ? AND length(region) BETWEEN ? AND ? AND region IN (?, ?) AND COALESCE(region, ?) <> ?"
    with connection.cursor() as cursor:
        parameters = cursor.adbc_prepare(f"SELECT COUNT(*) AS n FROM people WHERE {where} LIMIT ?")
    text, figure = pa.string(), pa.float64()
    assert [field.type for field in parameters] == [text, figure, figure, text, text, text, text, pa.int64()]


def test_a_parameter_without_a_value_is_compared_with_nothing(served: Served, connection: Any) -> None:
    """It would hold for nobody, and be charged."""
    before = served.requests()
    with connection.cursor() as cursor, pytest.raises(connection.ProgrammingError, match="SQL_COMPARED_NULL"):
        cursor.execute(BY_REGION, [None])
    assert served.requests() == before


def test_a_value_that_no_row_has_is_refused_with_those_there_are(served: Served, connection: Any) -> None:
    before = served.requests()
    with connection.cursor() as cursor, pytest.raises(connection.ProgrammingError, match="SQL_NEVER_TRUE") as caught:
        cursor.execute(BY_REGION, ["north"])
    assert "`region` is one of 'N', 'S'" in str(caught.value)
    assert served.requests() == before


@pytest.mark.parametrize("around", ["SELECT * FROM ({}) AS t WHERE 1 = 0", "{} LIMIT 0"])
def test_a_look_at_the_columns_is_answered_free_of_charge(served: Served, connection: Any, around: str) -> None:
    """As tools look at a query before they use it: no row, and the types of the columns."""
    before = served.requests()
    with connection.cursor() as cursor:
        cursor.execute(around.format("SELECT region, COUNT(*) AS n FROM people GROUP BY region"))
        table = cursor.fetch_arrow_table()
    assert (table.schema.names, table.schema.types, table.num_rows) == (["region", "n"], [pa.string(), pa.int64()], 0)
    assert served.requests() == before


PREVIEWS = (
    "SELECT * FROM people LIMIT 200",
    'SELECT * FROM "people"',
    "SELECT * FROM datasets.people LIMIT 200",
    'SELECT * FROM "test"."datasets"."people" LIMIT 200 OFFSET 0',
    "SELECT people.* FROM test.datasets.people AS people",
    "SELECT region FROM people LIMIT 10",
    "SELECT * FROM people LIMIT 1000",
)


@pytest.mark.parametrize("preview", PREVIEWS)
def test_a_preview_is_refused_with_a_hint_and_costs_nothing(served: Served, connection: Any, preview: str) -> None:
    before = served.requests()
    with connection.cursor() as cursor, pytest.raises(connection.ProgrammingError) as caught:
        cursor.execute(preview)
    assert "[SQL_ROWS]" in str(caught.value)
    assert "Use COUNT, SUM or AVG, with GROUP BY for one figure a group." in str(caught.value)
    assert served.requests() == before


@pytest.mark.parametrize(
    "text", [SQL.replace("people", "datasets.people"), SQL.replace("people", '"test".datasets.people')]
)
def test_the_name_that_a_browser_writes_is_the_dataset(connection: Any, text: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(text)
        assert cursor.fetchall() == ROWS


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("SELECT COUNT(*) FROM nothing", "SQL_UNKNOWN_DATASET"),
        ("DELETE FROM people", "SQL_NOT_A_QUERY"),
        ("SELECT COUNT(*) FROM people; SELECT COUNT(*) FROM people", "SQL_NOT_ONE_STATEMENT"),
        ("SELECT 2", "SQL_NO_DATASET"),
        ("SELECT COUNT(*) FROM people WHERE region = 'N", "SQL_SYNTAX"),
        ("SELECT * FROM fed.nothing", "SQL_UNKNOWN_DATASET"),
    ],
)
def test_refusals_carry_their_code(connection: Any, text: str, code: str) -> None:
    with connection.cursor() as cursor, pytest.raises(connection.ProgrammingError, match=rf"\[{code}\]"):
        cursor.execute(text)


@pytest.mark.parametrize("text", ["SELECT 1", "select 1;", "  SELECT\n1 ; "])
def test_tools_can_see_whether_the_connection_is_alive(served: Served, connection: Any, text: str) -> None:
    before = served.requests()
    with connection.cursor() as cursor:
        cursor.execute(text)
        assert cursor.fetchall() == [(1,)]
    assert served.requests() == before


def test_nothing_can_be_written(connection: Any) -> None:
    table = pa.table({"x": [1]})
    with connection.cursor() as cursor, pytest.raises(connection.Error, match="SQL_COMMAND"):
        cursor.adbc_ingest("people", table, mode="append")


def test_the_same_statement_again_is_free(served: Served, connection: Any) -> None:
    with served.connect(epsilon=fresh(2)) as own, own.cursor() as cursor:
        cursor.execute(SQL)
        first, rounds, requests = cursor.fetchall(), served.rounds(), served.requests()
        cursor.execute(SQL.replace(" GROUP", "  GROUP"))
        assert cursor.fetchall() == first
        assert (served.rounds(), served.requests()) == (rounds, requests)


def test_eight_clients_at_once_with_one_question_are_one_request(served: Served) -> None:
    before, errors, answers = served.requests(), list[BaseException](), list[list[Any]]()
    go = threading.Barrier(8)

    def client() -> None:
        try:
            with served.connect(epsilon=fresh(10)) as opened:
                go.wait(20)
                for _ in range(3):
                    with opened.cursor() as cursor:
                        cursor.execute(SQL)
                        answers.append(cursor.fetchall())
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=client) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert errors == []
    assert answers == [ROWS] * 24
    assert served.requests() == before + 1
    assert len(served.server.service.statements) == 0


def test_a_poll_tells_how_far_it_is(served: Served) -> None:
    with served.connect(epsilon=fresh(20)) as opened, opened.cursor() as cursor:
        cursor.adbc_statement.set_options(**{"adbc.statement.exec.incremental": "true"})
        partitions, schema = cursor.adbc_execute_partitions(SQL)
        seen = [partitions]
        while seen[-1]:
            found, _ = cursor.adbc_execute_partitions(SQL)
            seen.append(found)
        told = [partition for found in seen for partition in found]
        assert schema.names == ["region", "n"]
        assert len(told) == 1
        cursor.adbc_read_partition(told[0])
        assert cursor.fetchall() == ROWS


def test_what_tools_browse(connection: Any) -> None:
    assert connection.adbc_get_info()["vendor_name"] == "Splittally"
    assert connection.adbc_get_table_types() == ["SYSTEM TABLE", "TABLE"]
    (catalog,) = connection.adbc_get_objects(depth="all").read_all().to_pylist()
    assert catalog["catalog_name"] == "test"
    tables = {
        (schema["db_schema_name"], table["table_name"]): [c["column_name"] for c in table["table_columns"]]
        for schema in catalog["catalog_db_schemas"]
        for table in schema["db_schema_tables"]
    }
    assert tables["datasets", "people"] == ["person_id", "region", "clinic"]
    assert {name for schema, name in tables if schema == "fed"} == {
        *("agreements", "budgets", "cards", "columns", "datasets", "requests")
    }
    schema = connection.adbc_get_table_schema("people", db_schema_filter="datasets")
    assert [(field.name, field.nullable) for field in schema] == [
        ("person_id", False),
        ("region", True),
        ("clinic", True),
    ]


def test_a_browsed_table_reads_as_it_was_browsed(connection: Any) -> None:
    (catalog,) = connection.adbc_get_objects(depth="all", db_schema_filter="fed").read_all().to_pylist()
    for schema in catalog["catalog_db_schemas"]:
        for table in schema["db_schema_tables"] or ():
            with connection.cursor() as cursor:
                cursor.execute(f"SELECT * FROM {schema['db_schema_name']}.{table['table_name']}")
                found = cursor.fetch_arrow_table()
            browsed = connection.adbc_get_table_schema(table["table_name"], db_schema_filter="fed")
            assert found.schema.remove_metadata() == pa.schema([f.remove_metadata() for f in browsed])
