"""Sealed parts of private joins that wait at a helper until it is asked: files in its home, as they came.

Claim: nothing is opened here; what a round may hold is bounded, and how many there are; files go when their round
       closes, and at a start; one whose end was never heard of, because the line was lost, keeps no later one out.
Because: parts are appended as they come, sealed; bytes are counted before they are written; ``keep`` removes the files
         of every other round; the oldest round gives way to one too many. A disk that has little room left takes none:
         the ledger beside the spool needs it.
Checked by: tests/nodes/test_spool.py::test_a_spool_is_bounded_and_leaves_nothing_behind
"""

from __future__ import annotations

import struct
from collections.abc import Collection, Iterator
from pathlib import Path
from shutil import disk_usage

from engine.trusted import wire
from engine.trusted.messages import Relay

ROUNDS = 8  # that may be spooled at once
LEFT_BYTES = 1 << 30  # of the disk, which the spool does not touch
_HEAD = struct.Struct(">Q?I")  # sequence, last, length


class Spool:
    """The files of one helper, by round and sender, in a folder of their own. Used under the server's lock."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder, self._name = folder, name
        self._held: dict[bytes, int] = {}  # bytes of each round
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.keep(())

    def add(self, relay: Relay, most_bytes: int) -> None:
        """Appends a part. One too many is dropped: the stream then lacks it, and is refused when it is read."""
        held = self._held.get(relay.round, 0) + _HEAD.size + len(relay.sealed)
        if held <= most_bytes and disk_usage(self._folder).free >= LEFT_BYTES:
            if relay.round not in self._held:
                self.keep([*self._held][1 - ROUNDS :])
            self._held[relay.round] = held
            with self._file(relay.round, relay.sender).open("ab") as file:
                file.write(_HEAD.pack(relay.sequence, relay.last, len(relay.sealed)))
                file.write(relay.sealed)

    def relays(self, round_: bytes, sender: str) -> Iterator[Relay]:
        """What ``sender`` sent for a round so far, in order."""
        path = self._file(round_, sender)
        if not path.exists():
            return
        with path.open("rb") as file:
            while len(head := file.read(_HEAD.size)) == _HEAD.size:  # a full disk cut the last part short
                sequence, last, length = _HEAD.unpack(head)
                yield Relay(round_, sender, self._name, sequence, last, file.read(length))

    def keep(self, rounds: Collection[bytes]) -> None:
        """Forgets all other rounds."""
        self._held = {round_: held for round_, held in self._held.items() if round_ in rounds}
        kept = {round_.hex() for round_ in self._held}
        for path in self._folder.iterdir():
            if path.name.split("-")[0] not in kept:
                path.unlink()

    def _file(self, round_: bytes, sender: str) -> Path:
        return self._folder / f"{round_.hex()}-{wire.digest(sender.encode()).hex()}"
