"""Options of one connection: from the headers of each call, or set for a session that a cookie names.

Who sends a cookie was given it here: its signature says so, and nothing is kept for a session without options. A
session that was closed is refused rather than served with other options than were set.
"""

from __future__ import annotations

import hmac
import threading
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
        self._options: dict[str, dict[str, str]] = {}
        self._closed: set[str] = set()

    def new_cookie(self) -> str:
        name = self._randomness.bytes(ID_BYTES).hex()
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
        require(known and name not in self._closed, "SQL_SESSION")
        return name

    def options(self, metadata: Mapping[str, str], session: str | None) -> Options:
        """The defaults, changed by the headers of the call, changed by what was set for its session."""
        found = Options()
        with self._lock:
            set_here = dict(self._options.get(session or "", ()))
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
            if session is None or (session not in self._options and len(self._options) >= MOST):
                raise Refused("SQL_SESSION")
            self._options.setdefault(session, {})[name] = text

    def close(self, session: str | None) -> None:
        with self._lock:
            if session is not None:
                self._options.pop(session, None)
                self._closed.add(session)

    def _mark(self, name: str) -> str:
        return hmac.new(self._key, name.encode(), sha256).hexdigest()[:32]
