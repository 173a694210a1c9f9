"""The register for machines: one JSON document with its JSON Schema, and one CSV a table with its description beside it
(CSV on the Web). All of it follows the rows of rows.py.

In CSV a list is separated by ``|``. What begins like a formula of a spreadsheet gets an apostrophe in front.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import Field, asdict, fields
from types import NoneType
from typing import Any, get_args, get_origin, get_type_hints

from engine.catalogue.written import DIALECT
from engine.figures import no_formula
from engine.governance.register.rows import DIGEST, TIME, VERSION, Register

FORMAT = "register"
SEPARATOR = "|"
_JSON = {str: "string", int: "integer", float: "number", bool: "boolean"}
_CSVW = {str: "string", int: "integer", float: "number", bool: "boolean"}
_PATTERNS = {TIME: r"^([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z)?$", DIGEST: "^([0-9a-f]{2})*$"}


def document(register: Register) -> dict[str, Any]:
    """What register.json holds."""
    return {"splittally": FORMAT, "version": VERSION, **asdict(register)}


def json_bytes(found: Any, indent: int | None = 1) -> bytes:
    """``indent`` None: on one line, which is much faster to write."""
    return json.dumps(found, indent=indent, ensure_ascii=False).encode() + b"\n"


def schema() -> dict[str, Any]:
    """JSON Schema of register.json."""
    properties = {"splittally": {"const": FORMAT}, "version": {"const": VERSION}, **_properties(Register)}
    return {
        "$schema": DIALECT,
        "title": "The register of a federation",
        "description": "Who asked what, why, under which agreement, over which datasets, at what cost.",
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _properties(row: type) -> dict[str, Any]:
    hints = get_type_hints(row)
    return {f.name: {**_shape(hints[f.name], f), "description": f.metadata["about"]} for f in fields(row)}


def _shape(kind: Any, field: Field[Any]) -> dict[str, Any]:
    if kind in _JSON:
        pattern = _PATTERNS.get(field.metadata["form"])
        return {"type": _JSON[kind]} | ({"pattern": pattern} if pattern else {})
    if get_origin(kind) is tuple:
        (item, _) = get_args(kind)
        if item in _JSON:
            return {"type": "array", "items": {"type": _JSON[item]}}
        inner = _properties(item)
        row = {"type": "object", "properties": inner, "required": list(inner), "additionalProperties": False}
        return {"type": "array", "items": row}
    (known,) = (part for part in get_args(kind) if part is not NoneType)
    return {"type": [_JSON[known], "null"]}


def tables(register: Register) -> Iterator[tuple[str, type, Sequence[Any]]]:
    """(name, kind of row, rows) of every table."""
    hints = get_type_hints(Register)
    for field in fields(Register):
        kind = hints[field.name]
        if get_origin(kind) is tuple:
            yield field.name, get_args(kind)[0], getattr(register, field.name)


def csv_bytes(row: type, rows: Sequence[Any]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    names = [field.name for field in fields(row)]
    writer.writerow(names)
    writer.writerows([_cell(getattr(one, name)) for name in names] for one in rows)
    return text.getvalue().encode()


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    text = SEPARATOR.join(part.replace(SEPARATOR, "/") for part in value) if isinstance(value, tuple) else str(value)
    return no_formula(text)


def csvw_bytes(name: str, row: type, register: Register) -> bytes:
    """The description beside ``<name>.csv``."""
    (about,) = (field.metadata["about"] for field in fields(Register) if field.name == name)
    return json_bytes(
        {
            "@context": ["http://www.w3.org/ns/csvw", {"@language": "en"}],
            "url": f"{name}.csv",
            "dc:title": f"Register of the federation {register.federation}: {name}",
            "dc:description": f"{' '.join((row.__doc__ or '').split())} {about}.",
            "dc:issued": {"@value": register.made, "@type": "xsd:dateTime"},
            "dialect": {"header": True, "encoding": "utf-8", "lineTerminators": ["\r\n"]},
            "tableSchema": {"columns": [_described(field, get_type_hints(row)) for field in fields(row)]},
        }
    )


def _described(field: Field[Any], hints: dict[str, Any]) -> dict[str, Any]:
    kind, form = hints[field.name], field.metadata["form"]
    known = next((part for part in (kind, *get_args(kind)) if part in _CSVW), str)
    datatype: Any = {TIME: "dateTime", DIGEST: "string"}.get(form, _CSVW[known])
    column = {
        "name": field.name,
        "titles": field.name,
        "datatype": datatype,
        "dc:description": field.metadata["about"],
    }
    return column | ({"separator": SEPARATOR} if get_origin(kind) is tuple else {})
