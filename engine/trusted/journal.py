"""The Merkle tree of RFC 9162 (section 2.1.1): what a journal's head covers.

Claim: entries under a root cannot be changed, removed or reordered without another root.
Because: leaf and node hashes carry different prefixes and SHA-256 is collision resistant; the tree is the standard's,
         so that anybody's proofs (engine/governance/proofs.py) fit it.
Checked by: tests/trusted_crypto/test_journal.py::test_the_published_vectors
            tests/trusted_crypto/test_journal.py::test_every_proof_of_small_trees_and_no_other_verifies

Roots are built from the hashes of complete subtrees: ``hashes(level, index)`` is that of the leaves
``[index << level, (index + 1) << level)``; a tree of n leaves has them stored as they are completed (``completed``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from hashlib import sha256

Hashes = Callable[[int, int], bytes]
EMPTY_ROOT = sha256(b"").digest()


def leaf_hash(entry: bytes) -> bytes:
    return sha256(b"\0" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return sha256(b"\1" + left + right).digest()


def completed(index: int, leaf: bytes, hashes: Hashes) -> Iterator[tuple[int, int, bytes]]:
    """(level, index, hash) of every subtree that the leaf number ``index`` completes, itself first."""
    level, found = 0, leaf
    yield level, index, found
    while index % 2:
        found = node_hash(hashes(level, index - 1), found)
        level, index = level + 1, index // 2
        yield level, index, found


def tree_root(size: int, hashes: Hashes) -> bytes:
    """Root of the first ``size`` leaves (section 2.1.1)."""
    return span(0, size, hashes) if size else EMPTY_ROOT


def span(start: int, end: int, hashes: Hashes) -> bytes:
    """Hash of the leaves [start, end), where ``start`` is a multiple of a power of two >= end - start."""
    peaks: list[bytes] = []
    while start < end:
        level = (end - start).bit_length() - 1
        peaks.append(hashes(level, start >> level))
        start += 1 << level
    found = peaks.pop()
    while peaks:
        found = node_hash(peaks.pop(), found)
    return found
