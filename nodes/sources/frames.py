"""Frames on the pipes between a node and its worker: four bytes of length, then JSON.

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


def write_frame(pipe: IO[bytes], message: object) -> None:
    body = json.dumps(message, separators=(",", ":")).encode()
    pipe.write(LENGTH.pack(len(body)) + body)
    pipe.flush()


def read_frame(pipe: IO[bytes]) -> Any:
    """The next message; None at the end of the pipe."""
    head = pipe.read(LENGTH.size)
    if len(head) < LENGTH.size or LENGTH.unpack(head)[0] > FRAME_BYTES:
        return None
    body = pipe.read(LENGTH.unpack(head)[0])
    return json.loads(body) if len(body) == LENGTH.unpack(head)[0] else None
