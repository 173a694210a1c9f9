"""What a person gets: the answer, who gave it, what it cost, and the proof."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from engine.trusted.records import Loss

if TYPE_CHECKING:
    from engine.sql.finish import Answer


@dataclass(frozen=True, slots=True)
class Release:
    """A released answer. ``repeated``: it was released before, and giving it again cost nothing.

    ``request_id``: hex digest of the signed request. ``receipt``: bytes of a Receipt. ``participants`` were charged
    ``loss`` each; the answer is over the ``survivors`` among them.
    """

    request_id: str
    answer: Answer
    survivors: tuple[str, ...]
    participants: tuple[str, ...]
    receipt: bytes
    loss: Loss
    epsilon: Fraction
    delta: Fraction
    repeated: bool

    @property
    def cost(self) -> Mapping[str, object]:
        """What this answer cost: epsilon and delta as asked, rho exactly, and rho in 1e-9 charged at each node."""
        spent = 0 if self.repeated else self.loss.rho_billionths
        return {
            "epsilon": 0.0 if self.repeated else float(self.epsilon),
            "delta": 0.0 if self.repeated else float(self.delta),
            "rho_billionths": spent,
            "per_node": dict.fromkeys(self.participants, spent),
        }
