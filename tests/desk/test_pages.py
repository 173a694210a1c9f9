"""Every page of the table, for every role: it renders, keeps to the policy, has the anatomy that readers rely on."""

from __future__ import annotations

import re
from collections.abc import Mapping
from html.parser import HTMLParser

import pytest

from engine.desk.page import Page
from engine.desk.pages import PAGES
from tests.desk.conftest import Browser

READ = [page for page in PAGES if not page.post]
PAIRS = [(page, role) for page in READ for role in sorted(page.roles)]


def place_of(page: Page) -> str:
    return page.example or page.place


class Anatomy(HTMLParser):
    """Counts what a page has to have, and what it must not have."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.wrong: list[str] = []
        self.ids: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        given = dict(attrs)
        self.ids += [given["id"]] if given.get("id") else []
        inline = [name for name in given if name == "style" or name.startswith("on")]
        away = [str(given.get(name)) for name in ("src", "href", "action") if "//" in str(given.get(name, ""))]
        if tag == "style" or (tag == "script" and not given.get("src")) or inline or away:
            self.wrong.append(self.get_starttag_text() or tag)
        if tag == "th" and given.get("scope") not in ("col", "row"):
            self.wrong.append("a th without scope")


@pytest.mark.parametrize(("page", "role"), PAIRS, ids=[f"{p.place} {role}" for p, role in PAIRS])
def test_a_page_is_sound(desks: Mapping[str, Browser], page: Page, role: str) -> None:
    answer = desks[role].get(place_of(page))
    assert answer.status_code in (200, 303) or page.example, answer.text
    if not answer.headers.get("content-type", "").startswith("text/html"):
        return
    found = Anatomy(answer.text)
    assert found.wrong == []
    assert [found.tags.count(tag) for tag in ("h1", "main", "header", "footer")] == [1] * 4
    assert found.tags[: found.tags.index("body")].count("title") == 1  # drawings have titles of their own
    assert found.tags.count("table") == found.tags.count("caption")
    assert len(found.ids) == len(set(found.ids))
    assert '<html lang="en-GB">' in answer.text
    assert 'class="skip" href="#content"' in answer.text
    assert "BUG_" not in answer.text


@pytest.mark.parametrize("page", READ, ids=lambda page: page.place)
def test_a_page_is_closed_to_other_roles(desks: Mapping[str, Browser], page: Page) -> None:
    for role in set(desks) - page.roles:
        answer = desks[role].get(place_of(page))
        assert answer.status_code == 403
        assert "Not for this role" in answer.text


@pytest.mark.parametrize("page", [p for p in PAGES if p.post], ids=lambda page: page.place)
def test_a_form_is_closed_to_other_roles(desks: Mapping[str, Browser], page: Page) -> None:
    for role in set(desks) - page.roles:
        assert desks[role].post(place_of(page)).status_code == 403


def test_menus_hold_the_pages_of_their_role(desks: Mapping[str, Browser]) -> None:
    for role, browser in desks.items():
        nav = re.search(r'<nav class="menu".*?</nav>', browser.get("/").text, re.DOTALL)
        assert nav is not None
        found = re.findall(r'href="[^"]*?/desk-[0-9a-f]*([^"]*)"', nav.group())
        assert found == [page.place for page in PAGES if page.menu and role in page.roles]


def test_a_page_that_is_not_there_says_so(desks: Mapping[str, Browser]) -> None:
    answer = desks["analyst"].get("/no/such/page")
    assert answer.status_code == 404
    assert "Page not found" in answer.text


def test_no_template_lets_markup_through_unescaped() -> None:
    from engine.desk.shown import TEMPLATES

    for template in TEMPLATES.rglob("*.html"):
        text = template.read_text()
        assert "|safe" not in text.replace(" ", ""), template
        assert "autoescape" not in text, template
