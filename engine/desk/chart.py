"""An answer as drawings with their 95 % intervals: one for each figure with noise, drawn here, without any script.

Groups become rows with a bar or a dot; a single key that is a number or a date, with enough values, becomes a line over
its axis. Everything drawn stands in the table beside it too; the description says what it shows. Nothing is told apart
by colour alone: a figure is a dot, its interval a line with ends, an exact figure a cross.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from markupsafe import Markup, escape

from engine.client.units import heading
from engine.desk.ticks import Axis, axis_of
from engine.figures import text
from engine.governance.letters import plain
from engine.sql.finish import Answer

WIDTH, LABELS, RIGHT, ROW, TOP, FOOT = 560, 160, 24, 28, 8, 34
LINE_HEIGHT, LINE_LEFT = 280, 70
LETTER = 8  # a digit of an axis, in its drawing, and some room
MOST_ROWS, MOST_FIGURES, LEAST_LINE, LETTERS = 40, 4, 8, 21


@dataclass(frozen=True, slots=True)
class Point:
    """One figure of one row; ``at``: its place on the axis of a line."""

    label: str
    value: float
    low: float
    high: float
    exact: float | None = None
    at: float | None = None


@dataclass(frozen=True, slots=True)
class Drawing:
    """``note``: what a reader must know of its axis."""

    title: str
    svg: Markup
    note: str


def drawings(answer: Answer, exact: Sequence[Mapping[str, Any]] = ()) -> tuple[Drawing, ...]:
    """Of the first few figures with noise; none where there are too many rows. ``exact``: one mapping a row."""
    noisy = [name for name in answer.columns if any(name in row for row in answer.intervals)]
    if len(set(answer.columns)) < len(answer.columns):
        return ()
    keys = [name for name in answer.columns if name not in noisy]
    of = {name: answer.unit_of(place) for place, name in enumerate(answer.columns)}
    made = []
    for number, name in enumerate(noisy[:MOST_FIGURES], 1):
        points, title = list(_points(answer, keys, name, exact)), heading(name, of[name])
        if len(keys) == 1 and len(points) >= LEAST_LINE and all(point.at is not None for point in points):
            made.append(
                _line(
                    f"figure-{number}", title, heading(keys[0], of[keys[0]]), sorted(points, key=lambda p: p.at or 0.0)
                )
            )
        elif 0 < len(points) <= MOST_ROWS:
            made.append(_rows(f"figure-{number}", title, points, of[name]))
    return tuple(made)


def bars(name: str, title: str, points: Sequence[Point]) -> tuple[Drawing, ...]:
    """Figures that stand in no answer, a row each; ``name``: of the drawing in its page. None where there are none or
    too many."""
    return (_rows(name, title, points),) if 0 < len(points) <= MOST_ROWS else ()


def _points(answer: Answer, keys: list[str], name: str, exact: Sequence[Mapping[str, Any]]) -> Iterator[Point]:
    """Rows whose figure is there, and has an interval."""
    for place, (row, spans) in enumerate(zip(answer.rows, answer.intervals, strict=True)):
        named = dict(zip(answer.columns, row, strict=True))
        if named[name] is None or name not in spans:
            continue
        low, high = (float(end) for end in spans[name])
        known = exact[place].get(name) if exact else None
        label = ", ".join(plain(text(named[key])) for key in keys) or name
        at = _place(named[keys[0]]) if len(keys) == 1 else None
        value: Any = named[name]
        yield Point(label, float(value), low, high, None if known is None else float(known), at)


def _place(value: Any) -> float | None:
    """Where a key stands on an axis; None for one that has no order of its own."""
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, date):
        return float(value.toordinal())
    return float(value) if isinstance(value, int | float | Decimal) else None


def _axis(points: Sequence[Point]) -> Axis:
    values = [v for p in points for v in (p.low, p.high, p.value, p.exact) if v is not None and math.isfinite(v)]
    return axis_of(min(values), max(values))


# -- groups, one below the other


def _rows(name: str, title: str, points: Sequence[Point], unit: str = "") -> Drawing:
    axis, height = _axis(points), TOP + ROW * len(points) + FOOT
    start, end, base = LABELS, WIDTH - RIGHT, TOP + ROW * len(points)

    def x(value: float) -> str:
        return f"{start + (end - start) * axis.share(value):.1f}"

    parts = [f'<path class="grid" d="M{x(tick)} {TOP}V{base}"/>' for tick in axis.ticks]
    parts += [
        f'<text class="tick" x="{x(tick)}" y="{base + 20}" text-anchor="middle">{axis.words(tick)}</text>'
        for tick in _told(axis, end - start)
    ]
    if unit:
        before = start - 10 - LETTER * len(axis.words(axis.first)) / 2  # the first number stands around the axis' end
        below = f'x="{before:g}" y="{base + 20}" text-anchor="end"'
        parts.append(f'<text class="tick" {below}>{escape(_short(plain(unit)))}</text>')
    for place, p in enumerate(points):
        y = TOP + ROW * place + ROW / 2
        label = _short(p.label)
        parts.append(f'<text class="label" x="{start - 10}" y="{y + 5}" text-anchor="end">{escape(label)}</text>')
        if axis.zero:
            left, right = sorted((float(x(0.0)), float(x(p.value))))
            parts.append(f'<rect class="mark" x="{left:.1f}" y="{y - 8}" width="{right - left:.1f}" height="16"/>')
        parts.append(
            f'<path class="spread" d="M{x(p.low)} {y}H{x(p.high)}M{x(p.low)} {y - 6}v12M{x(p.high)} {y - 6}v12"/>'
        )
        parts.append(f'<circle class="dot" cx="{x(p.value)}" cy="{y}" r="4"/>')
        if p.exact is not None:
            parts.append(f'<path class="exact" d="M{x(p.exact)} {y}m-5 -5l10 10m0 -10l-10 10"/>')
    parts.append(f'<path class="axis" d="M{start} {TOP}V{base}H{end}"/>')
    return _drawn(name, title, f"{title} for {len(points)} groups", "".join(parts), height, points, axis)


def _told(axis: Axis, width: float) -> tuple[float, ...]:
    """The ticks whose numbers stand side by side below an axis of that width: every one, every second, ..."""
    longest = max(len(axis.words(tick)) for tick in axis.ticks)
    return axis.ticks[:: math.ceil((longest + 1) * LETTER * (len(axis.ticks) - 1) / width)]


def _short(words: str) -> str:
    return words if len(words) <= LETTERS else words[: LETTERS - 1] + "…"


# -- a line over an axis of its own


def _line(name: str, title: str, key: str, points: Sequence[Point]) -> Drawing:
    axis, base = _axis(points), LINE_HEIGHT - FOOT - 10
    start, end = LINE_LEFT, WIDTH - RIGHT
    first, last = points[0].at or 0.0, points[-1].at or 0.0

    def x(p: Point) -> str:
        return f"{start + (end - start) * (((p.at or 0.0) - first) / (last - first) if last > first else 0.5):.1f}"

    def y(value: float) -> str:
        return f"{base - (base - TOP) * axis.share(value):.1f}"

    parts = [
        f'<path class="grid" d="M{start} {y(tick)}H{end}"/>'
        f'<text class="tick" x="{start - 8}" y="{float(y(tick)) + 5:.1f}" text-anchor="end">{axis.words(tick)}</text>'
        for tick in axis.ticks
    ]
    upper = "L".join(f"{x(p)} {y(p.high)}" for p in points)
    lower = "L".join(f"{x(p)} {y(p.low)}" for p in reversed(points))
    parts.append(f'<path class="band" d="M{upper}L{lower}Z"/>')
    parts.append(f'<path class="course" d="M{"L".join(f"{x(p)} {y(p.value)}" for p in points)}"/>')
    parts += [f'<path class="spread" d="M{x(p)} {y(p.low)}V{y(p.high)}"/>' for p in points]
    parts += [f'<circle class="dot" cx="{x(p)}" cy="{y(p.value)}" r="3.5"/>' for p in points]
    known = ((p, p.exact) for p in points if p.exact is not None)
    parts += [f'<path class="exact" d="M{x(p)} {y(exact)}m-4 -4l8 8m0 -8l-8 8"/>' for p, exact in known]
    parts.append(f'<path class="axis" d="M{start} {TOP}V{base}H{end}"/>')
    step = max(1, math.ceil(len(points) / 6))
    parts += [
        f'<text class="tick" x="{x(p)}" y="{base + 20}" text-anchor="middle">{escape(p.label)}</text>'
        for p in points[::step]
    ]
    return _drawn(name, title, f"{title} by {key}", "".join(parts), LINE_HEIGHT, points, axis)


def _drawn(
    name: str, title: str, about: str, inside: str, height: float, points: Sequence[Point], axis: Axis
) -> Drawing:
    """The drawing with its title and its description; ``inside`` is made of numbers and escaped texts only."""
    most, least = max(points, key=lambda p: p.value), min(points, key=lambda p: p.value)
    said = f"Largest: {most.label}, {axis.words(most.value)}. Smallest: {least.label}, {axis.words(least.value)}."
    head = (
        f'<svg class="chart" viewBox="0 0 {WIDTH} {height:g}" width="{WIDTH}" height="{height:g}" role="img"'
        f' aria-labelledby="{name}-title {name}-about"><title id="{name}-title">{escape(plain(about))}</title>'
        f'<desc id="{name}-about">{escape(said)} All figures stand in the table, with their intervals.</desc>'
    )
    note = "" if axis.zero else "The axis does not begin at 0."
    return Drawing(plain(title), Markup(head + inside + "</svg>"), note)  # noqa: S704
