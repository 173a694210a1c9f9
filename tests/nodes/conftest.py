"""A federation in memory: real keys, records and ledgers; a fixed clock, counted randomness, no noise."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from fractions import Fraction
from hashlib import sha256
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest

from engine.errors import SplittallyError
from engine.trusted import wire
from engine.trusted.calibrate import calibrate
from engine.trusted.catalogue import Bounds, Catalogue, Column, Dataset, IdentifierForm, PersonUnit
from engine.trusted.messages import AskReady
from engine.trusted.plan import (
    Aggregate,
    Clamp,
    ColumnRef,
    GroupingSet,
    Key,
    Literal,
    Measure,
    Plan,
    Scan,
    Statistic,
    Type,
)
from engine.trusted.records import (
    AccountCap,
    AccountScope,
    Agreement,
    Approval,
    DatasetScope,
    Decision,
    FederationManifest,
    LegalGateway,
    Loss,
    Member,
    Operation,
    Participant,
    RecordKind,
    Request,
    Role,
    RoundManifest,
    Rules,
    SignedRecord,
    SnapshotRef,
)
from engine.trusted.seal import SealingKey
from engine.trusted.sign import Roster, SigningKey, signed
from nodes.answer import Node
from nodes.committee import ready
from nodes.ledger import Ledger
from nodes.manifest import Arrival, Keys, Seat
from nodes.server import Server
from tests.nodes.scripted import Script, served, vouch

NOW = 1_800_000_000_000
HOUR = 3_600_000
HOSTS = ("north", "south", "east", "west", "centre")
LOSS = Loss(20_000_000, 0)


@dataclass
class FixedClock:
    """Time stands still until a test moves it."""

    wall: int = NOW
    monotonic: float = 1_000.0

    def now_ms(self) -> int:
        return self.wall

    def monotonic_ms(self) -> float:
        return self.monotonic

    def forward(self, ms: float) -> None:
        self.wall += int(ms)
        self.monotonic += ms


@dataclass
class RunningClock:
    """The machine's time, moved to where the records of these tests are valid."""

    start: float = field(default_factory=time.monotonic)

    def now_ms(self) -> int:
        return NOW + int(self.monotonic_ms())

    def monotonic_ms(self) -> float:
        return (time.monotonic() - self.start) * 1e3


@dataclass
class CountedRandomness:
    """Bytes that never repeat and are the same in every run."""

    seed: str
    drawn: int = 0

    def bytes(self, count: int) -> bytes:
        out = b""
        while len(out) < count:
            self.drawn += 1
            out += sha256(f"{self.seed} {self.drawn}".encode()).digest()
        return out[:count]


@dataclass
class FixedSampler:
    """Draws of one value instead of noise; remembers what it was asked."""

    value: int = 0
    asked: list[tuple[int, int]] = field(default_factory=list)

    def gaussian(self, sigma: int, count: int) -> Any:
        self.asked.append((sigma, count))
        return np.full(count, self.value, dtype=np.int64)


@dataclass
class MemoryTables:
    """The snapshots a node announces, and the partial sums its rows would give."""

    snapshots: tuple[SnapshotRef, ...]
    sums: tuple[int, ...]
    ledger: Ledger
    read: list[int] = field(default_factory=list)  # journal size at each reading
    failure: BaseException | None = None
    only: LegalGateway | None = None  # the purpose that a consent rule stands for; None: one rule for all

    def refs(self) -> tuple[SnapshotRef, ...]:
        return self.snapshots

    def for_purpose(self, gateway: LegalGateway) -> MemoryTables:
        return self if self.only in (None, gateway) else replace(self, snapshots=())

    def partials(self) -> tuple[int, ...]:
        self.read.append(self.ledger.head().size)
        if self.failure is not None:
            raise self.failure
        return self.sums


def catalogue() -> Catalogue:
    def dataset(name: str, hosts: tuple[str, ...]) -> Dataset:
        return Dataset(
            name=name,
            title=name,
            about="",
            hosts=hosts,
            person=PersonUnit("person_id", "nino", IdentifierForm.AS_IS),
            overlap=1,
            rows_per_person=1,
            groups_per_person=1,
            placement=name,
            at_most_persons=1_000,
            at_most_rows=1_000,
            columns=(
                Column("person_id", Type.TEXT),
                Column("region", Type.TEXT, domain=("N", "S")),
                Column("income", Type.INTEGER, bounds=Bounds(Fraction(0), Fraction(100))),
                Column("health", Type.TEXT, domain=("good", "bad")),
            ),
        )

    open_columns = (Column("clinic", Type.TEXT), Column("seen", Type.DATE), Column("code", Type.INTEGER))
    visits = dataset("visits", HOSTS)
    visits = replace(visits, columns=(*visits.columns, *open_columns), rows_per_person=6, groups_per_person=4)
    datasets = (dataset("people", HOSTS), dataset("secrets", HOSTS), dataset("lone", HOSTS[:1]), visits)
    return Catalogue(1, "demo", datasets)


def plan_over(dataset: str, key: str = "region", **changes: Any) -> Plan:
    values = {"region": ("N", "S"), "health": ("good", "bad")}[key]
    keys = (Key(ColumnRef(key), tuple(Literal(Type.TEXT, v) for v in values)),)
    total = Measure(Statistic.SUM, ColumnRef("income"), clamp=Clamp(Fraction(0), Fraction(100)))
    aggregate = Aggregate(Scan(dataset), keys, (GroupingSet((0,)),), (Measure(Statistic.COUNT_ROWS), total))
    plan = Plan(1, wire.digest(wire.encode(catalogue())), aggregate)
    return replace(plan, **changes)


CAPS = tuple(AccountCap(scope, "", 0, None, Loss(1_000_000_000, 0)) for scope in AccountScope)
RULES = Rules(n_min=0, f=0, max_keys=100, max_cells=1_000, caps=CAPS, committee=3)

MEMBERS: dict[str, tuple[str, tuple[Role, ...]]] = {
    **{host: (f"body of {host}", (Role.NODE,)) for host in HOSTS},
    "south": ("body of south", (Role.NODE, Role.HELPER)),
    "helper-1": ("audit office", (Role.NODE, Role.HELPER)),
    "helper-2": ("archive", (Role.NODE, Role.HELPER)),
    "helper-3": ("archive", (Role.NODE, Role.HELPER)),
    "helper-of-ada": ("university", (Role.NODE, Role.HELPER)),
    "ada": ("university", (Role.ANALYST,)),
    "bob": ("university", (Role.ANALYST,)),
    "officer": ("ministry", (Role.POLICY_OFFICER,)),
    **{f"guardian of {host}": (f"body of {host}", (Role.GUARDIAN,)) for host in HOSTS},
}


@dataclass
class Federation:
    """Everything a test needs to open a round, honest or forged."""

    folder: Path
    clock: Any = field(default_factory=FixedClock)
    rules: Rules = RULES
    seats: dict[str, Seat] = field(default_factory=dict)

    hosts = HOSTS
    now = NOW
    loss = Loss(1_000_000, 0)
    plan = staticmethod(lambda dataset, key="region", **changes: plan_over(dataset, key, **changes))
    snapshots_of = staticmethod(lambda node: snapshots_of(node))

    def __post_init__(self) -> None:
        source = CountedRandomness("keys")
        self.keys = {
            n: Keys(SigningKey.from_raw(n, source.bytes(32)), SealingKey.from_raw(source.bytes(32))) for n in MEMBERS
        }
        self._assemble()

    def adopt(self, rules: Rules | None = None, agreement: Agreement | None = None) -> None:
        """Other rules or another agreement for every member; before any seat is taken."""
        assert not self.seats
        self.rules = rules or self.rules
        self._assemble()
        self.agreement = agreement or self.agreement
        self.agreement_digest = wire.digest(wire.encode(self.agreement))

    def _assemble(self) -> None:
        members = tuple(
            Member(
                n,
                body,
                roles,
                k.signing.public,
                k.sealing.public,
                n.removeprefix("guardian of ") if n[0] == "g" else "",
            )
            for (n, (body, roles)), k in zip(MEMBERS.items(), self.keys.values(), strict=True)
        )
        self.manifest = FederationManifest(
            1, "demo", 7, NOW - HOUR, NOW + 10 * HOUR, 60, (), 1, members, self.rules, catalogue()
        )
        self.roster = Roster(self.manifest)
        self.agreement = Agreement(
            1,
            "incomes",
            1,
            "Incomes by region",
            "to know",
            LegalGateway.STATISTICS,
            "",
            "",
            ("university",),
            ("ada",),
            (DatasetScope("people", ("person_id", "region", "income")), DatasetScope("lone", ("region", "income"))),
            (Operation.AGGREGATE,),
            "",
            "",
            "",
            Loss(100_000_000, 0),
            Loss(50_000_000, 0),
            NOW - HOUR,
            NOW + 5 * HOUR,
            "officer",
            "",
            30,
            "demo",
        )
        self.agreement_digest = wire.digest(wire.encode(self.agreement))

    def seat(self, name: str, **changes: Any) -> Seat:
        if name not in self.seats:
            ledger = Ledger.open(self.folder / f"{name}.db", name, self.clock, self.rules.caps)
            agreements = {self.agreement_digest: self.agreement}
            randomness = CountedRandomness(name)
            self.seats[name] = Seat(name, self.roster, agreements, ledger, self.clock, randomness, self.keys[name])
        return replace(self.seats[name], **changes)

    def node(self, name: str, sums: tuple[int, ...] = (1, 2, 3, 4), noise: int = 0) -> Node:
        seat = self.seat(name)
        tables: Any = MemoryTables(snapshots_of(name), sums, seat.ledger)
        return Node(seat, tables, tables, FixedSampler(noise))

    def request(self, plan: Plan | None = None, **changes: Any) -> Request:
        plan_digest = wire.digest(wire.encode(plan or plan_over("people")))
        request = Request(
            1,
            bytes(16),
            "demo",
            "ada",
            plan_digest,
            self.agreement_digest,
            LOSS,
            5,
            0,
            3,
            self.keys["ada"].sealing.public,
            NOW - 1_000,
            NOW + HOUR,
            2,
            1,
            "a test",
        )
        return replace(request, **changes)

    def sign(self, request: Request, by: str = "ada") -> SignedRecord:
        return signed(RecordKind.REQUEST, wire.encode(request), self.keys[by].signing)

    def ready(self, helper: str, request: SignedRecord, names: tuple[str, ...] = HOSTS) -> SignedRecord:
        return ready(AskReady(wire.digest(request.payload), names), self.seat(helper))

    def approval(self, request: SignedRecord, by: str = "guardian of north", **changes: Any) -> SignedRecord:
        honest = Approval(
            1, wire.digest(request.payload), by, "north", Decision.APPROVED, "", NOW, NOW + HOUR, bytes(32)
        )
        return signed(RecordKind.APPROVAL, wire.encode(replace(honest, **changes)), self.keys[by].signing)

    def round(self, request: SignedRecord, planned: Plan | None = None, /, **changes: Any) -> RoundManifest:
        """An honest round for a request, with ``changes`` made to it afterwards."""
        plan = planned or plan_over("people")
        wanted: Request = wire.decode(Request, request.payload)
        helpers = changes.get("helpers", ("helper-1", "helper-2"))
        able = [h for h in dict.fromkeys(helpers) if Role.HELPER in MEMBERS[h][1]]
        try:
            calibration = calibrate(plan, self.manifest.catalogue, wanted.loss, wanted.n_min, wanted.f)
        except SplittallyError:  # a forged request; what it asks for cannot be calibrated
            calibration = calibrate(plan_over("people"), self.manifest.catalogue, LOSS, 5, 0)
        return RoundManifest(
            version=changes.get("version", 1),
            nonce=changes.get("nonce", bytes(16)),
            request=request,
            plan=changes.get("plan", wire.encode(plan)),
            approvals=changes.get("approvals", ()),
            epoch=changes.get("epoch", 7),
            attempt=changes.get("attempt", 1),
            run=changes.get("run", 1),
            phase=changes.get("phase", 1),
            participants=changes.get("participants", tuple(Participant(h, snapshots_of(h)) for h in HOSTS)),
            helpers=helpers,
            calibration=changes.get("calibration", calibration),
            created_ms=NOW,
            deadline_ms=changes.get("deadline_ms", NOW + 60_000),
            readies=changes.get("readies", tuple(self.ready(h, request) for h in able)),
        )

    def arrive(self, manifest: RoundManifest | bytes) -> Arrival:
        payload = manifest if isinstance(manifest, bytes) else wire.encode(manifest)
        return Arrival(payload, self.clock.now_ms(), self.clock.monotonic_ms())

    def honest(self, **changes: Any) -> Arrival:
        return self.arrive(self.round(self.sign(self.request()), **changes))

    def close(self) -> None:
        for seat in self.seats.values():
            seat.ledger.close()


def snapshots_of(node: str) -> tuple[SnapshotRef, ...]:
    return tuple(SnapshotRef(d.name, f"{node} 2026-11", 1) for d in catalogue().datasets if node in d.hosts)


@pytest.fixture
def federation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Federation]:
    """``partials`` of the spine is replaced by the sums each node's tables were given; nothing else is."""
    monkeypatch.setattr("nodes.answer.partials", lambda plan, catalogue, calibration, tables, source: tables.partials())
    found = Federation(tmp_path)
    yield found
    found.close()


@pytest.fixture
def running(federation: Federation) -> Federation:
    """The same federation on a clock that runs."""
    federation.clock = RunningClock()
    return federation


@pytest.fixture
def script() -> Iterator[Script]:
    found = Script()
    yield found
    found.stop()


@pytest.fixture
def log() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def serve(script: Script, log: io.StringIO, running: Any) -> Iterator[Callable[..., Server]]:
    servers: list[Server] = []

    def start(seat: Any, node: Any = None) -> Server:
        server = served(seat, node, lambda: grpc.insecure_channel(script.address), log)
        servers.append(server)
        server.start()
        vouch(script, running, seat)
        return server

    yield start
    for server in servers:
        server.stop()
