"""Binding a node's home to the department's own tables: node.toml, written or copied, and its compiled form.

A node has no SQL parser. ``bind`` asks ``python -m nodes schema`` for local column names and types (no rows),
compiles the text expressions of node.toml into typed ones and stores those as node.binding, which the node reads.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from engine.errors import BadFile
from engine.extract.source import SourceTable, store
from engine.governance.homes import store_binding
from engine.trusted.catalogue import Catalogue, LocalColumn, NodeBinding
from engine.trusted.home import Home
from engine.trusted.plan import Type

AT_ONCE = 2
SCHEMA_SECONDS = 60
_SEPARATORS = re.compile(r"[;\t|]")
_ENDINGS = ("parquet", "csv")
_SCHEMA_CODES = ("FILE_MISSING", "FILE_SOURCE_FORMAT", "FILE_SOURCE_UNREADABLE")


def bind_all(sources: Mapping[Path, Path]) -> None:
    """Bind each home (key) to a folder of ``<dataset>.parquet|csv`` files or to a node.toml (value)."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for _ in pool.map(bind, sources.keys(), sources.values()):
            pass


def bind(home_path: Path, source: Path) -> NodeBinding:
    """Bind one home: what ``source`` says becomes its node.toml and is compiled; databases are read. Raises BadFile
    FILE_DATA_NO_FOLDER, FILE_DATA_NO_TABLE, FILE_DATA_TWO_TABLES, FILE_DATA_HEADER, FILE_DATA_NO_COLUMN,
    FILE_DATA_COLUMN_TYPE, FILE_SOURCE_*, FILE_NODE_TOML_*, and what ``extract`` raises.
    """
    home = Home.load(home_path)
    if source.is_dir():
        home.write("node.toml", folder_binding(home.name, home.manifest().catalogue, source.resolve()).encode())
        return prepare(home, home.path / "node.toml", folder=True)
    if source.is_file():
        from engine.extract.run import extract

        home.write("node.toml", source.read_bytes())
        binding = prepare(home, home.path / "node.toml")
        extract(home)
        return binding
    raise BadFile("FILE_DATA_NO_FOLDER", path=str(source), node=home.name)


def prepare(home: Home, file: Path, *, folder: bool = False) -> NodeBinding:
    """Compile a node.toml for a home and keep the result in the home, where the node reads it.

    ``folder``: the tables have to hold every column of their dataset under the catalogue's own name.
    """
    from engine.sql.compile import compile_binding

    catalogue = home.manifest().catalogue
    schema = partial(_same_names, home.name, catalogue) if folder else schema_of
    previous = home.binding() if (home.path / "node.binding").exists() else None
    compiled = compile_binding(file, catalogue, home.path, schema, previous)
    binding = compiled.binding
    if binding.node != home.name:
        raise BadFile("FILE_NODE_TOML_OTHER", file=str(file), name=binding.node, home=home.name)
    store(home, compiled.extracts)
    store_binding(home, binding)
    return binding


def home_of(file: Path) -> Path:
    """The home that a node.toml names, else its own folder. Raises BadFile FILE_MISSING."""
    try:
        named = tomllib.loads(file.read_text(encoding="utf-8")).get("home")
    except OSError:
        raise BadFile("FILE_MISSING", path=str(file)) from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError):
        named = None  # compile_binding says what is wrong with it
    return Path(named) if isinstance(named, str) and named else file.parent


def schema_of(at: str | SourceTable) -> tuple[LocalColumn, ...]:
    """Names and types of the columns that can be used, of files (a path or a glob) or of a table; no rows.

    Raises BadFile FILE_MISSING, FILE_SOURCE_*, FILE_PASSWORD_*, FILE_PACKAGE, Unavailable NODE_DATABASE_*.
    """
    if isinstance(at, str):
        found = _described(at)
    else:
        from engine.extract.reader import opened

        with opened(at.source, at) as reader:
            found = reader.described(at).columns
    return tuple(LocalColumn(name, type_) for name, type_ in found.items() if type_ is not None)


def _described(files: str) -> Mapping[str, Type | None]:
    """Columns that ``files`` (a path or a glob) share, as the node's own program names them; None: no type of ours."""
    asked = subprocess.run(
        [sys.executable, "-m", "nodes", "schema", files],
        capture_output=True,
        text=True,
        timeout=SCHEMA_SECONDS,
        check=False,
    )
    if asked.returncode == 0:
        return {c["name"]: Type[c["type"]] if c["type"] else None for c in json.loads(asked.stdout)}
    code = next((code for code in _SCHEMA_CODES if f'"{code}"' in asked.stderr), "FILE_SOURCE_UNREADABLE")
    raise BadFile(code, path=files, internal=asked.stderr[-2000:])


def _same_names(node: str, catalogue: Catalogue, at: str | SourceTable) -> tuple[LocalColumn, ...]:
    """The schema of a dataset's file, once it has all the dataset's columns."""
    file = str(at)
    described = _described(file)
    held = {name.lower(): type_ for name, type_ in described.items()}
    dataset = catalogue.dataset(Path(file).stem)
    wanted = tuple(column.name for column in dataset.columns) if dataset else ()
    _check_header(node, file, tuple(described), wanted)
    for name in wanted:
        if name.lower() not in held:
            raise BadFile("FILE_DATA_NO_COLUMN", path=file, column=name, node=node)
        if held[name.lower()] is None:
            raise BadFile("FILE_DATA_COLUMN_TYPE", path=file, column=name, node=node)
    return tuple(LocalColumn(name, type_) for name, type_ in described.items() if type_ is not None)


def _check_header(node: str, path: str, header: Sequence[str], wanted: Sequence[str]) -> None:
    """FILE_DATA_HEADER for a CSV without a first line, or with other separators than commas.

    A first line is shown only if it names a column of the catalogue: without a header it would be a row.
    """
    if not path.endswith(".csv"):
        return
    if not header:
        raise BadFile("FILE_DATA_HEADER", path=path, node=node, header="empty")
    known = {name.lower() for name in wanted}
    parts = {part.strip(' "').lower() for part in _SEPARATORS.split(header[0])}
    if len(parts) > 1 and parts & known:
        raise BadFile("FILE_DATA_HEADER", path=path, node=node, header=repr(header[0][:200]))


def template(node: str, catalogue: Catalogue) -> str:
    """A node.toml to be filled in: every column of the node's datasets under the catalogue's name."""
    tables = {d.name: f"{d.name}.parquet" for d in catalogue.datasets if node in d.hosts}
    return _written(node, catalogue, "/path/to/the/files/*", tables)


def folder_binding(node: str, catalogue: Catalogue, folder: Path) -> str:
    """A node.toml over a folder of files that use the catalogue's own names."""
    tables: dict[str, str] = {}
    for dataset in catalogue.datasets:
        if node in dataset.hosts:
            tables[dataset.name] = table_of(node, folder, dataset.name)
    return _written(node, catalogue, (folder / "*").as_posix(), tables)


def table_of(node: str, folder: Path, dataset: str) -> str:
    """The name of a dataset's file in a node's folder. Raises BadFile FILE_DATA_NO_TABLE, FILE_DATA_TWO_TABLES."""
    files = [f"{dataset}.{e}" for e in _ENDINGS if (folder / f"{dataset}.{e}").is_file()]
    if len(files) != 1:
        code = "FILE_DATA_TWO_TABLES" if files else "FILE_DATA_NO_TABLE"
        raise BadFile(code, path=str(folder), node=node, dataset=dataset)
    return files[0]


def _written(node: str, catalogue: Catalogue, path: str, tables: Mapping[str, str]) -> str:
    lines = [f'name = "{node}"', "[source.main]", 'kind = "duckdb"', f"path = {_quoted(path)}"]
    for dataset in catalogue.datasets:
        if dataset.name in tables:
            lines += [f"[dataset.{dataset.name}]", 'source = "main"', f"table = {_quoted(tables[dataset.name])}"]
            lines += [f"[dataset.{dataset.name}.columns]", *(f'{c.name} = "{c.name}"' for c in dataset.columns)]
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
