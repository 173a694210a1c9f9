"""An axis with round numbers on it."""

from __future__ import annotations

import math
from dataclasses import dataclass

WANTED, MOST = 5, 7  # steps
FINEST = 1e-9  # of its size, what an axis spans at least: closer values, or equal ones, stand at one place
NEAR = 0.25  # what differs by less of its size is shown without zero, or no difference could be seen


@dataclass(frozen=True, slots=True)
class Axis:
    """From ``first`` to ``last``; ``zero``: 0 is on it."""

    first: float
    last: float
    step: float
    ticks: tuple[float, ...]

    @property
    def zero(self) -> bool:
        return self.first <= 0 <= self.last

    def share(self, value: float) -> float:
        """Where a value stands, from 0 to 1."""
        return min(max((value - self.first) / (self.last - self.first), 0.0), 1.0)

    def words(self, value: float) -> str:
        """A number with the decimals that the ticks need."""
        places = max(0, -math.floor(math.log10(self.step)))
        return f"{value:,.{places}f}"


def axis_of(least: float, most: float) -> Axis:
    """An axis that holds both; it begins at zero unless the values are all close to one another and far from it."""
    near = least * most > 0 and most - least < NEAR * max(abs(least), abs(most))
    low, high = (least, most) if near else (min(least, 0.0), max(most, 0.0))
    room = FINEST * max(abs(low), abs(high))
    if high - low <= room:
        low, high = low - (room or 1.0), high + (room or 1.0)
    least_step = (high - low) / MOST
    power = 10.0 ** math.floor(math.log10(least_step))
    steps = (power * size for size in (1, 2, 5, 10, 20) if least_step <= power * size * 1.000001)
    step, first, last = min(((s, *_ends(low, high, s)) for s in steps), key=_length)
    ticks = tuple(float(f"{place * step:.12g}") for place in range(first, last + 1))
    return Axis(ticks[0], ticks[-1], step, ticks)


def _ends(low: float, high: float, step: float) -> tuple[int, int]:
    """In steps."""
    return math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)


def _length(axis: tuple[float, int, int]) -> tuple[float, int]:
    """The shortest axis is best; of equal ones, that of about as many steps as are wanted."""
    step, first, last = axis
    return float(f"{step * (last - first):.9g}"), abs(last - first - WANTED)
