"""Throw-away federations for benchmarks: production processes, with and without the hold to the tick."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from engine.catalogue import load_catalogue
from engine.client.session import Session
from engine.local.federation import LocalFederation, Terms
from engine.trusted.epsilon import loss_for, times
from engine.trusted.records import AccountCap, AccountScope

CATALOGUE = """
federation: benchmark
datasets:
  people:
    title: Residents
    about: Made-up residents, one row each.
    hosts: [{hosts}]
    person: person_id
    overlap: 1
    rows_per_person: 1
    at_most: {{persons: {persons}, rows: {persons}}}
    columns:
      person_id: {{type: text}}
      region: {{type: text, domain: [N, S, E, W, NE, NW, SE, SW, C, I, H, F]}}
      birth_year: {{type: integer, bounds: [1900, 2010]}}
      income: {{type: decimal, bounds: [0, 200000], step: 0.01}}
"""
MANY = times(loss_for(Fraction(1), Fraction(1, 10**9)), 100_000)


@dataclass(slots=True)
class Eager(LocalFederation):
    """As a local federation, with nodes that do not wait for a tick."""

    def _run(self, name: str, module: str, *arguments: str) -> None:
        LocalFederation._run(self, name, "benchmarks.eager_node" if module == "nodes" else module, *arguments)


@dataclass(frozen=True, slots=True)
class Processes:
    """Process ids of a federation by role; a node's are its own and its workers'."""

    by_role: dict[str, tuple[int, ...]]

    @classmethod
    def of(cls, local: LocalFederation) -> Processes:
        ids = {child.name: child.process.pid for child in local.children}
        coordinator = ids.pop("coordinator")
        workers = tuple(worker for node in ids.values() for worker in _children(node))
        return cls(
            {"client": (os.getpid(),), "coordinator": (coordinator,), "node": tuple(ids.values()), "worker": workers}
        )

    def cpu_ms(self) -> dict[str, float]:
        """Processor time so far, a process of each role: what a query costs on a machine that others use too."""
        return {role: sum(map(_cpu_ms, ids)) / len(ids) for role, ids in self.by_role.items()}

    def total_cpu_ms(self) -> float:
        return sum(ms * len(self.by_role[role]) for role, ms in self.cpu_ms().items())


def _children(pid: int) -> list[int]:
    return [int(c) for task in Path(f"/proc/{pid}/task").iterdir() for c in (task / "children").read_text().split()]


def _cpu_ms(pid: int) -> float:
    user, system = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) * 1e3 / os.sysconf("SC_CLK_TCK")


@contextmanager
def federation(
    scratch: Path, folders: dict[str, Path], persons: int, *, hold: bool
) -> Iterator[tuple[Session, Processes]]:
    """A session with a federation over ``folders`` (node -> folder with people.parquet), and its processes."""
    file = scratch / "catalogue.yaml"
    file.write_text(CATALOGUE.format(hosts=", ".join(folders), persons=persons))
    caps = (AccountCap(AccountScope.IDENTIFIER, "", 365, MANY, MANY),)
    kind = LocalFederation if hold else Eager
    with kind(load_catalogue(file), folders, Terms(caps, MANY, MANY)) as local, local.session() as session:
        yield session, Processes.of(local)


def seconds(session: Session, sql: str) -> float:
    """From the text to the opened answer."""
    start = time.perf_counter()
    session.query(sql).wait(60)
    return time.perf_counter() - start
