"""Flight SQL as its specification states it: columns and rows of each command (conformance.yaml), codes, types."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import grpc
import pyarrow as pa
import pytest
import yaml
from google.protobuf.any_pb2 import Any as Envelope
from google.protobuf.message import Message

from engine.desk.flight import ipc, metadata
from engine.desk.flight.sqlinfo import DAY_WORDS, INFO, NUMBER_WORDS, OTHER_WORDS, TEXT_WORDS, Flags
from engine.sql.aggregates import AGGREGATES
from engine.sql.vocabulary import FUNCTIONS, NAMED
from protos.arrow import flight_pb2 as flight
from protos.arrow import flight_sql_pb2 as sql
from tests.desk_flight.conftest import SQL, Raw, Served, descriptor, enveloped, fresh

CASES = yaml.safe_load((Path(__file__).parent / "conformance.yaml").read_text())


def command_of(text: str) -> Message:
    name, _, fields = text.partition(" ")
    command: Message = getattr(sql, name)()
    for field, value in yaml.safe_load(fields).items():
        held = getattr(command, field)
        held.extend(value) if isinstance(value, list) else setattr(command, field, value)
    return command


def schema_in(body: bytes) -> pa.Schema:
    return pa.ipc.read_schema(pa.BufferReader(body))


def fetched(raw: Raw, command: Message) -> pa.Table:
    """The rows of a command, by its ticket; every place that tells the columns tells the same ones."""
    info = raw.info(command)
    (endpoint,) = info.endpoint
    table = ipc.table_of(raw.stream("DoGet", endpoint.ticket, flight.FlightData))
    told = raw.unary("GetSchema", descriptor(command), flight.SchemaResult).schema
    polled = raw.unary("PollFlightInfo", descriptor(command), flight.PollInfo)
    assert not polled.HasField("flight_descriptor")
    assert schema_in(info.schema) == schema_in(told) == schema_in(polled.info.schema) == table.schema
    return table


@pytest.mark.parametrize("case", CASES, ids=[case["command"] for case in CASES])
def test_a_command_answers_as_specified(raw: Raw, case: dict[str, Any]) -> None:
    table = fetched(raw, command_of(case["command"]))
    if "columns" in case:
        told = {f.name: f"{f.type}{'' if f.nullable else '!'}" for f in table.schema}
        assert told == case["columns"]
    if "rows" in case:
        assert [list(row.values()) for row in table.to_pylist()] == case["rows"]


def test_every_command_of_the_catalogue_is_in_the_table() -> None:
    asked = {case["command"].partition(" ")[0] for case in CASES}
    assert asked == {kind.__name__ for kind in metadata.Message.__args__}


def test_a_table_tells_its_columns_as_a_schema(raw: Raw) -> None:
    command = sql.CommandGetTables(include_schema=True, table_name_filter_pattern="people")
    (row,) = fetched(raw, command).to_pylist()
    columns = schema_in(row["table_schema"])
    assert columns.names == ["person_id", "region", "clinic"]
    assert columns.field("region").metadata[b"ARROW:FLIGHT:SQL:TYPE_NAME"] == b"VARCHAR"
    assert b"joins" in columns.field("person_id").metadata[b"ARROW:FLIGHT:SQL:REMARKS"]


# The codes that FlightSql.proto names, and the type of each. The JDBC driver (ArrowDatabaseMetadata of arrow-java)
# casts each to it; it asks for all at once, and an older one cannot hold a code it has no name for.
TEXTS = (0, 1, 2, 6, 7, 504, 513, 514, 529, 530, 531)
TRUTHS = (
    *(3, 4, 5, 9, 500, 501, 502, 506, 515, 516, 518, 519, 520, 521, 523, 524, 527, 532, 536, 537, 539, 556, 563, 565),
    *(566, 572, 573, 574, 575, 576),
)
LISTS = (508, 509, 510, 511, 512)
LONGS = (*range(541, 556), *range(557, 563))
BITS = (8, 100, 101, 503, 505, 507, 522, 525, 526, 528, 533, 534, 535, 538, 540, 564, 567, 568, 569, 570, 571)


def test_every_code_of_sql_info_has_a_value_of_its_type(raw: Raw) -> None:
    table = fetched(raw, sql.CommandGetSqlInfo())
    codes, values = table.column(0).to_pylist(), table.column(1).combine_chunks()
    kinds = dict(zip(codes, values.type_codes.to_pylist(), strict=True))
    expected = {
        **dict.fromkeys(TEXTS, 0),
        **dict.fromkeys(TRUTHS, 1),
        **dict.fromkeys(LONGS, 2),
        **dict.fromkeys(BITS, 3),
        **dict.fromkeys(LISTS, 4),
        517: 5,
    }
    assert kinds == expected
    assert None not in values.to_pylist()


def test_conversions_are_between_types_that_there_are(raw: Raw) -> None:
    (row,) = fetched(raw, sql.CommandGetSqlInfo(info=[517])).to_pylist()
    assert all(0 <= kind < 20 for source, targets in row["value"] for kind in (source, *targets))


def test_the_functions_that_are_told_of_are_those_of_the_language() -> None:
    known = {row.operator for row in FUNCTIONS.values()} | set(NAMED) | {"date_trunc"} | set(AGGREGATES.values())
    told = {*NUMBER_WORDS, *TEXT_WORDS, *DAY_WORDS, *OTHER_WORDS}
    assert told <= known
    assert len(told) == len(NUMBER_WORDS) + len(TEXT_WORDS) + len(DAY_WORDS) + len(OTHER_WORDS)
    assert known - told - set(NAMED) - set(AGGREGATES.values()) == set()


def test_no_transactions_no_writing_no_cancelling() -> None:
    assert (INFO[3], INFO[8], INFO[9], INFO[563]) == (True, Flags(0), False, False)


def test_all_types_are_told_in_the_order_of_their_numbers(raw: Raw) -> None:
    table = fetched(raw, sql.CommandGetXdbcTypeInfo())
    assert table.column("data_type").to_pylist() == [-7, -5, 8, 12, 91]


def test_a_large_answer_comes_in_batches_below_the_limit_of_grpc() -> None:
    table = pa.table({"text": ["x" * 1_000] * 10_000, "number": list(range(10_000))})
    frames = list(ipc.frames(table))
    assert len(frames) > 5
    assert max(frame.ByteSize() for frame in frames) < 2 * ipc.BATCH_BYTES


def test_frames_hold_what_the_table_held() -> None:
    table = pa.table({"text": ["a", None, "ü"], "day": pa.array([None, 1, 2], pa.date32())})
    assert ipc.table_of(ipc.frames(table)) == table
    assert ipc.table_of(ipc.frames(table.slice(0, 0))) == table.slice(0, 0)


def test_a_conversation_as_the_jdbc_driver_has_it(served: Served, raw: Raw) -> None:
    """Sign in, ask what the server is, set a catalog, prepare, read the columns, bind, execute, fetch, close.

    By ArrowFlightSqlClientHandler of arrow-java: it always prepares, takes a statement without columns for an update,
    and binds by the types that it was told.
    """
    own = Raw(served.server.port, (*raw.headers, ("epsilon", fresh(301))))
    assert own.both("Handshake", [flight.HandshakeRequest()], flight.HandshakeResponse)
    assert len(fetched(own, sql.CommandGetSqlInfo())) == len(INFO)
    catalog = flight.SetSessionOptionsRequest()
    catalog.session_options["catalog"].string_value = "test"
    (told,) = own.act("SetSessionOptions", catalog.SerializeToString())
    assert not flight.SetSessionOptionsResult.FromString(told.body).errors
    query = "SELECT region, COUNT(*) AS n FROM people WHERE region = ? GROUP BY region ORDER BY region LIMIT ?"
    request = sql.ActionCreatePreparedStatementRequest(query=query)
    (told,) = own.act("CreatePreparedStatement", enveloped(request))
    made = sql.ActionCreatePreparedStatementResult.FromString(Envelope.FromString(told.body).value)
    assert schema_in(made.dataset_schema).names == ["region", "n"]
    assert schema_in(made.parameter_schema).types == [pa.string(), pa.int64()]
    command = sql.CommandPreparedStatementQuery(prepared_statement_handle=made.prepared_statement_handle)
    values = pa.table({"1": ["N"], "2": [5]}, schema=schema_in(made.parameter_schema))
    sent = list(ipc.frames(values))
    sent[0].flight_descriptor.CopyFrom(descriptor(command))
    (put,) = own.both("DoPut", sent, flight.PutResult)
    again = sql.DoPutPreparedStatementResult.FromString(put.app_metadata)
    assert again.prepared_statement_handle == made.prepared_statement_handle
    info = own.info(command)
    table = ipc.table_of(own.stream("DoGet", info.endpoint[0].ticket, flight.FlightData))
    assert table.schema == schema_in(info.schema)
    assert table.num_rows == 2
    closed = sql.ActionClosePreparedStatementRequest(prepared_statement_handle=made.prepared_statement_handle)
    assert own.act("ClosePreparedStatement", enveloped(closed)) == []
    with pytest.raises(grpc.RpcError, match="SQL_HANDLE"):
        own.info(command)
    assert own.act("CloseSession")
    own.channel.close()


def test_a_ticket_can_be_redeemed_again(served: Served, raw: Raw) -> None:
    own = Raw(served.server.port, (*raw.headers, ("epsilon", fresh(302))))
    (endpoint,) = own.info(sql.CommandStatementQuery(query=SQL)).endpoint
    rounds = served.rounds()
    tables = [ipc.table_of(own.stream("DoGet", endpoint.ticket, flight.FlightData)) for _ in range(2)]
    assert tables[0] == tables[1]
    assert served.rounds() == rounds
    own.channel.close()


@pytest.mark.parametrize("by_poll", [False, True])
def test_values_that_nobody_listed_are_named_by_the_nodes(served: Served, raw: Raw, by_poll: bool) -> None:
    """A request of two phases: between them the analyst's side answers, whichever call is looking."""
    for name, clinics in {"east": {"a": 5}, "north": {"c": 5}, "west": {"a": 1}}.items():
        served.bench.members[name].clinics = clinics
    own = Raw(served.server.port, (*raw.headers, ("epsilon", fresh(303 + by_poll))))
    query = sql.CommandStatementQuery(query="SELECT clinic, COUNT(*) AS n FROM people GROUP BY clinic ORDER BY n DESC")
    if by_poll:
        told = own.unary("PollFlightInfo", descriptor(query), flight.PollInfo)
        while told.HasField("flight_descriptor"):
            told = own.unary("PollFlightInfo", told.flight_descriptor, flight.PollInfo)
        info = told.info
    else:
        info = own.info(query)
    table = ipc.table_of(own.stream("DoGet", info.endpoint[0].ticket, flight.FlightData))
    assert table.to_pydict() == {"clinic": ["a", "c"], "n": [6, 5]}
    own.channel.close()
