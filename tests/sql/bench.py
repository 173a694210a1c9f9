"""The federations and the oracle that a file of statements runs on; files of one world share them."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import ClassVar

from departments import Departments
from federation import Federation
from oracle import Oracle, Told
from slt import Script

from nodes.sources import Limits
from nodes.sources.duckdb import DuckDBSource


class Bench:
    """Made when first used: founding five nodes costs more than fifty statements."""

    source: ClassVar[DuckDBSource | None] = None
    worlds: ClassVar[dict[str, Bench]] = {}

    def __init__(self, script: Script) -> None:
        self.script = script
        self._federations: dict[int, Federation | Departments] = {}
        self._oracle: Oracle | None = None

    @classmethod
    def of(cls, script: Script) -> Bench:
        return cls.worlds.setdefault(script.world, cls(script)) if script.world else cls(script)

    @classmethod
    def worker(cls) -> DuckDBSource:
        """The process that cuts snapshots."""
        if cls.source is None:
            cls.source = DuckDBSource(Limits(threads=1, memory_mb=512, seconds=60))
        return cls.source

    @classmethod
    def close_all(cls) -> None:
        for bench in cls.worlds.values():
            bench.close()
        if cls.source is not None:
            cls.source.close()

    def federation(self, nodes: int) -> Federation | Departments:
        """On so many nodes; departments are as many as there are."""
        nodes = 0 if self.script.apart else nodes
        if nodes not in self._federations:
            folder, worker = Path(tempfile.mkdtemp(prefix="slt-")), Bench.worker()
            dealt = Federation.found(self.script, nodes, folder, worker) if nodes else None
            self._federations[nodes] = dealt or Departments.found(self.script, folder, worker)
        return self._federations[nodes]

    def ask_oracle(self, sql: str) -> Told:
        if self._oracle is None:
            self._oracle = Oracle(self.federation(1).catalogue, self.script.data)
        return self._oracle.ask(sql)

    def close(self) -> None:
        for federation in self._federations.values():
            federation.close()
        self._federations.clear()
        if self._oracle is not None:
            self._oracle.close()
            self._oracle = None
