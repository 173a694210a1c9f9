"""Options of one connection: from the headers of each call, or set for a session that a cookie names.

Who sends a cookie was given it here: its signature says so, and nothing is kept for a session without options. A
session that was closed is refused rather than served with other options than were set.

What is kept has bounds. Of sessions with options the one that was used least lately is closed when there are too many.
Of those that were closed the newest are remembered; of older sessions, told by their number, only those are served
that have options still.
"""

from __future__ import annotations

import hmac
import threading
from collections import OrderedDict
from collections.abc import Mapping
from hashlib import sha256
from http.cookies import CookieError, SimpleCookie

from engine.client.options import OPTIONS, Options
from engine.errors import Refused, require
from engine.trusted.random import Randomness

COOKIE = "arrow_flight_session_id"
MOST = 4_096
ID_BYTES = 16
_IGNORED = ("catalog", "schema")  # tools set where names are looked up; here, names are known without


class Sessions:
    """Those of one server."""

    def __init__(self, randomness: Randomness) -> None:
        self._randomness, self._key = randomness, randomness.bytes(32)
        self._lock = threading.Lock()
        self._options: OrderedDict[str, dict[str, str]] = OrderedDict()
        self._closed: OrderedDict[str, None] = OrderedDict()
        self._begun = self._forgotten = (
            0  # the newest number given out, and the newest of a session no longer remembered
        )

    def new_cookie(self) -> str:
        with self._lock:
            self._begun += 1
            name = f"{self._begun:x}-{self._randomness.bytes(ID_BYTES).hex()}"
        return f"{name}.{self._mark(name)}"

    def named(self, metadata: Mapping[str, str]) -> str | None:
        """The session that a call belongs to; Refused SQL_SESSION for one that is not open here."""
        try:
            cookie = SimpleCookie(metadata.get("cookie", "")).get(COOKIE)
        except CookieError:
            cookie = None
        if cookie is None:
            return None
        name, _, mark = cookie.value.partition(".")
        known = hmac.compare_digest(mark.encode(), self._mark(name).encode())
        require(known, "SQL_SESSION")
        with self._lock:
            open_ = name in self._options or (name not in self._closed and _number(name) > self._forgotten)
        require(open_, "SQL_SESSION")
        return name

    def options(self, metadata: Mapping[str, str], session: str | None) -> Options:
        """The defaults, changed by the headers of the call, changed by what was set for its session."""
        found = Options()
        with self._lock:
            set_here = dict(self._options.get(session or "", ()))
            if session is not None and session in self._options:
                self._options.move_to_end(session)
        for name in OPTIONS:
            text = set_here.get(name, metadata.get(name))
            if text is not None:
                found = found.changed(name, text)
        return found

    def change(self, session: str | None, name: str, text: str) -> None:
        """Sets an option; Refused SQL_OPTION, or SQL_SESSION where nobody would know it again."""
        if name in _IGNORED:
            return
        Options().changed(name, text)
        with self._lock:
            if session is None or session in self._closed:
                raise Refused("SQL_SESSION")
            self._options.setdefault(session, {})[name] = text
            if len(self._options) > MOST:
                self._close(next(iter(self._options)))

    def close(self, session: str | None) -> None:
        if session is not None:
            with self._lock:
                self._close(session)

    def _close(self, session: str) -> None:
        self._options.pop(session, None)
        self._closed[session] = None
        if len(self._closed) > MOST:
            oldest, _ = self._closed.popitem(last=False)
            self._forgotten = max(self._forgotten, _number(oldest))

    def _mark(self, name: str) -> str:
        return hmac.new(self._key, name.encode(), sha256).hexdigest()[:32]


def _number(name: str) -> int:
    return int(name.partition("-")[0], 16)
