"""Answers and forecasts as people read them: plain text at a prompt, HTML in a notebook.

Names and values come from catalogues, statements and other people: in HTML each is escaped, in text nothing is printed
that a terminal would act upon.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

from engine.client.units import heading
from engine.figures import decimals, interval_words, text
from engine.governance.letters import plain
from engine.sql.finish import Answer, Shown
from engine.trusted.plan import Type

if TYPE_CHECKING:
    from engine.client.forecast import ColumnError, Forecast
    from engine.client.rehearse import Rehearsal
    from engine.client.release import Release

MOST_ROWS = 60
_NUMBERS = (Type.INTEGER, Type.DECIMAL)


@dataclass(frozen=True, slots=True)
class Grid:
    """A table of texts. ``right``: which columns are set to the right; ``below``: lines under it."""

    headings: tuple[str, ...]
    right: tuple[bool, ...]
    rows: tuple[tuple[str, ...], ...]
    below: tuple[str, ...] = ()

    def as_text(self) -> str:
        """Columns apart by two spaces, at most ``MOST_ROWS`` rows."""
        lines = [self.headings, *self.rows[:MOST_ROWS]]
        cells = [[plain(cell) for cell in line] for line in lines]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        cells.insert(1, ["─" * width for width in widths])
        shown = [self._line(line, widths) for line in cells]
        return "\n".join((*shown, *self._more(), *map(plain, self.below)))

    def as_html(self) -> str:
        head = "".join(f'<th scope="col"{self._style(i)}>{escape(h)}</th>' for i, h in enumerate(self.headings))
        body = "".join(f"<tr>{self._cells(row)}</tr>" for row in self.rows[:MOST_ROWS])
        below = "".join(f"<p>{escape(line)}</p>" for line in (*self._more(), *self.below))
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{below}"

    def _line(self, cells: Sequence[str], widths: Sequence[int]) -> str:
        set_ = (c.rjust(w) if r else c.ljust(w) for c, w, r in zip(cells, widths, self.right, strict=True))
        return "  ".join(set_).rstrip()

    def _cells(self, row: Sequence[str]) -> str:
        return "".join(f"<td{self._style(i)}>{escape(cell)}</td>" for i, cell in enumerate(row))

    def _style(self, column: int) -> str:
        return ' style="text-align:right"' if self.right[column] else ""

    def _more(self) -> tuple[str, ...]:
        left = len(self.rows) - MOST_ROWS
        return (f"and {left:,} more rows",) if left > 0 else ()


def answer_grid(answer: Answer, below: Iterable[str] = (), exact: Sequence[Mapping[str, Shown]] | None = None) -> Grid:
    """Beside each estimate its 95 % interval and, where given, the exact value."""
    estimates = {name for row in answer.intervals for name in row}
    columns: list[tuple[str, bool]] = []
    for place, (name, kind) in enumerate(zip(answer.columns, answer.types, strict=True)):
        columns.append((heading(name, answer.unit_of(place)), kind in _NUMBERS))
        if name in estimates:
            columns.append(("95 %", False))
            if exact is not None:
                columns.append(("exact", True))
    rows = [
        tuple(cell for place in range(len(answer.columns)) for cell in _cells(answer, index, place, estimates, exact))
        for index in range(len(answer.rows))
    ]
    return Grid(tuple(n for n, _ in columns), tuple(r for _, r in columns), tuple(rows), tuple(below))


def _cells(
    answer: Answer, index: int, place: int, estimates: set[str], exact: Sequence[Mapping[str, Shown]] | None
) -> tuple[str, ...]:
    name, value = answer.columns[place], answer.rows[index][place]
    interval = answer.intervals[index].get(name)
    places = decimals(interval)
    own = 0 if interval and answer.types[place] is Type.INTEGER else places
    if name not in estimates:
        return (text(value, own),)
    beside = (text(value, own), interval_words(value, interval, places))
    return beside if exact is None else (*beside, text(exact[index].get(name), own))


def release_grid(release: Release) -> Grid:
    cost = f"cost epsilon {float(release.epsilon):g} at delta {float(release.delta):g}"
    who = ", ".join(release.survivors)
    told = f"answered by {who}; {'free of charge' if release.repeated else cost}; request {release.request_id[:12]}"
    return answer_grid(release.answer, (told, *release.answer.notes))


def rehearsal_grid(rehearsal: Rehearsal) -> Grid:
    return answer_grid(rehearsal.answer, rehearsal.notes, rehearsal.exact)


def forecast_grid(found: Forecast) -> Grid:
    """One line a column with noise and grouping; a star marks what depends on the data."""
    headings = ("column", "for each", "± 95 %", "figure", "± of it")
    rows = tuple(_error_cells(column) for column in found.columns)
    cost = found.cost
    below = [
        f"cost epsilon {float(cost.epsilon):g} at delta {float(cost.delta):g} at each of {', '.join(cost.nodes)}",
        f"assumed for the figures: {found.assumption.words}",
        *(bias.words for bias in found.bias),
        *found.notes,
        *(advice.words for advice in found.advice),
        "Nothing was asked, read or spent.",
    ]
    if any(not column.exact for column in found.columns):
        below.insert(0, "* depends on the data: stated for values spread evenly over their published bounds")
    return Grid(headings, (False, False, True, True, True), rows, tuple(below))


def _error_cells(column: ColumnError) -> tuple[str, ...]:
    half, relative = column.half_width, column.relative
    name = heading(column.column, column.unit)
    return (
        name if column.exact else f"{name} *",
        ", ".join(column.keys) or "all rows",
        "no usable figure" if half is None else text(half, decimals((-half, half))),
        text(column.figure, None if column.figure is None or abs(column.figure) < 1_000 else 0),
        "" if relative is None else f"{100 * relative:.2g} %",
    )


def table_grid(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> Grid:
    """Rows without noise."""
    right = tuple(
        any(isinstance(row[place], int | float) and not isinstance(row[place], bool) for row in rows)
        for place in range(len(columns))
    )
    return Grid(tuple(columns), right, tuple(tuple(text(value) for value in row) for row in rows))
