"""``splittally try`` over one's own files: real processes, the documented JSON, figures as near as they claim."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SQL = "SELECT region, COUNT(*) AS n, AVG(income) AS mean FROM people GROUP BY region ORDER BY n DESC"
HALF_95 = 1.96
WIDE = 6.5  # standard deviations: one false alarm in 1e9 runs of this file's ten cells


@pytest.fixture(scope="module")
def tried(own: Any) -> dict[str, Any]:
    command = [sys.executable, "-m", "engine.cli.main", "try", *own.options, "--json", SQL]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def test_the_json_has_the_documented_shape(tried: dict[str, Any]) -> None:
    assert tried["columns"] == ["region", "n", "mean"]
    assert tried["nodes"] == ["north", "south"]
    assert [sorted(row) for row in tried["rows"]] == [["mean", "n", "region"]] * 5
    for row, interval in zip(tried["rows"], tried["intervals"], strict=True):
        assert sorted(interval) == (["n"] if row["mean"] is None else ["mean", "n"])
        assert all(low <= row[name] <= high for name, (low, high) in interval.items())
    cost = tried["cost"]
    assert (cost["epsilon"], cost["delta"]) == (1.0, 1e-9)
    assert cost["per_node"] == dict.fromkeys(("north", "south"), cost["rho_billionths"])
    assert cost["rho_billionths"] > 0


def test_rows_come_in_the_order_of_the_noisy_figures_with_every_key(tried: dict[str, Any]) -> None:
    figures = [row["n"] for row in tried["rows"]]
    assert figures == sorted(figures, reverse=True)
    assert {row["region"] for row in tried["rows"]} == {"N", "S", "E", "W", None}


def test_figures_are_as_near_as_their_intervals_claim(tried: dict[str, Any], own: Any) -> None:
    for row, interval in zip(tried["rows"], tried["intervals"], strict=True):
        incomes = [i for i, region in zip(own.incomes, own.regions, strict=True) if region == row["region"]]
        low, high = interval["n"]
        assert abs(row["n"] - len(incomes)) <= (high - low) / 2 / HALF_95 * WIDE
        if len(incomes) > 100:
            low, high = interval["mean"]
            assert abs(row["mean"] - sum(incomes) / len(incomes)) <= (high - low) / 2 / HALF_95 * WIDE


def test_noise_is_really_there(tried: dict[str, Any], own: Any) -> None:
    """All five counts exact has a chance below 1e-6: the standard deviation of each is about eight."""
    exact = [own.regions.count(row["region"]) for row in tried["rows"]]
    assert [row["n"] for row in tried["rows"]] != exact


def test_a_file_broken_far_down_is_a_file_to_be_mended(own: Any, tmp_path: Path) -> None:
    text = (own.north / "people.csv").read_text()
    (tmp_path / "people.csv").write_text(text + "9001,N\n")
    options = [word.replace(str(own.north), str(tmp_path)) for word in own.options]
    command = [sys.executable, "-m", "engine.cli.main", "try", *options, SQL]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("FILE_SOURCE_UNREADABLE: At north: ")
    assert "as many fields in each line" in done.stderr
