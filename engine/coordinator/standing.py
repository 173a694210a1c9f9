"""Duties that outlive rounds: what is done whenever a member comes, goes or speaks of no round in particular.

One thread carries them out, in the order things happened, so that streams and locks never wait for a duty. Rounds that
end within a second are told of together: what follows them is the same for one and for many.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Protocol

import structlog

from engine.coordinator.events import Joined, Lost
from engine.coordinator.links import STANDING, Links
from engine.errors import SplittallyError
from engine.trusted.messages import FromNode

log = structlog.get_logger("coordinator")
PACE_SECONDS = 1.0


class Duty(Protocol):
    """One duty; each method returns soon, and raises SplittallyError for what it refuses."""

    def joined(self, name: str) -> None: ...

    def left(self, name: str) -> None: ...

    def closed(self, members: tuple[str, ...]) -> None:
        """A round of these members is over."""

    def take(self, sender: str, message: FromNode) -> None:
        """A message about no round; others than the duty's own are let pass."""


@dataclass(frozen=True, slots=True)
class _Said:
    sender: str
    message: FromNode


@dataclass(frozen=True, slots=True)
class _Closed:
    members: tuple[str, ...]


class Standing:
    """The thread of all standing duties. ``closed`` and ``take`` may be called from any thread."""

    def __init__(self, links: Links, *duties: Duty) -> None:
        self._links, self._duties = links, duties
        self._inbox: SimpleQueue[Joined | Lost | _Said | _Closed | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="standing", daemon=True)

    def start(self) -> None:
        self._links.listen(STANDING, self)
        self._thread.start()

    def stop(self) -> None:
        """Ends after what has been said so far."""
        self._links.forget(STANDING)
        self._inbox.put(None)
        self._thread.join()

    def closed(self, members: tuple[str, ...]) -> None:
        self._inbox.put(_Closed(members))

    def take(self, sender: str, message: FromNode) -> None:
        self._inbox.put(_Said(sender, message))

    def _work(self) -> None:
        with self._links.watched(self._inbox.put) as connected:
            for name in sorted(connected):
                self._each(Joined(name))
            over, due = set[str](), 0.0
            while True:
                try:
                    event = self._inbox.get(timeout=max(due - time.monotonic(), 0.0) if over else None)
                except Empty:
                    self._each(_Closed(tuple(sorted(over))))
                    over.clear()
                    continue
                if event is None:
                    return
                if isinstance(event, _Closed):
                    due = due if over else time.monotonic() + PACE_SECONDS
                    over.update(event.members)
                else:
                    self._each(event)

    def _each(self, event: Joined | Lost | _Said | _Closed) -> None:
        """A duty that refuses something, or fails, ends neither the others nor itself."""
        for duty in self._duties:
            try:
                match event:
                    case Joined(name):
                        duty.joined(name)
                    case Lost(name):
                        duty.left(name)
                    case _Said(sender, message):
                        duty.take(sender, message)
                    case _Closed(members):
                        duty.closed(members)
            except SplittallyError as error:
                about = {"member": event.sender} if isinstance(event, _Said) else {}
                log.warning("duty.refused", duty=type(duty).__name__.lower(), code=error.code, **about)
            except Exception as error:
                log.error("duty.failed", duty=type(duty).__name__.lower(), kind=type(error).__name__)
