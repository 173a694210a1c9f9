"""Journals for an auditor: each member's, verified here; its entries, with proofs; what contradicts what."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from starlette.responses import Response

from engine.desk.form import Form
from engine.desk.page import AUDITOR, POLICY_OFFICER, Page
from engine.desk.pages.audit_evidence import collected, entry_bytes, hashes_of
from engine.desk.visit import Visit
from engine.errors import Refused, SplittallyError
from engine.governance.journal_file import summary
from engine.governance.proofs import verify_inclusion
from engine.governance.register.sources import Kept
from engine.trusted.journal import consistency_path, inclusion_path, leaf_hash, verify_consistency
from engine.trusted.records import JournalEntry, JournalKind

READERS = AUDITOR | POLICY_OFFICER
A_PAGE = 50  # entries
DAY_MS = 86_400_000
TONES = {"sound": "good", "forked": "bad", "unsound": "bad", "missing": "wait"}
_HASH = re.compile(r"[0-9a-f]{64}")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


@dataclass(frozen=True, slots=True)
class Filter:
    """Which entries are wanted; an empty field wants all. ``below``: positions under this one."""

    kind: str
    analyst: str
    request: str
    since: str
    until: str
    below: int | None

    @classmethod
    def read(cls, query: Form) -> Filter:
        below = query.one("below")
        number = int(below) if below.isdecimal() and len(below) < 12 else None
        kind, analyst, request = (query.one(name).lower() for name in ("kind", "analyst", "request"))
        return cls(kind, analyst, request, query.one("since"), query.one("until"), number)

    def wants(self, entry: JournalEntry) -> bool:
        since, until = _midnight(self.since), _midnight(self.until)
        return (
            self.kind in ("", kind_word(entry.kind))
            and self.analyst in ("", entry.analyst)
            and (entry.request_digest.hex().startswith(self.request) if self.request else True)
            and (since is None or entry.at_ms >= since)
            and (until is None or entry.at_ms < until + DAY_MS)
        )


def journals(visit: Visit) -> Response:
    found = collected(visit.desk)
    return visit.render("audit/journals.html", found=found, kept=found.evidence.journals.values(), tones=TONES)


def anew(visit: Visit) -> Response:
    collected(visit.desk, again=True)
    return visit.go("/journals", "The journals were collected and verified anew.")


def journal(visit: Visit) -> Response:
    """One member's journal, entry by entry, newest first."""
    found, member = collected(visit.desk), visit.path["member"]
    kept, wanted = found.journal(member), Filter.read(visit.query)
    numbered = [(place, entry) for place, entry in enumerate(kept.entries) if wanted.wants(entry)]
    shown = [one for one in reversed(numbered) if wanted.below is None or one[0] < wanted.below]
    return visit.render(
        "audit/journal.html",
        found=found,
        kept=kept,
        seen=found.seen.get(member),
        told=summary(kept.entries),
        wanted=wanted,
        count=len(numbered),
        entries=shown[:A_PAGE],
        more=shown[A_PAGE - 1][0] if len(shown) > A_PAGE else None,
        kinds=[kind_word(kind) for kind in JournalKind],
        analysts=sorted({entry.analyst for entry in kept.entries if entry.analyst}),
        contradictions=[row for row in found.register.contradictions if row.member == member],
        tones=TONES,
        continued=_continued(kept, visit),
    )


def entry(visit: Visit) -> Response:
    """One entry with the proof that it is in the journal under its head."""
    kept, place = _entry(visit)
    path = inclusion_path(place, len(kept.entries), hashes_of(kept))
    body = entry_bytes(kept)[place]
    return visit.render(
        "audit/entry.html",
        kept=kept,
        place=place,
        entry=kept.entries[place],
        body=body,
        leaf=leaf_hash(body),
        path=path,
        problem=_proven(kept, place, body, path),
    )


def proof(visit: Visit) -> Response:
    """The same as JSON to keep: whoever has the head checks it by RFC 9162, section 2.1.3.2."""
    kept, place = _entry(visit)
    path = inclusion_path(place, len(kept.entries), hashes_of(kept))
    body = entry_bytes(kept)[place]
    head = kept.head
    document = {
        "member": kept.member,
        "position": place,
        "size": len(kept.entries),
        "root": head.head.root.hex() if head else "",
        "signature": head.signature.hex() if head else "",
        "entry": body.hex(),
        "leaf": leaf_hash(body).hex(),
        "path": [step.hex() for step in path],
    }
    return visit.file(
        json.dumps(document, indent=2).encode() + b"\n", f"{kept.member}-{place}.json", "application/json"
    )


def file(visit: Visit) -> Response:
    """The whole journal as a file, for `splittally journal verify`."""
    found, member = collected(visit.desk), visit.path["member"]
    kept = found.journal(member)
    if kept.head is None:
        return visit.nowhere()
    return visit.file(found.as_file(member, kept.head), f"{member}.journal", "application/x-ndjson")


def kind_word(kind: JournalKind) -> str:
    return kind.name.lower().replace("_", " ")


def _entry(visit: Visit) -> tuple[Kept, int]:
    kept, place = collected(visit.desk).journal(visit.path["member"]), visit.path["place"]
    if not place.isdecimal() or len(place) > 12 or int(place) >= len(kept.entries):
        raise Refused("POLICY_JOURNAL_INVALID", detail="it has no such entry")
    return kept, int(place)


def _proven(kept: Kept, place: int, body: bytes, path: Sequence[bytes]) -> SplittallyError | None:
    """None when the proof leads to the signed head."""
    if kept.head is None:
        return Refused("POLICY_PROOF_INVALID")
    try:
        verify_inclusion(leaf_hash(body), place, len(kept.entries), path, kept.head.head.root)
    except Refused as refused:
        return refused
    return None


@dataclass(frozen=True, slots=True)
class Continued:
    """Whether the journal goes on from a head that the auditor typed in; ``problem`` None: it does."""

    size: str
    root: str
    path: tuple[bytes, ...]
    problem: SplittallyError | None


def _continued(kept: Kept, visit: Visit) -> Continued | None:
    size, root = visit.query.one("size"), "".join(visit.query.one("root").lower().split())
    if not size and not root:
        return None
    usable = size.isdecimal() and len(size) < 12 and _HASH.fullmatch(root) is not None and kept.head is not None
    if not usable or kept.head is None:
        problem = Refused("POLICY_JOURNAL_INVALID", detail="a head is a number of entries and a root of 64 hex digits")
        return Continued(size, root, (), problem)
    if int(size) > len(kept.entries):
        return Continued(size, root, (), Refused("POLICY_HEAD_FORKED", name=kept.member))
    path = consistency_path(int(size), len(kept.entries), hashes_of(kept))
    try:
        verify_consistency(int(size), len(kept.entries), bytes.fromhex(root), kept.head.head.root, path)
    except Refused:
        return Continued(size, root, path, Refused("POLICY_HEAD_FORKED", name=kept.member))
    return Continued(size, root, path, None)


def _midnight(day: str) -> int | None:
    """Of a date as a browser sends it; None for what is none."""
    try:
        return int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp()) * 1000 if _DATE.fullmatch(day) else None
    except ValueError:
        return None


PAGES = (
    Page("/journals", journals, READERS, menu="Journals", about="What every member wrote down, and whether it holds."),
    Page("/journals/anew", anew, READERS, post=True),
    Page("/journals/{member}", journal, READERS, example="/journals/coordinator"),
    Page("/journals/{member}/file", file, READERS, example="/journals/coordinator/file"),
    Page("/journals/{member}/{place}", entry, READERS, example="/journals/coordinator/0"),
    Page("/journals/{member}/{place}/proof", proof, READERS, example="/journals/coordinator/0/proof"),
)
