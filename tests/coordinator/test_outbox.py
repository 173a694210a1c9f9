"""Relays wait for room: a slow receiver slows its senders down, and fills no memory; a stuck one stops nobody."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import pytest

from engine.coordinator import outbox
from engine.coordinator.links import Link, Links
from engine.coordinator.outbox import ROOM_BYTES, Outbox
from engine.trusted.messages import FromNode, Pulse, Relay
from tests.coordinator.test_links import Heard, hello

ROUND, OTHER = b"r" * 32, b"o" * 32
PIECE = 1 << 20


def relay(sequence: int, sender: str = "east", round_: bytes = ROUND, size: int = PIECE) -> Relay:
    return Relay(round_, sender, "helper-1", sequence, False, bytes(size))


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.002)


class Carrying:
    """A round that hands every relay on, as a round does that found its sender and receiver right."""

    def __init__(self, links: Links) -> None:
        self.links = links

    def take(self, sender: str, message: FromNode) -> None:
        assert isinstance(message, Relay)
        self.links.carry(message)


class Sender:
    """Reads a member's stream, as the edge does: one message after the other."""

    def __init__(self, links: Links, name: str, messages: Iterator[FromNode]) -> None:
        self.links, self.link, self.messages, self.done = links, links.join(hello(name)), messages, 0
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self) -> None:
        for message in self.messages:
            self.links.hand_over(self.link, message)
            self.done += 1

    @property
    def over(self) -> bool:
        return not self.thread.is_alive()


@pytest.fixture
def links() -> Links:
    made = Links()
    made.listen(ROUND, Carrying(made))
    return made


def taken(link: Link) -> list[int]:
    """What is waiting, taken out: the sequence of each relay."""
    found = []
    for _ in range(link.outbox._waiting.qsize()):
        message = link.outbox.get(1.0)
        assert isinstance(message, Relay)
        found.append(message.sequence)
    return found


def test_a_slow_receiver_holds_its_senders_and_no_memory(links: Links) -> None:
    """64 MiB of two senders: never more than the room and one piece of each sender is held, and order is kept."""
    receiver = links.join(hello("helper-1"))
    senders = {n: Sender(links, n, map(relay, range(32), [n] * 32)) for n in ("east", "west")}
    got: dict[str, list[int]] = {"east": [], "west": []}
    until(lambda: receiver.outbox._relayed >= ROOM_BYTES)
    time.sleep(0.05)
    assert sum(sender.done for sender in senders.values()) == ROOM_BYTES // PIECE
    most = 0
    for _ in range(64):
        message = receiver.outbox.get(5.0)
        assert isinstance(message, Relay)
        got[message.sender].append(message.sequence)
        most = max(most, receiver.outbox._relayed)
    assert most < ROOM_BYTES + 2 * PIECE
    assert got == {"east": list(range(32)), "west": list(range(32))}
    until(lambda: all(sender.over for sender in senders.values()))


def test_what_is_no_relay_never_waits(links: Links) -> None:
    receiver = links.join(hello("helper-1"))
    sender = Sender(links, "east", (relay(i) for i in range(9)))
    until(lambda: receiver.outbox._relayed >= ROOM_BYTES)
    links.send("helper-1", Pulse(1))
    assert not sender.over
    links.forget(ROUND)
    until(lambda: sender.over)


def test_a_round_that_closes_drops_what_waits(links: Links) -> None:
    receiver = links.join(hello("helper-1"))
    sender = Sender(links, "east", (relay(i) for i in range(99)))
    until(lambda: receiver.outbox._relayed >= ROOM_BYTES)
    links.forget(ROUND)
    until(lambda: sender.over)
    assert taken(receiver) == list(range(ROOM_BYTES // PIECE))


@pytest.mark.parametrize("how", ["leaves", "dials again", "is dismissed"])
def test_a_receiver_that_is_gone_drops_what_waits(links: Links, how: str) -> None:
    receiver = links.join(hello("helper-1"))
    sender = Sender(links, "east", (relay(i) for i in range(9)))
    until(lambda: receiver.outbox._relayed >= ROOM_BYTES)
    if how == "leaves":
        links.leave(receiver)
        receiver.outbox.put(None)
    elif how == "dials again":
        links.join(hello("helper-1"))
    else:
        links.dismiss("helper-1")
    until(lambda: sender.over)


def test_a_sender_whose_stream_broke_is_missed_at_once(links: Links) -> None:
    receiver = links.join(hello("helper-1"))
    sender = Sender(links, "east", (relay(i) for i in range(9)))
    until(lambda: receiver.outbox._relayed >= ROOM_BYTES)
    links.broke(sender.link)
    until(lambda: sender.over)
    assert taken(receiver) == list(range(ROOM_BYTES // PIECE))


def test_nobody_there_to_receive(links: Links) -> None:
    links.hand_over(links.join(hello("east")), relay(0))


def test_a_stuck_receiver_is_let_go_and_other_rounds_go_on(links: Links, monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes nothing: after a while it counts as lost, and its sender's other rounds are heard again."""
    monkeypatch.setattr(outbox, "STUCK_SECONDS", 0.2)
    told, heard = list[object](), Heard()
    links.listen(OTHER, heard)
    links.join(hello("helper-1"))
    with links.watched(told.append):
        sender = Sender(links, "east", iter([*(relay(i) for i in range(9)), relay(0, round_=OTHER, size=1)]))
        until(lambda: sender.over)
    assert [type(event).__name__ for event in told] == ["Joined", "Lost"]
    assert [sender for sender, _ in heard.messages] == ["east"]


def test_a_slow_receiver_is_not_a_stuck_one(links: Links, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "STUCK_SECONDS", 0.3)
    receiver = links.join(hello("helper-1"))
    sender = Sender(links, "east", (relay(i) for i in range(12)))
    for _ in range(12):
        receiver.outbox.get(5.0)
        time.sleep(0.1)  # four pieces take longer than the limit
    until(lambda: sender.over)
    assert links.names() == {"east", "helper-1"}


def test_an_outbox_gives_what_it_was_given_in_order() -> None:
    box = Outbox()
    box.put(Pulse(1))
    assert box.relay(relay(7, size=1), lambda: True)
    box.put(Pulse(2))
    assert [type(box.get_nowait()).__name__ for _ in range(3)] == ["Pulse", "Relay", "Pulse"]
