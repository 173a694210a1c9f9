"""The page of commands, engine/docs/commands.md, made from the commands themselves; written by reference.py."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parents[1] / "docs" / "commands.md"
NAME = "splittally"
HEAD = """# Commands

Generated from the commands by `python -m engine.cli.reference`; do not edit. `--help` after any of them says the same.

* `--json` prints JSON on standard output instead of words and tables. An error is then one line of JSON on standard
  error: `{"error": {"code": ..., "message": ..., "hint": ...}}`, with `"at": {"line": ..., "column": ...}` where it has
  a place in a text. An option that does not exist is still told in words, with status 2.
* The exit status is 0 if it was done, 2 for a file or option that needs mending, 3 if the answer is no, 4 if somebody
  has to decide first, 5 if a machine or a round failed and may be tried again, 1 if the mistake is ours
  ([errors](errors.md)).
* `--home DIR` is the home of whoever acts; by default `~/.splittally/ROLE`.
* `splittally --install-completion` has the shell complete commands and options (bash, zsh, fish and PowerShell);
  `splittally --show-completion` prints what it would install.
* `SPLITTALLY_DEBUG=1` shows what is for the operator's eyes: the cause behind a code, the traceback of a bug.
"""


def tree(command: Any, name: str = NAME) -> Iterator[tuple[str, Any]]:
    """(full name, command) of each, in the order of help."""
    yield name, command
    for child, found in getattr(command, "commands", {}).items():
        yield from tree(found, f"{name} {child}")


def page() -> str:
    """The page as it has to be now."""
    import typer

    from engine.cli.main import app

    _, *found = tree(typer.main.get_command(app))
    return HEAD + "".join(_section(name, command) for name, command in found)


def _section(name: str, command: Any) -> str:
    import typer

    depth = "#" * (1 + min(len(name.split()) - 1, 2))
    words = "\n".join(line.strip() for line in (command.help or "").strip().splitlines())
    options = [p for p in command.params if p.param_type_name == "option" and p.name != "help"]
    records = [p.get_help_record(typer.Context(command)) for p in options]
    rows = "".join(f"| {_cell(_ticked(names))} | {_cell(said)} |\n" for names, said in records)
    table = f"\n| option | meaning |\n|---|---|\n{rows}" if rows else ""
    usage = [name, *(_shown(p) for p in command.params if p.param_type_name == "argument")]
    usage += [_typed(names) for p, (names, _) in zip(options, records, strict=True) if p.required]
    line = f"\n    {' '.join(usage)}{' [OPTIONS]' if rows else ''}\n"
    return f"\n{depth} {name}\n\n{words}\n{'' if _only_a_group(command) else line}{table}"


def _only_a_group(command: Any) -> bool:
    return bool(getattr(command, "commands", {})) and not command.invoke_without_command


def _shown(argument: Any) -> str:
    words = str(argument.metavar or argument.name.upper())
    return words if argument.required or words.startswith("[") else f"[{words}]"


def _typed(names: str) -> str:
    """An option as help names it, with a word for what it takes."""
    for kind, word in (("<int range>", "N"), ("<float range>", "N"), ("<str>", "TEXT")):
        names = names.replace(kind, word)
    return names


def _ticked(names: str) -> str:
    return re.sub(r"(--?[a-z][a-z-]*)", r"`\1`", _typed(names))


def _cell(words: str) -> str:
    return words.replace("|", "\\|").replace("\n", " ").replace("<", "\\<")
