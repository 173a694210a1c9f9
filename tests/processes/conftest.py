"""One's own files for two nodes: one CSV, one Parquet, and a catalogue."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

ROWS = 2_000
EXECUTED = ("test_first_light", "test_commands")  # whose processes begin as a person's do
CATALOGUE = """
federation: mine
datasets:
  people:
    title: Residents
    hosts: [north, south]
    person: person_id
    overlap: 1
    rows_per_person: 1
    at_most: {persons: 10_000, rows: 10_000}
    columns:
      person_id: {type: text}
      region: {type: text, domain: [N, S, E, W], nullable: true}
      income: {type: decimal, bounds: [0, 200000], step: 0.01, unit: GBP}
      born: {type: date, bounds: [1920-01-01, 2020-12-31]}
"""


@dataclass(frozen=True, slots=True)
class Own:
    """``regions`` and ``incomes``: all rows of both nodes, in the same order."""

    catalogue: Path
    north: Path
    south: Path
    regions: tuple[str, ...]
    incomes: tuple[float, ...]

    @property
    def options(self) -> list[str]:
        return ["--catalog", str(self.catalogue), "--data", f"north={self.north}", "--data", f"south={self.south}"]


@pytest.fixture(scope="module", autouse=True)
def processes_begin(request: pytest.FixtureRequest) -> None:
    if request.path.stem not in EXECUTED:
        request.getfixturevalue("warm_processes")


@pytest.fixture(scope="session")
def own(tmp_path_factory: pytest.TempPathFactory) -> Own:
    folder = tmp_path_factory.mktemp("own")
    (folder / "catalogue.yaml").write_text(CATALOGUE)
    generator = np.random.default_rng(7)
    regions = generator.choice(["N", "S", "E", "W"], 2 * ROWS, p=[0.4, 0.3, 0.2, 0.1]).tolist()
    incomes = np.round(generator.uniform(10_000, 60_000, 2 * ROWS), 2).tolist()
    north, south = folder / "north", folder / "south"
    north.mkdir()
    south.mkdir()
    with (north / "people.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["person_id", "region", "income", "born"])
        writer.writerows([i, regions[i], incomes[i], f"19{i % 80 + 20}-05-01"] for i in range(ROWS))
    columns = {
        "person_id": pa.array(range(ROWS, 2 * ROWS)),
        "region": pa.array(regions[ROWS:]),
        "income": pa.array(incomes[ROWS:]),
        "born": pa.array(np.full(ROWS, np.datetime64("1980-05-01"))),
    }
    parquet.write_table(pa.table(columns), south / "people.parquet")
    return Own(folder / "catalogue.yaml", north, south, tuple(regions), tuple(incomes))
