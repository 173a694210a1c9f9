"""Records that people sign by themselves: a withdrawal, a revocation, a pause."""

from __future__ import annotations

from collections.abc import Iterable

from engine.errors import Refused, require
from engine.trusted import wire
from engine.trusted.clock import Clock
from engine.trusted.home import Home
from engine.trusted.records import (
    RECORD_VERSION,
    Agreement,
    Pause,
    RecordKind,
    Revocation,
    Role,
    SignedRecord,
    Withdrawal,
)
from engine.trusted.sign import open_agreement, signed

LEAST_LETTERS = 6


def withdrawal(home: Home, clock: Clock, request: bytes, reason: str) -> SignedRecord:
    record = Withdrawal(RECORD_VERSION, request, home.name, clock.now_ms(), reason)
    return signed(RecordKind.WITHDRAWAL, wire.encode(record), home.signing_key())


def pause(home: Home, clock: Clock, paused: bool, reason: str) -> SignedRecord:
    """The guardian's stop or go for its department's node; Refused POLICY_UNKNOWN_MEMBER for anybody else."""
    guardian = home.roster().require(home.name, Role.GUARDIAN)
    record = Pause(RECORD_VERSION, guardian.department, home.name, paused, clock.now_ms(), reason)
    return signed(RecordKind.PAUSE, wire.encode(record), home.signing_key())


def revocation(home: Home, clock: Clock, agreement: bytes, reason: str) -> SignedRecord:
    record = Revocation(RECORD_VERSION, agreement, home.name, clock.now_ms(), reason)
    return signed(RecordKind.REVOCATION, wire.encode(record), home.signing_key())


def find_agreement(records: Iterable[SignedRecord], home: Home, wanted: str) -> tuple[bytes, Agreement]:
    """Among ``records`` the agreement of that name, or whose digest begins so, with its digest.

    Refused POLICY_AGREEMENT_NAME when there is none, POLICY_AGREEMENT_CHOICE when several editions are called so.
    """
    roster, known, meant = home.roster(), list[str](), dict[bytes, Agreement]()
    for record in records:
        try:
            agreement, digest = open_agreement(record, roster), wire.digest(record.payload)
        except Refused:
            continue
        known.append(f"{agreement.name} ({digest.hex()[:12]}, edition {agreement.edition})")
        begins = len(wanted) >= LEAST_LETTERS and digest.hex().startswith(wanted.lower())
        if agreement.name == wanted or begins:
            meant[digest] = agreement
    names = ", ".join(sorted(known)) or "none"
    require(bool(meant), "POLICY_AGREEMENT_NAME", name=home.name, wanted=wanted[:60], agreements=names)
    require(len(meant) == 1, "POLICY_AGREEMENT_CHOICE", name=home.name, agreements=names)
    return next(iter(meant.items()))
