"""Where tests keep their files, and in which order they run."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.warm.ask import WarmPopen

HERE = Path(__file__).parent
MEMORY, ROOM = Path("/dev/shm"), 4 << 30  # noqa: S108 - bytes that have to be free there
FIRST = ("docs", "processes", "audit", "trusted_sampler", "desk", "desk_flight")  # whose files take minutes


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
    """Folders whose files take minutes come first, so that no core waits for the last of them."""
    places = {HERE / name: place for place, name in enumerate(FIRST)}
    items.sort(key=lambda item: places.get(HERE / item.path.relative_to(HERE).parts[0], len(FIRST)))


@pytest.fixture(scope="module")
def warm_processes() -> Iterator[None]:
    """The project's programs that a module starts have imported everything before; they are processes all the same."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(subprocess, "Popen", WarmPopen)
        yield
