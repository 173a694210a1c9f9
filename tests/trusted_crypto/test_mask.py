from __future__ import annotations

import itertools
import time
from hashlib import sha256

import numpy as np
import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.trusted.mask import SEED_BYTES, add_mask, subtract_mask

ROUND = sha256(b"round").digest()


def _seed(number: int) -> bytes:
    return sha256(number.to_bytes(4, "big")).digest()


@settings(max_examples=30, deadline=None, database=None)
@given(
    st.lists(st.lists(st.integers(0, 2**64 - 1), min_size=3, max_size=3), min_size=1, max_size=5),
    st.integers(1, 4),
    st.data(),
)
def test_masks_cancel_for_every_subset(partials: list[list[int]], committee: int, data: st.DataObject) -> None:
    """Sum of the survivors' masked vectors less the members' sums of masks = sum of their partials, mod 2**64."""
    names = [f"node-{i}" for i in range(len(partials))]
    masked = {}
    for i, name in enumerate(names):
        masked[name] = np.array(partials[i], dtype=np.uint64)
        for j in range(committee):
            add_mask(masked[name], _seed(10 * i + j), ROUND, name)
    for size in range(1, len(names) + 1):
        for survivors in itertools.combinations(range(len(names)), size):
            total = np.zeros(3, dtype=np.uint64)
            for i in survivors:
                total += masked[names[i]]
            for j in data.draw(st.permutations(range(committee))):
                for i in survivors:
                    subtract_mask(total, _seed(10 * i + j), ROUND, names[i])
            expected = [sum(partials[i][k] for i in survivors) % 2**64 for k in range(3)]
            assert total.tolist() == expected


@pytest.mark.parametrize("length", [0, 1, 2, 1 << 14, (1 << 14) + 1, 3 << 14, 50_001])
def test_every_length_around_the_chunks_cancels(length: int) -> None:
    vector = np.arange(length, dtype=np.uint64)
    add_mask(vector, _seed(1), ROUND, "a")
    assert length == 0 or vector.tolist() != list(range(length))
    subtract_mask(vector, _seed(1), ROUND, "a")
    assert vector.tolist() == list(range(length))


def test_the_keystream_is_the_specified_one() -> None:
    """HKDF-SHA256 expand of one block, then AES-256-CTR from counter zero, words little-endian, written out here."""
    import hmac

    info = b"splittally.v1.mask\0" + ROUND + "north-é".encode()
    key = hmac.new(_seed(7), info + b"\1", sha256).digest()
    stream = Cipher(algorithms.AES256(key), modes.CTR(bytes(16))).encryptor().update(bytes(8 * 40_000))
    vector = np.zeros(40_000, dtype=np.uint64)
    add_mask(vector, _seed(7), ROUND, "north-é")
    assert vector.astype("<u8").tobytes() == stream
    subtract_mask(vector, _seed(7), ROUND, "north-é")
    assert not vector.any()


def test_other_seeds_rounds_and_nodes_give_unrelated_masks() -> None:
    masks = []
    for seed, round_, node in itertools.product((_seed(1), _seed(2)), (ROUND, bytes(32)), ("a", "b")):
        vector = np.zeros(1000, dtype=np.uint64)
        add_mask(vector, seed, round_, node)
        masks.append(vector)
    for one, two in itertools.combinations(masks, 2):
        assert not np.intersect1d(one, two).size


def test_a_mask_touches_only_the_view_it_is_given() -> None:
    whole = np.zeros(100, dtype=np.uint64)
    add_mask(whole[10:90], _seed(1), ROUND, "a")
    assert not whole[:10].any()
    assert not whole[90:].any()
    assert whole[10:90].all()


@pytest.mark.parametrize(
    ("dtype", "seed", "round_"), [(np.int64, 32, 32), (np.uint64, SEED_BYTES - 1, 32), (np.uint64, SEED_BYTES, 31)]
)
def test_wrong_shapes_are_our_mistake(dtype: type, seed: int, round_: int) -> None:
    with pytest.raises(ValueError, match="uint64"):
        add_mask(np.zeros(3, dtype=dtype), bytes(seed), bytes(round_), "a")


def test_a_million_cells_take_less_than_20_ms() -> None:
    vector = np.zeros(1_000_000, dtype=np.uint64)
    took = []
    for _ in range(10):
        start = time.perf_counter()
        add_mask(vector, _seed(1), ROUND, "a")
        took.append(time.perf_counter() - start)
    assert min(took) < 0.020
