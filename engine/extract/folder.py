"""The folder of a node's home that databases are read into: one reading at a time, a file for each dataset, each of
them whole, for the eyes of the home's owner alone.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from engine.errors import BadFile, require

FOLDER = "extracts"
LOCK = "lock"


def file_of(home: Path, dataset: str, place: str) -> Path:
    """Where a dataset's rows from ``place`` lie: from another table they are another file, of which another snapshot
    is cut."""
    return home / FOLDER / f"{dataset}-{hashlib.sha256(place.encode()).hexdigest()[:16]}.parquet"


@contextmanager
def alone(home: Path) -> Iterator[None]:
    """One at a time: FILE_EXTRACT_BUSY. FILE_EXTRACT_NOT_WRITTEN for what the machine refuses meanwhile."""
    folder = home / FOLDER
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        folder.chmod(0o700)
        handle = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        with os.fdopen(handle, "wb"):
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                require(False, "FILE_EXTRACT_BUSY", path=str(folder))
            yield
    except OSError as error:
        why = error.strerror or "an error of the disk"
        raise BadFile("FILE_EXTRACT_NOT_WRITTEN", path=str(folder), why=why) from None


def sweep(home: Path, kept: Collection[Path]) -> None:
    """Everything else goes: rows for a binding that is no more, and what a killed reading left. Call it ``alone``."""
    for file in (home / FOLDER).iterdir():
        if file.name != LOCK and file not in kept:
            file.unlink()


@contextmanager
def writing(file: Path) -> Iterator[BinaryIO]:
    """A new file, on the disk when this ends; what stood there, or pointed elsewhere, is not written to."""
    file.unlink(missing_ok=True)
    handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as out:
        yield out
        out.flush()
        os.fsync(handle)


def exchange(home: Path, written: Mapping[Path, Path]) -> None:
    """Each file takes its place."""
    for partial, target in written.items():
        partial.replace(target)
    folder = os.open(home / FOLDER, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
