"""Answers as Arrow: the schema, known before anything is asked, and the table.

A column that noise reaches says so in its field's metadata (``splittally.noise: 95%``), and a column whose unit is sure
names it (``splittally.unit: GBP``). With intervals as columns, two
follow it: ``<name>_low`` and ``<name>_high``, doubles, NULL where nothing is known of the error.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from typing import Any

import pyarrow as pa

from engine.arrow_kinds import KINDS
from engine.client.units import units_of
from engine.sql.finish import Answer
from engine.sql.statement import GroupingLeaf, KeyLeaf, Statement, Widen
from engine.trusted.catalogue import Catalogue
from engine.trusted.plan import Expression, Type
from engine.trusted.walk import names_in

SQL_NAMES: Mapping[Type, str] = {
    Type.BOOLEAN: "BOOLEAN",
    Type.INTEGER: "BIGINT",
    Type.DECIMAL: "DOUBLE",
    Type.DATE: "DATE",
    Type.TEXT: "VARCHAR",
}
NOISE = {b"splittally.noise": b"95%"}
UNIT = b"splittally.unit"
ENDS = ("low", "high")


def schema_of(statement: Statement, catalogue: Catalogue, intervals: bool = False) -> pa.Schema:
    """The answer's columns; derived from the statement and the catalogue alone."""
    fields = _fields(statement.columns, units_of(statement, catalogue), noisy_columns(statement))
    return pa.schema(list(_widened(fields)) if intervals else fields)


def _fields(columns: Iterable[tuple[str, Type]], units: Sequence[str], noisy: Set[str]) -> list[pa.Field]:
    fields = []
    for place, (name, kind) in enumerate(columns):
        unit = {UNIT: units[place].encode()} if units and units[place] else {}
        fields.append(pa.field(name, KINDS[kind], True, {**(NOISE if name in noisy else {}), **unit} or None))
    return fields


def _is_noisy(field: pa.Field) -> bool:
    return NOISE.keys() <= (field.metadata or {}).keys()


def table_of(answer: Answer, schema: pa.Schema) -> pa.Table:
    """The answer as ``schema_of`` its statement says, with or without intervals."""
    intervals = len(schema) > len(answer.columns)
    arrays: list[pa.Array] = []
    for place, (name, kind) in enumerate(zip(answer.columns, answer.types, strict=True)):
        arrays.append(pa.array([row[place] for row in answer.rows], KINDS[kind]))
        if intervals and _is_noisy(schema.field(len(arrays) - 1)):
            ends = [row.get(name, (None, None)) for row in answer.intervals]
            arrays += [pa.array([end[side] for end in ends], pa.float64()) for side in range(len(ENDS))]
    return pa.Table.from_arrays(arrays, schema=schema)


def widened_table(answer: Answer) -> pa.Table:
    """The answer with intervals as columns, for the columns that have any."""
    known = {name for row in answer.intervals for name in row}
    fields = _fields(zip(answer.columns, answer.types, strict=True), answer.units, known)
    return table_of(answer, pa.schema(list(_widened(fields))))


def answer_table(answer: Answer) -> pa.Table:
    """The answer without intervals."""
    return table_of(answer, pa.schema(_fields(zip(answer.columns, answer.types, strict=True), answer.units, set())))


def plain_table(columns: Sequence[tuple[str, Type]], rows: Sequence[Sequence[Any]]) -> pa.Table:
    """Rows without noise, as a table."""
    schema = pa.schema([pa.field(name, KINDS[kind]) for name, kind in columns])
    arrays = [pa.array([row[place] for row in rows], field.type) for place, field in enumerate(schema)]
    return pa.Table.from_arrays(arrays, schema=schema)


def noisy_columns(statement: Statement) -> frozenset[str]:
    """The columns of numbers that noise reaches; the others are keys, literals and comparisons."""
    leaves = dict(statement.leaves)
    windows = {name: leaf for step in statement.steps if isinstance(step, Widen) for name, leaf in step.windows}

    def reached(expression: Expression) -> bool:
        for name in names_in(expression):
            if name not in windows:
                if not isinstance(leaves[name], KeyLeaf | GroupingLeaf):
                    return True
                continue
            window = windows[name]
            if any(reached(e) for e in (*window.arguments, *window.partition, *(o.expression for o in window.order))):
                return True
        return False

    numbers = (output for output in statement.outputs if output.type in (Type.INTEGER, Type.DECIMAL))
    return frozenset(output.name for output in numbers if reached(output.expression))


def _widened(fields: Sequence[pa.Field]) -> Iterator[pa.Field]:
    taken = {field.name for field in fields}
    for field in fields:
        yield field
        for end in ENDS if _is_noisy(field) else ():
            name = f"{field.name}_{end}"
            while name in taken:
                name += "_"
            taken.add(name)
            unit = {key: word for key, word in field.metadata.items() if key == UNIT}
            yield pa.field(name, pa.float64(), True, unit or None)
