"""Two releases side by side: differences, and whether noise alone could explain them.

The noise of two releases is independent: each round draws its own. So the distance from a difference to either end of
its 95 % interval is the root of the sum of squares of the two releases' own distances: exact where both are normal,
and close where an interval came from simulation and is not symmetric (Zou and Donner 2008, doi:10.1002/sim.3095).
Contribution bounds bias both releases; what is equal in both cancels, the rest is not in these intervals.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from engine.client.release import Release
from engine.errors import Refused
from engine.sql.finish import Answer


@dataclass(frozen=True, slots=True)
class Difference:
    """The second release less the first, in one cell. ``stands``: its 95 % interval excludes 0."""

    key: tuple[Any, ...]
    column: str
    first: float
    second: float
    difference: float
    low: float
    high: float

    @property
    def stands(self) -> bool:
        return not self.low <= 0 <= self.high


@dataclass(frozen=True, slots=True)
class Comparison:
    """``keys``: names of the columns that rows are matched by; ``alone``: keys of rows that one release only has."""

    keys: tuple[str, ...]
    differences: tuple[Difference, ...]
    alone: tuple[tuple[Any, ...], ...]


def compare(first: Release, second: Release) -> Comparison:
    """Differences of two releases of the same shape: the same columns of the same types, rows told apart by their keys.

    Raises Refused POLICY_RELEASES_DIFFER (with the detail) for other shapes, and for a release against itself.
    """
    if first.request_id == second.request_id:
        raise Refused("POLICY_RELEASES_DIFFER", detail="both are one release")
    return compare_answers(first.answer, second.answer)


def compare_answers(first: Answer, second: Answer) -> Comparison:
    """As ``compare``, of the answers alone."""
    if (first.columns, first.types) != (second.columns, second.types):
        raise Refused("POLICY_RELEASES_DIFFER", detail="their columns are not the same")
    if len(set(first.columns)) < len(first.columns):
        raise Refused("POLICY_RELEASES_DIFFER", detail="two of their columns have one name")
    noisy = {name for answer in (first, second) for row in answer.intervals for name in row}
    keys = tuple(name for name in first.columns if name not in noisy)
    rows, others = _by_key(first, keys), _by_key(second, keys)
    both = [key for key in rows if key in others]
    if not both and (rows or others):
        raise Refused("POLICY_RELEASES_DIFFER", detail="they have no row in common")
    found = (
        _difference(key, name, *rows[key], *others[key]) for key in both for name in first.columns if name in noisy
    )
    alone = tuple(key for key in (*rows, *others) if (key in rows) != (key in others))
    return Comparison(keys, tuple(d for d in found if d is not None), alone)


_Row = tuple[Mapping[str, Any], Mapping[str, tuple[float, float]]]  # values and intervals, by column


def _by_key(answer: Answer, keys: tuple[str, ...]) -> dict[tuple[Any, ...], _Row]:
    named = [dict(zip(answer.columns, row, strict=True)) for row in answer.rows]
    found = [tuple(row[name] for name in keys) for row in named]
    if any(count > 1 for count in Counter(found).values()):
        raise Refused("POLICY_RELEASES_DIFFER", detail="rows cannot be told apart by what has no noise")
    return dict(zip(found, zip(named, answer.intervals, strict=True), strict=True))


def _difference(
    key: tuple[Any, ...],
    name: str,
    row: Mapping[str, Any],
    own: Mapping[str, tuple[float, float]],
    other_row: Mapping[str, Any],
    other: Mapping[str, tuple[float, float]],
) -> Difference | None:
    """None where either value is NULL, or its error is not known."""
    if name not in own or name not in other or row[name] is None or other_row[name] is None:
        return None
    a, b = float(row[name]), float(other_row[name])
    (a_low, a_high), (b_low, b_high) = own[name], other[name]
    low = b - a - math.hypot(b - float(b_low), float(a_high) - a)
    high = b - a + math.hypot(float(b_high) - b, a - float(a_low))
    return Difference(key, name, a, b, b - a, low, high)
