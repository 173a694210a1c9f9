"""``fed.cards``: every figure of the newest quality cards in a home, one row each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from engine.client.cards import Card, Seen, described_or_away, seen
from engine.governance.card import lines
from engine.governance.letters import plain
from engine.governance.text import PLAN_DELTA, day, delta_for
from engine.trusted.epsilon import epsilon_of

if TYPE_CHECKING:
    from engine.client.session import Session

COLUMNS = (
    "dataset column figure unit value:decimal low:decimal high:decimal snapshot nodes missing epsilon:decimal"
    " delta:decimal published analyst request"
)


def card_rows(session: Session) -> Iterator[Mapping[str, Any]]:
    """Raises the refusal of a card that does not hold."""
    described = described_or_away(session)
    for dataset in session.catalogue.datasets:
        found = seen(session.home, dataset, session, described)
        if found.trouble is not None:
            raise found.trouble
        if found.card is None or found.figures is None:
            continue
        shared = _shared(found.card, found)
        for line in lines(found.figures):
            yield {
                "dataset": dataset.name,
                "column": line.column or None,
                "figure": plain(line.figure),
                "unit": plain(line.unit) or None,
                "value": line.measured.value,
                "low": line.measured.low,
                "high": line.measured.high,
                **shared,
            }


def _shared(card: Card, found: Seen) -> Mapping[str, Any]:
    """What all figures of a card have in common."""
    delta = delta_for(card.loss, PLAN_DELTA)
    return {
        "snapshot": found.freshness.name.lower(),
        "nodes": ", ".join(card.nodes),
        "missing": ", ".join(found.missing) or None,
        "epsilon": float(epsilon_of(card.loss, delta)) if delta < 1 else None,
        "delta": float(delta) if delta < 1 else None,
        "published": day(card.publication.decided_ms),
        "analyst": card.publication.analyst,
        "request": card.request,
    }
