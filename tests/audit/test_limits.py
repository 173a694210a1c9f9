"""The page of known limits stays true: forty classes, each with a test that exists or a limit with its reason."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "engine" / "docs" / "limits.md").read_text(encoding="utf-8")
CLASSES = 40
REASON = 40  # letters: a limit is a sentence that says why


def rows() -> list[list[str]]:
    """number, class, tests, limit of each row of the table."""
    lines = [line for line in PAGE.splitlines() if re.match(r"\| \d+ \|", line)]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def named_in(cell: str) -> list[tuple[str, str]]:
    return re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", cell)


def test_every_class_has_a_row_with_a_test_or_a_limit() -> None:
    table = rows()
    assert [row[0] for row in table] == [str(n) for n in range(1, CLASSES + 1)]
    for number, name, tests, limit in table:
        assert name, number
        assert named_in(tests) or len(limit) >= REASON, number
        assert not limit or (len(limit) >= REASON and limit.endswith(".")), number
        assert len(named_in(tests)) == tests.count("::"), number


def test_every_test_that_the_page_names_exists() -> None:
    named = [pair for row in rows() for pair in named_in(row[2])]
    assert len(named) >= CLASSES
    for path, name in named:
        assert f"def {name}(" in (ROOT / path).read_text(encoding="utf-8"), f"{path}::{name}"


def test_the_page_speaks_of_this_project_only() -> None:
    for path in re.findall(r"`((?:engine|nodes|tests|benchmarks)/[\w/.]+?)(?:::\w+)?`", PAGE):
        assert (ROOT / path).exists(), path
    assert not re.search(r"(?<!\w)/(?:work|home|tmp|root)\b", PAGE)
