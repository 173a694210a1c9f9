"""The axis of a drawing: whatever the figures are, it has a length, holds them, and its ticks go up."""

from __future__ import annotations

import pytest

from engine.desk.ticks import axis_of

ENDS = [
    (-1e-15, 2e-15),
    (1e-13, 1.01e-13),
    (0.0, 0.0),
    (7.0, 7.0),
    (1e17, 1e17),
    (1e300, 1e300),
    (9e15, 9e15 + 4),
    (-5.0, 3.0),
    (48.7, 91.3),
    (-1e300, 1e300),
]


@pytest.mark.parametrize(("least", "most"), ENDS)
def test_an_axis_holds_what_is_drawn_on_it(least: float, most: float) -> None:
    axis = axis_of(least, most)
    assert axis.first <= least <= most <= axis.last
    assert list(axis.ticks) == sorted(set(axis.ticks))
    assert 0 <= axis.share(least) <= axis.share(most) <= 1
    assert len(axis.ticks) <= 9
    assert all(axis.words(tick) for tick in axis.ticks)


@pytest.mark.parametrize(
    ("least", "most", "ends"),
    [(91.0, 101.6, (90, 102)), (0.0, 101.6, (0, 120)), (0.0, 100.0, (0, 100)), (-3.0, 7.0, (-4, 8)), (0, 51, (0, 60))],
)
def test_an_axis_ends_where_the_figures_do(least: float, most: float, ends: tuple[float, float]) -> None:
    axis = axis_of(least, most)
    assert (axis.first, axis.last) == ends
    assert 3 <= len(axis.ticks) - 1 <= 7
