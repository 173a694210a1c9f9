"""A release as a chart: a Vega-Lite specification with error bars, which notebooks draw and which needs no package.

What is drawn is what was released: the figure, and the 95 % interval that its noise leaves. A value without an interval
has no bar; a NULL is left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from engine.client.units import heading
from engine.errors import Refused
from engine.figures import plain, text
from engine.sql.finish import Answer
from engine.trusted.plan import Type

SCHEMA = "https://vega.github.io/schema/vega-lite/v5.json"  # names the form; nothing is fetched from there
LOW, HIGH = "95% low", "95% high"
NONE: Mapping[str, str] = {}
MIME = "application/vnd.vegalite.v5+json"
_SCALES = {Type.DATE: "temporal", Type.INTEGER: "ordinal", Type.DECIMAL: "quantitative"}


@dataclass(frozen=True)
class Chart:
    """``spec``: the specification; ``words``: the same as a plain table, for where nothing draws."""

    spec: Mapping[str, Any]
    words: str

    def __repr__(self) -> str:
        return self.words

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:
        return {MIME: dict(self.spec), "text/plain": self.words}


def chart_of(
    answer: Answer, words: str, x: str | None = None, y: str | None = None, colour: str | None = None
) -> Chart:
    """One mark a row: ``x`` a key, ``y`` a figure, ``colour`` another key; by default the first of each there is.
    Further keys are told by the colour too, with ``colour`` first: no mark hides another.

    Without keys, each figure is a bar of its own name. Refused SQL_PLOT for names that are no such columns.
    """
    figures = _figures(answer)
    keys = [name for name in answer.columns if name not in figures]
    _require((y is None or y in figures) and bool(figures), figures)
    _require(all(name is None or name in keys for name in (x, colour)), figures)
    chosen = y or figures[0]
    if not keys:
        named = {name: heading(name, answer.unit_of(answer.columns.index(name))) for name in figures}
        return Chart(_spec(_folded(answer, named), ("column", "nominal"), "value", None), words)
    first = x or keys[0]
    others = sorted((key for key in keys if key != first), key=lambda key: key != colour)
    values, second = _points(answer, keys, chosen), _joined_name(others, answer.columns)
    for value in values if len(others) > 1 else ():
        value[str(second)] = ", ".join(_word(value[key]) for key in others)
    titles = {name: heading(name, answer.unit_of(place)) for place, name in enumerate(answer.columns)}
    return Chart(_spec(values, (first, _scale(answer, first)), chosen, second, titles), words)


def _joined_name(keys: list[str], taken: tuple[str, ...]) -> str | None:
    """What keys that one colour tells are called together: as no column is, if they are several."""
    if len(keys) < 2:
        return keys[0] if keys else None
    name = ", ".join(keys)
    while name in (*taken, LOW, HIGH):
        name += "'"
    return name


def _figures(answer: Answer) -> list[str]:
    """The columns of numbers with noise; if there are none, those of decimals."""
    noisy = {name for row in answer.intervals for name in row}
    numbers = [n for n, t in zip(answer.columns, answer.types, strict=True) if t is Type.DECIMAL]
    return [name for name in answer.columns if name in noisy] or numbers


def _require(holds: bool, figures: list[str]) -> None:
    if not holds:
        raise Refused("SQL_PLOT", figures=", ".join(figures) or "no figure")


def _scale(answer: Answer, name: str) -> str:
    return _SCALES.get(answer.types[answer.columns.index(name)], "nominal")


def _points(answer: Answer, keys: list[str], figure: str) -> list[dict[str, Any]]:
    found = []
    for row, intervals in zip(answer.rows, answer.intervals, strict=True):
        named = {name: _value(value) for name, value in zip(answer.columns, row, strict=True)}
        if named[figure] is not None:
            shown = {key: named[key] for key in keys}
            found.append({**shown, figure: named[figure], **_ends(intervals.get(figure))})
    return found


def _folded(answer: Answer, figures: Mapping[str, str]) -> list[dict[str, Any]]:
    """``figures``: their names, and how each is called in the chart."""
    return [
        {"column": called, "value": _value(row[answer.columns.index(name)]), **_ends(intervals.get(name))}
        for row, intervals in zip(answer.rows, answer.intervals, strict=True)
        for name, called in figures.items()
        if row[answer.columns.index(name)] is not None
    ]


def _value(value: Any) -> Any:
    return value.isoformat() if isinstance(value, date) else plain(value)


def _word(value: Any) -> str:
    return str(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else text(value)


def _ends(interval: tuple[float, float] | None) -> dict[str, float]:
    return {} if interval is None else {LOW: float(interval[0]), HIGH: float(interval[1])}


def _field(name: str, kind: str, title: str = "") -> dict[str, Any]:
    """Dots and brackets would be read as a path."""
    path = "".join(f"\\{c}" if c in "\\.[]" else c for c in name)
    return {"field": path, "type": kind, "title": title or name}


def _spec(
    values: list[dict[str, Any]], x: tuple[str, str], y: str, colour: str | None, titles: Mapping[str, str] = NONE
) -> dict[str, Any]:
    """``titles``: of columns whose axis says more than their name."""
    name, kind = x
    line = kind in ("temporal", "quantitative")
    across = _field(name, kind, titles.get(name, name))
    across = across if line else {**across, "sort": None}  # in the order of the answer
    title = titles.get(y, y)
    encoding: dict[str, Any] = {"x": across}
    if colour is not None:
        encoding["color"] = _field(colour, "nominal")
        encoding |= {} if line else {"xOffset": _field(colour, "nominal")}
    mark: dict[str, Any] = {"type": "line", "point": True} if line else {"type": "bar", "opacity": 0.7}
    low, high = _field(LOW, "quantitative"), {"field": HIGH}
    return {
        "$schema": SCHEMA,
        "description": f"{y} by {name}, with 95 % intervals of the noise",
        "data": {"values": values},
        "encoding": encoding,
        "layer": [
            {"mark": mark, "encoding": {"y": _field(y, "quantitative", title)}},
            {"mark": {"type": "rule", "strokeWidth": 2}, "encoding": {"y": {**low, "title": title}, "y2": high}},
        ],
    }
