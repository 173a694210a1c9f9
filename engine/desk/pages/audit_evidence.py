"""What an auditor's or officer's desk has collected: every journal and record, verified here from the root keys up.

The register of the desk (engine/desk/registers.py) is the collection. Each sound head of it is kept in the home and
held against the next: a member that tells another history than it told this desk before is found out, whatever the
coordinator says.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from weakref import WeakKeyDictionary

from engine.client.archive import Archive
from engine.desk.desk import Desk
from engine.desk.registers import Made
from engine.errors import Refused
from engine.governance import journal_file
from engine.governance.proofs import root, stored_in
from engine.governance.register.rows import Register
from engine.governance.register.sources import Evidence, Kept
from engine.trusted import wire
from engine.trusted.journal import Hashes, leaf_hash
from engine.trusted.records import JournalHead, SignedHead, SignedRecord


@dataclass(frozen=True, slots=True)
class Seen:
    """What this desk saw of a member's journal before. ``continues``: the journal now goes on from there."""

    head: JournalHead
    continues: bool


@dataclass(frozen=True, slots=True)
class Collected:
    """``seen``: by member, of those that this home saw before."""

    made: Made
    manifest: SignedRecord
    seen: Mapping[str, Seen]

    @property
    def at_ms(self) -> int:
        return self.made.at_ms

    @property
    def evidence(self) -> Evidence:
        return self.made.evidence

    @property
    def register(self) -> Register:
        return self.made.register

    def journal(self, member: str) -> Kept:
        """Refused POLICY_UNKNOWN_MEMBER for one that keeps none."""
        if member not in self.evidence.journals:
            raise Refused("POLICY_UNKNOWN_MEMBER", name=member[:63])
        return self.evidence.journals[member]

    def as_file(self, member: str, head: SignedHead) -> bytes:
        """The journal as a file that anybody verifies offline."""
        return journal_file.written(journal_file.Journal(self.manifest, head, entry_bytes(self.journal(member))))


def entry_bytes(kept: Kept) -> tuple[bytes, ...]:
    """The exact bytes of a journal's entries; each has one encoding only (wire.py)."""
    return tuple(wire.encode(entry) for entry in kept.entries)


def hashes_of(kept: Kept) -> Hashes:
    """The subtree hashes of a journal."""
    return stored_in([leaf_hash(entry) for entry in entry_bytes(kept)])


_lock = threading.Lock()
_kept: WeakKeyDictionary[Desk, Collected] = WeakKeyDictionary()


def collected(desk: Desk, *, again: bool = False) -> Collected:
    """The newest collection, at most a minute old unless it is wanted ``again``. Raises Unavailable NODE_*."""
    made = desk.registers.current(desk.home, desk.line(), desk.clock, again=again)
    with _lock:
        held = _kept.get(desk)
        if held is None or held.made is not made:
            held = Collected(made, desk.home.manifest_record(), dict(_held_against(desk, made.evidence)))
            _kept[desk] = held
        return held


def _held_against(desk: Desk, evidence: Evidence) -> Iterator[tuple[str, Seen]]:
    """Each journal against the newest head that this home keeps of it; heads that go on are kept too."""
    archive = Archive(desk.home)
    for member, kept in evidence.journals.items():
        older = archive.heads(member)
        if older:
            before = older[-1].head
            continues = kept.head is not None and _continues(entry_bytes(kept), before)
            yield member, Seen(before, continues)
            if not continues:
                continue
        if kept.head is not None:
            archive.keep_heads([kept.head])


def _continues(entries: tuple[bytes, ...], before: JournalHead) -> bool:
    return before.size <= len(entries) and root([leaf_hash(e) for e in entries[: before.size]]) == before.root
