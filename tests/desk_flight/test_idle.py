"""Connections of drivers that ask nothing are closed, and there are only so many."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator

import grpc
import pytest
from google.protobuf.empty_pb2 import Empty

from engine.desk.flight import server as edge
from engine.desk.flight.server import FlightSqlServer
from protos.arrow import flight_pb2 as flight
from tests.client.conftest import Bench
from tests.desk_flight.conftest import TOKEN, Raw


@pytest.fixture
def hasty(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """A server with the same bounds, made small; its port."""
    small = {
        "grpc.so_reuseport": 0,
        "grpc.max_allowed_incoming_connections": 2,
        "grpc.server_handshake_timeout_ms": 500,
        "grpc.max_connection_idle_ms": 700,
    }
    assert set(small) == {name for name, _ in edge.OPTIONS}
    monkeypatch.setattr(edge, "OPTIONS", tuple(small.items()))
    session = bench.session()
    made = FlightSqlServer.start(lambda: session, "127.0.0.1", 0, TOKEN)
    yield made.port
    made.stop()
    session.close()


def test_a_connection_that_says_nothing_is_closed(hasty: int) -> None:
    with socket.create_connection(("127.0.0.1", hasty), 20) as caller:
        heard = b"".join(iter(lambda: caller.recv(1 << 16), b""))  # until it is closed
    assert len(heard) < 1_000


def test_an_idle_connection_is_closed_and_made_again_when_it_is_needed(hasty: int) -> None:
    caller, seen = Raw(hasty), list[grpc.ChannelConnectivity]()
    caller.channel.subscribe(seen.append)
    assert caller.stream("ListActions", Empty(), flight.ActionType)
    for _ in range(200):
        if seen and seen[-1] is grpc.ChannelConnectivity.IDLE and grpc.ChannelConnectivity.READY in seen:
            break
        time.sleep(0.05)
    assert seen[-1] is grpc.ChannelConnectivity.IDLE
    assert caller.stream("ListActions", Empty(), flight.ActionType)
    caller.channel.close()


def test_one_connection_too_many_is_turned_away(hasty: int) -> None:
    callers, alone = [Raw(hasty) for _ in range(3)], (("grpc.use_local_subchannel_pool", 1),)
    for caller in callers:  # else all three have one connection
        caller.channel = grpc.insecure_channel(f"127.0.0.1:{hasty}", alone)
    for caller in callers[:2]:
        assert caller.stream("ListActions", Empty(), flight.ActionType)
    with pytest.raises(grpc.RpcError) as refused:
        callers[2].stream("ListActions", Empty(), flight.ActionType)
    assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
    for caller in callers:
        caller.channel.close()
