"""The rows of one side of a private join as a worker sends them: Arrow streams, held as numpy arrays.

Claim: what is not a text column and then columns of 64-bit integers, all without NULL, is NODE_SOURCE_FAILED.
Because: the schema is compared, and each batch is validated in full before a buffer of it is read.
Checked by: tests/sources/test_join_side.py::test_columns_of_another_form_are_refused
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.errors import require


@dataclass(frozen=True, slots=True)
class PersonRows:
    """Rows of a query whose first column is a person: id i is ``text[ends[i]:ends[i + 1]]``; others are integers."""

    ends: NDArray[np.int64]
    text: NDArray[np.uint8]
    numbers: tuple[NDArray[np.int64], ...]


def person_rows(streams: Iterable[bytes]) -> PersonRows:
    """Arrow streams of (text, int64, ...), without NULL, as numpy arrays; anything else is NODE_SOURCE_FAILED."""
    import pyarrow as pa  # only a private join needs it

    ends, texts, numbers = [np.zeros(1, np.int64)], [np.zeros(0, np.uint8)], list[list[Any]]()
    for stream in streams:
        reader = pa.ipc.open_stream(stream)
        kinds = reader.schema.types
        require(kinds[:1] == [pa.string()] and set(kinds[1:]) <= {pa.int64()}, "NODE_SOURCE_FAILED")
        numbers = numbers or [[np.zeros(0, np.int64)] for _ in kinds[1:]]
        for batch in reader:
            batch.validate(full=True)
            require(len(kinds) == 1 + len(numbers) and not any(c.null_count for c in batch), "NODE_SOURCE_FAILED")
            persons = batch.column(0)
            _, offsets, text = persons.buffers()
            places = np.frombuffer(offsets, np.int32)[persons.offset :][: len(persons) + 1].astype(np.int64)
            ends.append(places[1:] - places[0] + ends[-1][-1])
            texts.append(np.frombuffer(text or b"", np.uint8)[places[0] : places[-1]])
            for held, column in zip(numbers, batch.columns[1:], strict=True):
                held.append(column.to_numpy())
    return PersonRows(np.concatenate(ends), np.concatenate(texts), tuple(map(np.concatenate, numbers)))
