"""What people have handed in, and what nodes have said of themselves: kept beside the requests, in the same store.

    records    signed records, each once: of its kind, about what (a request, an agreement, a node)
    members    of each node, what it last said: approvals it wants for each plan, and whether it is paused
    refusals   when an analyst's questions were refused

A node's word outlives its absence: whoever has to decide is asked while the node is away.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass

import sqlalchemy as sa

from engine.coordinator.journals import entry_of
from engine.coordinator.store import METADATA, Store
from engine.trusted import wire
from engine.trusted.records import JournalEntry, JournalKind, Pause, RecordKind, SignedRecord

REMEMBERED_MS = 3_600_000  # of refusals
_records = sa.Table(
    "records",
    METADATA,
    sa.Column("digest", sa.LargeBinary, primary_key=True),  # SHA-256 of the payload
    sa.Column("kind", sa.Integer, primary_key=True),
    sa.Column("subject", sa.LargeBinary, nullable=False, index=True),
    sa.Column("record", sa.LargeBinary, nullable=False),  # SignedRecord
    sa.Column("received_ms", sa.BigInteger, nullable=False),
    sa.Column("place", sa.Integer, nullable=False),  # in the order of arrival
)
_members = sa.Table(
    "members",
    METADATA,
    sa.Column("node", sa.String, primary_key=True),
    sa.Column("guardians", sa.Integer, nullable=False),
    sa.Column("paused", sa.Boolean, nullable=False),
)
_refusals = sa.Table(
    "refusals",
    METADATA,
    sa.Column("analyst", sa.String, nullable=False, index=True),
    sa.Column("at_ms", sa.BigInteger, nullable=False),
)
_KIND: sa.BindParameter[int] = sa.bindparam("of_kind")
_SUBJECT: sa.BindParameter[bytes] = sa.bindparam("of_subject")
_SINCE: sa.BindParameter[int] = sa.bindparam("since")
_OF_KIND = sa.select(_records.c.record).where(_records.c.kind == _KIND).order_by(_records.c.place)
_ABOUT = _OF_KIND.where(_records.c.subject == _SUBJECT)
_HELD = sa.select(_records.c.record).where(_records.c.digest == sa.bindparam("of_digest"), _records.c.kind == _KIND)
_LAST = sa.select(sa.func.coalesce(sa.func.max(_records.c.place), 0))
_SIGNED_AGAIN = _records.update().where(_records.c.digest == sa.bindparam("of_digest"), _records.c.kind == _KIND)
_FORGET = _refusals.delete().where(_refusals.c.at_ms < _SINCE)
_COUNT = (
    sa.select(sa.func.count())
    .select_from(_refusals)
    .where(_refusals.c.analyst == sa.bindparam("of_analyst"), _refusals.c.at_ms >= _SINCE)
)


_TOLD = {
    RecordKind.APPROVAL: JournalKind.DECIDED,
    RecordKind.WITHDRAWAL: JournalKind.DECIDED,
    RecordKind.AGREEMENT: JournalKind.AGREEMENT_STORED,
    RecordKind.REVOCATION: JournalKind.AGREEMENT_REVOKED,
    RecordKind.PUBLICATION: JournalKind.PUBLISHED,
    RecordKind.FEDERATION_MANIFEST: JournalKind.MANIFEST_STORED,
}
_ABOUT_AGREEMENTS = (RecordKind.AGREEMENT, RecordKind.REVOCATION)


def _entry_about(record: SignedRecord, subject: bytes, now_ms: int) -> JournalEntry:
    """What the coordinator's own journal says of a record: its kind, its digest and what it is about."""
    if record.kind is RecordKind.PAUSE:
        paused = wire.decode(Pause, record.payload).paused
        kind = JournalKind.PAUSED if paused else JournalKind.RESUMED
        return entry_of(kind, now_ms, record_digest=wire.digest(record.payload), detail=subject.decode())
    about: dict[str, bytes | str] = {"record_digest": wire.digest(record.payload), "detail": record.kind.name.lower()}
    if record.kind is not RecordKind.FEDERATION_MANIFEST:
        about["agreement_digest" if record.kind in _ABOUT_AGREEMENTS else "request_digest"] = subject
    return entry_of(_TOLD[record.kind], now_ms, **about)


@dataclass(frozen=True, slots=True)
class NodeSays:
    """What a node last said of itself."""

    guardians: int = 0
    paused: bool = False


class HandedIn:
    """The tables of this file. ``store`` must have been made after this module was loaded."""

    def __init__(self, store: Store) -> None:
        self._store, self._keeping = store, threading.Lock()
        with store.reading() as connection:
            rows = connection.execute(sa.select(_members)).all()
        self._nodes = {row.node: NodeSays(row.guardians, row.paused) for row in rows}

    def keep(self, record: SignedRecord, subject: bytes, now_ms: int) -> bool:
        """Keeps a verified record, and journals it; False if it is held already. Other signatures on the same bytes
        replace the old."""
        key = {"of_digest": wire.digest(record.payload), "of_kind": record.kind.value}
        body = wire.encode(record)
        with self._keeping, self._store.changing() as connection:
            held = connection.execute(_HELD, key).scalar()
            if held is not None:
                if held != body:
                    connection.execute(_SIGNED_AGAIN, {**key, "record": body})
                return False
            place = connection.execute(_LAST).scalar_one() + 1
            row = {"digest": key["of_digest"], "kind": record.kind.value, "subject": subject}
            connection.execute(_records.insert(), {**row, "record": body, "received_ms": now_ms, "place": place})
            self._store.journal(connection, _entry_about(record, subject, now_ms))
        return True

    def records(self, kind: RecordKind, subject: bytes | None = None) -> tuple[SignedRecord, ...]:
        """The records of a kind, oldest first; ``subject``: those about it only."""
        with self._store.reading() as connection:
            values = {"of_kind": kind.value, **({} if subject is None else {"of_subject": subject})}
            found = connection.execute(_OF_KIND if subject is None else _ABOUT, values).scalars().all()
        return tuple(wire.decode(SignedRecord, body) for body in found)

    def node(self, name: str) -> NodeSays:
        """What a node last said; of one that never came, nothing is wanted."""
        return self._nodes.get(name, NodeSays())

    def node_says(self, name: str, says: NodeSays) -> bool:
        """Remembers it; whether it is news."""
        if self._nodes.get(name) == says:
            return False
        row = {"node": name, "guardians": says.guardians, "paused": says.paused}
        with self._store.changing() as connection:
            connection.execute(_members.delete().where(_members.c.node == name))
            connection.execute(_members.insert(), row)
        self._nodes[name] = says
        return True

    def refused(self, analyst: str, now_ms: int) -> None:
        """One more question of the analyst was refused."""
        with self._store.changing() as connection:
            connection.execute(_FORGET, {"since": now_ms - REMEMBERED_MS})
            connection.execute(_refusals.insert(), {"analyst": analyst, "at_ms": now_ms})

    def refusals(self, analyst: str, now_ms: int) -> int:
        """How many were refused in the last hour."""
        with self._store.reading() as connection:
            values = {"of_analyst": analyst, "since": now_ms - REMEMBERED_MS}
            return int(connection.execute(_COUNT, values).scalar_one())
