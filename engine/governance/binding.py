"""Binding a node's home to the department's own tables: node.toml, written or copied, and its compiled form.

A node has no SQL parser. ``bind`` asks ``python -m nodes schema`` for local column names and types (no rows),
compiles the text expressions of node.toml into typed ones and stores those as node.binding, which the node reads.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from engine.errors import BadFile
from engine.trusted.catalogue import Catalogue, NodeBinding
from engine.trusted.home import Home

AT_ONCE = 2
_ENDINGS = ("parquet", "csv")


def bind_all(sources: Mapping[Path, Path]) -> None:
    """Bind each home (key) to a folder of ``<dataset>.parquet|csv`` files or to a node.toml (value)."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for _ in pool.map(bind, sources.keys(), sources.values()):
            pass


def bind(home_path: Path, source: Path) -> NodeBinding:
    """Bind one home. Raises BadFile FILE_DATA_NO_FOLDER, FILE_DATA_NO_TABLE or FILE_BINDING_..."""
    home = Home.load(home_path)
    catalogue = home.manifest().catalogue
    if source.is_dir():
        text = folder_binding(home.name, catalogue, source.resolve())
    elif source.is_file():
        text = source.read_text(encoding="utf-8")
    else:
        raise BadFile("FILE_DATA_NO_FOLDER", path=str(source), node=home.name)
    home.write("node.toml", text.encode())
    return prepare(home)


def prepare(home: Home) -> NodeBinding:
    """Compile the home's node.toml and store the result beside it."""
    raise NotImplementedError


def template(node: str, catalogue: Catalogue) -> str:
    """A node.toml to be filled in: every column of the node's datasets under the catalogue's name."""
    tables = {d.name: f"{d.name}.parquet" for d in catalogue.datasets if node in d.hosts}
    return _written(node, catalogue, "/path/to/the/files/*", tables)


def folder_binding(node: str, catalogue: Catalogue, folder: Path) -> str:
    """A node.toml over a folder of files that use the catalogue's own names."""
    tables: dict[str, str] = {}
    for dataset in catalogue.datasets:
        if node in dataset.hosts:
            files = [f"{dataset.name}.{e}" for e in _ENDINGS if (folder / f"{dataset.name}.{e}").is_file()]
            if not files:
                raise BadFile("FILE_DATA_NO_TABLE", path=str(folder), node=node, dataset=dataset.name)
            tables[dataset.name] = files[0]
    return _written(node, catalogue, (folder / "*").as_posix(), tables)


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
