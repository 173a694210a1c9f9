"""``splittally rehearse``: real processes over dummy rows; production noise, and the exact figures beside it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SQL = (
    "SELECT region, COUNT(*) AS n, MEDIAN(income) AS m FROM people WHERE born < DATE '1990-01-01'"
    " GROUP BY ROLLUP (region) ORDER BY n DESC"
)
WIDE = 6.5 / 1.96  # half widths: one false alarm in 1e9 for these cells


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("rehearsal") / "kept"


@pytest.fixture(scope="module")
def rehearsed(own: Any, kept: Path) -> dict[str, Any]:
    options = ["--catalog", str(own.catalogue), "--persons", "3000", "--keep", str(kept), "--json"]
    command = [sys.executable, "-m", "engine.cli.main", "rehearse", *options, SQL]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def test_it_says_that_its_figures_mean_nothing(rehearsed: dict[str, Any]) -> None:
    assert rehearsed["dummy"] is True
    assert rehearsed["notes"][0] == "Dummy data made from the catalogue alone: the figures mean nothing."
    assert rehearsed["persons"] == 3_000
    assert set(rehearsed["dummy_rows"]) == {"north", "south"}


def test_every_group_shows_with_production_noise_beside_the_exact_figure(rehearsed: dict[str, Any]) -> None:
    assert [sorted(row) for row in rehearsed["rows"]] == [["m", "n", "region"]] * 6  # four, NULL and the total
    figures = [row["n"] for row in rehearsed["rows"]]
    assert figures == sorted(figures, reverse=True)
    exact = [row["n"] for row in rehearsed["exact"]]
    assert exact[0] == sum(exact[1:])
    assert figures != exact
    for row, interval, known in zip(rehearsed["rows"], rehearsed["intervals"], rehearsed["exact"], strict=True):
        low, high = interval["n"]
        assert abs(row["n"] - known["n"]) <= (high - low) / 2 * WIDE
        assert row["region"] == known["region"]
        assert 0 <= known["m"] <= 200_000


def test_cost_is_that_of_asking_in_earnest(rehearsed: dict[str, Any]) -> None:
    assert (rehearsed["cost"]["epsilon"], rehearsed["cost"]["delta"]) == (1, 1e-9)
    assert rehearsed["cost"]["per_node"] == dict.fromkeys(("north", "south"), rehearsed["cost"]["rho_billionths"])


def test_kept_files_can_be_tried(rehearsed: dict[str, Any], own: Any, kept: Path) -> None:
    data = [word for node in ("north", "south") for word in ("--data", f"{node}={kept / node}")]
    command = [sys.executable, "-m", "engine.cli.main", "try", "--catalog", str(own.catalogue), *data, "--json"]
    done = subprocess.run(
        [*command, "SELECT COUNT(*) AS n FROM people"], capture_output=True, text=True, timeout=120, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    document = json.loads(done.stdout)
    low, high = document["intervals"][0]["n"]
    assert abs(document["rows"][0]["n"] - sum(rehearsed["dummy_rows"].values())) <= (high - low) / 2 * WIDE
