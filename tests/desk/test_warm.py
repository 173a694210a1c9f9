"""What is ready before the desk's address is printed, so that no first visit waits for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import pytest
from jinja2 import Environment

from engine.client.calls import Line
from engine.desk.desk import Desk
from engine.desk.pages import PAGES
from engine.desk.shown import environment
from engine.desk.warm import warm
from engine.errors import Unavailable
from engine.trusted.clock import SystemClock
from engine.trusted.home import Home
from engine.trusted.messages import FederationDescription
from engine.trusted.random import SystemRandomness
from tests.client.conftest import Bench
from tests.desk.conftest import SEATS, Browser, desk_of

ASKED = {"sql": "SELECT region, COUNT(*) AS n FROM people GROUP BY region"}


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[object]]:
    """The templates that were compiled since."""
    names: list[object] = []
    before: Callable[..., object] = Environment.compile

    def compile_(self: Environment, source: object, name: object = None, *rest: object, **more: object) -> object:
        names.append(name)
        return before(self, source, name, *rest, **more)

    environment.cache_clear()
    monkeypatch.setattr(Environment, "compile", compile_)
    yield names
    environment.cache_clear()


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """How often the coordinator was asked for the federation."""
    times: list[object] = []
    before = Line.describe

    def describe(self: Line, patience: float | None = None) -> FederationDescription:
        times.append(patience)
        return before(self, patience)

    monkeypatch.setattr(Line, "describe", describe)
    return times


@pytest.mark.parametrize("role", SEATS)
def test_no_page_compiles_a_template(bench: Bench, compiled: list[object], role: str) -> None:
    browser = desk_of(Home.load(bench.federation.home(SEATS[role])))
    warm(browser.desk)
    assert "start.html" in compiled
    compiled.clear()
    for page in PAGES:
        if role in page.roles and not page.post and "{" not in page.place:
            browser.get(page.place)
    assert compiled == []
    browser.desk.close()


def test_a_forecast_asks_for_the_federation_once(desks: Mapping[str, Browser], seen: list[object]) -> None:
    page = desks["analyst"].post("/ask", {**ASKED, "do": "weigh"})
    assert "Explain and forecast again" in page.text
    assert len(seen) == 1


@pytest.fixture
def away(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """How often a coordinator that is away was waited for."""
    asked: list[object] = []

    def describe(self: Line, patience: float | None = None) -> FederationDescription:
        asked.append(patience)
        raise Unavailable("NODE_UNREACHABLE")

    monkeypatch.setattr(Line, "describe", describe)
    return asked


def test_a_forecast_waits_once_for_a_coordinator_that_is_away(desks: Mapping[str, Browser], away: list[object]) -> None:
    page = desks["analyst"].post("/ask", {**ASKED, "do": "weigh"})
    assert "Explain and forecast again" in page.text
    assert "The coordinator does not answer now" in page.text
    assert len(away) == 1


def test_without_a_coordinator_the_desk_opens_all_the_same(bench: Bench, away: list[object]) -> None:
    desk = Desk(Home.load(bench.federation.home("analyst")), SystemClock(), SystemRandomness())
    warm(desk)
    assert len(away) == 1
    desk.close()
