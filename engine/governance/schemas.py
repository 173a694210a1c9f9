"""JSON Schemas of every file that people write, and of the register, by the name of the file's kind."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from engine.catalogue import schema as catalogue_schema
from engine.catalogue import written
from engine.catalogue.written import DIALECT, MEMBER, NAME
from engine.governance import agreement_form, rules
from engine.governance.register import tables as register_tables

_TEXT = {"type": "string", "minLength": 1}


def rules_schema() -> dict[str, Any]:
    made = written.schema("Rules", "What the next federation manifest changes in its rules.", rules.FIELDS)
    return {**made, "minProperties": 1}


def _table(properties: dict[str, Any], required: tuple[str, ...] = ()) -> dict[str, Any]:
    fixed = {"type": "object", "properties": properties, "additionalProperties": False}
    return {**fixed, "required": list(required)} if required else fixed


def _tables(keys: str, inner: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "propertyNames": {"pattern": keys}, "additionalProperties": inner}


def node_schema() -> dict[str, Any]:
    """node.toml: where a department's tables are, and how they become the columns of datasets."""
    columns = {**_tables(NAME, _TEXT), "description": "Catalogue's column: local column or expression."}
    purposes = {**_tables("^[a-z_]+$", _TEXT), "description": "Consent rule of each legal gateway."}
    dataset = _table(
        {
            "source": {**_TEXT, "description": "Name of a [source]."},
            "table": {**_TEXT, "description": "A file or table of that source."},
            "consent": {**_TEXT, "description": "Rows that may be used: a condition over local columns."},
            "columns": columns,
            "purposes": purposes,
        },
        ("source", "table"),
    )
    server = dict.fromkeys(("host", "database", "account", "password_file", "ca_file"), _TEXT)
    server["port"] = {"type": "integer", "minimum": 1, "maximum": 65535}
    files = _table({"kind": {"enum": ["duckdb", "sqlite"]}, "path": _TEXT}, ("kind", "path"))
    served = _table({"kind": {"const": "postgresql"}, **server}, ("kind", "host", "database", "account"))
    source = {"oneOf": [files, served]}
    guardians = {"type": "integer", "minimum": 1, "description": "Guardians who have to approve each plan."}
    approval = _table({"mode": {"enum": ["agreement", "each-plan"]}, "guardians": guardians})
    properties = {
        "name": {"type": "string", "pattern": MEMBER, "description": "The node's name in the federation."},
        "coordinator": {**_TEXT, "description": "host:port of the coordinator."},
        "home": {**_TEXT, "description": "The node's home."},
        "source": _tables(NAME, source),
        "dataset": _tables(NAME, dataset),
        "approval": approval,
    }
    return {"$schema": DIALECT, "title": "node.toml", **_table(properties, ("name",))}


SCHEMAS: dict[str, Callable[[], dict[str, Any]]] = {
    "catalogue": catalogue_schema.schema,
    "agreement": agreement_form.schema,
    "rules": rules_schema,
    "node": node_schema,
    "register": register_tables.schema,
}
