"""Signed records that people hand in: each is verified, kept, acted upon, and passed on to the members it concerns.

    APPROVAL WITHDRAWAL            the request is looked at anew
    AGREEMENT REVOCATION           to all nodes and helpers; requests under it are looked at anew
    PAUSE                          to the node it stops or lets go on
    PUBLICATION                    kept for the register
    FEDERATION_MANIFEST            the coordinator's roster follows; members that are gone are dismissed

Handed in again, a record changes nothing. Members trust none of this: each verifies for itself. What one of them may
lack it is sent when it joins.
"""

from __future__ import annotations

from collections.abc import Iterable

import structlog

from engine.coordinator.agreements import Agreements
from engine.coordinator.cases import Cases, is_over
from engine.coordinator.handed import HandedIn, NodeSays
from engine.coordinator.services import Services
from engine.errors import require
from engine.governance.homes import store_manifest
from engine.trusted import wire
from engine.trusted.home import Home
from engine.trusted.messages import Handed, Hello
from engine.trusted.plan import Plan
from engine.trusted.records import (
    Approval,
    Decision,
    Pause,
    Publication,
    RecordKind,
    Revocation,
    Role,
    SignedRecord,
    Withdrawal,
)
from engine.trusted.sign import Roster, decoded, open_approval, open_pause, open_revocation, require_signed_by
from engine.trusted.stability import stability_of

log = structlog.get_logger("coordinator")
FAST_CLOCK_MS = 60_000  # a decision dated later than this from now would outweigh every later one
SERVING = (Role.NODE, Role.HELPER)


class Governance:
    """What the coordinator does with the records of ``home``'s federation."""

    def __init__(self, home: Home, services: Services, agreements: Agreements, handed: HandedIn, cases: Cases) -> None:
        self._home, self._services, self._agreements = home, services, agreements
        self._handed, self._cases = handed, cases
        self._taken = {
            RecordKind.APPROVAL: self._approval,
            RecordKind.WITHDRAWAL: self._withdrawal,
            RecordKind.AGREEMENT: self._agreement,
            RecordKind.REVOCATION: self._revocation,
            RecordKind.PAUSE: self._pause,
            RecordKind.FEDERATION_MANIFEST: self._manifest,
            RecordKind.PUBLICATION: self._publication,
        }
        self._shown: dict[str, Hello] = {}

    def hand(self, record: SignedRecord) -> Handed:
        """Takes a record from whoever brings it; Refused POLICY_* or APPROVAL_* for one that does not hold."""
        require(record.kind in self._taken, "POLICY_RECORD_INVALID")
        self._taken[record.kind](record)
        log.info("record.taken", kind=record.kind.name.lower(), record=wire.digest(record.payload).hex())
        return Handed(wire.digest(record.payload))

    def greeted(self, hello: Hello) -> None:
        """A member has joined, or said something new of itself."""
        older, self._shown[hello.node] = self._shown.get(hello.node), hello
        news = self._handed.node_says(hello.node, NodeSays(hello.guardians, hello.paused))
        if news or older is None or older.snapshots != hello.snapshots:
            self._cases.consider_all(opened=False)

    def joined(self, hello: Hello) -> None:
        """A member has joined: it may lack what was taken while it was away."""
        self._shown.pop(hello.node, None)
        self._catch_up(hello)
        self.greeted(hello)

    # -- one a kind

    def _approval(self, record: SignedRecord) -> None:
        approval = open_approval(record, self._services.roster)
        kept = self._services.store.kept(approval.request_digest)
        require(approval.guardian != kept.analyst, "APPROVAL_OWN_REQUEST", name=approval.guardian)
        plan: Plan = wire.decode(Plan, kept.submission.plan, wire.PLAN_BYTES)
        hosts = stability_of(plan.aggregate.input, self._services.roster.manifest.catalogue).hosts
        require(approval.node in hosts, "APPROVAL_NOT_A_HOST", name=approval.node)
        said = approval.decision is Decision.APPROVED or bool(approval.reason.strip())
        require(approval.decision in (Decision.APPROVED, Decision.REFUSED) and said, "POLICY_RECORD_INVALID")
        self._require_past(approval.decided_ms)
        self._require_newest(record, approval)
        self._about_request(record, approval.request_digest)
        if approval.decision is Decision.REFUSED:
            self._pass_on(record, (approval.node,))

    def _require_newest(self, record: SignedRecord, approval: Approval) -> None:
        """A decision dated before another one of the same guardian would be overlooked: its guardian is told."""
        for other in self._handed.records(RecordKind.APPROVAL, approval.request_digest):
            held: Approval = wire.decode(Approval, other.payload)
            newer = held.guardian != approval.guardian or held.decided_ms < approval.decided_ms
            require(newer or other.payload == record.payload, "POLICY_RECORD_OLD")

    def _withdrawal(self, record: SignedRecord) -> None:
        withdrawal = decoded(record, RecordKind.WITHDRAWAL, Withdrawal)
        require_signed_by(record, self._services.roster.require(withdrawal.analyst, Role.ANALYST))
        owner = self._services.store.kept(withdrawal.request_digest).analyst
        require(withdrawal.analyst == owner, "POLICY_REQUEST_UNKNOWN")
        self._about_request(record, withdrawal.request_digest)

    def _publication(self, record: SignedRecord) -> None:
        """An analyst made an own release public: the register says so from now on."""
        publication = decoded(record, RecordKind.PUBLICATION, Publication)
        require_signed_by(record, self._services.roster.require(publication.analyst, Role.ANALYST))
        self._require_past(publication.decided_ms)
        owner = self._services.store.kept(publication.request_digest).analyst
        require(publication.analyst == owner, "POLICY_REQUEST_UNKNOWN")
        self._services.store.result(publication.request_digest, publication.run)
        self._handed.keep(record, publication.request_digest, self._services.clock.now_ms())

    def _about_request(self, record: SignedRecord, digest: bytes) -> None:
        if record in self._handed.records(record.kind, digest):
            return
        self._cases.look(digest)
        require(not is_over(self._services.store.status(digest)), "POLICY_REQUEST_ENDED")
        self._handed.keep(record, digest, self._services.clock.now_ms())
        self._cases.consider(digest)

    def _agreement(self, record: SignedRecord) -> None:
        self._agreements.take(record)
        self._pass_on(record, self._serving())

    def _revocation(self, record: SignedRecord) -> None:
        revocation = decoded(record, RecordKind.REVOCATION, Revocation)
        agreement = self._agreements.opened(revocation.agreement_digest)
        open_revocation(record, self._services.roster, agreement)
        self._require_past(revocation.decided_ms)
        self._handed.keep(record, revocation.agreement_digest, self._services.clock.now_ms())
        self._pass_on(record, self._serving())
        self._cases.consider_all()

    def _pause(self, record: SignedRecord) -> None:
        pause = open_pause(record, self._services.roster)
        self._require_past(pause.decided_ms)
        subject = pause.node.encode()
        older = [wire.decode(Pause, r.payload) for r in self._handed.records(RecordKind.PAUSE, subject)]
        known = record.payload in [r.payload for r in self._handed.records(RecordKind.PAUSE, subject)]
        require(known or all(pause.decided_ms > p.decided_ms for p in older), "POLICY_RECORD_OLD")
        if self._handed.keep(record, subject, self._services.clock.now_ms()):
            self._handed.node_says(pause.node, NodeSays(self._handed.node(pause.node).guardians, pause.paused))
        self._pass_on(record, (pause.node,))
        self._cases.consider_all()

    def _manifest(self, record: SignedRecord) -> None:
        services, held = self._services, self._home.manifest_record()
        if record.payload != held.payload:
            manifest = self._home.open_manifest(record)
            require(manifest.epoch > services.roster.manifest.epoch, "POLICY_MANIFEST_OLD")
            services.roster = Roster(store_manifest(self._home, record))
            self._handed.keep(record, manifest.federation.encode(), services.clock.now_ms())
            gone = services.links.names() - {m.name for m in manifest.members if set(SERVING) & set(m.roles)}
            for name in sorted(gone):
                services.links.dismiss(name)
            self._cases.new_manifest()
        self._pass_on(self._home.manifest_record(), self._serving())

    # -- passing on

    def _catch_up(self, hello: Hello) -> None:
        """Sends what a member that was away may lack, oldest first."""
        links, record = self._services.links, self._home.manifest_record()
        if hello.epoch < self._services.roster.manifest.epoch:
            links.send(hello.node, record)
        pauses = self._handed.records(RecordKind.PAUSE, hello.node.encode())
        newest = sorted(pauses, key=lambda r: wire.decode(Pause, r.payload).decided_ms)[-1:]
        held = (*self._handed.records(RecordKind.AGREEMENT), *self._agreements.revocations())
        refusals = [r for r in self._handed.records(RecordKind.APPROVAL) if _refuses(r, hello.node)]
        for one in (*held, *refusals, *newest):
            links.send(hello.node, one)

    def _pass_on(self, record: SignedRecord, members: Iterable[str]) -> None:
        self._services.links.send_each(members, record)

    def _serving(self) -> tuple[str, ...]:
        members = self._services.roster.manifest.members
        return tuple(m.name for m in members if set(SERVING) & set(m.roles))

    def _require_past(self, decided_ms: int) -> None:
        require(decided_ms <= self._services.clock.now_ms() + FAST_CLOCK_MS, "POLICY_RECORD_INVALID")


def _refuses(record: SignedRecord, node: str) -> bool:
    approval: Approval = wire.decode(Approval, record.payload)
    return approval.node == node and approval.decision is Decision.REFUSED
