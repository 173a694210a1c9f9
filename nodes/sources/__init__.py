"""Where a node's rows come from: the one interface between the plan's SQL and a department's own engine.

Claim: whatever goes wrong inside an engine, its caller sees the one fixed code NODE_SOURCE_FAILED.
Because: a source returns rows of numbers and key values or raises that code; it has no other channel.
Checked by: tests/sources/test_worker.py::test_no_word_of_the_engine_crosses_the_pipe
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from nodes.sources.dialect import Dialect

if TYPE_CHECKING:  # a worker loads this file, and has no use for numpy
    from nodes.sources.columns import PersonRows

Row = list[str | int | float | bool | None]


@dataclass(frozen=True, slots=True)
class Limits:
    """What one query may use; a snapshot may take longer to cut, and spills to disk."""

    threads: int = 2
    memory_mb: int = 2048
    seconds: float = 120.0
    cut_seconds: float = 7200.0


class Source(Protocol):
    """An engine that answers SQL rendered by this node over published snapshots."""

    @property
    def dialect(self) -> Dialect: ...

    def select(self, databases: Mapping[str, Path], queries: Sequence[str], most_rows: int) -> list[list[Row]]:
        """The rows of each query, in order, over read-only ``databases`` (alias -> file); NODE_SOURCE_FAILED.

        More than ``most_rows`` rows from one query is a failure too.
        """

    def read(self, databases: Mapping[str, Path], queries: Sequence[str], most_rows: int) -> list[PersonRows]:
        """As ``select``, of queries whose rows are persons: one person, then integers without NULL."""
