"""Documents that cannot drift: paths they name exist, commands explain themselves, the page of errors is fresh."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from engine.cli.main import app
from engine.cli.reference import HEAD, PAGE, page
from engine.error_codes import CODES
from engine.errors import error_for

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = ("README.md", "engine/docs/ARCHITECTURE.md", "nodes/AUDIT.md")
TOPS = "|".join(re.escape(p.name) for p in ROOT.iterdir() if p.is_dir() and not p.name.startswith("."))
TEXT = re.compile(r".*\.|\{\w+\}", re.DOTALL)  # ends with a full stop, or is a fact that does


def named_paths(document: str) -> Iterator[tuple[Path, str]]:
    """Each path that a document names, with the places where it may lie: links, code in ticks, words in blocks."""
    text = (ROOT / document).read_text()
    beside = (ROOT / document).parent
    for target in re.findall(r"\]\(([^)#:\s]+)\)", text):
        yield beside, target
    for word in re.findall(rf"(?<![\w/.])((?:{TOPS})/[\w./*-]*[\w/]|[\w/]+\.(?:py|md|toml|yaml))(?![\w/])", text):
        yield beside, word


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_path_that_a_document_names_exists(document: str) -> None:
    named = [(beside, path) for beside, path in named_paths(document) if not path.startswith("mine/")]
    assert len(named) > 5
    assert {path for beside, path in named if not exists(beside, path)} == set()


def exists(beside: Path, path: str) -> bool:
    """A bare name stands for a file beside the document, or for one in the folder that its line speaks of."""
    if any((place / path).exists() for place in (beside, ROOT, ROOT / "engine")):
        return True
    return "/" not in path and any(next((ROOT / top).rglob(path), None) for top in ("engine", "nodes"))


def test_a_missing_path_would_be_found(tmp_path: Path) -> None:
    """The pattern sees links, ticks and blocks alike."""
    for planted in ("[x](nowhere.md)", "`nodes/nowhere.py`", "engine/nowhere/  a package"):
        file = tmp_path / "planted.md"
        file.write_text(f"{planted}\n")
        assert [path for _, path in named_paths(str(file))], planted


def commands(command: Any, name: str = "splittally") -> Iterator[tuple[str, Any]]:
    yield name, command
    for child, found in getattr(command, "commands", {}).items():
        yield from commands(found, f"{name} {child}")


def test_every_command_and_option_has_help() -> None:
    found = dict(commands(typer.main.get_command(app)))
    assert len(found) > 15
    for name, command in found.items():
        assert (command.help or "").strip().split("\n")[0].endswith("."), name
        for parameter in command.params:
            described = getattr(parameter, "help", "")
            assert described, f"{name}: {parameter.name}"


@pytest.mark.parametrize("code", CODES)
def test_an_error_says_what_is_wrong_and_what_to_do(code: str) -> None:
    row = CODES[code]
    assert TEXT.fullmatch(row.sentence)
    assert TEXT.fullmatch(row.hint)
    prefix = code[: code.index("_") + 1]
    (line,) = [line for line in HEAD.splitlines() if f"`{prefix}`" in line]
    assert f"| {error_for(code).exit_status} |" in line or code.startswith("APPROVAL_WAITING")


def test_the_page_of_errors_is_fresh() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run python -m engine.cli.reference"
