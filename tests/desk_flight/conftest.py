"""A desk's Flight SQL server before a coordinator over gRPC, whose nodes and helpers are doubles that add no noise."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import grpc
import pytest
from google.protobuf.any_pb2 import Any as Envelope
from google.protobuf.message import Message

from engine.client.calls import Line
from engine.client.page import page_of
from engine.client.queue import decide, fetch_queue
from engine.client.session import Session
from engine.desk.flight.server import NAME, FlightSqlServer
from engine.trusted.clock import SystemClock
from engine.trusted.messages import OpenRound
from protos.arrow import flight_pb2 as flight
from tests.client.conftest import Bench, bench

__all__ = ["bench"]
TOKEN = "a-token-of-the-desk-for-tests"
SQL = "SELECT region, COUNT(*) AS n FROM people GROUP BY region ORDER BY region"
ROWS = [("N", 7), ("S", 70)]


def fresh(number: int) -> str:
    """An epsilon that no other test asks with: a question of its own."""
    return f"1.{number:03}"


@dataclass
class Served:
    """A running server and the federation behind it."""

    bench: Bench
    server: FlightSqlServer
    session: Session

    @property
    def uri(self) -> str:
        return f"grpc://127.0.0.1:{self.server.port}"

    def connect(self, token: str = TOKEN, cookies: bool = True, **headers: str) -> Any:
        """A connection of the ADBC driver; ``headers`` are options."""
        from adbc_driver_flightsql import DatabaseOptions, dbapi

        known = {
            DatabaseOptions.AUTHORIZATION_HEADER.value: f"Bearer {token}",
            DatabaseOptions.WITH_COOKIE_MIDDLEWARE.value: "true" if cookies else "false",
            **{DatabaseOptions.RPC_CALL_HEADER_PREFIX.value + name: value for name, value in headers.items()},
        }
        return dbapi.connect(self.uri, db_kwargs=known, autocommit=True)

    def rounds(self) -> int:
        """How many rounds the nodes were asked to run so far."""
        return sum(isinstance(message, OpenRound) for message in self.bench.members["east"].seen)

    def requests(self) -> int:
        return len(self.session.requests(1_000))

    def guard(self, wanted: int) -> None:
        """North wants so many approvals of each plan."""
        member = self.bench.members["north"]
        member.guardians = wanted
        self.bench.hang_up("north")
        self.bench.dial("north")
        for _ in range(1_000):
            if {s.node: s.guardians for s in self.session.describe().nodes}.get("north") == wanted:
                return
            time.sleep(0.005)
        raise AssertionError("nobody heard it")

    def decide(self, request: str, reason: str = "") -> None:
        """The guardian's approval, or with a ``reason`` refusal."""
        home = self.bench.home("guardian-north")
        line = Line(home)
        queued = fetch_queue(line, home.roster(), everything=True).find(request)
        line.hand(decide(queued, home, SystemClock(), page_of(queued, home.roster()), 1, reason))
        line.close()


@pytest.fixture(scope="module")
def served(bench: Bench) -> Iterator[Served]:
    session = bench.session()
    server = FlightSqlServer.start(lambda: session, "127.0.0.1", 0, TOKEN)
    yield Served(bench, server, session)
    server.stop()
    session.close()


class Raw:
    """A client that sends what no driver would: bare messages, with the headers it is given."""

    def __init__(
        self, port: int, headers: tuple[tuple[str, str], ...] = (("authorization", f"Bearer {TOKEN}"),)
    ) -> None:
        self.channel = grpc.insecure_channel(f"127.0.0.1:{port}")
        self.headers = headers

    def unary(self, method: str, asked: Message, answer: type[Message]) -> Any:
        call = self.channel.unary_unary(f"/{NAME}/{method}", lambda m: m.SerializeToString(), answer.FromString)
        return call(asked, metadata=self.headers, timeout=20)

    def stream(self, method: str, asked: Message, answer: type[Message]) -> list[Any]:
        call = self.channel.unary_stream(f"/{NAME}/{method}", lambda m: m.SerializeToString(), answer.FromString)
        return list(call(asked, metadata=self.headers, timeout=20))

    def both(self, method: str, asked: list[Message], answer: type[Message]) -> list[Any]:
        call = self.channel.stream_stream(f"/{NAME}/{method}", lambda m: m.SerializeToString(), answer.FromString)
        return list(call(iter(asked), metadata=self.headers, timeout=20))

    def info(self, command: Message) -> Any:
        return self.unary("GetFlightInfo", descriptor(command), flight.FlightInfo)

    def act(self, kind: str, body: bytes = b"") -> list[Any]:
        return self.stream("DoAction", flight.Action(type=kind, body=body), flight.Result)


def descriptor(command: Message) -> flight.FlightDescriptor:
    return flight.FlightDescriptor(type=flight.FlightDescriptor.CMD, cmd=enveloped(command))


def enveloped(command: Message) -> bytes:
    found = Envelope()
    found.Pack(command)
    return found.SerializeToString()


@pytest.fixture
def raw(served: Served) -> Iterator[Raw]:
    client = Raw(served.server.port)
    yield client
    client.channel.close()
