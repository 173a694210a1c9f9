"""The catalogue's quality card with figures: drawn and told, with what it rests on; without one, how to come by one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from engine.client import cards
from engine.client.card_asking import Asking, ask, publish
from engine.client.cards import Card
from engine.client.session import connect
from engine.trusted.home import Home
from tests.client.conftest import Bench
from tests.client.test_cards import FILLED
from tests.desk.conftest import Browser, desk_of, opened_bench, visible


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    with opened_bench(tmp_path_factory.mktemp("cards")) as made:
        for name, counts in FILLED.items():
            made.members[name].counts = counts
        yield made


@pytest.fixture(scope="module")
def published(bench: Bench) -> Card:
    with bench.session() as session:
        ask(session, Asking("people"), 30)
        return publish(session, "people")[0]


@pytest.fixture
def guardian(bench: Bench) -> Iterator[Browser]:
    browser = desk_of(Home.load(bench.federation.home("guardian-east")))
    yield browser
    (browser.desk.home.path / "cards" / "people.card").unlink(missing_ok=True)
    browser.desk.close()


@pytest.fixture
def analyst(bench: Bench, published: Card) -> Iterator[Browser]:
    browser = desk_of(Home.load(bench.federation.home("analyst")))
    yield browser
    browser.desk.close()


def test_without_a_card_the_page_says_how_to_come_by_one(guardian: Browser) -> None:
    page = guardian.get("/catalogue/people").text
    assert "No card with figures is kept in this home" in page
    assert "COUNT(&#34;region&#34;) AS &#34;region: rows&#34;" in page
    assert 'class="chart"' not in page


def test_figures_intervals_and_what_they_rest_on(analyst: Browser, published: Card) -> None:
    page = analyst.get("/catalogue/people").text
    words = visible(page)
    for said in (
        "the dataset all rows 600 ± 23 rows",
        "the dataset all persons 570 ± 23 persons",
        "region rows with a value 577 ± 23 rows",
        "clinic complete 25.0 ± 3.9 %",
        "Of the snapshots that answers come from now",
        "Answered by east, north, west",
        "epsilon 1 at delta 1e-09, charged once",
    ):
        assert said in words
    assert f"/requests/{published.request}" in page
    assert "Figures of an older snapshot." not in words


def test_the_drawing_has_words_beside_it(analyst: Browser) -> None:
    page = analyst.get("/catalogue/people").text
    drawing = page[page.index('<svg class="chart"') : page.index("</figure>")]
    assert 'role="img" aria-labelledby="complete-title complete-about"' in drawing
    assert "Largest: region, 96" in drawing
    assert drawing.count('<path class="spread"') == drawing.count('<circle class="dot"') == 2


def test_another_role_sees_it_once_the_file_is_taken(guardian: Browser, published: Card) -> None:
    with connect(guardian.desk.home) as session:
        cards.take(session, published.body)
    words = visible(guardian.get("/catalogue/people").text)
    assert "clinic complete 25.0 ± 3.9 %" in words
    assert "Its receipt is part of the card's file." in words


def test_a_card_that_does_not_hold_shows_nothing_but_why(guardian: Browser, published: Card) -> None:
    (guardian.desk.home.path / "cards").mkdir(exist_ok=True)
    forged = published.body.replace(b"\\r\\n600", b"\\r\\n999")
    (guardian.desk.home.path / "cards" / "people.card").write_bytes(forged)
    page = guardian.get("/catalogue/people").text
    assert "POLICY_CARD_INVALID" in page
    assert "999" not in page
    assert 'class="chart"' not in page


def test_an_older_snapshot_is_said(bench: Bench, analyst: Browser) -> None:
    east = bench.members["east"]
    east.snapshot = 2
    bench.hang_up("east")
    words = visible(analyst.get("/catalogue/people").text)
    assert "Whether the snapshots are still these cannot be seen now" in words
    bench.dial("east")
    words = visible(analyst.get("/catalogue/people").text)
    assert "Figures of an older snapshot." in words
    assert "clinic complete 25.0 ± 3.9 %" in words
