"""Window functions computed: once exactly, as shown, and once for every simulated draw of the noise.

Arrays are (draws, rows); a single draw stands for itself. NULL is ``known`` False. Exact values are Python's integers
and fractions; simulated ones are floats. Values that are only compared are replaced by their ranks.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.sql.evaluate import evaluate
from engine.sql.statement import WindowLeaf
from engine.trusted.plan import Literal, LiteralValue

Array = NDArray[Any]


class Values(NamedTuple):
    """One expression of all rows: (draws, rows) or (1, rows)."""

    values: Array
    known: NDArray[np.bool_]


class Ordered(NamedTuple):
    """A key of ORDER BY: numbers that compare as its values do."""

    values: Values
    descending: bool
    nulls_first: bool


def exact(values: Sequence[LiteralValue]) -> Values:
    held = np.empty((1, len(values)), dtype=object)
    held[0, :] = [0 if value is None else value for value in values]
    return Values(held, np.array([[value is not None for value in values]], dtype=bool))


def ranked(values: Sequence[LiteralValue]) -> tuple[Values, list[LiteralValue]]:
    """Each value's place among the distinct ones, and these."""
    listed: list[Any] = sorted({value for value in values if value is not None})
    places = {value: place for place, value in enumerate(listed)}
    held = np.array([[0.0 if value is None else float(places[value]) for value in values]])
    return Values(held, np.array([[value is not None for value in values]], dtype=bool)), listed


def shown(leaf: WindowLeaf, rows: Sequence[Mapping[str, LiteralValue]]) -> list[LiteralValue]:
    """The function's exact value in each of ``rows`` of leaves."""
    columns = [[evaluate(argument, row) for row in rows] for argument in leaf.arguments]
    listed: list[LiteralValue] = []
    if leaf.function in ("min", "max"):
        held, listed = ranked(columns[0])
        arguments = [held]
    else:
        arguments = [exact(column) for column in columns]
    order = [
        Ordered(ranked([evaluate(o.expression, row) for row in rows])[0], o.descending, o.nulls_first)
        for o in leaf.order
    ]
    found = window(leaf, arguments, order, partitions_of(leaf, rows))
    return [
        None if not known else listed[int(value)] if listed else _plain(value)
        for value, known in zip(found.values[0].tolist(), found.known[0].tolist(), strict=True)
    ]


def _plain(value: Any) -> LiteralValue:
    plain: LiteralValue = Fraction(value).limit_denominator(10**9) if isinstance(value, float) else value
    return plain


def partitions_of(leaf: WindowLeaf, rows: Sequence[Mapping[str, LiteralValue]]) -> list[Hashable]:
    return [tuple(evaluate(key, row) for key in leaf.partition) for row in rows]


def simulated(values: Array) -> Values:
    return Values(np.nan_to_num(values, nan=0.0), ~np.isnan(values))


def window(
    leaf: WindowLeaf, arguments: Sequence[Values], order: Sequence[Ordered], partitions: Sequence[Hashable]
) -> Values:
    """The function's value in each row; rows of one partition have equal ``partitions``."""
    rows: dict[Hashable, list[int]] = {}
    for row, key in enumerate(partitions):
        rows.setdefault(key, []).append(row)
    draws = max([1, *(a.values.shape[0] for a in arguments), *(o.values.values.shape[0] for o in order)])
    found: list[tuple[Array, Values]] = []
    for held in rows.values():
        index = np.array(held)
        keys = [o._replace(values=_picked(o.values, index)) for o in order]
        part = _Part(len(held), [_picked(a, index) for a in arguments], keys)
        found.append((index, part.function(leaf)))
    kind = next((v.values.dtype for _, v in found), np.dtype(float))
    values = np.zeros((draws, len(partitions)), dtype=kind)
    known = np.zeros((draws, len(partitions)), dtype=bool)
    for index, made in found:
        values[:, index], known[:, index] = made.values, made.known
    return Values(values, known)


def _picked(values: Values, index: Array) -> Values:
    return Values(values.values[:, index], values.known[:, index])


class _Part:
    """The rows of one partition, put in order."""

    def __init__(self, size: int, arguments: list[Values], order: list[Ordered]) -> None:
        self.rows = size
        keys: list[Array] = []
        for key in reversed(order):
            sign = -1.0 if key.descending else 1.0
            keys.append(np.where(key.values.known, sign * key.values.values.astype(float), 0.0))
            keys.append(np.where(key.values.known == key.nulls_first, 1, 0))
        shape = np.broadcast_shapes(*(k.shape for k in keys)) if keys else (1, size)
        keys = [np.broadcast_to(k, shape) for k in keys]
        place = np.broadcast_to(np.arange(size), shape)
        self.order = np.lexsort(tuple(keys), axis=-1) if keys else place
        first = np.zeros(shape, dtype=bool)
        first[:, :1] = True
        for compared in keys:
            inorder: Array = np.take_along_axis(compared, self.order, axis=1)
            first[:, 1:] |= inorder[:, 1:] != inorder[:, :-1]
        self.place = place
        self.first = first
        self.start = np.maximum.accumulate(np.where(first, place, 0), axis=1)
        ends = np.concatenate((first[:, 1:], np.ones((shape[0], 1), dtype=bool)), axis=1)
        backwards = np.where(ends, place, size)[:, ::-1]
        self.stop = np.minimum.accumulate(backwards, axis=1)[:, ::-1]
        self.arguments = [self._sorted(a) for a in arguments]

    def _sorted(self, held: Values) -> Values:
        shape = (max(held.values.shape[0], self.order.shape[0]), self.rows)
        order = np.broadcast_to(self.order, shape)
        values, known = np.broadcast_to(held.values, shape), np.broadcast_to(held.known, shape)
        return Values(np.take_along_axis(values, order, axis=1), np.take_along_axis(known, order, axis=1))

    def function(self, leaf: WindowLeaf) -> Values:
        """Values in the order the rows came in."""
        made = _FUNCTIONS[leaf.function](self, leaf)
        shape = (max(made.values.shape[0], self.order.shape[0]), self.rows)
        order = np.broadcast_to(self.order, shape)
        values, known = np.empty(shape, dtype=made.values.dtype), np.empty(shape, dtype=bool)
        np.put_along_axis(values, order, np.broadcast_to(made.values, shape), axis=1)
        np.put_along_axis(known, order, np.broadcast_to(made.known, shape), axis=1)
        return Values(values, known)

    def frame(self, leaf: WindowLeaf) -> tuple[Array, Array]:
        """First and last place of each row's frame; none where they cross."""
        end = self.rows - 1
        if leaf.peers:
            low = np.zeros_like(self.place) if leaf.first is None else self.start
            return low, np.full_like(self.place, end) if leaf.last is None else self.stop
        low = np.zeros_like(self.place) if leaf.first is None else np.maximum(self.place + leaf.first, 0)
        return low, np.full_like(self.place, end) if leaf.last is None else np.minimum(self.place + leaf.last, end)


def _gathered(held: Values, place: Array) -> Values:
    """The value at a place of the order; NULL beyond the rows."""
    shape = np.broadcast_shapes(held.values.shape, place.shape)
    inside = np.broadcast_to((place >= 0) & (place < held.values.shape[1]), shape)
    at = np.broadcast_to(np.clip(place, 0, held.values.shape[1] - 1), shape)
    values = np.take_along_axis(np.broadcast_to(held.values, shape), at, axis=1)
    return Values(values, np.take_along_axis(np.broadcast_to(held.known, shape), at, axis=1) & inside)


def _between(sums: Array, low: Array, high: Array) -> Array:
    """Sums of frames from running sums."""
    running = np.concatenate((np.zeros((sums.shape[0], 1), dtype=sums.dtype), np.cumsum(sums, axis=1)), axis=1)
    shape = (max(sums.shape[0], low.shape[0]), sums.shape[1])
    running = np.broadcast_to(running, (shape[0], running.shape[1]))
    low = np.minimum(np.broadcast_to(low, shape), sums.shape[1])
    above = np.maximum(np.broadcast_to(high, shape) + 1, low)
    difference: Array = np.take_along_axis(running, above, axis=1) - np.take_along_axis(running, low, axis=1)
    return difference


def _count(part: _Part, leaf: WindowLeaf) -> Values:
    low, high = part.frame(leaf)
    if not part.arguments:
        counts = np.maximum(high - low + 1, 0)
    else:
        counts = _between(part.arguments[0].known.astype(int), low, high)
    return Values(counts, np.ones(counts.shape, dtype=bool))


def _total(part: _Part, leaf: WindowLeaf) -> Values:
    [held] = part.arguments
    low, high = part.frame(leaf)
    sums = _between(np.where(held.known, held.values, 0), low, high)
    return Values(sums, np.broadcast_to(_count(part, leaf).values > 0, sums.shape))


def _average(part: _Part, leaf: WindowLeaf) -> Values:
    total, count = _total(part, leaf), _count(part, leaf).values
    return Values(_ratio(total.values, np.maximum(np.broadcast_to(count, total.values.shape), 1)), total.known)


def _ratio(above: Array, below: Array) -> Array:
    """Exact where the values are."""
    if above.dtype != object:
        return np.asarray(above / below)
    found = np.empty(above.shape, dtype=object)
    for place, value in np.ndenumerate(above):
        found[place] = Fraction(value) / int(below[place])
    return found


def _extreme(pick: Any, empty: float) -> Callable[[_Part, WindowLeaf], Values]:
    def found(part: _Part, leaf: WindowLeaf) -> Values:
        [held] = part.arguments
        filled = np.where(held.known, held.values, empty)
        low, high = part.frame(leaf)
        if leaf.first is None:
            reached = _gathered(Values(pick.accumulate(filled, axis=1), np.ones(filled.shape, dtype=bool)), high)
        elif leaf.last is None:
            backwards = pick.accumulate(filled[:, ::-1], axis=1)[:, ::-1]
            reached = _gathered(Values(backwards, np.ones(filled.shape, dtype=bool)), low)
        else:
            best = np.full(np.broadcast_shapes(filled.shape, part.place.shape), empty)
            for distance in range(leaf.first, leaf.last + 1):
                there = _gathered(Values(filled, held.known), part.place + distance)
                best = pick(best, np.where(there.known, there.values, empty))
            reached = Values(best, np.ones(best.shape, dtype=bool))
        known = reached.known & (reached.values != empty)
        return Values(np.where(known, reached.values, 0.0), known)

    return found


def _at_frame(end: int) -> Callable[[_Part, WindowLeaf], Values]:
    """The value in the first (0) or last (1) row of the frame."""

    def found(part: _Part, leaf: WindowLeaf) -> Values:
        low, high = part.frame(leaf)
        return _gathered(part.arguments[0], np.where(low <= high, (low, high)[end], -1))

    return found


def _nth(part: _Part, leaf: WindowLeaf) -> Values:
    low, high = part.frame(leaf)
    place = low + _number(leaf, 1, 1) - 1
    return _gathered(part.arguments[0], np.where(place <= high, place, -1))


def _shifted(direction: int) -> Callable[[_Part, WindowLeaf], Values]:
    def found(part: _Part, leaf: WindowLeaf) -> Values:
        place = part.place + direction * _number(leaf, 1, 1)
        there = _gathered(part.arguments[0], place)
        if len(part.arguments) < 3:
            return there
        beyond = np.broadcast_to((place < 0) | (place >= part.rows), there.values.shape)
        other = part.arguments[2]
        return Values(np.where(beyond, other.values, there.values), np.where(beyond, other.known, there.known))

    return found


def _number(leaf: WindowLeaf, place: int, otherwise: int) -> int:
    """An operand that is a whole number as written."""
    literal = leaf.arguments[place] if place < len(leaf.arguments) else None
    return literal.value if isinstance(literal, Literal) and isinstance(literal.value, int) else otherwise


def _tiles(part: _Part, leaf: WindowLeaf) -> Array:
    """Buckets as even as can be, the larger ones first."""
    size, more = divmod(part.rows, _number(leaf, 0, 1))
    edge = more * (size + 1)
    later = more + (part.place - edge) // max(size, 1)
    return np.where(part.place < edge, part.place // (size + 1), later) + 1


def _placed(values: Callable[[_Part, WindowLeaf], Array]) -> Callable[[_Part, WindowLeaf], Values]:
    """A function of the order alone."""

    def found(part: _Part, leaf: WindowLeaf) -> Values:
        made = values(part, leaf)
        return Values(made, np.ones(made.shape, dtype=bool))

    return found


_FUNCTIONS: dict[str, Callable[[_Part, WindowLeaf], Values]] = {
    "count": _count,
    "sum": _total,
    "avg": _average,
    "min": _extreme(np.minimum, np.inf),
    "max": _extreme(np.maximum, -np.inf),
    "first_value": _at_frame(0),
    "last_value": _at_frame(1),
    "nth_value": _nth,
    "lag": _shifted(-1),
    "lead": _shifted(1),
    "row_number": _placed(lambda part, leaf: part.place + 1),
    "rank": _placed(lambda part, leaf: part.start + 1),
    "dense_rank": _placed(lambda part, leaf: np.cumsum(part.first, axis=1)),
    "percent_rank": _placed(lambda part, leaf: part.start / max(part.rows - 1, 1)),
    "cume_dist": _placed(lambda part, leaf: (part.stop + 1) / part.rows),
    "ntile": _placed(_tiles),
}
