"""Links: one stream a member, the newest one; messages reach who listens for their round, and nobody else."""

from __future__ import annotations

from queue import Empty

import pytest

from engine.coordinator.events import Joined, Lost
from engine.coordinator.links import Link, Links
from engine.trusted.messages import FromNode, Hello, Pulse, VectorPart
from engine.trusted.records import JournalHead, SignedHead, SnapshotRef

ROUND, OTHER = b"r" * 32, b"o" * 32


class Heard:
    def __init__(self) -> None:
        self.messages: list[tuple[str, FromNode]] = []

    def take(self, sender: str, message: FromNode) -> None:
        self.messages.append((sender, message))


def hello(name: str, snapshot: str = "1", paused: bool = False) -> Hello:
    head = SignedHead(JournalHead(name, 0, bytes(32), bytes(32)), b"")
    return Hello(1, name, 1, (SnapshotRef("people", snapshot, 0),), head, paused=paused)


def waiting(link: Link) -> list[object]:
    found: list[object] = []
    while True:
        try:
            found.append(link.outbox.get_nowait())
        except Empty:
            return found


def test_a_member_joins_once_more_when_it_opens() -> None:
    links, told = Links(), list[object]()
    with links.watched(told.append):
        link = links.join(hello("east", paused=True))
        for paused in (True, False, False, True):
            links.hand_over(link, hello("east", paused=paused))
    assert told == [Joined("east"), Joined("east")]


def test_a_member_that_dials_again_replaces_its_older_stream() -> None:
    links, told = Links(), list[object]()
    with links.watched(told.append) as names:
        assert names == frozenset()
        older, newer = links.join(hello("east")), links.join(hello("east"))
        links.leave(older)
        assert links.names() == {"east"}
    assert told == [Joined("east"), Lost("east"), Joined("east")]
    links.send("east", Pulse(1))
    assert waiting(older) == [None]
    assert waiting(newer) == [Pulse(1)]


def test_messages_go_to_the_listener_of_their_round() -> None:
    links, heard, part = Links(), Heard(), VectorPart(ROUND, 0, b"x")
    link = links.join(hello("east"))
    links.hand_over(link, part)
    links.listen(ROUND, heard)
    links.hand_over(link, part)
    links.hand_over(link, VectorPart(OTHER, 0, b"x"))
    links.hand_over(link, Pulse(1))
    links.forget(ROUND)
    links.hand_over(link, part)
    assert heard.messages == [("east", part)]


def test_an_older_stream_is_not_heard_any_more() -> None:
    links, heard = Links(), Heard()
    links.listen(ROUND, heard)
    older = links.join(hello("east"))
    links.join(hello("east"))
    links.hand_over(older, VectorPart(ROUND, 0, b"x"))
    assert heard.messages == []


def test_a_new_snapshot_is_announced_by_another_hello() -> None:
    links = Links()
    link = links.join(hello("east"))
    links.hand_over(link, hello("east", "2"))
    participant = links.participant("east")
    assert participant is not None
    assert participant.snapshots[0].snapshot == "2"
    assert links.participant("west") is None


def test_nobody_watches_after_leaving() -> None:
    links, told = Links(), list[object]()
    with pytest.raises(RuntimeError), links.watched(told.append):
        raise RuntimeError
    links.join(hello("east"))
    assert told == []
