"""The oracle: one plain engine with the union of all rows, at the published bounds, that runs the analyst's own text.

Written apart from the code it judges: nothing here comes from the parser, the plan, the renderer or the snapshot cut.
Only the catalogue's own description of a column is read.
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from fractions import Fraction
from typing import Any

from engine.trusted.catalogue import Catalogue, Column, Dataset, IdentifierForm
from engine.trusted.plan import Type

KINDS = {
    Type.BOOLEAN: "BOOLEAN",
    Type.INTEGER: "BIGINT",
    Type.DECIMAL: "DOUBLE",
    Type.DATE: "DATE",
    Type.TEXT: "VARCHAR",
}
FIRST_DAY = date(1970, 1, 1)


@dataclass(frozen=True)
class Told:
    """What the oracle says: names and engine types of the columns, and the rows."""

    columns: tuple[str, ...]
    types: tuple[str, ...]
    rows: list[tuple[Any, ...]]


class Oracle:
    """One engine; of each dataset the union of the published rows of all nodes."""

    def __init__(self, catalogue: Catalogue, data: Mapping[str, str]) -> None:
        import duckdb

        self.engine = duckdb.connect(config={"threads": 1})
        self.rows: dict[str, int] = {}
        for dataset in catalogue.datasets:
            columns = ", ".join(f'"{c.name}" {KINDS[c.type]}' for c in dataset.columns)
            self.engine.execute(f'CREATE TABLE "{dataset.name}" ({columns})')
            rows = published_rows(dataset, data.get(dataset.name, ""))
            self.rows[dataset.name] = len(rows)
            if rows:
                marks = ", ".join("?" * len(dataset.columns))
                self.engine.executemany(f'INSERT INTO "{dataset.name}" VALUES ({marks})', rows)

    def ask(self, sql: str) -> Told:
        """The statement as the analyst wrote it."""
        found = self.engine.execute(sql)
        columns = found.description
        return Told(tuple(c[0] for c in columns), tuple(str(c[1]) for c in columns), found.fetchall())

    def close(self) -> None:
        self.engine.close()


def published_rows(dataset: Dataset, text: str) -> list[list[object]]:
    """Rows with a person, values in their domains; of a person with too many rows the first ones.

    A table whose answers should be determined gives such a person rows that are all alike.
    """
    rows, held = [], dict[str, int]()
    for record in csv.DictReader(io.StringIO(text)):
        person = normal(record[dataset.person.column], dataset)
        held[person] = held.get(person, 0) + 1
        if person and held[person] <= dataset.rows_per_person:
            rows.append(
                [
                    person if c.name == dataset.person.column else published(c, record.get(c.name) or "")
                    for c in dataset.columns
                ]
            )
    return rows


def normal(person: str, dataset: Dataset) -> str:
    """The normal form of an identifier; empty for nobody."""
    digits, alnum = re.sub("[^0-9]", "", person), re.sub("[^A-Z0-9]", "", person.upper())
    match dataset.person.form:
        case IdentifierForm.AS_IS:
            return person
        case IdentifierForm.DIGITS:
            return digits
        case IdentifierForm.UPPER_ALNUM:
            return alnum
        case IdentifierForm.WHOLE_NUMBER:
            return str(int(digits)) if digits else ""
        case IdentifierForm.NHS_NUMBER:
            checked = sum(w * int(d) for w, d in zip(range(10, 0, -1), digits, strict=False)) % 11 == 0
            return digits if len(digits) == 10 and checked else ""
        case IdentifierForm.NINO:
            return alnum[:8] if re.fullmatch("[A-Z]{2}[0-9]{6}[A-D]?", alnum) else ""


def published(column: Column, text: str) -> object:
    """One value by the rules of the published view: NULL, clamped, on its step, in its domain."""
    if text == "":
        return None
    if column.type is Type.TEXT:
        return text if not column.domain or text in column.domain else None
    if column.type is Type.BOOLEAN:
        return {"true": True, "false": False}.get(text.lower())
    if column.type is Type.DATE:
        try:
            number = (date.fromisoformat(text) - FIRST_DAY).days
        except ValueError:
            return None
        return FIRST_DAY + timedelta(days=int(_clamped(column, Fraction(number))))
    try:
        value = float(text)
    except ValueError:
        return None
    if not math.isfinite(value):
        return None
    if column.type is Type.INTEGER:
        return int(_clamped(column, Fraction(int(text))))
    step = column.step or Fraction(1)
    return float(_clamped(column, math.floor(Fraction(text) / step + Fraction(1, 2)) * step))


def _clamped(column: Column, value: Fraction) -> Fraction:
    if column.bounds is None:
        return value
    return max(column.bounds.lower, min(column.bounds.upper, value))
