"""Keys without a list: one million rows of 0.9 million people, 96,543 possible keys, at most 4 a person, one node.

How many keys (epsilon 1, delta 1e-6) names and counts, how wrong the counts are, and what the first phase costs beside
the engine's own GROUP BY person, key on the same snapshot. Keys are drawn by Zipf's law with exponent 0.85.

With OPENDP_PYTHON, an interpreter that has ``opendp[polars]``, its grouping by stable keys runs on the same rows.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from fractions import Fraction
from math import sqrt
from pathlib import Path
from statistics import median

import numpy as np

from engine.catalogue import parse_catalogue
from engine.client.terms import price_of
from engine.governance.federation import default_rules
from engine.local.attempt import terms_for
from engine.local.federation import LocalFederation
from engine.sql import prepare
from engine.trusted.gauss import ExactSampler
from engine.trusted.plan import Plan
from engine.trusted.random import SystemRandomness
from engine.trusted.selection import UNIT, Choice, choice_of
from nodes.selection import most_shared
from nodes.sources.duckdb import DuckDBSource
from nodes.tables import Snapshot, Tables

ROWS, KEYS, DRAWN_FROM, EXPONENT, GROUPS = 1_000_000, 96_543, 4_700_000, 0.85, 4
EPSILON, DELTA = Fraction(1), Fraction(1, 10**6)
REPEATS = 7
CATALOGUE = f"""
federation: benchmark
datasets:
  visits:
    title: Visits
    about: Made-up visits.
    hosts: [one]
    person: person_id
    overlap: 1
    rows_per_person: {GROUPS}
    columns:
      person_id: {{type: text}}
      clinic: {{type: text}}
"""
SQL = "SELECT clinic, COUNT(DISTINCT person_id) AS n FROM visits GROUP BY clinic ORDER BY n DESC"
AGGREGATED = 'SELECT COUNT(*) FROM (SELECT person_id, clinic FROM snapshot_visits."rows" GROUP BY person_id, clinic)'
OPENDP = """
import sys, time, warnings
warnings.simplefilter("ignore")
import polars as pl, opendp.prelude as dp
dp.enable_features("contrib")
of = ["clinic"]
bounds = [dp.polars.Bound(per_group=1, by=of), dp.polars.Bound(num_groups=4, by=of)]
data = pl.scan_parquet(sys.argv[1]).unique()
terms = {"privacy_unit": dp.unit_of(contributions=bounds), "privacy_loss": dp.loss_of(epsilon=1.0, delta=1e-6)}
context = dp.Context.compositor(data=data.collect().lazy(), split_evenly_over=1, **terms)
began = time.perf_counter()
released = context.query().group_by("clinic").agg(dp.len()).release().collect()
print(released.shape[0], time.perf_counter() - began)
"""


def rows() -> list[tuple[str, str]]:
    """Person and key; of a person with more rows than four, the first ones."""
    generator, held = np.random.default_rng(1), Counter[int]()
    weights = np.arange(1, KEYS + 1) ** -EXPONENT
    keys = generator.choice(KEYS, ROWS, p=weights / weights.sum())
    made = []
    for person, key in zip(generator.integers(0, DRAWN_FROM, ROWS).tolist(), keys.tolist(), strict=True):
        held[person] += 1
        if held[person] <= GROUPS:
            made.append((f"person {person}", f"clinic {key}"))
    return made


def run() -> list[tuple[str, str]]:
    """Rows of (what, figure)."""
    import pyarrow
    from pyarrow import parquet

    made = rows()
    exact = Counter(clinic for _, clinic in set(made))
    catalogue = parse_catalogue(CATALOGUE, "catalogue.yaml")
    plan = prepare(SQL, catalogue, default_rules()).plan
    price = price_of(EPSILON, DELTA, plan)
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch) / "visits.parquet"
        people, clinics = zip(*made, strict=True)
        parquet.write_table(pyarrow.table({"person_id": people, "clinic": clinics}), file)
        terms = terms_for(price.total, None, plan, catalogue)
        with LocalFederation(catalogue, {"one": Path(scratch)}, terms) as local:
            with local.session() as session:
                began = time.perf_counter()
                release = session.query(SQL, epsilon=EPSILON, delta=DELTA).wait()
                taken = time.perf_counter() - began
            [snapshot] = local.directory.rglob("snapshots/visits-*.duckdb")
            assert price.selection is not None
            choice = choice_of(price.selection, 1, GROUPS)
            first, alone = first_phase(plan, choice, snapshot, local)
        found = [(str(row[0]), float(row[1] or 0)) for row in release.answer.rows]
        error = sqrt(sum((n - exact[clinic]) ** 2 for clinic, n in found) / len(found))
        figures = [
            (f"people, and keys that somebody has, of {KEYS:,}", f"{len(set(people)):,}, {len(exact):,}"),
            ("keys released, selection and counts together", f"{len(found):,}"),
            ("  of which nobody has", str(sum(clinic not in exact for clinic, _ in found))),
            (
                "  noise and threshold of selection, in persons",
                f"{choice.sigma / UNIT:.1f}, {choice.threshold / UNIT:.1f}",
            ),
            ("RMSE of their counts", f"{error:.1f}"),
            ("the whole question, with the hold to the tick", f"{taken:.1f} s"),
            ("GROUP BY person, key in the engine", f"{alone * 1e3:.0f} ms"),
            ("first phase at the node: SQL, rows, noise", f"{first * 1e3:.0f} ms = {first / alone:.2f} x"),
        ]
        return figures + peer(file)


def first_phase(plan: Plan, choice: Choice, snapshot: Path, local: LocalFederation) -> tuple[float, float]:
    """Median seconds of the node's query with its noise, and of the pre-aggregation alone, one after the other."""
    source, sampler = DuckDBSource(), ExactSampler(SystemRandomness())
    tables = Tables((Snapshot("visits", "ab" * 16, snapshot, 1),))

    def named() -> None:
        most_shared(plan, choice, local.catalogue, tables, source, sampler)

    def aggregated() -> None:
        source.select(tables.databases, [AGGREGATED], 1)

    named()
    times = [(_seconds(named), _seconds(aggregated)) for _ in range(REPEATS)]
    source.close()
    return median(t for t, _ in times), median(t for _, t in times)


def _seconds(work: Callable[[], None]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def peer(file: Path) -> list[tuple[str, str]]:
    """OpenDP's own number of keys, where there is an interpreter that has it."""
    python = os.environ.get("OPENDP_PYTHON")
    if not python:
        return [("OpenDP on the same rows", "not run: set OPENDP_PYTHON")]
    done = subprocess.run([python, "-c", OPENDP, str(file)], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.stderr.write(done.stderr[-2_000:])
        return [("OpenDP on the same rows", "failed")]
    keys, taken = done.stdout.split()[-2:]
    return [("OpenDP on the same rows: keys released", f"{int(keys):,} in {float(taken):.1f} s")]
