"""Proofs about journals, RFC 9162 sections 2.1.3 and 2.1.4: that an entry is in one, and that a later head extends it.

The tree itself is engine/trusted/journal.py. Whoever holds another member's heads makes and verifies these; no step
of a round does. The verifying functions follow the standard step by step and raise Refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from engine.errors import Refused, require
from engine.trusted.journal import EMPTY_ROOT, Hashes, node_hash, span, tree_root
from engine.trusted.messages import ConsistencyProof
from engine.trusted.records import JournalHead


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


def inclusion_path(index: int, size: int, hashes: Hashes) -> tuple[bytes, ...]:
    """Proof that leaf ``index`` is in the tree of ``size`` leaves (section 2.1.3.1), leaf to root."""
    if not 0 <= index < size:
        raise ValueError("no such leaf")
    path: list[bytes] = []
    start, end = 0, size
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            path.append(span(middle, end, hashes))
            end = middle
        else:
            path.append(span(start, middle, hashes))
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
            path.append(span(middle, end, hashes))
            end = middle
        else:
            path.append(span(start, middle, hashes))
            start = middle
    if start:
        path.append(span(start, end, hashes))
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


def require_extension(held: Sequence[JournalHead], head: JournalHead, proof: ConsistencyProof | None) -> None:
    """Raises Refused POLICY_HEAD_FORKED or POLICY_PROOF_INVALID unless ``head`` continues the history of ``held``.

    ``held``: the heads accepted so far from that member. The first one is taken as it is; one of a size that is held
    must be the same; any other one needs a consistency proof between it and the newest one held (rounds may overtake
    each other, so it may be the older of the two).
    """
    same = [other for other in held if other.size == head.size]
    if same:
        require(all(other == head for other in same), "POLICY_HEAD_FORKED", name=head.member)
    elif held:
        old, new = sorted((max(held, key=lambda h: h.size), head), key=lambda h: h.size)
        if proof is None:
            raise Refused("POLICY_PROOF_INVALID")
        verify_consistency(old.size, new.size, old.root, new.root, proof.path)


def _split(count: int) -> int:
    """The largest power of two below ``count``."""
    return int(1 << (count - 1).bit_length() - 1)
