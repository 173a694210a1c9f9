"""Masks: pseudorandom vectors that hide a node's partial until every committee member has taken its own away.

Claim: adding the masks of some seeds and subtracting the masks of the same seeds leaves the vector as it was, for
       every subset and order; without a seed its mask is indistinguishable from uniform mod 2**64.
Because: the mask is a deterministic AES-256-CTR keystream read as little-endian 64-bit words, added mod 2**64, an
         abelian group; the key is HKDF-SHA256 (expand) of the 32-byte seed and names round and node, so one seed
         gives unrelated masks for two rounds or two nodes.
Checked by: tests/trusted_crypto/test_mask.py::test_masks_cancel_for_every_subset
            tests/trusted_crypto/test_mask.py::test_the_keystream_is_the_specified_one
"""

from __future__ import annotations

import numpy as np
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand
from numpy.typing import NDArray

from engine.trusted.keystream import CHUNK, Keystream

SEED_BYTES = 32


def seed_info(round_: bytes, node: str, member: str) -> bytes:
    """What a sealed seed is bound to: the round, the node that drew it and the committee member it is for."""
    return b"splittally.v1.seed\0" + round_ + len(node.encode()).to_bytes(4, "big") + node.encode() + member.encode()


def answer_info(round_: bytes, helper: str) -> bytes:
    """What a helper's sealed sum of masks is bound to: the round and the helper."""
    return b"answer" + round_ + helper.encode()


def add_mask(vector: NDArray[np.uint64], seed: bytes, round_: bytes, node: str) -> None:
    """Adds the mask of (seed, round, node) to ``vector`` in place, mod 2**64."""
    _apply(np.add, vector, seed, round_, node)


def subtract_mask(vector: NDArray[np.uint64], seed: bytes, round_: bytes, node: str) -> None:
    """Takes the mask of (seed, round, node) from ``vector`` in place, mod 2**64."""
    _apply(np.subtract, vector, seed, round_, node)


def _apply(operation: np.ufunc, vector: NDArray[np.uint64], seed: bytes, round_: bytes, node: str) -> None:
    if vector.dtype != np.uint64 or len(seed) != SEED_BYTES or len(round_) != SEED_BYTES:
        raise ValueError("a mask needs a uint64 vector, a seed and a round of 32 bytes")
    info = b"splittally.v1.mask\0" + round_ + node.encode()
    stream = Keystream(HKDFExpand(hashes.SHA256(), SEED_BYTES, info).derive(seed))
    for start in range(0, len(vector), CHUNK):
        part = vector[start : start + CHUNK]
        operation(part, stream.words(len(part)), out=part)
