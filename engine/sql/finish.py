"""From opened cells to the answer people read: figures, HAVING, ORDER BY, LIMIT, intervals.

Everything here works on released numbers on the analyst's own machine, after noise, and so costs no privacy. Figures
are shown as they came out: unclamped, so that sums of them stay unbiased; only means are kept inside the bounds of
the values they are over.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING

from engine.errors import Bug
from engine.sql.consistency import settled
from engine.sql.evaluate import evaluate
from engine.sql.figures import Group, Line, Unit, groups_of, leaf_value, units_of
from engine.sql.statement import Cut, Keep, Ordering, Output, Statement, Step, Widen, WindowLeaf
from engine.trusted.catalogue import Catalogue
from engine.trusted.plan import LiteralValue, Type
from engine.trusted.records import Calibration
from engine.trusted.selection import selected_key

if TYPE_CHECKING:
    import numpy as np

SEED = 1
Shown = int | float | Decimal | date | str | bool | None


@dataclass(frozen=True, slots=True)
class Answer:
    """A table with, for each row, what is known of the error of its noisy columns.

    ``intervals``: column -> (low, high) at 95 %, one mapping a row; ``deviations``: column -> standard deviation.
    Columns without noise (keys, literals) and NULLs have no entry. ``units``: one a column, empty where none is sure;
    the client knows them (engine/client/units.py).
    """

    columns: tuple[str, ...]
    types: tuple[Type, ...]
    rows: tuple[tuple[Shown, ...], ...]
    intervals: tuple[Mapping[str, tuple[float, float]], ...]
    deviations: tuple[Mapping[str, float], ...]
    notes: tuple[str, ...]
    units: tuple[str, ...] = ()

    def unit_of(self, place: int) -> str:
        return self.units[place] if self.units else ""


def finish(
    statement: Statement,
    catalogue: Catalogue,
    calibration: Calibration,
    cells: tuple[int, ...],
    survivors: int,
    generator: np.random.Generator | None = None,
) -> Answer:
    """The answer of a statement from its noisy sums.

    ``cells``: signed sums in ring units, in the order of ``layout_of``, without the check cell; ``survivors``: how
    many nodes are in them. ``generator`` draws the simulations behind intervals of derived figures; by default it has
    a fixed seed, so the same cells give the same page.
    """
    if len(cells) != calibration.cells:
        raise Bug("BUG_UNEXPECTED", internal=f"{len(cells)} cells")
    units = units_of(statement, catalogue, calibration, survivors)
    groups = settled(statement, catalogue, units, groups_of(statement, catalogue, units, cells))
    groups = tuple(group for group in groups if not _fills(group, statement))
    lines = [_line(statement, i, group, units) for i, group in enumerate(groups)]
    widened: list[tuple[Widen, list[Line]]] = []
    for step in statement.steps:
        if isinstance(step, Widen):
            widened.append((step, lines))
        lines = _stepped(step, lines)
    lines = _stepped(Cut(statement.order, statement.limit, statement.offset), lines)
    intervals, deviations = _spreads(statement, units, lines, widened, generator)
    return Answer(
        columns=tuple(name for name, _ in statement.columns),
        types=tuple(kind for _, kind in statement.columns),
        rows=tuple(tuple(_shown(o, evaluate(o.expression, line.leaves)) for o in statement.outputs) for line in lines),
        intervals=intervals,
        deviations=deviations,
        notes=statement.notes,
    )


def _fills(group: Group, statement: Statement) -> bool:
    """Whether the group's value of a selected key only fills the list up."""
    key = selected_key(statement.plan.aggregate)
    return key is not None and key in group.kept and group.keys[key] in {filler.value for filler in statement.fillers}


def _line(statement: Statement, index: int, group: Group, units: tuple[Unit, ...]) -> Line:
    return Line(index, group, {name: leaf_value(leaf, group, units) for name, leaf in statement.leaves})


def _stepped(step: Step, lines: list[Line]) -> list[Line]:
    match step:
        case Keep(condition=condition):
            return [line for line in lines if evaluate(condition, line.leaves) is True]
        case Widen(windows=windows):
            return _widened(windows, lines)
        case Cut(order=order, limit=limit, offset=offset):
            return _ordered(order, lines)[offset : None if limit is None else offset + limit]


def _widened(windows: tuple[tuple[str, WindowLeaf], ...], lines: list[Line]) -> list[Line]:
    """The lines with a leaf more for each window function."""
    from engine.sql.frames import shown

    for name, leaf in windows:
        found = shown(leaf, [line.leaves for line in lines])
        lines = [
            Line(line.index, line.group, {**line.leaves, name: value}) for line, value in zip(lines, found, strict=True)
        ]
    return lines


def _ordered(keys: tuple[Ordering, ...], lines: list[Line]) -> list[Line]:
    """By ORDER BY, last key first since sorting is stable; else in the order of the keys' values."""
    for order in reversed(keys):
        valued = [(evaluate(order.expression, line.leaves), line) for line in lines]
        nulls = [line for value, line in valued if value is None]
        known = sorted(
            ((value, line) for value, line in valued if value is not None),
            key=lambda pair: pair[0],
            reverse=order.descending,
        )
        rest = [line for _, line in known]
        lines = nulls + rest if order.nulls_first else rest + nulls
    return lines


def _spreads(
    statement: Statement,
    units: tuple[Unit, ...],
    lines: list[Line],
    widened: list[tuple[Widen, list[Line]]],
    generator: np.random.Generator | None,
) -> tuple[tuple[Mapping[str, tuple[float, float]], ...], tuple[Mapping[str, float], ...]]:
    import numpy as np

    from engine.sql.spread import DRAWS, Simulation

    draws = DRAWS if len(lines) <= 1_000 else DRAWS // 4
    simulation = Simulation(dict(statement.leaves), units, generator or np.random.default_rng(SEED), draws)
    for step, held in widened:
        simulation.widen(step.windows, held)
    noisy = [o for o in statement.outputs if o.type in (Type.INTEGER, Type.DECIMAL)]
    noisy = [o for o in noisy if simulation.is_figure(o.expression)]
    intervals: list[Mapping[str, tuple[float, float]]] = []
    deviations: list[Mapping[str, float]] = []
    for line in lines:
        found = {o.name: simulation.spread(o.expression, evaluate(o.expression, line.leaves), line) for o in noisy}
        intervals.append({name: (s.low, s.high) for name, s in found.items() if s is not None})
        deviations.append({name: s.deviation for name, s in found.items() if s is not None})
    return tuple(intervals), tuple(deviations)


def _shown(output: Output, value: LiteralValue) -> Shown:
    """A value as the column's type has it; decimals as floats."""
    if isinstance(value, Fraction) or (output.type is Type.DECIMAL and isinstance(value, int)):
        try:
            return int(value) if output.type is Type.INTEGER else float(value)
        except OverflowError:
            return None
    return value
