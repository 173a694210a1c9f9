"""Collects ``*.slt`` files: one test a statement."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from math import sqrt
from pathlib import Path
from typing import Any

import duckdb
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from bench import Bench
from compare import Difference, check_listed, check_oracle, terms_of
from slt import NODES, Block, read_script

from engine.errors import Refused
from engine.trusted.noise import OpenDPSampler

PLACELESS = (
    *("SQL_NOT_ONE_STATEMENT", "SQL_TOO_COMPLEX", "SQL_OVERLAP_PERSONS", "SQL_TEXT_TOO_LONG"),
    *("SQL_EPSILON_RANGE", "SQL_DELTA_RANGE", "SQL_TEXT_UNPRINTABLE", "SQL_TOO_LARGE", "SQL_NO_ROW"),
)


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    if file_path.suffix == ".slt":
        return SqlFile.from_parent(parent, path=file_path)  # type: ignore[no-any-return]
    return None


class SqlFile(pytest.File):
    bench: Bench | None = None

    def collect(self) -> Iterator[pytest.Item]:
        script = read_script(self.path)
        self.bench = Bench.of(script)
        for block in script.blocks:
            yield SqlItem.from_parent(self, name=f"line {block.line}", block=block, bench=self.bench)

    def teardown(self) -> None:
        if self.bench is not None and not self.bench.script.world:
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
            self._exact()

    def _refused(self) -> None:
        epsilon, delta = self.block.option("epsilon", "1"), self.block.option("delta", "1e-9")
        sql = self.block.sql.ljust(int(self.block.option("padded", "0")))
        try:
            self.bench.federation(2).prepare(sql, epsilon, delta)
        except Refused as error:
            if error.code != self.block.options[0]:
                raise Difference(f"refused with {error}") from None
            if not error.hint or not (error.at or error.code in PLACELESS):
                raise Difference(f"no hint or place: {error}") from None
        else:
            raise Difference("accepted")

    def _exact(self) -> None:
        """Without noise: on each number of nodes the partials add up to the same steps, and the answer that they make
        is the oracle's."""
        whole, sql = self.bench.federation(NODES[0]), self.block.sql
        statement, calibration = whole.prepare(sql, idle=True)
        found = statement.idle.code if statement.idle else ""
        if found != self.block.option("idle", ""):
            raise Difference(f"refused with {found}" if found else "not refused")
        cells = whole.combined(statement, calibration)
        steps = whole.steps(statement, calibration, cells)
        for nodes in NODES[1:]:
            federation = self.bench.federation(nodes)
            own = federation.calibrated(statement)
            if federation.steps(statement, own, federation.combined(statement, own)) != steps:
                raise Difference(f"the partials of {nodes} nodes do not add up to those of one")
        answer = whole.finished(statement, calibration, cells)
        if self.block.expected is not None:
            check_listed(answer, self.block.expected, ordered=bool(statement.order))
        if "listed" not in self.block.options:
            tolerance = float(self.block.option("tolerance", "0"))
            check_oracle(answer, self.bench.ask_oracle(sql), terms_of(statement, self.block.options, tolerance))

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
        cells = tuple(e + t for e, t in zip(exact, totals, strict=True))
        if not any(federation.finished(statement, calibration, cells).intervals):
            raise Difference("no interval is given")

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        if isinstance(excinfo.value, Difference | Refused | duckdb.Error):
            return f"{self.path}:{self.block.line}\n{self.block.sql}\n\n{str(excinfo.value)[:2000]}"
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int, str]:
        return self.path, self.block.line - 1, f"{self.path.name}:{self.block.line}"


def z_for(alarm: float) -> float:
    """The two-sided standard normal quantile: P(|Z| > z) = alarm."""
    from scipy.stats import norm

    return float(norm.isf(alarm / 2))


def pytest_sessionfinish() -> None:
    Bench.close_all()
