"""Frozen Python types from the .proto files: one enum or dataclass a message, with the comments of the file.

OUTPUTS says which files are made. A message whose only content is one oneof becomes a union of the types it may hold.
``Literal`` and ``Type`` are written by hand (engine/trusted/literal.py), ``Rational`` is a Fraction.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
)

LINE = 120
HEAD = '''"""{about}
Generated from {source} by protos/build.py; do not edit.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
'''
PLAN = """The plan: the closed, typed form of a query.

A plan is an ``Aggregate`` over relations. Expressions name columns, literals and functions of the closed list below,
and nothing else. Types, domains, bounds, stability and price are never stored here: they are computed (domains.py,
stability.py, calibrate.py) by everybody who needs them.

Scoping. The output columns of a relation are: Scan, the dataset's columns; Filter, its input's; Project, the
person column of its input, then its own; PersonAggregate, the person column and one column a feature;
PersonJoin, the left columns then the right ones without its person column (names disjoint); UnionAll, its left
side's. The person column keeps the name it has in the (left-most) scanned dataset.
"""
PLAN_NEEDS = """from fractions import Fraction

from engine.trusted.literal import Literal as Literal
from engine.trusted.literal import LiteralValue as LiteralValue
from engine.trusted.literal import Type as Type

PLAN_VERSION = 1
"""
CATALOGUE = """The catalogue: what the columns, keys and bounds of every dataset mean.

Written by people in YAML, compiled by engine/catalogue, signed inside the federation manifest, and read by nodes
in this form only. ``catalogue_digest`` of a plan is SHA-256 of the encoded ``Catalogue``.
"""
CATALOGUE_NEEDS = """from fractions import Fraction

from engine.trusted.literal import Type
from engine.trusted.plan import Expression, NamedExpression

CATALOGUE_VERSION = 1
DEFAULT_PERSONS = 100_000_000
"""
RECORDS = """The records people and machines sign, and what a journal holds.

Signatures are over the exact bytes of a record (``SignedRecord.payload``), never over a re-encoding. Times are
milliseconds since 1970-01-01 UTC; digests are SHA-256; keys are raw Ed25519 or X25519 public keys.
"""
RECORDS_NEEDS = """
from engine.trusted.catalogue import Catalogue
from engine.trusted.literal import Literal

RECORD_VERSION = 1
"""
MESSAGES = """Messages between machines. Bulk travels in parts, before the message that vouches for it.
"""
MESSAGES_NEEDS = """
from engine.trusted.records import InclusionProof, Loss, Participant, Receipt, SignedHead, SignedRecord, SnapshotRef

MESSAGE_VERSION = 1
PART_BYTES = 1 << 20
FORWARD_BYTES = 8 << 20  # masked vectors of a round are forwarded one by one up to so many bytes in all
"""
OUTPUTS = {
    "engine/trusted/plan.py": (("plan",), PLAN, PLAN_NEEDS),
    "engine/trusted/catalogue.py": (("catalogue",), CATALOGUE, CATALOGUE_NEEDS),
    "engine/trusted/records.py": (("governance",), RECORDS, RECORDS_NEEDS),
    "engine/trusted/messages.py": (("node", "coordinator"), MESSAGES, MESSAGES_NEEDS),
}
BY_HAND = ("Literal", "Type", "Rational")
ORDERED = """
    def __post_init__(self) -> None:
        if self.lower > self.upper:
            raise ValueError("lower bound above upper bound")"""
FIND = """
    def {0}(self, name: str) -> {1} | None:
        return next((held for held in self.{0}s if held.name == name), None)"""
METHODS = {
    "Clamp": ORDERED,
    "Bounds": ORDERED,
    "Dataset": FIND.format("column", "Column"),
    "Catalogue": FIND.format("dataset", "Dataset"),
}
DEFAULTS = {
    "Agreement.lawful_basis": '""',
    "Agreement.special_category": '""',
    "Agreement.controllers": '""',
    "Agreement.contacts": '""',
    "Agreement.dpo_view": '""',
    "Agreement.security": '""',
    "Agreement.rights": '""',
    "Agreement.benefits": '""',
    "Key.selected_at_most": "0",
    "Measure.weight": "0",
    "Column.about": '""',
    "Column.unit": '""',
    "Column.nullable": "False",
    "Column.domain": "()",
    "Dataset.per_person": "()",
    "DatasetBinding.consent_version": "0",
    "OpenRound.sealed_keys": 'b""',
    "NodeBinding.guardians": "0",
    "DatasetBinding.purposes": "()",
    "JournalEntry.record_digest": 'b""',
    "Hello.guardians": "0",
    "Hello.paused": "False",
    "ShareSet.proofs": "()",
    "RoundRefusal.refreshes_ms": "0",
    "RoundRefusal.account": '""',
    "FederationDescription.nodes": "()",
    "FederationDescription.revocations": "()",
    "ResultHead.charges": "()",
    "NodeState.journal": '""',
    "RequestName.run": "0",
    "RequestStatus.reason": '""',
    "RequestStatus.refreshes_ms": "0",
    "RequestStatus.account": '""',
    "RequestStatus.run": "0",
    "RequestStatus.relayed_bytes": "0",
    "Ready.join_key": 'b""',
    "Ready.sealed_dummies": 'b""',
}
OPTIONAL_LAST = (
    "AskReady",
    "Measure",
    "PersonFeature",
    "Column",
    "DatasetBinding",
    "Request",
    "RoundManifest",
    "ShareSet",
)  # optional fields may be left out
FIELD = FieldDescriptorProto
SCALARS = {
    FIELD.TYPE_UINT32: "int",
    FIELD.TYPE_UINT64: "int",
    FIELD.TYPE_SINT64: "int",
    FIELD.TYPE_BYTES: "bytes",
    FIELD.TYPE_STRING: "str",
    FIELD.TYPE_BOOL: "bool",
}
Comments = dict[tuple[int, ...], str]


def write_types(descriptors: FileDescriptorSet, target: Path) -> None:
    """Write every file of OUTPUTS below ``target``."""
    files = {Path(file.name).stem: file for file in descriptors.file}
    for name, (stems, about, imports) in OUTPUTS.items():
        source = " and ".join(f"{stem}.proto" for stem in stems)
        parts = [part for stem in stems for part in _types(files[stem])]
        unions = [part for part in parts if " = " in part.splitlines()[0]]
        text = "\n\n\n".join(part for part in parts if part not in unions)
        body = HEAD.format(about=about, source=source) + imports + "\n\n" + text + "\n"
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        (target / name).write_text(body + ("\n\n" + "\n".join(unions) + "\n" if unions else ""))


def _types(file: FileDescriptorProto) -> Iterator[str]:
    comments: Comments = {
        tuple(place.path): (place.leading_comments or place.trailing_comments).strip()
        for place in file.source_code_info.location
    }
    for position, kind in enumerate(file.enum_type):
        if kind.name not in BY_HAND:
            yield _enum(kind, (5, position), comments)
    for position, message in enumerate(file.message_type):
        if message.name not in BY_HAND:
            yield _message(message, (4, position), comments)


def _enum(kind: EnumDescriptorProto, path: tuple[int, ...], comments: Comments) -> str:
    lines = [f"class {kind.name}(enum.Enum):"]
    if comments.get(path):
        lines += [f'    """{_one_line(comments[path])}"""', ""]
    prefix = kind.value[0].name.removesuffix("UNSPECIFIED")  # FEATURE_SUM is Feature.SUM
    for position, value in enumerate(kind.value):
        if value.number:
            lines.append(
                f"    {value.name.removeprefix(prefix)} = {value.number}{_note(comments, (*path, 2, position))}"
            )
    return "\n".join(lines)


def _message(message: DescriptorProto, path: tuple[int, ...], comments: Comments) -> str:
    if [oneof.name for oneof in message.oneof_decl] == ["kind"]:
        return _union(message.name, [_plain(field) for field in message.field])
    lines = ["@dataclass(frozen=True, slots=True)", f"class {message.name}:"]
    about = _one_line(comments.get(path, ""))
    if about or not message.field:
        lines += [f'    """{about or "No fields."}"""', ""]
    for position, field in enumerate(message.field):
        lines.append(
            f"    {field.name}: {_annotation(field)}{_default(message, field)}{_note(comments, (*path, 2, position))}"
        )
    return "\n".join(lines).rstrip() + ("\n" + METHODS[message.name] if message.name in METHODS else "")


def _annotation(field: FieldDescriptorProto) -> str:
    if field.label == FIELD.LABEL_REPEATED:
        return f"tuple[{_plain(field)}, ...]"
    return f"{_plain(field)} | None" if field.proto3_optional else _plain(field)


def _default(message: DescriptorProto, field: FieldDescriptorProto) -> str:
    written = "None" if field.proto3_optional and message.name in OPTIONAL_LAST else None
    default = DEFAULTS.get(f"{message.name}.{field.name}", written)
    return f" = {default}" if default else ""


def _union(name: str, members: list[str]) -> str:
    """Laid out as the formatter does: on one line, on one line in brackets, or one member a line."""
    line = " | ".join(members)
    if len(f"{name} = {line}") <= LINE:
        return f"{name} = {line}"
    return f"{name} = (\n    {line if len(line) + 4 <= LINE else line.replace(' | ', chr(10) + '    | ')}\n)"


def _plain(field: FieldDescriptorProto) -> str:
    name = SCALARS.get(field.type) or field.type_name.rsplit(".", 1)[1]
    return "Fraction" if name == "Rational" else name


def _note(comments: Comments, path: tuple[int, ...]) -> str:
    return f"  # {_one_line(comments[path])}" if comments.get(path) else ""


def _one_line(text: str) -> str:
    return " ".join(text.split())
