"""A private join in one process: two owners with real tables, three helpers, an analyst; the coordinator is the test.

Keys, records, ledgers, snapshots and the engine are the production ones; time and randomness are the tests'."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from engine.trusted import ring, wire
from engine.trusted.calibrate import calibrate, layout_of
from engine.trusted.catalogue import Bounds, Catalogue, Column, Dataset, IdentifierForm, PersonUnit
from engine.trusted.domains import clamp_of, domain_of, scope_of
from engine.trusted.mask import answer_info
from engine.trusted.messages import AskAnswer, AskReady, Relay
from engine.trusted.noise import Sampler
from engine.trusted.plan import (
    Aggregate,
    Call,
    ColumnRef,
    Expression,
    Function,
    GroupingSet,
    Key,
    Literal,
    Measure,
    Plan,
    PrivateJoin,
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
)
from engine.trusted.seal import SealingKey
from engine.trusted.sign import Roster, SigningKey, signed
from nodes.answer import Node, Reply, answer
from nodes.committee import Answer, Remembered, help_answer, ready, remember
from nodes.ledger import Ledger
from nodes.manifest import Arrival, Keys, Round, Seat
from nodes.sources.duckdb import DuckDBSource
from nodes.tables import Tables
from tests.nodes.conftest import HOUR, NOW, CountedRandomness, FixedClock, FixedSampler
from tests.sources.published import publish

OWNERS = ("tax", "welfare")
HELPERS = ("h1", "h2", "h3")
LOSS = Loss(50_000_000, 10**9)
CAPS = tuple(AccountCap(scope, "", 0, None, Loss(1_000_000_000, 10**12)) for scope in AccountScope)
RULES = Rules(n_min=0, f=0, max_keys=100, max_cells=5_000, caps=CAPS, committee=3)
MEMBERS: dict[str, tuple[str, tuple[Role, ...]]] = {
    **{owner: (f"body of {owner}", (Role.NODE,)) for owner in OWNERS},
    **{helper: (f"council {helper}", (Role.NODE, Role.HELPER)) for helper in HELPERS},
    "h4": ("council h3", (Role.NODE, Role.HELPER)),
    "helper-of-tax": ("body of tax", (Role.NODE, Role.HELPER)),
    "helper-of-ada": ("university", (Role.NODE, Role.HELPER)),
    "ada": ("university", (Role.ANALYST,)),
    "officer": ("ministry", (Role.POLICY_OFFICER,)),
    **{f"guardian of {owner}": (f"body of {owner}", (Role.GUARDIAN,)) for owner in OWNERS},
}
Rows = Sequence[tuple[Any, ...]]  # person and the columns of one side
LEFT_COLUMNS = ("sex", "region", "wage")
RIGHT_COLUMNS = ("kind", "active", "claim")


def catalogue_of(rows: tuple[int, int] = (1, 1), groups: tuple[int, int] | None = None) -> Catalogue:
    """``rows`` and ``groups`` a person, left and right."""

    def dataset(side: int, name: str, host: str, *columns: Column) -> Dataset:
        person = PersonUnit("nino", "nino", IdentifierForm.AS_IS)
        capped = (groups or rows)[side]
        shape = (Column("nino", Type.TEXT), *columns)
        return Dataset(name, name, "", (host,), person, 1, rows[side], capped, name, 2_000_000, 2_000_000, shape)

    left = (
        Column("sex", Type.TEXT, domain=("F", "M"), nullable=True),
        Column("region", Type.TEXT, domain=("N", "S", "W")),
        Column("wage", Type.INTEGER, bounds=Bounds(Fraction(-50), Fraction(200))),
    )
    right = (
        Column("kind", Type.TEXT, domain=("old", "ill")),
        Column("active", Type.BOOLEAN),
        Column("claim", Type.DECIMAL, bounds=Bounds(Fraction(0), Fraction(10)), step=Fraction(1, 4)),
    )
    sides = (dataset(0, "wages", "tax", *left), dataset(1, "claims", "welfare", *right))
    return Catalogue(1, "demo", sides)


def key(name: str, *values: Any) -> Key:
    kind = Type.BOOLEAN if isinstance(values[0], bool) else Type.TEXT
    return Key(ColumnRef(name), tuple(Literal(kind, value) for value in values))


KEYS = {
    "sex": key("sex", "F", "M", None),
    "region": key("region", "N", "S", "W"),
    "kind": key("kind", "old", "ill"),
    "active": key("active", False, True),
}


def measured(
    statistic: Statistic, of: Expression | None, catalogue: Catalogue, where: Expression | None = None
) -> Measure:
    """With the clamp of its domain, where it has one."""
    scope = scope_of(joined(), catalogue)
    summed = of is not None and statistic in (Statistic.SUM, Statistic.CENTRED_SUM)
    clamp = clamp_of(domain_of(of, scope)) if summed and of is not None else None
    return Measure(statistic, of, where, clamp)


def joined() -> PrivateJoin:
    return PrivateJoin(Scan("wages"), Scan("claims"))


def product(left: str = "wage", right: str = "claim") -> Expression:
    return Call(Function.MULTIPLY, (ColumnRef(left), ColumnRef(right)))


def plan_over(
    catalogue: Catalogue, measures: Sequence[Measure], sets: Sequence[tuple[str, ...]] = ((),), **changes: Any
) -> Plan:
    names = tuple(dict.fromkeys(name for chosen in sets for name in chosen))
    chosen = tuple(GroupingSet(tuple(sorted(map(names.index, s)))) for s in sets)
    aggregate = Aggregate(changes.get("input", joined()), tuple(KEYS[n] for n in names), chosen, tuple(measures))
    return Plan(1, wire.digest(wire.encode(catalogue)), aggregate)


def csv_of(columns: Sequence[str], rows: Rows) -> str:
    lines = [",".join(("nino", *columns))]
    for row in rows:
        lines.append(",".join("" if v is None else str(v).lower() if isinstance(v, bool) else str(v) for v in row))
    return "\n".join(lines) + "\n"


@dataclass
class Joining:
    """One round as far as it has come: what each of the five said."""

    world: World
    plan: Plan
    record: SignedRecord
    manifest: RoundManifest
    arrival: Arrival
    held: dict[str, Remembered] = field(default_factory=dict)
    replies: dict[str, Reply] = field(default_factory=dict)
    relays: dict[str, list[Relay]] = field(default_factory=dict)  # by receiver, both senders', in order

    @property
    def round(self) -> Round:
        return self.held["h1"].round

    def remembered(self) -> Joining:
        self.held = {name: remember(self.arrival, self.world.seat(name)) for name in self.manifest.helpers}
        return self

    def answered(self, *owners: str) -> Joining:
        for owner in owners or OWNERS:
            self.replies[owner] = answer(self.arrival, self.world.node(owner))
            for relay in self.replies[owner].relays:
                self.relays.setdefault(relay.receiver, []).append(relay)
        return self

    def ask(self, helper: str) -> AskAnswer:
        place = self.manifest.helpers.index(helper)
        replies = [self.replies[owner].shares for owner in OWNERS]
        shares = tuple(reply.shares[1 + place] for reply in replies)
        return AskAnswer(wire.digest(self.arrival.manifest), shares, tuple(reply.proofs[place] for reply in replies))

    def streams(self, helper: str) -> Mapping[str, Iterator[Relay]]:
        return {owner: iter([r for r in self.relays.get(helper, ()) if r.sender == owner]) for owner in OWNERS}

    def helped(self, helper: str) -> Answer:
        return help_answer(self.ask(helper), self.held[helper], self.world.seat(helper), self.streams(helper))

    def opened(self, answers: Iterable[tuple[str, Answer]]) -> tuple[int, ...]:
        """What the analyst sees: the sum of the helpers' vectors, check cell last."""
        key, total = self.world.keys["ada"].sealing, np.zeros(self.manifest.calibration.cells + 1, np.uint64)
        for helper, given in answers:
            body = key.open(given.sealed, answer_info(wire.digest(self.arrival.manifest), helper))
            total = ring.add(total, ring.from_bytes(body))
        return ring.to_signed(total)

    def run(self) -> tuple[int, ...]:
        self.remembered().answered()
        return self.opened((helper, self.helped(helper)) for helper in self.manifest.helpers)


class World:
    """The members of one federation, and the tables of its two owners."""

    now = NOW

    def __init__(
        self,
        folder: Path,
        catalogue: Catalogue,
        left: Rows,
        right: Rows,
        source: DuckDBSource,
        tables: dict[str, Tables] | None = None,
    ) -> None:
        """``tables``: those of an earlier world with the same rows."""
        self.folder, self.catalogue, self.source = folder, catalogue, source
        self.clock = FixedClock()
        self.rules = RULES
        drawn = CountedRandomness("keys")
        self.keys = {
            n: Keys(SigningKey.from_raw(n, drawn.bytes(32)), SealingKey.from_raw(drawn.bytes(32))) for n in MEMBERS
        }
        self.seats: dict[str, Seat] = {}
        self.samplers: dict[str, Sampler] = {owner: FixedSampler(0) for owner in OWNERS}
        sides = zip(OWNERS, catalogue.datasets, (LEFT_COLUMNS, RIGHT_COLUMNS), (left, right), strict=True)
        self.tables: dict[str, Tables] = tables or {
            owner: publish(definition, csv_of(columns, rows), folder / owner, source, seed=7, node=owner)
            for owner, definition, columns, rows in sides
        }
        self._assemble()

    def _assemble(self) -> None:
        members = tuple(
            Member(n, body, roles, k.signing.public, k.sealing.public, n.removeprefix("guardian of ") * (n[:2] == "gu"))
            for (n, (body, roles)), k in zip(MEMBERS.items(), self.keys.values(), strict=True)
        )
        self.federation = FederationManifest(
            1, "demo", 7, NOW - HOUR, NOW + 10 * HOUR, 60, (), 1, members, self.rules, self.catalogue
        )
        self.roster = Roster(self.federation)
        scopes = tuple(DatasetScope(d.name, tuple(c.name for c in d.columns)) for d in self.catalogue.datasets)
        self.agreement = Agreement(
            *(1, "incomes", 1, "Incomes and claims", "to know", LegalGateway.STATISTICS, "", ""),
            *(("university",), ("ada",), scopes, (Operation.AGGREGATE, Operation.PRIVATE_JOIN), "", "", ""),
            *(Loss(900_000_000, 10**11), Loss(500_000_000, 10**10), NOW - HOUR, NOW + 5 * HOUR, "officer", "", 30),
            "demo",
        )
        self.agreement_digest = wire.digest(wire.encode(self.agreement))

    def seat(self, name: str) -> Seat:
        if name not in self.seats:
            ledger = Ledger.open(self.folder / f"{name}.db", name, self.clock, self.rules.caps)
            agreements = {self.agreement_digest: self.agreement}
            self.seats[name] = Seat(
                name, self.roster, agreements, ledger, self.clock, CountedRandomness(name), self.keys[name]
            )
        return self.seats[name]

    def restart(self, name: str) -> None:
        """What was in the member's memory is gone."""
        self.seats.pop(name).ledger.close()
        self.seats[name] = replace(self.seat(name), started_ms=self.clock.now_ms())

    def node(self, name: str) -> Node:
        return Node(self.seat(name), self.tables[name], self.source, self.samplers[name])

    def request(self, plan: Plan, **changes: Any) -> Request:
        honest = Request(
            *(1, bytes(16), "demo", "ada", wire.digest(wire.encode(plan)), self.agreement_digest, LOSS, 2, 0, 3),
            *(self.keys["ada"].sealing.public, NOW - 1_000, NOW + HOUR, 2, 1, "a test"),
        )
        return replace(honest, **changes)

    def sign(self, request: Request) -> SignedRecord:
        return signed(RecordKind.REQUEST, wire.encode(request), self.keys["ada"].signing)

    def approval(self, record: SignedRecord, owner: str) -> SignedRecord:
        guardian = f"guardian of {owner}"
        honest = Approval(
            1, wire.digest(record.payload), guardian, owner, Decision.APPROVED, "", NOW, NOW + HOUR, bytes(32)
        )
        return signed(RecordKind.APPROVAL, wire.encode(honest), self.keys[guardian].signing)

    def ready(self, name: str, record: SignedRecord, loss: Loss | None = LOSS) -> SignedRecord:
        ask = AskReady(wire.digest(record.payload), OWNERS, loss)
        return ready(ask, self.seat(name), self.samplers.get(name))

    def joining(self, plan: Plan, request: dict[str, Any] | None = None, **changes: Any) -> Joining:
        """An honest round, with ``changes`` made to its manifest."""
        record = self.sign(self.request(plan, **(request or {})))
        helpers: tuple[str, ...] = changes.pop("helpers", HELPERS)
        asked: tuple[str, ...] = changes.pop("asked", (*helpers, *OWNERS))
        manifest = RoundManifest(
            version=1,
            nonce=bytes(16),
            request=record,
            plan=wire.encode(plan),
            approvals=tuple(self.approval(record, owner) for owner in OWNERS),
            epoch=7,
            attempt=1,
            run=1,
            phase=1,
            participants=tuple(Participant(owner, self.tables[owner].refs()) for owner in OWNERS),
            helpers=helpers,
            calibration=calibrate(plan, self.catalogue, LOSS, 2, 0),
            created_ms=NOW,
            deadline_ms=self.clock.now_ms() + 60_000,
            readies=tuple(self.ready(name, record) for name in dict.fromkeys(asked)),
        )
        manifest = replace(manifest, **changes)
        return Joining(self, plan, record, manifest, self.arrive(manifest))

    def arrive(self, manifest: RoundManifest) -> Arrival:
        return Arrival(wire.encode(manifest), self.clock.now_ms(), self.clock.monotonic_ms())

    def close(self) -> None:
        for seat in self.seats.values():
            seat.ledger.close()


Value = Callable[[dict[str, Any], dict[str, Any]], int]


def oracle(plan: Plan, catalogue: Catalogue, left: Rows, right: Rows, values: Sequence[Value]) -> list[int]:
    """The exact cells, without multipliers: every pair of rows of one person, one at a time, in Python."""
    scope = scope_of(plan.aggregate.input, catalogue)
    blocks = layout_of(plan.aggregate, scope)
    cells = [0] * sum(block.cells for block in blocks)
    persons: dict[int, set[str]] = {}
    for a in (dict(zip(("nino", *LEFT_COLUMNS), row, strict=True)) for row in left):
        for b in (dict(zip(("nino", *RIGHT_COLUMNS), row, strict=True)) for row in right):
            if a["nino"] == b["nino"]:
                _add(plan, blocks, {**a, **b}, a, b, values, cells, persons)
    for cell, held in persons.items():
        cells[cell] = len(held)
    return cells


def _add(
    plan: Plan,
    blocks: Any,
    row: dict[str, Any],
    a: dict[str, Any],
    b: dict[str, Any],
    values: Sequence[Value],
    cells: list[int],
    persons: dict[int, set[str]],
) -> None:
    for block in blocks:
        chosen = [plan.aggregate.keys[k] for k in plan.aggregate.grouping_sets[block.grouping_set].keys]
        cell = 0
        for listed in chosen:
            assert isinstance(listed.expression, ColumnRef)
            shown = [v.value for v in listed.values]
            value = row[listed.expression.name]
            if value not in shown:
                break
            cell = cell * len(shown) + shown.index(value)
        else:
            found = values[block.measure](a, b)
            at = block.offset + cell
            if plan.aggregate.measures[block.measure].statistic is Statistic.COUNT_PERSONS:
                if found:
                    persons.setdefault(at, set()).add(row["nino"])
            else:
                cells[at] += found
