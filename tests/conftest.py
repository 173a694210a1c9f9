"""Where tests keep their files, and in which order they run."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path

import pytest

from tests.warm.ask import WarmPopen

HERE = Path(__file__).parent
MEMORY, ROOM = Path("/dev/shm"), 4 << 30  # noqa: S108 - bytes that have to be free there
WAITING = ("processes", "docs")  # whose files wait for processes, and leave a core to others meanwhile
FIRST = ("audit", "trusted_sampler", "desk", "coordinator", "nodes", "client")  # of the others: whose files take long
LONGEST = ("test_demo_walk", "test_manual", "test_walkthrough")  # of those that wait


def pytest_configure() -> None:
    """In memory where there is room: ledgers and journals wait for the disk at every step, many thousand times.

    Children do the same; a TMPDIR that is set stands.
    """
    if "TMPDIR" not in os.environ and has_room(MEMORY):
        os.environ["TMPDIR"] = str(MEMORY)
        tempfile.tempdir = None  # it is found again


def has_room(folder: Path) -> bool:
    """Also for programs: tests write some."""
    if not folder.is_dir() or os.statvfs(folder).f_flag & os.ST_NOEXEC:
        return False
    return shutil.disk_usage(folder).free >= ROOM


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that wait alternate with files that compute, long ones first: no core idles, neither now nor at the end."""
    files: dict[Path, list[pytest.Item]] = {}
    for item in items:
        files.setdefault(item.path, []).append(item)
    waiting = sorted((file for file in files if folder_of(file) in WAITING), key=lambda f: place_in(LONGEST, f.stem))
    others = sorted((f for f in files if f not in set(waiting)), key=lambda f: place_in(FIRST, folder_of(f)))
    pairs = zip_longest(waiting, others)
    items[:] = [item for pair in pairs for file in pair if file is not None for item in files[file]]


def folder_of(file: Path) -> str:
    return file.relative_to(HERE).parts[0]


def place_in(names: tuple[str, ...], name: str) -> int:
    return names.index(name) if name in names else len(names)


@pytest.fixture(scope="module")
def warm_processes() -> Iterator[None]:
    """The project's programs that a module starts have imported everything before; they are processes all the same."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(subprocess, "Popen", WarmPopen)
        yield
