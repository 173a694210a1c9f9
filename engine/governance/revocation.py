"""What one person signs and hands in: revocations, pauses, approvals and withdrawals.

Each is made from the home of the person who signs; whoever receives it verifies it (engine/trusted/sign.py).
"""

from __future__ import annotations

from engine.errors import Refused, require
from engine.trusted import sign, wire
from engine.trusted.clock import Clock
from engine.trusted.home import Home
from engine.trusted.records import (
    RECORD_VERSION,
    Approval,
    Decision,
    Member,
    Pause,
    RecordKind,
    Revocation,
    Role,
    SignedRecord,
    Withdrawal,
)

DAY_MS = 86_400_000


def revocation_record(home: Home, agreement_digest: bytes, reason: str, clock: Clock) -> SignedRecord:
    """The end of an agreement, by a policy officer or a guardian. POLICY_UNKNOWN_MEMBER, POLICY_REASON_MISSING."""
    party = _signer(home, Role.POLICY_OFFICER, Role.GUARDIAN)
    made = Revocation(RECORD_VERSION, agreement_digest, party.name, clock.now_ms(), _reason(reason))
    return sign.signed(RecordKind.REVOCATION, wire.encode(made), home.signing_key())


def pause_record(home: Home, paused: bool, reason: str, clock: Clock) -> SignedRecord:
    """A guardian stops its node, or lets it go on. POLICY_UNKNOWN_MEMBER, POLICY_REASON_MISSING."""
    guardian = _signer(home, Role.GUARDIAN)
    made = Pause(RECORD_VERSION, guardian.department, guardian.name, paused, clock.now_ms(), _reason(reason))
    return sign.signed(RecordKind.PAUSE, wire.encode(made), home.signing_key())


def approval_record(
    home: Home,
    request_digest: bytes,
    decision: Decision,
    reason: str,
    clock: Clock,
    *,
    latest_ms: int,
    days: int | None = None,
    shown_digest: bytes = b"",
) -> SignedRecord:
    """A guardian's yes or no to one request; a refusal needs a reason. ``shown_digest``: of the page that was read.

    It holds for so many ``days``, or until ``latest_ms``.
    """
    guardian = _signer(home, Role.GUARDIAN)
    said = _reason(reason) if decision is Decision.REFUSED else reason.strip()
    node, now = guardian.department, clock.now_ms()
    ends = latest_ms if days is None else now + days * DAY_MS
    made = Approval(RECORD_VERSION, request_digest, guardian.name, node, decision, said, now, ends, shown_digest)
    return sign.signed(RecordKind.APPROVAL, wire.encode(made), home.signing_key())


def withdrawal_record(home: Home, request_digest: bytes, reason: str, clock: Clock) -> SignedRecord:
    """An analyst takes a request back; no reason is needed. POLICY_UNKNOWN_MEMBER."""
    analyst = _signer(home, Role.ANALYST)
    made = Withdrawal(RECORD_VERSION, request_digest, analyst.name, clock.now_ms(), " ".join(reason.split()))
    return sign.signed(RecordKind.WITHDRAWAL, wire.encode(made), home.signing_key())


def _signer(home: Home, *roles: Role) -> Member:
    """The home's member, if it has one of the roles."""
    member = home.roster().member(home.name)
    require(bool(set(roles) & set(member.roles)), "POLICY_UNKNOWN_MEMBER", name=home.name)
    return member


def _reason(text: str) -> str:
    """One line of words."""
    words = " ".join(text.split())
    if not words:
        raise Refused("POLICY_REASON_MISSING")
    return words
