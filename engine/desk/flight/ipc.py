"""Arrow data in Flight's frames: the header of an IPC message and its body, apart."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator

import pyarrow as pa

from engine.errors import Refused
from protos.arrow.flight_pb2 import FlightData

BATCH_BYTES = 1 << 20  # gRPC takes messages of 4 MiB
MOST_BOUND_BYTES = 1 << 20  # of parameters
_CONTINUES = b"\xff\xff\xff\xff"


def schema_bytes(schema: pa.Schema) -> bytes:
    return bytes(schema.serialize().to_pybytes())


def frames(table: pa.Table) -> Iterator[FlightData]:
    """The schema, then batches of about a mebibyte."""
    yield FlightData(data_header=pa.ipc.read_message(table.schema.serialize()).metadata.to_pybytes())
    rows = max(1, table.num_rows * BATCH_BYTES // max(table.nbytes, 1))
    for batch in table.to_batches(max_chunksize=rows):
        message = pa.ipc.read_message(batch.serialize())
        yield FlightData(data_header=message.metadata.to_pybytes(), data_body=message.body.to_pybytes())


def table_of(sent: Iterable[FlightData]) -> pa.Table:
    """What a client put; Refused SQL_COMMAND for what is no Arrow data, or too much of it."""
    stream = bytearray()
    for frame in sent:
        if frame.data_header:
            stream += _message(frame)
        if len(stream) > MOST_BOUND_BYTES:
            raise Refused("SQL_COMMAND", command="a table of parameters")
    try:
        found = pa.ipc.open_stream(bytes(stream)).read_all()
    except (pa.ArrowException, ValueError, OSError) as error:
        raise Refused("SQL_COMMAND", command="parameters that are no Arrow data", internal=repr(error)) from None
    if found.nbytes > MOST_BOUND_BYTES:  # it came compressed
        raise Refused("SQL_COMMAND", command="a table of parameters")
    return found


def _message(frame: FlightData) -> bytes:
    """An encapsulated IPC message: marker, length of the header padded to eight bytes, header, body."""
    padding = -len(frame.data_header) % 8
    length = struct.pack("<i", len(frame.data_header) + padding)
    return _CONTINUES + length + frame.data_header + bytes(padding) + frame.data_body
