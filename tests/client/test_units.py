"""Units of answers: which column has one (units.yaml), and that every form of an answer shows it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import yaml

from engine.catalogue.load import load_catalogue
from engine.cli.show import answer_json, answer_table, console
from engine.client import arrow
from engine.client.forecast import Terms, forecast
from engine.client.plot import chart_of
from engine.client.shown import answer_grid
from engine.client.units import units_of
from engine.desk.chart import drawings
from engine.sql import prepare
from engine.trusted.catalogue import Catalogue
from engine.trusted.records import Rules
from tests.client.test_shown import KEYED

RULES = Rules(0, 0, 10_000, 1_000_000, (), 3)
TABLE = yaml.safe_load((Path(__file__).parent / "units.yaml").read_text(encoding="utf-8"))
ANSWER = replace(KEYED, units=("", "", "GBP <a month>"))
SQL = "SELECT region, COUNT(*) AS n, AVG(income) AS mean FROM people GROUP BY region"


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory: pytest.TempPathFactory) -> Catalogue:
    file = tmp_path_factory.mktemp("units") / "catalogue.yaml"
    file.write_text(TABLE["catalogue"], encoding="utf-8")
    return load_catalogue(file)


@pytest.mark.parametrize(("sql", "units"), [*TABLE["kept"], *TABLE["none"]])
def test_the_unit_of_each_column(catalogue: Catalogue, sql: str, units: Sequence[str]) -> None:
    assert units_of(prepare(sql, catalogue, RULES), catalogue) == tuple(units)


def test_a_forecast_says_what_its_errors_are_in(catalogue: Catalogue) -> None:
    found = forecast(prepare(SQL, catalogue, RULES), catalogue, RULES, Terms(Fraction(1), Fraction(1, 10**9)))
    assert [(error.column, error.unit) for error in found.columns] == [("n", ""), ("mean", "GBP")]
    assert "mean (GBP) *" in repr(found)


def test_tables_name_it_in_their_heads(capsys: pytest.CaptureFixture[str]) -> None:
    assert answer_grid(ANSWER).as_text().splitlines()[0].split("  ")[-2:] == ["mean (GBP <a month>)", "95 %"]
    assert "mean (GBP &lt;a month&gt;)" in answer_grid(ANSWER).as_html()
    console().print(answer_table(ANSWER))
    assert "mean (GBP <a month>)" in capsys.readouterr().out


def test_json_tells_units_of_those_columns_alone_that_have_one() -> None:
    document: Any = json.loads(json.dumps(answer_json(ANSWER, ["east"], {})))
    assert document["units"] == {"mean": "GBP <a month>"}
    assert "units" not in answer_json(KEYED, ["east"], {})


def test_fields_of_a_schema_carry_it_with_their_intervals(catalogue: Catalogue) -> None:
    schema = arrow.schema_of(prepare(SQL, catalogue, RULES), catalogue, intervals=True)
    unit, noise = {arrow.UNIT: b"GBP"}, arrow.NOISE
    expected = [None, noise, None, None, noise | unit, unit, unit]
    assert [field.metadata for field in schema] == expected
    assert [name for name in schema.names if name.startswith("mean")] == ["mean", "mean_low", "mean_high"]
    widened = arrow.widened_table(ANSWER)
    assert widened.schema.field("mean_high").metadata == {arrow.UNIT: b"GBP <a month>"}
    assert widened.column("mean_low").to_pylist() == [-8.75, None]
    assert arrow.answer_table(ANSWER).schema.field("mean").metadata == {arrow.UNIT: b"GBP <a month>"}


def test_charts_name_it_on_the_axis() -> None:
    encoding: Any = chart_of(ANSWER, "", y="mean").spec["layer"][0]["encoding"]
    assert encoding["y"]["title"] == "mean (GBP <a month>)"
    drawn = drawings(replace(ANSWER, rows=(("N", 1, 1.0), ("S", 2, 2.0)), intervals=({"mean": (0.0, 2.0)},) * 2))
    assert [drawing.title for drawing in drawn] == ["mean (GBP <a month>)"]
    assert '<text class="tick" x="138" y="84" text-anchor="end">GBP &lt;a month&gt;</text>' in drawn[0].svg
