"""Totals that add up: released cells of several grouping sets replaced by their least squares estimate.

Each grouping set is released with its own noise, so a subtotal differs from the sum of its parts, and both know
something of the other. Of all tables whose sets add up, the estimate is the one nearest to what was released. Cells of
one measure have independent noise of one size, so that is a projection, and closed: the part of a table that varies
over the keys T and over no others (each axis of T centred, the rest summed up) is measured by every set S that holds
T, with a variance of as many cells as S sums up, and parts are independent of each other. Their weighted means put
together again give the finest table; all other sets are its sums. Variances of cells follow in the same way.

It is used where the truth adds up: sets that differ in keys under which every row is listed, measures that are sums
over rows, no group of a person left out. It works on released numbers and costs nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import accumulate, chain, combinations
from math import prod, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.sql.figures import Group, Unit
from engine.sql.statement import Statement
from engine.trusted.catalogue import Catalogue
from engine.trusted.domains import domain_of, scope_of
from engine.trusted.plan import Aggregate, Statistic
from engine.trusted.stability import stability_of

MOST_KEYS = 10  # that sets of one family may have: parts are subsets of them
ROUNDING = 1 / 6  # variance, in what is rounded to, of a difference of two rounded sums
WORTH = 0.05  # of the noise's variance, that rounding may add
Floats = NDArray[np.float64]
Keys = tuple[int, ...]
Family = tuple[int, ...]  # positions of grouping sets, the one with all keys first


def settled(
    statement: Statement, catalogue: Catalogue, units: Sequence[Unit], groups: Iterable[Group]
) -> tuple[Group, ...]:
    """The groups, in their order, with sums that add up and the smaller noise they then have."""
    found, aggregate = list(groups), statement.plan.aggregate
    sizes = [prod(_shape(aggregate, chosen.keys)) for chosen in aggregate.grouping_sets]
    starts = [0, *accumulate(sizes)]
    sums = [list(group.sums) for group in found]
    for family in families(aggregate, catalogue):
        for measure in _additive(aggregate, catalogue):
            unit = units[measure]
            held = {
                place: [int(sums[i][measure] / unit.ring) for i in range(starts[place], starts[place + 1])]
                for place in family
            }
            for place, cells in _estimate(aggregate, family, held, _quantum(unit, aggregate, family)).items():
                for index, cell in enumerate(cells, starts[place]):
                    sums[index][measure] = cell * unit.ring
    scales = noise_scales(statement, catalogue, units)
    places = chain.from_iterable([place] * size for place, size in enumerate(sizes))
    return tuple(
        replace(group, sums=tuple(own), scales=scales[place])
        for group, own, place in zip(found, sums, places, strict=True)
    )


def noise_scales(statement: Statement, catalogue: Catalogue, units: Sequence[Unit]) -> tuple[Mapping[int, float], ...]:
    """For each grouping set: measure -> deviation of its estimates by that of a released cell; 1 is left out."""
    aggregate = statement.plan.aggregate
    scales: list[dict[int, float]] = [{} for _ in aggregate.grouping_sets]
    for family in families(aggregate, catalogue):
        sets = [aggregate.grouping_sets[place].keys for place in family]
        for place in family:
            keys = aggregate.grouping_sets[place].keys
            variance = cell_variance(keys, sets, _sizes(aggregate))
            for measure in _additive(aggregate, catalogue):
                size = float(_quantum(units[measure], aggregate, family) * units[measure].ring)
                rounding = ROUNDING * (size / units[measure].deviation) ** 2 * _runs(keys, sets[0], _sizes(aggregate))
                scales[place][measure] = sqrt(variance + rounding)
    return tuple(scales)


def families(aggregate: Aggregate, catalogue: Catalogue) -> tuple[Family, ...]:
    """Sets whose truth adds up, two or more, where one of them has all keys of the others."""
    stability, scope = stability_of(aggregate.input, catalogue), scope_of(aggregate.input, catalogue)
    if stability.groups < stability.rows:
        return ()  # nodes leave groups of a person out, other ones in each set
    domains = [domain_of(key.expression, scope) for key in aggregate.keys]
    listed = [not key.selected_at_most for key in aggregate.keys]
    full = [known and (d.null_key or not d.nullable) for d, known in zip(domains, listed, strict=True)]
    classes: dict[Keys, list[int]] = {}
    for place, chosen in enumerate(aggregate.grouping_sets):
        if all(listed[key] for key in chosen.keys):
            classes.setdefault(tuple(key for key in chosen.keys if not full[key]), []).append(place)
    found = []
    for places in classes.values():
        ordered = sorted(places, key=lambda place: -len(aggregate.grouping_sets[place].keys))
        most = set(aggregate.grouping_sets[ordered[0]].keys)
        below = all(most >= set(aggregate.grouping_sets[place].keys) for place in ordered)
        if len(ordered) > 1 and below and len(most) <= MOST_KEYS:
            found.append(tuple(ordered))
    return tuple(found)


def _additive(aggregate: Aggregate, catalogue: Catalogue) -> Iterator[int]:
    """Measures of which a group's figure is the sum of its parts': not trees, and persons only if each has one row."""
    one_row = stability_of(aggregate.input, catalogue).rows == 1
    for index, measure in enumerate(aggregate.measures):
        persons = measure.statistic is Statistic.COUNT_PERSONS
        if measure.statistic is not Statistic.QUANTILE_TREE and (one_row or not persons):
            yield index


def _sizes(aggregate: Aggregate) -> list[int]:
    return [len(key.values) for key in aggregate.keys]


def _shape(aggregate: Aggregate, keys: Keys) -> tuple[int, ...]:
    sizes = [len(key.values) or key.selected_at_most for key in aggregate.keys]
    return tuple(sizes[key] for key in keys)


def _estimate(
    aggregate: Aggregate, family: Family, cells: Mapping[int, Sequence[int]], step: int
) -> dict[int, list[int]]:
    """Whole multiples of ``step`` for every set, each the sum of the finest; exact integers but for the corrections.

    Corrections are fitted to what the sets differ by, which is noise and small, so doubles are exact enough for them.
    Sums from the first cell on are rounded, and cells are their differences: no range of cells is off by a step.
    """
    finest = aggregate.grouping_sets[family[0]].keys
    table = _table(cells[family[0]], _shape(aggregate, finest))
    residuals: dict[int, Floats] = {}
    for place in family:
        keys = aggregate.grouping_sets[place].keys
        differs = _table(cells[place], _shape(aggregate, keys)) - _summed(table, finest, keys)
        residuals[place] = np.array(differs, dtype=np.float64)  # of Python integers; no axes, no array
    sets = {place: aggregate.grouping_sets[place].keys for place in family}
    corrected = fitted(finest, [(sets[place], residuals[place]) for place in family])
    drift = np.cumsum(corrected.ravel()).tolist()
    reached = [
        (2 * (own + round(by)) + step) // (2 * step)
        for own, by in zip(accumulate(cells[family[0]]), drift, strict=True)
    ]
    whole = [(here - before) * step for here, before in zip(reached, [0, *reached], strict=False)]
    rounded = _table(whole, table.shape)
    return {place: _summed(rounded, finest, sets[place]).ravel().tolist() for place in family}


def _table(cells: Sequence[int], shape: tuple[int, ...]) -> NDArray[Any]:
    """Python integers in an array: sums of cells may pass 2^63."""
    found = np.empty(len(cells), dtype=object)
    found[:] = cells
    return found.reshape(shape)


def _summed(table: NDArray[Any], finest: Keys, keys: Keys) -> NDArray[Any]:
    axes = tuple(axis for axis, key in enumerate(finest) if key not in keys)
    return np.asarray(table.sum(axis=axes) if axes else table, dtype=table.dtype)


def fitted(finest: Keys, tables: Sequence[tuple[Keys, Floats]]) -> Floats:
    """The finest table of the least squares fit to tables of sets of its keys, the finest itself among them."""
    sizes = next(dict(zip(finest, table.shape, strict=True)) for keys, table in tables if keys == finest)
    estimate = np.zeros(tuple(sizes[key] for key in finest))
    for part in _subsets(finest):
        total, weight = np.zeros(tuple(sizes[key] for key in part)), 0.0
        for keys, table in tables:
            if set(part) <= set(keys):
                own = 1 / prod(sizes[key] for key in keys if key not in part)
                total = total + own * _centred(_summed(table, keys, part))
                weight += own
        shape = tuple(sizes[key] if key in part else 1 for key in finest)
        estimate += (total / weight / prod(sizes[key] for key in finest if key not in part)).reshape(shape)
    return estimate


def _centred(table: Floats) -> Floats:
    for axis in range(table.ndim):
        table = table - table.mean(axis=axis, keepdims=True)
    return table


def _subsets(keys: Keys) -> Iterator[Keys]:
    return chain.from_iterable(combinations(keys, size) for size in range(len(keys) + 1))


def cell_variance(keys: Keys, sets: Sequence[Keys], sizes: Sequence[int]) -> float:
    """Variance of an estimated cell of the set ``keys``, where a released cell has 1."""
    total = 0.0
    for part in _subsets(keys):
        weight = sum(1 / prod(sizes[k] for k in held if k not in part) for held in sets if set(part) <= set(held))
        spread = prod(sizes[k] for k in keys if k not in part) ** 2
        total += prod(1 - 1 / sizes[k] for k in part) / weight / spread
    return total


def _quantum(unit: Unit, aggregate: Aggregate, family: Family) -> int:
    """What estimates are multiples of, in ring units: a whole step of the measure, so that figures add up as they are
    shown; one ring unit where noise is so small that rounding to steps would cost more than it is worth.
    """
    finest = aggregate.grouping_sets[family[0]].keys
    runs = max(_runs(aggregate.grouping_sets[place].keys, finest, _sizes(aggregate)) for place in family)
    worth = ROUNDING * runs * float(unit.grid.step) ** 2 <= WORTH * unit.deviation**2
    return int(unit.grid.step / unit.ring) if worth else 1


def _runs(keys: Keys, finest: Keys, sizes: Sequence[int]) -> int:
    """Of how many ranges of neighbouring finest cells a cell of ``keys`` is made."""
    last = max((finest.index(key) for key in keys), default=-1)
    return prod(sizes[key] for key in finest[: last + 1] if key not in keys)
