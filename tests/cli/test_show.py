"""Tables and figures as people see them."""

from __future__ import annotations

import pytest

from engine.cli.show import answer_table, console, new_table, percent
from engine.sql.finish import Answer
from engine.trusted.plan import Type


def shown(capsys: pytest.CaptureFixture[str], table: object) -> list[str]:
    console().print(table)
    return capsys.readouterr().out.splitlines()


def test_whole_numbers_print_whole_however_small_the_noise(capsys: pytest.CaptureFixture[str]) -> None:
    answer = Answer(
        columns=("n", "mean"),
        types=(Type.INTEGER, Type.DECIMAL),
        rows=((36, 5.25), (9_007_199_254_740_993, None)),
        intervals=({"n": (35.7, 36.3), "mean": (5.0, 5.5)}, {"n": (0.0, 1.0)}),
        deviations=({}, {}),
        notes=(),
    )
    table = shown(capsys, answer_table(answer, [{"n": 35, "mean": 5}, {"n": 1_000, "mean": None}]))
    assert [line.split() for line in table if "36" in line] == [["36", "±", "0.30", "35", "5.25", "±", "0.25", "5.00"]]
    assert [line.split()[0] for line in table if "9," in line] == ["9,007,199,254,740,993"]


def test_a_table_nobody_watches_has_its_full_width(capsys: pytest.CaptureFixture[str]) -> None:
    table = new_table()
    cells = [str(n) * 64 for n in range(4)]
    for cell in cells:
        table.add_column(cell, overflow="fold")
    table.add_row(*cells)
    lines = shown(capsys, table)
    assert [line.split() for line in lines if line.strip("─ ")] == [cells, cells]
    assert max(map(len, lines)) < 300


@pytest.mark.parametrize(
    ("share", "words"), [(1.0, "100.0 %"), (0.99999, "99.9 %"), (0.98649, "98.6 %"), (0.0004, "0.0 %"), (0.0, "0.0 %")]
)
def test_a_share_is_rounded_down(share: float, words: str) -> None:
    assert percent(share) == words
