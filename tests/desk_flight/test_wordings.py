"""One question in several wordings: each client gets the columns and rows of the statement that it sent."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from engine.desk.flight.ipc import table_of
from protos.arrow import flight_pb2 as flight
from protos.arrow import flight_sql_pb2 as sql
from tests.desk_flight.conftest import Raw, Served, fresh

WORDINGS = (
    ("SELECT region, COUNT(*) AS n FROM people GROUP BY region ORDER BY region", {"region": ["N", "S"], "n": [7, 70]}),
    ("SELECT COUNT(*) AS m, region AS r FROM people GROUP BY region ORDER BY m DESC", {"m": [70, 7], "r": ["S", "N"]}),
    ("SELECT region, COUNT(*) AS n FROM people GROUP BY region ORDER BY n DESC LIMIT 1", {"region": ["S"], "n": [70]}),
    ("SELECT region, COUNT(*) AS n FROM people GROUP BY region HAVING COUNT(*) < 9", {"region": ["N"], "n": [7]}),
)


def test_a_question_in_other_words_is_answered_in_those_words(served: Served) -> None:
    with served.connect(epsilon=fresh(701)) as connection:
        for statement, expected in WORDINGS:
            with connection.cursor() as cursor:
                cursor.execute(statement)
                assert cursor.fetch_arrow_table().to_pydict() == expected, statement


def test_a_client_between_execute_and_fetch_is_not_given_the_words_of_another(served: Served) -> None:
    raw = Raw(served.server.port, (*Raw(served.server.port).headers, ("epsilon", fresh(702))))
    infos = [raw.info(sql.CommandStatementQuery(query=statement)) for statement, _ in WORDINGS]
    for info, (statement, expected) in zip(infos, WORDINGS, strict=True):
        assert rows(raw, info.endpoint[0].ticket) == expected, statement
    raw.channel.close()


def rows(raw: Raw, ticket: flight.Ticket) -> dict[str, list[Any]]:
    table: pa.Table = table_of(raw.stream("DoGet", ticket, flight.FlightData))
    return table.to_pydict()
