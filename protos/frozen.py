"""Frozen Python types from the .proto files: one enum or dataclass a message, with the comments of the file.

``governance.proto`` gives ``engine/trusted/records.py``; ``node.proto`` and ``coordinator.proto`` give
``engine/trusted/messages.py``. A message whose only content is one oneof becomes a union of the types it may hold.
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

HEAD = '''"""{about}
Generated from {source} by protos/build.py; do not edit.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

'''
RECORDS = """The records people and machines sign, and what a journal holds.

Signatures are over the exact bytes of a record (``SignedRecord.payload``), never over a re-encoding. Times are
milliseconds since 1970-01-01 UTC; digests are SHA-256; keys are raw Ed25519 or X25519 public keys.
"""
RECORDS_NEEDS = """from engine.trusted.catalogue import Catalogue

RECORD_VERSION = 1
"""
MESSAGES = """Messages between machines. Bulk travels in parts, before the message that vouches for it.
"""
MESSAGES_NEEDS = """from engine.trusted.records import Participant, SignedHead, SignedRecord, SnapshotRef

MESSAGE_VERSION = 1
PART_BYTES = 1 << 20
FORWARD_BYTES = 8 << 20  # masked vectors of a round are forwarded one by one up to so many bytes in all
"""
OUTPUTS = {
    "engine/trusted/records.py": (("governance",), RECORDS, RECORDS_NEEDS),
    "engine/trusted/messages.py": (("node", "coordinator"), MESSAGES, MESSAGES_NEEDS),
}
FIELD = FieldDescriptorProto
SCALARS = {
    FIELD.TYPE_UINT32: "int",
    FIELD.TYPE_UINT64: "int",
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
    for position, message in enumerate(file.message_type):
        yield _message(message, (4, position), comments)
    for position, kind in enumerate(file.enum_type):
        yield _enum(kind, (5, position), comments)


def _enum(kind: EnumDescriptorProto, path: tuple[int, ...], comments: Comments) -> str:
    lines = [f"class {kind.name}(enum.Enum):"]
    if comments.get(path):
        lines += [f'    """{_one_line(comments[path])}"""', ""]
    for position, value in enumerate(kind.value):
        if value.number:
            lines.append(f"    {value.name} = {value.number}{_note(comments, (*path, 2, position))}")
    return "\n".join(lines)


def _message(message: DescriptorProto, path: tuple[int, ...], comments: Comments) -> str:
    if [oneof.name for oneof in message.oneof_decl] == ["kind"]:
        return f"{message.name} = " + " | ".join(_plain(field) for field in message.field)
    lines = ["@dataclass(frozen=True, slots=True)", f"class {message.name}:"]
    about = _one_line(comments.get(path, ""))
    if about or not message.field:
        lines += [f'    """{about or "No fields."}"""', ""]
    for position, field in enumerate(message.field):
        lines.append(f"    {field.name}: {_annotation(field)}{_note(comments, (*path, 2, position))}")
    return "\n".join(lines).rstrip()


def _annotation(field: FieldDescriptorProto) -> str:
    if field.label == FIELD.LABEL_REPEATED:
        return f"tuple[{_plain(field)}, ...]"
    return f"{_plain(field)} | None" if field.proto3_optional else _plain(field)


def _plain(field: FieldDescriptorProto) -> str:
    return SCALARS.get(field.type) or field.type_name.rsplit(".", 1)[1]


def _note(comments: Comments, path: tuple[int, ...]) -> str:
    return f"  # {_one_line(comments[path])}" if comments.get(path) else ""


def _one_line(text: str) -> str:
    return " ".join(text.split())
