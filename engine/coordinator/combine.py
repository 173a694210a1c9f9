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
    """Vectors of one ``length`` in bytes, at most one for each of ``participants`` nodes. None: sealed lists of any
    length, which are never added up."""

    def __init__(self, length: int | None, participants: int) -> None:
        self.length = length
        self.summed = length is not None and length * participants > FORWARD_BYTES
        self._vectors: dict[str, bytes] = {}
        self._sum = np.zeros(length // WORD_BYTES, dtype=np.uint64) if length is not None and self.summed else None

    def add(self, node: str, vector: bytes) -> None:
        """Takes one node's vector (little-endian words, of the round's length)."""
        if self.length not in (None, len(vector)):
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
