from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import Refused
from engine.trusted import ring

INT64 = st.integers(-(2**63), 2**63 - 1)
FEW = settings(max_examples=50, deadline=None)


def _wrapped(value: int) -> int:
    return (value + 2**63) % 2**64 - 2**63


@FEW
@given(st.lists(st.tuples(INT64, INT64), max_size=20))
def test_sums_are_exact_modulo_two_to_the_64(pairs: list[tuple[int, int]]) -> None:
    a, b = ring.from_integers([p[0] for p in pairs]), ring.from_integers([p[1] for p in pairs])
    assert ring.to_signed(a) == tuple(p[0] for p in pairs)
    assert ring.to_signed(ring.add(a, b)) == tuple(_wrapped(x + y) for x, y in pairs)
    assert ring.to_signed(ring.subtract(a, b)) == tuple(_wrapped(x - y) for x, y in pairs)


@FEW
@given(st.lists(INT64, max_size=20))
def test_bytes_are_little_endian_and_come_back(values: list[int]) -> None:
    vector = ring.from_integers(values)
    body = ring.to_bytes(vector)
    assert body == b"".join((v % 2**64).to_bytes(8, "little") for v in values)
    assert ring.to_signed(ring.from_bytes(body)) == tuple(values)


def test_half_an_element_is_refused() -> None:
    with pytest.raises(Refused, match="POLICY_WIRE_INVALID"):
        ring.from_bytes(bytes(12))
