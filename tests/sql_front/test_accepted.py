"""Every statement of the table is accepted: its measures, keys and rows, and its column names as DuckDB has them."""

from __future__ import annotations

from typing import Any

import pytest

from engine.sql import Context, prepare
from engine.trusted.plan import Filter, Measure, Type
from engine.trusted.wire import decode, encode
from engine.trusted.wording import in_sql

TABLE = "accepted.yaml"
duckdb = pytest.importorskip("duckdb")
ENGINE_TYPES = {
    Type.BOOLEAN: "BOOLEAN",
    Type.INTEGER: "BIGINT",
    Type.DECIMAL: "DOUBLE",
    Type.DATE: "DATE",
    Type.TEXT: "VARCHAR",
}


def measure_text(measure: Measure) -> str:
    text = measure.statistic.name.lower()
    if measure.expression is not None:
        text += f" of {in_sql(measure.expression)}"
    if measure.filter is not None:
        text += f" where {in_sql(measure.filter)}"
    if measure.clamp is not None:
        text += f" in {float(measure.clamp.lower):g} .. {float(measure.clamp.upper):g}"
    return text


def test_an_accepted_statement_has_these_measures(row: dict[str, Any], context: Context) -> None:
    statement = prepare(row["sql"], context.catalogue, context.rules)
    aggregate = statement.plan.aggregate
    assert [measure_text(m) for m in aggregate.measures] == row["measures"]
    sizes = [f"at most {key.selected_at_most}" if key.selected_at_most else len(key.values) for key in aggregate.keys]
    assert sizes == row.get("keys", [])
    rows = in_sql(aggregate.input.predicate) if isinstance(aggregate.input, Filter) else None
    assert rows == row.get("rows")
    assert decode(type(statement.plan), encode(statement.plan)) == statement.plan
    assert prepare(row["sql"], context.catalogue, context.rules) == statement


def test_columns_are_named_as_duckdb_names_them(row: dict[str, Any], context: Context) -> None:
    statement = prepare(row["sql"], context.catalogue, context.rules)
    with duckdb.connect() as engine:
        for dataset in context.catalogue.datasets:
            columns = ", ".join(f'"{c.name}" {ENGINE_TYPES[c.type]}' for c in dataset.columns)
            engine.execute(f"CREATE TABLE {dataset.name} ({columns})")
        named = [column[0] for column in engine.execute(row["sql"]).description]
    ours = [name for name, _ in statement.columns]
    assert ours == named or (len(set(named)) < len(named) and len(set(ours)) == len(ours))
