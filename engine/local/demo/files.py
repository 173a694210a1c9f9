"""The demonstration's files, made once and kept: what each department holds, and the node.toml that binds it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from shutil import rmtree

from engine.errors import BadFile
from engine.local.demo import generated
from engine.local.demo.schema import HERE, NODES

SIMULATED_SECONDS = 300


def prepare(cache: Path, *, simulated: bool, progress: Callable[[str], None]) -> Path:
    """The folder with one folder a node, made below ``cache`` unless it is there already.

    ``simulated``: from the package pseudopeople, else from the project's own generator. Raises BadFile
    FILE_DEMO_PACKAGE when the package is not there.
    """
    folder = cache.absolute() / ("simulated" if simulated else "generated")
    if folder.is_dir():
        return folder
    making = folder.with_suffix(".making")
    rmtree(making, ignore_errors=True)
    making.mkdir(parents=True)
    if simulated:
        progress("simulating residents (once; kept in " + str(cache) + ")")
        _simulate(making)
    else:
        progress("generating residents")
        generated.write(making)
    making.rename(folder)
    return folder


def bindings(data: Path, folder: Path) -> dict[str, Path]:
    """Each department's node.toml, written into ``folder`` with the place of its files."""
    written = {}
    for node in NODES:
        text = (HERE / "nodes" / f"{node}.toml").read_text(encoding="utf-8")
        target = folder / f"{node}.toml"
        target.write_text(text.replace('path = "*.parquet"', f'path = "{(data / node).as_posix()}/*.parquet"'))
        written[node] = target
    return written


def _simulate(folder: Path) -> None:
    command = [sys.executable, "-m", "engine.local.demo.simulated", str(folder)]
    try:
        subprocess.run(command, check=True, capture_output=True, timeout=SIMULATED_SECONDS)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        words = (error.stderr or b"").decode(errors="replace")[-2000:]
        raise BadFile("FILE_DEMO_PACKAGE", internal=words) from None
