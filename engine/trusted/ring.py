"""Vectors of integers modulo 2^64, as numpy uint64 (little endian on the wire).

Claim: every function is exact arithmetic modulo 2^64; ``to_signed`` inverts ``from_integers`` for integers in
       [-2^63, 2^63).
Because: numpy's unsigned addition and subtraction wrap, and two's complement is the representative nearest to 0.
Checked by: tests/trusted_numerics/test_ring.py::test_sums_are_exact_modulo_two_to_the_64
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from engine.errors import require

Vector = npt.NDArray[np.uint64]
MODULUS = 1 << 64


def from_integers(values: Sequence[int]) -> Vector:
    """Integers of any size, reduced modulo 2^64."""
    return np.array([value % MODULUS for value in values], dtype=np.uint64)


def to_signed(vector: Vector) -> tuple[int, ...]:
    """The representatives in [-2^63, 2^63), as Python integers."""
    return tuple(vector.view(np.int64).tolist())


def add(a: Vector, b: Vector) -> Vector:
    return np.add(a, b)


def subtract(a: Vector, b: Vector) -> Vector:
    return np.subtract(a, b)


def to_bytes(vector: Vector) -> bytes:
    """8 bytes an element, little endian."""
    return vector.astype("<u8").tobytes()


def from_bytes(payload: bytes) -> Vector:
    """Inverse of ``to_bytes``. Raises Refused POLICY_WIRE_INVALID unless a whole number of elements."""
    require(len(payload) % 8 == 0, "POLICY_WIRE_INVALID", internal=f"vector of {len(payload)} bytes")
    return np.frombuffer(payload, dtype="<u8").astype(np.uint64)
