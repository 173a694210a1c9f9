"""Differences of two releases, with the noise of both."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from fractions import Fraction
from random import Random

import pytest

from engine.cli.main import run
from engine.client.compare import Comparison, compare_answers
from engine.errors import Refused
from engine.governance.homes import set_coordinator
from engine.sql.finish import Answer
from engine.trusted.plan import Type
from tests.record.conftest import SQL, Bench, released

Z = 1.959963984540054


def answer(values: dict[str, float | None], half: float | tuple[float, float] = 10.0) -> Answer:
    below, above = half if isinstance(half, tuple) else (half, half)
    intervals = tuple({} if v is None else {"n": (v - below, v + above)} for v in values.values())
    rows = tuple(values.items())
    return Answer(("region", "n"), (Type.TEXT, Type.INTEGER), rows, intervals, ({},) * len(rows), ())


def test_intervals_add_as_squares_and_what_noise_does_not_explain_is_marked() -> None:
    found = compare_answers(answer({"N": 100, "S": 100}, 30.0), answer({"S": 150, "N": 151}, 40.0))
    assert found.keys == ("region",)
    assert [(d.key, d.difference, d.low, d.high, d.stands) for d in found.differences] == [
        (("N",), 51.0, 1.0, 101.0, True),
        (("S",), 50.0, 0.0, 100.0, False),
    ]


def test_intervals_that_are_not_symmetric() -> None:
    (found,) = compare_answers(answer({"N": 10}, (3.0, 6.0)), answer({"N": 20}, (8.0, 4.0))).differences
    assert (found.low, found.high) == (10 - math.hypot(8, 6), 10 + math.hypot(4, 3))


def test_rows_of_one_release_only_and_values_that_are_missing() -> None:
    found = compare_answers(answer({"N": 1, "S": 2, "E": None}), answer({"S": 2, "W": 3, "E": 4}))
    assert [d.key for d in found.differences] == [("S",)]
    assert found.alone == (("N",), ("W",))


def shapes() -> list[tuple[Answer, Answer]]:
    one = answer({"N": 1})
    return [
        (one, replace(one, columns=("region", "m"))),
        (one, replace(one, types=(Type.TEXT, Type.DECIMAL))),
        (one, answer({"W": 1})),
        (one, replace(one, rows=one.rows * 2, intervals=one.intervals * 2)),
        (replace(one, columns=("n", "n")),) * 2,
    ]


@pytest.mark.parametrize("pair", shapes())
def test_other_shapes_are_refused(pair: tuple[Answer, Answer]) -> None:
    with pytest.raises(Refused, match="POLICY_RELEASES_DIFFER"):
        compare_answers(*pair)


def covered(scale: float, tries: int = 4000) -> int:
    """How often the interval holds the true difference, when the second release's noise is said to be ``scale`` of
    what it is. True noise: 30 and 40."""
    chance = Random(5)
    hits = 0
    for _ in range(tries):
        first, second = answer({"N": chance.gauss(0, 30)}, Z * 30), answer({"N": chance.gauss(7, 40)}, Z * 40 * scale)
        (found,) = compare_answers(first, second).differences
        hits += found.low <= 7 <= found.high
    return hits


def test_intervals_hold_the_true_difference_as_often_as_they_say() -> None:
    """95 % of 4,000; the seed is fixed. For a fresh seed a false alarm (5.2 standard deviations) has chance 2e-7; noise
    left out, or understated by 30 %, is found."""
    spread = math.sqrt(4000 * 0.95 * 0.05)
    assert abs(covered(1.0) - 3800) < 5.2 * spread
    for wrong in (0.0, 0.7):
        assert 3800 - covered(wrong) > 5.2 * spread


def test_the_command(bench: Bench, request_id: str, capsys: pytest.CaptureFixture[str]) -> None:
    second, _ = released(bench, Fraction(17, 8))
    other, _ = released(bench, Fraction(18, 8), SQL.replace("AS n", "AS persons"))
    set_coordinator(bench.home("analyst"), bench.coordinator.address)
    home = ["--home", str(bench.home("analyst").path)]
    assert run(["release", "compare", request_id, second, *home]) == 0
    shown = capsys.readouterr().out
    assert "B - A" in shown
    assert "0 of 2" in shown  # the doubles add no noise: no difference stands
    assert run(["release", "compare", request_id, second, "--json", *home]) == 0
    document = json.loads(capsys.readouterr().out)
    assert [(d["key"], d["difference"], d["stands"]) for d in document["differences"]] == [
        ({"region": "N"}, 0.0, False),
        ({"region": "S"}, 0.0, False),
    ]
    assert all(d["interval"][0] < 0 < d["interval"][1] for d in document["differences"])
    for pair in ((request_id, request_id), (request_id, other)):
        assert run(["release", "compare", *pair, *home]) == 3
        assert "POLICY_RELEASES_DIFFER" in capsys.readouterr().err


def test_nothing_to_compare_is_no_error() -> None:
    empty = replace(answer({}), rows=(), intervals=())
    assert compare_answers(empty, empty) == Comparison(("region", "n"), (), ())
