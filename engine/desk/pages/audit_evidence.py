"""What an auditor's or officer's desk has collected: every journal and record, verified here from the root keys up.

It is collected anew when it is older than a few seconds. Each sound head is kept in the home and held against the next:
a member that tells another history than it told this desk before is found out, whatever the coordinator says.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from weakref import WeakKeyDictionary

from engine.client.archive import Archive
from engine.client.register import fetch_sources
from engine.desk.desk import Desk
from engine.errors import Refused
from engine.governance import journal_file
from engine.governance.proofs import root, stored_in
from engine.governance.register.rows import Register
from engine.governance.register.site import register_of
from engine.governance.register.sources import Evidence, Kept, Sources, verified
from engine.trusted.journal import Hashes, leaf_hash
from engine.trusted.records import JournalHead, SignedHead

FRESH_MS = 10_000


@dataclass(frozen=True, slots=True)
class Seen:
    """What this desk saw of a member's journal before. ``continues``: the journal now goes on from there."""

    head: JournalHead
    continues: bool


@dataclass(frozen=True, slots=True)
class Collected:
    """``seen``: by member, of those that it saw before."""

    at_ms: int
    sources: Sources
    evidence: Evidence
    register: Register
    seen: Mapping[str, Seen]

    def journal(self, member: str) -> Kept:
        """Refused POLICY_UNKNOWN_MEMBER for one that keeps none."""
        if member not in self.evidence.journals:
            raise Refused("POLICY_UNKNOWN_MEMBER", name=member[:63])
        return self.evidence.journals[member]

    def entry_bytes(self, member: str) -> tuple[bytes, ...]:
        """As they were handed over; of a journal that holds, the bytes under its head."""
        return self.sources.journals[member][1] if member in self.sources.journals else ()

    def hashes(self, member: str) -> Hashes:
        """The subtree hashes of a journal."""
        return stored_in([leaf_hash(entry) for entry in self.entry_bytes(member)])


_lock = threading.Lock()
_kept: WeakKeyDictionary[Desk, Collected] = WeakKeyDictionary()


def collected(desk: Desk) -> Collected:
    """The newest collection. Unavailable NODE_*; Refused POLICY_CALLER for who may not see all."""
    with _lock:
        now, held = desk.clock.now_ms(), _kept.get(desk)
        if held is None or not 0 <= now - held.at_ms < FRESH_MS:
            desk.describe()
            sources = fetch_sources(desk.home)
            evidence = verified(sources)
            register, _ = register_of(evidence, now, {})
            held = Collected(now, sources, evidence, register, dict(_held_against(desk, sources, evidence)))
            _kept[desk] = held
        return held


def _held_against(desk: Desk, sources: Sources, evidence: Evidence) -> Iterator[tuple[str, Seen]]:
    """Each journal against the newest head that this home keeps of it; heads that go on are kept too."""
    archive = Archive(desk.home)
    for member, kept in evidence.journals.items():
        older = archive.heads(member)
        if older:
            before = older[-1].head
            continues = kept.head is not None and _continues(sources.journals[member][1], before)
            yield member, Seen(before, continues)
            if not continues:
                continue
        if kept.head is not None:
            archive.keep_heads([kept.head])


def _continues(entries: tuple[bytes, ...], before: JournalHead) -> bool:
    return before.size <= len(entries) and root([leaf_hash(e) for e in entries[: before.size]]) == before.root


def as_file(found: Collected, member: str, head: SignedHead) -> bytes:
    """The journal as a file that anybody verifies offline."""
    return journal_file.written(journal_file.Journal(found.sources.manifest, head, found.entry_bytes(member)))
