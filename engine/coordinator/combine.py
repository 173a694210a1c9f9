"""The masked vectors of one round: forwarded one by one while they are small in all, else added up.

Arithmetic is mod 2**64. The coordinator cannot read what it adds: every vector carries the masks of the committee.
"""

from __future__ import annotations

import numpy as np

from engine.trusted import ring
from engine.trusted.messages import FORWARD_BYTES, BodyKind

WORD_BYTES = 8
Body = tuple[BodyKind, str, bytes]  # of what kind, whose (empty: the sum), the bytes


class Combination:
    """Vectors of one length (``cells`` and the check cell), at most one for each of ``participants`` nodes."""

    def __init__(self, cells: int, participants: int) -> None:
        self.length = WORD_BYTES * (cells + 1)
        self.summed = self.length * participants > FORWARD_BYTES
        self._vectors: dict[str, bytes] = {}
        self._sum = np.zeros(cells + 1, dtype=np.uint64) if self.summed else None

    def add(self, node: str, vector: bytes) -> None:
        """Takes one node's vector (little-endian words, of the round's length)."""
        if len(vector) != self.length:
            raise ValueError("a vector of another length")
        if self._sum is None:
            self._vectors[node] = vector
        else:
            self._sum = ring.add(self._sum, ring.from_bytes(vector))

    def bodies(self, survivors: tuple[str, ...]) -> tuple[Body, ...]:
        """What the analyst is sent: the survivors' vectors in order, or the one sum."""
        if self._sum is not None:
            return ((BodyKind.MASKED_VECTOR, "", ring.to_bytes(self._sum)),)
        return tuple((BodyKind.MASKED_VECTOR, node, self._vectors[node]) for node in survivors)
