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
from engine.extract.folder import FOLDER, alone, file_of, sweep
from engine.trusted.catalogue import LocalColumn
from engine.trusted.home import Home
from engine.trusted.plan import Type

PLAN = "extracts.json"


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

    @property
    def place(self) -> str:
        """Whose rows these are; how the server is reached safely makes no difference."""
        at = self.source
        server = [at.path] if isinstance(at, Sqlite) else [at.host, at.port, at.database, at.account]
        return json.dumps([*server, self.schema, self.table])


@dataclass(frozen=True, slots=True)
class Extract:
    """The ``columns`` of one table that a dataset is made from."""

    dataset: str
    table: SourceTable
    columns: tuple[LocalColumn, ...]

    def file(self, home: Path) -> Path:
        return file_of(home, self.dataset, self.table.place)


def store(home: Home, extracts: Iterable[Extract]) -> None:
    """Keeps what to read. A file that was read for another table or other columns goes first: no snapshot is cut from
    it, not even after a crash. FILE_EXTRACT_BUSY while something is read."""
    wanted, before = tuple(extracts), {e.file(home.path): e.columns for e in stored(home)}
    if not wanted and not before and not (home.path / FOLDER).exists():
        return
    with alone(home.path):
        files = {e.file(home.path): e.columns for e in wanted}
        sweep(home.path, {file for file, columns in files.items() if before.get(file) == columns})
        home.write(PLAN, json.dumps([_written(e) for e in wanted], indent=1).encode() + b"\n", secret=True)


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
    """FILE_EXTRACT_MISSING if a database was named and not read since: the node would have nothing to cut from."""
    for extract in stored(home):
        there = extract.file(home.path).exists()
        require(there, "FILE_EXTRACT_MISSING", dataset=extract.dataset, home=str(home.path))


def password(file: str) -> str:
    """The first line of a password file. FILE_PASSWORD_UNREADABLE, FILE_PASSWORD_OPEN, FILE_PASSWORD_EMPTY."""
    try:
        with Path(file).open(encoding="utf-8-sig") as opened:
            mode, line = os.fstat(opened.fileno()).st_mode, opened.readline().rstrip("\r\n")
    except UnicodeDecodeError:
        raise BadFile("FILE_PASSWORD_UNREADABLE", path=file, why="it is no text in UTF-8") from None
    except OSError as error:
        raise BadFile("FILE_PASSWORD_UNREADABLE", path=file, why=str(error.strerror)) from None
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
