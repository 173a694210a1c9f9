from __future__ import annotations

from typing import Any

import pytest

from engine.errors import Refused
from engine.trusted.mask import seed_info
from engine.trusted.random import SystemRandomness
from engine.trusted.seal import SealingKey, seal

OVERHEAD = 48  # encapsulated key and tag


@pytest.mark.parametrize("length", [0, 1, 32, 100_000])
def test_only_the_same_key_and_info_open_it(randomness: Any, length: int) -> None:
    key, other, payload = (
        SealingKey.from_raw(randomness.bytes(32)),
        SealingKey.from_raw(randomness.bytes(32)),
        bytes(length),
    )
    sealed = seal(payload, key.public, b"for a")
    assert key.open(sealed, b"for a") == payload
    assert len(sealed) == length + OVERHEAD
    assert seal(payload, key.public, b"for a") != sealed
    for wrong, info in ((key, b"for b"), (key, b""), (other, b"for a")):
        with pytest.raises(Refused, match="POLICY_SEAL_INVALID"):
            wrong.open(sealed, info)


def test_any_changed_or_missing_byte_is_refused(randomness: Any) -> None:
    key = SealingKey.from_raw(randomness.bytes(32))
    sealed = seal(b"seed", key.public, b"i")
    changed = [sealed[:at] + bytes([sealed[at] ^ 1]) + sealed[at + 1 :] for at in range(len(sealed))]
    for wrong in (*changed, *(sealed[:at] for at in range(len(sealed))), sealed + b"\0"):
        with pytest.raises(Refused, match="POLICY_SEAL_INVALID"):
            key.open(wrong, b"i")


@pytest.mark.parametrize("public", [b"", bytes(31), bytes(33), bytes(32)], ids=["empty", "short", "long", "zero"])
def test_a_public_key_that_is_none_is_refused(public: bytes) -> None:
    with pytest.raises(Refused, match="POLICY_SEAL_INVALID"):
        seal(b"seed", public, b"i")


def test_the_text_of_a_key_shows_nothing() -> None:
    raw = SystemRandomness().bytes(32)
    key = SealingKey.from_raw(raw)
    assert repr(key) == str(key) == "SealingKey()"
    assert SealingKey.from_raw(raw).public == key.public


def test_the_info_of_a_seed_names_round_node_and_member_apart() -> None:
    infos = {
        seed_info(round_, node, member)
        for round_ in (bytes(32), b"\1" * 32)
        for node, member in (("ab", "c"), ("a", "bc"), ("", "abc"), ("abc", ""), ("c", "ab"))
    }
    assert len(infos) == 10


def test_two_keys_share_a_secret_bound_to_its_purpose(randomness: Any) -> None:
    a, b, c = (SealingKey.from_raw(randomness.bytes(32)) for _ in range(3))
    assert a.shared(b.public, b"x") == b.shared(a.public, b"x")
    secrets = [a.shared(b.public, b"x"), a.shared(b.public, b"y"), a.shared(c.public, b"x"), b.shared(c.public, b"x")]
    assert len(set(secrets)) == len(secrets)
    assert {len(s) for s in secrets} == {32}
    for none in (bytes(32), (1).to_bytes(32, "little"), bytes(31), b""):
        with pytest.raises(Refused, match="POLICY_SEAL_INVALID"):
            a.shared(none, b"x")
