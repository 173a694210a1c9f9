"""A request that waits for people: told of with its id, asked once, answered by the same SQL when they have decided."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Iterator
from typing import Any

import grpc
import pytest

from engine.desk.flight.server import NAME, FlightSqlServer
from protos.arrow import flight_pb2 as flight
from protos.arrow import flight_sql_pb2 as sql
from tests.desk_flight.conftest import ROWS, SQL, TOKEN, Raw, Served, descriptor, enveloped, fresh


@pytest.fixture(scope="module")
def guarded(served: Served) -> Iterator[Served]:
    served.guard(1)
    yield served
    served.guard(0)


def waiting(opened: Any) -> str:
    """Asks, is told to wait, and returns the request that is named."""
    with opened.cursor() as cursor, pytest.raises(opened.OperationalError) as caught:
        cursor.execute(SQL)
    told = re.search(
        r"\[APPROVAL_WAITING_REQUEST\] The request ([0-9a-f]{64}) waits for guardian-north\. "
        r"Run the same SQL again .* SELECT \* FROM fed\.requests",
        str(caught.value),
    )
    assert told is not None, str(caught.value)
    return told.group(1)


def test_the_same_sql_fetches_the_answer_once_it_was_approved(guarded: Served) -> None:
    with guarded.connect(epsilon=fresh(201), wait="0.2") as opened:
        before, rounds = guarded.requests(), guarded.rounds()
        request = waiting(opened)
        assert waiting(opened) == request
        assert (guarded.requests(), guarded.rounds()) == (before + 1, rounds)
        with opened.cursor() as cursor:
            cursor.execute(f"SELECT state, waiting_for FROM fed.requests WHERE request = '{request}'")
            assert cursor.fetchall() == [("waiting", "guardian-north")]
        guarded.decide(request)
        for _ in range(2):
            with opened.cursor() as cursor:
                cursor.execute(SQL)
                assert cursor.fetchall() == ROWS
        assert (guarded.requests(), guarded.rounds()) == (before + 1, rounds + 1)


def test_a_refused_request_says_why(guarded: Served) -> None:
    with guarded.connect(epsilon=fresh(202), wait="0.2") as opened:
        request = waiting(opened)
        guarded.decide(request, reason="too fine")
        with opened.cursor() as cursor:
            cursor.execute(f"SELECT state, code, reason FROM fed.requests WHERE request = '{request}'")
            assert cursor.fetchall() == [("refused", "APPROVAL_REFUSED", "guardian-north: too fine")]


def test_whoever_hangs_up_keeps_nobody_waiting(guarded: Served) -> None:
    """A statement that would wait for a minute; its client leaves, and the server stops at once."""
    before = set(threading.enumerate())
    server = FlightSqlServer.start(lambda: guarded.session, "127.0.0.1", 0, TOKEN)
    own = Raw(server.port, (("authorization", f"Bearer {TOKEN}"), ("epsilon", fresh(206)), ("wait", "60")))
    call = own.channel.unary_unary(f"/{NAME}/GetFlightInfo", lambda m: m.SerializeToString())
    with pytest.raises(grpc.RpcError) as caught:
        call(descriptor(sql.CommandStatementQuery(query=SQL)), metadata=own.headers, timeout=1)
    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    begun = time.monotonic()
    server.stop()
    for thread in set(threading.enumerate()) - before:
        if thread.name.startswith("flight"):
            thread.join(20)
    assert time.monotonic() - begun < 15
    own.channel.close()


def poll(raw: Raw, asked: flight.FlightDescriptor) -> Any:
    return raw.unary("PollFlightInfo", asked, flight.PollInfo)


def test_a_poll_says_for_whom_it_waits_and_ends_with_the_answer(guarded: Served, raw: Raw) -> None:
    own = Raw(guarded.server.port, (*raw.headers, ("epsilon", fresh(203))))
    told = poll(own, descriptor(sql.CommandStatementQuery(query=SQL)))
    known = json.loads(told.info.app_metadata)
    assert (known["state"], known["waiting_for"]) == ("waiting", ["guardian-north"])
    assert told.progress < 0.3
    assert not told.info.endpoint
    shares = [told.progress]
    guarded.decide(known["request"])
    while told.HasField("flight_descriptor"):
        told = poll(own, told.flight_descriptor)
        shares.append(told.progress)
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    frames = own.stream("DoGet", told.info.endpoint[0].ticket, flight.FlightData)
    assert len(frames) == 2
    own.channel.close()


def test_a_poll_of_a_refused_request_raises_its_refusal(guarded: Served, raw: Raw) -> None:
    own = Raw(guarded.server.port, (*raw.headers, ("epsilon", fresh(204))))
    told = poll(own, descriptor(sql.CommandStatementQuery(query=SQL)))
    guarded.decide(json.loads(told.info.app_metadata)["request"], reason="too fine")
    with pytest.raises(grpc.RpcError) as caught:
        while True:
            told = poll(own, told.flight_descriptor)
    assert caught.value.details().startswith(
        "[APPROVAL_REFUSED] A guardian refused the request: “guardian-north: too fine”."
    )
    assert caught.value.code() is grpc.StatusCode.PERMISSION_DENIED
    own.channel.close()


def test_an_answer_before_its_time_is_not_there(guarded: Served, raw: Raw) -> None:
    own = Raw(guarded.server.port, (*raw.headers, ("epsilon", fresh(205))))
    told = poll(own, descriptor(sql.CommandStatementQuery(query=SQL)))
    command = sql.TicketStatementQuery()
    command.ParseFromString(_value(told.flight_descriptor.cmd))
    with pytest.raises(grpc.RpcError) as caught:
        own.stream("DoGet", flight.Ticket(ticket=enveloped(command)), flight.FlightData)
    assert caught.value.details().startswith("[APPROVAL_WAITING] ")
    own.channel.close()


def _value(envelope: bytes) -> bytes:
    from google.protobuf.any_pb2 import Any as Envelope

    return Envelope.FromString(envelope).value
