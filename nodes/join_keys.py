"""Keys that a member of a private join makes when it says *ready*, until their round opens.

Claim: a key serves one round at most, of the request and the price it was made for; a restart, or a second round, finds
       none.
Because: keys live in this process's memory alone, are taken out when their round opens, and are compared with the
         signed *ready* of that round, which the round's id covers.
Checked by: tests/nodes/test_join_forged.py::test_a_forged_private_join_is_refused_and_costs_nothing
"""

from __future__ import annotations

from dataclasses import dataclass
from threading import Lock

from engine.errors import require
from engine.trusted.records import Loss, Ready
from engine.trusted.seal import SealingKey

KEYS_KEPT = 64


@dataclass(frozen=True, slots=True)
class Prepared:
    """What one *ready* promised: ``dummies`` is an owner's part of those that both owners add."""

    key: SealingKey
    loss: Loss
    dummies: int


class JoinKeys:
    """Of the newest *readies*, by public key, which each of them signs once; safe to use from several threads."""

    def __init__(self) -> None:
        self._held: dict[bytes, Prepared] = {}
        self._lock = Lock()

    def keep(self, prepared: Prepared) -> None:
        with self._lock:
            self._held[prepared.key.public] = prepared
            for oldest in list(self._held)[:-KEYS_KEPT]:
                del self._held[oldest]

    def take(self, own: Ready, loss: Loss) -> Prepared:
        """What was kept for this very *ready*, and is no longer; else Unavailable ROUND_READY_STALE."""
        with self._lock:
            held = self._held.get(own.join_key)
            require(held is not None and held.loss == loss, "ROUND_READY_STALE", name=own.member)
            return self._held.pop(own.join_key)
