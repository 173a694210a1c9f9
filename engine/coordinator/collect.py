"""Collecting the members' journals: asked when a member comes or has more to tell, and after each round it was in.

What arrives is kept only if it leads to the head that the member signed (journals.py). A member whose journal
contradicts what it said before is named in the log and in the description of the federation, and not asked again.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import structlog

from engine.coordinator.journals import Journals
from engine.coordinator.links import Links
from engine.errors import Refused
from engine.trusted.messages import AskJournal, FromNode, Hello, JournalPart
from engine.trusted.records import SignedHead

log = structlog.get_logger("coordinator")
MOST_PENDING_BYTES = 256 << 20  # of one member, on their way to one head


@dataclass(slots=True)
class _Pending:
    """Parts of one answer, in order, that do not reach their head yet."""

    start: int
    head: SignedHead
    entries: list[bytes] = field(default_factory=list)
    bytes: int = 0


class Collector:
    """The standing duty that keeps every member's journal."""

    def __init__(self, links: Links, journals: Journals) -> None:
        self._links, self._journals = links, journals
        self._pending: dict[str, _Pending] = {}
        self._refused = set(journals.contrary())

    def joined(self, name: str) -> None:
        """A member's first head of a stream was signed after all it sent before."""
        hello = self._links.hello(name)
        if hello is not None:
            self._compare(name, hello.head, newest=True)

    def left(self, name: str) -> None:
        self._pending.pop(name, None)

    def closed(self, members: tuple[str, ...]) -> None:
        for name in members:
            self._ask(name)

    def take(self, sender: str, message: FromNode) -> None:
        if isinstance(message, Hello):
            self._compare(sender, message.head, newest=False)
        elif isinstance(message, JournalPart):
            self._part(sender, message)

    def _compare(self, name: str, head: SignedHead, *, newest: bool) -> None:
        if head.head.member != name:
            raise Refused("POLICY_RECORD_INVALID")
        try:
            self._journals.check_head(head, newest=newest)
        except Refused as refused:
            self._refuse(name, refused)
            return
        if head.head.size > self._journals.size(name):
            self._ask(name)

    def _ask(self, name: str) -> None:
        if name not in self._refused:
            self._links.send(name, AskJournal(self._journals.size(name)))

    def _part(self, sender: str, part: JournalPart) -> None:
        """Adds a part to those before it; with the last one, stores them all."""
        if part.head.head.member != sender:
            raise Refused("POLICY_RECORD_INVALID")
        pending = self._pending.pop(sender, None)
        if pending is None or pending.start + len(pending.entries) != part.start or pending.head != part.head:
            pending = _Pending(part.start, part.head)
        pending.entries.extend(part.entries)
        pending.bytes += sum(map(len, part.entries))
        if pending.bytes > MOST_PENDING_BYTES:
            raise Refused("POLICY_WIRE_INVALID", internal="a journal too long to be taken at once")
        if pending.start + len(pending.entries) < part.head.head.size:
            self._pending[sender] = pending
            return
        try:
            size = self._journals.take(pending.start, pending.entries, part.head)
        except Refused as refused:
            self._refuse(sender, refused)
        else:
            log.info("journal.collected", member=sender, size=size)

    def _refuse(self, name: str, refused: Refused) -> None:
        if refused.code == "POLICY_HEAD_FORKED":
            self._refused.add(name)
        log.warning("journal.refused", member=name, code=refused.code)
