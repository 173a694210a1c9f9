"""The commands as a whole: those that were promised are there, each can print JSON, and shells complete them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer

from engine.cli import commands
from engine.cli.commands import tree
from engine.cli.main import app
from tests.governance.machines import WRITTEN, Machines

ROOT = Path(__file__).resolve().parents[2]
FOUND = dict(tree(typer.main.get_command(app)))
PROMISED = (
    *(
        "try",
        "desk",
        "check",
        "explain",
        "forecast",
        "rehearse",
        "submit",
        "watch",
        "result",
        "requests",
        "approve",
        "revoke",
    ),
    *("demo", "coordinator", "node", "node pause", "node resume", "budget", "journal verify", "receipt verify"),
    *("release share", "release publish", "release compare", "agreement draft", "agreement show", "agreement sign"),
    *("agreement revoke", "register export", "federation init", "federation join", "manual export"),
    *("card ask", "card publish", "card take", "card show"),
)
WITHOUT_JSON = {
    "coordinator": "becomes a server, whose log is JSON lines",
    "node": "becomes a server, whose log is JSON lines",
    "node run": "becomes a server, whose log is JSON lines",
    "schema": "prints JSON and nothing else",
    "agreement schema": "prints JSON and nothing else",
    "desk": "becomes a server of pages",
}
ONLY_GROUPS = {
    name for name, c in FOUND.items() if getattr(c, "commands", {}) and not getattr(c, "invoke_without_command", False)
}


@pytest.mark.parametrize("name", PROMISED)
def test_a_command_that_was_promised_is_there(name: str) -> None:
    assert f"splittally {name}" in FOUND


@pytest.mark.parametrize("name", sorted(FOUND.keys() - ONLY_GROUPS))
def test_a_command_that_says_anything_says_it_as_json_too(name: str) -> None:
    options = {option for parameter in FOUND[name].params for option in parameter.opts}
    assert ("--json" in options) is (name.removeprefix("splittally ") not in WITHOUT_JSON)


def test_the_page_of_commands_is_fresh() -> None:
    assert commands.PAGE.read_text(encoding="utf-8") == commands.page(), "run python -m engine.cli.reference"


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("splittally for", {"forecast"}),
        ("splittally node p", {"prepare", "pause"}),
        ("splittally submit --ep", {"--epsilon"}),
        ("splittally nonsense", set()),
    ],
)
def test_a_shell_is_told_what_may_follow(typed: str, offered: set[str]) -> None:
    """As bash asks, by environment; see --show-completion."""
    words = {"COMP_WORDS": typed, "COMP_CWORD": str(len(typed.split()) - 1), "_SPLITTALLY_COMPLETE": "complete_bash"}
    program = [sys.executable, "-m", "engine.cli.main"]
    done = subprocess.run(program, env={**os.environ, **words}, cwd=ROOT, capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) == offered


@pytest.fixture(scope="module")
def machines(tmp_path_factory: pytest.TempPathFactory) -> Machines:
    made = Machines(tmp_path_factory.mktemp("machines"))
    made.found()
    Path(made.file("a.yaml")).write_text(WRITTEN)
    return made


def test_what_writes_a_file_says_so_as_json(machines: Machines, tmp_path: Path) -> None:
    """Offline commands, in an order in which each finds its files."""
    yaml, paper = machines.file("a.yaml"), machines.file("a.agreement")
    policy, ann, root = machines.at("policy"), machines.at("ann"), machines.at("root")
    manifest = machines.file("federation.manifest")
    said: dict[str, Any] = {}
    for command in (
        ("agreement", "draft", "--out", str(tmp_path / "draft.yaml")),
        ("agreement", "sign", yaml, "--home", policy),
        ("agreement", "show", paper, "--home", ann),
        ("agreement", "export", paper, "--home", ann, "--form", "ico", "--out", str(tmp_path / "ico.md")),
        ("federation", "export", "--home", ann, "--out", str(tmp_path / "atrs.md")),
        ("federation", "sign", manifest, "--root", root, "--yes"),
        ("federation", "root-key", "--home", str(tmp_path / "root"), "--name", "root-2", "--out", str(tmp_path / "r")),
        ("catalogue", "export", "--home", ann, "--out", str(tmp_path / "dcat.json")),
        ("node", "deploy", str(tmp_path / "deploy")),
    ):
        said[" ".join(command[:2])] = json.loads(machines.said(*command, "--json"))
    files = [document["file"] for document in said.values() if isinstance(document, dict) and "file" in document]
    assert len(files) == 6
    assert all(Path(file).is_file() for file in (*files, *said["node deploy"]["files"]))
    assert said["agreement sign"]["signers"] == ["policy"]
    assert said["agreement show"][0]["fields"]["purpose"] == "To plan schools."
    assert said["federation sign"] == [{"file": manifest, "signers": ["root"], "signatures_missing": 0}]
