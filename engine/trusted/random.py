"""Randomness as an argument: the one place that asks the operating system for it."""

from __future__ import annotations

import os
from typing import Protocol


class Randomness(Protocol):
    def bytes(self, count: int) -> bytes:
        """``count`` fresh random bytes."""


class SystemRandomness:
    """The operating system's generator; it has no seed and keeps no state of its own."""

    def bytes(self, count: int) -> bytes:
        return os.urandom(count)
