"""The rows of one side of a private join as a worker sends them: Arrow streams, held as numpy arrays.

Claim: what is not a text column and then columns of 64-bit integers, all without NULL, is NODE_SOURCE_FAILED.
Because: the schema is compared, and each batch is validated in full before a buffer of it is read.
Checked by: tests/sources/test_join_side.py::test_columns_of_another_form_are_refused
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.errors import Unavailable, require


@dataclass(frozen=True, slots=True)
class PersonRows:
    """Rows of a query whose first column is a person: id i is ``text[ends[i]:ends[i + 1]]``; others are integers."""

    ends: NDArray[np.int64]
    text: NDArray[np.uint8]
    numbers: tuple[NDArray[np.int64], ...]


def person_rows(streams: Iterable[bytes]) -> PersonRows:
    """Arrow streams of (text, int64, ...), without NULL, as numpy arrays; anything else is NODE_SOURCE_FAILED."""
    import pyarrow as pa  # only a private join needs it

    try:
        table = pa.concat_tables([pa.ipc.open_stream(stream).read_all() for stream in streams])
        table.validate(full=True)
        persons, *others = (column.combine_chunks() for column in table.columns)
    except (pa.ArrowInvalid, ValueError):
        raise Unavailable("NODE_SOURCE_FAILED", internal="columns that Arrow does not read") from None
    sound = table.schema.types == [pa.string(), *[pa.int64()] * len(others)]
    require(sound and not any(c.null_count for c in table), "NODE_SOURCE_FAILED", internal="columns of another form")
    _, ends, text = persons.buffers()
    return PersonRows(
        np.frombuffer(ends or bytes(4), np.int32)[: len(persons) + 1].astype(np.int64),
        np.frombuffer(text or b"", np.uint8),
        tuple(column.to_numpy() for column in others),
    )
