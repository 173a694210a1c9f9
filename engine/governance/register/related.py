"""The rows of a register that are about one request."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import TypeVar

from engine.governance.register.rows import (
    ChargeRow,
    ContradictionRow,
    DecisionRow,
    EntryRow,
    PublicationRow,
    Register,
    ShareRow,
)

T = TypeVar("T", DecisionRow, ChargeRow, EntryRow, PublicationRow, ShareRow, ContradictionRow)


def _by_request(rows: Sequence[T]) -> defaultdict[str, list[T]]:
    found: defaultdict[str, list[T]] = defaultdict(list)
    for row in rows:
        found[row.request].append(row)
    return found


class Related:
    """The rows of a register by the request they are about."""

    def __init__(self, register: Register) -> None:
        self.decisions = _by_request(register.decisions)
        self.charges = _by_request(register.charges)
        self.entries = _by_request(register.entries)
        self.publications = _by_request(register.publications)
        self.shares = _by_request(register.shares)
        self.contradictions = _by_request(register.contradictions)
