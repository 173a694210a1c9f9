"""Two departments and a third in one process: each dataset at its own host, and private joins without their protocol.

Each owner's numbers are made by the production path: one query a set of its own keys over its own snapshot, with the
person as one more key. They are then multiplied in the ring, as helpers do on shares of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from shutil import rmtree
from typing import Any

import numpy as np
from federation import HERE, RULES, CountingRandomness, OpenEngines, binding_of
from slt import Script

from engine.catalogue import load_catalogue
from engine.client.terms import price_of
from engine.governance.homes import create_home
from engine.sql import prepare
from engine.sql.finish import Answer, finish
from engine.sql.statement import Statement
from engine.trusted import ring
from engine.trusted.calibrate import calibrate, cells_of, layout_of
from engine.trusted.catalogue import Catalogue
from engine.trusted.domains import scope_of
from engine.trusted.join import Side, is_join, pairs, sides_of
from engine.trusted.plan import Aggregate, ColumnRef, GroupingSet, Key, Literal, Plan, Type
from engine.trusted.records import Calibration
from engine.trusted.stability import stability_of
from nodes.partials import partials
from nodes.sources.dialect import DUCKDB, quoted
from nodes.sources.duckdb import DuckDBSource
from nodes.sources.render import rows_of
from nodes.tables import Tables, cut

Words = Mapping[str, Sequence[int]]  # person -> the words of a row


@dataclass
class Departments:
    """One catalogue, each dataset at its hosts; ``nodes``: as many as answer a private join."""

    catalogue: Catalogue
    tables: Mapping[str, Tables]
    source: OpenEngines
    folder: Path
    nodes: tuple[int, int] = (1, 2)

    @classmethod
    def found(cls, script: Script, folder: Path, worker: DuckDBSource) -> Departments:
        catalogue = load_catalogue(HERE / "catalogues" / f"{script.catalogue}.yaml")
        tables = {}
        for host in dict.fromkeys(host for d in catalogue.datasets for host in d.hosts if d.name in script.data):
            held = [d for d in catalogue.datasets if host in d.hosts]
            texts = {d.name: script.data.get(d.name) or ",".join(c.name for c in d.columns) + "\n" for d in held}
            home = create_home(folder / host, host, "node", catalogue.federation)
            binding = binding_of(texts, host, home.path)
            tables[host] = cut(binding, catalogue, home, randomness=CountingRandomness(), source=worker)
        return cls(catalogue, tables, OpenEngines(), folder)

    def close(self) -> None:
        self.source.close()
        rmtree(self.folder, ignore_errors=True)

    def prepare(
        self, sql: str, epsilon: str = "1", delta: str = "1e-9", *, idle: bool = False
    ) -> tuple[Statement, Calibration]:
        price_of(Fraction(epsilon), Fraction(delta), (found := prepare(sql, self.catalogue, RULES, idle=idle)).plan)
        return found, self.calibrated(found, epsilon, delta)

    def calibrated(self, statement: Statement, epsilon: str = "1", delta: str = "1e-9") -> Calibration:
        price = price_of(Fraction(epsilon), Fraction(delta), statement.plan)
        hosts = stability_of(statement.plan.aggregate.input, self.catalogue).hosts
        return calibrate(statement.plan, self.catalogue, price.answer, len(hosts), 0)

    def sums(self, statement: Statement, calibration: Calibration) -> list[tuple[int, ...]]:
        """As if one owner had the answer and the other zeros: to both of them noise is added."""
        return [self.combined(statement, calibration), (0,) * calibration.cells]

    def combined(self, statement: Statement, calibration: Calibration) -> tuple[int, ...]:
        plan = statement.plan
        if not is_join(plan.aggregate):
            [host] = stability_of(plan.aggregate.input, self.catalogue).hosts
            return partials(plan, self.catalogue, calibration, self.tables[host], self.source)
        left, right = (self._words(side, plan) for side in sides_of(plan, self.catalogue))
        return multiplied(plan, self.catalogue, calibration, left, right)

    def steps(self, statement: Statement, calibration: Calibration, cells: Sequence[int]) -> tuple[int, ...]:
        aggregate, found = statement.plan.aggregate, list(cells)
        for block in layout_of(aggregate, scope_of(aggregate.input, self.catalogue)):
            for place in range(block.offset, block.offset + block.cells):
                found[place], rest = divmod(found[place], calibration.multipliers[block.measure])
                if rest:
                    raise AssertionError("a cell is no whole number of steps")
        return tuple(found)

    def answer(self, sql: str) -> Answer:
        statement, calibration = self.prepare(sql)
        return self.finished(statement, calibration, self.combined(statement, calibration))

    def finished(self, statement: Statement, calibration: Calibration, cells: tuple[int, ...]) -> Answer:
        hosts = stability_of(statement.plan.aggregate.input, self.catalogue).hosts
        return finish(statement, self.catalogue, calibration, cells, len(hosts))

    def _words(self, side: Side, plan: Plan) -> Words:
        """What one owner computes: for each of its persons a row of ``side.words`` whole steps."""
        tables, rows = self.tables[side.host], rows_of(side.aggregate.input, self.catalogue, DUCKDB)
        query = f"SELECT DISTINCT {quoted(rows.person)} AS p FROM ({rows.sql}) AS r"
        found = sorted(str(row[0]) for row in self.source.select(tables.databases, [query], 10**6)[0])
        if not found:
            return {}
        person = Key(ColumnRef(rows.person), tuple(Literal(Type.TEXT, name) for name in found))
        sets = tuple(GroupingSet((0, *(key + 1 for key in own.keys))) for own in side.aggregate.grouping_sets)
        aggregate = replace(side.aggregate, keys=(person, *side.aggregate.keys), grouping_sets=sets)
        blocks = layout_of(aggregate, scope_of(aggregate.input, self.catalogue))
        cells = cells_of(aggregate, scope_of(aggregate.input, self.catalogue))
        ones = Calibration(cells, (1,) * len(aggregate.measures), 0, 0)
        flat = partials(replace(plan, aggregate=aggregate), self.catalogue, ones, tables, self.source)
        tables_ = [np.array(flat[b.offset : b.offset + b.cells], dtype=object).reshape(len(found), -1) for b in blocks]
        whole = np.concatenate(tables_, axis=1)
        if whole.shape[1] != side.words:
            raise AssertionError("a row has other words than the plan says")
        return {name: row.tolist() for name, row in zip(found, whole, strict=True)}


def multiplied(
    plan: Plan, catalogue: Catalogue, calibration: Calibration, left: Words, right: Words
) -> tuple[int, ...]:
    """Blocks of persons that both have, left by right, in ring units."""
    aggregate: Aggregate = plan.aggregate
    cells = np.zeros(calibration.cells, dtype=np.uint64)
    both = sorted(left.keys() & right.keys())
    if both:
        a, b = (np.stack([ring.from_integers(words[name]) for name in both]) for words in (left, right))
        for pair in pairs(aggregate, scope_of(aggregate.input, catalogue)):
            ours = a[:, pair.left.offset : pair.left.offset + pair.left.cells]
            theirs = b[:, pair.right.offset : pair.right.offset + pair.right.cells]
            table: Any = (ours.T @ theirs) * np.uint64(calibration.multipliers[pair.block.measure])
            table = table.reshape(pair.left.shape + pair.right.shape).transpose(pair.axes)
            cells[pair.block.offset : pair.block.offset + pair.block.cells] = table.ravel()
    return tuple(ring.to_signed(cells))
