"""A card that somebody has published and this home does not hold: what the journals tell of it, so that nobody is
charged for figures that can be had for nothing.

The coordinator's journal names the publication, its request, plan and analyst; nodes' journals the snapshots that they
were charged for. Both are verified, and a journal that cannot be had, or does not hold, tells nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.client.cards import journal_of, of_coordinator, refs_of
from engine.errors import SplittallyError
from engine.trusted.messages import FederationDescription
from engine.trusted.records import JournalEntry, JournalKind, SnapshotRef

if TYPE_CHECKING:
    from engine.client.session import Session


@dataclass(frozen=True, slots=True)
class Registered:
    """Who has published it, of which request, and when it was registered."""

    analyst: str
    request: str
    at_ms: int


def registered(
    session: Session, dataset: str, plans: frozenset[bytes], described: FederationDescription
) -> Registered | None:
    """The newest publication by another analyst, of a request of one of these ``plans`` (digests), if each node that
    answered it still answers from the snapshot it was charged for; None where that cannot be told."""
    with suppress(SplittallyError):
        for said in _published(session, plans):
            if _is_present(session, dataset, said, described):
                return Registered(said.analyst, said.request_digest.hex(), said.at_ms)
    return None


def _published(session: Session, plans: frozenset[bytes]) -> Iterator[JournalEntry]:
    """What was released of these plans to others and published, newest first."""
    told = of_coordinator(session)
    public = {entry.request_digest for entry in told if entry.kind is JournalKind.PUBLISHED}
    for entry in reversed(told):
        released = entry.kind is JournalKind.RELEASED_TO_ANALYST and entry.plan_digest in plans
        if released and entry.request_digest in public and entry.analyst != session.home.name:
            yield entry


def _is_present(session: Session, dataset: str, said: JournalEntry, described: FederationDescription) -> bool:
    now = refs_of(described.connected, dataset)
    if not said.survivors or not set(said.survivors) <= now.keys():
        return False
    return all(now[node] in _charged(session, node, dataset, said.request_digest) for node in said.survivors)


def _charged(session: Session, node: str, dataset: str, request: bytes) -> frozenset[SnapshotRef]:
    """The snapshots of a dataset that a node was charged for by a request."""
    entries = (e for e in journal_of(session, node) if e.kind is JournalKind.CHARGED and e.request_digest == request)
    return frozenset(ref for entry in entries for ref in entry.snapshots if ref.dataset == dataset)
