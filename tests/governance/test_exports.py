"""Schemas of what people write, and what is written for registers: shapes, and nothing made up."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from engine.catalogue import columns, load, load_catalogue
from engine.catalogue.schema import COLUMN, DATASET
from engine.errors import BadFile
from engine.governance.binding import template
from engine.governance.dcat import CONTEXT, REQUIRED, Publisher, dcat, lacking
from engine.governance.document import TO_FILL
from engine.governance.rules import load_amendment
from engine.governance.schemas import SCHEMAS
from engine.sql import compile as node_file
from engine.trusted.home import Home
from tests.governance.machines import Machines
from tests.governance.test_agreement_papers import as_json

CATALOGUES = Path(__file__).parents[1] / "catalogue"
GOOD = (CATALOGUES / "good.yaml").read_text()
ERRORS: list[dict[str, Any]] = yaml.safe_load((CATALOGUES / "errors.yaml").read_text())
DEMO = Path(__file__).parents[2] / "engine/local/demo"
# Errors that a schema cannot see: they are about YAML itself, about another place of the file, or about arithmetic.
BEYOND = (
    *(
        "FILE_CATALOGUE_UNREADABLE",
        "FILE_CATALOGUE_REPEATED_KEY",
        "other members of a federation",
        "there is no column",
    ),
    *("cannot identify a person", "Write at most", "lower bound", "multiple of the step", "too many steps"),
    *("not a date", "name of another", "engines use for rows", "has other hosts", "identifies persons differently"),
    *("also the name of a dataset", "out of range", "leave the placement out", "not a whole number", "not a number"),
)
SEEN = [row for row in ERRORS if not any(words in row["code"] or words in row["says"] for words in BEYOND)]


@pytest.fixture(scope="module")
def machines(tmp_path_factory: pytest.TempPathFactory) -> Machines:
    made = Machines(tmp_path_factory.mktemp("machines"))
    made.found()
    return made


def validator(name: str) -> Any:
    return jsonschema.Draft202012Validator(SCHEMAS[name]())


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_schema_is_a_schema_and_is_printed(machines: Machines, name: str) -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMAS[name]())
    assert json.loads(machines.said("schema", name)) == SCHEMAS[name]()
    assert "FILE_FORM" in machines.said("schema", "nothing", status=2)


def test_the_catalogues_schema_knows_the_readers_keys() -> None:
    assert set(DATASET["properties"]) == set(load._DATASET_KEYS)
    assert set(COLUMN["properties"]) == set(columns._KEYS)
    validator("catalogue").validate(as_json(GOOD))
    validator("catalogue").validate(as_json((DEMO / "catalogue.yaml").read_text()))


@pytest.mark.parametrize("row", SEEN, ids=[str(row["new"])[:40] for row in SEEN])
def test_the_catalogues_schema_sees_the_mistakes_of_shape(row: dict[str, Any]) -> None:
    """Each mistake the reader refuses is refused by the schema too, unless it is beyond a schema."""
    assert len(SEEN) > len(ERRORS) / 2
    text = GOOD.replace(row["old"], row["new"], 1)
    assert not validator("catalogue").is_valid(as_json(text)), row


def test_the_nodes_schema_knows_the_readers_keys(machines: Machines) -> None:
    assert set(node_file._TOP) <= set(SCHEMAS["node"]()["properties"])
    catalogue = Home.load(machines.at("north")).manifest().catalogue
    validator("node").validate(tomllib.loads(template("north", catalogue)))
    for file in sorted((DEMO / "nodes").glob("*.toml")):
        validator("node").validate(tomllib.loads(file.read_text()))
    good = tomllib.loads(template("north", catalogue))
    for bad in (
        good | {"nmae": "x"},
        good | {"name": "North!"},
        good | {"approval": {"mode": "never"}},
        good | {"dataset": {"people": {"table": "x"}}},
        {key: value for key, value in good.items() if key != "name"},
    ):
        assert not validator("node").is_valid(bad), bad


RULES = [
    ("f: 1\n", True),
    ("caps: [{account: share, name: people, lifetime: {epsilon: 1, delta: 1e-6}}]\n", True),
    ("until: 2031-01-01\ngrace_days: 0\n", True),
    ("{}\n", False),
    ("f: -1\n", False),
    ("committee: 2\n", False),
    ("caps: []\n", False),
    ("caps: [{account: shares, lifetime: {epsilon: 1, delta: 1e-6}}]\n", False),
    ("caps: [{account: share}]\n", False),
    ("caps: [{account: share, lifetime: {epsilon: 1, delta: 1}}]\n", False),
    ("roots: 2\n", False),
]


@pytest.mark.parametrize(("text", "good"), RULES, ids=[text[:40] for text, _ in RULES])
def test_rules_and_their_schema_agree(machines: Machines, tmp_path: Path, text: str, good: bool) -> None:
    (tmp_path / "rules.yaml").write_text(text)
    manifest = Home.load(machines.at("root")).manifest()
    assert validator("rules").is_valid(as_json(text)) is good
    if good:
        load_amendment(tmp_path / "rules.yaml", manifest)
    else:
        with pytest.raises(BadFile, match="FILE_RULES"):
            load_amendment(tmp_path / "rules.yaml", manifest)


PUBLISHER = Publisher("Data team", "data@north.example", "https://licence.example/", "OFFICIAL", "monthly")


def test_the_catalogue_becomes_a_dcat_catalogue(machines: Machines) -> None:
    manifest = Home.load(machines.at("ann")).manifest()
    document = dcat(manifest, PUBLISHER)
    assert json.loads(json.dumps(document)) == document
    assert (document["@type"], document["version"]) == ("dcat:Catalog", "1")
    (people,), (service,) = document["dataset"], document["service"]
    assert set(REQUIRED) - {"description"} <= set(people)
    assert people["creator"] == ["north council", "south council"]
    assert people["contactPoint"] == {"@type": "vcard:Kind", "contactName": "Data team", "email": "data@north.example"}
    assert people["distribution"][0]["accessService"] == service["@id"]
    assert service["servesData"] == [people["@id"]]
    age = people["csvw:tableSchema"]["csvw:column"][2]
    assert age["csvw:datatype"] == {"csvw:base": "integer", "csvw:minimum": "0", "csvw:maximum": "110"}


def test_every_key_of_the_export_is_a_term(machines: Machines) -> None:
    """JSON-LD drops keys that no context explains: there are none."""
    prefixes = {key for key, term in CONTEXT.items() if isinstance(term, str) and "://" in term}

    def keys(value: Any) -> set[str]:
        if isinstance(value, dict):
            return set(value) | {key for inner in value.values() for key in keys(inner)}
        return {key for inner in value for key in keys(inner)} if isinstance(value, list) else set()

    document = dcat(Home.load(machines.at("ann")).manifest(), PUBLISHER)
    document.pop("@context")
    for key in keys(document):
        assert key.startswith("@") or key in CONTEXT or key.partition(":")[0] in prefixes, key
    for term in CONTEXT.values():
        name = term["@id"] if isinstance(term, dict) else term
        assert "://" in name or name.partition(":")[0] in prefixes


def test_what_nobody_said_is_named_and_not_made_up(machines: Machines) -> None:
    manifest = Home.load(machines.at("ann")).manifest()
    wanted = ("description", "contactPoint", "licence", "securityClassification", "updateFrequency")
    assert lacking(dcat(manifest, Publisher())) == wanted
    out = Path(machines.file("dcat.json"))
    machines.said("catalogue", "export", "--home", machines.at("ann"), "--form", "dcat", "--out", str(out))
    assert not set(wanted) & set(json.loads(out.read_text())["dataset"][0])
    demo = load_catalogue(DEMO / "catalogue.yaml")
    assert all(dataset.about for dataset in demo.datasets)


def test_the_transparency_record_is_a_draft(machines: Machines) -> None:
    for ending in ("md", "html"):
        out = machines.file(f"atrs.{ending}")
        machines.said("federation", "export", "--home", machines.at("ann"), "--form", "atrs", "--out", out)
        text = Path(out).read_text()
        for words in (
            "Tier 1: summary",
            "Tier 2: owner and responsibility",
            "Tier 2: data specification",
            "north council",
        ):
            assert words in text
        assert text.count(TO_FILL.strip("[]")) > 8
        assert "At most epsilon 8" in text
