"""Texts in the public form of a plan: only those that the catalogue publishes for the column they are compared with."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from engine.catalogue import load_catalogue
from engine.governance.register.redact import public_text, redacted
from engine.sql import prepare
from engine.trusted.catalogue import Catalogue
from engine.trusted.describe import english
from engine.trusted.plan import Literal, Plan
from engine.trusted.records import Rules
from engine.trusted.wire import encode

ROWS: list[dict[str, Any]] = yaml.safe_load((Path(__file__).with_name("redacted.yaml")).read_text())
PLANS = Path(__file__).parents[1] / "plans"
CATALOGUE = """
federation: words
datasets:
  people:
    title: People
    hosts: [north]
    person: person_id
    rows_per_person: 1
    placement: home
    overlap: 1
    columns:
      person_id: {type: text}
      region: {type: text, domain: [N, S, E, W]}
      ageband: {type: text, domain: [young, Young, old]}
      surname: {type: text}
      income: {type: decimal, bounds: [0, 100000], step: 1}
      born: {type: date, bounds: [1900-01-01, 2020-12-31]}
  visits:
    title: Visits
    hosts: [north]
    person: person_id
    rows_per_person: 4
    placement: home
    overlap: 1
    columns:
      person_id: {type: text}
      clinic: {type: text}
      kind: {type: text, domain: [urgent, planned]}
      cost: {type: decimal, bounds: [0, 1000], step: 1}
"""


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory: pytest.TempPathFactory) -> Catalogue:
    file = tmp_path_factory.mktemp("words") / "catalogue.yaml"
    file.write_text(CATALOGUE)
    return load_catalogue(file)


def rules() -> Rules:
    return Rules(0, 0, 10_000, 1_000_000, (), 3)


@pytest.mark.parametrize("row", ROWS, ids=[row["sql"][:60] for row in ROWS])
def test_a_text_is_shown_or_hidden(catalogue: Catalogue, row: dict[str, Any]) -> None:
    plan = prepare(row["sql"], catalogue, rules()).plan
    words, sql = public_text(plan, catalogue)
    assert words and sql
    before = english(plan, catalogue) + repr(plan)
    for text in row.get("shown", []):
        assert f"'{text}'" in words and f"'{text}'" in sql, (text, words)
    for text in row.get("raw", []):
        assert text in words and text in sql
    for text in row.get("hidden", []):
        assert text not in words and text not in sql, (text, words, sql)
        assert text not in repr(redacted(plan, catalogue))
        assert text.strip("'") in row["sql"]
    if row.get("hidden"):
        assert "…" in sql or "computed_1" in sql
        assert any(text.strip("'") in before for text in row["hidden"]), "there was something to hide"
    for text in row.get("english", []):
        assert f"'{text}'" in words


def texts_of(value: object) -> set[str]:
    if isinstance(value, Literal):
        return {value.value} if isinstance(value.value, str) else set()
    if isinstance(value, tuple):
        return set[str]().union(*map(texts_of, value))
    if is_dataclass(value):
        return set[str]().union(*(texts_of(getattr(value, f.name)) for f in fields(value)))
    return set()


def test_every_accepted_statement_has_a_public_form() -> None:
    """Whatever is accepted can be shown, and no text is left in it that the catalogue does not hold."""
    catalogue = load_catalogue(PLANS / "catalogue.yaml")
    published = {text for dataset in catalogue.datasets for column in dataset.columns for text in column.domain}
    hidden = 0
    for row in yaml.load((PLANS / "accepted.yaml").read_text(), yaml.CSafeLoader):
        plan: Plan = prepare(row["sql"], catalogue, rules()).plan
        words, shown = public_text(plan, catalogue)
        assert words and shown, row["sql"]
        left = texts_of(redacted(plan, catalogue))
        assert left <= published | {"…"}, row["sql"]
        hidden += "…" in left
        if "…" not in left and "computed_" not in shown:
            assert encode(redacted(plan, catalogue)) == encode(plan), "nothing else is changed"
    assert hidden > 5
