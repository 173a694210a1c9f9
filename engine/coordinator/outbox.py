"""What waits to be sent to one member, in the order it was put there.

Relays are bulk that the coordinator only carries: one that finds no room waits with the thread that brought it, which
reads nothing more from its sender meanwhile. So a slow receiver slows its senders down, and fills no memory here.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from queue import SimpleQueue

from engine.trusted.messages import Relay, ToNode

ROOM_BYTES = 4 << 20  # of relays that may wait for one member; one more of each sender waits outside
STUCK_SECONDS = 60.0  # a member that takes nothing for so long, though there is something, is as good as gone


class Outbox:
    """Safe for use from many threads. ``None`` ends the stream: nothing is waited for any more."""

    def __init__(self) -> None:
        self._waiting: SimpleQueue[ToNode | None] = SimpleQueue()
        self._room = threading.Condition()
        self._relayed = self._taken = 0  # bytes of relays that wait; messages taken so far
        self._over = False

    def put(self, message: ToNode | None) -> None:
        self._waiting.put(message)
        if message is None:
            self._over = True
            self.wake()

    def relay(self, message: Relay, wanted: Callable[[], bool]) -> bool:
        """Puts a relay as soon as there is room, if it is still ``wanted`` then; False if the member is stuck."""
        with self._room:
            seen, end = self._taken, time.monotonic() + STUCK_SECONDS
            while self._relayed >= ROOM_BYTES and wanted() and not self._over:
                if self._taken != seen:
                    seen, end = self._taken, time.monotonic() + STUCK_SECONDS
                if time.monotonic() >= end:
                    return False
                self._room.wait(end - time.monotonic())
            if wanted() and not self._over:
                self._relayed += len(message.sealed)
                self._waiting.put(message)
            return True

    def get(self, timeout: float | None = None) -> ToNode | None:
        """The next message; raises queue.Empty after ``timeout`` seconds."""
        return self._out(self._waiting.get(timeout=timeout))

    def get_nowait(self) -> ToNode | None:
        return self._out(self._waiting.get_nowait())

    def _out(self, message: ToNode | None) -> ToNode | None:
        with self._room:
            self._taken += 1
            if isinstance(message, Relay):
                self._relayed -= len(message.sealed)
            self._room.notify_all()
        return message

    def wake(self) -> None:
        """Makes whoever waits for room look whether the relay is still wanted."""
        with self._room:
            self._room.notify_all()
