"""Commands of Flight SQL, in the envelopes that they travel in."""

from __future__ import annotations

from google.protobuf.any_pb2 import Any
from google.protobuf.message import DecodeError, Message

from engine.errors import Refused
from protos.arrow import flight_sql_pb2 as sql

MOST_BYTES = 1 << 20
_PACKAGE = "arrow.flight.protocol.sql."


def packed(message: Message) -> bytes:
    envelope = Any()
    envelope.Pack(message)
    return envelope.SerializeToString()


def unpacked(body: bytes) -> Message:
    """The command in an envelope; Refused SQL_COMMAND for one that is not served here, or no envelope."""
    envelope = Any()
    try:
        if len(body) <= MOST_BYTES:
            envelope.ParseFromString(body)
        name = envelope.type_url.rpartition("/")[2]
        kind = getattr(sql, name.removeprefix(_PACKAGE), None) if name.startswith(_PACKAGE) else None
        if kind is not None and issubclass(kind, Message):
            found: Message = kind.FromString(envelope.value)
            return found
    except (DecodeError, TypeError):
        name = ""
    raise Refused("SQL_COMMAND", command=shown(name))


def shown(name: str) -> str:
    """The name of a command, as far as it is one."""
    short = name.rpartition(".")[2][:60]
    return short if short.isidentifier() else "this command"
