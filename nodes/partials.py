"""Exact partial sums of one plan over this node's snapshots: integers in ring units, without noise.

Claim: cell c of block b holds multiplier_b times the sum of the measure's whole steps over this node's rows whose
       keys have the c-th values; partials over parts of the rows, split by person, add up to those over all rows.
Because: each grouping set is one query whose groups are placed by the position of their key values in the plan's own
       list (a group whose key is not listed falls in no cell), and sums of integers do not depend on order.
Checked by: tests/sources/test_partials.py::test_partials_of_parts_add_up_to_partials_of_the_whole
            tests/sources/test_partials.py::test_keys_are_placed_in_cell_order
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from fractions import Fraction
from math import prod

from engine.trusted.calibrate import layout_of
from engine.trusted.catalogue import Catalogue
from engine.trusted.plan import Key, Literal, Plan
from engine.trusted.records import Calibration
from engine.trusted.stability import stability_of
from nodes.sources import Row, Source
from nodes.sources.render import query_of
from nodes.tables import Tables


def partials(
    plan: Plan, catalogue: Catalogue, calibration: Calibration, tables: Tables, source: Source
) -> tuple[int, ...]:
    """The cells of all blocks in the order of ``layout_of``; NODE_SOURCE_FAILED, NODE_SNAPSHOT_MISSING."""
    aggregate = plan.aggregate
    dataset = stability_of(aggregate.input, catalogue).datasets[0]
    hash_key = tables.snapshot(dataset).id
    queries = [query_of(aggregate, s, catalogue, source.dialect, hash_key) for s in aggregate.grouping_sets]
    most = max(prod(len(aggregate.keys[k].values) + 1 for k in s.keys) for s in aggregate.grouping_sets)
    results = source.select(tables.databases, queries, most)
    cells = [0] * calibration.cells
    places = [_places(key) for key in aggregate.keys]
    for block in layout_of(aggregate):
        chosen = aggregate.grouping_sets[block.grouping_set].keys
        multiplier = calibration.multipliers[block.measure]
        for row in results[block.grouping_set]:
            cell = _cell(row, [places[k] for k in chosen], block.shape)
            if cell is not None:
                cells[block.offset + cell] += multiplier * int(row[len(chosen) + block.measure] or 0)
    return tuple(cells)


def _cell(row: Row, places: Sequence[dict[object, int]], shape: tuple[int, ...]) -> int | None:
    """Row-major position of a row's key values; None if one of them is not listed."""
    cell = 0
    for value, place, size in zip(row, places, shape, strict=False):
        position = place.get(value)
        if position is None:
            return None
        cell = cell * size + position
    return cell


def _places(key: Key) -> dict[object, int]:
    return {_shown(literal): position for position, literal in enumerate(key.values)}


def _shown(literal: Literal) -> object:
    """A key value as a source shows it: dates as ISO text, decimals as the nearest double."""
    if isinstance(literal.value, date):
        return literal.value.isoformat()
    return float(literal.value) if isinstance(literal.value, Fraction) else literal.value
