"""The pages of errors and of commands, made from the code: ``python -m engine.cli.reference [--check]``."""

from __future__ import annotations

import sys
from pathlib import Path

from engine.cli import commands
from engine.error_codes import CODES

PAGE = Path(__file__).parents[1] / "docs" / "errors.md"
HEAD = """# Errors

Generated from engine/error_codes by `python -m engine.cli.reference`; do not edit.

Every error has a stable code, a sentence that says what is wrong and a hint that says what to do next. Words in
braces are filled in with public facts: names of files, columns and members, never a value or a count.
The command's exit status follows from the first part of the code.

| first part | exit status | meaning |
|---|---|---|
| `FILE_` | 2 | a file or option needs mending |
| `SQL_` `POLICY_` `BUDGET_` `APPROVAL_` | 3 | the answer is no; the hint says what would work |
| `APPROVAL_WAITING` | 4 | somebody still has to decide |
| `ROUND_` `NODE_` | 5 | a machine or a round failed; try again |
| `BUG_` | 1 | our mistake |
"""


def page() -> str:
    """The page as it has to be now: one table for each first part of a code, in the order of the source."""
    parts: dict[str, list[str]] = {}
    for code, row in CODES.items():
        line = f"| `{code}` | {_cell(row.sentence)} | {_cell(row.hint)} |"
        parts.setdefault(code.partition("_")[0], []).append(line)
    tables = (
        f"\n## {part}_\n\n| code | sentence | hint |\n|---|---|---|\n" + "\n".join(lines) + "\n"
        for part, lines in parts.items()
    )
    return HEAD + "".join(tables)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def main(arguments: list[str]) -> int:
    """Write the pages; with ``--check`` exit 1 if one is not fresh."""
    made = ((PAGE, page()), (commands.PAGE, commands.page()))
    if "--check" in arguments:
        return 0 if all(file.exists() and file.read_text(encoding="utf-8") == text for file, text in made) else 1
    for file, text in made:
        file.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
