"""What a member is told to obey, as a table (rulebook.yaml), and how soon it obeys."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import yaml

from engine.errors import SplittallyError
from engine.trusted import records, wire
from engine.trusted.catalogue import Bounds
from engine.trusted.messages import AskAnswer, Hello, OpenRound, Pulse, RoundRefusal
from engine.trusted.records import DatasetScope, JournalEntry, RecordKind, RootKey, SignedRecord
from engine.trusted.sign import SigningKey, signed
from nodes.answer import answer
from nodes.ledger import Ledger
from nodes.manifest import Seat
from nodes.refusals import AN_HOUR, HOUR_MS
from nodes.rulebook import accept, recalled
from nodes.server import Server
from tests.nodes.scripted import PATIENCE, Script, lone_round

CASES: list[dict[str, Any]] = yaml.safe_load(Path(__file__).with_name("rulebook.yaml").read_text())
MINUTE = 60_000
ROOT_KEYS = {n: SigningKey.from_raw(n, bytes([i]) * 32) for i, n in enumerate(("root-1", "root-2", "root-3"), 1)}
ROOTS = tuple(RootKey(name, key.public) for name, key in ROOT_KEYS.items())
STRANGERS = {n: SigningKey.from_raw(n, bytes([9]) * 31 + n[-1:].encode()) for n in (f"stranger-{i}" for i in "123")}
GUARDIANS = tuple(f"guardian of {host}" for host in ("north", "south", "east", "west", "centre"))


class Scribe:
    """Writes the records of a table's steps."""

    def __init__(self, federation: Any) -> None:
        self.federation, self.written = federation, list[SignedRecord]()

    def write(self, step: dict[str, Any]) -> SignedRecord:
        kind, *words = step["kind"].split()
        record = self.written[step["the same"]] if "the same" in step else getattr(self, f"_{kind}")(step, *words)
        self.written.append(record)
        return record  # type: ignore[no-any-return]

    def _signed(self, kind: RecordKind, record: object, *names: str) -> SignedRecord:
        return signed(kind, wire.encode(record), *(self.federation.keys[n].signing for n in names))

    def agreement(self, name: str, edition: str, **changes: Any) -> records.Agreement:
        return replace(self.federation.agreement, name=name, edition=int(edition), **changes)

    def _agreement(self, step: dict[str, Any], name: str, edition: str) -> SignedRecord:
        by = step.get("by", ["officer", *GUARDIANS])
        changes: dict[str, Any] = {"federation": step.get("federation", "demo")}
        if "scope" in step:
            changes["scope"] = tuple(DatasetScope(d, ("region",)) for d in step["scope"])
        record = self.agreement(name, edition, **changes)
        return self._signed(RecordKind.AGREEMENT, record, *(GUARDIANS if by == "guardians" else by))

    def _revoke(self, step: dict[str, Any], name: str, edition: str) -> SignedRecord:
        earlier = (r for r in self.written if r.kind is RecordKind.AGREEMENT)
        digests = [wire.digest(r.payload) for r in earlier if wire.decode(records.Agreement, r.payload).name == name]
        early = wire.digest(wire.encode(self.agreement(name, edition)))
        digest = digests[-1] if digests else early
        revocation = records.Revocation(1, digest, step.get("party", step["by"]), self.federation.now, "a reason")
        return self._signed(RecordKind.REVOCATION, revocation, step["by"])

    def _pause(self, step: dict[str, Any]) -> SignedRecord:
        return self._stop(step, True)

    def _resume(self, step: dict[str, Any]) -> SignedRecord:
        return self._stop(step, False)

    def _stop(self, step: dict[str, Any], paused: bool) -> SignedRecord:
        by = step.get("by", "guardian of north")
        at = self.federation.now + step.get("at", 0) * MINUTE
        pause = records.Pause(1, step.get("node", "north"), step.get("guardian", by), paused, at, "a reason")
        return self._signed(RecordKind.PAUSE, pause, by)

    def _manifest(self, step: dict[str, Any], epoch: str) -> SignedRecord:
        manifest = self.federation.manifest
        name = step.get("federation", "demo")
        catalogue = replace(manifest.catalogue, federation=name)
        if "catalogue" in step:
            first, *rest = catalogue.datasets
            columns = tuple(
                replace(c, bounds=Bounds(Fraction(0), Fraction(9))) if c.bounds else c for c in first.columns
            )
            catalogue = replace(catalogue, datasets=(replace(first, columns=columns), *rest))
        key = SigningKey.from_raw("new", bytes([77]) * 32).public
        members = tuple(replace(m, signing_key=key) if m.name == step.get("key of") else m for m in manifest.members)
        members = tuple(m for m in members if m.name != step.get("without"))
        newer = replace(manifest, federation=name, epoch=int(epoch), members=members, catalogue=catalogue)
        keys = {**ROOT_KEYS, **STRANGERS}
        by = step.get("roots", ["root-1", "root-2"])
        return signed(RecordKind.FEDERATION_MANIFEST, wire.encode(newer), *(keys[n] for n in by))

    def _other(self, step: dict[str, Any], kind: str) -> SignedRecord:
        return self._signed(RecordKind[kind], self.federation.request(), "ada")


def entries(seat: Seat) -> list[JournalEntry]:
    return [wire.decode(JournalEntry, seat.ledger.entry(i)) for i in range(1, seat.ledger.head().size)]


def restarted(federation: Any, seat: Seat) -> Seat:
    """The seat of a process that finds nothing but the home's first manifest and the ledger."""
    seat.ledger.close()
    ledger = Ledger.open(federation.folder / "north.db", "north", federation.clock, federation.rules.caps)
    federation.seats["north"] = replace(seat, ledger=ledger)
    return recalled(Seat("north", federation.roster, {}, ledger, federation.clock, seat.randomness, seat.keys))


def in_force(seat: Seat) -> list[str]:
    return sorted(f"{a.name} {a.edition}" for d, a in seat.agreements.items() if d not in seat.ended)


@pytest.mark.parametrize("case", CASES, ids=lambda c: c["name"])
def test_records_are_obeyed_or_refused(case: dict[str, Any], federation: Any) -> None:
    scribe, seat = Scribe(federation), federation.seat("north", agreements={})
    for step in case["steps"]:
        record, before = scribe.write(step), seat
        code = ""
        try:
            seat = accept(record, ROOTS, seat)
        except SplittallyError as error:
            code = error.code
        assert code == step.get("code", ""), step
        assert code == "" or seat is before
        if not code:
            assert entries(seat)[-1].record_digest == wire.digest(record.payload)
    for restart in (False, True):
        now = restarted(federation, seat) if restart else seat
        assert in_force(now) == case.get("agreements", in_force(now))
        assert now.paused == case.get("paused", now.paused)
        assert now.roster.manifest.epoch == case.get("epoch", 7)
        kinds = [e.kind.name for e in entries(now)]
        assert kinds == case.get("entries", kinds)
        assert len(kinds) == sum("code" not in step for step in case["steps"])


def test_a_restart_recalls_every_record(federation: Any) -> None:
    """Everything at once, and the newer manifest's caps hold from the first charge on."""
    scribe, seat = Scribe(federation), federation.seat("north", agreements={})
    federation.manifest = replace(federation.manifest, rules=replace(federation.rules, caps=()))
    steps = ["agreement benefits 1", "agreement taxes 1", "revoke taxes 1", "pause", "manifest 8"]
    for kind in steps:
        seat = accept(scribe.write({"kind": kind, **({"by": "officer"} if "revoke" in kind else {})}), ROOTS, seat)
    again = restarted(federation, seat)
    assert (again.agreements, again.ended, again.paused, again.pause_ms) == (
        seat.agreements,
        seat.ended,
        True,
        federation.now,
    )
    assert in_force(again) == ["benefits 1"]
    assert again.roster.manifest == seat.roster.manifest
    assert seat.ledger.caps == again.ledger.caps == ()
    assert again.ledger.kept() == tuple(scribe.written)


def test_records_given_to_one_member_count_there_alone(federation: Any) -> None:
    """A coordinator that sends a pause to others changes nothing at them: each looks for its own name."""
    pause = Scribe(federation).write({"kind": "pause"})
    for name in ("south", "helper-1"):
        with pytest.raises(SplittallyError) as refused:
            accept(pause, ROOTS, federation.seat(name))
        assert refused.value.code == "POLICY_UNKNOWN_MEMBER"
    assert accept(pause, ROOTS, federation.seat("north")).paused


ENDS = [
    ({"kind": "revoke incomes 1", "by": "guardian of north"}, "POLICY_AGREEMENT_REVOKED"),
    ({"kind": "pause"}, "NODE_PAUSED"),
    ({"kind": "manifest 8"}, "POLICY_EPOCH_DIFFERS"),
]


@pytest.mark.parametrize(("step", "code"), ENDS, ids=lambda value: value if isinstance(value, str) else "")
def test_open_rounds_are_dropped_when_a_record_ends_them(
    step: dict[str, Any], code: str, running: Any, script: Script, serve: Callable[..., Server]
) -> None:
    """The charge stays, nothing is sent, however often the coordinator opens the round again meanwhile."""
    node, computing, go_on = running.node("north"), threading.Event(), threading.Event()
    honest = node.tables.partials

    def slow() -> tuple[int, ...]:
        computing.set()
        go_on.wait(PATIENCE)
        return honest()  # type: ignore[no-any-return]

    node.tables.partials = slow
    server = serve(node.seat, node)
    server._roots = ROOTS
    payload = lone_round(running)
    script.say("north", OpenRound(payload))
    assert computing.wait(PATIENCE)
    scribe = Scribe(running)
    scribe.written.append(scribe._agreement({}, "incomes", "1"))
    script.say("north", scribe.write(step))
    refusal = script.hear("north", RoundRefusal)
    assert (refusal.round, refusal.code) == (wire.digest(payload), code)
    script.hear("north", Hello)
    script.say("north", OpenRound(payload))
    assert script.hear("north", RoundRefusal).code == "ROUND_NOT_OPEN"
    go_on.set()
    while not server._rounds.idle:
        time.sleep(0.01)
    script.say("north", OpenRound(payload))
    assert script.hear("north", RoundRefusal).code == code
    script.say("north", Pulse(1))
    script.hear("north", Pulse)  # nothing of the round came before it
    spent = "SELECT count(*) FROM rounds WHERE reply IS NOT NULL"
    assert node.seat.ledger._db.execute(spent).fetchone() == (1,)  # charged, computed, stored and never sent


def test_a_helper_says_nothing_of_a_round_that_a_record_ended(
    running: Any, script: Script, serve: Callable[..., Server]
) -> None:
    helper = running.seat("helper-1")
    server = serve(helper)
    server._roots = ROOTS
    payload = running.honest().manifest
    script.say("helper-1", OpenRound(payload))
    while not server._rounds._remembered:
        time.sleep(0.01)
    scribe = Scribe(running)
    scribe.written.append(scribe._agreement({}, "incomes", "1"))
    script.say("helper-1", scribe.write({"kind": "revoke incomes 1", "by": "officer"}))
    assert script.hear("helper-1", RoundRefusal).code == "POLICY_AGREEMENT_REVOKED"
    script.hear("helper-1", Hello)
    script.say("helper-1", AskAnswer(wire.digest(payload), (), ()))
    assert script.hear("helper-1", RoundRefusal).code == "ROUND_NOT_OPEN"


def test_a_department_tells_its_own_node_without_the_coordinator(
    running: Any, script: Script, serve: Callable[..., Server], tmp_path: Path
) -> None:
    """Records in the home's inbox count like those of the stream; what is refused is set aside under another name."""
    node = running.node("north")
    server, scribe, inbox = serve(node.seat, node), Scribe(running), tmp_path / "inbox"
    server.collect(inbox)  # there is none
    inbox.mkdir()
    pause = wire.encode(scribe.write({"kind": "pause", "at": -1}))
    (inbox / "a.record").write_bytes(pause)
    (inbox / "b.record").write_bytes(pause[:-1])
    (inbox / "c.record").write_bytes(wire.encode(scribe.write({"kind": "resume", "at": 1, "by": "officer"})))
    (inbox / "d.record").mkdir()
    (inbox / "e.record.part").write_bytes(pause)  # still being written
    server.collect(inbox)
    assert sorted(f.name for f in inbox.iterdir()) == ["b.refused", "c.refused", "d.refused", "e.record.part"]
    assert script.hear("north", Hello).paused
    (inbox / "f.record").write_bytes(wire.encode(scribe.write({"kind": "resume", "at": 0})))
    server.collect(inbox)
    assert not script.hear("north", Hello).paused


def test_an_analyst_who_is_refused_too_often_has_to_wait(federation: Any) -> None:
    """A hundred requests an hour, each counted once; above it nothing is written, others ask on, the hour passes."""
    node = federation.node("north")
    dear = replace(federation.loss, rho_billionths=50_000_001)
    nonces = [number.to_bytes(16, "big") for number in range(AN_HOUR)]
    too_dear = [federation.sign(federation.request(loss=dear, nonce=nonce)) for nonce in nonces]
    many = [federation.arrive(federation.round(request, readies=())) for request in too_dear]
    mine = many[0]
    unsigned = federation.arrive(federation.round(federation.sign(federation.request(), "bob"), readies=()))

    def code_of(arrival: Any) -> str:
        with pytest.raises(SplittallyError) as refused:
            answer(arrival, node)
        return refused.value.code

    for _ in range(AN_HOUR + 5):  # in ada's name, and not by her
        assert code_of(unsigned) == "POLICY_SIGNATURE_INVALID"
    for _ in range(AN_HOUR):  # wrapped and sent again, one request is one
        assert code_of(mine) == "POLICY_PRICE_ABOVE_AGREEMENT"
    for one in many:
        assert code_of(one) == "POLICY_PRICE_ABOVE_AGREEMENT"
    size = node.seat.ledger.head().size
    honest = federation.round(federation.sign(federation.request()))
    assert code_of(mine) == code_of(federation.arrive(honest)) == "POLICY_REFUSALS_LIMITED"
    assert node.seat.ledger.head().size == size
    other = federation.request(analyst="bob", sealing_key=federation.keys["bob"].sealing.public)
    assert code_of(federation.arrive(federation.round(federation.sign(other, "bob")))) == "POLICY_ANALYST_NOT_NAMED"
    later = replace(mine, at_ms=mine.at_ms + HOUR_MS - 1)
    federation.clock.forward(HOUR_MS - 1)
    assert code_of(later) == "POLICY_REFUSALS_LIMITED"
    federation.clock.forward(1)
    again = federation.request(expires_ms=federation.now + 2 * HOUR_MS)
    at_last = federation.round(federation.sign(again), deadline_ms=federation.clock.now_ms() + MINUTE)
    answer(federation.arrive(at_last), node)
