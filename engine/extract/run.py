"""Reads a node's databases into its home: each database in one transaction, each dataset to one file, whole or not
at all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from pyarrow import parquet

from engine.errors import require
from engine.extract.folder import alone, exchange, sweep, writing
from engine.extract.reader import Reader, opened, schema
from engine.extract.source import Extract, stored
from engine.trusted.home import Home

Progress = Callable[[str, int], None]


@dataclass(frozen=True, slots=True)
class Extracted:
    """One dataset that was read. ``lost``: of each column, values that are none of its type, and came as NULL.
    ``may_write``: the account could change the table; one that reads only is safer."""

    dataset: str
    table: str
    rows: int
    lost: Mapping[str, int]
    may_write: bool


def extract(home: Home, progress: Progress = lambda dataset, rows: None) -> tuple[Extracted, ...]:
    """Reads all that is kept as to be read; ``progress`` is told a dataset and its rows so far.

    Files are exchanged when everything was read: a source that fails leaves all of them as they were. Raises
    BadFile FILE_EXTRACT_BUSY, FILE_EXTRACT_NOT_WRITTEN, FILE_SOURCE_COLUMN_MISSING, FILE_SOURCE_COLUMN_TYPE and what
    a reader raises.
    """
    if not stored(home):
        return ()
    with alone(home.path):
        wanted, done, written = stored(home), list[Extracted](), dict[Path, Path]()
        sweep(home.path, {one.file(home.path) for one in wanted})
        try:
            for source in dict.fromkeys(e.table.source for e in wanted):
                here = [e for e in wanted if e.table.source == source]
                with opened(source, *(e.table for e in here)) as reader:
                    for one in here:
                        target = one.file(home.path)
                        partial = target.with_suffix(".partial")
                        written[partial] = target
                        done.append(_read(reader, one, partial, progress))
            exchange(home.path, written)
        finally:
            for partial in written:
                partial.unlink(missing_ok=True)
    return tuple(done)


def _read(reader: Reader, one: Extract, file: Path, progress: Progress) -> Extracted:
    described = reader.described(one.table)
    there = described.columns
    for column in one.columns:
        require(column.name in there, "FILE_SOURCE_COLUMN_MISSING", dataset=one.dataset, column=column.name)
        require(there[column.name] is column.type, "FILE_SOURCE_COLUMN_TYPE", dataset=one.dataset, column=column.name)
    rows = 0
    with writing(file) as out, parquet.ParquetWriter(out, schema(one.columns)) as writer:
        for batch in reader.batches(one.table, one.columns):
            writer.write_batch(batch)
            rows += batch.num_rows
            progress(one.dataset, rows)
    return Extracted(one.dataset, str(one.table), rows, reader.lost(one.table, one.columns), described.may_write)
