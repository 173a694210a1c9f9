"""Releases that one analyst shares with another: sealed to the reader, so the coordinator keeps what it cannot read.

A copy is handed on only while its agreement is in force; what the reader holds by then, the agreement's end clause
names.
"""

from __future__ import annotations

import sqlalchemy as sa

from engine.coordinator.agreements import Agreements
from engine.coordinator.journals import entry_of
from engine.coordinator.store import Store
from engine.errors import Refused, Unavailable, require
from engine.trusted import wire
from engine.trusted.messages import Handed, RequestState, SharedList, Sharing
from engine.trusted.records import Agreement, JournalKind, RecordKind, Role, SharedRelease, SignedRecord
from engine.trusted.sign import Roster, decoded, open_request, require_signed_by

METADATA = sa.MetaData()
MOST_SEALED_BYTES = 3 << 20  # one message holds it
_shared = sa.Table(
    "shared",
    METADATA,
    sa.Column("digest", sa.LargeBinary, primary_key=True),
    sa.Column("request", sa.LargeBinary, nullable=False, index=True),
    sa.Column("reader", sa.String, nullable=False, index=True),
    sa.Column("record", sa.LargeBinary, nullable=False),
    sa.Column("sealed", sa.LargeBinary, nullable=False),
    sa.Column("at_ms", sa.BigInteger, nullable=False),
)
_KNOWN = sa.select(_shared.c.digest).where(_shared.c.digest == sa.bindparam("of_digest"))
_FOR = (
    sa.select(_shared).where(_shared.c.reader == sa.bindparam("of_reader")).order_by(_shared.c.at_ms.desc()).limit(100)
)


def open_shared(record: SignedRecord, roster: Roster) -> SharedRelease:
    """What an analyst says of a copy, signed by that analyst, for another analyst of the federation."""
    shared = decoded(record, RecordKind.SHARED_RELEASE, SharedRelease)
    require_signed_by(record, roster.require(shared.analyst, Role.ANALYST))
    roster.require(shared.reader, Role.ANALYST)
    require(shared.reader != shared.analyst, "POLICY_RECORD_INVALID")
    return shared


def share(store: Store, caller: str, sharing: Sharing, agreements: Agreements, roster: Roster, now_ms: int) -> Handed:
    """Keeps a copy for its reader, and journals it; the same one again is the same.

    Raises Refused POLICY_CALLER, POLICY_REQUEST_UNKNOWN, POLICY_ANALYST_NOT_NAMED, POLICY_SHARE_LARGE,
    POLICY_AGREEMENT_EXPIRED, Unavailable ROUND_NOT_RELEASED.
    """
    shared, digest = open_shared(sharing.record, roster), wire.digest(sharing.record.payload)
    require(shared.analyst == caller, "POLICY_CALLER")
    require(store.owner(shared.request_digest) == caller, "POLICY_REQUEST_UNKNOWN")
    agreement = _agreement_of(store, shared, agreements, roster)
    require(shared.reader in agreement.analysts, "POLICY_ANALYST_NOT_NAMED", name=shared.reader)
    agreements.standing(shared.agreement_digest, now_ms)
    require(len(sharing.sealed) <= MOST_SEALED_BYTES, "POLICY_SHARE_LARGE")
    require(wire.digest(sharing.sealed) == shared.sealed_digest, "POLICY_RECORD_INVALID")
    if store.status(shared.request_digest).state is not RequestState.RELEASED:
        raise Unavailable("ROUND_NOT_RELEASED")
    row = {"digest": digest, "request": shared.request_digest, "reader": shared.reader, "at_ms": now_ms}
    row |= {"record": wire.encode(sharing.record), "sealed": sharing.sealed}
    known = {"request_digest": shared.request_digest, "agreement_digest": shared.agreement_digest}
    with store.changing() as connection:
        if connection.execute(_KNOWN, {"of_digest": digest}).first() is None:
            connection.execute(_shared.insert(), row)
            known |= {"record_digest": digest}
            store.journal(
                connection, entry_of(JournalKind.SHARED, now_ms, analyst=caller, detail=shared.reader, **known)
            )
    return Handed(digest)


def _agreement_of(store: Store, shared: SharedRelease, agreements: Agreements, roster: Roster) -> Agreement:
    """The agreement that the request was asked under, which the copy has to name too."""
    request = open_request(store.kept(shared.request_digest).submission.request, roster)
    require(request.agreement_digest == shared.agreement_digest, "POLICY_RECORD_INVALID")
    return agreements.opened(shared.agreement_digest)


def shared_with(store: Store, reader: str, request: bytes, agreements: Agreements, now_ms: int) -> SharedList:
    """The newest copies for a reader, as many as fit into one message, whose agreements are in force.

    ``request``: of this request only; empty: of any.
    """
    with store.reading() as connection:
        rows = connection.execute(_FOR, {"of_reader": reader}).all()
    found: list[Sharing] = []
    left = MOST_SEALED_BYTES
    for row in rows:
        sharing = Sharing(wire.decode(SignedRecord, row.record), row.sealed)
        wanted = not request or row.request == request
        if wanted and left >= len(row.sealed) and _in_force(sharing, agreements, now_ms):
            found.append(sharing)
            left -= len(row.sealed)
    return SharedList(tuple(found))


def _in_force(sharing: Sharing, agreements: Agreements, now_ms: int) -> bool:
    shared: SharedRelease = wire.decode(SharedRelease, sharing.record.payload)
    try:
        agreements.standing(shared.agreement_digest, now_ms)
    except Refused:
        return False
    return True
