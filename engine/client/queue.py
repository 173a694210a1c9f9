"""The requests a guardian decides about, and what policy officers and auditors see: fetched, verified, signed for.

The coordinator only carries them: a request counts here when its analyst signed it, for these plan bytes, over this
home's own catalogue, under an agreement whose signatures hold. What fails is counted, and never shown as a request.
"""

from __future__ import annotations

from dataclasses import dataclass

from engine.client.calls import Line
from engine.client.standing import valid_revocations
from engine.errors import Refused, require
from engine.governance.revocation import approval_record
from engine.trusted import wire
from engine.trusted.clock import Clock
from engine.trusted.home import Home
from engine.trusted.messages import FederationDescription, QueuedRequest, RequestStatus, Submission
from engine.trusted.plan import Plan
from engine.trusted.records import (
    Agreement,
    Approval,
    Decision,
    Request,
    SignedRecord,
)
from engine.trusted.sign import Roster, open_agreement, open_approval, open_request
from engine.trusted.verify import verify_plan

LEAST_LETTERS = 6  # of a request id that is given by its start


@dataclass(frozen=True, slots=True)
class Queued:
    """A request that was verified here; ``revoked``: its agreement. ``decisions``: those with valid signatures."""

    digest: bytes
    submission: Submission
    request: Request
    plan: Plan
    agreement: Agreement
    revoked: bool
    status: RequestStatus
    decisions: tuple[Approval, ...]
    received_ms: int


@dataclass(frozen=True, slots=True)
class Queue:
    """``unsound``: how many came that are not what somebody of the federation signed."""

    requests: tuple[Queued, ...]
    unsound: int

    def find(self, request_id: str) -> Queued:
        """The request of that id, or of the one id that begins so; Refused POLICY_REQUEST_NOT_QUEUED."""
        found = [q for q in self.requests if q.digest.hex().startswith(request_id.lower())]
        require(len(request_id) >= LEAST_LETTERS and len(found) == 1, "POLICY_REQUEST_NOT_QUEUED")
        return found[0]


def fetch_queue(line: Line, roster: Roster, everything: bool = False) -> Queue:
    """What waits for the home whose ``line`` it is; ``everything``: all that it may see. Newest first."""
    described, answer = line.describe(), line.queue(everything)
    found = [_verified(queued, described, roster) for queued in answer.requests]
    sound = tuple(one for one in found if one is not None)
    return Queue(sound, len(found) - len(sound))


def _verified(queued: QueuedRequest, described: FederationDescription, roster: Roster) -> Queued | None:
    submission, manifest = queued.submission, roster.manifest
    try:
        request, digest = open_request(submission.request, roster), wire.digest(submission.request.payload)
        require(wire.digest(submission.plan) == request.plan_digest, "POLICY_PLAN_DIFFERS")
        plan: Plan = wire.decode(Plan, submission.plan, wire.PLAN_BYTES)
        verify_plan(plan, manifest.catalogue, manifest.rules)
        held = {wire.digest(record.payload): record for record in described.agreements}
        require(request.agreement_digest in held, "POLICY_AGREEMENT_UNKNOWN")
        agreement = open_agreement(held[request.agreement_digest], roster)
        require(queued.status.request_digest == digest, "POLICY_RECORD_INVALID")
    except Refused:
        return None
    revoked = request.agreement_digest in {found for found, _ in valid_revocations(described, roster)}
    decisions = tuple(d for d in (_decision(r, digest, roster) for r in queued.decisions) if d is not None)
    return Queued(digest, submission, request, plan, agreement, revoked, queued.status, decisions, queued.received_ms)


def _decision(record: SignedRecord, digest: bytes, roster: Roster) -> Approval | None:
    try:
        approval = open_approval(record, roster)
    except Refused:
        return None
    return approval if approval.request_digest == digest else None


def decide(queued: Queued, home: Home, clock: Clock, page: str, days: int | None, reason: str = "") -> SignedRecord:
    """The guardian's signed decision on what ``page`` shows: yes, or with a ``reason`` no.

    ``days``: how long a yes holds; None: as long as the request.
    """
    return approval_record(
        home,
        queued.digest,
        Decision.REFUSED if reason else Decision.APPROVED,
        reason,
        clock,
        latest_ms=queued.request.expires_ms,
        days=days,
        shown_digest=wire.digest(page.encode()),
    )
