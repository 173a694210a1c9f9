"""Connections of browsers that ask nothing are closed: one that never began, stopped half-way, or was left open."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

SECONDS = 30.0


class Closing(H11Protocol):
    """The web server's own protocol closes only what was left open after an answer."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.loop.call_later(SECONDS, self._look, None)

    def _look(self, before: Any) -> None:
        """Closes if since ``before``, the request of the last look, none came and none is being answered."""
        now, idle = self.cycle, self.cycle is None or self.cycle.response_complete
        if self.transport.is_closing():
            return
        if idle and now is before:
            self.transport.close()
        else:
            self.loop.call_later(SECONDS, self._look, now)
