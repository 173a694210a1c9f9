"""Doubles of nodes and helpers for the coordinator's tests: real keys, signatures, masks and seals; no data, no noise.

A member answers what is put into its link's outbox, in a thread of its own. ``faults`` name what it does wrong. Each
keeps a journal in memory, says what it charged and answered, and proves it as a real one does.
"""

from __future__ import annotations

import threading
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from queue import SimpleQueue

import grpc
import numpy as np

from engine.coordinator.journals import entry_of
from engine.coordinator.links import Link, Links
from engine.governance import proofs
from engine.governance.agreement import default_agreement, install_agreement, sign_agreement
from engine.governance.federation import Federation, found
from engine.trusted import journal, ring, wire
from engine.trusted.catalogue import Catalogue, Column, Dataset, IdentifierForm, PersonUnit
from engine.trusted.clock import SystemClock
from engine.trusted.home import Home
from engine.trusted.journal import leaf_hash
from engine.trusted.mask import add_mask, answer_info, seed_info
from engine.trusted.messages import (
    PART_BYTES,
    AnswerPart,
    AnswerSet,
    AskAnswer,
    AskJournal,
    AskReady,
    AskWitness,
    ConsistencyProof,
    FromNode,
    Hello,
    JournalPart,
    OpenRound,
    RoundRefusal,
    ShareSet,
    Submission,
    ToNode,
    VectorPart,
)
from engine.trusted.plan import Aggregate, ColumnRef, GroupingSet, Key, Literal, Measure, Plan, Scan, Statistic, Type
from engine.trusted.random import SystemRandomness
from engine.trusted.records import (
    HeldHead,
    HelperAnswer,
    InclusionProof,
    JournalHead,
    JournalKind,
    KeyList,
    Loss,
    Ready,
    RecordKind,
    Request,
    Role,
    RoundManifest,
    Share,
    SignedHead,
    SignedRecord,
    SnapshotRef,
    Witness,
)
from engine.trusted.seal import seal
from engine.trusted.selection import keys_info, phases_of
from engine.trusted.sign import open_share, sign_head, signed

HOSTS = ("east", "north", "west")
REGIONS = ("N", "S")
MOST_KEYS = 40


def catalogue(regions: tuple[str, ...] = REGIONS) -> Catalogue:
    person = PersonUnit("person_id", "person_id", IdentifierForm.AS_IS)
    columns = (
        Column("person_id", Type.TEXT),
        Column("region", Type.TEXT, domain=regions),
        Column("clinic", Type.TEXT),
    )
    people = Dataset("people", "", "", HOSTS, person, 1, 1, 1, "", 10_000, 10_000, columns)
    return Catalogue(1, "test", (people,))


def make_federation(directory: Path, regions: tuple[str, ...] = REGIONS, **options: int) -> Federation:
    clock, randomness = SystemClock(), SystemRandomness()
    federation = found(
        directory, catalogue(regions), clock=clock, randomness=randomness, analysts=("analyst", "other"), **options
    )
    signers = ["policy", *(f"guardian-{h}" for h in HOSTS)]
    agreement = default_agreement(federation.manifest, clock)
    record = sign_agreement(agreement, *(Home.load(federation.home(s)) for s in signers))
    install_agreement(record, [Home.load(federation.home(n)) for n in ("coordinator", *federation.processes)])
    return federation


def count_plan(federation: Federation, keys: int = 1) -> Plan:
    """SELECT region, COUNT(*) FROM people GROUP BY region; with ``keys`` 2 the key stands there twice."""
    published = federation.manifest.catalogue
    domain = published.datasets[0].columns[1].domain
    key = Key(ColumnRef("region"), tuple(Literal(Type.TEXT, v) for v in domain))
    aggregate = Aggregate(
        Scan("people"), (key,) * keys, (GroupingSet(tuple(range(keys))),), (Measure(Statistic.COUNT_ROWS),)
    )
    return Plan(1, wire.digest(wire.encode(published)), aggregate)


def open_plan(federation: Federation) -> Plan:
    """SELECT clinic, COUNT(*) FROM people GROUP BY clinic, whose values the nodes name."""
    plan = count_plan(federation)
    key = Key(ColumnRef("clinic"), (), MOST_KEYS)
    return replace(plan, aggregate=replace(plan.aggregate, keys=(key,)))


def make_submission(made: Federation, /, **changes: object) -> Submission:
    """A signed request; ``changes`` replace its fields, or name its ``signer``, the number of ``keys``, or say that
    the key is ``open``."""
    plan = wire.encode(count_plan(made, int(str(changes.pop("keys", 1)))))
    statement = b"SELECT region, COUNT(*) AS n FROM people GROUP BY region"
    if changes.pop("open", False):
        plan = wire.encode(open_plan(made))
        statement = b"SELECT clinic, COUNT(*) AS n FROM people GROUP BY clinic"
        changes = {"selection": Loss(20_000_000, 10**9), **changes}
    return submission_of(made, plan, statement, **{"n_min": len(HOSTS), **changes})


def submission_of(made: Federation, plan: bytes, statement: bytes, **changes: object) -> Submission:
    """A request to run the plan under the federation's first agreement, signed by its ``signer``, the analyst."""
    home = Home.load(made.home(str(changes.pop("signer", "analyst"))))
    now = SystemClock().now_ms()
    request = Request(
        version=1,
        nonce=SystemRandomness().bytes(16),
        federation="test",
        analyst="analyst",
        plan_digest=wire.digest(plan),
        agreement_digest=wire.digest(Home.load(made.home("coordinator")).agreements()[0].payload),
        loss=Loss(20_000_000, 0),
        n_min=2,
        f=0,
        committee=3,
        sealing_key=home.sealing_key().public,
        created_ms=now,
        expires_ms=now + 600_000,
        max_attempts=2,
        runs=1,
        purpose="test",
    )
    request = replace(request, **changes)  # type: ignore[arg-type]
    return Submission(signed(RecordKind.REQUEST, wire.encode(request), home.signing_key()), plan, statement)


class Double:
    """One member: a host with ``counts``, a helper, or both."""

    def __init__(self, federation: Federation, name: str, counts: tuple[int, ...] = ()) -> None:
        self.home = Home.load(federation.home(name))
        self.name, self.counts = name, counts
        self.clinics: dict[str, int] = {}  # the persons of each value of the open key; all of them are named
        self.key, self.sealing = self.home.signing_key(), self.home.sealing_key()
        self.roster = self.home.roster()
        self.faults: set[str] = set()
        self.guardians, self.paused, self.snapshot = 0, False, 1
        self.manifest, self.sealed_keys = b"", b""
        self.seen: list[ToNode] = []
        self.replies: dict[bytes, list[FromNode]] = {}
        self.journal: list[bytes] = []
        self.held: dict[str, SignedHead] = {}  # the newest head of each node, as helpers keep them
        self.proven: dict[str, dict[int, JournalHead]] = {}  # and all that came before it, by size
        self.link: Link | None = None
        self.ended: str | None = None

    @property
    def head(self) -> SignedHead:
        return self.head_at(len(self.journal))

    def head_at(self, size: int) -> SignedHead:
        found = proofs.root([leaf_hash(entry) for entry in self.journal[:size]])
        return sign_head(JournalHead(self.name, size, found, bytes(32)), self.key)

    def note(self, kind: JournalKind, **known: object) -> int:
        """Appends an entry to the journal; its position."""
        entry = entry_of(kind, SystemClock().now_ms(), **known)
        self.journal.append(wire.encode(replace(entry, version=1, member=self.name)))
        return len(self.journal) - 1

    def hello(self) -> Hello:
        snapshots = (SnapshotRef("people", f"{self.name}-{self.snapshot}", 0),) if self.counts else ()
        return Hello(1, self.name, 1, snapshots, self.head, self.guardians, self.paused)

    def greet(self, links: Links, **changes: int) -> None:
        """Says anew who it is, with other ``guardians``, ``paused`` or ``snapshot``."""
        for name, value in changes.items():
            setattr(self, name, value)
        assert self.link is not None
        links.hand_over(self.link, self.hello())

    def join(self, links: Links) -> None:
        self.link = links.join(self.hello())
        threading.Thread(target=self._serve, args=(links, self.link), daemon=True).start()

    def leave(self, links: Links) -> None:
        assert self.link is not None
        links.leave(self.link)
        self.link.outbox.put(None)

    def dial(self, address: str, hello: Hello | None = None) -> grpc.Channel:
        """Attends over gRPC and mutual TLS, as a node does."""
        tls = self.home.tls()
        credentials = grpc.ssl_channel_credentials(tls.authority, tls.key, tls.certificate)
        channel = grpc.secure_channel(address, credentials, options=[("grpc.ssl_target_name_override", "coordinator")])
        outbox: SimpleQueue[FromNode] = SimpleQueue()
        outbox.put(hello or self.hello())
        said = (wire.encode(message, FromNode) for message in iter(outbox.get, None))
        stream = channel.stream_stream("/splittally.v1.Federation/Attend")(said)

        def serve() -> None:
            try:
                for payload in stream:
                    message: ToNode = wire.decode(ToNode, payload)
                    self.seen.append(message)
                    for answer in self.answer(message):
                        outbox.put(answer)
            except (grpc.RpcError, ValueError) as error:
                self.ended = str(error.details()) if isinstance(error, grpc.RpcError) else ""

        threading.Thread(target=serve, daemon=True).start()
        return channel

    def _serve(self, links: Links, link: Link) -> None:
        while (message := link.outbox.get()) is not None:
            self.seen.append(message)
            if type(message).__name__ in self.faults:  # dies on this message
                links.leave(link)
                return
            for answer in self.answer(message):
                links.hand_over(link, answer)

    def answer(self, message: ToNode) -> list[FromNode]:
        match message:
            case _ if "silent" in self.faults:
                return []
            case AskReady():
                head = self.head.head
                held = tuple(
                    HeldHead(n, self.held[n].head.size, self.held[n].head.root)
                    for n in message.participants
                    if n in self.held
                )
                ready = Ready(1, message.request_digest, self.name, SystemClock().now_ms(), head, held)
                return [signed(RecordKind.READY, wire.encode(ready), self.key)]
            case OpenRound():
                self.manifest, self.sealed_keys = message.manifest, message.sealed_keys
                return self._share() if self.counts else []
            case AskAnswer():
                return self._help(message)
            case AskJournal():
                return self._tell(message.start)
            case AskWitness():
                return [self._witness(message)]
        return []

    def _tell(self, start: int) -> list[FromNode]:
        """The journal from ``start`` on, three entries a part."""
        head = self.head
        starts = range(start, len(self.journal), 3) or (start,)
        return [JournalPart(at, tuple(self.journal[at : at + 3]), head) for at in starts]

    def _witness(self, ask: AskWitness) -> SignedRecord:
        head = self.held[ask.member].head if ask.member in self.held else JournalHead(ask.member, 0, b"", b"")
        witness = Witness(1, ask.nonce, self.name, ask.member, head.size, head.root)
        return signed(RecordKind.WITNESS, wire.encode(witness), self.key)

    def _share(self) -> list[FromNode]:
        round_, manifest = wire.digest(self.manifest), wire.decode(RoundManifest, self.manifest)
        for fault in self.faults:
            if fault.startswith(("BUDGET_", "POLICY_", "NODE_", "APPROVAL_")):
                spent = ("identifier person_id", 1_800_000_000_000) if fault == "BUDGET_EXHAUSTED" else ("", 0)
                return [RoundRefusal(round_, fault, spent[1], spent[0])]
        if round_ not in self.replies:
            self.replies[round_] = self._reply(round_, manifest)
        messages = self.replies[round_]
        if "equivocates" in self.faults:
            return messages + self._reply(round_, manifest)
        return messages * 2 if "repeats" in self.faults else messages

    def _reply(self, round_: bytes, manifest: RoundManifest) -> list[FromNode]:
        plan: Plan = wire.decode(Plan, manifest.plan)
        if phases_of(plan) == 1:
            return self._mask(round_, manifest, self.counts)
        if manifest.phase == 1:
            return self._name_keys(round_, manifest)
        body = self.sealing.open(self.sealed_keys, keys_info(wire.digest(manifest.request.payload), self.name))
        listed: KeyList = wire.decode(KeyList, body)
        return self._mask(round_, manifest, tuple(self.clinics.get(str(v.value), 0) for v in listed.values))

    def _name_keys(self, round_: bytes, manifest: RoundManifest) -> list[FromNode]:
        """All of its keys, most shared first."""
        request: Request = wire.decode(Request, manifest.request.payload)
        named = sorted(self.clinics, key=lambda clinic: -self.clinics[clinic])
        listed = wire.encode(KeyList(b"", tuple(Literal(Type.TEXT, clinic) for clinic in named)))
        padded = (len(listed).to_bytes(4, "big") + listed).ljust(4096, b"\0")
        body = seal(padded, request.sealing_key, keys_info(round_, self.name))
        digest = wire.digest(body + b"!" if "wrong digest" in self.faults else body)
        share = self._signed(Share(round_, self.name, request.analyst, b"", digest, self.head))
        return [VectorPart(round_, 0, body), ShareSet(round_, (share,), 1, 1)]

    def _mask(self, round_: bytes, manifest: RoundManifest, counts: tuple[int, ...]) -> list[FromNode]:
        unit = manifest.calibration.multipliers[0]
        vector = ring.from_integers([*(unit * c for c in counts), 1])
        request: Request = wire.decode(Request, manifest.request.payload)
        seeds = [(m, SystemRandomness().bytes(32)) for m in (request.analyst, *manifest.helpers)]
        for _, seed in seeds:
            add_mask(vector, seed, round_, self.name)
        body = ring.to_bytes(vector)
        digest = wire.digest(body + b"!" if "wrong digest" in self.faults else body)
        records: list[SignedRecord] = []
        about = {"round": round_, "request_digest": wire.digest(manifest.request.payload), "analyst": request.analyst}
        about |= {"plan_digest": request.plan_digest, "agreement_digest": request.agreement_digest}
        snapshots = next(p.snapshots for p in manifest.participants if p.node == self.name)
        at, head = self.note(JournalKind.CHARGED, loss=request.loss, snapshots=snapshots, **about), self.head
        for member, seed in seeds:
            sealed = seal(seed, self.roster.member(member).sealing_key, seed_info(round_, self.name, member))
            records.append(self._signed(Share(round_, self.name, member, sealed, digest, head)))
        grown, charge = self._prove(manifest, at, head)
        self.note(JournalKind.REPLIED, **about)
        starts = range(0, len(body), PART_BYTES)
        parts = [VectorPart(round_, i, body[s : s + PART_BYTES]) for i, s in enumerate(starts)]
        return [*parts, ShareSet(round_, tuple(records), len(parts), manifest.phase, grown, charge)]

    def _prove(
        self, manifest: RoundManifest, at: int, head: SignedHead
    ) -> tuple[tuple[ConsistencyProof, ...], InclusionProof | None]:
        """For each helper, that ``head`` extends the one it holds; and that the charge is in it."""
        if "proves nothing" in self.faults:
            return (), None
        hashes = proofs.stored_in([leaf_hash(entry) for entry in self.journal])
        grown = []
        for record in manifest.readies:
            ready: Ready = wire.decode(Ready, record.payload)
            old = next((h.size for h in ready.held if h.node == self.name), 0)
            path = journal.consistency_path(old, head.head.size, hashes)
            grown.append(ConsistencyProof(self.name, old, path))
        path = journal.inclusion_path(at, head.head.size, hashes)
        entry = self.journal[at] if "proves another" not in self.faults else self.journal[0]
        return tuple(grown), InclusionProof(self.name, at, entry, path, head)

    def _signed(self, share: Share) -> SignedRecord:
        if "forges" in self.faults:
            share = replace(share, node="north" if self.name != "north" else "east")
        return signed(RecordKind.SHARE, wire.encode(share), self.key)

    def _help(self, ask: AskAnswer) -> list[FromNode]:
        manifest: RoundManifest = wire.decode(RoundManifest, self.manifest)
        assert wire.digest(self.manifest) == ask.round
        total = np.zeros(manifest.calibration.cells + 1, dtype=np.uint64)
        survivors = []
        for record in ask.shares:
            share = open_share(record, self.roster)
            assert (share.round, share.member) == (ask.round, self.name)
            add_mask(total, self.sealing.open(share.sealed_seed, seed_info(*_ids(share))), ask.round, share.node)
            survivors.append(share.node)
            self._hold(share.head, next((p for p in ask.proofs if p.node == share.node), None))
        request: Request = wire.decode(Request, manifest.request.payload)
        sealed = seal(ring.to_bytes(total), request.sealing_key, answer_info(ask.round, self.name))
        self.note(JournalKind.ANSWERED_AS_HELPER, round=ask.round, survivors=tuple(survivors))
        named = tuple(survivors[:-1]) if "fewer survivors" in self.faults else tuple(survivors)
        answer = HelperAnswer(ask.round, self.name, named, wire.digest(sealed), self.head)
        starts = range(0, len(sealed), PART_BYTES)
        parts: list[FromNode] = [AnswerPart(ask.round, i, sealed[s : s + PART_BYTES]) for i, s in enumerate(starts)]
        record = signed(RecordKind.HELPER_ANSWER, wire.encode(answer), self.key)
        return [*parts, AnswerSet(ask.round, record, len(parts))]

    def _hold(self, head: SignedHead, proof: ConsistencyProof | None) -> None:
        """Keeps a node's head, once it is proven to extend the one that the round's *ready* named; another round may
        have brought a newer one meanwhile."""
        known = self.proven.setdefault(head.head.member, {})
        if proof is not None:
            proofs.require_extension([known[proof.old_size]] if proof.old_size else [], head.head, proof)
        known[head.head.size] = head.head
        held = self.held.get(head.head.member)
        if held is None or head.head.size > held.head.size:
            self.held[head.head.member] = head


def _ids(share: Share) -> tuple[bytes, str, str]:
    return share.round, share.node, share.member


def doubles(federation: Federation, counts: dict[str, tuple[int, ...]]) -> dict[str, Double]:
    """Every node and helper of the federation, by name."""
    names: Collection[str] = federation.processes
    helpers = federation.names(Role.HELPER)
    assert set(helpers) <= set(names)
    return {name: Double(federation, name, counts.get(name, ())) for name in names}
