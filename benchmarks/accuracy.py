"""Error for the budget: against one curator of our own, and a session of twenty queries against peers.

Real partials from a published snapshot, the production sampler's noise for each of n nodes, the client's own decoding.
The first part compares n nodes with one node at the same (epsilon, delta), n_min = n and f = 0. The second spends one
total (epsilon 1, delta 1e-6) on the twenty queries of ``SESSION``; the peers answer the same queries over the same rows
in environments of their own, with the scripts in benchmarks/peers:

    python -m benchmarks accuracy                       # prints our figures, and writes people.parquet beside --data
    PEER/bin/python benchmarks/peers/opendp_session.py people.parquet
    PEER/bin/python benchmarks/peers/smartnoise_session.py people.parquet
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.federations import MANY
from engine.catalogue import load_catalogue
from engine.governance.federation import default_rules
from engine.governance.homes import create_home
from engine.sql import prepare
from engine.sql.figures import groups_of, leaf_value, units_of
from engine.sql.statement import KeyLeaf, Statement
from engine.trusted.calibrate import calibrate, layout_of
from engine.trusted.catalogue import Catalogue, DatasetBinding, LocalColumn, NodeBinding
from engine.trusted.domains import scope_of
from engine.trusted.epsilon import loss_for
from engine.trusted.noise import ProductionSampler
from engine.trusted.plan import ColumnRef, NamedExpression, Type
from engine.trusted.random import SystemRandomness
from engine.trusted.records import Loss
from nodes.partials import partials
from nodes.sources.duckdb import DuckDBSource
from nodes.tables import cut

ROWS = 100_000
RELEASES = 100
SESSIONS = 20
HOSTS = (2, 5, 20)
FILE = Path("people.parquet")
REGIONS = ("N", "S", "E", "W", "NE", "NW", "SE", "SW", "C", "I", "H", "F")
CATALOGUE = """
federation: accuracy
datasets:
  people:
    title: Residents
    about: Made-up residents, one row each.
    hosts: [{hosts}]
    person: person_id
    overlap: 1
    rows_per_person: 1
    at_most: {{persons: 1000000, rows: 1000000}}
    columns:
      person_id: {{type: text}}
      region: {{type: text, domain: [N, S, E, W, NE, NW, SE, SW, C, I, H, F]}}
      sex: {{type: text, domain: [F, M]}}
      age: {{type: integer, bounds: [0, 110]}}
      income: {{type: integer, bounds: [0, 200000]}}
"""
FIGURES = {"COUNT": "COUNT(*)", "SUM": "SUM(income)", "AVG": "AVG(income)", "MEDIAN": "MEDIAN(income)"}
KEYS = ("region", "sex", "region, sex", "")
SESSION = (
    *(("COUNT", keys, where) for where in ("", "age >= 65") for keys in KEYS),
    *(("SUM", keys, "") for keys in KEYS),
    *(("SUM", keys, "age < 30") for keys in KEYS[:2]),
    *(("AVG", keys, "") for keys in KEYS),
    *(("AVG", keys, "age < 30") for keys in KEYS[:2]),
)


def people() -> pa.Table:
    drawn = np.random.default_rng(7)
    share = np.arange(1, 13)[::-1] / 78
    return pa.table(
        {
            "person_id": [f"p{i}" for i in range(ROWS)],
            "region": np.array(REGIONS)[drawn.choice(12, ROWS, p=share)],
            "sex": np.array(["F", "M"])[drawn.integers(0, 2, ROWS)],
            "age": drawn.integers(0, 100, ROWS),
            "income": np.clip(drawn.lognormal(10.1, 0.6, ROWS), 0, 200_000).astype(np.int64),
        }
    )


def statement_of(figure: str, keys: str, where: str) -> str:
    columns = ", ".join(filter(None, (keys, f"{FIGURES[figure]} AS figure")))
    text = f"SELECT {columns} FROM people" + (f" WHERE {where}" if where else "")
    return text + (f" GROUP BY {keys}" if keys else "")


@dataclass
class Curated:
    """The exact steps of one statement, and what comes out of them with the noise of n nodes."""

    statement: Statement
    steps: tuple[int, ...]
    catalogues: Mapping[int, Catalogue]

    def released(self, hosts: int, loss: Loss, sampler: Any) -> Mapping[tuple[Any, ...], float]:
        """Group -> figure."""
        catalogue = self.catalogues[hosts]
        statement = prepare(self.statement.sql, catalogue, default_rules())
        found = calibrate(statement.plan, catalogue, loss, hosts, 0)
        cells, scale = len(self.steps), np.array(_by_cell(statement, catalogue, found.multipliers), dtype=np.int64)
        noise = sum(sampler.gaussian(found.node_sigma, cells) for _ in range(hosts))
        noisy = tuple((np.array(self.steps, dtype=np.int64) * scale + noise).tolist())
        return figures_of(statement, catalogue, replace(found, cells=cells), noisy, hosts)


def _by_cell(statement: Statement, catalogue: Catalogue, multipliers: Sequence[int]) -> list[int]:
    aggregate = statement.plan.aggregate
    blocks = layout_of(aggregate, scope_of(aggregate.input, catalogue))
    return [multipliers[block.measure] for block in blocks for _ in range(block.cells)]


def figures_of(
    statement: Statement, catalogue: Catalogue, calibration: Any, cells: tuple[int, ...], hosts: int
) -> Mapping[tuple[Any, ...], float]:
    units = units_of(statement, catalogue, calibration, hosts)
    leaves = [leaf for _, leaf in statement.leaves if not isinstance(leaf, KeyLeaf)]
    groups = groups_of(statement, catalogue, units, cells)
    return {g.keys: float(v) for g in groups if (v := leaf_value(leaves[0], g, units)) is not None}  # type: ignore[arg-type]


def curated(scratch: Path) -> Any:
    """A function from a statement to its exact steps over one published snapshot."""
    pq.write_table(people(), scratch / "people.parquet")
    catalogues = {}
    for hosts in (1, *HOSTS):
        file = scratch / f"catalogue-{hosts}.yaml"
        file.write_text(CATALOGUE.format(hosts=", ".join(f"n{i}" for i in range(hosts))))
        catalogues[hosts] = load_catalogue(file)
    source, names = DuckDBSource(), ("person_id", "region", "sex", "age", "income")
    kinds = (Type.TEXT, Type.TEXT, Type.TEXT, Type.INTEGER, Type.INTEGER)
    local = tuple(LocalColumn(n, k) for n, k in zip(names, kinds, strict=True))
    columns = tuple(NamedExpression(n, ColumnRef(n)) for n in names)
    bound = DatasetBinding("people", (str(scratch / "people.parquet"),), local, columns)
    home = create_home(scratch / "home", "n0", "node", "accuracy")
    tables = cut(NodeBinding(1, "n0", (bound,)), catalogues[1], home, randomness=SystemRandomness(), source=source)

    def of(sql: str) -> Curated:
        statement = prepare(sql, catalogues[1], default_rules())
        found = calibrate(statement.plan, catalogues[1], MANY, 1, 0)
        single = replace(found, multipliers=(1,) * len(found.multipliers))
        return Curated(statement, partials(statement.plan, catalogues[1], single, tables, source), catalogues)

    return of, source


def root_mean_square(released: Sequence[Mapping[Any, float]], exact: Mapping[Any, float]) -> float:
    errors = [found[key] - value for found in released for key, value in exact.items() if key in found]
    return float(np.sqrt(np.mean(np.square(errors))))


def exact_of(held: Curated, catalogue: Catalogue) -> Mapping[tuple[Any, ...], float]:
    """The figures before noise."""
    found = calibrate(held.statement.plan, catalogue, MANY, 1, 0)
    single = replace(found, multipliers=(1,) * len(found.multipliers), node_sigma=1)
    return figures_of(held.statement, catalogue, single, held.steps, 1)


def run() -> list[tuple[str, str]]:
    """Rows of (what, figure)."""
    rows, sampler = [], ProductionSampler(SystemRandomness())
    with tempfile.TemporaryDirectory() as scratch:
        of, source = curated(Path(scratch))
        try:
            loss = loss_for(Fraction(1), Fraction(1, 10**9))
            for figure in FIGURES:
                held = of(statement_of(figure, "region, sex", ""))
                exact = exact_of(held, held.catalogues[1])
                errors = {
                    hosts: root_mean_square([held.released(hosts, loss, sampler) for _ in range(RELEASES)], exact)
                    for hosts in (1, *HOSTS)
                }
                ratios = ", ".join(f"{n} nodes {errors[n] / errors[1]:.3f}" for n in HOSTS)
                rows.append((f"{figure} by 24 groups: RMSE over one curator's {errors[1]:.4g}", ratios))
            rows += session(of, sampler)
        finally:
            source.close()
        pq.write_table(people(), FILE)
    rows.append(("rows for the peers' scripts", str(FILE)))
    return rows


def session(of: Any, sampler: Any) -> list[tuple[str, str]]:
    """Twenty queries under one total, over one node and over five."""
    total = loss_for(Fraction(1), Fraction(1, 10**6))
    share = Loss(total.rho_billionths // len(SESSION), 0)
    errors: dict[tuple[str, int], list[float]] = {}
    for figure, keys, where in SESSION:
        held = of(statement_of(figure, keys, where))
        exact = exact_of(held, held.catalogues[1])
        for hosts in (1, 5):
            found = [held.released(hosts, share, sampler) for _ in range(SESSIONS)]
            errors.setdefault((figure, hosts), []).append(root_mean_square(found, exact))
    return [
        (f"session of 20 at (1, 1e-6), {hosts} node(s): mean RMSE of {figure}", f"{np.mean(found):.5g}")
        for (figure, hosts), found in sorted(errors.items())
    ]
