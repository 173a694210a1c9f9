"""Keys without a list, at one node: what is named, what is charged, and the forgeries that cost nothing.

The node's SQL runs on DuckDB in this process; noise is a double unless a test says otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import SplittallyError, Unavailable
from engine.trusted import wire
from engine.trusted.calibrate import calibrate
from engine.trusted.catalogue import Catalogue
from engine.trusted.literal import Literal, Type
from engine.trusted.plan import (
    Aggregate,
    Call,
    ColumnRef,
    Filter,
    Function,
    GroupingSet,
    JoinKind,
    Key,
    Measure,
    NamedExpression,
    PersonJoin,
    Plan,
    Project,
    Relation,
    Scan,
    Statistic,
)
from engine.trusted.records import (
    AccountScope,
    DatasetScope,
    JournalEntry,
    JournalKind,
    KeyList,
    Loss,
    Operation,
    RecordKind,
    RoundManifest,
    Selection,
    SignedRecord,
    SnapshotRef,
)
from engine.trusted.seal import seal
from engine.trusted.selection import LONGEST_KEY, UNIT, choice_of, keys_info, with_keys
from engine.trusted.sign import open_share, signed
from engine.trusted.stability import stability_of
from nodes.answer import Node, answer
from nodes.committee import remember
from nodes.manifest import Arrival
from nodes.partials import partials
from nodes.selection import LEAST_BUCKET
from nodes.sources.dialect import DUCKDB
from nodes.sources.render import selection_of
from nodes.tables import Snapshot

PRICE = Loss(10_000_000, 10**12)  # of naming: delta 1e-6
MOST = 50
SEAL_BYTES = 48
COLUMNS = {"person_id": "VARCHAR", "region": "VARCHAR", "clinic": "VARCHAR", "seen": "DATE", "code": "BIGINT"}


@dataclass
class Rows:
    """One node's snapshots in memory, as its tables and its source; ``asked`` are the queries it was given."""

    snapshots: tuple[SnapshotRef, ...]
    rows: list[tuple[Any, ...]]
    asked: list[str] = field(default_factory=list)
    failure: Exception | None = None
    dialect = DUCKDB
    databases: dict[str, Path] = field(default_factory=dict)

    def refs(self) -> tuple[SnapshotRef, ...]:
        return self.snapshots

    def for_purpose(self, gateway: object) -> Rows:
        return self

    def snapshot(self, dataset: str) -> Snapshot:
        return Snapshot(dataset, "ab" * 16, Path(), 1)

    def select(self, databases: object, queries: Iterable[str], most_rows: int) -> list[list[list[Any]]]:
        self.asked += queries
        if self.failure is not None:
            raise self.failure
        with duckdb.connect() as engine:
            return [[list(r) for r in ask(engine, query, visits=self.rows)] for query in queries]


def ask(engine: duckdb.DuckDBPyConnection, query: str, **tables: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    for name, rows in tables.items():
        held = f'snapshot_{name}."rows"'
        engine.execute(f"ATTACH IF NOT EXISTS ':memory:' AS snapshot_{name}")
        engine.execute(f"CREATE OR REPLACE TABLE {held} ({', '.join(f'{n} {t}' for n, t in COLUMNS.items())})")
        columns = [list(c) for c in zip(*rows, strict=True)] or [[]] * len(COLUMNS)
        lists = ", ".join(f"unnest(CAST(? AS {kind}[]))" for kind in COLUMNS.values())
        engine.execute(f"INSERT INTO {held} SELECT {lists}", columns)
        engine.execute(
            f"CREATE OR REPLACE TABLE snapshot_{name}.several AS"
            f" SELECT person_id AS p, COUNT(*) AS n FROM {held} GROUP BY p HAVING COUNT(*) > 1"
        )
    return engine.execute(query).fetchall()


def row(person: str, clinic: str | None, region: str = "N", seen: date | None = None, code: int = 0) -> tuple[Any, ...]:
    return (person, region, clinic, seen, code)


def shared(clinic: str, persons: int, first: int = 0) -> list[tuple[Any, ...]]:
    return [row(f"{clinic[:9]} {i}", clinic) for i in range(first, first + persons)]


def plan_over(column: str = "clinic", most: int = MOST) -> Plan:
    from tests.nodes.conftest import catalogue

    aggregate = Aggregate(
        Scan("visits"), (Key(ColumnRef(column), (), most),), (GroupingSet((0,)),), (Measure(Statistic.COUNT_ROWS),)
    )
    return Plan(1, wire.digest(wire.encode(catalogue())), aggregate)


@pytest.fixture
def federation(federation: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """With an agreement that allows keys to be chosen, and caps that have a delta."""
    monkeypatch.setattr("nodes.answer.partials", partials)
    whole = Loss(1_000_000_000, 10**15)
    rules = replace(federation.rules, caps=tuple(replace(cap, lifetime=whole) for cap in federation.rules.caps))
    scope = (*federation.agreement.scope, DatasetScope("visits", ("region", "clinic", "seen", "code")))
    agreement = replace(
        federation.agreement,
        scope=scope,
        operations=(Operation.AGGREGATE, Operation.KEY_SELECTION),
        budget=whole,
        per_plan=Loss(50_000_000, 10**13),
    )
    federation.adopt(rules, agreement)
    return federation


def node_with(federation: Any, rows: list[tuple[Any, ...]], noise: int = 0) -> Any:
    from tests.nodes.conftest import FixedSampler, snapshots_of

    held: Any = Rows(snapshots_of("north"), rows)
    return Node(federation.seat("north"), held, held, FixedSampler(noise))


def request_for(federation: Any, plan: Plan, by: str = "ada", **changes: Any) -> SignedRecord:
    return federation.sign(federation.request(plan, **{"selection": PRICE, **changes}), by)  # type: ignore[no-any-return]


def choice_for(plan: Plan, federation: Any, price: Loss = PRICE) -> Any:
    stability = stability_of(plan.aggregate.input, federation.manifest.catalogue)
    return choice_of(price, stability.overlap, stability.groups)


def first_phase(federation: Any, plan: Plan, record: SignedRecord | None = None, **changes: Any) -> Arrival:
    record = record or request_for(federation, plan)
    calibration = choice_for(plan, federation).calibration
    return federation.arrive(federation.round(record, plan, **{"calibration": calibration, **changes}))  # type: ignore[no-any-return]


@dataclass
class Second:
    """An honest second phase; a forgery changes some of it before ``arrival`` puts it together."""

    federation: Any
    plan: Plan = field(default_factory=plan_over)
    values: tuple[Literal, ...] = tuple(Literal(Type.TEXT, v) for v in ("a", "b", "c"))
    record: SignedRecord | None = None
    signer: str = "ada"
    kind: RecordKind = RecordKind.SELECTION
    says: dict[str, Any] = field(default_factory=dict)  # fields of the Selection
    sealed: Callable[[Second, bytes], bytes] | None = None
    selection: bool = True
    round: dict[str, Any] = field(default_factory=dict)

    @property
    def request(self) -> SignedRecord:
        self.record = self.record or request_for(self.federation, self.plan)
        return self.record

    @property
    def body(self) -> bytes:
        return wire.encode(KeyList(b"salt" * 8, self.values))

    def seal_to(self, node: str, body: bytes, about: bytes | None = None) -> bytes:
        about = about or wire.digest(self.request.payload)
        return seal(body, self.federation.keys[node].sealing.public, keys_info(about, node))

    def calibration(self, length: int) -> Any:
        wanted = wire.decode(type(self.federation.request()), self.request.payload)
        listed = with_keys(self.plan, most=length) if self.plan.aggregate.keys[0].selected_at_most else self.plan
        return calibrate(listed, self.federation.manifest.catalogue, wanted.loss, wanted.n_min, wanted.f)

    def arrival(self) -> Arrival:
        length = self.says.get("length", len(self.values))
        honest = {
            "version": 1,
            "request_digest": wire.digest(self.request.payload),
            "length": length,
            "keys_digest": wire.digest(self.body),
        }
        said = signed(
            self.kind, wire.encode(Selection(**{**honest, **self.says})), self.federation.keys[self.signer].signing
        )
        changes = {"phase": 2, "calibration": self.calibration(max(1, length)), **self.round}
        made: RoundManifest = self.federation.round(self.request, self.plan, **changes)
        made = replace(made, selection=said if self.selection else None)
        sealed = (self.sealed or (lambda it, body: it.seal_to("north", body)))(self, self.body)
        return replace(self.federation.arrive(made), sealed_keys=sealed)


def opened(reply: Any, federation: Any) -> tuple[Literal, ...]:
    """The list as the analyst opens it."""
    info = keys_info(reply.shares.round, "north")
    padded = federation.keys["ada"].sealing.open(reply.vector, info)
    end = 4 + int.from_bytes(padded[:4], "big")
    assert not any(padded[end:])
    found: KeyList = wire.decode(KeyList, padded[4:end])
    return found.values


def names(reply: Any, federation: Any) -> list[Any]:
    return [literal.value for literal in opened(reply, federation)]


def entries(node: Any) -> list[JournalEntry]:
    ledger = node.seat.ledger
    return [wire.decode(JournalEntry, ledger.entry(i)) for i in range(ledger.head().size)]


def spent(node: Any) -> set[tuple[int, int]]:
    return set(node.seat.ledger._db.execute("SELECT rho, delta FROM accounts WHERE period_days = 0"))


def code_of(arrival: Arrival, node: Any) -> str:
    with pytest.raises(SplittallyError) as refused:
        answer(arrival, node)
    return refused.value.code


# -- the first phase


def test_a_node_names_the_keys_that_many_share_and_no_others(federation: Any) -> None:
    plan = plan_over()
    choice = choice_for(plan, federation)
    enough = -(-choice.threshold // UNIT)
    rows = shared("many", enough + 9) + shared("enough", enough) + shared("nearly", enough - 1) + shared("lone", 1)
    rows += [row(person, None) for person in ("x", "y")] + shared("enough", 3) * 2  # rows of one person count once
    node = node_with(federation, rows)
    assert names(answer(first_phase(federation, plan), node), federation) == ["many", "enough"]
    assert node.sampler.asked == [(choice.sigma, 4)]  # each value gets noise, those far below the threshold too


@pytest.mark.parametrize(("noise", "found"), [(0, ["shared"]), (-1, []), (10**9, ["shared", "lone"])])
def test_the_noisy_weight_decides(federation: Any, noise: int, found: list[str]) -> None:
    plan = plan_over()
    enough = -(-choice_for(plan, federation).threshold // UNIT)
    least = enough * UNIT - choice_for(plan, federation).threshold
    node = node_with(federation, shared("shared", enough) + shared("lone", 1), noise if noise >= 0 else noise - least)
    assert names(answer(first_phase(federation, plan), node), federation) == found


def test_a_person_with_more_keys_weighs_less_on_each(federation: Any) -> None:
    plan = plan_over()
    choice = choice_for(plan, federation)
    persons = -(-choice.threshold // choice.weights[3])
    assert persons > choice.threshold // UNIT + 1
    for count, found in ((persons, ["a", "b", "c", "d"]), (persons - 1, [])):
        rows = [row(f"p{i}", clinic) for i in range(count) for clinic in "abcd"]
        federation.clock.forward(1)  # another round
        reply = answer(first_phase(federation, plan, nonce=bytes([count]) * 16), node_with(federation, rows))
        assert sorted(names(reply, federation)) == found


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("a\u202eb", False),
        ("line\nbreak", False),
        ("", True),
        ("Arson\u00a0and more", True),
        ("x" * (LONGEST_KEY + 1), False),
        ("x" * LONGEST_KEY, True),
        ("Sainte-Anne, Łódź 'B'", True),
    ],
)
def test_what_people_cannot_read_is_never_named(federation: Any, text: str, kept: bool) -> None:
    rows = [row(f"p{i}", text) for i in range(300)] + shared("plain", 200)
    reply = answer(first_phase(federation, plan_over()), node_with(federation, rows))
    assert names(reply, federation) == [text] * kept + ["plain"]


@pytest.mark.parametrize(
    ("column", "held", "named"), [("seen", date(1987, 6, 5), date(1987, 6, 5)), ("code", -(2**40), -(2**40))]
)
def test_dates_and_integers_are_named_as_what_they_are(federation: Any, column: str, held: Any, named: Any) -> None:
    rows = [row(f"p{i}", "x", **{column: held}) for i in range(300)]
    reply = answer(first_phase(federation, plan_over(column)), node_with(federation, rows))
    assert names(reply, federation) == [named]


def test_no_more_keys_are_named_than_the_plan_allows_and_the_most_shared_first(federation: Any) -> None:
    rows = [r for i in range(8) for r in shared(f"clinic {i}", 300 + 10 * i)]
    reply = answer(first_phase(federation, plan_over(most=5)), node_with(federation, rows))
    assert names(reply, federation) == [f"clinic {i}" for i in (7, 6, 5, 4, 3)]


def test_a_list_is_no_longer_for_one_person_more_until_a_bucket_is_crossed(federation: Any) -> None:
    sizes = {}
    record = request_for(federation, plan_over(), max_attempts=4)
    for keys in (0, 1, 2, 40):
        rows = [r for i in range(keys) for r in shared(f"{i:02} " + "x" * 97, 300)]
        arrival = first_phase(federation, plan_over(), record, nonce=bytes([keys]) * 16)
        reply = answer(arrival, node_with(federation, rows))
        assert len(names(reply, federation)) == keys
        sizes[keys] = len(reply.vector) - SEAL_BYTES
    assert sizes == {0: LEAST_BUCKET, 1: LEAST_BUCKET, 2: LEAST_BUCKET, 40: 2 * LEAST_BUCKET}


def test_the_list_is_vouched_for_to_the_analyst_alone(federation: Any) -> None:
    arrival = first_phase(federation, plan_over())
    reply = answer(arrival, node_with(federation, shared("many", 300)))
    [share] = [open_share(record, federation.roster) for record in reply.shares.shares]
    assert (share.member, share.vector_digest, share.sealed_seed) == ("ada", wire.digest(reply.vector), b"")
    assert (reply.shares.round, reply.shares.phase) == (wire.digest(arrival.manifest), 1)
    assert b"many" not in reply.vector


# -- what it costs


def test_each_phase_is_charged_its_own_price(federation: Any) -> None:
    node, second = node_with(federation, shared("a", 9)), Second(federation)
    answer(first_phase(federation, second.plan, second.request), node)
    assert spent(node) == {(PRICE.rho_billionths, PRICE.delta_quintillionths)}
    answer(second.arrival(), node)
    loss = federation.request().loss
    assert spent(node) == {(PRICE.rho_billionths + loss.rho_billionths, PRICE.delta_quintillionths)}
    charged = [e.loss for e in entries(node) if e.kind is JournalKind.CHARGED]
    assert charged == [PRICE, loss]


def test_attempts_are_counted_by_phase(federation: Any) -> None:
    node, second = node_with(federation, shared("a", 9)), Second(federation)
    for phase in (1, 2):
        for attempt in (1, 2, 3):
            nonce = bytes([phase, attempt]) * 8
            second.round = {"nonce": nonce, "attempt": min(attempt, 2)}
            first = first_phase(federation, second.plan, second.request, **second.round)
            arrival = first if phase == 1 else second.arrival()
            if attempt == 3:
                assert code_of(arrival, node) == "POLICY_ATTEMPTS_EXHAUSTED"
            else:
                answer(arrival, node)
    assert sum(e.kind is JournalKind.CHARGED for e in entries(node)) == 4


@pytest.mark.parametrize("phase", [1, 2])
def test_a_stored_reply_is_given_again_identically(federation: Any, phase: int) -> None:
    node, second = node_with(federation, shared("a", 300)), Second(federation)
    arrival = second.arrival() if phase == 2 else first_phase(federation, second.plan, second.request)
    first = answer(arrival, node)
    federation.clock.forward(45_000)
    moved = replace(arrival, at_ms=federation.clock.now_ms(), monotonic_ms=federation.clock.monotonic_ms())
    again = answer(moved, replace(node, sampler=None))
    assert (again.vector, again.shares) == (first.vector, first.shares)
    assert len(node.tables.asked) == 1


def test_a_failure_while_keys_are_named_keeps_the_charge(federation: Any) -> None:
    node, arrival = node_with(federation, []), first_phase(federation, plan_over())
    node.tables.failure = Unavailable("NODE_SOURCE_FAILED")
    assert code_of(arrival, node) == "NODE_SOURCE_FAILED"
    assert spent(node) == {(PRICE.rho_billionths, PRICE.delta_quintillionths)}


def test_a_second_phase_counts_over_whatever_list_was_signed(federation: Any) -> None:
    """A list that was made up gets noise on every cell; texts in it are values and nothing else."""
    texts = ("a", "nobody", "'); DROP TABLE x; --", "it''s", "%", "{0}")
    second = Second(federation, values=tuple(Literal(Type.TEXT, text) for text in texts))
    node = node_with(federation, shared("a", 9) + shared("it''s", 2) + shared("{0}", 1) + shared("unlisted", 5))
    sums: list[Any] = []

    def kept(*arguments: Any) -> tuple[int, ...]:
        sums.append(partials(*arguments))
        return sums[-1]  # type: ignore[no-any-return]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("nodes.answer.partials", kept)
        answer(second.arrival(), node)
    unit = second.calibration(len(texts)).multipliers[0]
    assert sums == [tuple(unit * n for n in (9, 0, 0, 2, 0, 1))]
    assert node.sampler.asked == [(second.calibration(len(texts)).node_sigma, len(texts))]


# -- forgeries

TEXTS = tuple(Literal(Type.TEXT, v) for v in ("a", "b", "c"))
MIXED = (*TEXTS[:2], Literal(Type.INTEGER, 3))
FORGED: dict[str, tuple[dict[str, Any], str]] = {
    "no selection": ({"selection": False}, "ROUND_KEYS"),
    "selection for another request": ({"says": {"request_digest": bytes(32)}}, "ROUND_KEYS"),
    "selection signed by another analyst": ({"signer": "bob"}, "POLICY_SIGNATURE_INVALID"),
    "selection signed by a node": ({"signer": "north"}, "POLICY_SIGNATURE_INVALID"),
    "another record in its place": ({"kind": RecordKind.READY}, "POLICY_RECORD_INVALID"),
    "selection of another version": ({"says": {"version": 2}}, "POLICY_RECORD_INVALID"),
    "length of zero": ({"says": {"length": 0}}, "ROUND_KEYS"),
    "length above the plan's": ({"says": {"length": MOST + 1}}, "ROUND_KEYS"),
    "phase 0": ({"round": {"phase": 0}}, "ROUND_PHASE"),
    "phase 3": ({"round": {"phase": 3}}, "ROUND_PHASE"),
    "selection in the first phase": ({"round": {"phase": 1}}, "ROUND_KEYS"),
    "noise for another length": ({"round": {"calibration": 2}}, "ROUND_CALIBRATION"),
    "noise of the other phase": ({"round": {"calibration": None}}, "ROUND_CALIBRATION"),
}
FORGED_LISTS: dict[str, tuple[dict[str, Any], str]] = {
    "fewer values than signed": ({"says": {"length": 4}}, "ROUND_KEYS"),
    "more values than signed": ({"says": {"length": 2}}, "ROUND_KEYS"),
    "digest of another list": ({"says": {"keys_digest": bytes(32)}}, "ROUND_KEYS"),
    "values of another type": ({"values": tuple(Literal(Type.INTEGER, i) for i in range(3))}, "ROUND_KEYS"),
    "values of two types": ({"values": MIXED}, "ROUND_KEYS"),
    "a value twice": ({"values": (*TEXTS, TEXTS[0])}, "ROUND_KEYS"),
    "no list": ({"sealed": lambda it, body: b""}, "POLICY_SEAL_INVALID"),
    "list sealed to another node": ({"sealed": lambda it, body: it.seal_to("south", body)}, "POLICY_SEAL_INVALID"),
    "list sealed for another request": (
        {"sealed": lambda it, body: it.seal_to("north", body, bytes(32))},
        "POLICY_SEAL_INVALID",
    ),
    "another list": (
        {"sealed": lambda it, body: it.seal_to("north", wire.encode(KeyList(b"", TEXTS)))},
        "ROUND_KEYS",
    ),
    "bytes after the list": ({"sealed": lambda it, body: it.seal_to("north", body + b"\0\0")}, "ROUND_KEYS"),
}


def forged(federation: Any, changes: dict[str, Any]) -> Second:
    second = replace(Second(federation), **changes)
    if "calibration" in second.round:
        length = second.round["calibration"]
        other = choice_for(second.plan, federation).calibration if length is None else second.calibration(length)
        second.round = {"calibration": other}
    return second


def refused_free(arrival: Arrival, node: Any) -> str:
    """The code, once it is clear that nothing was charged or read and that the refusal is journalled."""
    code = code_of(arrival, node)
    assert spent(node) == set()
    assert node.tables.asked == []
    assert [(e.kind, e.code) for e in entries(node)[1:]] == [(JournalKind.ROUND_REFUSED, code)]
    return code


@pytest.mark.parametrize(("changes", "code"), [*FORGED.values(), *FORGED_LISTS.values()], ids=[*FORGED, *FORGED_LISTS])
def test_forged_keys_are_refused_and_cost_nothing(federation: Any, changes: dict[str, Any], code: str) -> None:
    assert refused_free(forged(federation, changes).arrival(), node_with(federation, shared("a", 9))) == code


@pytest.mark.parametrize(("changes", "code"), FORGED.values(), ids=FORGED)
def test_a_helper_refuses_the_same_forgeries(federation: Any, changes: dict[str, Any], code: str) -> None:
    arrival = forged(federation, changes).arrival()
    with pytest.raises(SplittallyError) as refused:
        remember(arrival, federation.seat("helper-1"))
    assert refused.value.code == code


def test_a_helper_serves_the_honest_second_phase(federation: Any) -> None:
    assert remember(Second(federation).arrival(), federation.seat("helper-1")).round.manifest.phase == 2


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"selection": None}, "ROUND_PHASE"),
        ({"selection": Loss(0, 10**12)}, "SQL_EPSILON_RANGE"),
        ({"selection": Loss(10**7, 0)}, "SQL_DELTA_RANGE"),
        ({"selection": Loss(30_000_001, 10**12)}, "POLICY_PRICE_ABOVE_AGREEMENT"),  # with the 0.02 of the answer
        ({"selection": Loss(10**7, 10**13 + 1)}, "POLICY_PRICE_ABOVE_AGREEMENT"),
        ({"selection": Loss(10**7 + 10**4, 10**12)}, "ROUND_CALIBRATION"),
    ],
)
def test_a_first_phase_without_its_price_costs_nothing(federation: Any, changes: dict[str, Any], code: str) -> None:
    plan = plan_over()
    arrival = first_phase(federation, plan, request_for(federation, plan, **changes))
    assert refused_free(arrival, node_with(federation, shared("a", 9))) == code


@pytest.mark.parametrize(
    ("request_changes", "round_changes", "code"),
    [
        ({"selection": PRICE}, {}, "ROUND_PHASE"),
        ({"selection": PRICE}, {"phase": 2}, "ROUND_PHASE"),
        ({}, {"phase": 2}, "ROUND_PHASE"),
        ({}, {"selection": True}, "ROUND_KEYS"),
    ],
)
def test_an_ordinary_plan_has_one_phase_and_one_price(
    federation: Any, request_changes: dict[str, Any], round_changes: dict[str, Any], code: str
) -> None:
    plan = federation.plan("people")
    record = federation.sign(federation.request(plan, **request_changes))
    second = Second(federation, plan, record=record, selection="selection" in round_changes)
    second.round = {"phase": round_changes.get("phase", 1), "calibration": second.calibration(1)}
    assert refused_free(second.arrival(), node_with(federation, [])) == code


def test_an_agreement_that_does_not_name_the_operation_is_not_enough(federation: Any) -> None:
    node = node_with(federation, shared("a", 9))
    cautious = replace(federation.agreement, operations=(Operation.AGGREGATE,))
    seat = replace(node.seat, agreements={federation.agreement_digest: cautious})
    arrival = first_phase(federation, plan_over())
    assert refused_free(arrival, replace(node, seat=seat)) == "POLICY_OPERATION_OUT_OF_SCOPE"


def test_an_exhausted_budget_stops_the_second_phase_too(federation: Any) -> None:
    second = Second(federation)
    least = Loss(PRICE.rho_billionths, 10**15)
    caps = tuple(replace(cap, lifetime=least) for cap in federation.rules.caps if cap.scope is AccountScope.IDENTIFIER)
    others = tuple(cap for cap in federation.rules.caps if cap.scope is not AccountScope.IDENTIFIER)
    federation.adopt(replace(federation.rules, caps=(*caps, *others)), federation.agreement)
    node = node_with(federation, shared("a", 300))
    answer(first_phase(federation, second.plan, second.request), node)
    assert code_of(second.arrival(), node) == "BUDGET_EXHAUSTED"


# -- the SQL of a first phase, on random small data

CLINICS = st.sampled_from([None, "a", "b", "c", "d", "e", "ß", "A"])
REGIONS = st.sampled_from(["N", "S"])
PERSON = st.lists(st.tuples(CLINICS, REGIONS, st.integers(-2, 2)), max_size=6)
CROWD = st.lists(PERSON, max_size=6)


def rows_of_person(name: str, person: list[Any], most: int) -> list[tuple[Any, ...]]:
    return [row(name, clinic, region, None, code) for clinic, region, code in person[:most]]


def relations(catalogue: Catalogue) -> dict[str, tuple[Relation, str]]:
    north = Call(Function.EQUAL, (ColumnRef("region"), Literal(Type.TEXT, "N")))
    joined = Call(Function.CONCAT, (ColumnRef("clinic"), ColumnRef("region")))
    second = Project(Scan("other"), (NamedExpression("beside", joined),))
    return {
        "scan": (Scan("visits"), "clinic"),
        "filter": (Filter(Scan("visits"), north), "clinic"),
        "expression": (Project(Scan("visits"), (NamedExpression("both", joined),)), "both"),
        "integer": (Scan("visits"), "code"),
        "join": (PersonJoin(JoinKind.INNER, Scan("visits"), second), "beside"),
        "left join": (PersonJoin(JoinKind.LEFT, Scan("visits"), second), "beside"),
        "semi": (PersonJoin(JoinKind.SEMI, Scan("visits"), Filter(Scan("other"), north)), "clinic"),
        "anti": (PersonJoin(JoinKind.ANTI, Scan("visits"), Filter(Scan("other"), north)), "clinic"),
    }


def small_catalogue(rows: int, groups: int) -> Catalogue:
    from tests.nodes.conftest import catalogue

    [visits] = [d for d in catalogue().datasets if d.name == "visits"]
    visits = replace(visits, rows_per_person=rows, groups_per_person=groups, placement="resident")
    return Catalogue(1, "demo", (visits, replace(visits, name="other")))


@pytest.fixture(scope="module")
def engine() -> Iterable[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as opened:
        yield opened


@pytest.mark.parametrize("kind", sorted(relations(small_catalogue(1, 1))))
@settings(max_examples=25, deadline=None)
@given(crowd=CROWD, other=CROWD, more=st.tuples(PERSON, PERSON), rows=st.integers(1, 6), groups=st.integers(1, 6))
def test_no_person_moves_the_weights_beyond_the_unit(
    engine: duckdb.DuckDBPyConnection,
    kind: str,
    crowd: list[Any],
    other: list[Any],
    more: tuple[Any, Any],
    rows: int,
    groups: int,
) -> None:
    """Neighbours differ by one person with any rows: the weights move by what that person alone weighs, in an L2 norm
    of at most UNIT, on at most ``groups`` keys; the contributions of the others stay."""
    catalogue = small_catalogue(rows, groups)
    relation, column = relations(catalogue)[kind]
    stability = stability_of(relation, catalogue)
    weights = choice_of(PRICE, stability.overlap, stability.groups).weights
    key = Key(ColumnRef(column), (), 9)
    aggregate = Aggregate(relation, (key,), (GroupingSet((0,)),), (Measure(Statistic.COUNT_ROWS),))
    query = selection_of(aggregate, key, catalogue, DUCKDB, "ab" * 16, weights)

    def weigh(persons: list[tuple[str, list[Any], list[Any]]]) -> dict[str, int]:
        left = [r for name, mine, _ in persons for r in rows_of_person(name, mine, rows)]
        right = [r for name, _, mine in persons for r in rows_of_person(name, mine, rows)]
        return {k: int(w) for k, w in ask(engine, query, visits=left, other=right)}

    count = max(len(crowd), len(other))
    crowd, other = crowd + [[]] * (count - len(crowd)), other + [[]] * (count - len(other))
    others = [(f"p{i}", a, b) for i, (a, b) in enumerate(zip(crowd, other, strict=True))]
    person = ("q", *more)
    before, after, alone = weigh(others), weigh([*others, person]), weigh([person])
    assert {k: v for k in after if (v := after[k] - before.get(k, 0))} == alone
    assert set(before) <= set(after)
    assert sum(w * w for w in alone.values()) <= UNIT**2
    assert len(alone) <= stability.groups
    if alone:
        assert set(alone.values()) == {weights[min(len(alone), len(weights)) - 1]}
