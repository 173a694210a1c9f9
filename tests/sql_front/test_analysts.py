"""Statements of a first day: accepted, or refused with a place and a hint that leads to an accepted one."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from engine.catalogue import load_catalogue
from engine.errors import Refused
from engine.governance.federation import default_rules
from engine.sql import prepare
from engine.trusted.catalogue import Catalogue

ROOT = Path(__file__).parents[1]
STATEMENTS = yaml.load((ROOT / "plans/analysts.yaml").read_text(encoding="utf-8"), yaml.CSafeLoader)
CASES = [(theme, row["sql"], row.get("code"), row.get("instead")) for theme, rows in STATEMENTS.items() for row in rows]
RULES = default_rules()


@pytest.fixture(scope="module")
def catalogues() -> dict[str, Catalogue]:
    files = {t: ROOT / f"sql/themes/{t}.yaml" for t in STATEMENTS} | {"services": ROOT / "plans/services.yaml"}
    files["demo"] = ROOT.parent / "engine/local/demo/catalogue.yaml"
    return {theme: load_catalogue(path) for theme, path in files.items()}


@pytest.mark.parametrize(("theme", "sql", "code", "instead"), CASES, ids=[f"{c[0]}-{i}" for i, c in enumerate(CASES)])
def test_a_first_day(
    theme: str, sql: str, code: str | None, instead: str | None, catalogues: dict[str, Catalogue]
) -> None:
    if code is None:
        assert prepare(sql, catalogues[theme], RULES).outputs
        return
    with pytest.raises(Refused) as caught:
        prepare(sql, catalogues[theme], RULES)
    assert caught.value.code == code
    assert caught.value.at is not None and caught.value.hint
    assert instead is not None
    assert prepare(instead, catalogues[theme], RULES).outputs


def test_most_of_a_first_day_is_accepted() -> None:
    """Statements over the demonstration are not counted: they were written to find what is refused."""
    codes = [code for theme, _, code, _ in CASES if theme != "demo"]
    assert len(codes) > 200 and codes.count(None) / len(codes) > 0.75
