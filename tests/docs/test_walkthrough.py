"""Pages of the manual that tell a story, run from their first command to their last; see walkthrough.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.walkthrough import ROOT, Command, Walk, differs, steps_of

PAGES = ("engine/docs/manual/governance.md",)


@pytest.mark.parametrize("page", PAGES)
def test_a_page_runs_as_it_is_written(page: str, tmp_path: Path) -> None:
    steps = steps_of((ROOT / page).read_text(encoding="utf-8"))
    assert sum(isinstance(step, Command) for step in steps) > 50
    with Walk(tmp_path) as walk:
        for step in steps:
            wrong = walk.take(step)
            assert not wrong, f"{page}:{step.line}: {wrong}"


SHOWN = ("a  <id> …", "───", "…", "end 3")


@pytest.mark.parametrize(
    ("printed", "fits"),
    [
        ("a 5f 0.7\nend 3\n", True),
        ("\n a    5f   noise \n ──── \nx\ny\n\nend 3\n", True),
        ("a 5f 0.7\nend 4\n", False),
        ("a 5f\nend 3\n", False),
        ("a 5f 0.7\nend 3\nmore\n", False),
        ("b\na 5f 0.7\nend 3\n", False),
    ],
)
def test_what_is_printed_is_compared(printed: str, fits: bool) -> None:
    words: dict[str, str] = {}
    assert (differs(SHOWN, printed, words) == "") is fits
    assert words == ({"id": "5f"} if fits else {})


def test_a_word_once_read_has_to_come_again() -> None:
    assert differs(("id <it>",), "id 5e\n", {"it": "5e"}) == ""
    assert differs(("id <it>",), "id 6e\n", {"it": "5e"}) != ""
