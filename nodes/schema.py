"""Local column names and types of the files a department binds: `python -m nodes schema FILE...`, no rows.

Claim: what is printed are names and types, never a value of a row.
Because: a worker reads a Parquet file's schema or a CSV file's first line, and nothing else.
Checked by: tests/sources/test_schema.py::test_schema_shows_names_and_types_only
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from glob import glob
from pathlib import Path

from engine.errors import BadFile, require
from engine.trusted.catalogue import LocalColumn
from engine.trusted.plan import Type
from nodes.sources.duckdb import DuckDBSource

SUFFIXES = (".parquet", ".csv")
INTEGERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT")
TYPES = (
    dict.fromkeys((*INTEGERS, "UHUGEINT"), Type.INTEGER)
    | dict.fromkeys(("FLOAT", "DOUBLE", "DECIMAL"), Type.DECIMAL)
    | dict.fromkeys(("DATE", "TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS"), Type.DATE)
    | {"TIMESTAMP WITH TIME ZONE": Type.DATE, "BOOLEAN": Type.BOOLEAN}
    | dict.fromkeys(("VARCHAR", "ENUM", "UUID"), Type.TEXT)
)


def files_of(patterns: Sequence[str]) -> tuple[Path, ...]:
    """The files that paths and globs name, sorted. FILE_MISSING, FILE_SOURCE_FORMAT."""
    found: list[Path] = []
    for pattern in patterns:
        names = sorted(glob(pattern, recursive=True))  # noqa: PTH207
        require(bool(names), "FILE_MISSING", path=pattern)
        found += [Path(name) for name in names]
    for path in found:
        require(path.suffix in SUFFIXES, "FILE_SOURCE_FORMAT", path=str(path))
    return tuple(dict.fromkeys(path.absolute() for path in found))


def columns_of(file: Path, source: DuckDBSource) -> tuple[LocalColumn, ...]:
    """Columns of one file in order, without those of a type that no expression can use. FILE_SOURCE_UNREADABLE."""
    return tuple(LocalColumn(name, kind) for name, kind in described(file, source) if kind is not None)


def described(file: Path, source: DuckDBSource) -> tuple[tuple[str, Type | None], ...]:
    """Columns of one file in order; None for a type that no expression can use. FILE_SOURCE_UNREADABLE."""
    columns = source.columns(file)
    if columns is None or len({name for name, _ in columns}) < len(columns):
        raise BadFile("FILE_SOURCE_UNREADABLE", path=str(file))
    return tuple((name, None if kind.endswith("]") else TYPES.get(kind.partition("(")[0])) for name, kind in columns)


def main(patterns: Sequence[str]) -> None:
    """Prints the columns that all files share, as JSON: [{"name": ..., "type": ...}]; null: no type of ours."""
    source = DuckDBSource()
    try:
        tables = [described(file, source) for file in files_of(patterns)]
    finally:
        source.close()
    shared = [c for c in tables[0] if all(c in other for other in tables)] if tables else []
    json.dump([{"name": name, "type": kind.name if kind else None} for name, kind in shared], sys.stdout)
    sys.stdout.write("\n")
