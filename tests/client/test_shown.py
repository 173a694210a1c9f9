"""Answers as text, as HTML and as charts: what is shown, and that nothing in it acts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from html.parser import HTMLParser
from itertools import product
from typing import Any

import pytest

from engine.client.plot import HIGH, LOW, MIME, Chart, chart_of
from engine.client.session import Session
from engine.client.shown import MOST_ROWS, answer_grid, table_grid
from engine.errors import Refused
from engine.sql.finish import Answer
from engine.trusted.messages import RequestState, RequestStatus
from engine.trusted.plan import Type
from tests.client.conftest import Bench
from tests.client.test_session import SQL, fresh

EVIL = '<script>alert("x")</script>'


@pytest.fixture
def session(bench: Bench) -> Iterator[Session]:
    with bench.session() as opened:
        yield opened


def answer(
    columns: tuple[str, ...], types: tuple[Type, ...], rows: tuple[tuple[Any, ...], ...], noisy: tuple[str, ...] = ()
) -> Answer:
    """An answer whose noisy values each have an interval of ten to either side."""
    named = [dict(zip(columns, row, strict=True)) for row in rows]
    intervals = tuple({n: (row[n] - 10.0, row[n] + 10.0) for n in noisy if row[n] is not None} for row in named)
    return Answer(columns, types, rows, intervals, tuple({} for _ in rows), ())


KEYED = answer(
    ("region", "n", "mean"),
    (Type.TEXT, Type.INTEGER, Type.DECIMAL),
    (("N", 12_345, 1.25), ("S", 7, None)),
    ("n", "mean"),
)


def test_a_release_is_a_table_with_its_cost_and_request(session: Session) -> None:
    release = session.query(SQL, epsilon=fresh(501)).wait(30)
    lines = repr(release).splitlines()
    assert lines[0].split() == ["region", "n", "95", "%"]
    assert lines[2].split()[:2] == ["N", "7"]
    assert "±" in lines[2]
    assert lines[4] == (
        f"answered by east, north, west; cost epsilon 1.501 at delta 1e-09; request {release.request_id[:12]}"
    )
    assert "free of charge" in repr(session.query(SQL, epsilon=fresh(501)).wait(30))
    assert release.with_intervals.column_names == ["region", "n", "n_low", "n_high"]
    assert [(row["n_low"], row["n_high"]) for row in release.with_intervals.to_pylist()] == [
        interval["n"] for interval in release.intervals
    ]


def test_a_question_tells_where_it_stands(session: Session) -> None:
    query = session.query(SQL, epsilon=fresh(502))
    assert repr(query) == f"{SQL}\nnot asked yet; epsilon 1.502, delta 1e-09"
    request = query.submit()
    assert repr(query) == f"{SQL}\nrequest {request}; epsilon 1.502, delta 1e-09"


def test_a_forecast_is_a_table(session: Session) -> None:
    found = session.query(SQL).forecast()
    text = repr(found)
    assert text.splitlines()[0].split() == ["column", "for", "each", "±", "95", "%", "figure", "±", "of", "it"]
    assert text.splitlines()[2].startswith("n ")
    assert text.endswith("Nothing was asked, read or spent.")
    assert "<td" in found._repr_html_()


def test_numbers_are_as_precise_as_they_can_be_relied_upon() -> None:
    rows = [line.split("  ") for line in answer_grid(KEYED).as_text().splitlines()[2:]]
    assert [cell.strip() for cell in rows[0] if cell] == ["N", "12,345", "± 10", "1", "± 10"]
    assert [cell.strip() for cell in rows[1] if cell] == ["S", "7", "± 10", "NULL"]


def test_exact_figures_stand_beside() -> None:
    grid = answer_grid(KEYED, exact=({"n": 12_000, "mean": 1.0}, {"n": 8, "mean": None}))
    assert grid.headings == ("region", "n", "95 %", "exact", "mean", "95 %", "exact")
    assert grid.rows[0][3] == "12,000"


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.seen: set[str] = set()
        self.words: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def test_html_holds_what_people_wrote_as_text_only() -> None:
    evil = answer((EVIL, "n"), (Type.TEXT, Type.INTEGER), ((EVIL, 1), ("&amp;", 2)), ("n",))
    tags = Tags()
    tags.feed(answer_grid(evil, (EVIL,)).as_html())
    assert tags.seen == {"table", "thead", "tbody", "tr", "th", "td", "p"}
    assert tags.words.count(EVIL) == 3
    assert "&amp;" in tags.words


def test_text_holds_nothing_that_a_terminal_acts_upon() -> None:
    evil = answer(("a\x1b[31m", "n"), (Type.TEXT, Type.INTEGER), (("x\ny\x1b]0;t\x07", 1),), ("n",))
    text = answer_grid(evil, ("\x1b[2J",)).as_text()
    assert "\x1b" not in text
    assert len(text.splitlines()) == 4


def test_a_long_answer_is_cut_and_says_so() -> None:
    many = answer(("i",), (Type.INTEGER,), tuple((i,) for i in range(MOST_ROWS + 5)))
    assert answer_grid(many).as_text().splitlines()[-1] == "and 5 more rows"
    assert "<p>and 5 more rows</p>" in answer_grid(many).as_html()


def test_rows_without_noise() -> None:
    grid = table_grid(("name", "n", "b"), [("a", 1, True), ("b", None, False)])
    assert grid.right == (False, True, False)
    assert grid.as_text().splitlines()[2:] == ["a        1  true", "b     NULL  false"]
    assert table_grid(("name",), []).as_text() == "name\n────"


# -- charts


def points(chart: Chart) -> list[dict[str, Any]]:
    """The rows drawn; the specification has to be plain JSON."""
    found: list[dict[str, Any]] = json.loads(json.dumps(chart.spec, allow_nan=False))["data"]["values"]
    return found


def test_a_key_stands_along_the_bottom_and_intervals_are_error_bars(session: Session) -> None:
    release = session.query(SQL, epsilon=fresh(501)).wait(30)
    chart = release.plot()
    assert [(p["region"], p["n"]) for p in points(chart)] == [("N", 7), ("S", 70)]
    assert [(p[LOW], p[HIGH]) for p in points(chart)] == [interval["n"] for interval in release.intervals]
    encoding = chart.spec["encoding"]
    assert (encoding["x"]["field"], encoding["x"]["type"]) == ("region", "nominal")
    bar, rule = chart.spec["layer"]
    assert (bar["mark"]["type"], bar["encoding"]["y"]["field"]) == ("bar", "n")
    assert (rule["mark"]["type"], rule["encoding"]["y"]["field"], rule["encoding"]["y2"]["field"]) == (
        "rule",
        LOW,
        HIGH,
    )
    assert repr(chart) == repr(release)
    assert set(chart._repr_mimebundle_()) == {MIME, "text/plain"}


def test_a_null_is_left_out_and_another_figure_can_be_named() -> None:
    assert [p["mean"] for p in points(chart_of(KEYED, "", y="mean"))] == [1.25]


def test_dates_are_a_line_and_a_second_key_a_colour() -> None:
    days = answer(
        ("day", "sex", "n"),
        (Type.DATE, Type.TEXT, Type.INTEGER),
        ((date(2024, 1, 1), "F", 3), (date(2024, 1, 2), "M", 4)),
        ("n",),
    )
    chart = chart_of(days, "")
    assert points(chart)[0]["day"] == "2024-01-01"
    assert chart.spec["encoding"]["x"]["type"] == "temporal"
    assert chart.spec["encoding"]["color"]["field"] == "sex"
    assert chart.spec["layer"][0]["mark"]["type"] == "line"
    assert chart_of(days, "", x="sex").spec["encoding"]["x"]["field"] == "sex"


def test_three_keys_are_told_apart_by_the_colour_of_two() -> None:
    """Else marks of one place and colour would hide each other."""
    rows = tuple((r, s, y, n) for n, (r, s, y) in enumerate(product("NS", ("F", None), (2020, 2021)), 1))
    kinds = (Type.TEXT, Type.TEXT, Type.INTEGER, Type.INTEGER)
    three = answer(("region", "sex", "year", "n"), kinds, rows, ("n",))
    for chosen, field in (({}, "sex, year"), ({"colour": "year"}, "year, sex"), ({"x": "sex"}, "region, year")):
        chart = chart_of(three, "", **chosen)
        across, colour = (chart.spec["encoding"][name]["field"] for name in ("x", "color"))
        assert colour == field
        assert len({(p[across], p[colour]) for p in points(chart)}) == len(rows)
    assert points(chart_of(three, ""))[2]["sex, year"] == "NULL, 2020"


def test_without_keys_each_figure_is_a_bar() -> None:
    one = answer(("n", "total"), (Type.INTEGER, Type.DECIMAL), ((3, 4.5),), ("n", "total"))
    assert [(p["column"], p["value"], p[LOW]) for p in points(chart_of(one, ""))] == [
        ("n", 3, -7.0),
        ("total", 4.5, -5.5),
    ]


def test_names_are_no_paths() -> None:
    dotted = answer(("a.b[0]", "n"), (Type.TEXT, Type.INTEGER), (("x", 1),), ("n",))
    assert chart_of(dotted, "").spec["encoding"]["x"] == {
        "field": "a\\.b\\[0\\]",
        "type": "nominal",
        "title": "a.b[0]",
        "sort": None,
    }


@pytest.mark.parametrize("names", [{"x": "n"}, {"y": "region"}, {"x": "nothing"}, {"colour": "mean"}])
def test_names_that_do_not_fit_are_refused(names: dict[str, str]) -> None:
    with pytest.raises(Refused, match=r"SQL_PLOT.*y is one of n, mean"):
        chart_of(KEYED, "", **names)


def test_an_answer_without_figures_is_no_chart() -> None:
    with pytest.raises(Refused, match="SQL_PLOT"):
        chart_of(answer(("region",), (Type.TEXT,), (("N",),)), "")


# -- progress


def test_a_line_on_the_screen_follows_a_request(session: Session, capsys: pytest.CaptureFixture[str]) -> None:
    release = session.query(SQL, epsilon=fresh(503)).wait(30, progress=True)
    assert release.answer.rows == (("N", 7), ("S", 70))
    assert capsys.readouterr().out == ""


def test_each_status_is_said_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    from rich.status import Status

    from engine.client.progress import on_screen

    said: list[str] = []
    monkeypatch.setattr(Status, "update", lambda self, status: said.append(str(status)))
    status = RequestStatus(b"x", RequestState.WAITING, "", ("[red]guardian",), 1, (), (), 0)
    with on_screen() as progress:
        progress(status)
        progress(replace(status, state=RequestState.RUNNING, waiting_for=(), participants=("a", "b"), replied=("a",)))
    assert said == ["waiting for [red]guardian", "running, 1 of 2 replied"]
