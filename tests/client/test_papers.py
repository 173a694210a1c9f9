"""Which agreement is meant: one rule for names and beginnings of digests, wherever people name one."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

import pytest

from engine.client.papers import meant
from engine.errors import Refused
from engine.trusted.records import Agreement

HELD = {
    bytes.fromhex("abcdef01" + "00" * 28): "benefits",
    bytes.fromhex("abcdef02" + "00" * 28): "schools",
    bytes.fromhex("12345678" + "00" * 28): "twice",
    bytes.fromhex("87654321" + "00" * 28): "twice",
    bytes.fromhex("99999999" + "00" * 28): "abcdef02",
}
NONE, SHORT, NAME, CHOICE = (f"POLICY_AGREEMENT_{end}" for end in ("NONE", "SHORT", "NAME", "CHOICE"))


def found(held: dict[bytes, str], wanted: str | None) -> str:
    """The beginning of the digest found, or the code of the refusal."""
    papers = {d: cast(Agreement, SimpleNamespace(name=name, edition=1)) for d, name in held.items()}
    try:
        return meant(papers, "ann", wanted)[0].hex()[:8]
    except Refused as refused:
        assert refused.hint and "…" not in str(refused)
        return refused.code


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ("benefits", "abcdef01"),
        ("Benefits", NAME),
        ("abcdef01", "abcdef01"),
        ("ABCDEF01", "abcdef01"),
        ("123456", "12345678"),
        ("12345", SHORT),
        ("1", SHORT),
        ("", SHORT),
        ("abcdef", CHOICE),
        ("abcdef02", "99999999"),  # a name goes before the beginning of a digest
        ("twice", CHOICE),
        ("abcdee", NAME),
        ("abcde%", NAME),
        ("no such thing", NAME),
        (None, CHOICE),
    ],
)
def test_a_name_or_the_beginning_of_a_digest(wanted: str | None, expected: str) -> None:
    assert found(HELD, wanted) == expected


def test_without_a_name_it_is_the_only_one() -> None:
    [one, *_] = HELD.items()
    assert found(dict([one]), None) == "abcdef01"
    assert found({}, None) == NONE
