"""Vectors kept one by one or added up, and parts put together: whatever arrives, lengths are those of the round."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.coordinator.combine import Combination
from engine.trusted import ring
from engine.trusted.messages import FORWARD_BYTES, BodyKind

WORDS = st.lists(st.integers(0, 2**64 - 1), min_size=3, max_size=3)


@settings(max_examples=50, deadline=None)
@given(st.lists(WORDS, min_size=1, max_size=6))
def test_the_sum_of_the_kept_vectors_is_the_sum_that_is_sent(rows: list[list[int]]) -> None:
    small, large = Combination(24, len(rows)), Combination(24, FORWARD_BYTES)
    names = tuple(f"n{i}" for i in range(len(rows)))
    for name, row in zip(names, rows, strict=True):
        for combination in (small, large):
            combination.add(name, ring.to_bytes(ring.from_integers(row)))
    assert not small.summed
    assert large.summed
    kept = [ring.from_bytes(body) for _, _, body in small.bodies(names)]
    ((kind, sender, total),) = large.bodies(names)
    assert (kind, sender) == (BodyKind.MASKED_VECTOR, "")
    assert ring.to_signed(ring.from_bytes(total)) == ring.to_signed(
        ring.from_integers([sum(c) for c in zip(*rows, strict=True)])
    )
    assert ring.to_signed(sum(kept[1:], start=kept[0])) == ring.to_signed(ring.from_bytes(total))


def test_a_vector_of_another_length_is_not_added() -> None:
    with pytest.raises(ValueError, match="length"):
        Combination(24, 1).add("n", bytes(16))


def test_eight_mebibytes_are_still_forwarded() -> None:
    assert not Combination(FORWARD_BYTES // 4, 4).summed
    assert Combination(FORWARD_BYTES // 4 + 8, 4).summed


def test_sealed_lists_are_of_any_length_and_never_added_up() -> None:
    lists = Combination(None, FORWARD_BYTES)
    lists.add("a", b"short")
    lists.add("b", b"and a longer one")
    assert not lists.summed
    assert [body for _, _, body in lists.bodies(("b", "a"))] == [b"and a longer one", b"short"]
