"""Records and nodes' words in the store: each once, in order, and there for the next process."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from engine.coordinator.handed import HandedIn, NodeSays
from engine.coordinator.store import Store
from engine.trusted.records import RecordKind, Signature, SignedRecord

SUBJECT, OTHER = b"s" * 32, b"o" * 32


@pytest.fixture
def handed(tmp_path: Path) -> HandedIn:
    return HandedIn(Store(tmp_path / "state.db"))


def record(name: bytes, kind: RecordKind = RecordKind.APPROVAL, *signers: str) -> SignedRecord:
    return SignedRecord(kind, name, tuple(Signature(s, b"x") for s in signers))


def test_a_record_is_kept_once_and_in_order(handed: HandedIn, tmp_path: Path) -> None:
    assert [handed.keep(record(n), SUBJECT, 1) for n in (b"b", b"a", b"b")] == [True, True, False]
    handed.keep(record(b"c"), OTHER, 1)
    handed.keep(record(b"b", RecordKind.WITHDRAWAL), SUBJECT, 1)
    again = HandedIn(Store(tmp_path / "state.db"))
    assert again.records(RecordKind.APPROVAL, SUBJECT) == (record(b"b"), record(b"a"))
    assert len(again.records(RecordKind.APPROVAL)) == 3
    assert again.records(RecordKind.WITHDRAWAL, SUBJECT) == (record(b"b", RecordKind.WITHDRAWAL),)


def test_other_signatures_on_the_same_bytes_replace_the_old(handed: HandedIn) -> None:
    handed.keep(record(b"a", RecordKind.AGREEMENT, "old"), SUBJECT, 1)
    assert not handed.keep(record(b"a", RecordKind.AGREEMENT, "new"), SUBJECT, 2)
    assert handed.records(RecordKind.AGREEMENT) == (record(b"a", RecordKind.AGREEMENT, "new"),)


def test_many_threads_keep_one_record_once(handed: HandedIn) -> None:
    kept: list[bool] = []
    threads = [threading.Thread(target=lambda: kept.append(handed.keep(record(b"a"), SUBJECT, 1))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(kept) == [False] * 7 + [True]


def test_what_a_node_says_is_remembered(handed: HandedIn, tmp_path: Path) -> None:
    assert handed.node("north") == NodeSays(0, False)
    assert handed.node_says("north", NodeSays(2, True))
    assert not handed.node_says("north", NodeSays(2, True))
    assert HandedIn(Store(tmp_path / "state.db")).node("north") == NodeSays(2, True)


def test_refusals_of_the_last_hour(handed: HandedIn) -> None:
    for at in (0, 1, 3_600_000):
        handed.refused("analyst", at)
    assert [handed.refusals("analyst", now) for now in (3_600_000, 3_600_001, 7_200_001)] == [3, 2, 0]
    assert handed.refusals("other", 1) == 0
