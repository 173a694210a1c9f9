"""Replicated shares: exact products, uniform views, zero shares that need one transcript; attacks defeated."""

from __future__ import annotations

import itertools
from hashlib import sha256
from typing import Any

import numpy as np
import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from engine.trusted.keystream import Keystream
from engine.trusted.replicated import FEW, part_of, product, third_share, zero_share
from engine.trusted.ring import MODULUS, Vector

LARGEST = MODULUS - 1


def seed(name: object) -> bytes:
    return sha256(repr(name).encode()).digest()


def shares_of(rows: Vector, name: str) -> list[Vector]:
    """The three shares of some rows, as an owner makes them."""
    seeds = [seed((name, i)) for i in (1, 2)]
    streams = [Keystream(s).words(rows.size).reshape(rows.shape) for s in seeds]
    return [*streams, third_share(rows.copy(), seeds, 0)]


def test_the_keystream_is_the_specified_one_from_any_place() -> None:
    whole = Cipher(algorithms.AES256(seed(1)), modes.CTR(bytes(16))).encryptor().update(bytes(8 * 100_000))
    words = np.frombuffer(whole, dtype="<u8")
    for start, count in [(0, 100_000), (0, 0), (1, 0), (1, 1), (2, 3), (16_383, 16_386), (99_999, 1), (7, 65_536)]:
        assert (Keystream(seed(1), start).words(count) == words[start : start + count]).all()


def exact(x: Vector, y: Vector) -> list[list[int]]:
    """X^T Y mod 2^64 in Python's own integers."""
    a, b = x.tolist(), y.tolist()
    cells = [[0] * y.shape[1] for _ in range(x.shape[1])]
    for r, s in zip(a, b, strict=True):
        for i, u in enumerate(r):
            for j, v in enumerate(s):
                cells[i][j] = (cells[i][j] + u * v) % MODULUS
    return cells


@pytest.mark.parametrize("width", [(0, 3), (1, 1), (3, FEW), (FEW + 1, FEW + 1), (FEW + 1, 1), (2, 19), (20, 11)])
@pytest.mark.parametrize("rows", [0, 1, 2, 511, 512, 513, 1_100])
def test_products_equal_those_of_python_integers(width: tuple[int, int], rows: int) -> None:
    rng = np.random.default_rng(rows)
    for low in (0, LARGEST):  # random words; and the largest, which need every bit of the floats
        x, y = (rng.integers(low, LARGEST, (rows, w), dtype=np.uint64, endpoint=True) for w in width)
        assert product(x, y).tolist() == exact(x, y)


def test_limbs_hold_where_one_row_more_would_not() -> None:
    """512 products of the largest limbs stay below 2^53; the sum of many more would not be a double."""
    largest = (1 << 22) - 1
    assert 512 * largest**2 < 1 << 53 < 520 * largest**2
    x = np.full((4_096, FEW + 2), largest, dtype=np.uint64)
    assert (product(x, x) == 4_096 * largest**2).all()


@pytest.mark.parametrize(("rows", "left", "right"), [(0, 2, 2), (1, 1, 1), (40, 3, 2), (700, 9, 8)])
def test_parts_sum_to_the_product(rows: int, left: int, right: int) -> None:
    rng = np.random.default_rng(left)
    x, y = (rng.integers(0, LARGEST, (rows, w), dtype=np.uint64) for w in (left, right))
    a, b = shares_of(x, "x"), shares_of(y, "y")
    parts = [part_of(a[p], a[(p + 1) % 3], b[p], b[(p + 1) % 3]) for p in range(3)]
    assert (sum(parts, np.zeros((left, right), np.uint64)) == product(x, y)).all()
    assert rows == 0 or not any((part == product(x, y)).all() for part in parts)


def chi_square(words: Vector) -> float:
    """Of the bytes of some words against uniform, in standard deviations of its law (255 degrees of freedom)."""
    counts = np.bincount(words.view(np.uint8), minlength=256)
    expected = words.nbytes / 256
    return float((((counts - expected) ** 2 / expected).sum() - 255) / np.sqrt(2 * 255))


MOST = 9.0  # false alarm below 1e-10: P[X - d >= 2 sqrt(d t) + 2 t] <= exp(-t) (Laurent, Massart 2000), t = 23.7


def test_each_share_is_uniform() -> None:
    """Every share of rows that are nearly all zero, in each of its 8 bytes. A share that was not masked, or masked by
    one byte too few, is far outside."""
    rows = np.zeros((50_000, 4), dtype=np.uint64)
    rows[::2, 1] = 1
    for share in shares_of(rows, "u"):
        assert chi_square(share.reshape(-1)) < MOST
        for byte in range(8):
            lane = np.ascontiguousarray(share.reshape(-1).view(np.uint8)[byte::8])
            assert chi_square(np.resize(lane, lane.size // 8 * 8).view(np.uint64)) < MOST
    planted = rows.reshape(-1).copy()
    assert chi_square(planted) > 100 * MOST
    masked = Keystream(seed("u")).words(rows.size) & np.uint64((1 << 56) - 1)  # the top byte is left out
    assert chi_square(masked) > MOST


def test_two_shares_say_nothing_about_a_third_row() -> None:
    """The pair that one helper holds is the same, bit for bit in law, for two different rows: differences of shares of
    different rows under fresh seeds are uniform for every pair."""
    one, two = (np.full((20_000, 2), value, dtype=np.uint64) for value in (0, 1 << 40))
    for p, q in itertools.combinations(range(3), 2):
        a, b = shares_of(one, "one"), shares_of(two, "two")
        assert chi_square((a[p] - b[p]).reshape(-1)) < MOST
        assert chi_square((a[p] + a[q] - b[p] - b[q]).reshape(-1)) < MOST


def zeros(transcripts: list[bytes], count: int = 1_000) -> Vector:
    keys = [seed(("pair", p)) for p in range(3)]  # keys[p]: between p and the next
    shares = [zero_share(keys[p], keys[(p + 2) % 3], transcripts[p], count) for p in range(3)]
    return np.sum(shares, axis=0, dtype=np.uint64)


@pytest.mark.parametrize("odd", [None, 0, 1, 2])
def test_zero_shares_cancel_with_equal_transcripts_only(odd: int | None) -> None:
    transcripts = [b"same"] * 3
    if odd is not None:
        transcripts[odd] = b"other"
    left = zeros(transcripts, 20_000)
    if odd is None:
        assert not left.any()
    else:
        assert chi_square(left) < MOST
        assert left.all()


class Equivocation:
    """A left owner that shows helper 2 one row more than helpers 1 and 3, and sees the answer together with helper 1.

    ``bound``: the zero shares bind what each helper saw; ``False`` is the careless protocol."""

    value = 777_123  # of the person on the right

    def __init__(self, bound: bool) -> None:
        self.u = [Keystream(seed(("u", i))).words(1) for i in range(2)]
        self.v = [Keystream(seed(("v", i))).words(1) for i in range(2)]
        self.u.append(np.array([1], np.uint64) - self.u[0] - self.u[1])
        self.v.append(np.array([self.value], np.uint64) - self.v[0] - self.v[1])
        second = part_of(*(w.reshape(1, 1) for w in (self.u[1], self.u[2], self.v[1], self.v[2]))).reshape(1)
        noise = np.array([1_234], np.uint64)
        transcripts = [b"few", b"one more", b"few"] if bound else [b"same"] * 3
        self.seen = second + noise + zeros(transcripts, 1)

    def guess(self) -> int:
        """The value for which what is left of the answer is smallest: helper 1 knows shares 1 and 2, and guesses u."""
        u0, u1, v0, v1 = self.u[0], self.u[1], self.v[0], self.v[1]
        known = u1 * v1 - u1 * (v0 + v1) - v1 * (u0 + u1) + v1
        candidates = np.arange(1 << 20, dtype=np.uint64)
        left = (self.seen - known - u1 * candidates).view(np.int64)
        return int(candidates[np.argmin(np.abs(left))])


def test_a_list_shown_to_one_helper_alone_reveals_nothing() -> None:
    assert Equivocation(bound=False).guess() == Equivocation.value  # the attack works where nothing is bound
    assert Equivocation(bound=True).guess() != Equivocation.value


def test_wrong_seeds_are_our_mistake() -> None:
    wrong: Any = bytes(16)
    with pytest.raises(ValueError, match="key"):
        Keystream(wrong).words(1)
