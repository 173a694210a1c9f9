"""The folders of one's own files, one a node, checked before anything starts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from engine.errors import BadFile
from engine.governance.binding import table_of
from engine.trusted.catalogue import Catalogue


def folders_of(options: Sequence[str], catalogue: Catalogue) -> dict[str, Path]:
    """``NAME=DIR`` options as node -> folder: every host once, every folder with the files of its datasets.

    Raises BadFile FILE_DATA_OPTION, FILE_DATA_NOT_A_HOST, FILE_DATA_MISSING, FILE_DATA_NO_FOLDER, FILE_DATA_NO_TABLE,
    FILE_DATA_TWO_TABLES.
    """
    hosts = tuple(dict.fromkeys(host for dataset in catalogue.datasets for host in dataset.hosts))
    folders: dict[str, Path] = {}
    for text in options:
        name, equals, folder = text.partition("=")
        if not equals or not name or not folder or name in folders:
            raise BadFile("FILE_DATA_OPTION", text=text, example=hosts[0])
        if name not in hosts:
            raise BadFile("FILE_DATA_NOT_A_HOST", node=name, hosts=", ".join(hosts))
        folders[name] = Path(folder)
    for host in hosts:
        if host not in folders:
            raise BadFile("FILE_DATA_MISSING", node=host)
    check_folders(folders, catalogue)
    return folders


def check_folders(folders: Mapping[str, Path], catalogue: Catalogue) -> None:
    for node, folder in folders.items():
        if not folder.is_dir():
            raise BadFile("FILE_DATA_NO_FOLDER", path=str(folder), node=node)
        for dataset in catalogue.datasets:
            if node in dataset.hosts:
                table_of(node, folder, dataset.name)
