"""The DuckDB source: keeps workers warm, one request each at a time, and kills what overruns.

Claim: a query that fails, overruns its time or kills its worker gives NODE_SOURCE_FAILED and nothing else; a worker
       that did so never serves again.
Because: a worker goes back to the idle list only after a well-formed answer; a timer kills it at the limit, which ends
       its pipe; it starts with an empty environment, closed descriptors and a silent standard error.
Checked by: tests/sources/test_worker.py::test_an_overrun_is_killed_and_the_next_query_served
            tests/sources/test_worker.py::test_the_worker_has_no_environment
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path
from threading import Lock, Timer
from typing import Any

from engine.errors import Unavailable, require
from nodes.sources import Limits, Row
from nodes.sources.columns import PersonRows, person_rows
from nodes.sources.dialect import DUCKDB
from nodes.sources.frames import read_frame, write_frame

ROOT = Path(__file__).parents[2]
IDLE_WORKERS = 2


class Child:
    """One worker process and what it has been opened on."""

    def __init__(self) -> None:
        self.opened: dict[str, Any] = {}
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "nodes.sources.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=ROOT,
            env={"PYTHONPATH": str(ROOT), "LC_ALL": "C.UTF-8", "TZ": "UTC"},
            start_new_session=True,
        )

    def ask(self, request: dict[str, Any], seconds: float) -> dict[str, Any]:
        """The answer, and in it the "streams" that came before it; NODE_SOURCE_FAILED if none comes in time."""
        assert self.process.stdin and self.process.stdout  # noqa: S101
        timer, streams = Timer(seconds, self.process.kill), list[bytes]()
        timer.start()
        try:
            write_frame(self.process.stdin, request)
            while isinstance(answer := read_frame(self.process.stdout), bytes):
                streams.append(answer)
        except OSError:
            answer = None
        finally:
            timer.cancel()
        if not isinstance(answer, dict):
            raise Unavailable("NODE_SOURCE_FAILED", internal="worker ended")
        return {**answer, "streams": streams} if streams else answer

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()  # closes the pipes and waits


class DuckDBSource:
    """Files and snapshots through DuckDB workers. Safe to use from several threads."""

    dialect = DUCKDB

    def __init__(self, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        self._idle: list[Child] = []
        self._lock = Lock()

    def warm(self, databases: Mapping[str, Path]) -> None:
        """Starts a worker and opens it, so that the next query pays for neither."""
        self.select(databases, (), 0)

    def select(self, databases: Mapping[str, Path], queries: Sequence[str], most_rows: int) -> list[list[Row]]:
        request = {"select": {"queries": list(queries), "most_rows": most_rows}}
        answer = self._ask(request, self._opening(read={name: str(path) for name, path in databases.items()}))
        require("rows" in answer, "NODE_SOURCE_FAILED", internal="a query failed")
        rows: list[list[Row]] = answer["rows"]
        return rows

    def read(self, databases: Mapping[str, Path], queries: Sequence[str], most_rows: int) -> list[PersonRows]:
        request = {"read": {"queries": list(queries), "most_rows": most_rows}}
        answer = self._ask(request, self._opening(read={name: str(path) for name, path in databases.items()}))
        require("batches" in answer, "NODE_SOURCE_FAILED", internal="a query failed")
        streams = iter(answer.get("streams", ()))
        return [person_rows(islice(streams, count)) for count in answer["batches"]]

    def columns(self, file: Path) -> list[tuple[str, str]] | None:
        """Names and engine types of a file's columns; None if it cannot be read."""
        answer = self._ask({"columns": str(file)})
        return [(name, kind) for name, kind in answer["columns"]] if "columns" in answer else None

    def cut(self, database: str, path: Path, files: Sequence[Path], spill: Path, statements: Sequence[str]) -> Any:
        """Fills a new snapshot file; the statements' rows, or the position of the one that failed."""
        opening = self._opening(read={}, write={database: str(path)}, files=list(map(str, files)), spill=str(spill))
        request = {"cut": {"engine": opening, "statements": list(statements)}}
        answer = self._ask(request, seconds=self.limits.cut_seconds)
        return answer["rows"] if "rows" in answer else int(answer["failed"])

    def close(self) -> None:
        with self._lock:
            idle, self._idle = self._idle, []
        for child in idle:
            child.close()

    def _opening(self, **named: Any) -> dict[str, Any]:
        """An engine within the limits that may touch what is ``named`` (``worker.engine``)."""
        return {"threads": self.limits.threads, "memory_mb": self.limits.memory_mb, **named}

    def _ask(
        self, request: dict[str, Any], opening: dict[str, Any] | None = None, seconds: float | None = None
    ) -> dict[str, Any]:
        """One request to one worker that nobody else uses meanwhile."""
        child = self._take(opening)
        try:
            if opening is not None and child.opened != opening:
                child.opened = opening if "opened" in child.ask({"open": opening}, self.limits.seconds) else {}
            answer = child.ask(request, seconds or self.limits.seconds)
        except Unavailable:
            child.close()
            raise
        self._give(child)
        return answer

    def _take(self, opening: dict[str, Any] | None) -> Child:
        with self._lock:
            self._idle = [c for c in self._idle if c.process.poll() is None]
            self._idle.sort(key=lambda c: c.opened == opening)
            if self._idle:
                return self._idle.pop()
        return Child()

    def _give(self, child: Child) -> None:
        with self._lock:
            if len(self._idle) < IDLE_WORKERS:
                self._idle.append(child)
                return
        child.close()
