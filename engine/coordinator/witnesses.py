"""Relaying between a member that starts and those who may hold its heads; the member alone judges what they say.

A seeker's question goes to every other node and helper that is connected, and to those that join later, until it
leaves; each signed answer goes back to it. The coordinator could keep an answer back, and so keep the member closed;
it could not make one up.
"""

from __future__ import annotations

from collections.abc import Callable

from engine.coordinator.links import Links
from engine.errors import Refused
from engine.trusted.messages import AskWitness, FromNode, SeekWitnesses
from engine.trusted.records import RecordKind, SignedRecord
from engine.trusted.sign import NONCE_BYTES, Roster, open_witness


class Witnesses:
    """The standing duty of carrying questions for witnesses, and their answers."""

    def __init__(self, links: Links, roster: Callable[[], Roster]) -> None:
        self._links, self._roster = links, roster
        self._seeking: dict[str, bytes] = {}  # nonce of each member that seeks

    def joined(self, name: str) -> None:
        self._seeking.pop(name, None)  # a new stream asks anew
        for seeker, nonce in self._seeking.items():
            self._links.send(name, AskWitness(nonce, seeker))

    def left(self, name: str) -> None:
        self._seeking.pop(name, None)

    def closed(self, members: tuple[str, ...]) -> None:
        """Rounds are no matter of this duty."""

    def take(self, sender: str, message: FromNode) -> None:
        if isinstance(message, SeekWitnesses):
            if not NONCE_BYTES <= len(message.nonce) <= 2 * NONCE_BYTES:
                raise Refused("POLICY_RECORD_INVALID")
            self._seeking[sender] = message.nonce
            others = self._links.names() - {sender}
            self._links.send_each(sorted(others), AskWitness(message.nonce, sender))
        elif isinstance(message, SignedRecord) and message.kind is RecordKind.WITNESS:
            witness = open_witness(message, self._roster())
            if witness.witness != sender or self._seeking.get(witness.member) != witness.nonce:
                raise Refused("POLICY_RECORD_INVALID")
            self._links.send(witness.member, message)
