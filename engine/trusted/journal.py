"""The Merkle tree of RFC 9162 (sections 2.1.1 to 2.1.4): heads, inclusion and consistency proofs.

Claim: entries under a root cannot be changed, removed or reordered without another root, and a later root that a
       consistency proof accepts has the earlier tree's entries as its first ones.
Because: leaf and node hashes carry different prefixes and SHA-256 is collision resistant; the algorithms are those of
         the standard, the verifying ones step by step.
Checked by: tests/trusted_crypto/test_journal.py::test_the_published_vectors
            tests/trusted_crypto/test_journal.py::test_every_proof_of_small_trees_and_no_other_verifies

Builders read the hashes of complete subtrees: ``hashes(level, index)`` is that of the leaves
``[index << level, (index + 1) << level)``; a tree of n leaves has them stored as they are completed (``completed``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cache
from hashlib import sha256

from engine.errors import Refused

Hashes = Callable[[int, int], bytes]
EMPTY_ROOT = sha256(b"").digest()


def leaf_hash(entry: bytes) -> bytes:
    return sha256(b"\0" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return sha256(b"\1" + left + right).digest()


def stored_in(leaves: Sequence[bytes]) -> Hashes:
    """The subtree hashes of leaf hashes held in memory."""

    @cache
    def hashes(level: int, index: int) -> bytes:
        if level == 0:
            return leaves[index]
        return node_hash(hashes(level - 1, 2 * index), hashes(level - 1, 2 * index + 1))

    return hashes


def root(leaves: Sequence[bytes]) -> bytes:
    """Root of a tree of leaf hashes held in memory."""
    return tree_root(len(leaves), stored_in(leaves))


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
    return _span(0, size, hashes) if size else EMPTY_ROOT


def inclusion_path(index: int, size: int, hashes: Hashes) -> tuple[bytes, ...]:
    """Proof that leaf ``index`` is in the tree of ``size`` leaves (section 2.1.3.1), leaf to root."""
    if not 0 <= index < size:
        raise ValueError("no such leaf")
    path: list[bytes] = []
    start, end = 0, size
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            path.append(_span(middle, end, hashes))
            end = middle
        else:
            path.append(_span(start, middle, hashes))
            start = middle
    return tuple(reversed(path))


def consistency_path(old_size: int, size: int, hashes: Hashes) -> tuple[bytes, ...]:
    """Proof that the tree of ``size`` leaves extends that of ``old_size`` (section 2.1.4.1); empty if 0 or equal."""
    if not 0 <= old_size <= size:
        raise ValueError("the old tree is larger than the new one")
    path: list[bytes] = []
    start, end = 0, size if old_size else 0
    while end > old_size:
        middle = start + _split(end - start)
        if old_size <= middle:
            path.append(_span(middle, end, hashes))
            end = middle
        else:
            path.append(_span(start, middle, hashes))
            start = middle
    if start:
        path.append(_span(start, end, hashes))
    return tuple(reversed(path))


def verify_inclusion(leaf: bytes, index: int, size: int, path: Sequence[bytes], root_: bytes) -> None:
    """Raises Refused POLICY_PROOF_INVALID unless ``path`` leads from ``leaf`` to ``root_`` (section 2.1.3.2)."""
    position, last, found = index, size - 1, leaf
    valid = 0 <= index < size
    for step in path:
        valid = valid and last > 0
        if position % 2 or position == last:
            found = node_hash(step, found)
            while position and not position % 2:
                position, last = position // 2, last // 2
        else:
            found = node_hash(found, step)
        position, last = position // 2, last // 2
    if not valid or last or found != root_:
        raise Refused("POLICY_PROOF_INVALID")


def verify_consistency(old_size: int, size: int, old_root: bytes, root_: bytes, path: Sequence[bytes]) -> None:
    """Raises Refused POLICY_PROOF_INVALID unless ``path`` shows that the tree grew (section 2.1.4.2)."""
    if old_size in (0, size):
        if path or old_root != (root_ if old_size else EMPTY_ROOT):
            raise Refused("POLICY_PROOF_INVALID")
        return
    steps = list(path) if old_size & (old_size - 1) else [old_root, *path]
    if not 0 < old_size < size or not path:
        raise Refused("POLICY_PROOF_INVALID")
    position, last = old_size - 1, size - 1
    while position % 2:
        position, last = position // 2, last // 2
    old_found = found = steps[0]
    valid = True
    for step in steps[1:]:
        valid = valid and last > 0
        if position % 2 or position == last:
            old_found, found = node_hash(step, old_found), node_hash(step, found)
            while position and not position % 2:
                position, last = position // 2, last // 2
        else:
            found = node_hash(found, step)
        position, last = position // 2, last // 2
    if not valid or last or old_found != old_root or found != root_:
        raise Refused("POLICY_PROOF_INVALID")


def _split(count: int) -> int:
    """The largest power of two below ``count``."""
    return int(1 << (count - 1).bit_length() - 1)


def _span(start: int, end: int, hashes: Hashes) -> bytes:
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
