"""Two releases of one federation, with their receipts, and every key that signed a part of them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import grpc
import pytest
import structlog

from engine.client.receipts import sign_receipt
from engine.client.session import Session, connect
from engine.coordinator import server
from engine.coordinator.events import Windows
from engine.governance.agreement import (
    default_agreement,
    enforcing_members,
    install_agreement,
    sign_agreement,
    signing_members,
)
from engine.governance.federation import Federation
from engine.trusted import wire
from engine.trusted.clock import SystemClock
from engine.trusted.epsilon import allowance
from engine.trusted.home import Home
from engine.trusted.messages import OpenRound
from engine.trusted.records import (
    HelperAnswer,
    JournalKind,
    Operation,
    Receipt,
    RecordKind,
    RootKey,
    RoundManifest,
    Share,
    SignedRecord,
)
from engine.trusted.sign import signed
from tests.coordinator.members import Double, doubles, make_federation

structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
COUNTS = {"east": (100, 1000), "north": (200, 2000), "west": (400, 4000)}
SQL = "SELECT region, COUNT(*) AS n FROM people GROUP BY region ORDER BY region"


@dataclass
class Bench:
    federation: Federation
    coordinator: server.Coordinator
    members: dict[str, Double]

    def home(self, name: str) -> Home:
        return replace(Home.load(self.federation.home(name)), coordinator=self.coordinator.address)

    def session(self, name: str = "analyst") -> Session:
        return connect(self.home(name))

    @property
    def roots(self) -> tuple[RootKey, ...]:
        return self.home("analyst").roots()

    def sign(self, kind: RecordKind, record: object, *names: str) -> SignedRecord:
        return signed(kind, wire.encode(record), *(self.home(name).signing_key() for name in names))

    def file(self, receipt: Receipt, keeper: str = "analyst") -> bytes:
        return wire.encode(sign_receipt(receipt, self.home(keeper).signing_key()))

    def remade(self, receipt: Receipt, **changes: Any) -> Receipt:
        """Another round in place of a receipt's, signed again by all of its nodes and helpers."""
        made: RoundManifest = replace(receipt.round_manifest, **changes)
        round_ = wire.digest(wire.encode(made))
        return replace(
            receipt,
            round_manifest=made,
            shares=tuple(self.again(record, Share, round=round_) for record in receipt.shares),
            answers=tuple(self.again(record, HelperAnswer, round=round_) for record in receipt.answers),
            charges=(),
        )

    def again(self, record: SignedRecord, form: Callable[..., Any], **changes: Any) -> SignedRecord:
        """A record changed and signed again by its own signer."""
        return self.sign(
            record.kind, replace(wire.decode(form, record.payload), **changes), record.signatures[0].signer
        )


def install_wider_agreement(federation: Federation) -> None:
    """In place of the first one: an agreement that also lets nodes name keys."""
    clock, manifest = SystemClock(), federation.manifest
    operations = (Operation.AGGREGATE, Operation.QUANTILE, Operation.KEY_SELECTION)
    budget, plan = allowance(Fraction(8), Fraction(1, 10**6)), allowance(Fraction(3), Fraction(1, 10**8))
    wider = default_agreement(manifest, clock, budget, plan, operations)
    homes = [Home.load(federation.home(name)) for name in enforcing_members(manifest)]
    for home in homes:
        for file in (home.path / "agreements").iterdir():
            file.unlink()
    signers = (Home.load(federation.home(name)) for name in signing_members(manifest))
    install_agreement(sign_agreement(wider, *signers), homes)


@pytest.fixture(scope="session")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    federation = make_federation(tmp_path_factory.mktemp("federation"), helpers=2, roots=3)
    install_wider_agreement(federation)
    home = Home.load(federation.home("coordinator"))
    coordinator = server.start(home, "127.0.0.1:0", windows=Windows(gather=1000, ready=1000))
    members = doubles(federation, COUNTS)
    for member in members.values():
        for number in range(5):
            member.note(JournalKind.SNAPSHOT_TAKEN, detail=str(number))
    channels: list[grpc.Channel] = [member.dial(coordinator.address) for member in members.values()]
    made = Bench(federation, coordinator, members)
    yield made
    for channel in channels:
        channel.close()
    coordinator.stop()


def released(bench: Bench, epsilon: Fraction | int, sql: str = SQL) -> tuple[str, Receipt]:
    with bench.session() as session:
        release = session.query(sql, epsilon=epsilon, purpose="To plan clinics").wait(30)
    return release.request_id, wire.decode(Receipt, release.receipt)


@pytest.fixture(scope="session")
def request_id(bench: Bench) -> str:
    return released(bench, 1)[0]


@pytest.fixture(scope="session")
def receipt(bench: Bench) -> Receipt:
    return released(bench, 1)[1]


@pytest.fixture(scope="session")
def other(bench: Bench) -> Receipt:
    """Of another request, for the same plan."""
    return released(bench, Fraction(3, 2))[1]


def rounds_opened(bench: Bench) -> int:
    return sum(isinstance(message, OpenRound) for message in bench.members["east"].seen)
