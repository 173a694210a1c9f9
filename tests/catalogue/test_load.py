"""The catalogue file: defaults, exact values, and one precise error for each mistake."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import yaml

from engine.catalogue import load_catalogue, parse_catalogue
from engine.errors import BadFile
from engine.trusted.catalogue import Bounds, Catalogue, IdentifierForm, PersonUnit
from engine.trusted.plan import Type
from engine.trusted.wire import decode, encode

HERE = Path(__file__).parent
GOOD = (HERE / "good.yaml").read_text(encoding="utf-8")
ERRORS: list[dict[str, Any]] = yaml.safe_load((HERE / "errors.yaml").read_text(encoding="utf-8"))


def test_a_catalogue_says_what_it_says() -> None:
    catalogue = load_catalogue(HERE / "good.yaml")
    people, visits = catalogue.datasets
    assert (catalogue.federation, people.hosts, people.placement) == ("demo", ("north", "south"), "resident")
    assert people.person == PersonUnit("person_id", "nino", IdentifierForm.UPPER_ALNUM)
    assert (people.at_most_persons, people.at_most_rows) == (10_000_000, 10_000_000)
    columns = {c.name: c for c in people.columns}
    assert columns["income"].bounds == Bounds(Fraction(0), Fraction(200_000))
    assert (columns["income"].step, columns["income"].unit) == (Fraction(1, 100), "GBP")
    assert columns["paid_on"].bounds == Bounds(Fraction(16436), Fraction(20088))
    assert columns["region"].domain == ("N", "S", "E", "W")
    assert columns["sex"].nullable
    assert columns["consent"].type is Type.BOOLEAN
    assert visits.column("ward") is not None
    assert decode(Catalogue, encode(catalogue)) == catalogue


def test_what_is_left_out_has_its_default() -> None:
    visits = parse_catalogue(GOOD, "good.yaml").datasets[1]
    assert visits.person == PersonUnit("patient", "patient", IdentifierForm.AS_IS)
    assert (visits.overlap, visits.rows_per_person, visits.groups_per_person) == (3, 5, 5)
    assert (visits.placement, visits.title, visits.about) == ("visits", "visits", "")
    assert (visits.at_most_persons, visits.at_most_rows) == (100_000_000, 500_000_000)


def test_texts_are_taken_as_written() -> None:
    """YAML's guesses at types do not reach a domain: NO is a country, 01 a code."""
    (ward,) = [c for c in parse_catalogue(GOOD, "good.yaml").datasets[1].columns if c.name == "ward"]
    assert ward.domain == ("NO", "yes", "01", "1e3", "~x")


@pytest.mark.parametrize("row", ERRORS, ids=[str(row["new"])[:40] for row in ERRORS])
def test_each_mistake_has_its_error(row: dict[str, Any]) -> None:
    assert GOOD.count(row["old"]) >= 1
    with pytest.raises(BadFile) as caught:
        parse_catalogue(GOOD.replace(row["old"], row["new"], 1), "good.yaml")
    error = caught.value
    assert error.code == row["code"], str(error)
    assert row["says"] in str(error), str(error)
    assert error.at is not None
    assert error.hint
    assert "good.yaml" in error.message
    assert row.get("at", f"{error.at.line}:{error.at.column}") == f"{error.at.line}:{error.at.column}"


def test_files_that_are_no_catalogue(tmp_path: Path) -> None:
    with pytest.raises(BadFile, match="FILE_MISSING"):
        load_catalogue(tmp_path / "none.yaml")
    for name, content in {
        "latin": b"federation: d\xe9mo",
        "large": b"#" * 2_000_000,
        "empty": b"",
        "list": b"- 1",
    }.items():
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(BadFile, match=r"FILE_CATALOGUE_(UNREADABLE|WRONG_VALUE)"):
            load_catalogue(path)


def test_deep_nesting_is_no_crash() -> None:
    with pytest.raises(BadFile, match="FILE_CATALOGUE"):
        parse_catalogue("[" * 5_000, "deep.yaml")
