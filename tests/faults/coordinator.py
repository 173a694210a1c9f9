"""A coordinator in memory: the product's state machine of rounds, and whatever lies a scenario tells it to tell."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.coordinator import events, rounds
from engine.coordinator.events import Candidate, Terms, Windows
from engine.errors import SplittallyError
from engine.trusted import ring, wire
from engine.trusted.calibrate import calibrate
from engine.trusted.mask import answer_info, seed_info, subtract_mask
from engine.trusted.messages import (
    AnswerPart,
    AnswerSet,
    AskAnswer,
    AskReady,
    AskWitness,
    CloseRound,
    FromNode,
    Hello,
    OpenRound,
    RoundRefusal,
    SeekWitnesses,
    ShareSet,
    VectorPart,
)
from engine.trusted.plan import Plan
from engine.trusted.records import Participant, Ready, RecordKind, Request, RoundManifest, Share, SignedRecord, Witness

if TYPE_CHECKING:
    from tests.faults.federated import Federated

HELPERS = (Candidate("helper-1", "audit office"), Candidate("helper-2", "archive"), Candidate("south", "body of south"))
Forge = Callable[[RoundManifest], RoundManifest]


@dataclass
class Opened:
    """One round as the coordinator knows it."""

    attempt: int
    manifest: RoundManifest
    payload: bytes
    vectors: dict[str, bytearray] = field(default_factory=dict)
    shares: dict[str, ShareSet] = field(default_factory=dict)
    masks: dict[str, bytearray] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    counted: tuple[str, ...] = ()  # by the analyst's own sum

    @property
    def id(self) -> bytes:
        return wire.digest(self.payload)


@dataclass
class Asked:
    """One request: ``outcome`` is "released", a code, or empty while it is under way."""

    record: SignedRecord
    plan: Plan
    approvals: tuple[SignedRecord, ...]
    terms: Terms
    state: rounds.State | None = None
    run: int = 1
    readies: dict[str, SignedRecord] = field(default_factory=dict)
    opened: list[Opened] = field(default_factory=list)
    outcome: str = ""

    @property
    def digest(self) -> bytes:
        return wire.digest(self.record.payload)


class Coordinator:
    """Relays, decides by rounds.py, and lies where ``forge``, ``forge_for``, ``asks`` and ``forgets`` say so."""

    def __init__(self, world: Federated) -> None:
        self.world = world
        self.requests: list[Asked] = []
        self.forge: list[Forge] = []
        self.forge_for: dict[str, Forge] = {}  # other bytes for one member
        self.asks: dict[str, tuple[str, ...]] = {}  # other survivors for one helper
        self.hides_heads = False  # asks helpers for readies without naming the participants
        self.drops_proofs = False
        self.withholds = frozenset[str]()  # members whose witnesses are not passed on
        self.seeking: dict[str, bytes] = {}
        self.sent_replies: dict[tuple[str, bytes], set[bytes]] = {}
        self.away = False

    # -- a request's way

    def submit(self, asked: Asked) -> None:
        self.requests.append(asked)
        connected = [m.name for m in self.world.members.values() if m.connected]
        state, actions = rounds.begin(asked.terms, connected, self._now())
        self._went(asked, state, actions)

    def happened(self, event: events.Event, asked: Asked | None = None) -> None:
        for each in [asked] if asked else list(self.requests):
            if each.state is not None and not each.outcome:
                state, actions = rounds.step(each.terms, each.state, event, self._now())
                self._went(each, state, actions)

    @property
    def next_deadline(self) -> float | None:
        open_ = [a.state.deadline for a in self.requests if a.state is not None and not a.outcome]
        return min(open_, default=None)

    def _now(self) -> int:
        return int(self.world.clock.monotonic)

    def _went(self, asked: Asked, state: rounds.State, actions: Collection[events.Action]) -> None:
        asked.state = state
        for action in actions:
            self._perform(asked, action)

    def _perform(self, asked: Asked, action: events.Action) -> None:
        match action:
            case events.AskReadies(members, participants):
                named = () if self.hides_heads else participants
                for member in members:
                    self.world.members[member].hear(AskReady(asked.digest, named))
            case events.Open():
                self._open(asked, action)
            case events.Reopen(node):
                self.world.members[node].hear(OpenRound(self._bytes_for(node, asked.opened[-1])))
            case events.AskAnswers(survivors, helpers):
                for helper in helpers:
                    chosen = self.asks.get(helper, survivors)
                    self.ask(asked.opened[-1], helper, chosen)
            case events.Release(survivors):
                asked.outcome = self._release(asked, survivors)
                self._close(asked)
            case events.Refuse(code):
                asked.outcome = code
                self._close(asked)
            case events.Abandon():
                self._close(asked)

    def assembled(self, asked: Asked, chosen: events.Open) -> RoundManifest:
        """An honest manifest."""
        world, request = self.world, wire.decode(Request, asked.record.payload)
        participants = tuple(Participant(n, world.snapshots(n)) for n in chosen.participants)
        now = world.clock.now_ms()
        calibration = calibrate(asked.plan, world.federation.manifest.catalogue, request.loss, request.n_min, request.f)
        return RoundManifest(
            version=1,
            nonce=bytes([len(self.requests), chosen.attempt, asked.run]) + bytes(13),
            request=asked.record,
            plan=wire.encode(asked.plan),
            approvals=asked.approvals,
            epoch=world.epoch,
            attempt=chosen.attempt,
            run=asked.run,
            phase=1,
            participants=participants,
            helpers=chosen.helpers,
            calibration=calibration,
            created_ms=now,
            deadline_ms=min(now + 150_000, request.expires_ms),
            readies=tuple(asked.readies[h] for h in chosen.helpers),
        )

    def _open(self, asked: Asked, chosen: events.Open) -> None:
        manifest = self.assembled(asked, chosen)
        for forge in self.forge:
            manifest = forge(manifest)
        opened = Opened(chosen.attempt, manifest, wire.encode(manifest))
        asked.opened.append(opened)
        for member in dict.fromkeys((*chosen.helpers, *chosen.participants)):  # helpers first: they lose no time
            self.world.members[member].hear(OpenRound(self._bytes_for(member, opened)))

    def _bytes_for(self, member: str, opened: Opened) -> bytes:
        forge = self.forge_for.get(member)
        return opened.payload if forge is None else wire.encode(forge(opened.manifest))

    def ask(self, opened: Opened, helper: str, survivors: tuple[str, ...]) -> None:
        """Asks a helper about a set of survivors."""
        place = 1 + opened.manifest.helpers.index(helper)
        given = [opened.shares[n] for n in survivors]
        proofs = () if self.drops_proofs else tuple(s.proofs[place - 1] for s in given)
        self.world.members[helper].hear(AskAnswer(opened.id, tuple(s.shares[place] for s in given), proofs))

    def _close(self, asked: Asked) -> None:
        for opened in asked.opened[-1:]:
            for name in {*opened.manifest.helpers, *(p.node for p in opened.manifest.participants)}:
                self.world.members[name].hear(CloseRound(opened.id))

    # -- what members say

    def heard(self, name: str, message: FromNode) -> None:
        if self.away:
            return
        match message:
            case Hello():
                new = name not in self.world.greeted or self.world.greeted[name].paused
                self.world.greeted[name] = message
                if new and not message.paused:
                    self.happened(events.Joined(name))
            case SeekWitnesses(nonce):
                self.seeking[name] = nonce
                for other in self.world.members.values():
                    if other.name != name:
                        other.hear(AskWitness(nonce, name))
            case SignedRecord(kind=RecordKind.WITNESS):
                witness = wire.decode(Witness, message.payload)
                if witness.witness not in self.withholds:
                    self.world.members[witness.member].hear(message)
            case SignedRecord(kind=RecordKind.READY):
                digest = wire.decode(Ready, message.payload).request_digest
                for asked in self.requests:
                    if asked.digest == digest and not asked.outcome:
                        asked.readies[name] = message
                        self.happened(events.Readied(name), asked)
            case RoundRefusal():
                self._declined(name, message)
            case VectorPart() | ShareSet() | AnswerPart() | AnswerSet():
                self._kept(name, message)

    def _declined(self, name: str, refusal: RoundRefusal) -> None:
        self.world.said.setdefault(name, []).append(refusal.code)
        for asked in self.requests:
            if asked.digest == refusal.round and asked.state is not None:
                self.happened(events.Unready(name, refusal.code), asked)
            for opened in asked.opened:
                if opened.id == refusal.round or wire.digest(self._bytes_for(name, opened)) == refusal.round:
                    opened.refused[name] = refusal.code
                    self.happened(events.Declined(opened.attempt, name, refusal.code), asked)

    def _kept(self, name: str, message: Any) -> None:
        for asked in self.requests:
            for opened in asked.opened:
                if opened.id == message.round:
                    self._keep(asked, opened, name, message)

    def _keep(self, asked: Asked, opened: Opened, name: str, message: Any) -> None:
        match message:
            case VectorPart(_, part, body):
                whole = opened.vectors[name] = bytearray() if part == 0 else opened.vectors[name]
                whole += body
            case ShareSet():
                body = wire.encode(message) + bytes(opened.vectors[name])
                self.sent_replies.setdefault((name, opened.id), set()).add(body)
                opened.shares.setdefault(name, message)
                self.happened(events.Shared(opened.attempt, name, wire.digest(body)), asked)
            case AnswerPart(_, part, body):
                whole = opened.masks[name] = bytearray() if part == 0 else opened.masks[name]
                whole += body
            case AnswerSet():
                self.happened(events.Answered(opened.attempt, name), asked)

    # -- the analyst's own machine

    def _release(self, asked: Asked, survivors: tuple[str, ...]) -> str:
        """Takes all masks away. The check cell must count the survivors; each node's number stands once in the sum."""
        opened, keys = asked.opened[-1], self.world.federation.keys["ada"].sealing
        total = np.zeros(opened.manifest.calibration.cells + 1, dtype=np.uint64)
        try:
            for node in survivors:
                total = ring.add(total, ring.from_bytes(bytes(opened.vectors[node])))
                own = wire.decode(Share, opened.shares[node].shares[0].payload)
                seed = keys.open(own.sealed_seed, seed_info(opened.id, node, "ada"))
                subtract_mask(total, seed, opened.id, node)
            for helper in opened.manifest.helpers:
                sealed = keys.open(bytes(opened.masks[helper]), answer_info(opened.id, helper))
                total = np.subtract(total, ring.from_bytes(sealed))
        except SplittallyError as error:
            return error.code
        first, *_, check = ring.to_signed(total)
        if check != len(survivors):
            return "unreadable"
        times = {n: first // 16**m.number % 16 for n, m in self.world.members.items() if m.home.hosts_data}
        assert set(times.values()) <= {0, 1}, f"counted more than once: {times}"
        opened.counted = tuple(n for n, count in times.items() if count)
        return "released"


def without_approvals(manifest: RoundManifest) -> RoundManifest:
    return replace(manifest, approvals=())


def terms_of(world: Federated, request: Request, hosts: tuple[str, ...]) -> Terms:
    """What the request fixes, on the world's monotonic clock."""
    left = request.expires_ms - world.clock.now_ms()
    expires = int(world.clock.monotonic) + left
    return Terms(hosts, HELPERS, request.n_min, 2, request.max_attempts, expires, Windows())
