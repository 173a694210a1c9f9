"""What auditors do with journals: roots over entries at hand, proofs that an entry is in one (RFC 9162, section 2.1.3),
and whether heads of one member go on from each other.

The tree, and the proofs that nodes make and check themselves, are in engine/trusted/journal.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from engine.errors import Refused, require
from engine.trusted.journal import Hashes, node_hash, tree_root, verify_consistency
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
