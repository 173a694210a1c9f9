"""The register as this desk can make it, kept for a while: whole for auditors and policy officers, by its own builders.

Others of the federation may read every journal and every agreement, but not each other's requests. So an analyst or a
guardian sees what was spent, node by node and for each person, and no page of a request; what would contradict
requests that are not shown is left out, and the pages say so.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace

from markupsafe import Markup

from engine.client.calls import Line
from engine.client.cards import newest
from engine.client.register import fetch_sources
from engine.errors import SplittallyError
from engine.governance.register.pages import Pages
from engine.governance.register.rows import Register
from engine.governance.register.site import files, register_of
from engine.governance.register.sources import Evidence, gathered, verified
from engine.trusted.clock import Clock
from engine.trusted.home import Home
from engine.trusted.messages import RegisterPart

WHOLE = ("auditor", "policy_officer")
KEPT_MS = 60_000
ABOUT_JOURNALS = ("JOURNAL_MISSING", "JOURNAL_UNSOUND", "JOURNAL_FORKED", "SPENT_ABOVE_CAP")
REQUESTS = ("index.html", "requests/")


@dataclass(frozen=True, slots=True)
class Body:
    """A page of the register: its title, and its markup, in which every text is escaped by its builder."""

    title: str
    markup: Markup


@dataclass(frozen=True, slots=True)
class Made:
    """``whole``: with everybody's requests. ``bodies``: place -> page. ``published``: tables by their digest."""

    register: Register
    evidence: Evidence
    bodies: Mapping[str, Body]
    whole: bool
    at_ms: int
    published: Mapping[bytes, bytes]

    def files(self) -> dict[str, bytes]:
        """place -> bytes of the files for machines; empty unless the register is whole."""
        found = files(self.evidence, self.at_ms, self.published) if self.whole else iter(())
        return {place: body for place, body in found if not place.endswith(".html")}


class Registers:
    """The newest register of one desk."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._made: Made | None = None

    def current(self, home: Home, line: Line, clock: Clock, *, again: bool = False) -> Made:
        """Made now, or at most a minute ago unless it is wanted ``again``. Raises Unavailable NODE_*."""
        with self._lock:
            now = clock.now_ms()
            if again or self._made is None or now - self._made.at_ms > KEPT_MS:
                self._made = _make(home, line, now)
            return self._made


def _make(home: Home, line: Line, now: int) -> Made:
    whole = home.role in WHOLE
    if whole:
        evidence = verified(fetch_sources(home))
    else:
        described = line.describe()
        part = RegisterPart((), (*described.agreements, *described.revocations), ())
        evidence = verified(gathered(home, [part], line.journal))
    published = _published(home, evidence) if whole else {}
    register, _ = register_of(evidence, now, published)
    if not whole:
        kept = tuple(row for row in register.contradictions if row.kind in ABOUT_JOURNALS)
        register = replace(register, contradictions=kept)
    papers = {digest.hex(): agreement for digest, agreement in evidence.agreements.items()}
    pages = Pages(register, evidence.roster.manifest.catalogue, papers)
    bodies = {
        place: Body(title, Markup("\n".join(body)))  # noqa: S704 the register's builders escape every text
        for place, title, body, _ in pages.bodies()
        if whole or not place.startswith(REQUESTS)
    }
    return Made(register, evidence, bodies, whole, now, published)


def _published(home: Home, evidence: Evidence) -> dict[bytes, bytes]:
    """The tables of the quality cards in this home; one that does not hold is left out."""
    found: dict[bytes, bytes] = {}
    for dataset in evidence.roster.manifest.catalogue.datasets:
        with suppress(SplittallyError):
            card = newest(home, dataset.name)
            if card is not None:
                found[card.publication.table_digest] = card.table
    return found
