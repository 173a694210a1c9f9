"""Replicated sharing among three helpers: shares of rows, products of shares, and sums that nobody but three can open.

A row x is x1 + x2 + x3 mod 2^64. Helper p holds xp and x(p+1); 1 and 2 are keystreams, 3 is what they leave.

Claim: one helper's two shares are uniform mod 2^64, independent of the rows; the three helpers' parts sum to X^T Y
       exactly; their zero shares sum to 0 if and only if all three saw the same transcript, and two helpers that saw
       different ones add a uniform vector unknown to everybody else.
Because: a share that one helper lacks is a keystream (AES-256-CTR) under a seed it was not given, or masked by one;
         x_p y_p + x_p y_(p+1) + x_(p+1) y_p over p = 1, 2, 3 is every product once, and the ring's arithmetic wraps;
         zero shares are keystreams under HKDF of a key that two helpers share, bound to the transcript: each is added
         by one of the two and subtracted by the other.
Checked by: tests/trusted_crypto/test_replicated.py::test_parts_sum_to_the_product
            tests/trusted_crypto/test_replicated.py::test_products_equal_those_of_python_integers
            tests/trusted_crypto/test_replicated.py::test_each_share_is_uniform
            tests/trusted_crypto/test_replicated.py::test_zero_shares_cancel_with_equal_transcripts_only
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand
from numpy.typing import NDArray

from engine.trusted.keystream import Keystream
from engine.trusted.ring import Vector

SEED_BYTES = 32
FEW = 6  # columns up to which multiply-add is not slower than limbs
_LIMB = 22  # bits: three limbs make 66
_EXACT = 512  # rows whose products of limbs sum to at most 512 * (2^22 - 1)^2 < 2^53


def third_share(rows: Vector, seeds: Sequence[bytes], start: int) -> Vector:
    """What the keystreams leave of ``rows``, which begin at word ``start`` of the whole; in place, and returned."""
    for seed in seeds:
        np.subtract(rows, Keystream(seed, start).words(rows.size).reshape(rows.shape), out=rows)
    return rows


def part_of(first_x: Vector, next_x: Vector, first_y: Vector, next_y: Vector) -> Vector:
    """One helper's part of X^T Y from its two shares of each: a row a person, equal numbers of rows."""
    return product(first_x, first_y + next_y) + product(next_x, first_y)


def product(x: Vector, y: Vector) -> Vector:
    """X^T Y mod 2^64, exactly: (rows, a) and (rows, b) give (a, b).

    Claim: every cell is the sum of products mod 2^64; the floats in it are whole numbers below 2^53.
    Because: few columns are multiplied and added as integers that wrap. Of many, each number is cut into limbs of at
             most 22 bits; a product of two is below 2^44, a sum of 512 below 2^53, so double arithmetic is exact in
             whatever order and with fused steps or not. Six products of limbs make up the first 64 bits; those of
             limbs i + j > 2 are multiples of 2^66.
    Checked by: tests/trusted_crypto/test_replicated.py::test_products_equal_those_of_python_integers
    """
    if y.shape[1] <= FEW:
        columns = [np.einsum("ij,i->j", x, np.ascontiguousarray(y[:, j])) for j in range(y.shape[1])]
        return np.stack(columns, axis=1) if columns else np.zeros((x.shape[1], 0), dtype=np.uint64)
    if x.shape[1] <= FEW:
        return product(y, x).T
    total = np.zeros((x.shape[1], y.shape[1]), dtype=np.uint64)
    for start in range(0, len(x), _EXACT):
        a, b = _limbs(x[start : start + _EXACT]), _limbs(y[start : start + _EXACT])
        for place in range(3):
            for i in range(place + 1):
                total += (a[i].T @ b[place - i]).astype(np.uint64) << np.uint64(_LIMB * place)
    return total


def _limbs(words: Vector) -> list[NDArray[np.float64]]:
    kept = np.uint64((1 << _LIMB) - 1)
    return [((words >> np.uint64(_LIMB * place)) & kept).astype(np.float64) for place in range(3)]


def zero_share(key_with_next: bytes, key_with_previous: bytes, transcript: bytes, count: int) -> Vector:
    """``count`` words that cancel with those of the other two helpers, if they saw the same ``transcript``."""
    own, theirs = (
        Keystream(HKDFExpand(hashes.SHA256(), SEED_BYTES, b"splittally.v1.zero\0" + transcript).derive(key)).words(
            count
        )
        for key in (key_with_next, key_with_previous)
    )
    return own - theirs
