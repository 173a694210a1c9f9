"""Forged private joins, as a table: each is refused with its own code, costs nothing, and is journalled."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from engine.errors import SplittallyError
from engine.trusted import wire
from engine.trusted.plan import Statistic
from engine.trusted.records import (
    AccountScope,
    JournalEntry,
    JournalKind,
    Loss,
    Operation,
    Participant,
    Ready,
    RecordKind,
    Role,
)
from engine.trusted.seal import SealingKey, seal
from engine.trusted.sign import signed
from nodes import joins
from nodes.answer import answer
from nodes.committee import remember
from nodes.sources import Limits
from nodes.sources.duckdb import DuckDBSource
from nodes.tables import Tables
from tests.nodes.join_world import HELPERS, LOSS, OWNERS, Joining, World, catalogue_of, measured, plan_over

CASES = yaml.safe_load((Path(__file__).parent / "forged_join.yaml").read_text())
LEFT = (("p1", "F", "N", 10), ("p2", "M", "S", 20))
RIGHT = (("p1", "old", True, 1), ("p3", "ill", True, 2))


@pytest.fixture(scope="module")
def source() -> Iterator[DuckDBSource]:
    found = DuckDBSource(Limits(threads=1, memory_mb=512, seconds=60))
    yield found
    found.close()


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory, source: DuckDBSource) -> dict[str, Tables]:
    return World(tmp_path_factory.mktemp("tables"), catalogue_of(), LEFT, RIGHT, source).tables


@pytest.fixture
def world(tmp_path: Path, source: DuckDBSource, tables: dict[str, Tables]) -> Iterator[World]:
    found = World(tmp_path, catalogue_of(), LEFT, RIGHT, source, tables)
    yield found
    found.close()


def plan_of(world: World) -> Any:
    return plan_over(world.catalogue, (measured(Statistic.COUNT_ROWS, None, world.catalogue),), (("sex",),))


def again(world: World, record: Any, about: dict[str, Any]) -> Any:
    """A ready with fields changed, signed anew by its own member or by another."""
    ready: Ready = wire.decode(Ready, record.payload)
    key = {"none": b"", "zeros": bytes(32), "other": SealingKey.from_raw(b"x" * 32).public}
    changes: dict[str, Any] = {}
    if "join_key" in about:
        changes["join_key"] = key[about["join_key"]]
    if "request_digest" in about:
        changes["request_digest"] = bytes(32)
    if "at_ms" in about:
        changes["at_ms"] = about["at_ms"]
    if about.get("sealed_dummies") == "none":
        changes["sealed_dummies"] = b""
    elif "sealed_dummies" in about:
        [other] = [owner for owner in OWNERS if owner != ready.member]
        request = bytes(32) if "for" in about else ready.request_digest
        context = joins.info(b"dummies", request, ready.member, other)
        number = int(about["sealed_dummies"]).to_bytes(8, "big")
        changes["sealed_dummies"] = seal(number, world.keys[other].sealing.public, context)
    by = about.get("by", ready.member)
    return signed(RecordKind.READY, wire.encode(replace(ready, **changes)), world.keys[by].signing)


def forge(case: dict[str, Any], world: World) -> Joining:
    request, agreement = dict(case.get("request", {})), dict(case.get("agreement", {}))
    if "loss" in request:
        request["loss"] = Loss(*request["loss"])
    if agreement:
        world.agreement = replace(world.agreement, operations=tuple(Operation[o] for o in agreement["operations"]))
        world.agreement_digest = wire.digest(wire.encode(world.agreement))
    if "caps" in case:
        small = (
            replace(c, lifetime=Loss(1, 0)) if c.scope is AccountScope[case["caps"]] else c for c in world.rules.caps
        )
        world.rules = replace(world.rules, caps=tuple(small))
        world._assemble()
    changes: dict[str, Any] = {name: tuple(case[name]) for name in ("helpers", "asked") if name in case}
    for name, value in case.get("manifest", {}).items():
        tables = {owner: world.tables[owner].refs() for owner in OWNERS}
        changes[name] = (
            tuple(Participant(p, tables.get(p, ())) for p in value) if name == "participants" else tuple(value)
        )
    if set(changes) == {"helpers"} and "helpers" in case.get("manifest", {}):
        changes["asked"] = (*HELPERS, *OWNERS)
    joining = world.joining(plan_of(world), request, **changes)
    manifest = joining.manifest
    if "approvals" in case:
        kept = tuple(world.approval(joining.record, owner) for owner in case["approvals"])
        manifest = replace(manifest, approvals=kept)
    if "calibration" in case:
        moved = {k: getattr(manifest.calibration, k) + v for k, v in case["calibration"].items()}
        manifest = replace(manifest, calibration=replace(manifest.calibration, **moved))
    if "multiplier" in case:
        multipliers = tuple(m + case["multiplier"] for m in manifest.calibration.multipliers)
        manifest = replace(manifest, calibration=replace(manifest.calibration, multipliers=multipliers))
    if "snapshot" in case:
        first, second = manifest.participants
        older = tuple(replace(s, snapshot=case["snapshot"]) for s in first.snapshots)
        manifest = replace(manifest, participants=(replace(first, snapshots=older), second))
    said = {wire.decode(Ready, record.payload).member: record for record in manifest.readies}
    if "loss" in case:
        loss = None if case["loss"]["at"] == "none" else Loss(*case["loss"]["at"])
        said[case["loss"]["of"]] = world.ready(case["loss"]["of"], joining.record, loss)
    if "ready" in case:
        said[case["ready"]["of"]] = again(world, said[case["ready"]["of"]], case["ready"])
    manifest = replace(manifest, readies=tuple(said.values()))
    if "restart" in case:
        world.restart(case["restart"])
    if case.get("before"):
        earlier = replace(joining, manifest=replace(manifest, nonce=b"other" + bytes(11)))
        earlier = replace(earlier, arrival=world.arrive(earlier.manifest))
        earlier.remembered().answered("tax")
    return replace(joining, manifest=manifest, arrival=world.arrive(manifest))


def accounts(world: World, owner: str) -> list[Any]:
    return world.seat(owner).ledger._db.execute("SELECT scope, name FROM accounts").fetchall()


@pytest.mark.parametrize("case", [c for c in CASES if not c.get("help_only")], ids=lambda c: c["name"])
def test_a_forged_private_join_is_refused_and_costs_nothing(case: dict[str, Any], world: World) -> None:
    if case.get("unready"):
        with pytest.raises(SplittallyError) as unready:
            forge(case, world)
        assert unready.value.code == case["code"]
        return
    joining = forge(case, world)
    spent = accounts(world, "tax")
    assert bool(spent) == bool(case.get("before"))
    with pytest.raises(SplittallyError) as refused:
        answer(joining.arrival, world.node("tax"))
    assert refused.value.code == case["code"]
    assert accounts(world, "tax") == spent
    ledger = world.seat("tax").ledger
    entry: JournalEntry = wire.decode(JournalEntry, ledger.entry(ledger.head().size - 1))
    assert (entry.kind, entry.code) == (JournalKind.ROUND_REFUSED, case["code"])


@pytest.mark.parametrize(
    "case", [c for c in CASES if not c.get("host_only") and not c.get("unready")], ids=lambda c: c["name"]
)
def test_a_helper_refuses_the_same_forgeries(case: dict[str, Any], world: World) -> None:
    joining = forge(case, world)
    with pytest.raises(SplittallyError) as refused:
        remember(joining.arrival, world.seat("h1"))
    assert refused.value.code == case["code"]


def test_the_honest_private_join_is_answered_once_and_charged_to_each_owners_own(world: World) -> None:
    joining = world.joining(plan_of(world))
    multiplier = joining.manifest.calibration.multipliers[0]
    assert joining.run() == (multiplier, 0, 0, 2)
    for owner, dataset in zip(OWNERS, ("wages", "claims"), strict=True):
        names = {name for _, name in accounts(world, owner)}
        assert names == {"nino", dataset, "incomes", "ada", f"ada {dataset}"}
        ledger = world.seat(owner).ledger
        kinds = [wire.decode(JournalEntry, ledger.entry(i)).kind for i in range(ledger.head().size)]
        assert kinds == [JournalKind.OPENED, JournalKind.CHARGED, JournalKind.REPLIED]
        charged: JournalEntry = wire.decode(JournalEntry, ledger.entry(1))
        assert charged.loss == LOSS
        again = answer(joining.arrival, world.node(owner))  # asked again: the same bytes, no streams
        first = joining.replies[owner]
        assert (again.vector, again.shares, list(again.relays)) == (first.vector, first.shares, [])
        assert ledger.head().size == 3
    for helper in HELPERS:
        ledger = world.seat(helper).ledger
        entry: JournalEntry = wire.decode(JournalEntry, ledger.entry(1))
        assert (entry.kind, entry.survivors) == (JournalKind.ANSWERED_AS_HELPER, OWNERS)
        with pytest.raises(SplittallyError, match="POLICY_ROUND_ANSWERED"):
            joining.helped(helper)


def test_a_member_that_is_no_party_is_not_ready(world: World) -> None:
    record = world.sign(world.request(plan_of(world)))
    assert Role.HELPER not in world.roster.member("tax").roles
    for name, loss in (("tax", None), ("ada", LOSS), ("officer", LOSS)):
        with pytest.raises(SplittallyError, match="POLICY_UNKNOWN_MEMBER"):
            world.ready(name, record, loss)


def test_only_the_newest_keys_are_kept(world: World) -> None:
    seat = world.seat("h1")
    records = [world.sign(world.request(plan_of(world), nonce=bytes([i]) * 16)) for i in range(66)]
    readies: list[Ready] = [wire.decode(Ready, world.ready("h1", record).payload) for record in records]
    for old in readies[:2]:
        with pytest.raises(SplittallyError, match="ROUND_READY_STALE"):
            seat.join_keys.take(old, LOSS)
    for kept in readies[2:]:
        seat.join_keys.take(kept, LOSS)
