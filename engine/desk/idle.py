"""Connections that ask nothing hold no place: one that never began, stopped half-way, or was left open is closed in a
while, and at once when all places are taken and somebody new comes.
"""

from __future__ import annotations

import asyncio
from typing import Any, cast

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

SECONDS = 10.0


class Closing(H11Protocol):
    """The web server's own protocol closes only what was left open after an answer."""

    since = 0.0  # when it came, or last sent something

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.since = self.loop.time()
        self.loop.call_later(SECONDS, self._look, None)
        self._make_room()

    def data_received(self, data: bytes) -> None:
        self.since = self.loop.time()
        super().data_received(data)

    @property
    def _asks(self) -> bool:
        """A request came, and is not answered yet."""
        return self.cycle is not None and not self.cycle.response_complete

    @property
    def _waits(self) -> bool:
        """Nothing of it is under way here: it has asked nothing, or the rest of its form does not come."""
        return not self._asks or self.conn.their_state is h11.SEND_BODY

    def _look(self, before: Any) -> None:
        """Closes if since ``before``, the request of the last look, none came, and none is being answered; a form whose
        end has not come in all that time is none."""
        now = self.cycle
        if self.transport.is_closing():
            return
        if self._waits and now is before:
            self.transport.close()
        else:
            self.loop.call_later(SECONDS, self._look, now)

    def _make_room(self) -> None:
        """Lets the one go that has been silent for longest, one that asks nothing rather than one amid a form."""
        others = [held for held in cast(set[Closing], self.connections) if held is not self and held._waits]
        if self.limit_concurrency is not None and len(self.connections) >= self.limit_concurrency and others:
            first = min(others, key=lambda held: (held._asks, held.since))
            self.connections.discard(first)
            first.transport.close()
