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


# -- two departments, one question: a private join

PEOPLE, SHARED = 3_000, 2_000
JOINED = "SELECT sex, COUNT(*) AS n, AVG(wages) AS mean FROM pay JOIN people ON worker = person_id GROUP BY sex"
TWO = """
federation: two
datasets:
  pay:
    title: Pay
    hosts: [tax]
    person: {column: worker, identifier: nino, form: upper-alnum}
    overlap: 1
    rows_per_person: 1
    at_most: {persons: 10_000, rows: 10_000}
    columns:
      worker: {type: text}
      wages: {type: integer, bounds: [0, 1000]}
  people:
    title: People
    hosts: [births]
    person: {column: person_id, identifier: nino, form: upper-alnum}
    overlap: 1
    rows_per_person: 1
    at_most: {persons: 10_000, rows: 10_000}
    columns:
      person_id: {type: text}
      sex: {type: text, domain: [F, M]}
"""


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Two folders whose rows are about 2,000 persons in common, each of whom is spelt in two ways."""
    folder = tmp_path_factory.mktemp("two")
    (folder / "catalogue.yaml").write_text(TWO)
    for name in ("tax", "births"):
        (folder / name).mkdir()
    pay = (f"qq{number},{400 if number % 2 else 600}" for number in range(PEOPLE))
    people = (f"QQ-{PEOPLE - SHARED + number},{'FM'[number % 2]}" for number in range(PEOPLE))
    (folder / "tax" / "pay.csv").write_text("\n".join(["worker,wages", *pay, ""]))
    (folder / "births" / "people.csv").write_text("\n".join(["person_id,sex", *people, ""]))
    data = ["--data", f"tax={folder / 'tax'}", "--data", f"births={folder / 'births'}"]
    return ["--catalog", str(folder / "catalogue.yaml"), *data]


def tried_with(options: list[str], *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "engine.cli.main", *words, *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=150, check=False)


def test_a_join_of_two_folders_starts_its_helpers_and_is_approved_by_itself(two: list[str]) -> None:
    done = tried_with(two, "try", "--json", JOINED)
    assert (done.returncode, done.stderr) == (0, "")
    document = json.loads(done.stdout)
    assert document["nodes"] == ["tax", "births"]
    assert document["cost"]["per_node"].keys() == {"tax", "births"}
    exact = {"F": (SHARED // 2, 600), "M": (SHARED // 2, 400)}
    for row, interval in zip(document["rows"], document["intervals"], strict=True):
        for name, truth in zip(("n", "mean"), exact[row["sex"]], strict=True):
            low, high = interval[name]
            assert abs(row[name] - truth) <= (high - low) / 2 / HALF_95 * WIDE, (row, interval)


def test_a_join_needs_both_owners(two: list[str]) -> None:
    done = tried_with(two, "try", "--n-min", "1", JOINED)
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.startswith("POLICY_N_MIN_JOIN")


def test_a_join_is_rehearsed(two: list[str]) -> None:
    done = tried_with(two[:2], "rehearse", "--json", "--persons", "1500", JOINED)
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["dummy"] is True
    for row, interval, exact in zip(document["rows"], document["intervals"], document["exact"], strict=True):
        low, high = interval["n"]
        assert exact["n"] > 0
        assert abs(row["n"] - exact["n"]) <= (high - low) / 2 / HALF_95 * WIDE


def test_founding_says_what_a_join_needs(two: list[str], tmp_path: Path) -> None:
    done = tried_with(two[:2], "federation", "init", str(tmp_path / "homes"))
    assert done.returncode == 0, done.stderr
    said = " ".join(done.stdout.split())
    assert "(births and tax) need five bodies" in said
    assert "has 0 of the three helpers" in said
    done = tried_with(two[:2], "federation", "init", str(tmp_path / "more"), "--helpers", "3")
    assert "need five bodies" in " ".join(done.stdout.split())
    assert "of the three helpers:" not in done.stdout
    assert sorted(p.name for p in (tmp_path / "more").glob("helper-*")) == ["helper-1", "helper-2", "helper-3"]
