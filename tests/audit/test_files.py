"""Numbers that only a typed file can hold: NaN and infinities of a Parquet file are NULL in every column."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import pytest
from world import CATALOGUE, Counted, InProcess

from engine.governance.homes import create_home
from engine.trusted.catalogue import DatasetBinding, NodeBinding
from engine.trusted.plan import ColumnRef, NamedExpression
from nodes.schema import columns_of
from nodes.tables import cut

ODD = ("nan", "inf", "-inf", "-nan")


def stored(path: Path, columns: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(path), read_only=True) as connection:
        return connection.execute(f"SELECT {columns} FROM rows ORDER BY ALL").fetchall()


@pytest.mark.parametrize("kind", ["DOUBLE", "FLOAT"])
def test_numbers_that_are_none_are_null(kind: str, tmp_path: Path) -> None:
    """As decimals with and without bounds, and as whole numbers; minus zero is zero."""
    numbers = ", ".join(f"('p{i}', '{v}'::{kind})" for i, v in enumerate((*ODD, "-0.0")))
    file = tmp_path / "people.parquet"
    others = [c.name for c in CATALOGUE.datasets[0].columns if c.name not in ("person_id", "income", "free", "age")]
    nulls = "".join(f", NULL::VARCHAR AS {name}" for name in others)
    with duckdb.connect() as connection:
        chosen = f"SELECT p AS person_id, x AS income, x AS free, x AS age{nulls} FROM (VALUES {numbers}) AS t(p, x)"
        connection.execute(f"COPY ({chosen}) TO '{file}'")
    source = InProcess()
    local = columns_of(file, source)
    columns = tuple(NamedExpression(c.name, ColumnRef(c.name)) for c in local)
    bound = DatasetBinding("people", (str(file),), local, columns)
    home = create_home(tmp_path / "home", "n0", "node", "audit")
    tables = cut(NodeBinding(1, "n0", (bound,)), CATALOGUE, home, randomness=Counted("x"), source=source)
    rows = stored(tables.snapshots[0].path, 'person_id, income, "income$key", free, age, "age$key"')
    assert rows == [(f"p{i}", *[None] * 5) for i in range(len(ODD))] + [(f"p{len(ODD)}", 0, 0, 0, 0, 0)]
