"""How wrong each released figure may be, from the known noise alone: standard deviations and 95 % intervals.

Sums, counts and what is linear in them have normal intervals (each cell's noise is a sum of discrete Gaussians at
least 64 ring units wide). Means, ratios and other derived figures are simulated: the same noise is taken off the
released figures many times over, and the interval holds 95 % of what comes out. The draws are numpy's, from a seed that
depends on nothing: they are a way to compute an integral and protect nobody.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.sql import frames
from engine.sql.evaluate import evaluate
from engine.sql.figures import Line, Unit, leaf_value, mean_bounds, total_of
from engine.sql.moments import moment, moment_limits
from engine.sql.statement import (
    CountLeaf,
    GroupingLeaf,
    KeyLeaf,
    Leaf,
    MeanLeaf,
    MomentLeaf,
    QuantileLeaf,
    SumLeaf,
    TotalLeaf,
    WindowLeaf,
)
from engine.trusted.plan import Call, ColumnRef, Expression, Function, Literal, LiteralValue

F = Function
QUANTILE = 1.959963984540054  # of the standard normal, for 95 % two-sided
DRAWS = 4_000
FEWEST_DRAWS = 400
MOST_NUMBERS = 8_000_000  # drawn for all lines together
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Spread:
    """Standard deviation and 95 % interval of one figure of one row."""

    deviation: float
    low: float
    high: float


class Simulation:
    """Spreads of expressions over the leaves of a statement.

    One set of draws serves every line, until window functions (``widen``) bring lines together: then each line has
    its own, as their noise is independent.
    """

    def __init__(
        self, leaves: Mapping[str, Leaf], units: tuple[Unit, ...], generator: np.random.Generator, draws: int = DRAWS
    ) -> None:
        self._leaves = leaves
        self._units = units
        self._generator = generator
        self._windows: dict[str, WindowLeaf] = {}
        self._widened: dict[str, dict[int, Floats]] = {}
        self._noise = self._drawn_noise(1, draws)

    def _drawn_noise(self, lines: int, draws: int) -> Floats:
        half = self._generator.standard_normal((lines, len(self._units), max(draws // 2, 1)))
        scale = np.array([unit.deviation for unit in self._units])[None, :, None]
        drawn: Floats = np.concatenate((half, -half), axis=2) * scale
        return drawn

    def _noise_of(self, line: Line) -> Floats:
        drawn: Floats = self._noise[line.index if len(self._noise) > 1 else 0]
        return drawn

    def widen(self, windows: Sequence[tuple[str, WindowLeaf]], lines: Sequence[Line]) -> None:
        """Draws of window functions over ``lines``; of too many lines they have no interval."""
        self._windows.update(windows)
        most = max([0, *(line.index for line in lines)]) + 1
        if most * len(self._units) * FEWEST_DRAWS > MOST_NUMBERS:
            return
        if len(self._noise) < most and most > 1:
            draws = max(FEWEST_DRAWS, min(self._noise.shape[2], MOST_NUMBERS // (most * len(self._units))))
            self._noise = self._drawn_noise(most, draws)
        for name, leaf in windows:
            if self._reached(leaf) and lines and not any(self.is_figure(key) for key in leaf.partition):
                self._widened[name] = self._window(leaf, lines)

    def _window(self, leaf: WindowLeaf, lines: Sequence[Line]) -> dict[int, Floats]:
        rows = [line.leaves for line in lines]
        order = []
        for key in leaf.order:
            values = self._column(key.expression, lines)
            if not self.is_figure(key.expression):
                values = frames.ranked([evaluate(key.expression, row) for row in rows])[0]
            order.append(frames.Ordered(values, key.descending, key.nulls_first))
        arguments = [self._column(argument, lines) for argument in leaf.arguments]
        found = frames.window(leaf, arguments, order, frames.partitions_of(leaf, rows))
        drawn: Floats = np.where(found.known, found.values.astype(float), np.nan)
        return {line.index: drawn[:, place] for place, line in enumerate(lines)}

    def _column(self, expression: Expression, lines: Sequence[Line]) -> frames.Values:
        draws = [np.atleast_1d(self._simulate(expression, line)) for line in lines]
        return frames.simulated(np.stack(np.broadcast_arrays(*draws), axis=1))

    def _reached(self, leaf: WindowLeaf) -> bool:
        """Whether noise reaches a window function."""
        asked = [*leaf.arguments, *leaf.partition, *(key.expression for key in leaf.order)]
        return any(self.is_figure(expression) for expression in asked)

    def is_figure(self, expression: Expression) -> bool:
        """Whether noise reaches the expression."""
        if isinstance(expression, ColumnRef):
            window = self._windows.get(expression.name)
            if window is not None:
                return self._reached(window)
            return not isinstance(self._leaves[expression.name], KeyLeaf | GroupingLeaf)
        return isinstance(expression, Call) and any(self.is_figure(a) for a in expression.arguments)

    def is_linear(self, expression: Expression, row: Mapping[str, LiteralValue]) -> bool:
        """Whether the error is that of a sum of the figures, whatever they are; else it depends on them."""
        return self._linear(expression, row) is not None

    def spread(self, expression: Expression, value: LiteralValue, line: Line) -> Spread | None:
        """None for a NULL, and where too many simulated figures are NULL to tell."""
        if not isinstance(value, int | Fraction) or isinstance(value, bool):
            return None
        weights = self._linear(expression, line.leaves)
        if weights is not None:
            return self._normal(weights, value, expression, line)
        simulated = np.broadcast_to(self._simulate(expression, line), self._noise.shape[2:])
        return _quantiles(simulated, float(value), self._limits(expression))

    def _normal(
        self, weights: Mapping[int, Fraction], value: int | Fraction, expression: Expression, line: Line
    ) -> Spread:
        """Exact for linear figures; the interval is around the figure before it was rounded for showing."""
        scales, units = line.group.scales, self._units
        deviation = sqrt(sum((float(w) * units[m].deviation * scales.get(m, 1)) ** 2 for m, w in weights.items()))
        raw = {
            name: total_of(leaf, line.group, units) if isinstance(leaf, TotalLeaf) else line.group.sums[leaf.measure]
            for name, leaf in self._leaves.items()
            if isinstance(leaf, CountLeaf | SumLeaf | TotalLeaf)
        }
        unrounded = evaluate(expression, {**line.leaves, **raw})
        middle = float(unrounded) if isinstance(unrounded, int | Fraction) else float(value)
        return Spread(deviation, middle - QUANTILE * deviation, middle + QUANTILE * deviation)

    def _linear(self, expression: Expression, row: Mapping[str, LiteralValue]) -> dict[int, Fraction] | None:
        """Weight of each measure, if the expression is linear in them; None if not."""
        if not self.is_figure(expression):
            return {}
        if isinstance(expression, ColumnRef):
            leaf = self._leaves.get(expression.name)  # a window function is none of them
            if isinstance(leaf, TotalLeaf):
                return {leaf.centred_sum: Fraction(1), leaf.count: self._units[leaf.centred_sum].grid.centre}
            return {leaf.measure: Fraction(1)} if isinstance(leaf, CountLeaf | SumLeaf) else None
        if not isinstance(expression, Call):
            return None
        first = self._linear(expression.arguments[0], row)
        if first is not None and expression.function in (F.NEGATE, F.CAST_DECIMAL):
            return _scaled(first, Fraction(-1 if expression.function is F.NEGATE else 1))
        second = self._linear(expression.arguments[1], row) if len(expression.arguments) == 2 else None
        if first is None or second is None:
            return None
        if expression.function in (F.ADD, F.SUBTRACT):
            return _added(first, _scaled(second, Fraction(1 if expression.function is F.ADD else -1)))
        if expression.function is F.MULTIPLY and not (first and second):
            return _times(first or second, evaluate(expression.arguments[0 if second else 1], row))
        if expression.function is F.DIVIDE and not second:
            divisor = evaluate(expression.arguments[1], row)
            return _times(first, 1 / Fraction(divisor) if isinstance(divisor, int | Fraction) and divisor else None)
        return None

    def _simulate(self, expression: Expression, line: Line) -> Any:
        """Values under each draw; NULL is NaN, true and false are 1 and 0."""
        if isinstance(expression, Literal) or not self.is_figure(expression):
            return _plain(evaluate(expression, line.leaves))
        if isinstance(expression, ColumnRef):
            if expression.name in self._windows:
                return self._widened.get(expression.name, {}).get(line.index, np.nan)
            return self._drawn(self._leaves[expression.name], line)
        arguments = [self._simulate(argument, line) for argument in expression.arguments]
        with np.errstate(all="ignore"):
            return _VECTOR.get(expression.function, _unknown)(arguments)

    def _drawn(self, leaf: Leaf, line: Line) -> Any:
        group, noise = line.group, self._noise_of(line)
        if isinstance(leaf, CountLeaf | SumLeaf):
            return self._true(leaf.measure, line)
        if isinstance(leaf, TotalLeaf):
            centre = float(self._units[leaf.centred_sum].grid.centre)
            return self._true(leaf.centred_sum, line) + centre * self._true(leaf.count, line)
        if isinstance(leaf, KeyLeaf | GroupingLeaf):
            return _plain(leaf_value(leaf, group, self._units))
        if isinstance(leaf, QuantileLeaf):
            rolled = np.roll(noise[leaf.measure], int(1_000 * leaf.fraction))  # quantiles err apart
            rolled = rolled / self._units[leaf.measure].deviation
            return group.curves[leaf.measure].at(leaf.fraction, discrete=leaf.discrete, noise=rolled)
        if isinstance(leaf, MomentLeaf):
            measures = (leaf.count, *(measure for _, measure in leaf.parts))
            return moment(leaf, {m: self._true(m, line) for m in measures}, self._units)
        total, count = self._true(leaf.centred_sum, line), self._true(leaf.count, line)
        lower, upper = mean_bounds(leaf, self._units)
        centre = float(self._units[leaf.centred_sum].grid.centre)
        means = centre + total / np.where(count >= 1, count, np.nan)
        return np.clip(means, float(lower), float(upper))

    def _true(self, measure: int, line: Line) -> Floats:
        """What a sum may have been before noise."""
        group, noise = line.group, self._noise_of(line)[measure]
        drawn: Floats = float(group.sums[measure]) - noise * group.scales.get(measure, 1)
        return drawn

    def _limits(self, expression: Expression) -> tuple[float, float] | None:
        """What a bare mean or variance lies between, whatever the noise."""
        leaf = self._leaves.get(expression.name) if isinstance(expression, ColumnRef) else None
        if isinstance(leaf, MomentLeaf):
            return moment_limits(leaf, self._units)
        if not isinstance(leaf, MeanLeaf):
            return None
        lower, upper = mean_bounds(leaf, self._units)
        return float(lower), float(upper)


def _scaled(weights: Mapping[int, Fraction], factor: Fraction) -> dict[int, Fraction]:
    return {measure: weight * factor for measure, weight in weights.items()}


def _added(first: Mapping[int, Fraction], second: Mapping[int, Fraction]) -> dict[int, Fraction]:
    return {m: first.get(m, Fraction(0)) + second.get(m, Fraction(0)) for m in {**first, **second}}


def _times(weights: Mapping[int, Fraction], factor: LiteralValue) -> dict[int, Fraction] | None:
    return _scaled(weights, Fraction(factor)) if isinstance(factor, int | Fraction) else None


def _quantiles(simulated: Floats, value: float, limits: tuple[float, float] | None) -> Spread | None:
    """2.5 % and 97.5 %; a NULL could have been anything within the limits."""
    missing = float(np.mean(np.isnan(simulated)))
    if missing > 0.5 or (missing > 0.01 and limits is None):
        return None
    known = simulated[~np.isnan(simulated)]
    low, high = limits or (float(known.min()), float(known.max()))
    below = float(np.quantile(np.where(np.isnan(simulated), low, simulated), 0.025))
    above = float(np.quantile(np.where(np.isnan(simulated), high, simulated), 0.975))
    return Spread(float(known.std()), min(below, value), max(above, value))


def _plain(value: LiteralValue) -> float:
    """Numbers and truth values; text and dates have no place in a simulation."""
    return float(value) if isinstance(value, int | Fraction) else float("nan")


def _unknown(arguments: Sequence[Any]) -> Any:
    return np.nan


def _compared(compare: Callable[[Any, Any], Any]) -> Callable[[Sequence[Any]], Any]:
    def result(a: Sequence[Any]) -> Any:
        return np.where(np.isnan(a[0]) | np.isnan(a[1]), np.nan, compare(a[0], a[1]))

    return result


def _case(a: Sequence[Any]) -> Any:
    found = a[-1]
    for condition, value in reversed(list(zip(a[0:-1:2], a[1::2], strict=True))):
        found = np.where(np.asarray(condition) == 1, value, found)
    return found


def _coalesce(a: Sequence[Any]) -> Any:
    found = a[-1]
    for value in reversed(a[:-1]):
        found = np.where(np.isnan(value), found, value)
    return found


def _rounded(a: Sequence[Any]) -> Any:
    scale = 10.0 ** (a[1] if len(a) > 1 else 0)
    return np.copysign(np.floor(np.abs(a[0]) * scale + 0.5) / scale, a[0])


def _decided(answer: float) -> Callable[[Sequence[Any]], Any]:
    def result(a: Sequence[Any]) -> Any:
        stacked = np.broadcast_arrays(*a)
        decided = np.logical_or.reduce([v == answer for v in stacked])
        unknown = np.logical_or.reduce([np.isnan(v) for v in stacked])
        return np.where(decided, answer, np.where(unknown, np.nan, 1 - answer))

    return result


_VECTOR: dict[Function, Callable[[Sequence[Any]], Any]] = {
    F.ADD: lambda a: a[0] + a[1],
    F.SUBTRACT: lambda a: a[0] - a[1],
    F.MULTIPLY: lambda a: a[0] * a[1],
    F.DIVIDE: lambda a: a[0] / np.where(np.asarray(a[1]) == 0, np.nan, a[1]),
    F.INTEGER_DIVIDE: lambda a: np.trunc(a[0] / np.where(np.asarray(a[1]) == 0, np.nan, a[1])),
    F.MODULO: lambda a: np.fmod(a[0], np.where(np.asarray(a[1]) == 0, np.nan, a[1])),
    F.NEGATE: lambda a: -a[0],
    F.ABS: lambda a: np.abs(a[0]),
    F.FLOOR: lambda a: np.floor(a[0]),
    F.CEIL: lambda a: np.ceil(a[0]),
    F.ROUND: _rounded,
    F.LEAST: lambda a: np.minimum.reduce(np.broadcast_arrays(*a)),
    F.GREATEST: lambda a: np.maximum.reduce(np.broadcast_arrays(*a)),
    F.EQUAL: _compared(np.equal),
    F.NOT_EQUAL: _compared(np.not_equal),
    F.LESS: _compared(np.less),
    F.LESS_EQUAL: _compared(np.less_equal),
    F.GREATER: _compared(np.greater),
    F.GREATER_EQUAL: _compared(np.greater_equal),
    F.IN: lambda a: np.where(np.isnan(a[0]), np.nan, np.isin(a[0], a[1:])),
    F.IS_NULL: lambda a: np.isnan(a[0]).astype(float),
    F.AND: _decided(0.0),
    F.OR: _decided(1.0),
    F.NOT: lambda a: 1 - a[0],
    F.CASE: _case,
    F.COALESCE: _coalesce,
    F.NULLIF: lambda a: np.where(np.equal(a[0], a[1]), np.nan, a[0]),
    F.CAST_INTEGER: _rounded,
    F.CAST_DECIMAL: lambda a: a[0],
    F.CAST_BOOLEAN: lambda a: np.where(np.isnan(a[0]), np.nan, np.not_equal(a[0], 0)),
}
