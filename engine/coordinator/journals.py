"""The journals the coordinator keeps: what each member's says so far, and its own. Rows, hashes, and what they prove.

    entries    one row an entry: exact bytes, in order, from 0
    subtrees   hashes of complete subtrees (engine/trusted/journal.py): a root costs O(log n) reads
    heads      of each member: the newest signed head, whose entries are all here; and one that contradicts it, if any

A member's entries are taken only with a signed head whose root they give, together with all that is stored. So each
head stored extends the one before. A journal that forks or shrinks is evidence: the contrary head is kept beside the
stored one, and nothing more is taken from that member (POLICY_HEAD_FORKED).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa

from engine.errors import Refused
from engine.trusted import wire
from engine.trusted.journal import Hashes, completed, leaf_hash, tree_root
from engine.trusted.messages import JournalPart
from engine.trusted.records import RECORD_VERSION, JournalEntry, JournalHead, JournalKind, SignedHead
from engine.trusted.sign import Roster, SigningKey, open_head, sign_head

METADATA = sa.MetaData()
_At = tuple[int, int]  # level and place of a subtree
NO_TOTALS = wire.digest(b"")  # a coordinator has no ledger
PART_ENTRIES_BYTES = 1 << 20
_entries = sa.Table(
    "entries",
    METADATA,
    sa.Column("member", sa.String, primary_key=True),
    sa.Column("position", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("entry", sa.LargeBinary, nullable=False),
)
_subtrees = sa.Table(
    "subtrees",
    METADATA,
    sa.Column("member", sa.String, primary_key=True),
    sa.Column("level", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("place", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("hash", sa.LargeBinary, nullable=False),
)
_heads = sa.Table(
    "heads",
    METADATA,
    sa.Column("member", sa.String, primary_key=True),
    sa.Column("head", sa.LargeBinary, nullable=True),
    sa.Column("contrary", sa.LargeBinary, nullable=True),
)
_MEMBER: sa.BindParameter[str] = sa.bindparam("of_member")
_OF = _entries.c.member == _MEMBER
_SIZE = sa.select(sa.func.coalesce(sa.func.max(_entries.c.position) + 1, 0)).where(_OF)
_FROM = (
    sa.select(_entries.c.position, _entries.c.entry)
    .where(_OF, _entries.c.position >= sa.bindparam("start"), _entries.c.position < sa.bindparam("end"))
    .order_by(_entries.c.position)
)
_HASH = sa.select(_subtrees.c.hash).where(
    _subtrees.c.member == _MEMBER,
    _subtrees.c.level == sa.bindparam("of_level"),
    _subtrees.c.place == sa.bindparam("of_place"),
)
_HEAD = sa.select(_heads).where(_heads.c.member == _MEMBER)
_CONTRARY = sa.select(_heads.c.member).where(_heads.c.contrary.is_not(None))
_CONTRARY_HEADS = sa.select(_heads.c.contrary).where(_heads.c.contrary.is_not(None)).order_by(_heads.c.member)


def entry_of(kind: JournalKind, at_ms: int, **known: Any) -> JournalEntry:
    """A journal entry: what is not ``known`` stays empty; version and member are filled in when it is appended."""
    return replace(JournalEntry(0, kind, at_ms, "", b"", b"", b"", b"", "", None, (), "", "", ()), **known)


def size_of(connection: sa.Connection, member: str) -> int:
    """Entries of one member's journal that are stored."""
    return int(connection.execute(_SIZE, {"of_member": member}).scalar_one())


def stored_hashes(connection: sa.Connection, member: str) -> Hashes:
    """The subtree hashes of one member's stored entries."""

    def stored(level: int, place: int) -> bytes:
        keys = {"of_member": member, "of_level": level, "of_place": place}
        return bytes(connection.execute(_HASH, keys).scalar_one())

    return stored


def _grown(connection: sa.Connection, member: str, entries: Sequence[bytes]) -> tuple[int, dict[_At, bytes], Hashes]:
    """What appending ``entries`` would add: (size before, fresh subtree hashes, all hashes afterwards)."""
    size, stored = size_of(connection, member), stored_hashes(connection, member)
    fresh: dict[_At, bytes] = {}

    def known(level: int, place: int) -> bytes:
        return fresh[level, place] if (level, place) in fresh else stored(level, place)

    for position, entry in enumerate(entries, size):
        for level, place, found in completed(position, leaf_hash(entry), known):
            fresh[level, place] = found
    return size, fresh, known


def _insert(
    connection: sa.Connection, member: str, size: int, entries: Sequence[bytes], fresh: dict[_At, bytes]
) -> None:
    if entries:
        rows = [{"member": member, "position": at, "entry": entry} for at, entry in enumerate(entries, size)]
        connection.execute(_entries.insert(), rows)
        nodes = [{"member": member, "level": k[0], "place": k[1], "hash": h} for k, h in fresh.items()]
        connection.execute(_subtrees.insert(), nodes)


def append_own(connection: sa.Connection, member: str, entry: JournalEntry) -> None:
    """Appends one entry to the coordinator's own journal, in the transaction of the change that it tells of."""
    entries = (wire.encode(replace(entry, version=RECORD_VERSION, member=member)),)
    size, fresh, _ = _grown(connection, member, entries)
    _insert(connection, member, size, entries, fresh)


Transaction = Callable[[], AbstractContextManager[sa.Connection]]


@dataclass(frozen=True, slots=True)
class Journals:
    """All journals of one store; ``key`` signs the heads of the coordinator's own."""

    changing: Transaction
    reading: Transaction
    roster: Callable[[], Roster]  # in force now
    key: SigningKey

    def head(self, member: str) -> SignedHead | None:
        """The newest head of a member whose entries are stored; of the coordinator, one signed now."""
        with self.reading() as connection:
            return self._head(connection, member)

    def _head(self, connection: sa.Connection, member: str) -> SignedHead | None:
        if member == self.key.name:
            size = size_of(connection, member)
            root = tree_root(size, stored_hashes(connection, member))
            return sign_head(JournalHead(member, size, root, NO_TOTALS), self.key)
        row = connection.execute(_HEAD, {"of_member": member}).first()
        return None if row is None or row.head is None else wire.decode(SignedHead, row.head)

    def size(self, member: str) -> int:
        with self.reading() as connection:
            return size_of(connection, member)

    def contrary(self) -> frozenset[str]:
        """Members whose journal contradicts what it said before."""
        with self.reading() as connection:
            return frozenset(connection.execute(_CONTRARY).scalars())

    def contrary_heads(self) -> tuple[SignedHead, ...]:
        """The heads that show it."""
        with self.reading() as connection:
            bodies = connection.execute(_CONTRARY_HEADS).scalars().all()
        return tuple(wire.decode(SignedHead, body) for body in bodies)

    def check_head(self, signed_head: SignedHead, *, newest: bool) -> None:
        """Whether a head fits what is stored: Refused POLICY_HEAD_FORKED, and the contrary head is kept.

        ``newest``: it was signed after everything stored was, so a smaller one means that the journal shrank.
        """
        head = open_head(signed_head, self.roster())
        with self.changing() as connection:
            size = size_of(connection, head.member)
            if head.size > size:
                return
            same = tree_root(head.size, stored_hashes(connection, head.member)) == head.root
            sound = same and not (newest and head.size < size)
            if not sound:
                _keep_contrary(connection, signed_head)
        if not sound:
            raise Refused("POLICY_HEAD_FORKED", name=head.member)

    def take(self, start: int, entries: Sequence[bytes], signed_head: SignedHead) -> int:
        """Stores the entries from ``start`` on that lead to a member's signed head, with that head; the size now.

        Raises Refused POLICY_HEAD_FORKED when stored and new entries do not give the head's root (the contrary head is
        kept) or when the journal was refused before, POLICY_RECORD_INVALID for entries of another journal or a gap.
        """
        head = open_head(signed_head, self.roster())
        if start + len(entries) != head.size:
            raise Refused("POLICY_RECORD_INVALID")
        for entry in entries:
            if wire.decode(JournalEntry, entry).member != head.member:
                raise Refused("POLICY_RECORD_INVALID")
        with self.changing() as connection:
            if self._is_contrary(connection, head.member):
                raise Refused("POLICY_HEAD_FORKED", name=head.member)
            size = size_of(connection, head.member)
            if start > size:
                raise Refused("POLICY_RECORD_INVALID")
            added = entries[size - start :]
            _, fresh, known = _grown(connection, head.member, added)
            sound = tree_root(head.size, known) == head.root
            if not sound:
                _keep_contrary(connection, signed_head)
            elif head.size >= size:
                _insert(connection, head.member, size, added, fresh)
                _put(connection, head.member, head=wire.encode(signed_head))
        if not sound:
            raise Refused("POLICY_HEAD_FORKED", name=head.member)
        return max(size, head.size)

    def _is_contrary(self, connection: sa.Connection, member: str) -> bool:
        row = connection.execute(_HEAD, {"of_member": member}).first()
        return row is not None and row.contrary is not None

    def parts(self, member: str, start: int) -> Iterator[JournalPart]:
        """The entries of a member's journal from ``start`` on, up to its newest head, which every part carries."""
        with self.reading() as connection:
            head = self._head(connection, member)
        if head is None:
            return
        end = head.head.size
        while True:
            with self.reading() as connection:
                entries = _some(connection, member, start, end)
            yield JournalPart(start, entries, head)
            start += len(entries)
            if start >= end or not entries:
                return


def _some(connection: sa.Connection, member: str, start: int, end: int) -> tuple[bytes, ...]:
    """Entries in order, about 1 MiB of them, at least one if there is one."""
    found: list[bytes] = []
    length = 0
    for _, entry in connection.execute(_FROM, {"of_member": member, "start": start, "end": min(end, start + 4096)}):
        length += len(entry)
        if found and length > PART_ENTRIES_BYTES:
            break
        found.append(bytes(entry))
    return tuple(found)


def _keep_contrary(connection: sa.Connection, signed_head: SignedHead) -> None:
    _put(connection, signed_head.head.member, contrary=wire.encode(signed_head))


def _put(connection: sa.Connection, member: str, **values: bytes) -> None:
    if connection.execute(_HEAD, {"of_member": member}).first() is None:
        connection.execute(_heads.insert(), {"member": member, **values})
    else:
        connection.execute(_heads.update().where(_heads.c.member == _MEMBER), {"of_member": member, **values})
