"""Pseudonyms of a private join: 128 bits a person, equal at both owners, random to everybody without their key.

Claim: distinct ids have distinct pseudonyms (longer ones but for a collision of 120 bits of SHA-256), no dummy has one
       of a person, and what a list in ascending order shows is the set of its pseudonyms, nothing else.
Because: AES-256 is a permutation of blocks; a block is a domain byte, then an id of at most 14 bytes, padded, and its
         length, or the hash of a longer one, or a dummy's number: all of them differ. Order is that of the
         pseudonyms themselves, so it needs no secret and shows none, and a repeated one stands beside itself.
Checked by: tests/trusted_crypto/test_pseudonym.py::test_distinct_ids_have_distinct_pseudonyms
            tests/trusted_crypto/test_pseudonym.py::test_lists_match_as_sets_do
"""

from __future__ import annotations

import enum
from hashlib import sha256

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from numpy.typing import NDArray

from engine.trusted.ring import Vector

Pseudonyms = Vector  # two words a row
Places = NDArray[np.intp]
SHORT = 14  # bytes of an id that fits into a block
MOST_ALIKE = 4  # rows with the same first word: two are rarer than 1e-7 in a million, five come from nobody honest


class Kind(enum.IntEnum):
    """What a pseudonym stands for: the first byte of its block."""

    PERSON = 0
    LONG = 1  # a person whose id is hashed
    MATCHED = 2  # a dummy at both owners
    LEFT = 3  # a dummy of the left owner alone
    RIGHT = 4


_KEPT = [(1 << 8 * length) - 1 for length in range(SHORT + 1)]  # an id's bytes as a number
_LOW = np.array([(kept << 8) % (1 << 64) for kept in _KEPT], dtype=np.uint64)
_HIGH = np.array([(kept << 8) >> 64 for kept in _KEPT], dtype=np.uint64)


def pseudonyms(key: bytes, ends: NDArray[np.int64], text: NDArray[np.uint8]) -> Pseudonyms:
    """Of ids as one text: id i is ``text[ends[i]:ends[i + 1]]``, as Arrow holds them."""
    lengths = np.diff(ends)
    around = np.concatenate((np.zeros(1, np.uint8), text, np.zeros(15, np.uint8)))
    words = np.ndarray((len(around) - 7,), np.uint64, around, strides=(1,))  # eight bytes from every place on
    short = np.minimum(lengths, SHORT)
    blocks = np.empty((len(lengths), 2), dtype=np.uint64)
    blocks[:, 0] = words[ends[:-1]] & _LOW[short]  # the byte before an id makes room for the kind
    blocks[:, 1] = (words[ends[:-1] + 8] & _HIGH[short]) | (short.astype(np.uint64) << np.uint64(56))
    for i in np.flatnonzero(lengths > SHORT).tolist():
        hashed = sha256(text[ends[i] : ends[i + 1]].data).digest()
        blocks[i] = np.frombuffer(bytes([Kind.LONG]) + hashed[:15], dtype=np.uint64)
    return _encrypted(key, blocks)


def dummies(key: bytes, kind: Kind, count: int) -> Pseudonyms:
    """The first ``count`` dummies of one kind."""
    blocks = np.empty((count, 2), dtype=np.uint64)
    blocks[:, 0], blocks[:, 1] = kind, np.arange(count)
    return _encrypted(key, blocks)


def _encrypted(key: bytes, blocks: Pseudonyms) -> Pseudonyms:
    encryptor = Cipher(algorithms.AES256(key), modes.ECB()).encryptor()  # noqa: S305 - each block is a person of its own
    return np.frombuffer(encryptor.update(blocks.tobytes()), dtype=np.uint64).reshape(-1, 2)


def order_of(rows: Pseudonyms) -> Places:
    """The places of ``rows`` in ascending order."""
    first = np.ascontiguousarray(rows[:, 0])
    order = np.argsort(first)
    found = first[order]
    return order if (found[1:] > found[:-1]).all() else np.lexsort((rows[:, 1], first))


def changes_in(rows: Pseudonyms) -> NDArray[np.bool_]:
    """Of each of some rows in ascending order, whether it differs from the one before; the first one does."""
    differs = (rows[1:, 0] != rows[:-1, 0]) | (rows[1:, 1] != rows[:-1, 1])
    return np.append(np.ones(min(len(rows), 1), np.bool_), differs)


def ascend(rows: Pseudonyms) -> bool:
    """Whether each row is above the one before, so that none is repeated, and few share their first word."""
    first, second = rows[:, 0], rows[:, 1]
    above = (first[1:] > first[:-1]) | ((first[1:] == first[:-1]) & (second[1:] > second[:-1]))
    return bool(above.all() and (first[MOST_ALIKE:] != first[:-MOST_ALIKE]).all())


def matches(left: Pseudonyms, right: Pseudonyms) -> tuple[Places, Places]:
    """Where the rows lie that both sides have, on all 128 bits; both sides ``ascend``.

    Claim: every common row is found, and no other.
    Because: a row of the right can only equal one of the left rows with its first word: each is compared, until one
             is the same; there are at most ``MOST_ALIKE``.
    Checked by: tests/trusted_crypto/test_pseudonym.py::test_lists_match_as_sets_do
    """
    first, second = (np.ascontiguousarray(left[:, i]) for i in range(2))
    found = np.full(len(right), -1, dtype=np.intp)
    at, wanted = np.searchsorted(first, right[:, 0]), np.arange(len(right))
    while len(wanted):
        inside = at < len(first)
        at, wanted = at[inside], wanted[inside]
        alike = first[at] == right[wanted, 0]
        at, wanted = at[alike], wanted[alike]
        same = second[at] == right[wanted, 1]
        found[wanted[same]] = at[same]
        at, wanted = at[~same] + 1, wanted[~same]
    both = np.flatnonzero(found >= 0)
    return found[both], both
