"""The [source.x] tables of a node.toml: files that a node may read, or a database that is read into such a file."""

from __future__ import annotations

from collections.abc import Callable
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from engine.extract.source import Postgresql, Source, SourceTable, Sqlite
from engine.sql.refusals import meant
from engine.sql.toml_file import TomlFile

PORT = 5432
_WILD = frozenset("*?[")
_FILES = "duckdb"  # the engine that reads them


def location(file: TomlFile, sources: Any, name: str, table: str, key: str) -> str | SourceTable:
    """Where a dataset's rows are: the absolute path of files, which may have wildcards, or a table of a database.

    ``key`` names the dataset's own table of the TOML file. Raises BadFile FILE_NODE_TOML_*.
    """
    at = f"source.{name}"
    given = file.table(sources, "source", tuple(sources) if isinstance(sources, dict) else ()).get(name)
    if given is None:
        raise file.error("FILE_NODE_TOML_MISSING", at, f"{key} names it as its source")
    kinds: dict[str, Callable[[TomlFile, Any, str, str], Source]] = {"postgresql": _postgresql, "sqlite": _sqlite}
    kind = file.text(file.table(given, at, tuple(given) if isinstance(given, dict) else ()), at, "kind")
    if kind == _FILES:
        return _files(file, given, at, table, key)
    if kind not in kinds:
        raise file.error("FILE_NODE_TOML_VALUE", f"{at}.kind", meant(kind, (_FILES, *kinds)))
    return _table(file, kinds[kind](file, given, at, name), table, key)


def _files(file: TomlFile, given: Any, at: str, table: str, key: str) -> str:
    """The table has to be one of the files that the source may read."""
    source = file.table(given, at, ("kind", "path"))
    pattern = file.path.parent.absolute() / file.text(source, at, "path")
    folder, wild = (pattern, "*") if pattern.is_dir() else (pattern.parent, pattern.name)
    if _WILD & set(str(folder)):
        raise file.error("FILE_NODE_TOML_VALUE", f"{at}.path", "wildcards stand in the last part only")
    if Path(table).name != table or not fnmatchcase(table, wild):
        raise file.error("FILE_NODE_TOML_VALUE", f"{key}.table", f"`{table}` is not a file that {at}.path allows")
    return str(folder / table)


def _postgresql(file: TomlFile, given: Any, at: str, name: str) -> Source:
    known = ("kind", "host", "port", "database", "account", "password_file", "ca_file")
    if "password" in given:
        problem = "a password does not stand here; write it into a file and name that as password_file"
        raise file.error("FILE_NODE_TOML_VALUE", f"{at}.password", problem)
    source = file.table(given, at, known)
    return Postgresql(
        name,
        file.text(source, at, "host"),
        file.number(source, at, "port", 1, 65_535, PORT),
        file.text(source, at, "database"),
        file.text(source, at, "account"),
        *(_path(file, source, at, key) if key in source else "" for key in ("password_file", "ca_file")),
    )


def _sqlite(file: TomlFile, given: Any, at: str, name: str) -> Source:
    return Sqlite(name, _path(file, file.table(given, at, ("kind", "path")), at, "path"))


def _path(file: TomlFile, source: Any, at: str, key: str) -> str:
    """Absolute; relative ones begin at the TOML file's own folder."""
    return str(file.path.parent.absolute() / file.text(source, at, key))


def _table(file: TomlFile, source: Source, table: str, key: str) -> SourceTable:
    schema, dot, name = table.rpartition(".")
    if isinstance(source, Sqlite):
        schema, name, dot = "", table, ""
    if not name or "." in schema or (dot and not schema):
        raise file.error("FILE_NODE_TOML_VALUE", f"{key}.table", "write a table or view as schema.name, or its name")
    return SourceTable(source, schema or ("public" if isinstance(source, Postgresql) else ""), name)
