"""Who is connected: one link a node or helper, what is waiting to be sent to it, and who hears what it says.

A member dials in and keeps one stream open (server.py). Messages to it wait in its link's outbox; messages from it
are handed, in order, to the listener of the round or request that they name. Nobody polls.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Protocol

import structlog

from engine.coordinator.events import Joined, Lost
from engine.coordinator.outbox import Outbox
from engine.trusted import wire
from engine.trusted.messages import (
    AnswerPart,
    AnswerSet,
    FromNode,
    Hello,
    JournalPart,
    Pulse,
    Relay,
    RoundRefusal,
    SeekWitnesses,
    ShareSet,
    ToNode,
    VectorPart,
)
from engine.trusted.records import Participant, Ready, RecordKind, SignedRecord

log = structlog.get_logger("coordinator")
STANDING = b"standing"  # the listener of what is about no round and no request
Presence = Callable[[Joined | Lost], None]


class Listener(Protocol):
    def take(self, sender: str, message: FromNode) -> None:
        """A message from a connected member, in the order it was sent; blocks for nothing but room for a relay."""


class Link:
    """One stream of one member. ``None`` in the outbox ends the stream."""

    def __init__(self, hello: Hello) -> None:
        self.name = hello.node
        self.hello = hello
        self.outbox = Outbox()
        self.broken = False  # its stream has ended; what it said before may still be read


class Links:
    """All links by member name. A member that dials again replaces its older stream."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._links: dict[str, Link] = {}
        self._listeners: dict[bytes, Listener] = {}
        self._watching: set[Presence] = set()
        self.joined: Callable[[Hello], None] = lambda _: None  # told of a member's first Hello, once it counts,
        self.greeted: Callable[[Hello], None] = lambda _: None  # and of each later one

    def join(self, hello: Hello) -> Link:
        link = Link(hello)
        with self._lock:
            older = self._links.pop(link.name, None)
            if older is not None:
                self._tell(Lost(link.name))
                older.outbox.put(None)
            self._links[link.name] = link
            self._tell(Joined(link.name))
        self.joined(hello)
        return link

    def leave(self, link: Link) -> None:
        """The stream broke or ended; a newer one of the same member stays."""
        with self._lock:
            if self._links.get(link.name) is link:
                del self._links[link.name]
                self._tell(Lost(link.name))

    def _tell(self, event: Joined | Lost) -> None:
        for presence in self._watching:
            presence(event)

    def names(self) -> frozenset[str]:
        with self._lock:
            return frozenset(self._links)

    def participant(self, name: str) -> Participant | None:
        """A connected member with the snapshots it announced."""
        with self._lock:
            link = self._links.get(name)
        return None if link is None else Participant(name, link.hello.snapshots)

    def hello(self, name: str) -> Hello | None:
        """What a connected member said of itself last."""
        with self._lock:
            link = self._links.get(name)
        return None if link is None else link.hello

    def send(self, name: str, message: ToNode) -> None:
        """Queues a message; one for a member that is not connected is dropped, and its loss was told before."""
        with self._lock:
            link = self._links.get(name)
        if link is not None:
            link.outbox.put(message)

    def send_all(self, messages: Mapping[str, ToNode]) -> None:
        """Each member its own message."""
        for name, message in messages.items():
            self.send(name, message)

    def send_each(self, names: Iterable[str], message: ToNode) -> None:
        for name in names:
            self.send(name, message)

    def carry(self, relay: Relay) -> None:
        """Hands a relay on, once its receiver has room; drops it when the receiver is gone or the round is over.

        A receiver that takes nothing any more is let go: its senders have other rounds too.
        """
        with self._lock:
            sender, receiver = self._links.get(relay.sender), self._links.get(relay.receiver)

        def wanted() -> bool:
            return relay.round in self._listeners and sender is not None and not sender.broken

        if receiver is not None and not receiver.outbox.relay(relay, wanted):
            log.warning("member.stuck", member=receiver.name)
            self._end(receiver)

    def broke(self, link: Link) -> None:
        """A stream ended: its reader waits for no room any more, and soon tells that it left."""
        link.broken = True
        self._wake()

    def hand_over(self, link: Link, message: FromNode) -> None:
        """Gives a message to the listener it is for; a late one, for a round long closed, to nobody."""
        if isinstance(message, Hello) and message.node == link.name:
            opened, link.hello = link.hello.paused and not message.paused, message
            with self._lock:
                if opened and self._links.get(link.name) is link:
                    self._tell(Joined(link.name))  # whoever waits for it may ask again
            self.greeted(message)
        key = _addressee(message)
        with self._lock:
            current = self._links.get(link.name) is link
            listener = self._listeners.get(key) if key and current else None
        if listener is not None:
            listener.take(link.name, message)

    @contextmanager
    def watched(self, presence: Presence) -> Iterator[frozenset[str]]:
        """Gives the names connected now, and tells ``presence`` of every later change, none missed; a member that
        was closed or paused joins once more when it is not."""
        with self._lock:
            self._watching.add(presence)
            names = frozenset(self._links)
        try:
            yield names
        finally:
            with self._lock:
                self._watching.discard(presence)

    def listen(self, key: bytes, listener: Listener) -> None:
        """From now on messages about this round or request go to ``listener``."""
        with self._lock:
            self._listeners[key] = listener

    def forget(self, key: bytes) -> None:
        """No message about this round or request is taken any more; a relay that waits for room is dropped."""
        with self._lock:
            self._listeners.pop(key, None)
        self._wake()

    def _wake(self) -> None:
        with self._lock:
            links = tuple(self._links.values())
        for link in links:
            link.outbox.wake()

    def dismiss(self, name: str) -> None:
        """Ends the stream of one member."""
        with self._lock:
            link = self._links.get(name)
        if link is not None:
            self._end(link)

    def _end(self, link: Link) -> None:
        self.leave(link)
        link.outbox.put(None)

    def close(self) -> None:
        """Ends every stream."""
        with self._lock:
            for link in self._links.values():
                link.outbox.put(None)


def _addressee(message: FromNode) -> bytes | None:
    """The round, or for a *ready* the request, that a message is about; STANDING for neither."""
    match message:
        case VectorPart() | ShareSet() | AnswerPart() | AnswerSet() | RoundRefusal() | Relay():
            return message.round
        case JournalPart() | SeekWitnesses() | Hello():
            return STANDING
        case SignedRecord():
            if message.kind is RecordKind.WITNESS:
                return STANDING
            ready: Ready = wire.decode(Ready, message.payload)
            return ready.request_digest
        case Pulse() | _:
            return None
