"""A federation for the audit: two hosts with real keys, ledgers, snapshots and spine; noise is recorded, not drawn.

Everything of a node runs as in production, in this process: files are cut by the worker's own functions, a signed round
goes through ``nodes.answer.answer``. What an observer could tell apart is kept in an ``Observation``; what each
mechanism was given before its noise, in its ``Mechanism`` list.
"""

from __future__ import annotations

import csv
import enum
import io
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest
import yaml

import nodes.answer
from engine.catalogue import load_catalogue
from engine.errors import SplittallyError
from engine.governance.homes import create_home
from engine.sql import prepare
from engine.trusted import ring, wire
from engine.trusted.calibrate import calibrate
from engine.trusted.catalogue import Dataset, DatasetBinding, LocalColumn, NodeBinding
from engine.trusted.epsilon import loss_for
from engine.trusted.messages import AskReady
from engine.trusted.plan import ColumnRef, NamedExpression, Plan, Scan, Type
from engine.trusted.records import (
    AccountCap,
    AccountScope,
    Agreement,
    Calibration,
    DatasetScope,
    FederationManifest,
    JournalEntry,
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
    Share,
)
from engine.trusted.seal import SealingKey
from engine.trusted.sign import Roster, SigningKey, signed
from engine.trusted.walk import relations_of
from nodes.answer import Node, Reply, answer
from nodes.committee import ready
from nodes.ledger import Ledger
from nodes.manifest import Arrival, Keys, Seat
from nodes.sources import Limits, worker
from nodes.sources.duckdb import DuckDBSource
from nodes.tables import Snapshot, Tables, cut


class Form(enum.Enum):
    """How much is tried: with every change, by ``make audit``, by ``make audit-long``."""

    SHORT = "short"
    WHOLE = "whole"
    LONG = "long"


FORM = Form(os.environ.get("AUDIT", "short"))
HERE = Path(__file__).parent
CATALOGUE = load_catalogue(HERE / "catalogue.yaml")
HOSTS = ("n0", "n1")
NOW = 1_800_000_000_000
HOUR = 3_600_000
LOSS = loss_for(Fraction(1), Fraction(1, 10**9))
ROOM = Loss(10**15, 0)
CAPS = tuple(AccountCap(scope, "", 0, None, ROOM) for scope in AccountScope)
RULES = Rules(n_min=0, f=0, max_keys=10_000, max_cells=100_000, caps=CAPS, committee=3)
ENGINES = 40  # kept open at a time, those used last
Record = dict[str, str]
Held = Mapping[str, Sequence[Record]]  # what one host holds: the rows of each dataset


@dataclass(frozen=True)
class Operator:
    """One row of ``operators.yaml``."""

    name: str
    sql: str
    least: float = 0.5
    reason: str = ""
    weights: tuple[int, ...] = ()

    @cache  # noqa: B019 - a handful of frozen rows
    def plan(self) -> Plan:
        plan = prepare(self.sql, CATALOGUE, RULES).plan
        return weighted(plan, self.weights) if self.weights else plan


def weighted(plan: Plan, weights: Sequence[int]) -> Plan:
    """The plan with these weights of its measures."""
    measures = tuple(replace(m, weight=w) for m, w in zip(plan.aggregate.measures, weights, strict=True))
    return replace(plan, aggregate=replace(plan.aggregate, measures=measures))


def operators() -> tuple[Operator, ...]:
    rows = yaml.load((HERE / "operators.yaml").read_text(), yaml.CSafeLoader)
    return tuple(Operator(**row | {"weights": tuple(row.get("weights", ()))}) for row in rows)


class StandingClock:
    def now_ms(self) -> int:
        return NOW

    def monotonic_ms(self) -> float:
        return 1_000.0


class Counted:
    """Bytes from a seed, with a count of those drawn."""

    def __init__(self, seed: str) -> None:
        self.seed, self.drawn = seed, 0

    def bytes(self, count: int) -> bytes:
        self.drawn += count
        blocks = range(count // 32 + 1)
        return b"".join(sha256(f"{self.seed} {self.drawn} {i}".encode()).digest() for i in blocks)[:count]


@dataclass
class Recorder:
    """A sampler that draws nothing and remembers what it was asked for."""

    asked: list[tuple[int, int]] = field(default_factory=list)

    def gaussian(self, sigma: int, count: int) -> Any:
        self.asked.append((sigma, count))
        return np.zeros(count, dtype=np.int64)


def spent_of(ledger: Ledger) -> dict[tuple[AccountScope, str], Loss]:
    """What each account has spent over its lifetime."""
    rows = ledger._db.execute("SELECT scope, name, rho, delta FROM accounts WHERE period_days = 0").fetchall()
    return {(AccountScope(scope), name): Loss(rho, delta) for scope, name, rho, delta in rows}


class InProcess(DuckDBSource):
    """The production source with its worker's functions called here instead of over a pipe; keeps each SQL text."""

    def __init__(self) -> None:
        super().__init__(Limits(threads=1, memory_mb=512))
        self.asked: list[str] = []
        self._engines: dict[str, Any] = {}

    def _ask(self, request: Any, opening: Any = None, seconds: float | None = None) -> dict[str, Any]:
        [(kind, body)] = request.items()
        if kind not in ("select", "read"):
            return {"columns": worker.columns_of(body)} if kind == "columns" else worker.cut(body)
        self.asked += body["queries"]
        key = json.dumps(opening)
        if key not in self._engines:
            while len(self._engines) >= ENGINES:
                self._engines.pop(next(iter(self._engines))).opened.close()
            self._engines[key] = worker.Worker()
            list(self._engines[key].frames({"open": opening}))
        self._engines[key] = self._engines.pop(key)
        try:
            *streams, answer = self._engines[key].frames(request)
            return {**answer, "streams": streams} if streams else answer
        except (duckdb.Error, OSError, UnicodeError):
            return {"failed": -1}

    def forget(self) -> None:
        for kept in self._engines.values():
            kept.opened.close()
        self._engines.clear()


@dataclass(frozen=True)
class Mechanism:
    """One addition of noise: its scale and the exact integers it was added to, check cell last."""

    sigma: int
    before: tuple[int, ...]


@dataclass(frozen=True)
class Observation:
    """What a round shows besides the masked numbers, and what its mechanisms were given."""

    shown: dict[str, object]
    mechanisms: tuple[Mechanism, ...]
    reply: Reply | None = field(compare=False, default=None)


class World:
    """The members, and per host one ledger that all observations share."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.clock, self.source = folder, StandingClock(), InProcess()
        self._count, self._cuts = 0, dict[tuple[str, str, str], Snapshot]()
        self._texts = dict[tuple[str, int], tuple[Sequence[Record], str]]()
        names = (*HOSTS, "helper-1", "helper-2", "ada")
        drawn = Counted("keys")
        self.keys = {
            n: Keys(SigningKey.from_raw(n, drawn.bytes(32)), SealingKey.from_raw(drawn.bytes(32))) for n in names
        }
        members = tuple(self._member(n) for n in names)
        self.manifest = FederationManifest(1, "audit", 1, NOW - HOUR, NOW + HOUR, 60, (), 1, members, RULES, CATALOGUE)
        self.roster = Roster(self.manifest)
        self.agreement = _agreement()
        self.agreement_digest = wire.digest(wire.encode(self.agreement))
        self.seats = {name: self._seat(name) for name in names}

    def _member(self, name: str) -> Member:
        roles = {"n": (Role.NODE,), "h": (Role.NODE, Role.HELPER), "a": (Role.ANALYST,)}[name[0]]
        keys = self.keys[name]
        return Member(name, f"body of {name}", roles, keys.signing.public, keys.sealing.public, "")

    def _seat(self, name: str) -> Seat:
        ledger = Ledger.open(self.folder / f"{name}.db", name, self.clock, CAPS)
        agreements = {self.agreement_digest: self.agreement}
        return Seat(name, self.roster, agreements, ledger, self.clock, Counted(name), self.keys[name])

    def publish(self, held: Held, host: str = "n0") -> Tables:
        """The snapshots of these rows, under the same random id each time: neighbours differ in rows alone."""
        return Tables(tuple(self._cut(_dataset(name), self._text(name, held[name]), host) for name in held))

    def _text(self, dataset: str, records: Sequence[Record]) -> str:
        """Written once for the same list; a list that is kept here is no other's."""
        key = (dataset, id(records))
        if key not in self._texts:
            self._texts[key] = (records, csv_of(_dataset(dataset), records))
        return self._texts[key][1]

    def _cut(self, dataset: Dataset, text: str, host: str) -> Snapshot:
        key = (dataset.name, host, text)
        if key not in self._cuts:
            self._count += 1
            home = create_home(self.folder / f"home-{self._count}", host, "node", "audit")
            file = home.path / f"{dataset.name}.csv"
            file.write_text(text, encoding="utf-8", errors="surrogateescape")
            names = [c.name for c in dataset.columns]
            bound = DatasetBinding(
                dataset.name,
                (str(file),),
                tuple(LocalColumn(n, Type.TEXT) for n in names),
                tuple(NamedExpression(n, ColumnRef(n)) for n in names),
            )
            randomness = Counted(f"snapshot of {dataset.name} at {host}")
            tables = cut(NodeBinding(1, host, (bound,)), CATALOGUE, home, randomness=randomness, source=self.source)
            [self._cuts[key]] = tables.snapshots
        return self._cuts[key]

    def round_(self, plan: Plan, snapshots: dict[str, Tables], loss: Loss = LOSS) -> RoundManifest:
        self._count += 1
        request = Request(
            1, self._count.to_bytes(16, "big"), "audit", "ada", wire.digest(wire.encode(plan)), self.agreement_digest,
            loss, len(HOSTS), 0, 3, self.keys["ada"].sealing.public, NOW - 1, NOW + HOUR, 1, 1, "audit",
        )  # fmt: skip
        record = signed(RecordKind.REQUEST, wire.encode(request), self.keys["ada"].signing)
        helpers = ("helper-1", "helper-2")
        readies = tuple(ready(AskReady(wire.digest(record.payload), HOSTS), self.seats[h]) for h in helpers)
        hosts = tuple(Participant(h, snapshots[h].refs()) for h in HOSTS)
        return RoundManifest(
            1, bytes(16), record, wire.encode(plan), (), 1, 1, 1, 1, hosts, helpers,
            calibrate(plan, CATALOGUE, loss, len(HOSTS), 0), NOW, NOW + HOUR // 2, readies,
        )  # fmt: skip

    def observe(self, round_: RoundManifest, tables: Tables, host: str = "n0") -> Observation:
        """One round at one host, through the whole spine."""
        seat, recorder = self.seats[host], Recorder()
        arrival = Arrival(wire.encode(round_), NOW, 1_000.0)
        size, drawn, asked = seat.ledger.head().size, seat.randomness.drawn, len(self.source.asked)  # type: ignore[attr-defined]
        before = spent_of(seat.ledger)
        given: list[tuple[int, ...]] = []
        real = nodes.answer.add_noise

        def recording(vector: Any, *rest: Any) -> Any:
            given.append(ring.to_signed(vector))
            return real(vector, *rest)

        reply, code = None, ""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(nodes.answer, "add_noise", recording)
            try:
                reply = answer(arrival, Node(seat, tables, self.source, recorder))
            except SplittallyError as error:
                code = error.code
        entries: list[JournalEntry] = [
            wire.decode(JournalEntry, seat.ledger.entry(i)) for i in range(size, seat.ledger.head().size)
        ]
        spent = spent_of(seat.ledger)
        shown = {
            "code": code,
            "vector bytes": reply and len(reply.vector),
            "shares": reply and ([len(s.sealed_seed) for s in shares_of(reply)], reply.shares.parts),
            "leaves": reply and reply.leave_ms,
            "journal": [(e.kind, e.code, e.loss, len(wire.encode(e))) for e in entries],
            "charge": {a: s.rho_billionths - before.get(a, Loss(0, 0)).rho_billionths for a, s in spent.items()},
            "random bytes": seat.randomness.drawn - drawn,  # type: ignore[attr-defined]
            "noise": recorder.asked,
            "queries": self.source.asked[asked:],
        }
        mechanisms = tuple(Mechanism(s, b) for (s, _), b in zip(recorder.asked, given, strict=True))
        return Observation(shown, mechanisms, reply)

    def close(self) -> None:
        self.source.forget()
        for seat in self.seats.values():
            seat.ledger.close()


def datasets_with(plan: Plan) -> tuple[Dataset, ...]:
    """The datasets that hold rows of the same persons at the same node: those of the plan's placement."""
    scanned = {_dataset(r.dataset).placement for _, r in relations_of(plan.aggregate.input) if isinstance(r, Scan)}
    return tuple(d for d in CATALOGUE.datasets if d.placement in scanned)


def shares_of(reply: Reply) -> tuple[Share, ...]:
    return tuple(wire.decode(Share, record.payload) for record in reply.shares.shares)


def _dataset(name: str) -> Dataset:
    found = CATALOGUE.dataset(name)
    assert found is not None, name
    return found


def csv_of(dataset: Dataset, records: Sequence[Record]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, [c.name for c in dataset.columns], restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(records)
    return text.getvalue()


def _agreement() -> Agreement:
    scope = tuple(DatasetScope(d.name, tuple(c.name for c in d.columns)) for d in CATALOGUE.datasets)
    return Agreement(
        1, "audit", 1, "audit", "audit", LegalGateway.STATISTICS, "", "", ("body of ada",), ("ada",), scope,
        tuple(Operation), "", "", "", ROOM, ROOM, NOW - HOUR, NOW + HOUR, "officer", "", 30, "audit",
    )  # fmt: skip


def calibration_of(plan: Plan, loss: Loss = LOSS) -> Calibration:
    return calibrate(plan, CATALOGUE, loss, len(HOSTS), 0)
