"""A federation with a coordinator over gRPC and doubles for nodes, and a desk for each role of people in it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from engine.coordinator import server
from engine.coordinator.events import Windows
from engine.desk.app import application
from engine.desk.desk import Desk
from engine.desk.guard import Guard
from engine.governance.homes import set_coordinator
from engine.trusted.clock import SystemClock
from engine.trusted.home import Home
from engine.trusted.random import SystemRandomness
from tests.client.conftest import COUNTS, Bench
from tests.coordinator.members import doubles, make_federation

PORT = 8700
ADDRESS = f"http://127.0.0.1:{PORT}"
SEATS = {"analyst": "analyst", "guardian": "guardian-east", "policy_officer": "policy", "auditor": "auditor"}
Answer = Any  # of the client


@dataclass
class Browser:
    """A desk, and somebody who opened its address."""

    desk: Desk
    guard: Guard
    client: TestClient
    addresses: list[str] = field(default_factory=list)

    @property
    def base(self) -> str:
        return self.desk.base

    @property
    def session(self) -> str:
        return str(self.client.cookies["desk"])

    def open(self) -> None:
        assert self.client.get(self.addresses[-1], follow_redirects=False).status_code == 200

    def get(self, place: str, **headers: str) -> Answer:
        return self.client.get(self.base + place, headers=headers, follow_redirects=False)

    def post(self, place: str, fields: Mapping[str, str] | None = None, **headers: str) -> Answer:
        """With the form token of this browser."""
        form = {"csrf": self.token(), **(fields or {})}
        return self.client.post(self.base + place, data=form, headers=headers, follow_redirects=False)

    def upload(self, place: str, body: bytes, **fields: str) -> Answer:
        """A form of several parts with one file, with the form token of this browser."""
        form = {"csrf": self.token(), **fields}
        files = {"file": ("any name", body, "application/octet-stream")}
        return self.client.post(self.base + place, data=form, files=files, follow_redirects=False)

    def follow(self, answer: Answer) -> Answer:
        """The page that an answer sends the browser to."""
        assert answer.status_code == 303, answer.text
        return self.client.get(ADDRESS + answer.headers["location"], follow_redirects=False)

    def token(self) -> str:
        return self.guard.form_token(self.session)


def desk_of(home: Home, node_home: Home | None = None) -> Browser:
    """A desk of that home, opened."""
    addresses: list[str] = []
    desk = Desk(home, SystemClock(), SystemRandomness(), node_home)
    guard = application(desk, PORT, addresses.append)
    browser = Browser(desk, guard, TestClient(guard, base_url=ADDRESS, raise_server_exceptions=True), addresses)
    browser.open()
    return browser


@contextmanager
def opened_bench(directory: Path) -> Iterator[Bench]:
    """A whole federation below ``directory``; of one's own, where what is done would disturb others."""
    federation = make_federation(directory, helpers=2, auditors=("auditor",))
    coordinator = server.start(
        Home.load(federation.home("coordinator")), "127.0.0.1:0", windows=Windows(gather=300, ready=300, rejoin=200)
    )
    for member in federation.manifest.members:
        if member.name != "coordinator":
            set_coordinator(Home.load(federation.home(member.name)), coordinator.address)
    members = doubles(federation, COUNTS)
    channels = {name: member.dial(coordinator.address) for name, member in members.items()}
    made = Bench(federation, coordinator, members, channels)
    try:
        made.settle()
        yield made
    finally:
        for channel in made.channels.values():
            channel.close()
        coordinator.stop()


@pytest.fixture(scope="session")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    with opened_bench(tmp_path_factory.mktemp("desk")) as made:
        yield made


@pytest.fixture(scope="session")
def desks(bench: Bench) -> Iterator[Mapping[str, Browser]]:
    """role -> an opened desk."""
    opened = {role: desk_of(Home.load(bench.federation.home(name))) for role, name in SEATS.items()}
    yield opened
    for browser in opened.values():
        browser.desk.close()


def visible(page: str) -> str:
    """The text of a page, without its tags."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", page))
