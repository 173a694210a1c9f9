"""Signed records as people hand them in: decisions, withdrawals, revocations, pauses, manifests."""

from __future__ import annotations

from dataclasses import replace

from engine.governance.federation import Federation
from engine.trusted import wire
from engine.trusted.clock import SystemClock
from engine.trusted.home import Home
from engine.trusted.records import (
    Approval,
    Decision,
    FederationManifest,
    Pause,
    RecordKind,
    Revocation,
    SignedRecord,
    Withdrawal,
)
from engine.trusted.sign import signed


def _signed(made: Federation, kind: RecordKind, record: object, signer: str) -> SignedRecord:
    return signed(kind, wire.encode(record), Home.load(made.home(signer)).signing_key())


def decision(made: Federation, node: str, request: bytes, reason: str = "", /, **changes: object) -> SignedRecord:
    """The node's guardian approves; with a ``reason``, refuses. ``signer``: whoever signs instead."""
    now, guardian = SystemClock().now_ms(), f"guardian-{node}"
    kind = Decision.REFUSED if reason else Decision.APPROVED
    approval = Approval(1, request, guardian, node, kind, reason, now, now + 600_000, bytes(32))
    signer = str(changes.pop("signer", guardian))
    return _signed(made, RecordKind.APPROVAL, replace(approval, **changes), signer)  # type: ignore[arg-type]


def withdrawal(made: Federation, request: bytes, analyst: str = "analyst") -> SignedRecord:
    record = Withdrawal(1, request, analyst, SystemClock().now_ms(), "asked by mistake")
    return _signed(made, RecordKind.WITHDRAWAL, record, analyst)


def revocation(made: Federation, party: str = "policy") -> SignedRecord:
    """The end of the first agreement."""
    agreement = Home.load(made.home("coordinator")).agreements()[0]
    record = Revocation(1, wire.digest(agreement.payload), party, SystemClock().now_ms(), "no longer necessary")
    return _signed(made, RecordKind.REVOCATION, record, party)


def pause(made: Federation, node: str, paused: bool = True, **changes: object) -> SignedRecord:
    guardian = f"guardian-{node}"
    record = Pause(1, node, guardian, paused, SystemClock().now_ms(), "an audit")
    return _signed(made, RecordKind.PAUSE, replace(record, **changes), guardian)  # type: ignore[arg-type]


def manifest(made: Federation, **changes: object) -> SignedRecord:
    """The next edition of the federation manifest, signed by its root."""
    current: FederationManifest = Home.load(made.home("coordinator")).manifest()
    newer = replace(current, **{"epoch": current.epoch + 1, **changes})  # type: ignore[arg-type]
    return _signed(made, RecordKind.FEDERATION_MANIFEST, newer, made.roots[0])
