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
from collections.abc import Callable
from dataclasses import fields
from datetime import date
from fractions import Fraction
from functools import cache, lru_cache
from hashlib import sha256
from operator import attrgetter
from typing import Any, get_args, get_origin, get_type_hints

from google.protobuf.message import Error, Message

from engine.errors import Refused, require
from engine.trusted import dates, messages, plan
from protos.splittally.v1 import catalogue_pb2, coordinator_pb2, governance_pb2, node_pb2, plan_pb2

PLAN_BYTES = 1 << 20
REMEMBERED_BYTES = 1 << 16
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
    payload = _canonical(record, kind)
    _parsed(kind, payload)
    return payload


def decode(kind: Any, payload: bytes, limit: int = 4 << 20) -> Any:
    """The frozen record that ``payload`` (at most ``limit`` bytes) canonically encodes.

    Raises Refused POLICY_WIRE_INVALID for anything else.
    """
    require(len(payload) <= limit, "POLICY_WIRE_INVALID", internal=f"{len(payload)} bytes")
    return _decoded(kind, payload) if len(payload) <= REMEMBERED_BYTES else _decoded.__wrapped__(kind, payload)


@lru_cache(maxsize=128)
def _decoded(kind: Any, payload: bytes) -> Any:
    """Remembers what the same bytes decoded to before: records are immutable."""
    message = _parsed(kind, payload)
    try:
        record = _codec(kind)[1](message)
    except _UNREADABLE as error:
        raise Refused("POLICY_WIRE_INVALID", internal=repr(error)) from None
    require(_canonical(record, kind) == payload, "POLICY_WIRE_INVALID", internal="not canonical")
    return record


def _canonical(record: object, kind: Any) -> bytes:
    try:
        message = _message_class(kind)(**_codec(kind)[0](record))
        return bytes(message.SerializeToString(deterministic=True))
    except _UNREADABLE as error:
        raise Refused("POLICY_WIRE_INVALID", internal=repr(error)) from None


def _parsed(kind: Any, payload: bytes) -> Message:
    message = _message_class(kind)()
    try:
        message.ParseFromString(payload)
    except _UNREADABLE as error:
        raise Refused("POLICY_WIRE_INVALID", internal=repr(error)) from None
    return message


@cache
def _message_class(kind: Any) -> type[Message]:
    name = _UNIONS.get(kind) or kind.__name__
    for module in _MODULES:
        if hasattr(module, name):
            return getattr(module, name)  # type: ignore[no-any-return]
    raise TypeError(f"no message named {name}")


Writer = Callable[[Any], Any]  # a value as its message's constructor takes it: messages as dicts, None for no field
Reader = Callable[[Any], Any]


@cache
def _codec(kind: Any) -> tuple[Writer, Reader]:
    """Writer of, and reader from, the message of ``kind``."""
    if kind is plan.Literal:
        return _write_literal, _read_literal
    if kind is Fraction:
        return _write_rational, _read_rational
    if kind in _UNIONS:
        return _union_codec(kind)
    return _record_codec(kind)


def _record_codec(kind: Any) -> tuple[Writer, Reader]:
    hints = get_type_hints(kind)
    codecs = [(f.name, *_field_codec(f.name, hints[f.name])) for f in fields(kind)]
    writers = [(name, put) for name, put, _ in codecs]
    readers = [get for _, _, get in codecs]

    def write(record: Any) -> dict[str, Any]:
        return {name: put(getattr(record, name)) for name, put in writers}

    def read(message: Any) -> Any:
        return kind(*[get(message) for get in readers])

    return write, read


def _union_codec(kind: Any) -> tuple[Writer, Reader]:
    names = {f.message_type.name: f.name for f in _message_class(kind).DESCRIPTOR.fields if f.message_type}
    members: dict[Any, str] = {m: names[m.__name__] for m in get_args(kind)}
    classes = {field: member for member, field in members.items()}

    def write(record: Any) -> dict[str, Any]:
        member: Any = type(record)
        return {members[member]: _codec(member)[0](record)}

    def read(message: Any) -> Any:
        field = message.WhichOneof("kind")
        if field is None:
            raise ValueError("empty union")
        return _codec(classes[field])[1](getattr(message, field))

    return write, read


def _field_codec(name: str, hint: Any) -> tuple[Writer, Reader]:
    """How one field is put into, and taken from, its message."""
    if get_origin(hint) is tuple:
        return _repeated_codec(name, get_args(hint)[0])
    if type(None) in get_args(hint):
        put, get = _field_codec(name, _present_form(hint))
        return (
            lambda value: None if value is None else put(value),
            lambda message: get(message) if message.HasField(name) else None,
        )
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return _number, lambda message: hint(getattr(message, name))
    if hint in (str, bytes, bool):
        return _present, attrgetter(name)
    if hint is int:
        return _present, lambda message: _whole(getattr(message, name))
    write, read = _codec_later(hint)

    def take(message: Any) -> Any:
        if not message.HasField(name):
            raise ValueError(f"{name} is missing")
        return read(getattr(message, name))

    return write, take


def _present(value: Any) -> Any:
    if value is None:
        raise TypeError("a field without a value")
    return value


def _whole(value: int) -> int:
    """A number as ledgers and clocks can hold it: below 2**63."""
    if value >= 1 << 63:
        raise ValueError("a number too large")
    return value


def _number(value: enum.Enum) -> Any:
    return value.value


def _present_form(hint: Any) -> Any:
    """What an optional field holds. An optional union flattens in Python: the union is found again."""
    members = set(get_args(hint)) - {type(None)}
    return members.pop() if len(members) == 1 else next(u for u in _UNIONS if set(get_args(u)) == members)


def _repeated_codec(name: str, item: Any) -> tuple[Writer, Reader]:
    if item in (int, str, bytes):
        shown = _whole if item is int else item
        return _present, lambda message: tuple(map(shown, getattr(message, name)))
    is_enum = isinstance(item, type) and issubclass(item, enum.Enum)
    write, read = (_number, item) if is_enum else _codec_later(item)
    return lambda value: [write(v) for v in value], lambda message: tuple([read(v) for v in getattr(message, name)])


def _codec_later(item: Any) -> tuple[Writer, Reader]:
    """Expressions and relations hold themselves: look the codec up when it is used."""
    return lambda value: _codec(item)[0](value), lambda message: _codec(item)[1](message)


def _write_rational(value: Fraction) -> dict[str, Any]:
    return {"numerator": value.numerator, "denominator": value.denominator}


def _read_rational(message: Any) -> Fraction:
    return Fraction(message.numerator, message.denominator)


def _write_literal(value: plan.Literal) -> dict[str, Any]:
    shown: Any = value.value
    if isinstance(shown, Fraction):
        shown = _write_rational(shown)
    elif isinstance(shown, date):
        shown = (shown - dates.EPOCH).days
    return {"type": value.type.value, _LITERAL_FIELDS[value.type]: shown}


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
    return plan.Literal(kind, dates.day_of(value) if kind is plan.Type.DATE else value)
