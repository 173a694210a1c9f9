"""The table of planted errors fits the code: old texts stand once, mutants compile, named tests exist."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from run import ROOT, Mutant, mutants

MUTANTS = mutants()


def test_there_are_enough_and_each_has_a_name_of_its_own() -> None:
    assert len({m.name for m in MUTANTS}) == len(MUTANTS) >= 20
    assert len({(m.file, m.old, m.new) for m in MUTANTS}) == len(MUTANTS)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda m: m.name)
def test_a_mutant_can_be_planted_and_names_tests_that_exist(mutant: Mutant) -> None:
    assert mutant.file.startswith(("engine/trusted/", "nodes/"))
    text = (ROOT / mutant.file).read_text(encoding="utf-8")
    assert mutant.planted(text) != text
    for test in mutant.tests:
        path, name = re.sub(r"\[.*", "", test).split("::")
        assert f"def {name}(" in (ROOT / path).read_text(encoding="utf-8"), test


def test_an_old_text_that_is_not_there_once_is_an_error() -> None:
    for text in ("", "a a"):
        with pytest.raises(ValueError, match="times"):
            Mutant("x", "x.py", "a", "b", ()).planted(text)
