"""Pseudonyms: as many as there are ids, matched as sets are, in an order that anybody can check."""

from __future__ import annotations

from hashlib import sha256

import numpy as np
import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.trusted.pseudonym import (
    MOST_ALIKE,
    SHORT,
    Kind,
    Pseudonyms,
    ascend,
    changes_in,
    dummies,
    matches,
    order_of,
    pseudonyms,
)

KEY = sha256(b"key").digest()


def of(ids: list[str], key: bytes = KEY) -> Pseudonyms:
    encoded = [i.encode() for i in ids]
    ends = np.cumsum([0, *map(len, encoded)], dtype=np.int64)
    return pseudonyms(key, ends, np.frombuffer(b"".join(encoded), dtype=np.uint8))


def specified(kind: int, body: bytes) -> bytes:
    """The block written out here: kind, body padded to 14 bytes, its length."""
    block = bytes([kind]) + body.ljust(SHORT, b"\0") + bytes([len(body)])
    return Cipher(algorithms.AES256(KEY), modes.ECB()).encryptor().update(block)  # noqa: S305


IDS = ["", "a", "b", "ab", "a\0", "a\0\0", "AB123456C", "x" * 13, "x" * 14, "x" * 15, "x" * 16, "é" * 7, "é" * 8]


def test_pseudonyms_are_the_specified_ones() -> None:
    for ids in ([i] for i in IDS):
        (identifier,) = ids
        body = identifier.encode()
        block = specified(Kind.PERSON, body)
        if len(body) > SHORT:
            hashed = bytes([Kind.LONG]) + sha256(body).digest()[:15]
            block = Cipher(algorithms.AES256(KEY), modes.ECB()).encryptor().update(hashed)  # noqa: S305
        assert of(ids).tobytes() == block
    assert of(IDS).tobytes() == b"".join(of([i]).tobytes() for i in IDS)


@settings(max_examples=200, deadline=None, database=None)
@given(st.lists(st.text(st.characters(codec="utf-8"), max_size=20), max_size=30))
def test_distinct_ids_have_distinct_pseudonyms(ids: list[str]) -> None:
    """And equal ones equal, wherever they stand; no dummy has a person's, nor another dummy's."""
    found = of(ids)
    by_id: dict[str, bytes] = {}
    for i, row in zip(ids, found, strict=True):
        assert by_id.setdefault(i, row.tobytes()) == row.tobytes()
    others = [d.tobytes() for kind in (Kind.MATCHED, Kind.LEFT, Kind.RIGHT) for d in dummies(KEY, kind, 50)]
    assert len({*by_id.values(), *others}) == len(by_id) + len(others)


def test_every_near_id_differs() -> None:
    """Ids that a careless padding would confuse: all of up to two bytes, at every length around the block's end."""
    ends = [f"{tail}" for tail in ("", "\0", "\0\0", "0", "00", "\1")]
    ids = ["x" * length + tail for length in range(18) for tail in ends]
    distinct = set(ids)
    assert len({row.tobytes() for row in of(sorted(distinct))}) == len(distinct)


def test_another_key_gives_unrelated_pseudonyms() -> None:
    ids = [f"p{i}" for i in range(1000)]
    assert not {r.tobytes() for r in of(ids)} & {r.tobytes() for r in of(ids, bytes(32))}


SMALL = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 5)), max_size=24, unique=True)


def rows(pairs: list[tuple[int, int]]) -> Pseudonyms:
    found = np.array(pairs, dtype=np.uint64).reshape(-1, 2)
    return found[order_of(found)]


@settings(max_examples=300, deadline=None, database=None)
@given(SMALL, SMALL)
def test_lists_match_as_sets_do(left: list[tuple[int, int]], right: list[tuple[int, int]]) -> None:
    """Words so few that many rows share their first one: all 128 bits count."""
    a, b = rows(left), rows(right)
    if not (ascend(a) and ascend(b)):
        assert max(map([r[0] for r in left + right].count, range(4))) > MOST_ALIKE
        return
    at_a, at_b = matches(a, b)
    assert (a[at_a] == b[at_b]).all()
    assert {tuple(r) for r in a[at_a].tolist()} == set(left) & set(right)
    assert len(at_a) == len(set(left) & set(right))
    assert (np.diff(at_a) > 0).all()
    assert (np.diff(at_b) > 0).all()


def test_long_lists_match() -> None:
    ids = np.random.default_rng(5).permutation(150_000)
    a, b = (of([f"{i:09d}" for i in part]) for part in (ids[:100_000], ids[50_000:]))
    at_a, at_b = matches(a[order_of(a)], b[order_of(b)])
    assert len(at_a) == len(at_b) == 50_000


@pytest.mark.parametrize(
    ("pairs", "fine"),
    [
        ([], True),
        ([(1, 1)], True),
        ([(1, 1), (1, 2), (2, 0)], True),
        ([(1, 1), (1, 1)], False),
        ([(1, 2), (1, 1)], False),
        ([(2, 0), (1, 9)], False),
        ([(7, i) for i in range(MOST_ALIKE)], True),
        ([(7, i) for i in range(MOST_ALIKE + 1)], False),
    ],
)
def test_a_repeated_or_misplaced_row_is_seen(pairs: list[tuple[int, int]], fine: bool) -> None:
    assert ascend(np.array(pairs, dtype=np.uint64).reshape(-1, 2)) is fine


def test_changes_mark_the_first_row_of_each_pseudonym() -> None:
    found = np.array([(1, 1), (1, 1), (1, 2), (3, 2), (3, 2)], dtype=np.uint64)
    assert changes_in(found).tolist() == [True, False, True, True, False]
    assert changes_in(found[:0]).tolist() == []
