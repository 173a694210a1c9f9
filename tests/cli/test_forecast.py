"""``splittally forecast``: from a catalogue alone, from a home, as JSON with numbers as numbers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from engine.cli.main import run

CATALOGUE = Path(__file__).parent.parent / "plans" / "catalogue.yaml"
SQL = "SELECT region, COUNT(*) AS n, AVG(income) AS m FROM people GROUP BY region"
OFFLINE = ["forecast", "--catalog", str(CATALOGUE)]


def asked(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    assert run([*arguments, "--json"]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    document: dict[str, Any] = json.loads(captured.out)
    return document


def test_the_json_has_numbers_as_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    found = asked(capsys, *OFFLINE, "--rows", "8000", SQL)
    count, mean = found["columns"]
    assert (count["column"], count["keys"], count["cells"], count["exact"]) == ("n", ["region"], 4, True)
    assert (mean["exact"], mean["figure"]) == (False, 100_000)
    assert count["half_width"] == pytest.approx(1.96 * count["deviation"], rel=1e-4)
    assert count["relative"] == pytest.approx(count["half_width"] / 2_000)
    assert found["assumption"] == {"rows": 8_000, "persons": 8_000, "words": "8,000 rows, as given"}
    assert found["cost"]["epsilon"] == 1
    assert found["cost"]["per_node"] == dict.fromkeys(("north", "south"), found["cost"]["rho_billionths"])
    assert [share["span"] for share in found["cost"]["shares"]] == ["365 days", "lifetime"]
    assert (found["n_min"], found["variance_factor"]) == (2, 1)


def test_epsilon_delta_and_n_min_change_the_error(capsys: pytest.CaptureFixture[str]) -> None:
    def deviation(*options: str) -> float:
        size: float = asked(capsys, *OFFLINE, *options, SQL)["columns"][0]["deviation"]
        return size

    usual = deviation()
    assert deviation("--epsilon", "0.5") > 1.9 * usual
    assert deviation("--delta", "1e-6") < usual
    assert deviation("--n-min", "1") == pytest.approx(usual * 2**0.5, rel=0.01)


def test_the_page_names_errors_cost_and_advice(capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*OFFLINE, "--rows", "400", SQL]) == 0
    shown = capsys.readouterr().out
    for words in (
        "± 95 %",
        "m (GBP) *",
        "region",
        "400 rows, as given",
        "of identifier nino, lifetime",
        "LEAST(income, 100000)",
    ):
        assert words in shown
    assert shown.endswith("Nothing was asked, read or spent.\n")


def test_no_usable_figure_is_null(capsys: pytest.CaptureFixture[str]) -> None:
    sql = "SELECT birth_year, AVG(income) AS m FROM people GROUP BY birth_year"
    (mean,) = asked(capsys, *OFFLINE, "--rows", "55", sql)["columns"]
    assert (mean["figure"], mean["half_width"], mean["relative"]) == (None, None, None)
    assert run([*OFFLINE, "--rows", "55", sql]) == 0
    assert "no usable figure" in capsys.readouterr().out


def test_a_cap_too_small_is_seen_beforehand(capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*OFFLINE, "--epsilon", "20", SQL]) == 0
    assert "so it would be refused" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "status", "code"),
    [
        ([*OFFLINE, "SELECT SUM(serial) AS s FROM people"], 3, "SQL_UNBOUNDED_MEASURE"),
        ([*OFFLINE, "--n-min", "9", SQL], 3, "POLICY_N_MIN_HOSTS"),
        (["forecast", "--catalog", "none.yaml", SQL], 2, "FILE_MISSING"),
        (["forecast", "--home", "none", SQL], 2, "FILE_HOME_MISSING"),
    ],
)
def test_refusals(arguments: list[str], status: int, code: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(arguments) == status
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith(code)


def test_from_an_analysts_home_without_a_coordinator(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    homes = tmp_path / "homes"
    made = ["federation", "init", str(homes), "--catalog", str(CATALOGUE), "--coordinator", "127.0.0.1:1"]
    assert run(made) == 0
    capsys.readouterr()
    found = asked(capsys, "forecast", "--home", str(homes / "analyst"), "--rows", "8000", SQL)
    assert found["columns"] == asked(capsys, *OFFLINE, "--rows", "8000", SQL)["columns"]
