"""Frozen types to protobuf bytes and back: the only file that touches protobuf fields.

Claim: bytes that decode are the canonical encoding of the result: unknown, repeated, reordered or missing-default
       fields, enum numbers outside the list, NaN-like or unreduced numbers and empty unions are refused.
Because: ``decode`` rebuilds the bytes from the frozen value it made and compares them with what it was given, and
       ``encode`` writes only fields that the frozen type has, in field order (deterministic serialisation).
Checked by: tests/trusted/test_wire.py::test_other_bytes_for_the_same_record_are_refused

Each frozen type has the name and the field names of its message; a union stands for a message with one oneof.
Signatures are always over bytes as received; nothing is re-encoded to be verified.
"""

from __future__ import annotations

import enum
import types
from collections.abc import Callable
from dataclasses import fields
from datetime import date, timedelta
from fractions import Fraction
from functools import cache
from hashlib import sha256
from typing import Any, get_args, get_origin, get_type_hints

from google.protobuf.message import Error, Message

from engine.errors import Refused, require
from engine.trusted import messages, plan
from protos.splittally.v1 import catalogue_pb2, coordinator_pb2, governance_pb2, node_pb2, plan_pb2

PLAN_BYTES = 1 << 20
EPOCH = date(1970, 1, 1)
_MODULES = (plan_pb2, catalogue_pb2, governance_pb2, node_pb2, coordinator_pb2)
_UNIONS: dict[Any, str] = {getattr(plan, name): name for name in ("Expression", "Relation")}
_UNIONS |= {getattr(messages, name): name for name in ("FromNode", "ToNode", "ResultPart")}
_LITERAL_FIELDS = {kind: kind.name.lower() for kind in plan.Type}
_UNREADABLE = (Error, ValueError, TypeError, ArithmeticError, RecursionError)


def digest(payload: bytes) -> bytes:
    """SHA-256 of a record's exact bytes (32 bytes)."""
    return sha256(payload).digest()


def encode(record: object, kind: Any = None) -> bytes:
    """The canonical bytes of a frozen record; ``kind`` names the union when the record stands for one.

    Raises Refused POLICY_WIRE_INVALID for a value outside its field's range, and for nesting that ``decode`` would
    refuse: protobuf's parser stops at 100 messages inside each other, and a call inside a call takes two.
    """
    kind = kind or type(record)
    message = _message_class(kind)()
    try:
        _codec(kind)[0](record, message)
        payload = bytes(message.SerializeToString(deterministic=True))
        type(message)().ParseFromString(payload)
    except _UNREADABLE as error:
        raise Refused("POLICY_WIRE_INVALID", internal=repr(error)) from None
    return payload


def decode(kind: Any, payload: bytes, limit: int = 4 << 20) -> Any:
    """The frozen record that ``payload`` (at most ``limit`` bytes) canonically encodes.

    Raises Refused POLICY_WIRE_INVALID for anything else.
    """
    require(len(payload) <= limit, "POLICY_WIRE_INVALID", internal=f"{len(payload)} bytes")
    message = _message_class(kind)()
    try:
        message.ParseFromString(payload)
        record = _codec(kind)[1](message)
    except _UNREADABLE as error:
        raise Refused("POLICY_WIRE_INVALID", internal=repr(error)) from None
    require(encode(record, kind) == payload, "POLICY_WIRE_INVALID", internal="not canonical")
    return record


def _message_class(kind: Any) -> type[Message]:
    name = _UNIONS.get(kind) or kind.__name__
    for module in _MODULES:
        if hasattr(module, name):
            return getattr(module, name)  # type: ignore[no-any-return]
    raise TypeError(f"no message named {name}")


Writer = Callable[[Any, Any], None]
Reader = Callable[[Any], Any]


@cache
def _codec(kind: Any) -> tuple[Writer, Reader]:
    """Writer into, and reader from, the message of ``kind``."""
    if kind is plan.Literal:
        return _write_literal, _read_literal
    if kind is Fraction:
        return _write_rational, _read_rational
    if kind in _UNIONS:
        return _union_codec(kind)
    return _record_codec(kind)


def _record_codec(kind: Any) -> tuple[Writer, Reader]:
    hints = get_type_hints(kind)
    parts = [(f.name, *_field_codec(f.name, hints[f.name])) for f in fields(kind)]

    def write(record: Any, message: Any) -> None:
        message.SetInParent()
        for name, put, _ in parts:
            put(getattr(record, name), message)

    def read(message: Any) -> Any:
        return kind(**{name: get(message) for name, _, get in parts})

    return write, read


def _union_codec(kind: Any) -> tuple[Writer, Reader]:
    members: dict[Any, str] = {m: _member_field(_message_class(kind), m) for m in get_args(kind)}
    classes = {field: member for member, field in members.items()}

    def write(record: Any, message: Any) -> None:
        member: Any = type(record)
        _codec(member)[0](record, getattr(message, members[member]))

    def read(message: Any) -> Any:
        field = message.WhichOneof("kind")
        if field is None:
            raise ValueError("empty union")
        return _codec(classes[field])[1](getattr(message, field))

    return write, read


def _member_field(message: type[Message], member: type) -> str:
    for field in message.DESCRIPTOR.fields:
        if field.message_type is not None and field.message_type.name == member.__name__:
            return str(field.name)
    raise TypeError(f"{message.DESCRIPTOR.name} cannot hold {member.__name__}")


def _field_codec(name: str, hint: Any) -> tuple[Writer, Reader]:
    """How one field is put into, and taken from, its message."""
    if get_origin(hint) is tuple:
        return _repeated_codec(name, get_args(hint)[0])
    if isinstance(hint, types.UnionType) and hint not in _UNIONS and type(None) in get_args(hint):
        inner = [a for a in get_args(hint) if a is not type(None)]
        put, get = _field_codec(name, _rejoin(inner))
        return (
            lambda value, message: None if value is None else put(value, message),
            lambda message: get(message) if message.HasField(name) else None,
        )
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return (
            lambda value, message: setattr(message, name, value.value),
            lambda message: hint(getattr(message, name)),
        )
    if hint in (int, str, bytes, bool):
        return lambda value, message: setattr(message, name, value), lambda message: getattr(message, name)
    write, read = _codec(hint)

    def take(message: Any) -> Any:
        if not message.HasField(name):
            raise ValueError(f"{name} is missing")
        return read(getattr(message, name))

    return lambda value, message: write(value, getattr(message, name)), take


def _rejoin(members: list[Any]) -> Any:
    """Optional[Union] flattens in Python; find the union again."""
    if len(members) == 1:
        return members[0]
    return next(u for u in _UNIONS if set(get_args(u)) == set(members))


def _repeated_codec(name: str, item: Any) -> tuple[Writer, Reader]:
    if isinstance(item, type) and issubclass(item, enum.Enum):
        return (
            lambda value, message: getattr(message, name).extend(v.value for v in value),
            lambda message: tuple(item(v) for v in getattr(message, name)),
        )
    if item in (int, str, bytes):
        return (
            lambda value, message: getattr(message, name).extend(value),
            lambda message: tuple(getattr(message, name)),
        )
    write, read = _codec_later(item)

    def put(value: Any, message: Any) -> None:
        for part in value:
            write(part, getattr(message, name).add())

    return put, lambda message: tuple(read(m) for m in getattr(message, name))


def _codec_later(item: Any) -> tuple[Writer, Reader]:
    """Expressions and relations hold themselves: look the codec up when it is used."""
    return lambda record, message: _codec(item)[0](record, message), lambda message: _codec(item)[1](message)


def _write_rational(value: Fraction, message: Any) -> None:
    message.numerator, message.denominator = value.numerator, value.denominator


def _read_rational(message: Any) -> Fraction:
    return Fraction(message.numerator, message.denominator)


def _write_literal(value: plan.Literal, message: Any) -> None:
    message.type = value.type.value
    if value.value is None:
        return
    if isinstance(value.value, Fraction):
        _write_rational(value.value, message.decimal)
    elif isinstance(value.value, date):
        message.date = (value.value - EPOCH).days
    else:
        setattr(message, _LITERAL_FIELDS[value.type], value.value)


def _read_literal(message: Any) -> plan.Literal:
    kind = plan.Type(message.type)
    field = message.WhichOneof("value")
    if field is None:
        return plan.Literal(kind, None)
    if field != _LITERAL_FIELDS[kind]:
        raise ValueError("a literal's value is not of its type")
    value = getattr(message, field)
    if kind is plan.Type.DECIMAL:
        return plan.Literal(kind, _read_rational(value))
    return plan.Literal(kind, EPOCH + timedelta(days=value) if kind is plan.Type.DATE else value)
