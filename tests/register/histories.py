"""A federation in memory, and histories of it: requests, rounds, decisions, pauses, publications, made up by a seed.

Keys and signatures are real; journals are lists of entries under signed heads, as a coordinator hands them over.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from random import Random

from engine.coordinator.journals import entry_of
from engine.governance import proofs
from engine.governance.federation import Federation
from engine.governance.register.sources import Evidence, Sources, verified
from engine.trusted import wire
from engine.trusted.clock import SystemClock
from engine.trusted.home import Home
from engine.trusted.journal import leaf_hash
from engine.trusted.messages import QueuedRequest, RequestState, RequestStatus, Submission
from engine.trusted.records import (
    JournalEntry,
    JournalHead,
    JournalKind,
    Loss,
    Publication,
    RecordKind,
    Request,
    SignedHead,
    SignedRecord,
    SnapshotRef,
)
from engine.trusted.sign import sign_head, signed
from tests.coordinator import papers
from tests.coordinator.members import HOSTS, make_submission

K = JournalKind
COORDINATOR = "coordinator"
PURPOSE = "To plan clinics"


def digest_of(submission: Submission) -> bytes:
    return wire.digest(submission.request.payload)


@dataclass
class History:
    federation: Federation
    random: Random
    entries: dict[str, list[JournalEntry]] = field(default_factory=dict)
    submissions: list[Submission] = field(default_factory=list)
    states: dict[bytes, RequestState] = field(default_factory=dict)
    decisions: dict[bytes, list[SignedRecord]] = field(default_factory=dict)
    records: list[SignedRecord] = field(default_factory=list)
    contrary: list[SignedHead] = field(default_factory=list)
    away: set[str] = field(default_factory=set)
    deltas: int = 10**6  # of losses: below this, in 1e-18

    def __post_init__(self) -> None:
        self.now = SystemClock().now_ms()
        members = self.federation.manifest.members
        self.names = [m.name for m in members if {r.name for r in m.roles} & {"NODE", "HELPER", "COORDINATOR"}]
        self.agreement = Home.load(self.federation.home(COORDINATOR)).agreements()[0]
        self.records += [self.agreement]
        for name in self.names:
            self.entries[name] = []
            if name != COORDINATOR:
                self.note(name, K.OPENED)
        stored = {"record_digest": self._agreement, "agreement_digest": self._agreement}
        for name in (COORDINATOR, *HOSTS):
            self.note(name, K.AGREEMENT_STORED, **stored)

    @property
    def _agreement(self) -> bytes:
        return wire.digest(self.agreement.payload)

    def note(self, member: str, kind: JournalKind, **known: object) -> None:
        self.now += self.random.randrange(2_000)
        self.entries[member].append(replace(entry_of(kind, self.now, **known), version=1, member=member))

    # -- what happens

    def ask(self, **changes: object) -> Submission:
        loss = Loss(self.random.randrange(1, 2_000_000), self.random.randrange(self.deltas))
        submission = make_submission(self.federation, **{"loss": loss, "purpose": PURPOSE, **changes})
        digest = digest_of(submission)
        self.submissions.append(submission)
        self.states[digest] = RequestState.SUBMITTED
        self.note(COORDINATOR, K.REQUESTED, **self._about(submission))
        return submission

    def _about(self, submission: Submission) -> dict[str, object]:
        request: Request = wire.decode(Request, submission.request.payload)
        digests = {"request_digest": digest_of(submission), "plan_digest": request.plan_digest}
        return {**digests, "agreement_digest": request.agreement_digest, "analyst": request.analyst}

    def charge(self, node: str, submission: Submission, round_: bytes, **changes: object) -> None:
        request: Request = wire.decode(Request, submission.request.payload)
        snapshots = (SnapshotRef("people", f"{node}-1", 0),)
        about = {**self._about(submission), "round": round_, "snapshots": snapshots}
        self.note(node, K.CHARGED, **{"loss": request.loss, **about, **changes})

    def round(self, submission: Submission, *outcomes: str, released: bool = True) -> bytes:
        """One round: what becomes of the charge at each host, in order; chance where nothing is said."""
        round_ = self.random.randbytes(32)
        chosen = outcomes or tuple(self.random.choice(("replied", "refused", "none")) for _ in HOSTS)
        about = {**self._about(submission), "round": round_}
        for node, outcome in zip(HOSTS, chosen, strict=True):
            self.charge(node, submission, round_)
            if outcome == "replied":
                self.note(node, K.REPLIED, **about)
            elif outcome == "refused":
                self.note(node, K.ROUND_REFUSED, code="NODE_SOURCE_FAILED", **about)
        survivors = tuple(node for node, outcome in zip(HOSTS, chosen, strict=True) if outcome == "replied")
        if released and survivors:
            self.states[digest_of(submission)] = RequestState.RELEASED
            self.note(COORDINATOR, K.RELEASED_TO_ANALYST, **{**about, "survivors": survivors})
        return round_

    def decide(self, submission: Submission, node: str, reason: str = "") -> None:
        digest = digest_of(submission)
        record = papers.decision(self.federation, node, digest, reason, decided_ms=self.now)
        self.decisions.setdefault(digest, []).append(record)
        self.keep(record, K.DECIDED, request_digest=digest, note_only=True)

    def keep(self, record: SignedRecord, kind: JournalKind, note_only: bool = False, **known: object) -> None:
        """The coordinator takes a record and journals it."""
        if not note_only:
            self.records.append(record)
        self.note(COORDINATOR, kind, record_digest=wire.digest(record.payload), **known)

    def pause(self, node: str, paused: bool, reason: str = "an audit") -> None:
        record = papers.pause(self.federation, node, paused, decided_ms=self.now, reason=reason)
        kind = K.PAUSED if paused else K.RESUMED
        self.keep(record, kind, detail=node)
        self.note(node, kind, record_digest=wire.digest(record.payload))

    def revoke(self) -> None:
        record = papers.revocation(self.federation)
        self.keep(record, K.AGREEMENT_REVOKED, agreement_digest=self._agreement)
        for node in HOSTS:
            known = {"agreement_digest": self._agreement, "record_digest": wire.digest(record.payload)}
            self.note(node, K.AGREEMENT_REVOKED, **known)

    def publish(self, submission: Submission, title: str = "Clinics", table: bytes = b"region,n\r\n") -> Publication:
        said = Publication(1, digest_of(submission), 1, "analyst", title, wire.digest(table), self.now)
        key = Home.load(self.federation.home("analyst")).signing_key()
        record = signed(RecordKind.PUBLICATION, wire.encode(said), key)
        self.keep(record, K.PUBLISHED, request_digest=said.request_digest)
        return said

    def share(self, submission: Submission) -> None:
        about = {"request_digest": digest_of(submission), "analyst": "analyst", "detail": "other"}
        self.note(COORDINATOR, K.SHARED, record_digest=self.random.randbytes(32), **about)

    def refuse_for_nothing(self, node: str) -> None:
        self.note(node, K.ROUND_REFUSED, round=self.random.randbytes(32), code="POLICY_PRICE_ABOVE_AGREEMENT")

    # -- what is handed over

    def head(self, member: str, size: int | None = None) -> SignedHead:
        bodies = [wire.encode(entry) for entry in self.entries[member]][:size]
        found = JournalHead(member, len(bodies), proofs.root([leaf_hash(body) for body in bodies]), bytes(32))
        return sign_head(found, Home.load(self.federation.home(member)).signing_key())

    def sources(self) -> Sources:
        home = Home.load(self.federation.home(COORDINATOR))
        journals = {
            name: (self.head(name), tuple(wire.encode(entry) for entry in self.entries[name]))
            for name in self.names
            if name not in self.away
        }
        requests = tuple(self._queued(submission) for submission in self.submissions)
        return Sources(
            home.manifest_record(), home.roots(), requests, tuple(self.records), tuple(self.contrary), journals
        )

    def _queued(self, submission: Submission) -> QueuedRequest:
        digest = digest_of(submission)
        status = RequestStatus(digest, self.states[digest], "", (), 1, (), (), self.now)
        return QueuedRequest(
            replace(submission, statement=b""), status, tuple(self.decisions.get(digest, ())), self.now
        )

    def evidence(self) -> Evidence:
        return verified(self.sources())


def random_history(federation: Federation, seed: int, steps: int = 40, deltas: int = 10**6) -> History:
    """Anything, in any order, that a sound federation can do."""
    made = History(federation, Random(seed), deltas=deltas)
    made.ask()
    stopped: set[str] = set()
    charged: dict[bytes, int] = {}
    for _ in range(steps):
        submission, node = made.random.choice(made.submissions), made.random.choice(HOSTS)
        digest = digest_of(submission)
        released = made.states[digest] is RequestState.RELEASED
        match made.random.randrange(9):
            case 0 | 1:
                made.ask()
            case 2 | 3 if charged.get(digest, 0) < 2 and not released:
                charged[digest] = charged.get(digest, 0) + 1
                made.round(submission)
            case 4:
                made.decide(submission, node, made.random.choice(("", "too fine")))
            case 5:
                stopped ^= {node}
                made.pause(node, node in stopped)
            case 6 if released:
                made.publish(submission)
            case 7 if released:
                made.share(submission)
            case _:
                made.refuse_for_nothing(node)
    if made.random.random() < 0.5:
        made.revoke()
    return made


def of(entries: Sequence[JournalEntry], *kinds: JournalKind) -> list[tuple[int, JournalEntry]]:
    return [(position, entry) for position, entry in enumerate(entries) if entry.kind in kinds]
