"""Dummy data: rows made from the public catalogue alone, to rehearse a statement on. Their figures mean nothing.

They keep what the catalogue says: values inside domains and bounds and on their steps, up to ``rows_per_person`` rows
of a person at a host, persons of one placement at one host, others at up to ``overlap`` hosts. Every value of a domain
and both ends of every bound occur; so do NULLs, and the values a statement compares with and their neighbours.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from fractions import Fraction
from pathlib import Path
from zlib import crc32

import numpy as np

from engine.trusted import dates
from engine.trusted.catalogue import Bounds, Catalogue, Column, Dataset, IdentifierForm
from engine.trusted.plan import Literal, LiteralValue, Plan, Type
from engine.trusted.walk import expressions_above, expressions_of, parts_of, relations_of

PERSONS = 2_000
FIRST_ID = 1_000_001
PRESENT = 0.9  # of all persons, those that a dataset holds
NULLS, SPECIAL = 0.04, 0.1  # of the values of a column
USUAL_ROWS, MOST_ROWS = 8, 1_000  # of a person at a host; one person has as many as allowed, up to the latter
UNBOUNDED = {
    Type.INTEGER: Bounds(Fraction(0), Fraction(999)),
    Type.DECIMAL: Bounds(Fraction(0), Fraction(1_000)),
    Type.DATE: Bounds(Fraction(0), Fraction(20_000)),
}
TEXTS = 50  # different ones, where no domain names them
Row = dict[str, LiteralValue]
Rows = Mapping[str, Mapping[str, Sequence[Row]]]  # dataset -> node -> rows


def dummy_rows(catalogue: Catalogue, plan: Plan, persons: int, seed: int) -> Rows:
    """Rows for every dataset and host; the same arguments give the same rows."""
    literals = _literals(plan)
    return {dataset.name: _dealt(dataset, persons, seed, literals) for dataset in catalogue.datasets}


def write_rows(rows: Rows, catalogue: Catalogue, folder: Path) -> dict[str, Path]:
    """One folder a node with a Parquet file a dataset, as ``try`` reads them; node -> folder."""
    import pyarrow
    from pyarrow import parquet

    from engine.arrow_kinds import KINDS

    folders: dict[str, Path] = {}
    for dataset in catalogue.datasets:
        for node in dataset.hosts:
            folders[node] = folder / node
            folders[node].mkdir(parents=True, exist_ok=True)
            held = rows[dataset.name][node]
            arrays = [pyarrow.array([_stored(row[c.name]) for row in held], KINDS[c.type]) for c in dataset.columns]
            table = pyarrow.Table.from_arrays(arrays, names=[c.name for c in dataset.columns])
            parquet.write_table(table, folders[node] / f"{dataset.name}.parquet")
    return folders


def _stored(value: LiteralValue) -> object:
    return float(value) if isinstance(value, Fraction) else value


def _literals(plan: Plan) -> tuple[LiteralValue, ...]:
    """What the plan compares with, computes with and looks for."""
    above = list(expressions_above(plan.aggregate))
    for _, relation in relations_of(plan.aggregate.input):
        above += expressions_of(relation)
    found = (part.value for e in above for _, part in parts_of(e) if isinstance(part, Literal))
    return tuple(dict.fromkeys(value for value in found if value is not None))


def _dealt(dataset: Dataset, persons: int, seed: int, literals: Sequence[LiteralValue]) -> dict[str, list[Row]]:
    """A dataset's rows by host: how many of whom, then column after column."""
    owners = list(_owners(dataset, persons, seed))
    columns = {
        column.name: _values(column, len(owners), _generator(seed, dataset.name, column.name), literals)
        for column in dataset.columns
        if column.name != dataset.person.column
    }
    whole = next(c for c in dataset.columns if c.name == dataset.person.column).type is Type.INTEGER
    shares: dict[str, list[Row]] = {node: [] for node in dataset.hosts}
    for place, (node, person) in enumerate(owners):
        row: Row = {name: values[place] for name, values in columns.items()}
        row[dataset.person.column] = person if whole else identifier(dataset.person.form, person)
        shares[node].append(row)
    return shares


def identifier(form: IdentifierForm, person: int) -> str:
    """The text that names a dummy person, as the form wants it; the same in all datasets of one form."""
    if form is IdentifierForm.NINO:
        return f"Q{chr(ord('A') + person // 10**6 % 26)}{person % 10**6:06d}"
    if form is IdentifierForm.NHS_NUMBER:  # the last digit makes the weighted sum a multiple of 11, if it is one digit
        for number in (10 * (person + 4 * 10**7), 10 * (person + 4 * 10**7) + 1):
            check = -sum(int(digit) * (10 - place) for place, digit in enumerate(str(number))) % 11
            if check < 10:
                return f"{number}{check}"
    return str(person)


def _owners(dataset: Dataset, persons: int, seed: int) -> Iterable[tuple[str, int]]:
    """Host and person of each row. A person's host is the same in all datasets of a placement."""
    hosts = dataset.hosts
    seats = _generator(seed, dataset.placement).permutation(persons)
    draw = _generator(seed, dataset.name)
    present, sizes = draw.random(persons) < PRESENT, draw.random(persons) ** 2
    present[0] = True  # so that somebody has as many rows as allowed
    for person in np.flatnonzero(present).tolist():
        count = 1 + int(sizes[person] * min(dataset.rows_per_person, USUAL_ROWS))
        if person == 0:
            count = min(dataset.rows_per_person, MOST_ROWS)
        for step in range(1 + person % min(dataset.overlap, len(hosts))):
            for _ in range(count):
                yield hosts[(int(seats[person]) + step) % len(hosts)], FIRST_ID + person


def _values(
    column: Column, count: int, draw: np.random.Generator, literals: Sequence[LiteralValue]
) -> list[LiteralValue]:
    """Evenly over the column's values in random order, some of them NULL, some near what the statement names."""
    spaced = [_spaced(column, place, count) for place in draw.permutation(count).tolist()]
    special = [value for literal in literals for value in _near(column, literal)]
    chosen, which = draw.random(count), draw.integers(0, max(len(special), 1), count)
    found: list[LiteralValue] = []
    for place, value in enumerate(spaced):
        if chosen[place] < NULLS:
            found.append(None)
        elif special and chosen[place] < NULLS + SPECIAL:
            found.append(special[int(which[place])])
        else:
            found.append(value)
    return found


def _spaced(column: Column, place: int, count: int) -> LiteralValue:
    if column.type is Type.BOOLEAN:
        return place % 2 == 0
    if column.type is Type.TEXT:
        return column.domain[place % len(column.domain)] if column.domain else f"text {place % TEXTS + 1}"
    lower, upper, step = _grid(column)
    steps = int((upper - lower) / step)
    return _typed(column.type, lower + steps * place // max(count - 1, 1) * step)


def _grid(column: Column) -> tuple[Fraction, Fraction, Fraction]:
    bounds = column.bounds or UNBOUNDED[column.type]
    return bounds.lower, bounds.upper, column.step or Fraction(1)


def _near(column: Column, literal: LiteralValue) -> list[LiteralValue]:
    """A literal and its neighbours, as far as the column may hold them; parts of a pattern."""
    if column.type is Type.TEXT:
        return [] if column.domain else [str(literal).strip("%_")]  # a domain's values all occur as it is
    if column.type is Type.BOOLEAN or isinstance(literal, bool | str) or literal is None:
        return []
    if isinstance(literal, date) != (column.type is Type.DATE):
        return []
    number = dates.day_number(literal) if isinstance(literal, date) else Fraction(literal)
    lower, upper, step = _grid(column)
    middle = round(number / step) * step
    return [_typed(column.type, n) for n in (middle - step, middle, middle + step) if lower <= n <= upper]


def _typed(kind: Type, number: Fraction) -> LiteralValue:
    if kind is Type.DATE:
        return dates.day_of(number)
    return int(number) if kind is Type.INTEGER else number


def _generator(seed: int, *names: str) -> np.random.Generator:
    """A stream of its own for each name; it makes dummy data and protects nobody."""
    return np.random.default_rng([seed, *(crc32(name.encode()) for name in names)])
