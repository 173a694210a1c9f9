"""Sealed parts wait in files: bounded, in order, and gone when their round is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from engine.trusted.messages import Relay
from nodes import spool
from nodes.spool import ROUNDS, Spool

ROUND, OTHER = b"1" * 32, b"2" * 32
PART = Relay(ROUND, "tax", "h1", 0, False, b"sealed")


@pytest.fixture
def held(tmp_path: Path) -> Spool:
    return Spool(tmp_path / "spool", "h1")


def test_parts_come_back_in_order_and_by_sender(held: Spool) -> None:
    parts = [replace(PART, sequence=i, last=i == 2, sealed=bytes([i]) * i) for i in range(3)]
    for part in parts:
        held.add(part, 1_000)
        held.add(replace(part, sender="../welfare"), 1_000)
    assert list(held.relays(ROUND, "tax")) == parts
    assert list(held.relays(ROUND, "../welfare")) == [replace(part, sender="../welfare") for part in parts]
    assert list(held.relays(OTHER, "tax")) == []


def test_a_spool_is_bounded_and_leaves_nothing_behind(held: Spool, tmp_path: Path) -> None:
    """Bytes a round, senders together; rounds in all; whatever an earlier process left."""
    size = spool._HEAD.size + len(PART.sealed)
    for sequence in range(5):
        held.add(replace(PART, sequence=sequence), 3 * size)
        held.add(replace(PART, sequence=sequence, sender="welfare"), 3 * size)
    files = list((tmp_path / "spool").iterdir())
    assert sum(file.stat().st_size for file in files) == 3 * size
    assert [relay.sequence for relay in held.relays(ROUND, "tax")] == [0, 1]
    held.keep((OTHER, ROUND))
    assert {file.name.split("-")[0] for file in (tmp_path / "spool").iterdir()} == {ROUND.hex()}
    held.add(replace(PART, round=OTHER), 1_000)  # there is room again
    assert len(list(held.relays(OTHER, "tax"))) == 1
    Spool(tmp_path / "spool", "h1")  # a new start
    assert list((tmp_path / "spool").iterdir()) == []
    assert list(held.relays(ROUND, "tax")) == []


def test_the_oldest_round_gives_way(held: Spool, tmp_path: Path) -> None:
    """Whoever lost its line is never told that a round closed: such rounds must not keep new ones out."""
    rounds = [bytes([number]) * 32 for number in range(ROUNDS + 3)]
    for round_ in rounds:
        for sequence in range(2):
            held.add(replace(PART, round=round_, sequence=sequence), 1_000)
        held.add(replace(PART, round=OTHER * 2), 1)  # too much: makes nobody give way
    assert {file.name.split("-")[0] for file in (tmp_path / "spool").iterdir()} == {r.hex() for r in rounds[3:]}
    assert [len(list(held.relays(round_, "tax"))) for round_ in rounds] == [0] * 3 + [2] * ROUNDS


def test_a_stream_is_read_on_while_its_round_is_forgotten(held: Spool) -> None:
    for sequence in range(2):
        held.add(replace(PART, sequence=sequence), 1_000)
    reading = held.relays(ROUND, "tax")
    assert next(reading).sequence == 0
    held.keep(())
    assert next(reading).sequence == 1


def test_room_is_left_on_the_disk(held: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever two owners may send: the helper's ledger lies on the same disk."""
    free = {"free": spool.LEFT_BYTES}
    monkeypatch.setattr(spool, "disk_usage", lambda _: SimpleNamespace(**free))
    held.add(PART, 1_000)
    free["free"] -= 1
    held.add(replace(PART, sequence=1), 1_000)
    held.add(replace(PART, round=OTHER), 1_000)
    assert [relay.sequence for relay in held.relays(ROUND, "tax")] == [0]
    assert list(held.relays(OTHER, "tax")) == []


def test_a_part_that_was_cut_short_is_the_last(held: Spool, tmp_path: Path) -> None:
    """A full disk: what is there comes back, so that the stream is refused for what it lacks."""
    for sequence in range(2):
        held.add(replace(PART, sequence=sequence), 1_000)
    [file] = (tmp_path / "spool").iterdir()
    whole = file.read_bytes()
    for cut, parts in ((1, 2), (len(PART.sealed), 2), (len(PART.sealed) + 1, 1), (len(whole) // 2, 1)):
        file.write_bytes(whole[:-cut])
        assert [relay.sequence for relay in held.relays(ROUND, "tax")] == list(range(parts))
