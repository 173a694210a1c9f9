"""Frames on the pipes between a node and its worker: four bytes of length, then JSON; or, marked, any bytes.

Claim: a frame that is cut short or too long reads as None.
Because: the length is compared with what arrived.
Checked by: tests/sources/test_worker.py::test_frames_cut_short_read_as_none
"""

from __future__ import annotations

import json
import struct
from typing import IO, Any

LENGTH = struct.Struct(">I")
FRAME_BYTES = 1 << 28
BINARY = 1 << 31  # in a length: the frame holds bytes as they are


def write_frame(pipe: IO[bytes], message: object) -> None:
    binary = isinstance(message, bytes)
    body = message if isinstance(message, bytes) else json.dumps(message, separators=(",", ":")).encode()
    pipe.write(LENGTH.pack(len(body) | (BINARY if binary else 0)) + body)
    pipe.flush()


def read_frame(pipe: IO[bytes]) -> Any:
    """The next message, or bytes; None at the end of the pipe."""
    head = pipe.read(LENGTH.size)
    if len(head) < LENGTH.size:
        return None
    binary, length = divmod(LENGTH.unpack(head)[0], BINARY)
    body = pipe.read(length) if length <= FRAME_BYTES else b""
    if len(body) < length:
        return None
    return body if binary else json.loads(body)
