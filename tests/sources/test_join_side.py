"""One side of a private join: what the engine gives for each person, and the columns that carry it to the node."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from published import catalogue_of, dataset, publish
from test_worker import FORBIDDEN

from engine.errors import Unavailable
from engine.trusted.plan import Clamp, ColumnRef, Key, Literal, Measure, Scan, Statistic, Type
from nodes.sources.columns import PersonRows, person_rows
from nodes.sources.dialect import DUCKDB
from nodes.sources.duckdb import DuckDBSource
from nodes.sources.render import persons_of
from nodes.tables import Tables

HEAD = "person_id,region,sex,age,income,paid_on,active,note\n"
REGION = Key(ColumnRef("region"), tuple(Literal(Type.TEXT, v) for v in ("N", "S", "E", "W")))
SEX = Key(ColumnRef("sex"), tuple(Literal(Type.TEXT, v) for v in ("F", "M", None)))
AGES = Measure(Statistic.SUM, ColumnRef("age"), clamp=Clamp(Fraction(0), Fraction(50)))
INCOMES = Measure(Statistic.SUM, ColumnRef("income"), clamp=Clamp(Fraction(0), Fraction(100)))
ROWS = Measure(Statistic.COUNT_ROWS)
KNOWN = Measure(Statistic.COUNT_PRESENT, ColumnRef("age"))
ACTIVE = Measure(Statistic.COUNT_PERSONS, filter=ColumnRef("active"))
Found = dict[tuple[str, int], tuple[int, ...]]


def as_dict(rows: PersonRows) -> Found:
    """By person and cell, each once."""
    names = [bytes(rows.text[a:b]).decode() for a, b in zip(rows.ends[:-1], rows.ends[1:], strict=True)]
    cells, *values = (column.tolist() for column in rows.numbers)
    found = dict(zip(zip(names, cells, strict=True), zip(*values, strict=True), strict=True))
    assert len(found) == len(names)
    return found


def of(tables: Tables, source: DuckDBSource, keys: tuple[Key, ...], *measures: Measure, **bounds: Any) -> Found:
    definition = dataset(**bounds)
    catalogue = catalogue_of(definition)
    query = persons_of(Scan("people"), keys, measures, catalogue, DUCKDB, tables.snapshot("people").id)
    [rows] = source.read(tables.databases, [query], 1_000)
    return as_dict(rows)


LINES = (
    "p1,N,F,30,10,2020-01-01,true,\n"
    "p1,N,F,99,10.5,2020-01-01,false,\n"
    "p1,S,,,20,2020-01-01,true,\n"
    "p2,W,M,20,1000,2020-01-01,,\n"
    "é,,M,20,0,2020-01-01,true,\n"
)


def test_each_person_has_a_row_a_cell_and_groups_are_capped(tmp_path: Path, source: DuckDBSource) -> None:
    bounds: dict[str, Any] = {"rows_per_person": 3}
    tables = publish(dataset(**bounds), HEAD + LINES, tmp_path, source)
    assert of(tables, source, (), ROWS, AGES, INCOMES, KNOWN, ACTIVE, **bounds) == {
        ("p1", 0): (3, 80, 4_050, 2, 1),  # ages are clamped to 50; incomes are in steps of 0.01
        ("p2", 0): (1, 20, 10_000, 1, 0),
        ("é", 0): (1, 20, 0, 1, 1),
    }
    both = of(tables, source, (REGION, SEX), ROWS, AGES, **bounds)
    assert both == {("p1", 0): (2, 80), ("p1", 5): (1, 0), ("p2", 10): (1, 20)}  # a NULL region is not listed
    assert of(tables, source, (SEX,), ROWS, **bounds) == {
        ("p1", 0): (2,), ("p1", 2): (1,), ("p2", 1): (1,), ("é", 1): (1,)
    }  # fmt: skip
    capped = of(tables, source, (REGION, SEX), ROWS, AGES, ACTIVE, groups_per_person=1, **bounds)
    assert len(capped) == 2
    assert {cell: values[:2] for cell, values in capped.items()}.items() <= both.items()


def test_one_row_a_person_needs_no_groups(tmp_path: Path, source: DuckDBSource) -> None:
    """The same figures as by groups, from rows as they stand."""
    lines = LINES.splitlines(keepends=True)
    text = HEAD + lines[0] + lines[3] + lines[4] + "p3,E,F,,,,false,\n"
    measures = (ROWS, AGES, INCOMES, KNOWN, ACTIVE)
    alone = publish(dataset(), text, tmp_path / "one", source)
    many = publish(dataset(rows_per_person=2), text, tmp_path / "many", source)
    catalogue = catalogue_of(dataset())
    assert "GROUP BY" not in persons_of(Scan("people"), (), measures, catalogue, DUCKDB, "x")
    for keys in ((), (REGION,), (REGION, SEX)):
        found = of(alone, source, keys, *measures)
        assert found == of(many, source, keys, *measures, rows_per_person=2)
        assert len(found) == (3 if keys else 4)


def test_nobody_gives_empty_columns(tmp_path: Path, source: DuckDBSource) -> None:
    tables = publish(dataset(), HEAD, tmp_path, source)
    query = persons_of(Scan("people"), (REGION,), (ROWS, AGES), catalogue_of(dataset()), DUCKDB, "x")
    [rows] = source.read(tables.databases, [query], 0)
    assert (rows.ends.tolist(), len(rows.text), [len(column) for column in rows.numbers]) == ([0], 0, [0, 0, 0])


def test_many_batches_are_one_table(tmp_path: Path, source: DuckDBSource) -> None:
    tables = publish(dataset(), HEAD + LINES, tmp_path, source)
    query = "SELECT CAST(range AS VARCHAR) AS p, range AS c FROM range(300000)"
    [one, two] = source.read(tables.databases, [query, query + " WHERE range < 10"], 300_000)
    assert {(n, str(n).encode()) for n in (0, 131_071, 131_072, 299_999)} == {
        (int(one.numbers[0][i]), bytes(one.text[one.ends[i] : one.ends[i + 1]])) for i in places(one)
    }
    assert (len(one.ends), len(two.ends)) == (300_001, 11)
    with pytest.raises(Unavailable, match="NODE_SOURCE_FAILED"):
        source.read(tables.databases, [query], 299_999)


def places(rows: PersonRows) -> list[int]:
    numbers = rows.numbers[0].tolist()
    return [numbers.index(n) for n in (0, 131_071, 131_072, 299_999)]


@pytest.mark.parametrize("sql", [*FORBIDDEN, "SELECT CAST(note AS INTEGER) FROM snapshot_people.rows"])
def test_columns_are_read_from_an_engine_as_locked_down(sql: str, tmp_path: Path, source: DuckDBSource) -> None:
    tables = publish(dataset(), HEAD + LINES.replace("true,", "true,secret", 1), tmp_path, source)
    with pytest.raises(Unavailable) as failed:
        source.read(tables.databases, [sql], 10)
    assert failed.value.code == "NODE_SOURCE_FAILED"
    assert "secret" not in str(failed.value) + failed.value.internal
    query = "SELECT person_id AS p, 1::BIGINT AS c FROM snapshot_people.rows"
    assert len(source.read(tables.databases, [query], 10)[0].numbers[0]) == 3


def stream(*columns: Any) -> bytes:
    batch = pa.record_batch(list(columns), names=[f"c{i}" for i in range(len(columns))])
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as out:
        out.write_batch(batch)
    return sink.getvalue().to_pybytes()  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    "columns",
    [
        (pa.array([1], pa.int64()), pa.array([1], pa.int64())),
        (pa.array(["a"], pa.large_string()), pa.array([1], pa.int64())),
        (pa.array(["a"]), pa.array([1], pa.int32())),
        (pa.array(["a"]), pa.array([1.0])),
        (pa.array(["a", None]), pa.array([1, 2], pa.int64())),
        (pa.array(["a", "b"]), pa.array([1, None], pa.int64())),
    ],
)
def test_columns_of_another_form_are_refused(columns: tuple[Any, ...]) -> None:
    assert person_rows([stream(pa.array(["a", "bc"]), pa.array([1, 2], pa.int64()))]).ends.tolist() == [0, 1, 3]
    with pytest.raises(Unavailable, match="NODE_SOURCE_FAILED"):
        person_rows([stream(*columns)])
    whole = stream(pa.array(["a"]), pa.array([1], pa.int64()))
    with pytest.raises(Unavailable, match="NODE_SOURCE_FAILED"):
        person_rows([whole, stream(pa.array(["a"]), *[pa.array([1], pa.int64())] * 2)])
    for broken in (whole[:-40], whole[:10], b""):
        with pytest.raises(Unavailable, match="NODE_SOURCE_FAILED"):
            person_rows([broken])
    part = pa.array(["x", "yz", "", "w"]).slice(1, 2)
    assert bytes(person_rows([stream(part, pa.array([1, 2], pa.int64()))]).text) == b"yz"
