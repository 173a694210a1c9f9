"""Private joins of two owners' persons, whole: eight processes, TLS, approvals, real noise; linear in persons?

Time, processor time and peak memory a party, and bytes carried from owners to helpers. A pass with other filters
goes first, so that engines are warm. Peers only find who is shared; they answer no question and add no noise:

    PEER/bin/python benchmarks/peers/openmined_psi.py 100000
    PEER/bin/python benchmarks/peers/spu_rr22.py 1000000
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

import duckdb

from benchmarks.federations import MANY, Processes
from engine.catalogue import load_catalogue
from engine.client.query import Query
from engine.local.approvals import answered
from engine.local.federation import LocalFederation, Terms
from engine.trusted.messages import RequestStatus
from engine.trusted.records import AccountCap, AccountScope

CASES = ((10_000, 10), (100_000, 10), (100_000, 100), (1_000_000, 10), (1_000_000, 100), (3_000_000, 10))
ENOUGH = replace(MANY, delta_quintillionths=10**12)  # sizes are paid for with delta
CATALOGUE = """
federation: benchmark
datasets:
  residents:
    title: Residents
    about: Made-up residents, one row each.
    hosts: [council]
    person: {{column: person_id, identifier: nino}}
    overlap: 1
    rows_per_person: 1
    at_most: {{persons: {persons}, rows: {persons}}}
    columns:
      person_id: {{type: text}}
      area: {{type: integer, bounds: [0, {last}]}}
      born: {{type: integer, bounds: [1900, 2010]}}
  wages:
    title: Wages
    about: Made-up wages, one row a person.
    hosts: [tax]
    person: {{column: payee, identifier: nino}}
    overlap: 1
    rows_per_person: 1
    at_most: {{persons: {persons}, rows: {persons}}}
    columns:
      payee: {{type: text}}
      wage: {{type: decimal, bounds: [0, 200000], step: 0.01}}
"""
MADE = {
    "council/residents": "SELECT 'QQ' || (100000000 + i) AS person_id, CAST(hash(i) % {groups} AS INTEGER) AS area,"
    " 1920 + CAST(hash(i + 7) % 90 AS INTEGER) AS born FROM range({persons}) AS t(i)",
    "tax/wages": "SELECT 'QQ' || (100000000 + i) AS payee, CAST(hash(i * 3 + 1) % 6000000 AS DOUBLE) / 100 AS wage"
    " FROM range({persons} * 2 // 5, {persons} * 7 // 5) AS t(i)",
}
SQL = (
    "SELECT area, COUNT(*) AS n, SUM(wage) AS total FROM residents JOIN wages ON person_id = payee"
    " WHERE born > {year} GROUP BY area ORDER BY area"
)
PLAIN = (
    "SELECT area, COUNT(*), SUM(wage) FROM '{council}' JOIN '{tax}' ON person_id = payee WHERE born > {year}"
    " GROUP BY area ORDER BY area"
)


@dataclass
class Watched:
    """When a request began to run, and how much was carried for it."""

    began: float = 0.0
    carried: int = 0

    def __call__(self, status: RequestStatus) -> None:
        if status.state.name == "RUNNING" and not self.began:
            self.began = time.perf_counter()
        self.carried = max(self.carried, status.relayed_bytes)


def run() -> list[tuple[str, str]]:
    """Rows of (what, figure)."""
    found = []
    for persons, groups in CASES:
        with tempfile.TemporaryDirectory() as scratch:
            found += measured(Path(scratch), persons, groups)
    return found


def measured(scratch: Path, persons: int, groups: int) -> list[tuple[str, str]]:
    files = {}
    with duckdb.connect() as engine:
        for name, body in MADE.items():
            file = files[name] = scratch / f"{name}.parquet"
            file.parent.mkdir(exist_ok=True)
            engine.execute(f"COPY ({body.format(persons=persons, groups=groups)}) TO '{file}' (FORMAT parquet)")
        council, tax = files.values()
        exact = engine.execute(PLAIN.format(council=council, tax=tax, year=1901)).fetchall()
    described = scratch / "catalogue.yaml"
    described.write_text(CATALOGUE.format(persons=persons, last=groups - 1))
    terms = Terms((AccountCap(AccountScope.IDENTIFIER, "", 365, ENOUGH, ENOUGH),), ENOUGH, ENOUGH, helpers=3)
    folders = {name: scratch / name for name in ("council", "tax")}
    with LocalFederation(load_catalogue(described), folders, terms) as local, local.session() as session:
        answered(local, session.query(SQL.format(year=1900)))
        parties = parties_of(local)
        before = {name: one.total_cpu_ms() for name, one in parties.items()}
        watched, query = Watched(), session.query(SQL.format(year=1901))
        release = _answered(local, query, watched)
        ended = time.perf_counter()
        cpu = {name: one.total_cpu_ms() - before[name] for name, one in parties.items()}
        peak = {name: max(map(_peak_mib, one.by_role["all"])) for name, one in parties.items()}
    worst = max(abs(float(row["n"]) - n) for row, (_, n, _) in zip(release.table.to_pylist(), exact, strict=True))
    title = f"2 x {persons:,}, {groups} groups"
    own = ", ".join(f"{name} {ms / 1e3:.2f}" for name, ms in cpu.items())
    return [
        (
            title,
            f"{ended - watched.began:.2f} s from approval to answer, {sum(cpu.values()) / 1e3:.2f} s of processor",
        ),
        ("  seconds of processor a party", own),
        ("  peak MiB a process", ", ".join(f"{name} {mib:.0f}" for name, mib in peak.items())),
        ("  carried from owners to helpers", f"{watched.carried / 1e6:.0f} MB; counts at most {worst:.0f} from exact"),
    ]


def _answered(local: LocalFederation, query: Query, watched: Watched):  # type: ignore[no-untyped-def]
    from engine.local.approvals import approve

    approve(local, query.submit())
    return query.wait(300, progress=watched)


def parties_of(local: LocalFederation) -> dict[str, Processes]:
    """The processes of each party, its workers among them; the client is this one."""
    found = {"client": Processes({"all": (os.getpid(),)})}
    for child in local.children:
        found[child.name] = Processes({"all": (child.process.pid, *_below(child.process.pid))})
    return found


def _below(pid: int) -> tuple[int, ...]:
    return tuple(
        int(c) for task in Path(f"/proc/{pid}/task").iterdir() for c in (task / "children").read_text().split()
    )


def _peak_mib(pid: int) -> float:
    [line] = [row for row in Path(f"/proc/{pid}/status").read_text().splitlines() if row.startswith("VmHWM")]
    return int(line.split()[1]) / 1024


if __name__ == "__main__":
    for what, figure in run():
        print(f"{what:40} {figure}", flush=True)
    sys.exit(0)
