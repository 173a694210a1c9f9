"""A quality card asked for, published and taken on the desk: what it would cost before, whose it is after."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress

import pytest

from engine.cli.main import run
from engine.client import cards
from engine.client.card_asking import Asking, ask, publish
from engine.client.cards import Card
from engine.client.session import connect
from engine.errors import Unavailable
from engine.trusted.home import Home
from engine.trusted.messages import OpenRound
from engine.trusted.records import JournalKind
from tests.client.conftest import Bench
from tests.client.test_cards import FILLED
from tests.desk.conftest import Browser, desk_of, opened_bench, visible


@pytest.fixture
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """One for each test: a card is asked for once a snapshot."""
    with opened_bench(tmp_path_factory.mktemp("cards")) as made:
        for name, counts in FILLED.items():
            made.members[name].counts = counts
        yield made


@pytest.fixture
def analyst(bench: Bench) -> Iterator[Browser]:
    browser = desk_of(Home.load(bench.federation.home("analyst")))
    yield browser
    browser.desk.close()


@pytest.fixture
def other(bench: Bench) -> Iterator[Browser]:
    browser = desk_of(Home.load(bench.federation.home("other")))
    yield browser
    browser.desk.close()


def rounds_opened(bench: Bench) -> int:
    return sum(isinstance(message, OpenRound) for message in bench.members["east"].seen)


def published_by_analyst(bench: Bench) -> Card:
    """Once the coordinator has collected what the nodes wrote of it; it does so after each round."""
    with bench.session() as session:
        ask(session, Asking("people"), 30)
        published, _ = publish(session, "people")
        for _ in range(500):
            with suppress(Unavailable):
                told = [entry for name in FILLED for entry in cards.journal_of(session, name)]
                if sum(entry.kind is JournalKind.CHARGED for entry in told) == len(FILLED):
                    return published
            time.sleep(0.01)
    raise AssertionError("journals were not collected")


def answered(browser: Browser, place: str) -> None:
    """Waits for the release of a request, which is opened and kept."""
    for _ in browser.desk.session().watch(place.rsplit("/", 1)[1], 30):
        pass
    assert "Figures with their 95 % intervals" in browser.get(place).text


def test_from_the_price_to_the_published_card(bench: Bench, analyst: Browser) -> None:
    assert "/cards/people" in analyst.get("/catalogue/people").text
    before = rounds_opened(bench)
    words = visible(analyst.get("/cards/people").text)
    for said in ("What you would sign", "One attempt costs", "clinic: %", "Sign and ask for the card"):
        assert said in words
    dearer = visible(analyst.post("/cards/people", {"do": "weigh", "own_epsilon": "2"}).text)
    assert "Error of each figure at epsilon 2" in dearer
    assert rounds_opened(bench) == before
    sent = analyst.post("/cards/people", {"do": "ask", "own_epsilon": "2"})
    place = sent.headers["location"].removeprefix(analyst.base).partition("?")[0]
    assert place.startswith("/requests/")
    answered(analyst, place)
    assert rounds_opened(bench) == before + 1
    page = analyst.get("/cards/people").text
    assert "Make the card public" in page and "cannot be taken back" in page
    done = analyst.follow(analyst.post("/cards/people/publish"))
    assert "The card is public now" in visible(done.text)
    assert "it is public" in visible(analyst.get("/cards/people").text)
    again = analyst.follow(analyst.post("/cards/people", {"do": "ask"}))
    assert "free of charge" in visible(again.text)
    assert rounds_opened(bench) == before + 1


def test_a_published_card_is_offered_and_not_charged_again(bench: Bench, other: Browser) -> None:
    published = published_by_analyst(bench)
    before = rounds_opened(bench)
    words = visible(other.get("/cards/people").text)
    assert "analyst asked for a card of the snapshots as they are, and published it on" in words
    assert "Sign and ask" not in words
    refused = other.post("/cards/people", {"do": "ask"})
    assert "POLICY_CARD_PUBLISHED" in refused.text and published.request in refused.text
    taken = other.follow(other.upload("/cards/take", published.body))
    assert "published by analyst" in visible(taken.text)
    kept = visible(other.get("/cards/people").text)
    assert "analyst asked for a card of the snapshots as they are, and published it on" in kept
    free = other.follow(other.post("/cards/people", {"do": "ask"}))
    assert "Nothing was charged: analyst asked for this card" in visible(free.text)
    assert other.get("/cards/people/file").content == published.body
    assert rounds_opened(bench) == before


def test_of_another_snapshot_nothing_is_offered(bench: Bench, other: Browser) -> None:
    published_by_analyst(bench)
    bench.members["east"].snapshot = 2
    bench.hang_up("east")
    bench.dial("east")
    assert "Sign and ask for the card" in visible(other.get("/cards/people").text)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"own_epsilon": "none"}, "SQL_EPSILON_RANGE"),
        ({"n_min": "0x"}, "FILE_DESK_FIELD"),
        ({"columns": "no-such"}, "SQL_UNKNOWN_COLUMN"),
        ({"quartiles": "region"}, "SQL_CARD_COLUMN"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_asked(
    bench: Bench, analyst: Browser, fields: dict[str, str], said: str
) -> None:
    for do in ("weigh", "ask"):
        assert said in analyst.post("/cards/people", {"do": do, **fields}).text
    assert rounds_opened(bench) == 0


def test_only_a_form_of_this_page_asks_publishes_or_takes(bench: Bench, analyst: Browser) -> None:
    for place in ("/cards/people", "/cards/people/publish", "/cards/take"):
        assert analyst.client.post(analyst.base + place, data={"do": "ask"}).status_code == 403
    assert rounds_opened(bench) == 0
    guardian = desk_of(Home.load(bench.federation.home("guardian-east")))
    assert guardian.post("/cards/people", {"do": "ask"}).status_code == 403
    assert guardian.get("/cards").status_code == 200
    assert "POLICY_CARD_INVALID" in guardian.upload("/cards/take", b"{}").text
    assert cards.newest(guardian.desk.home, "people") is None
    guardian.desk.close()


def test_the_command_says_whose_a_free_card_is(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    published = published_by_analyst(bench)
    home = str(bench.federation.home("other"))
    assert run(["card", "ask", "people", "--home", home]) == 3
    assert "POLICY_CARD_PUBLISHED" in capsys.readouterr().err
    with connect(bench.home("other")) as session:
        cards.take(session, published.body)
    assert run(["card", "ask", "people", "--home", home]) == 0
    said = capsys.readouterr().out
    assert "Not asked again: published on" in said and "by analyst, answered by east, north, west" in said
