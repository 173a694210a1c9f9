"""Files people write, each described once: the same table reads the YAML, gives its JSON Schema and its template.

A ``Field`` is a key of a mapping; a ``Kind`` says how its value is read and what the schema says of it. Texts are taken
from the file, never from YAML's guess at a type (entry.py), so a number may also stand in quotes.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engine.catalogue.entry import Entry

DIALECT = "https://json-schema.org/draft/2020-12/schema"
MEMBER = "^[a-z][a-z0-9-]{0,62}$"
NAME = "^[A-Za-z][A-Za-z0-9_]{0,62}$"
NUMBER = r"^[-+]?[0-9]+(_[0-9]+)*(\.[0-9]+)?([eE][-+]?[0-9]{1,2})?$"
INTEGER = "^[-+]?[0-9]+(_[0-9]+)*$"
Schema = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Kind:
    read: Callable[[Entry], Any]
    schema: Schema


@dataclass(frozen=True, slots=True)
class Field:
    """``about``: a sentence for the reader; ``example``: what stands after the key in a template (YAML)."""

    key: str
    kind: Kind
    about: str
    example: str
    required: bool = True


def words(what: str) -> Kind:
    """One line of text, not empty."""
    return Kind(lambda entry: entry.text(what), {"type": "string", "minLength": 1})


def member(what: str) -> Kind:
    return Kind(lambda entry: entry.member(what), {"type": "string", "pattern": MEMBER})


def name(what: str) -> Kind:
    return Kind(lambda entry: entry.name(what), {"type": "string", "pattern": NAME})


def one_of(choices: Collection[str]) -> Kind:
    return Kind(lambda entry: entry.one_of(choices), {"enum": list(choices)})


def whole(lowest: int, what: str) -> Kind:
    schema = {"type": ["integer", "string"], "minimum": lowest, "pattern": INTEGER}
    return Kind(lambda entry: entry.integer(lowest, what), schema)


def day(what: str) -> Kind:
    schema = {"type": "string", "format": "date", "pattern": r"^\d{4}-\d{2}-\d{2}$"}
    return Kind(lambda entry: entry.date(what), schema)


def several(kind: Kind, instead: str, least: int = 1) -> Kind:
    """A list; read as a tuple."""

    def read_items(entry: Entry) -> tuple[Any, ...]:
        items = entry.items(instead)
        if len(items) < least:
            raise entry.wrong("is empty", instead)
        return tuple(kind.read(item) for item in items)

    return Kind(read_items, {"type": "array", "items": dict(kind.schema), "minItems": least})


def group(fields: Sequence[Field], instead: str, made: Callable[[Entry, dict[str, Any]], Any] | None = None) -> Kind:
    """A mapping with fields of its own, read as a dict or as what ``made`` makes of it."""

    def read_group(entry: Entry) -> Any:
        found = read(entry, fields, instead)
        return made(entry, found) if made else found

    return Kind(read_group, mapping_schema(fields))


def keyed(values: Kind, keys: str, instead: str) -> Kind:
    """A mapping from names to values; read as the pairs, each value still an Entry."""
    schema = {
        "type": "object",
        "minProperties": 1,
        "propertyNames": {"pattern": keys},
        "additionalProperties": dict(values.schema),
    }

    def read_pairs(entry: Entry) -> tuple[tuple[str, Entry], ...]:
        pairs = entry.pairs(instead)
        if not pairs:
            raise entry.wrong("is empty", instead)
        return pairs

    return Kind(read_pairs, schema)


def read(entry: Entry, fields: Sequence[Field], instead: str) -> dict[str, Any]:
    """The values of a mapping by key, in the file's order; a key left out is not there. Raises BadFile."""
    kinds = {field.key: field.kind for field in fields}
    required = [field.key for field in fields if field.required]
    return {key: kinds[key].read(value) for key, value in entry.fields(kinds, required, instead).items()}


def mapping_schema(fields: Sequence[Field]) -> dict[str, Any]:
    properties = {field.key: {**field.kind.schema, "description": field.about} for field in fields}
    required = [field.key for field in fields if field.required]
    schema = {"type": "object", "properties": properties, "additionalProperties": False}
    return {**schema, "required": required} if required else schema


def schema(title: str, about: str, fields: Sequence[Field]) -> dict[str, Any]:
    """The JSON Schema of a whole file."""
    return {"$schema": DIALECT, "title": title, "description": about, **mapping_schema(fields)}


def template(head: str, fields: Sequence[Field]) -> str:
    """A file to be filled in: each key with its sentence as a comment; what may be left out is commented out."""
    lines = [f"# {line}".rstrip() for line in head.splitlines()]
    for field in fields:
        lines += ["", f"# {field.about}{'' if field.required else ' May be left out.'}"]
        first, *rest = field.example.split("\n")
        body = [f"{field.key}:{'' if first == '' else ' '}{first}", *rest]
        lines += body if field.required else [f"# {line}" for line in body]
    return "\n".join(lines) + "\n"
