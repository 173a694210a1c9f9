"""The README's commands, run as they stand there: exit status 0, and a result on the screen."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.warm.ask import write_command

ROOT = Path(__file__).resolve().parents[2]
BLOCKS = re.findall(r"```sh\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
MAKE = re.compile(r"make (\w+)")
LIMIT = 180.0  # seconds


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An empty folder with `.venv/bin/splittally` in it: this interpreter, this work tree."""
    command = tmp_path / ".venv" / "bin" / "splittally"
    command.parent.mkdir(parents=True)
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m engine.cli.main "$@"\n')
    command.chmod(0o755)
    return tmp_path


def shell(script: str, folder: Path) -> str:
    """What a script prints; it has to end with status 0 and say nothing on standard error."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        ["/bin/sh", "-e", "-c", script],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def recipe(target: str) -> str:
    """The commands of a target of the Makefile, with its variables filled in."""
    text = (ROOT / "Makefile").read_text()
    found = re.search(rf"^{target}:.*\n((?:\t.*\n)+)", text, re.MULTILINE)
    assert found, f"no target {target}"
    values = dict(re.findall(r"^(\w+) [:?]?= (.*)$", text, re.MULTILINE))
    commands = found[1].replace("\t", "")
    while names := re.findall(r"\$\((\w+)\)", commands):
        for name in names:
            commands = commands.replace(f"$({name})", values[name])
    assert "$(" not in commands, "only plain variables are filled in here"
    return commands


def test_the_readme_has_the_blocks_that_are_run_here() -> None:
    made = [target for block in BLOCKS for target in MAKE.findall(block)]
    assert made == ["demo", "test"]
    assert [block for block in BLOCKS if not MAKE.search(block)] == BLOCKS[1:]
    assert recipe("test").endswith("-m pytest -n auto --dist loadfile --no-loadscope-reorder\n")


def test_make_demo(folder: Path) -> None:
    """By its recipe, over generated residents, without installing anything."""
    command = recipe("demo").strip()
    assert command == ".venv/bin/splittally demo"
    shown = shell(f"{command} --generated --cache cache", folder)
    assert shown.count("answered by") >= 6
    assert "exact" in shown


@pytest.mark.parametrize("block", BLOCKS[1:], ids=lambda block: block.splitlines()[0])
def test_a_block_of_commands(block: str, folder: Path) -> None:
    write_command(folder / ".venv" / "bin")
    shown = shell(block, folder)
    assert "region" in shown
    assert "answered by north, south" in shown
