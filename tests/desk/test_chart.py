"""Drawings of answers: what stands on their axes."""

from __future__ import annotations

import itertools
import re

import pytest

from engine.desk.chart import LETTER, Point, bars


@pytest.mark.parametrize("most", [3.0, 101.6, 26_000.0, 5_181_000.0, 340_000_000.0])
def test_numbers_below_an_axis_stand_apart(most: float) -> None:
    (drawing,) = bars("figure", "n", [Point("N", most / 2, most / 3, most), Point("S", most, most, most)])
    told = re.findall(r'<text class="tick" x="([\d.]+)" [^>]*>([\d,.]+)</text>', drawing.svg)
    assert len(told) >= 2
    ends = [(float(x) - LETTER * len(words) / 2, float(x) + LETTER * len(words) / 2) for x, words in told]
    assert all(left[1] < right[0] for left, right in itertools.pairwise(ends))
