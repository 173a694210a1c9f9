"""Exact partial sums of one plan over this node's snapshots: integers in ring units, without noise.

Claim: cell c of block b holds multiplier_b times the sum of the measure's whole steps over this node's rows whose
       keys have the c-th values; partials over parts of the rows, split by person, add up to those over all rows.
Because: each grouping set is one query whose groups are placed by the position of their key values in the plan's own
       list (a group whose key is not listed falls in no cell), and sums of integers do not depend on order. A
         quantile's rows are counted by leaf, and each leaf's count is added to every node above it.
Checked by: tests/sources/test_partials.py::test_partials_of_parts_add_up_to_partials_of_the_whole
            tests/sources/test_partials.py::test_keys_are_placed_in_cell_order
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from fractions import Fraction
from math import prod

from engine.trusted.calibrate import Block, layout_of
from engine.trusted.catalogue import Catalogue
from engine.trusted.domains import scope_of
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
    blocks = layout_of(aggregate, scope_of(aggregate.input, catalogue))
    plain = [b.measure for b in blocks if b.grouping_set == 0 and not b.tree]
    together = ([plain] if plain else []) + [[b.measure] for b in blocks if b.grouping_set == 0 and b.tree]
    asked = [(s, measures) for s in range(len(aggregate.grouping_sets)) for measures in together]
    parts = [replace(aggregate, measures=tuple(aggregate.measures[m] for m in measures)) for _, measures in asked]
    queries = [
        query_of(part, aggregate.grouping_sets[s], catalogue, source.dialect, hash_key)
        for part, (s, _) in zip(parts, asked, strict=True)
    ]
    most = max(prod(size + 1 for size in (*b.shape, b.tree.leaves if b.tree else 0)) for b in blocks)
    results = source.select(tables.databases, queries, most)
    cells = [0] * calibration.cells
    places = [_places(key) for key in aggregate.keys]
    for (s, measures), rows in zip(asked, results, strict=True):
        chosen = [places[k] for k in aggregate.grouping_sets[s].keys]
        for column, m in enumerate(measures):
            _place(rows, column, chosen, blocks[s * len(aggregate.measures) + m], calibration.multipliers[m], cells)
    return tuple(cells)


def _place(
    rows: list[Row], column: int, places: list[dict[object, int]], block: Block, multiplier: int, cells: list[int]
) -> None:
    """Adds one column of a result to the cells of its block; a leaf's count to every node above it too."""
    leaves, nodes = (block.tree.leaves, block.tree.nodes) if block.tree else (1, 1)
    placed = [*places, dict[object, int](zip(range(leaves), range(leaves), strict=True))] if block.tree else places
    for row in rows:
        cell = _cell(row, placed, (*block.shape, leaves))
        if cell is None:
            continue
        group, leaf = divmod(cell, leaves)
        for node in block.tree.path(leaf) if block.tree else (0,):
            cells[block.offset + group * nodes + node] += multiplier * int(row[len(placed) + column] or 0)


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
