"""How far each running request is, for those who watch it. What has ended is read from the store."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace

from engine.coordinator.store import ENDED, Store
from engine.trusted.messages import RequestStatus

PACE_SECONDS = 0.2
LOOK_SECONDS = 30.0


class Board:
    """The latest status of every request that has not ended, by request digest."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._changed = threading.Condition()
        self._live: dict[bytes, RequestStatus] = {}

    def post(self, status: RequestStatus) -> None:
        """Shows a new status; one that ends a request must already stand in the store."""
        with self._changed:
            if status.state in ENDED:
                self._live.pop(status.request_digest, None)
            else:
                self._live[status.request_digest] = status
            self._changed.notify_all()

    def replied(self, request: bytes, node: str) -> None:
        """One more node has answered the round that is open."""
        with self._changed:
            status = self._live[request]
            self._live[request] = replace(status, replied=(*status.replied, node))
            self._changed.notify_all()

    def relayed(self, request: bytes, count: int) -> None:
        """So many bytes more were carried in the round that is open."""
        with self._changed:
            status = self._live.get(request)
            if status is not None:
                self._live[request] = replace(status, relayed_bytes=status.relayed_bytes + count)
                self._changed.notify_all()

    def status(self, request: bytes) -> RequestStatus:
        """The status now; Refused POLICY_REQUEST_UNKNOWN."""
        with self._changed:
            live = self._live.get(request)
        return live or self._store.status(request)

    def wake(self) -> None:
        """Makes every watcher look whether it is still wanted."""
        with self._changed:
            self._changed.notify_all()

    def follow(
        self, request: bytes, wanted: Callable[[], bool], look: Callable[[], None] = lambda: None
    ) -> Iterator[RequestStatus]:
        """The status now and after changes, until the request ends or nobody wants it any more.

        A new state is told at once; of replies that follow each other within ``PACE_SECONDS``, only the last.
        After each change and every ``LOOK_SECONDS`` it is asked whether it is ``wanted``, and ``look`` is called, which
        may end the request; nothing is locked meanwhile.
        """
        seen: RequestStatus | None = None
        while wanted():
            look()
            status = self.status(request)
            if status != seen:
                yield status
            if status.state in ENDED:
                return
            seen = status
            with self._changed:
                self._pause(request, status, wanted)
                if self._live.get(request) == seen and wanted():
                    self._changed.wait(LOOK_SECONDS)

    def _pause(self, request: bytes, seen: RequestStatus, wanted: Callable[[], bool]) -> None:
        """Waits ``PACE_SECONDS``, or until the request has another state than was seen, or has ended."""

        def turned() -> bool:
            live = self._live.get(request)
            return live is None or live.state is not seen.state or not wanted()

        self._changed.wait_for(turned, PACE_SECONDS)
