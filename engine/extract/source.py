"""What is read from a database, and where it stands: compiled from node.toml, kept in the node's home.

No password is ever here: it stays in a file of its own, which nobody but its owner may read.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from engine.errors import BadFile, require
from engine.trusted.catalogue import LocalColumn
from engine.trusted.home import Home
from engine.trusted.plan import Type

PLAN = "extracts.json"
FOLDER = "extracts"


@dataclass(frozen=True, slots=True)
class Postgresql:
    """``host``: a name, an address, or the folder of a socket. TLS, checked against ``ca_file`` or the machine's own
    authorities, wherever the server is not on this machine."""

    name: str
    host: str
    port: int
    database: str
    account: str
    password_file: str = ""  # none: the server knows the account by other means
    ca_file: str = ""


@dataclass(frozen=True, slots=True)
class Sqlite:
    name: str
    path: str


Source = Postgresql | Sqlite
KINDS: Mapping[str, type[Postgresql] | type[Sqlite]] = {"postgresql": Postgresql, "sqlite": Sqlite}


@dataclass(frozen=True, slots=True)
class SourceTable:
    """A table or view of a database. ``schema`` is empty where a database has none."""

    source: Source
    schema: str
    table: str

    def __str__(self) -> str:
        return f"{self.schema}.{self.table}" if self.schema else self.table


@dataclass(frozen=True, slots=True)
class Extract:
    """The ``columns`` of one table that a dataset is made from."""

    dataset: str
    table: SourceTable
    columns: tuple[LocalColumn, ...]


def file_of(home: Path, dataset: str) -> Path:
    """Where a dataset's extract lies in the node's home."""
    return home / FOLDER / f"{dataset}.parquet"


def store(home: Home, extracts: Iterable[Extract]) -> None:
    """Keeps what to read. A file that was read for another table or other columns goes: no snapshot is cut from it."""
    wanted, before = {e.dataset: e for e in extracts}, {e.dataset: e for e in stored(home)}
    if not wanted and not before:
        return
    home.write(PLAN, json.dumps([_written(e) for e in wanted.values()], indent=1).encode() + b"\n", secret=True)
    for dataset, extract in before.items():
        if wanted.get(dataset) != extract:
            file_of(home.path, dataset).unlink(missing_ok=True)


def stored(home: Home) -> tuple[Extract, ...]:
    """What this node's datasets are read from; empty where they are files. Raises BadFile FILE_HOME_BROKEN."""
    path = home.path / PLAN
    try:
        return tuple(map(_read, json.loads(path.read_bytes())))
    except FileNotFoundError:
        return ()
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise BadFile("FILE_HOME_BROKEN", path=str(path)) from None


def require_read(home: Home) -> None:
    """FILE_EXTRACT_MISSING if a database was named and never read: the node would have nothing to cut from."""
    for extract in stored(home):
        cut = (home.path / f"snapshots/{extract.dataset}.json").exists()
        there = cut or file_of(home.path, extract.dataset).exists()
        require(there, "FILE_EXTRACT_MISSING", dataset=extract.dataset, home=str(home.path))


def password(file: str) -> str:
    """The first line of a password file. FILE_MISSING, FILE_PASSWORD_OPEN, FILE_PASSWORD_EMPTY."""
    try:
        with Path(file).open(encoding="utf-8") as opened:
            mode, line = os.fstat(opened.fileno()).st_mode, opened.readline().rstrip("\r\n")
    except (OSError, UnicodeDecodeError):
        raise BadFile("FILE_MISSING", path=file) from None
    require(not mode & (stat.S_IRWXG | stat.S_IRWXO), "FILE_PASSWORD_OPEN", path=file)
    require(bool(line), "FILE_PASSWORD_EMPTY", path=file)
    return line


def _written(extract: Extract) -> dict[str, Any]:
    table = extract.table
    kind = next(kind for kind, made in KINDS.items() if isinstance(table.source, made))
    return {
        "dataset": extract.dataset,
        "kind": kind,
        "source": asdict(table.source),
        "schema": table.schema,
        "table": table.table,
        "columns": {column.name: column.type.name for column in extract.columns},
    }


def _read(held: Mapping[str, Any]) -> Extract:
    source = KINDS[held["kind"]](**held["source"])
    columns = tuple(LocalColumn(str(name), Type[kind]) for name, kind in held["columns"].items())
    return Extract(str(held["dataset"]), SourceTable(source, str(held["schema"]), str(held["table"])), columns)
