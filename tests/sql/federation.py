"""A federation in one process for the tables of SQL: published tables on n nodes, cut by the production path."""

from __future__ import annotations

import csv
import io
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from fractions import Fraction
from pathlib import Path
from shutil import rmtree
from typing import Any

from oracle import normal
from slt import Script

from engine.catalogue import load_catalogue
from engine.client.terms import require_delta
from engine.governance.homes import create_home
from engine.sql import prepare
from engine.sql.finish import Answer, finish
from engine.sql.statement import Statement
from engine.trusted import ring
from engine.trusted.calibrate import calibrate, layout_of
from engine.trusted.catalogue import Catalogue, Dataset, DatasetBinding, LocalColumn, NodeBinding
from engine.trusted.domains import domain_of, scope_of
from engine.trusted.epsilon import loss_for
from engine.trusted.plan import ColumnRef, Literal, NamedExpression, Type
from engine.trusted.records import Calibration, Loss, Rules
from engine.trusted.selection import choice_of, phases_of, selected_key
from engine.trusted.stability import stability_of
from nodes.partials import partials
from nodes.sources import Row
from nodes.sources.dialect import DUCKDB
from nodes.sources.duckdb import DuckDBSource
from nodes.sources.render import selection_of
from nodes.sources.worker import engine, run
from nodes.tables import Tables, cut

HERE = Path(__file__).parent
RULES = Rules(n_min=0, f=0, max_keys=10_000, max_cells=100_000, caps=(), committee=3)
READ = {Type.TEXT: str, Type.INTEGER: int, Type.DATE: date.fromisoformat}
FILLERS = {Type.TEXT: ("filler 1", "filler 2"), Type.INTEGER: (-(2**50),), Type.DATE: (date(1, 1, 1),)}


class CountingRandomness:
    """Snapshot ids of tests."""

    def __init__(self) -> None:
        self.next = 0

    def bytes(self, count: int) -> bytes:
        self.next += 1
        return self.next.to_bytes(count, "big")


class OpenEngines:
    """A source with the worker's own locked engine and queries, kept open and without the process around it."""

    dialect = DUCKDB

    def __init__(self) -> None:
        self._engines: dict[tuple[str, ...], Any] = {}

    def select(self, databases: Mapping[str, Path], queries: Sequence[str], most_rows: int) -> list[list[Row]]:
        files = {name: str(path) for name, path in databases.items()}
        key = tuple(files.values())
        if key not in self._engines:
            self._engines[key] = engine(1, 256, read=files, write={}, files=(), spill="")
        rows: list[list[Row]] = run(self._engines[key], queries, most_rows)["rows"]
        return rows

    def close(self) -> None:
        for connection in self._engines.values():
            connection.close()


@dataclass
class Federation:
    """One catalogue, its data on ``nodes`` nodes."""

    catalogue: Catalogue
    nodes: tuple[Tables, ...]
    source: OpenEngines
    folder: Path

    @classmethod
    def found(cls, script: Script, nodes: int, folder: Path, worker: DuckDBSource) -> Federation:
        """The tables of a script, dealt over so many nodes and cut by a worker."""
        catalogue = hosted(load_catalogue(HERE / "catalogues" / f"{script.catalogue}.yaml"), nodes)
        seats: dict[str, dict[str, int]] = {d.placement: {} for d in catalogue.datasets}
        shares = {
            d.name: dealt(script.data.get(d.name, ""), d, script.deal.get(d.name, "persons"), nodes, seats[d.placement])
            for d in catalogue.datasets
        }
        tables = []
        for index in range(nodes):
            home = create_home(folder / f"n{index}", f"n{index}", "node", catalogue.federation)
            binding = binding_of({n: s[index] for n, s in shares.items()}, f"n{index}", home.path)
            tables.append(cut(binding, catalogue, home, randomness=CountingRandomness(), source=worker))
        return cls(catalogue, tuple(tables), OpenEngines(), folder)

    def close(self) -> None:
        self.source.close()
        rmtree(self.folder, ignore_errors=True)

    def prepare(
        self, sql: str, epsilon: str = "1", delta: str = "1e-9", *, idle: bool = False
    ) -> tuple[Statement, Calibration]:
        require_delta(Fraction(delta))
        statement = prepare(sql, self.catalogue, RULES, idle=idle)
        if phases_of(statement.plan) == 2:
            statement = self._over_named_keys(statement)
        return statement, self.calibrated(statement, epsilon, delta)

    def calibrated(self, statement: Statement, epsilon: str = "1", delta: str = "1e-9") -> Calibration:
        """For a statement that was prepared here, or with fewer or more hosts."""
        loss = loss_for(Fraction(epsilon), Fraction(delta))
        return calibrate(statement.plan, self.catalogue, loss, len(self.nodes), 0)

    def sums(self, statement: Statement, calibration: Calibration) -> list[tuple[int, ...]]:
        """Each node's own partials."""
        return [partials(statement.plan, self.catalogue, calibration, t, self.source) for t in self.nodes]

    def _over_named_keys(self, statement: Statement) -> Statement:
        """The second phase of a statement with an open key: over all values that anybody has, as if the noise of the
        first phase had lifted each of them to the threshold, and a few fillers."""
        aggregate = statement.plan.aggregate
        key = aggregate.keys[selected_key(aggregate) or 0]
        stability, scope = stability_of(aggregate.input, self.catalogue), scope_of(aggregate.input, self.catalogue)
        weights = choice_of(Loss(10**7, 10**9), stability.overlap, stability.groups).weights
        query = selection_of(aggregate, key, self.catalogue, DUCKDB, "00" * 16, weights)
        found = [
            row for t in self.nodes for [rows] in [self.source.select(t.databases, [query], 10**6)] for row in rows
        ]
        assert all(int(str(weight)) > 0 for _, weight in found)
        domain = domain_of(key.expression, scope)
        texts = sorted({str(text) for text, _ in found})
        named = [Literal(domain.type, READ[domain.type](text)) for text in texts]
        named += [Literal(domain.type, None)] if domain.nullable and domain.null_key else []
        values = (*named, *(Literal(domain.type, value) for value in FILLERS[domain.type]))
        return statement.with_keys(values, len(named))

    def combined(self, statement: Statement, calibration: Calibration) -> tuple[int, ...]:
        """The partials of all nodes, added in the ring and read as signed numbers: everything but noise and masks."""
        total = ring.from_integers([0] * calibration.cells)
        for share in self.sums(statement, calibration):
            total = ring.add(total, ring.from_integers(share))
        return tuple(ring.to_signed(total))

    def steps(self, statement: Statement, calibration: Calibration, cells: Sequence[int]) -> tuple[int, ...]:
        """Cells in whole steps of their measures, which do not depend on how many nodes there are."""
        aggregate, found = statement.plan.aggregate, list(cells)
        for block in layout_of(aggregate, scope_of(aggregate.input, self.catalogue)):
            unit = calibration.multipliers[block.measure]
            for place in range(block.offset, block.offset + block.cells):
                found[place], rest = divmod(found[place], unit)
                if rest:
                    raise AssertionError("a cell is no whole number of steps")
        return tuple(found)

    def answer(self, sql: str) -> Answer:
        """Prepare, partials at each node, ring addition, finish."""
        statement, calibration = self.prepare(sql)
        return self.finished(statement, calibration, self.combined(statement, calibration))

    def finished(self, statement: Statement, calibration: Calibration, cells: tuple[int, ...]) -> Answer:
        return finish(statement, self.catalogue, calibration, cells, len(self.nodes))


def hosted(catalogue: Catalogue, nodes: int) -> Catalogue:
    """The same datasets at n0, n1, ...; an overlap above 1 stands for all hosts."""
    hosts = tuple(f"n{i}" for i in range(nodes))
    changed = (replace(d, hosts=hosts, overlap=1 if d.overlap == 1 else nodes) for d in catalogue.datasets)
    return replace(catalogue, datasets=tuple(changed))


def dealt(text: str, dataset: Dataset, deal: str, nodes: int, seats: dict[str, int]) -> list[str]:
    """CSV text for each node: rows in turn, whole persons in turn, or persons by a draw (``shuffled``).

    ``seats``: of the persons of all datasets of a placement.
    """
    lines = list(csv.reader(io.StringIO(text)))
    header = lines[0] if lines else [c.name for c in dataset.columns]
    shares: list[list[list[str]]] = [[header] for _ in range(nodes)]
    for index, row in enumerate(lines[1:]):
        person = normal(row[header.index(dataset.person.column)], dataset)
        drawn = random.Random(person).randrange(60) if deal == "shuffled" else len(seats)
        seat = index if deal == "rows" else seats.setdefault(person, drawn)
        shares[seat % nodes].append(row)
    return [_csv(share) for share in shares]


def _csv(rows: list[list[str]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def binding_of(texts: Mapping[str, str], node: str, folder: Path) -> NodeBinding:
    bound = []
    for name, text in texts.items():
        file = folder / f"{name}.csv"
        file.write_text(text, encoding="utf-8")
        columns = next(csv.reader(io.StringIO(text)))
        bound.append(
            DatasetBinding(
                name,
                (str(file),),
                tuple(LocalColumn(c, Type.TEXT) for c in columns),
                tuple(NamedExpression(c, ColumnRef(c)) for c in columns),
            )
        )
    return NodeBinding(1, node, tuple(bound))
