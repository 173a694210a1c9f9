"""The register for machines: JSON by its schema, CSV by its description, and all of them the same rows."""

from __future__ import annotations

import csv
import io
import json
import re
from typing import Any

import jsonschema
import pytest

from engine.governance.federation import Federation
from engine.governance.register.build import build
from engine.governance.register.rows import CardRow, PauseRow, Register
from engine.governance.register.site import files
from engine.governance.register.tables import SEPARATOR, csv_bytes, document, schema, tables
from engine.governance.schemas import SCHEMAS
from tests.register.histories import random_history

NAMES = ("requests", "decisions", "charges", "agreements", "pauses", "publications", "cards", "shares", "accounts",
         "persons", "journals", "entries", "contradictions")  # fmt: skip


@pytest.fixture(scope="module")
def register(federation: Federation) -> Register:
    history = random_history(federation, 2, steps=60)
    history.away.add("helper-2")
    card = CardRow("people", "", "all rows", "rows", -3.5, None, 1e30, ("east",), True, "much", "", "analyst", "", "")
    return build(history.evidence(), history.now, cards=(card,))


@pytest.fixture(scope="module")
def site(federation: Federation) -> dict[str, bytes]:
    history = random_history(federation, 2, steps=60)
    return dict(files(history.evidence(), history.now, {}))


def test_the_document_is_valid_and_a_wrong_one_is_not(register: Register) -> None:
    found = json.loads(json.dumps(document(register)))
    validator = jsonschema.Draft202012Validator(SCHEMAS["register"]())
    jsonschema.Draft202012Validator.check_schema(schema())
    validator.validate(found)
    assert all(found[name] for name in NAMES), "every table has a row to be judged"
    wrong: tuple[tuple[Any, ...], ...] = (
        ("charges", 0, "rho_billionths", "7"),
        ("requests", 0, "request", "xyz"),
        ("requests", 0, "asked", "yesterday"),
        ("pauses", 0, "paused", "yes"),
        ("requests", 0, "subjects", ["somebody"]),
        ("epoch", None),
    )
    for *path, name, value in [(*w[:-1], w[-1]) if len(w) > 2 else w for w in wrong]:
        changed = json.loads(json.dumps(found))
        place = changed
        for step in path:
            place = place[step]
        place[name] = value
        assert list(validator.iter_errors(changed)), (path, name)


def test_the_site_holds_each_table_with_its_description(site: dict[str, bytes]) -> None:
    assert json.loads(site["register.schema.json"]) == SCHEMAS["register"]()
    assert {place for place in site if place.endswith(".csv")} == {f"{name}.csv" for name in NAMES}
    for name in NAMES:
        described = json.loads(site[f"{name}.csv-metadata.json"])
        assert described["@context"] == ["http://www.w3.org/ns/csvw", {"@language": "en"}]
        assert described["url"] == f"{name}.csv"
        columns = described["tableSchema"]["columns"]
        header, *rows = csv.reader(io.StringIO(site[f"{name}.csv"].decode(), newline=""))
        assert [column["titles"] for column in columns] == header
        assert all(re.fullmatch(r"[A-Za-z0-9_]+", column["name"]) for column in columns)
        assert len({column["name"] for column in columns}) == len(columns)
        assert all(set(c) <= {"name", "titles", "datatype", "dc:description", "separator"} for c in columns)
        for row in rows:
            assert len(row) == len(header)
            for column, cell in zip(columns, row, strict=True):
                assert valid(column["datatype"], cell), (name, column, cell)


def valid(datatype: str, cell: str) -> bool:
    patterns = {
        "integer": r"-?\d+",
        "boolean": "true|false",
        "dateTime": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ",
        "string": r"(?s:.*)",
    }
    return not cell or re.fullmatch(patterns[datatype], cell) is not None


def test_csv_and_json_are_the_same_rows(register: Register) -> None:
    found = document(register)
    seen = []
    for name, kind, rows in tables(register):
        seen.append(name)
        parsed = list(csv.DictReader(io.StringIO(csv_bytes(kind, rows).decode(), newline="")))
        assert parsed == [{key: as_cell(value) for key, value in row.items()} for row in found[name]]
    assert tuple(seen) == NAMES


def as_cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return SEPARATOR.join(value) if isinstance(value, tuple) else str(value)


@pytest.mark.parametrize("sign", ["=", "+", "-", "@", "\t", "'="])
def test_no_text_is_a_formula(sign: str) -> None:
    row = PauseRow("north", True, "guardian-north", f"{sign}1+HYPERLINK(0)", "", True, "")
    (parsed,) = csv.DictReader(io.StringIO(csv_bytes(PauseRow, [row]).decode(), newline=""))
    assert parsed["reason"] == f"'{sign}1+HYPERLINK(0)"
