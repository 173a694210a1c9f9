"""Small datasets cut from small files, for the tests of sources."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import date
from fractions import Fraction
from pathlib import Path

from engine.governance.homes import create_home
from engine.trusted.catalogue import (
    CATALOGUE_VERSION,
    Bounds,
    Catalogue,
    Column,
    Dataset,
    DatasetBinding,
    IdentifierForm,
    LocalColumn,
    NodeBinding,
    PersonUnit,
)
from engine.trusted.dates import day_number
from engine.trusted.home import Home
from engine.trusted.plan import ColumnRef, NamedExpression, Type
from nodes.schema import columns_of
from nodes.sources.duckdb import DuckDBSource
from nodes.tables import Tables, cut

PEOPLE = (
    Column("person_id", Type.TEXT),
    Column("region", Type.TEXT, domain=("N", "S", "E", "W")),
    Column("sex", Type.TEXT, nullable=True, domain=("F", "M")),
    Column("age", Type.INTEGER, bounds=Bounds(Fraction(0), Fraction(120))),
    Column("income", Type.DECIMAL, bounds=Bounds(Fraction(0), Fraction(200_000)), step=Fraction(1, 100)),
    Column(
        "paid_on",
        Type.DATE,
        bounds=Bounds(day_number(date(2020, 1, 1)), day_number(date(2021, 12, 31))),
    ),
    Column("active", Type.BOOLEAN),
    Column("note", Type.TEXT),
)


class FixedRandomness:
    """Counts up from a seed: tests only."""

    def __init__(self, seed: int = 0) -> None:
        self.next = seed

    def bytes(self, count: int) -> bytes:
        self.next += 1
        return self.next.to_bytes(count, "big")


def dataset(
    columns: Sequence[Column] = PEOPLE,
    *,
    name: str = "people",
    rows_per_person: int = 1,
    groups_per_person: int | None = None,
    hosts: tuple[str, ...] = ("here",),
    form: IdentifierForm = IdentifierForm.AS_IS,
    at_most: int = 1_000_000,
) -> Dataset:
    return Dataset(
        name=name,
        title=name,
        about="",
        hosts=hosts,
        person=PersonUnit(columns[0].name, columns[0].name, form),
        overlap=1,
        rows_per_person=rows_per_person,
        groups_per_person=groups_per_person or rows_per_person,
        placement=name,
        at_most_persons=at_most,
        at_most_rows=at_most,
        columns=tuple(columns),
    )


def catalogue_of(*datasets: Dataset) -> Catalogue:
    return Catalogue(CATALOGUE_VERSION, "test", datasets)


def binding_of(definition: Dataset, files: Sequence[Path], source: DuckDBSource, node: str = "here") -> NodeBinding:
    """Every column bound to the local column of its name."""
    local = [c for c in columns_of(files[0], source) if definition.column(c.name)]
    bound = DatasetBinding(
        dataset=definition.name,
        files=tuple(str(f) for f in files),
        local_columns=tuple(LocalColumn(c.name, c.type) for c in local),
        columns=tuple(NamedExpression(c.name, ColumnRef(c.name)) for c in local),
    )
    return NodeBinding(1, node, (bound,))


def home_at(path: Path) -> Home:
    return create_home(path, "here", "node", "test")


def publish(
    definition: Dataset, text: str, folder: Path, source: DuckDBSource, *, seed: int = 0, node: str = "here"
) -> Tables:
    """A CSV text as the published view of one dataset at one node."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{definition.name}.csv"
    file.write_text(text, encoding="utf-8")
    home = home_at(folder / f"home-{os.urandom(4).hex()}")
    bound = binding_of(definition, [file], source, node)
    return cut(bound, catalogue_of(definition), home, randomness=FixedRandomness(seed), source=source)


def stored(tables: Tables, name: str, columns: str = "*") -> list[tuple[object, ...]]:
    """What the snapshot of one dataset holds, by the test's own engine."""
    import duckdb

    connection = duckdb.connect(str(tables.snapshot(name).path), read_only=True)
    try:
        return connection.execute(f"SELECT {columns} FROM rows ORDER BY ALL").fetchall()
    finally:
        connection.close()
