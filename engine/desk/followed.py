"""Requests with an open key that this desk's person has just signed and handed in: helped on between the two phases.

Signing was the decision, so nobody is asked again while the desk is open. For one that was handed in elsewhere, or
waits longer, its page has a button: looking at a page sends nothing.
"""

from __future__ import annotations

import threading
from contextlib import suppress

from engine.client.session import Session
from engine.errors import SplittallyError

SECONDS = 3_600.0
MOST = 16
_places = threading.BoundedSemaphore(MOST)


def follow(session: Session, request: str) -> None:
    """Until the request ends, for an hour at most; of the seventeenth at a time nothing is done."""
    if _places.acquire(blocking=False):
        threading.Thread(target=_watch, args=(session, request), daemon=True).start()


def _watch(session: Session, request: str) -> None:
    """What goes wrong is told by the page; ValueError is the line's, once the desk has closed it."""
    try:
        with suppress(SplittallyError, ValueError):
            for _ in session.watch(request, SECONDS):
                pass
    finally:
        _places.release()
