"""Which agreements stand, by what the coordinator shows and the records themselves prove."""

from __future__ import annotations

from collections.abc import Iterator

from engine.errors import Refused
from engine.trusted import wire
from engine.trusted.messages import FederationDescription
from engine.trusted.records import Agreement, RecordKind, Revocation, SignedRecord
from engine.trusted.sign import Roster, decoded, open_agreement, open_revocation, require_in_force


def valid_revocations(described: FederationDescription, roster: Roster) -> Iterator[tuple[bytes, SignedRecord]]:
    """The digest of each agreement that somebody who may has ended, with the record. What is not valid is left out."""
    agreements = {wire.digest(record.payload): record for record in described.agreements}
    for record in described.revocations:
        try:
            digest = decoded(record, RecordKind.REVOCATION, Revocation).agreement_digest
            if digest in agreements:
                agreement: Agreement = wire.decode(Agreement, agreements[digest].payload)
                open_revocation(record, roster, agreement)
                yield digest, record
        except Refused:
            continue


def in_force(described: FederationDescription, roster: Roster, now_ms: int) -> dict[bytes, Agreement]:
    """The agreements that are signed, in force and not revoked, each in its newest edition, by digest."""
    revoked = {digest for digest, _ in valid_revocations(described, roster)}
    found: dict[bytes, Agreement] = {}
    newest: dict[str, int] = {}
    for record in described.agreements:
        try:
            agreement = open_agreement(record, roster)
            newest[agreement.name] = max(agreement.edition, newest.get(agreement.name, 0))
            require_in_force(agreement, now_ms)
        except Refused:
            continue
        if wire.digest(record.payload) not in revoked:
            found[wire.digest(record.payload)] = agreement
    return {digest: agreement for digest, agreement in found.items() if agreement.edition == newest[agreement.name]}
