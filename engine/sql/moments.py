"""Variances, covariances and regressions: which sums nodes add up for them, and what the sums come to.

Each mean is a centred sum by the count of the same rows. A variance is the mean square about the centre less the
square of the mean about it, so nothing large is subtracted from anything large; the mean square is itself a centred
sum, which halves its sensitivity. Pairs count where both columns have a value.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from engine.errors import Bug
from engine.sql.bound import Bound, literal
from engine.sql.expressions import Expressions
from engine.sql.figures import Unit
from engine.sql.sides import factored, factors_in, reads_both
from engine.sql.statement import Figure, MomentLeaf
from engine.trusted.calibrate import Grid, grid_of
from engine.trusted.domains import Scope, clamp_of
from engine.trusted.plan import Expression, Function, Measure, Statistic, Type

VARIANCES = frozenset({Figure.VAR_POP, Figure.VAR_SAMP, Figure.STDDEV_POP, Figure.STDDEV_SAMP})
_PARTS = {
    **dict.fromkeys(VARIANCES, ("y", "yy")),
    Figure.COVAR_POP: ("y", "x", "xy"),
    Figure.COVAR_SAMP: ("y", "x", "xy"),
    Figure.CORR: ("y", "x", "xy", "xx", "yy"),
    Figure.REGR_R2: ("y", "x", "xy", "xx", "yy"),
    Figure.REGR_SLOPE: ("y", "x", "xy", "xx"),
    Figure.REGR_INTERCEPT: ("y", "x", "xy", "xx"),
}
MOMENTS = frozenset(_PARTS)
Place = Callable[[Measure], int]


def moment_leaf(
    figure: Figure, columns: Sequence[Bound], condition: Bound | None, scope: Scope, place: Place
) -> MomentLeaf:
    """The measures of one figure over one column, or two (dependent one first), each put in its place."""
    binder = Expressions(lambda syntax: None)
    if len(columns) == 2:
        for factor in (factor for column in columns for factor in factors_in(column, scope)):
            condition = _where_present(binder, factor, condition)
    inner = None if condition is None else condition.expression
    named = dict(zip("yx", columns, strict=False))
    about: dict[str, Bound] = {}
    for name, column in named.items():
        grid = grid_of(centred(column, inner), scope)
        centre = int(grid.centre) if _whole(column, grid) else grid.centre
        less = (column, literal(centre, column.at))
        about[name] = binder.call(Function.SUBTRACT, less, column.at) if centre else column
    found: list[tuple[str, int]] = []
    for part in _PARTS[figure]:
        bound = named[part] if len(part) == 1 else _product(binder, about[part[0]], about[part[1]])
        found.append((part, place(centred(factored(bound, scope), inner))))
    first = columns[0]
    sure = len(columns) == 2 or (first.domain is not None and not first.domain.nullable)
    counted = Measure(Statistic.COUNT_ROWS, None, inner)
    if not sure:
        counted = Measure(Statistic.COUNT_PRESENT, first.expression, inner)
    return MomentLeaf(figure, place(counted), tuple(found))


def _whole(column: Bound, grid: Grid) -> bool:
    return column.domain is not None and column.domain.type is Type.INTEGER and grid.centre.denominator == 1


def _product(binder: Expressions, first: Bound, second: Bound) -> Bound:
    return binder.call(Function.MULTIPLY, (first, second), first.at)


def _where_present(binder: Expressions, column: Bound, condition: Bound | None) -> Bound | None:
    if column.domain is not None and not column.domain.nullable:
        return condition
    absent = binder.call(Function.IS_NULL, (column,), column.at)
    present = binder.call(Function.NOT, (absent,), column.at)
    return present if condition is None else binder.call(Function.AND, (condition, present), column.at)


def centred(bound: Bound, condition: Expression | None) -> Measure:
    """The sum of a value less the centre of its clamp; the plain sum of a product across a private join."""
    if bound.domain is None:
        raise Bug("BUG_UNEXPECTED", internal="a mean or moment without type")
    statistic = Statistic.SUM if reads_both(bound.domain) else Statistic.CENTRED_SUM
    return Measure(statistic, bound.expression, condition, clamp_of(bound.domain))


def moment(leaf: MomentLeaf, sums: Mapping[int, Any], units: Sequence[Unit]) -> Any:
    """The figure from sums in their own units: arrays or floats, NaN where there is none.

    ``sums`` are those of the values less their centres; a count below 1 (below 2 for a sample's figure) gives NaN.
    """
    least = 2 if leaf.figure in _SAMPLES else 1
    count = np.where(np.asarray(sums[leaf.count]) >= least, sums[leaf.count], np.nan)
    held = dict(leaf.parts)
    centre = {part: float(units[measure].grid.centre) for part, measure in held.items()}
    reach = {part: _reach(units[measure]) for part, measure in held.items()}
    with np.errstate(all="ignore"):
        mean = {part: sums[measure] / count for part, measure in held.items()}
        for name in ("x", "y"):
            if name * 2 in held:
                square = mean[name * 2] + centre[name * 2] - mean[name] ** 2
                mean[name * 2] = np.clip(square, 0, reach[name] ** 2 / 4)
        if "xy" in held:
            most = reach["x"] * reach["y"] / 4
            mean["xy"] = np.clip(mean["xy"] + centre["xy"] - mean["x"] * mean["y"], -most, most)
        middles = {f"middle {name}": mean[name] + centre[name] for name in ("x", "y") if name in held}
        return _FIGURES[leaf.figure]({**mean, **middles, "n": count})


def moment_limits(leaf: MomentLeaf, units: Sequence[Unit]) -> tuple[float, float] | None:
    """What a figure lies between, whatever the noise; None if nothing is known."""
    if leaf.figure in (Figure.CORR, Figure.REGR_R2):
        return (-1.0, 1.0) if leaf.figure is Figure.CORR else (0.0, 1.0)
    if leaf.figure not in VARIANCES:
        return None
    most = _reach(units[dict(leaf.parts)["y"]]) ** 2 / (2 if leaf.figure in _SAMPLES else 4)
    return 0.0, float(np.sqrt(most) if leaf.figure.name.startswith("STDDEV") else most)


def _reach(unit: Unit) -> float:
    clamp = unit.measure.clamp
    if clamp is None:
        raise Bug("BUG_UNEXPECTED", internal="a moment without clamp")
    return float(clamp.upper - clamp.lower)


def _positive(value: Any) -> Any:
    return np.where(np.asarray(value) > 0, value, np.nan)


def _sample(a: Mapping[str, Any], part: str) -> Any:
    return a[part] * a["n"] / (a["n"] - 1)


def _corr(a: Mapping[str, Any]) -> Any:
    return np.clip(a["xy"] / np.sqrt(_positive(a["xx"]) * _positive(a["yy"])), -1, 1)


def _slope(a: Mapping[str, Any]) -> Any:
    return a["xy"] / _positive(a["xx"])


_SAMPLES = (Figure.VAR_SAMP, Figure.STDDEV_SAMP, Figure.COVAR_SAMP)
_FIGURES: dict[Figure, Callable[[Mapping[str, Any]], Any]] = {
    Figure.VAR_POP: lambda a: a["yy"],
    Figure.VAR_SAMP: lambda a: _sample(a, "yy"),
    Figure.STDDEV_POP: lambda a: np.sqrt(a["yy"]),
    Figure.STDDEV_SAMP: lambda a: np.sqrt(_sample(a, "yy")),
    Figure.COVAR_POP: lambda a: a["xy"],
    Figure.COVAR_SAMP: lambda a: _sample(a, "xy"),
    Figure.CORR: _corr,
    Figure.REGR_R2: lambda a: _corr(a) ** 2,
    Figure.REGR_SLOPE: _slope,
    Figure.REGR_INTERCEPT: lambda a: a["middle y"] - _slope(a) * a["middle x"],
}
