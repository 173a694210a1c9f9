"""Other people's words are shown as text: names and titles of the catalogue, statements, purposes, reasons."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from engine.desk.pages import PAGES
from engine.governance.federation import found
from engine.governance.homes import set_coordinator
from engine.trusted.clock import SystemClock
from engine.trusted.home import Home
from engine.trusted.random import SystemRandomness
from tests.coordinator.members import catalogue
from tests.desk.conftest import SEATS, Browser, desk_of
from tests.desk.test_workbench import ended, submitted

PLANTED = """"'><script>alert(1)</script><img src=x onerror=alert(1)>{{1234*5678}}\u202e"""
QUOTED = PLANTED.replace('"', '""')


class Markup(HTMLParser):
    """What a page would do (its scripts, pictures, handlers), and what it says besides the content of fields."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.acts: list[str] = []
        self.words: list[str] = []
        self.field = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        handlers = [name for name in given if name.startswith("on")]
        own = str(given.get("src", "")).startswith("/desk-")
        if handlers or (tag in ("script", "img", "iframe", "object", "embed") and not own):
            self.acts.append(self.get_starttag_text() or tag)
        self.field = tag == "textarea"
        self.words += [value for name, value in given.items() if value and name not in ("value", "href")]

    def handle_data(self, data: str) -> None:
        self.words += [] if self.field else [data]


def inert(page: str) -> bool:
    """No planted markup acts, no expression was worked out, and no hidden sign turns the words around."""
    found = Markup(page)
    assert found.acts == []
    assert "7006652" not in page
    assert not any("\u202e" in words for words in found.words)
    return True


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, Browser]]:
    """Desks of a federation whose catalogue says what it likes; its coordinator is away."""
    plain = catalogue()
    (people,) = plain.datasets
    columns = tuple(
        replace(c, about=PLANTED, unit=PLANTED, domain=(PLANTED, *c.domain) if c.domain else ()) for c in people.columns
    )
    wild = replace(people, title=PLANTED, about=PLANTED, columns=columns)
    named = replace(wild, name=PLANTED)
    made = found(
        tmp_path_factory.mktemp("planted"),
        replace(plain, datasets=(wild, named)),
        clock=SystemClock(),
        randomness=SystemRandomness(),
        auditors=("auditor",),
        helpers=2,
    )
    homes = {role: Home.load(Path(made.home(name))) for role, name in SEATS.items()}
    for home in homes.values():
        set_coordinator(home, "127.0.0.1:1")
    opened = {role: desk_of(Home.load(home.path)) for role, home in homes.items()}
    yield opened
    for browser in opened.values():
        browser.desk.close()


@pytest.mark.parametrize(
    "place", ["/", "/catalogue", "/catalogue/people", "/catalogue/people/region", "/spent", "/ask"]
)
def test_a_catalogue_plants_nothing(
    planted: Mapping[str, Browser], place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.desk.desk.GLANCE_SECONDS", 0.02)
    for role, browser in planted.items():
        answer = browser.get(place)
        if any(p.place == place and role not in p.roles for p in PAGES):
            continue
        assert answer.status_code == 200, answer.text
        assert inert(answer.text)


def test_nor_does_the_name_of_a_dataset(planted: Mapping[str, Browser], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.desk.desk.GLANCE_SECONDS", 0.02)
    from urllib.parse import quote

    browser = planted["analyst"]
    for place in (f"/catalogue/{quote(PLANTED, safe='')}", f"/ask?about={quote(PLANTED, safe='')}"):
        assert inert(browser.get(place).text)
    assert "&lt;script&gt;" in browser.get("/catalogue").text


@pytest.mark.parametrize("sql", [PLANTED, f'SELECT "{QUOTED}" FROM people', f"SELECT '{PLANTED}' -- {PLANTED}"])
def test_nor_does_a_statement_that_is_refused(desks: Mapping[str, Browser], sql: str) -> None:
    for do in ("weigh", "submit", "rehearse"):
        answer = desks["analyst"].post("/ask", {"sql": sql, "do": do, "purpose": PLANTED, "agreement": PLANTED})
        assert answer.status_code == 422
        assert inert(answer.text)
    answer = desks["analyst"].post("/check", {"sql": sql})
    assert answer.headers["content-type"] == "application/json"


@pytest.mark.parametrize("field", ["epsilon", "own_epsilon", "delta", "n_min", "runs", "rows", "agreement", "purpose"])
def test_nor_does_a_field(desks: Mapping[str, Browser], field: str) -> None:
    answer = desks["analyst"].post("/ask", {"sql": "SELECT COUNT(*) FROM people", "do": "weigh", field: PLANTED})
    assert inert(answer.text)


def test_nor_do_the_words_of_a_request(desks: Mapping[str, Browser]) -> None:
    """Its columns' names, its text with comments, and its purpose, on every page that shows them."""
    browser = desks["analyst"]
    quoted, remark = (words.replace("\u202e", "") for words in (QUOTED, PLANTED))  # it has no meaning in SQL
    sql = f'SELECT region AS "{quoted}", COUNT(*) AS "n{quoted}" FROM people GROUP BY region -- {remark}'
    assert inert(browser.post("/ask", {"sql": sql, "do": "weigh", "purpose": PLANTED}).text)
    place = submitted(browser, sql, purpose=PLANTED, epsilon="0.8")
    page = ended(browser, place)
    assert "Figures with their 95 % intervals" in page
    assert inert(page)
    name = place.rpartition("/")[2]
    for shown in ("/requests", "/compare", f"/compare?first={name}&second={name}", f"/ask?again={name}"):
        assert inert(browser.get(shown).text)
    for place in ("/register/index.html", f"/register/requests/{name}/index.html"):
        desks["auditor"].post("/register/anew")
        answer = desks["auditor"].get(place)
        assert answer.status_code == 200
        assert inert(answer.text)


def test_nor_does_what_stands_in_an_address(desks: Mapping[str, Browser]) -> None:
    from urllib.parse import quote

    wild = quote(PLANTED, safe="")
    for place in (f"/{wild}", f"/requests/{wild}", f"/compare?first={wild}&second={wild}", f"/ask?again={wild}"):
        assert inert(desks["analyst"].get(place).text)
    assert inert(desks["analyst"].get(f"/?said={wild}").text)
