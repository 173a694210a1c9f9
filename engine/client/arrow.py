"""Answers as Arrow: the schema, known before anything is asked, and the table.

A column that noise reaches says so in its field's metadata (``splittally.noise: 95%``). With intervals as columns, two
follow it: ``<name>_low`` and ``<name>_high``, doubles, NULL where nothing is known of the error.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa

from engine.sql.finish import Answer
from engine.sql.statement import GroupingLeaf, KeyLeaf, Statement, Widen
from engine.trusted.plan import Expression, Type
from engine.trusted.walk import names_in

KINDS: Mapping[Type, pa.DataType] = {
    Type.BOOLEAN: pa.bool_(),
    Type.INTEGER: pa.int64(),
    Type.DECIMAL: pa.float64(),
    Type.DATE: pa.date32(),
    Type.TEXT: pa.string(),
}
SQL_NAMES: Mapping[Type, str] = {
    Type.BOOLEAN: "BOOLEAN",
    Type.INTEGER: "BIGINT",
    Type.DECIMAL: "DOUBLE",
    Type.DATE: "DATE",
    Type.TEXT: "VARCHAR",
}
NOISE = {b"splittally.noise": b"95%"}
ENDS = ("low", "high")


def schema_of(statement: Statement, intervals: bool = False) -> pa.Schema:
    """The answer's columns; derived from the statement alone."""
    noisy = noisy_columns(statement)
    fields = [pa.field(name, KINDS[kind], True, NOISE if name in noisy else None) for name, kind in statement.columns]
    return pa.schema(list(_widened(fields)) if intervals else fields)


def table_of(answer: Answer, schema: pa.Schema) -> pa.Table:
    """The answer as ``schema_of`` its statement says, with or without intervals."""
    intervals = len(schema) > len(answer.columns)
    arrays: list[pa.Array] = []
    for place, (name, kind) in enumerate(zip(answer.columns, answer.types, strict=True)):
        arrays.append(pa.array([row[place] for row in answer.rows], KINDS[kind]))
        if intervals and schema.field(len(arrays) - 1).metadata:
            ends = [row.get(name, (None, None)) for row in answer.intervals]
            arrays += [pa.array([end[side] for end in ends], pa.float64()) for side in range(len(ENDS))]
    return pa.Table.from_arrays(arrays, schema=schema)


def widened_table(answer: Answer) -> pa.Table:
    """The answer with intervals as columns, for the columns that have any."""
    known = {name for row in answer.intervals for name in row}
    fields = [
        pa.field(name, KINDS[kind], True, NOISE if name in known else None)
        for name, kind in zip(answer.columns, answer.types, strict=True)
    ]
    return table_of(answer, pa.schema(list(_widened(fields))))


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
        for end in ENDS if field.metadata else ():
            name = f"{field.name}_{end}"
            while name in taken:
                name += "_"
            taken.add(name)
            yield pa.field(name, pa.float64())
