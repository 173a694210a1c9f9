"""Values that clients put for parameters: what no literal can hold is refused, whatever Arrow says of its type."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pytest

from engine.desk.flight.ipc import MOST_BOUND_BYTES, table_of
from engine.desk.flight.prepared import Prepared
from engine.errors import Refused
from protos.arrow.flight_pb2 import FlightData

STATEMENT = Prepared("SELECT COUNT(*) AS n FROM people WHERE clinic = ?")
NO_TEXT = pa.StringArray.from_buffers(1, pa.py_buffer(b"\0\0\0\0\2\0\0\0"), pa.py_buffer(b"\xff\xfe"))
VALUES = {
    "a date of no calendar": pa.array([10**8], pa.int32()).cast(pa.date32()),
    "a date far away": pa.array([10**15], pa.date64()),
    "no text": NO_TEXT,
    "not a number": pa.array([float("nan")]),
    "bytes": pa.array([b"x"]),
    "a list": pa.array([[1]]),
}


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
def test_what_no_literal_can_hold_is_refused(value: pa.Array) -> None:
    with pytest.raises(Refused, match="SQL_LITERAL"):
        STATEMENT.bound(pa.table({"1": value}))


def test_a_text_that_tries_to_leave_its_quotes_stays_in_them() -> None:
    value = "x' OR 1=1 --"
    assert STATEMENT.bound(pa.table({"1": [value]})).text.endswith("clinic =  'x'' OR 1=1 --' ")


def test_much_that_came_as_little_is_not_kept() -> None:
    table = pa.table({"1": ["a" * (8 * MOST_BOUND_BYTES)]})
    with pytest.raises(Refused, match="SQL_COMMAND"):
        table_of(compressed(table))
    assert table_of(compressed(pa.table({"1": ["a"]}))).num_rows == 1


def compressed(table: pa.Table) -> Iterator[FlightData]:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression="zstd")) as writer:
        writer.write_table(table)
    for message in pa.ipc.MessageReader.open_stream(sink.getvalue()):
        yield FlightData(data_header=message.metadata.to_pybytes(), data_body=message.body.to_pybytes())
