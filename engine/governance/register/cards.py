"""The newest published quality card of each dataset, from tables that are at hand and evidence that holds.

A table is a card by its plan alone (engine/governance/card.py): the plan of the request that its analyst signed and
published. Whose rows were counted says the coordinator's journal, of which snapshots the journals of nodes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice

from engine.errors import Refused
from engine.governance import card
from engine.governance.card import Figures
from engine.governance.register.rows import CardRow
from engine.governance.register.sources import Asked, Evidence
from engine.governance.register.times import time_of
from engine.governance.text import PLAN_DELTA, loss_words
from engine.trusted import wire
from engine.trusted.account import add_loss
from engine.trusted.records import JournalEntry, JournalKind, Loss, Publication, Role, SnapshotRef


@dataclass(frozen=True, slots=True)
class _Found:
    """A card, and the entry that tells of its release."""

    figures: Figures
    publication: Publication
    asked: Asked
    released: JournalEntry


def card_rows(evidence: Evidence, published: Mapping[bytes, bytes], places: Mapping[bytes, str]) -> tuple[CardRow, ...]:
    """``published``: tables by their digest; ``places``: where they lie in the register."""
    newest: dict[str, _Found] = {}
    ordered = sorted(evidence.publications.items(), key=lambda item: (item[1].decided_ms, item[0]))
    tables = ((said, published[said.table_digest]) for _, said in ordered if said.table_digest in published)
    cards = (found for said, table in tables if (found := _card(evidence, said, table)))
    for found in sorted(cards, key=lambda found: found.released.at_ms):  # of one answer the last publication
        newest[found.figures.dataset] = found
    return tuple(row for name in sorted(newest) for row in _rows(newest[name], evidence, places))


def _card(evidence: Evidence, publication: Publication, table: bytes) -> _Found | None:
    """None for a table that is no card's, or of a run that was not released to who published it."""
    asked = evidence.requests.get(publication.request_digest)
    released = _released(evidence, publication.request_digest, publication.run)
    if asked is None or asked.plan is None or released is None or asked.request.analyst != publication.analyst:
        return None
    manifest = asked.roster.manifest
    try:
        figures = card.read(table, wire.encode(asked.plan), manifest.catalogue, manifest.rules)
    except Refused:
        return None
    return _Found(figures, publication, asked, released)


def _released(evidence: Evidence, request: bytes, run: int) -> JournalEntry | None:
    """What the coordinator's journal says of a run: it tells of each as it is released, in their order."""
    entries = (e for kept in evidence.journals.values() if Role.COORDINATOR in kept.roles for e in kept.entries)
    of_request = (e for e in entries if e.kind is JournalKind.RELEASED_TO_ANALYST and e.request_digest == request)
    return next(islice(of_request, run - 1, None), None) if run >= 1 else None


def _rows(found: _Found, evidence: Evidence, places: Mapping[bytes, str]) -> Iterator[CardRow]:
    catalogue = evidence.roster.manifest.catalogue
    dataset = catalogue.dataset(found.figures.dataset)
    if dataset is None:
        return
    request, said = found.asked.request, found.publication
    for line in card.lines(card.published(found.figures, catalogue)):
        yield CardRow(
            dataset=dataset.name,
            column=line.column,
            figure=line.figure,
            unit=line.unit,
            value=line.measured.value,
            low=line.measured.low,
            high=line.measured.high,
            nodes=found.released.survivors,
            older=_is_older(found, evidence),
            cost=loss_words(add_loss(request.loss, request.selection or Loss(0, 0)), PLAN_DELTA),
            published=time_of(said.decided_ms),
            analyst=said.analyst,
            request=said.request_digest.hex(),
            file=places[said.table_digest],
        )


def _is_older(found: _Found, evidence: Evidence) -> bool:
    """Whether a node that answered has been charged for another snapshot of the dataset since."""
    name = found.figures.dataset
    for node in found.released.survivors:
        kept = evidence.journals.get(node)
        charged = [e for e in kept.entries if e.kind is JournalKind.CHARGED] if kept else []
        own = [place for place, entry in enumerate(charged) if entry.round == found.released.round]
        if own and any(_ref(e, name) not in (None, _ref(charged[own[0]], name)) for e in charged[own[0] :]):
            return True
    return False


def _ref(entry: JournalEntry, dataset: str) -> SnapshotRef | None:
    return next((ref for ref in entry.snapshots if ref.dataset == dataset), None)
