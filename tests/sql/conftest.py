"""Collects ``*.slt`` files: one test a statement."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from math import sqrt
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from compare import Difference, check_listed, check_oracle
from federation import Federation, oracle
from slt import NODES, Block, Script, read_script

from engine.errors import Refused
from engine.sql.finish import Answer
from engine.trusted.noise import OpenDPSampler
from nodes.sources import Limits
from nodes.sources.duckdb import DuckDBSource


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    if file_path.suffix == ".slt":
        return SqlFile.from_parent(parent, path=file_path)  # type: ignore[no-any-return]
    return None


class Bench:
    """The federations and the oracle of one file, made when first used."""

    source: DuckDBSource | None = None

    def __init__(self, script: Script) -> None:
        self.script = script
        self._federations: dict[int, Federation] = {}
        self._oracle: Any = None

    def federation(self, nodes: int) -> Federation:
        if Bench.source is None:
            Bench.source = DuckDBSource(Limits(threads=1, memory_mb=512, seconds=60))
        if nodes not in self._federations:
            folder = Path(tempfile.mkdtemp(prefix="slt-"))
            self._federations[nodes] = Federation.found(self.script, nodes, folder, Bench.source)
        return self._federations[nodes]

    def close(self) -> None:
        for federation in self._federations.values():
            federation.close()
        if self._oracle is not None:
            self._oracle.close()

    def ask_oracle(self, sql: str) -> list[tuple[Any, ...]]:
        if self._oracle is None:
            self._oracle = oracle(self.federation(1).catalogue, self.script.data)
        rows: list[tuple[Any, ...]] = self._oracle.execute(sql).fetchall()
        return rows


class SqlFile(pytest.File):
    bench: Bench | None = None

    def collect(self) -> Iterator[pytest.Item]:
        script = read_script(self.path)
        self.bench = Bench(script)
        for block in script.blocks:
            yield SqlItem.from_parent(self, name=f"line {block.line}", block=block, bench=self.bench)

    def teardown(self) -> None:
        if self.bench is not None:
            self.bench.close()


class SqlItem(pytest.Item):
    def __init__(self, *, block: Block, bench: Bench, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.block = block
        self.bench = bench

    def runtest(self) -> None:
        if self.block.kind == "refused":
            self._refused()
        elif "noisy" in self.block.options:
            self._noisy()
        else:
            for nodes in NODES:
                self._exact(nodes)

    def _refused(self) -> None:
        try:
            self.bench.federation(1).prepare(self.block.sql)
        except Refused as error:
            if error.code != self.block.options[0]:
                raise Difference(f"refused with {error}") from None
        else:
            raise Difference("accepted")

    def _exact(self, nodes: int) -> None:
        federation = self.bench.federation(nodes)
        statement, _ = federation.prepare(self.block.sql)
        answer: Answer = federation.answer(self.block.sql)
        tolerance = float(self.block.option("tolerance", "0"))
        if self.block.expected is not None:
            check_listed(answer, self.block.expected, ordered=bool(statement.order))
        if "listed" not in self.block.options:
            check_oracle(
                answer,
                self.bench.ask_oracle(self.block.sql),
                ordered=bool(statement.order),
                completed="completed" in self.block.options,
                tolerance=tolerance,
            )

    def _noisy(self) -> None:
        """False alarm at most ``alarm``: a cell leaves +- z deviations with probability alarm / cells."""
        federation, sampler = self.bench.federation(5), OpenDPSampler()
        statement, calibration = federation.prepare(self.block.sql)
        exact = [sum(cells) for cells in zip(*federation.sums(statement, calibration), strict=True)]
        noise = [sampler.gaussian(calibration.node_sigma, len(exact)).tolist() for _ in federation.nodes]
        totals = [sum(draws) for draws in zip(*noise, strict=True)]
        deviation = sqrt(len(federation.nodes)) * calibration.node_sigma
        bound = deviation * z_for(float(self.block.option("alarm", "1e-9")) / len(exact))
        if any(abs(total) > bound for total in totals) or not any(totals):
            raise Difference("a cell lies outside the bound of its noise, or there is none")
        from engine.sql.finish import finish

        cells = tuple(e + t for e, t in zip(exact, totals, strict=True))
        answer = finish(statement, federation.catalogue, calibration, cells, len(federation.nodes))
        if not any(answer.intervals):
            raise Difference("no interval is given")

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        if isinstance(excinfo.value, Difference | Refused):
            return f"{self.path}:{self.block.line}\n{self.block.sql}\n\n{excinfo.value}"
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int, str]:
        return self.path, self.block.line - 1, f"{self.path.name}:{self.block.line}"


def z_for(alarm: float) -> float:
    """The two-sided standard normal quantile: P(|Z| > z) = alarm."""
    from scipy.stats import norm

    return float(norm.isf(alarm / 2))


def pytest_sessionfinish() -> None:
    if Bench.source is not None:
        Bench.source.close()
