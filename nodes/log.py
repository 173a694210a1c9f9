"""The node's log: one JSON line an event, on standard error.

Claim: a line holds an event's name, ids and codes, and what a cut lost, for the owner alone; never a row, a key, a seed
       or a library's words.
Because: callers pass names, digests, codes and types of errors only; no exception's text is ever given to it. (A
         logging library would load terminal and colour code that a node has no use for.)
Checked by: tests/nodes/test_server.py::test_no_secret_or_row_value_reaches_the_log
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from threading import Lock
from typing import TextIO

from engine.trusted.clock import Clock


class Log:
    """Writes to ``stream``; safe to use from several threads."""

    def __init__(self, stream: TextIO, clock: Clock, **ids: str) -> None:
        self._stream, self._clock, self._ids = stream, clock, ids
        self._lock = Lock()

    def event(self, event: str, **ids: str | int) -> None:
        """One line: time, event, the log's own ids, and these."""
        at = datetime.fromtimestamp(self._clock.now_ms() / 1e3, UTC).isoformat(timespec="milliseconds")
        line = json.dumps({"at": at, "event": event, **self._ids, **ids})
        with self._lock:
            print(line, file=self._stream, flush=True)
