"""Forged rounds, as a table: each is refused with its own code, costs nothing, and is journalled."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import yaml

from engine.errors import SplittallyError
from engine.trusted import wire
from engine.trusted.journal import EMPTY_ROOT
from engine.trusted.plan import Aggregate, Clamp, Key, Literal, Plan, Scan, Type
from engine.trusted.records import (
    AccountScope,
    Decision,
    HeldHead,
    JournalEntry,
    JournalKind,
    LegalGateway,
    Loss,
    Operation,
    Participant,
    RecordKind,
    RoundManifest,
    SignedRecord,
)
from engine.trusted.sign import open_ready, signed
from nodes.answer import answer
from nodes.committee import remember
from nodes.manifest import Arrival, Seat

CASES = yaml.safe_load((Path(__file__).parent / "forged.yaml").read_text())


def forged_plan(name: str, federation: Any) -> Plan:
    honest: Plan = federation.plan("people")
    whole = honest.aggregate
    wide = replace(whole.measures[1], clamp=Clamp(Fraction(0), Fraction(101)))
    longer = Key(whole.keys[0].expression, (*whole.keys[0].values, Literal(Type.TEXT, "X")))
    changed: dict[str, Any] = {
        "wide clamp": {"measures": (whole.measures[0], wide)},
        "key more": {"keys": (longer,)},
        "unknown dataset": {"input": Scan("nowhere")},
    }
    match name:
        case "version 2":
            return replace(honest, version=2)
        case "other catalogue":
            return replace(honest, catalogue_digest=bytes(32))
        case "health":
            return federation.plan("people", "health")  # type: ignore[no-any-return]
        case "secrets":
            return federation.plan("secrets")  # type: ignore[no-any-return]
        case _:
            aggregate: Aggregate = replace(whole, **changed[name])
            return replace(honest, aggregate=aggregate)


def values(changes: dict[str, Any], federation: Any) -> dict[str, Any]:
    """The table's words as field values."""
    out = dict(changes)
    for name, value in changes.items():
        match name, value:
            case (("loss" | "budget"), [rho, delta]):
                out[name] = Loss(rho, delta)
            case "sealing_key", str():
                out[name] = federation.keys[value].sealing.public
            case _, "zeros":
                out[name] = bytes(32)
            case "operations", list():
                out[name] = tuple(Operation[o] for o in value)
            case "decision", str():
                out[name] = Decision[value]
            case "helpers", list():
                out[name] = tuple(value)
            case "held", list():
                said = {n: HeldHead(n, size, bytes(32)) for n, size in value}
                out[name] = tuple(
                    said.get(n, HeldHead(n, 0, EMPTY_ROOT)) for n in federation.hosts if n != "east" or value
                )
            case "readies", "none":
                out[name] = ()
            case "participants", list():
                out[name] = tuple(Participant(n, federation.snapshots_of(n)) for n in value)
            case "plan", "secrets":
                out[name] = wire.encode(federation.plan("secrets"))
            case "plan", "longer":
                out[name] = wire.encode(federation.plan("people")) + b"\0"
    return out


def prepare(case: dict[str, Any], federation: Any) -> None:
    """Rules and agreement as the case wants them, at every member."""
    if "rules" in case or "caps" in case:
        rules = replace(federation.rules, **case.get("rules", {}))
        if "caps" in case:
            scope = AccountScope[case["caps"]]
            small = (replace(c, lifetime=Loss(1, 0)) if c.scope is scope else c for c in rules.caps)
            rules = replace(rules, caps=tuple(small))
        federation.adopt(rules=rules)
    if "agreement" in case:
        federation.adopt(agreement=replace(federation.agreement, **values(case["agreement"], federation)))


def seated(case: dict[str, Any], federation: Any, name: str) -> Seat:
    """The member as the case wants it: paused, not vouched for, with a revoked or superseded agreement."""
    seat: Seat = federation.seat(name)
    changes = dict(case.get("seat", {}))
    if changes.pop("revoked", False):
        changes["ended"] = frozenset(seat.agreements)
    if "edition" in changes:
        later = replace(federation.agreement, edition=changes.pop("edition"))
        changes["agreements"] = {**seat.agreements, wire.digest(wire.encode(later)): later}
    return replace(seat, **changes)


def forge(case: dict[str, Any], federation: Any) -> Arrival:
    plan = forged_plan(case["plan"], federation) if "plan" in case else federation.plan("people")
    request = federation.request(plan, **values(case.get("request", {}), federation))
    record: SignedRecord = federation.sign(
        request, case.get("signed_by", request.analyst if request.analyst == "bob" else "ada")
    )
    changes = values(case.get("manifest", {}), federation)
    if "approval" in case:
        changes["approvals"] = (federation.approval(record, **values(case["approval"], federation)),)
    if "readies" in case:
        changes["readies"] = tuple(federation.ready(h, record) for h in case["readies"])
    round_: RoundManifest = federation.round(record, plan, **changes)
    if "ready" in case:
        first, *others = round_.readies
        changed = replace(open_ready(first, federation.roster), **values(case["ready"], federation))
        again = signed(RecordKind.READY, wire.encode(changed), federation.keys["helper-1"].signing)
        round_ = replace(round_, readies=(again, *others))
    if "calibration" in case:
        moved = {k: getattr(round_.calibration, k) + v for k, v in case["calibration"].items()}
        round_ = replace(round_, calibration=replace(round_.calibration, **moved))
    if "multiplier" in case:
        multipliers = tuple(m + case["multiplier"] for m in round_.calibration.multipliers)
        round_ = replace(round_, calibration=replace(round_.calibration, multipliers=multipliers))
    if "snapshot" in case:
        north, *rest = round_.participants
        named = () if case["snapshot"] == "none" else tuple(replace(s, **case["snapshot"]) for s in north.snapshots)
        round_ = replace(round_, participants=(replace(north, snapshots=named), *rest))
    if case.get("tampered"):
        payload = wire.encode(replace(request, purpose="another"))
        round_ = replace(round_, request=replace(record, payload=payload))
    federation.clock.forward(case.get("now", 0))
    return federation.arrive(wire.encode(round_) + (b"\0\0" if case.get("append") else b""))  # type: ignore[no-any-return]


@pytest.mark.parametrize("case", CASES, ids=lambda c: c["name"])
def test_forged_round_is_refused_and_costs_nothing(case: dict[str, Any], federation: Any) -> None:
    prepare(case, federation)
    node, arrival = federation.node("north"), forge(case, federation)
    node = replace(node, seat=seated(case, federation, "north"))
    node.tables.only = case.get("only") and LegalGateway[case["only"]]
    ledger = node.seat.ledger
    with pytest.raises(SplittallyError) as refused:
        answer(arrival, node)
    assert refused.value.code == case["code"]
    assert ledger._db.execute("SELECT count(*) FROM accounts").fetchone() == (0,)
    assert node.tables.read == []
    entry: JournalEntry = wire.decode(JournalEntry, ledger.entry(ledger.head().size - 1))
    assert (entry.kind, entry.code) == (JournalKind.ROUND_REFUSED, case["code"])
    assert entry.round == wire.digest(arrival.manifest)


@pytest.mark.parametrize("case", [c for c in CASES if not c.get("host_only")], ids=lambda c: c["name"])
def test_helper_refuses_the_same_forgeries(case: dict[str, Any], federation: Any) -> None:
    prepare(case, federation)
    arrival, helper = forge(case, federation), seated(case, federation, case.get("helper", "helper-1"))
    with pytest.raises(SplittallyError) as refused:
        remember(arrival, helper)
    assert refused.value.code == case["code"]


def test_the_honest_round_is_answered(federation: Any) -> None:
    arrival = federation.honest()
    assert answer(arrival, federation.node("north")).shares.round == wire.digest(arrival.manifest)
    assert remember(arrival, federation.seat("helper-1")).round.request.analyst == "ada"


def test_helper_left_out_of_the_round_does_not_serve_it(federation: Any) -> None:
    with pytest.raises(SplittallyError) as refused:
        remember(federation.honest(), federation.seat("helper-3"))
    assert refused.value.code == "ROUND_NOT_FOR_ME"
