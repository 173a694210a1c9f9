"""The JSON Schema of the catalogue file, for editors: what load.py reads, as far as a schema can say it."""

from __future__ import annotations

from typing import Any

from engine.catalogue.written import DIALECT, INTEGER, MEMBER, NAME, NUMBER
from engine.trusted.catalogue import IdentifierForm
from engine.trusted.plan import Type

ABOUT = "What a federation agrees to mean: its datasets, who hosts them, and the bounds of their columns."
_WORDS = {"type": "string"}
_VALUE = {"type": ["string", "number", "boolean"]}
_BOUND = {"type": ["string", "number"]}


def _count(about: str) -> dict[str, Any]:
    return {"type": ["integer", "string"], "minimum": 1, "pattern": INTEGER, "description": about}


def _mapping(properties: dict[str, Any], required: list[str], about: str) -> dict[str, Any]:
    fixed = {"type": "object", "properties": properties, "additionalProperties": False, "description": about}
    return {**fixed, "required": required} if required else fixed


def _only_for(types: list[str], key: str) -> dict[str, Any]:
    """A key that other types of column may not have."""
    return {"if": {"required": [key]}, "then": {"properties": {"type": {"enum": types}}}}


COLUMN = _mapping(
    {
        "type": {"enum": [kind.name.lower() for kind in Type]},
        "about": {**_WORDS, "description": "What the column means."},
        "unit": {**_WORDS, "description": "Such as GBP."},
        "nullable": {"type": "boolean", "description": "Whether NULL is a key of its own."},
        "domain": {"type": "array", "items": _VALUE, "minItems": 1, "uniqueItems": True, "description": "All values."},
        "bounds": {"type": "array", "items": _BOUND, "minItems": 2, "maxItems": 2, "description": "[LOW, HIGH]."},
        "step": {"type": ["string", "number"], "exclusiveMinimum": 0, "pattern": NUMBER, "description": "The grid."},
    },
    ["type"],
    "One column.",
) | {
    "allOf": [
        _only_for(["text"], "domain"),
        _only_for(["integer", "decimal", "date"], "bounds"),
        _only_for(["decimal"], "step"),
        {"if": {"properties": {"type": {"const": "decimal"}}, "required": ["type"]}, "then": {"required": ["step"]}},
    ]
}
_PERSON = _mapping(
    {
        "column": {"type": "string", "pattern": NAME},
        "identifier": {"type": "string", "pattern": NAME},
        "form": {"enum": [form.name.lower().replace("_", "-") for form in IdentifierForm]},
    },
    ["column"],
    "The privacy unit.",
)
_AT_MOST = _mapping(
    {"persons": _count("Most persons of one host."), "rows": _count("Most rows of one host.")}, [], "Owner's statement."
)
DATASET = _mapping(
    {
        "title": _WORDS,
        "about": {**_WORDS, "description": "One row per what; who is covered and who is missing."},
        "hosts": {
            "type": "array",
            "items": {"type": "string", "pattern": MEMBER},
            "minItems": 1,
            "uniqueItems": True,
            "description": "Nodes that hold a share of the rows.",
        },
        "person": {"oneOf": [{"type": "string", "pattern": NAME}, _PERSON]},
        "overlap": _count("At how many hosts one person may appear; left out: all."),
        "rows_per_person": _count("Most rows of one person that count, enforced at the node."),
        "groups_per_person": _count("Most groups one person counts in; left out: rows_per_person."),
        "placement": {**_WORDS, "description": "Datasets of one placement keep all rows of a person at one node."},
        "at_most": _AT_MOST,
        "columns": {
            "type": "object",
            "propertyNames": {"pattern": NAME},
            "additionalProperties": COLUMN,
            "minProperties": 1,
        },
    },
    ["hosts", "person", "rows_per_person", "columns"],
    "One dataset.",
)


def schema() -> dict[str, Any]:
    datasets = {
        "type": "object",
        "propertyNames": {"pattern": NAME},
        "additionalProperties": DATASET,
        "minProperties": 1,
    }
    properties = {"federation": {"type": "string", "pattern": MEMBER}, "datasets": datasets}
    return {"$schema": DIALECT, "title": "Catalogue", **_mapping(properties, ["federation", "datasets"], ABOUT)}
