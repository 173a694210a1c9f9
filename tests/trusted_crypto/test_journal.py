from __future__ import annotations

from dataclasses import replace
from hashlib import sha256

import pytest

from engine.errors import Refused
from engine.governance import proofs
from engine.trusted import journal
from engine.trusted.messages import ConsistencyProof
from engine.trusted.records import JournalHead

# The test vectors that Certificate Transparency implementations publish for RFC 6962 and RFC 9162 trees.
LEAVES = [bytes.fromhex(h) for h in (
    "", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f",
)]  # fmt: skip
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
INCLUSION = {  # (leaf from 1, size) -> path
    (1, 1): [],
    (1, 8): [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
    (6, 8): [
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
    (3, 3): ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"],
    (2, 5): [
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ],
}
CONSISTENCY = {
    (1, 1): [],
    (1, 8): [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
    (6, 8): [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
    (2, 5): [
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ],
}


def _tree(size: int) -> tuple[list[bytes], journal.Hashes]:
    leaves = [journal.leaf_hash(bytes([i])) for i in range(size)]
    return leaves, proofs.stored_in(leaves)


def _plain_root(leaves: list[bytes]) -> bytes:
    """Section 2.1.1, as written there."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    k = 1
    while 2 * k < len(leaves):
        k *= 2
    return sha256(b"\1" + _plain_root(leaves[:k]) + _plain_root(leaves[k:])).digest()


def test_the_published_vectors() -> None:
    leaves = [journal.leaf_hash(entry) for entry in LEAVES]
    hashes = proofs.stored_in(leaves)
    assert proofs.root([]).hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    for size, root in enumerate(ROOTS, 1):
        assert proofs.root(leaves[:size]).hex() == root
    for (leaf, size), path in INCLUSION.items():
        assert [p.hex() for p in journal.inclusion_path(leaf - 1, size, hashes)] == path
    for (old, size), path in CONSISTENCY.items():
        assert [p.hex() for p in journal.consistency_path(old, size, hashes)] == path


def test_roots_are_those_of_the_recursive_definition() -> None:
    for size in range(70):
        leaves, hashes = _tree(size)
        assert proofs.root(leaves) == journal.tree_root(size, hashes) == _plain_root(leaves)


def test_stored_subtrees_are_completed_one_leaf_at_a_time() -> None:
    leaves, whole = _tree(70)
    stored: dict[tuple[int, int], bytes] = {}
    for index, leaf in enumerate(leaves):
        for level, at, found in journal.completed(index, leaf, lambda *key: stored[key]):
            assert found == whole(level, at)
            stored[level, at] = found
        assert journal.tree_root(index + 1, lambda *key: stored[key]) == _plain_root(leaves[: index + 1])


def test_every_proof_of_small_trees_and_no_other_verifies() -> None:
    leaves, hashes = _tree(20)
    roots = [proofs.root(leaves[:size]) for size in range(21)]
    for size in range(1, 21):
        for index in range(size):
            path = journal.inclusion_path(index, size, hashes)
            proofs.verify_inclusion(leaves[index], index, size, path, roots[size])
            for wrong in range(21):
                for other_size in {size, wrong or 1}:
                    if (wrong, other_size) == (index, size) or _same_shape(index, size, wrong, other_size):
                        continue
                    with pytest.raises(Refused, match="POLICY_PROOF_INVALID"):
                        proofs.verify_inclusion(leaves[index], wrong, other_size, path, roots[size])
    for size in range(21):
        for old in range(size + 1):
            path = journal.consistency_path(old, size, hashes)
            journal.verify_consistency(old, size, roots[old], roots[size], path)
            for wrong in range(21):
                if wrong != old:
                    with pytest.raises(Refused, match="POLICY_PROOF_INVALID"):
                        journal.verify_consistency(old, size, roots[wrong], roots[size], path)
                if wrong != size and old:
                    with pytest.raises(Refused, match="POLICY_PROOF_INVALID"):
                        journal.verify_consistency(old, size, roots[old], roots[wrong], path)


def _same_shape(index: int, size: int, wrong: int, other: int) -> bool:
    """Whether two positions take the same turns up to the root: a path alone cannot tell their sizes apart."""

    def turns(at: int, count: int) -> list[bool] | None:
        found: list[bool] = []
        at, last = at, count - 1
        if not 0 <= at <= last:
            return None
        while last:
            if at % 2 or at < last:
                found.append(bool(at % 2))
            at, last = at // 2, last // 2
        return found

    return turns(index, size) == turns(wrong, other)


def test_changed_longer_and_shorter_proofs_are_refused() -> None:
    leaves, hashes = _tree(13)
    root, old_root = proofs.root(leaves), proofs.root(leaves[:6])
    inclusion, consistency = journal.inclusion_path(9, 13, hashes), journal.consistency_path(6, 13, hashes)

    def variants(path: tuple[bytes, ...]) -> list[tuple[bytes, ...]]:
        changed = [(*path[:i], sha256(path[i]).digest(), *path[i + 1 :]) for i in range(len(path))]
        return [*changed, path[:-1], path[1:], (*path, bytes(32)), (bytes(32), *path), path[::-1], ()]

    for path in variants(inclusion):
        with pytest.raises(Refused, match="POLICY_PROOF_INVALID"):
            proofs.verify_inclusion(leaves[9], 9, 13, path, root)
    for path in variants(consistency):
        with pytest.raises(Refused, match="POLICY_PROOF_INVALID"):
            journal.verify_consistency(6, 13, old_root, root, path)


@pytest.mark.parametrize(("index", "size"), [(-1, 3), (3, 3), (0, 0)])
def test_positions_outside_the_tree(index: int, size: int) -> None:
    leaves, hashes = _tree(3)
    with pytest.raises(ValueError, match="leaf"):
        journal.inclusion_path(index, size, hashes)
    with pytest.raises(Refused, match="POLICY_PROOF_INVALID"):
        proofs.verify_inclusion(leaves[0], index, size, (), leaves[0])


@pytest.mark.parametrize(("old", "size"), [(4, 3), (-1, 3)])
def test_a_journal_that_shrank_is_refused(old: int, size: int) -> None:
    leaves, hashes = _tree(4)
    with pytest.raises(ValueError, match="larger"):
        journal.consistency_path(old, size, hashes)
    with pytest.raises(Refused, match="POLICY_PROOF_INVALID"):
        journal.verify_consistency(old, size, proofs.root(leaves), proofs.root(leaves[:3]), [leaves[0]])


def test_a_proof_of_a_smaller_tree_is_none_of_a_larger_one() -> None:
    leaves, hashes = _tree(8)
    old_root, root, path = proofs.root(leaves[:4]), proofs.root(leaves), journal.consistency_path(4, 8, hashes)
    journal.verify_consistency(4, 8, old_root, root, path)
    for size in (9, 16, 17, 32):
        with pytest.raises(Refused, match="POLICY_PROOF_INVALID"):
            journal.verify_consistency(4, size, old_root, root, path)


def test_a_proof_stays_small() -> None:
    leaves = [journal.leaf_hash(i.to_bytes(4, "big")) for i in range(5000)]
    hashes = proofs.stored_in(leaves)
    assert max(len(journal.consistency_path(old, 5000, hashes)) for old in range(1, 5000, 37)) <= 14
    assert max(len(journal.inclusion_path(at, 5000, hashes)) for at in range(0, 5000, 37)) <= 13


def test_a_leaf_is_no_node() -> None:
    left, right = journal.leaf_hash(b"a"), journal.leaf_hash(b"b")
    assert journal.leaf_hash(left + right) != journal.node_hash(left, right)


def test_a_fork_is_refused() -> None:
    """South's journal as north sees it: growth with a proof is kept, any other history is not."""
    leaves, hashes = _tree(20)
    forked = [*leaves[:9], *(journal.leaf_hash(bytes([100 + i])) for i in range(11))]
    other = proofs.stored_in(forked)

    def head(leaves: list[bytes], size: int) -> JournalHead:
        return JournalHead("south", size, proofs.root(leaves[:size]), bytes(32))

    def proof(old: int, new: int, tree: journal.Hashes = hashes) -> ConsistencyProof:
        return ConsistencyProof("south", old, journal.consistency_path(old, new, tree))

    held: list[JournalHead] = []
    for found, proved in (
        (head(leaves, 8), None),
        (head(leaves, 8), None),
        (head(leaves, 12), proof(8, 12)),
        (head(leaves, 10), proof(10, 12)),  # overtaken on its way
        (head(leaves, 8), None),
    ):
        proofs.require_extension(held, found, proved)
        held.append(found)
    for found, proved, code in (
        (head(forked, 12), None, "POLICY_HEAD_FORKED"),
        (head(forked, 12), proof(8, 12, other), "POLICY_HEAD_FORKED"),
        (head(forked, 10), proof(10, 12, other), "POLICY_HEAD_FORKED"),
        (head(forked, 15), proof(12, 15, other), "POLICY_PROOF_INVALID"),
        (head(forked, 15), proof(8, 15, other), "POLICY_PROOF_INVALID"),
        (head(forked, 11), proof(11, 12, other), "POLICY_PROOF_INVALID"),
        (head(leaves, 15), None, "POLICY_PROOF_INVALID"),
        (head(leaves, 15), proof(8, 15), "POLICY_PROOF_INVALID"),
        (head(leaves, 9), None, "POLICY_PROOF_INVALID"),
        (replace(head(leaves, 12), totals_digest=b"\1" * 32), None, "POLICY_HEAD_FORKED"),
    ):
        with pytest.raises(Refused, match=code):
            proofs.require_extension(held, found, proved)
