"""The Merkle tree of RFC 9162 (section 2.1): what a journal's head covers, and proofs about it.

Claim: entries under a root cannot be changed, removed or reordered without another root; a later root is accepted
       only with a proof that its tree holds the whole of the earlier one.
Because: leaf and node hashes carry different prefixes and SHA-256 is collision resistant; the tree, its proofs and
         their verification are the standard's, step by step.
Checked by: tests/trusted_crypto/test_journal.py::test_the_published_vectors
            tests/trusted_crypto/test_journal.py::test_every_proof_of_small_trees_and_no_other_verifies

Roots are built from the hashes of complete subtrees: ``hashes(level, index)`` is that of the leaves
``[index << level, (index + 1) << level)``; a tree of n leaves has them stored as they are completed (``completed``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from hashlib import sha256

from engine.errors import Refused

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


def inclusion_path(index: int, size: int, hashes: Hashes) -> tuple[bytes, ...]:
    """Proof that leaf ``index`` is in the tree of ``size`` leaves (section 2.1.3.1), leaf to root."""
    if not 0 <= index < size:
        raise ValueError("no such leaf")
    return tuple(reversed(_beside(index + 1, size, hashes, to_leaf=True)[0]))


def consistency_path(old_size: int, size: int, hashes: Hashes) -> tuple[bytes, ...]:
    """Proof that the tree of ``size`` leaves extends that of ``old_size`` (section 2.1.4.1); empty if 0 or equal."""
    if not 0 <= old_size <= size:
        raise ValueError("the old tree is larger than the new one")
    path, start = _beside(old_size, size if old_size else 0, hashes, to_leaf=False)
    return tuple(reversed([*path, span(start, old_size, hashes)] if start else path))


def _beside(stop: int, size: int, hashes: Hashes, *, to_leaf: bool) -> tuple[list[bytes], int]:
    """Hashes beside the way from the root down to the subtree, or the leaf, that ends before ``stop``; its start."""
    path: list[bytes] = []
    start, end = 0, size
    while end - start > 1 if to_leaf else end > stop:
        middle = start + (1 << (end - start - 1).bit_length() - 1)
        if stop <= middle:
            path.append(span(middle, end, hashes))
            end = middle
        else:
            path.append(span(start, middle, hashes))
            start = middle
    return path, start


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
