"""What a member has been told to obey: federation manifests, agreements, revocations, pauses, guardians' refusals.

Claim: a record changes what this member does only if those who may sign it did, it is newer than what it replaces,
       and it is on disk first; records that are withheld, repeated or sent in another order win nothing.
Because: ``accept`` verifies against pinned roots and the roster in force, keeps the record in the ledger, and only
         then gives the new seat; epochs, editions and dates of pauses only grow; what is kept is applied again at
         every start (``recalled``), in the order in which it came.
Checked by: tests/nodes/test_rulebook.py::test_records_are_obeyed_or_refused
            tests/nodes/test_rulebook.py::test_a_restart_recalls_every_record
"""

from __future__ import annotations

from dataclasses import replace

from engine.errors import Refused, require
from engine.trusted import records, sign, wire
from engine.trusted.records import Decision, JournalKind, RecordKind, RootKey, SignedRecord
from nodes.ledger import entry_of
from nodes.manifest import Seat

AHEAD_MS = 5_000  # a node goes on only by a decision of now; it stops by one of any date, for clocks may be wrong


def accept(record: SignedRecord, roots: tuple[RootKey, ...], seat: Seat) -> Seat:
    """The seat as it is once ``record`` counts. Raises Refused; the seat is then as it was.

    POLICY_RECORD_OLD for what is known or older than what holds, POLICY_RECORD_INVALID for other kinds of records, and
    whatever the signatures of each kind raise.

    Claim: see the module.
    Because: see the module.
    Checked by: tests/nodes/test_rulebook.py::test_records_are_obeyed_or_refused
    """
    kind, agreement = _verified(record, roots, seat)
    changed = _applied(record, seat)
    seat.ledger.keep(record, entry_of(kind, agreement_digest=agreement))
    seat.ledger.caps = changed.rules.caps
    return changed


def recalled(seat: Seat) -> Seat:
    """The seat with every record that was kept; each was verified when it came.

    Claim: a restart forgets no revocation, no pause and no newer manifest.
    Because: all of them are in the ledger, in the order in which they came.
    Checked by: tests/nodes/test_rulebook.py::test_a_restart_recalls_every_record
    """
    for record in seat.ledger.kept():
        seat = _applied(record, seat)
    seat.ledger.caps = seat.rules.caps
    return seat


def _verified(record: SignedRecord, roots: tuple[RootKey, ...], seat: Seat) -> tuple[JournalKind, bytes]:
    """Who may sign it did, and it is newer than what it replaces. The kind of its entry, and the agreement's digest."""
    match record.kind:
        case RecordKind.FEDERATION_MANIFEST:
            manifest = sign.open_manifest(record, roots)
            require(manifest.federation == seat.roster.manifest.federation, "POLICY_MANIFEST_INVALID")
            require(manifest.epoch > seat.roster.manifest.epoch, "POLICY_RECORD_OLD")
            require(manifest.catalogue == seat.catalogue, "POLICY_CATALOGUE_DIFFERS")  # tables are cut at a start
            own = sign.Roster(manifest).member(seat.name)
            same = (own.signing_key, own.sealing_key) == (seat.keys.signing.public, seat.keys.sealing.public)
            require(same, "POLICY_UNKNOWN_MEMBER", name=seat.name)
            return JournalKind.MANIFEST_STORED, b""
        case RecordKind.AGREEMENT:
            agreement = sign.open_agreement(record, seat.roster)
            for known in (known for known in seat.agreements.values() if known.name == agreement.name):
                require(agreement.edition > known.edition, "POLICY_RECORD_OLD")
                covers = sign.hosts_of(known, seat.roster) <= sign.hosts_of(agreement, seat.roster)
                require(covers, "POLICY_AGREEMENT_INVALID")  # whoever is left out would not have signed
            return JournalKind.AGREEMENT_STORED, wire.digest(record.payload)
        case RecordKind.REVOCATION:
            digest = sign.decoded(record, record.kind, records.Revocation).agreement_digest
            sign.open_revocation(record, seat.roster, seat.agreements.get(digest, seat.name))
            return JournalKind.AGREEMENT_REVOKED, digest
        case RecordKind.APPROVAL:
            approval = sign.open_approval(record, seat.roster)
            said_no = approval.node == seat.name and approval.decision is Decision.REFUSED
            require(said_no, "POLICY_RECORD_INVALID")
            return JournalKind.DECIDED, b""
        case RecordKind.PAUSE:
            pause = sign.open_pause(record, seat.roster)
            require(pause.node == seat.name, "POLICY_UNKNOWN_MEMBER", name=pause.guardian)
            require(pause.decided_ms > seat.pause_ms, "POLICY_RECORD_OLD")
            timely = pause.paused or pause.decided_ms <= seat.clock.now_ms() + AHEAD_MS
            require(timely, "POLICY_RECORD_INVALID")
            return JournalKind.PAUSED if pause.paused else JournalKind.RESUMED, b""
    raise Refused("POLICY_RECORD_INVALID")


def _applied(record: SignedRecord, seat: Seat) -> Seat:
    match record.kind:
        case RecordKind.FEDERATION_MANIFEST:
            manifest = sign.decoded(record, record.kind, records.FederationManifest)
            newer = manifest.epoch > seat.roster.manifest.epoch
            return replace(seat, roster=sign.Roster(manifest)) if newer else seat
        case RecordKind.AGREEMENT:
            agreement = sign.decoded(record, record.kind, records.Agreement)
            return replace(seat, agreements={**seat.agreements, wire.digest(record.payload): agreement})
        case RecordKind.REVOCATION:
            digest = sign.decoded(record, record.kind, records.Revocation).agreement_digest
            return replace(seat, ended=seat.ended | {digest})
        case RecordKind.APPROVAL:
            refusal = sign.decoded(record, record.kind, records.Approval)
            key = (refusal.request_digest, refusal.guardian)
            newest = max(refusal.decided_ms, seat.refused.get(key, 0))
            return replace(seat, refused={**seat.refused, key: newest})
        case _:
            pause = sign.decoded(record, record.kind, records.Pause)
            return replace(seat, paused=pause.paused, pause_ms=pause.decided_ms)
