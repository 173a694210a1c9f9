"""A federation with a coordinator over gRPC; nodes and helpers are doubles that add no noise."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

import grpc
import pytest
import structlog

from engine.client.session import Session, connect
from engine.coordinator import server
from engine.coordinator.events import Windows
from engine.governance.federation import Federation
from engine.trusted.home import Home
from tests.coordinator.members import Double, doubles, make_federation

structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
COUNTS = {"east": (1, 10), "north": (2, 20), "west": (4, 40)}


@dataclass
class Bench:
    federation: Federation
    coordinator: server.Coordinator
    members: dict[str, Double]
    channels: dict[str, grpc.Channel]

    def home(self, name: str) -> Home:
        return replace(Home.load(self.federation.home(name)), coordinator=self.coordinator.address)

    def session(self) -> Session:
        return connect(self.home("analyst"))

    def dial(self, name: str) -> None:
        self.channels[name] = self.members[name].dial(self.coordinator.address)
        self.settle()

    def hang_up(self, name: str) -> None:
        self.channels.pop(name).close()
        self.settle()

    def settle(self) -> None:
        """Waits until the coordinator sees the nodes that are connected here, and no others."""
        wanted = [n for n in COUNTS if n in self.channels]
        with self.session() as session:
            for _ in range(1000):
                if [p.node for p in session.describe().connected] == wanted:
                    return
                time.sleep(0.005)
        raise AssertionError("nodes did not connect")


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    federation = make_federation(tmp_path_factory.mktemp("federation"), helpers=2)
    home = Home.load(federation.home("coordinator"))
    coordinator = server.start(home, "127.0.0.1:0", windows=Windows(gather=300, ready=300, rejoin=200))
    members = doubles(federation, COUNTS)
    channels = {name: member.dial(coordinator.address) for name, member in members.items()}
    made = Bench(federation, coordinator, members, channels)
    made.settle()
    yield made
    for channel in made.channels.values():
        channel.close()
    coordinator.stop()
