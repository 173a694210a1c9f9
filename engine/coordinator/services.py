"""What every run of the coordinator shares."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from engine.coordinator.board import Board
from engine.coordinator.events import Windows
from engine.coordinator.journals import Journals
from engine.coordinator.links import Links
from engine.coordinator.store import Store
from engine.trusted.clock import Clock
from engine.trusted.messages import Relay
from engine.trusted.random import Randomness
from engine.trusted.sign import Roster


@dataclass(slots=True)
class Services:
    """``roster`` is replaced when a new federation manifest is taken; what is under way keeps the one it began with."""

    roster: Roster
    links: Links
    store: Store
    board: Board
    clock: Clock
    randomness: Randomness
    windows: Windows
    journals: Journals
    closed: Callable[[tuple[str, ...]], None]  # told the members of each round that is over

    def carry(self, request: bytes, relay: Relay) -> None:
        """Hands a relay on, once there is room for it, and shows how much has been carried for its request."""
        self.links.carry(relay)
        self.board.relayed(request, len(relay.sealed))
