"""Pages: whole, linked, readable by everybody, and deaf to hostile words."""

from __future__ import annotations

import posixpath
import re
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from hashlib import sha256
from html.parser import HTMLParser
from itertools import pairwise
from random import Random
from typing import Any

import pytest

from engine.governance.federation import Federation
from engine.governance.register import chart as charts
from engine.governance.register.build import build
from engine.governance.register.html import STYLE
from engine.governance.register.pages import Pages
from engine.governance.register.rows import DIGEST, TIME, Register
from engine.governance.register.site import files
from engine.trusted.catalogue import Catalogue
from tests.register.histories import History, random_history

HOSTILE = "\"'></td></title><script>alert(1)</script><img src=https://x.example onerror=a&amp;\u202e{{7*7}}\x00"
VOID = ("meta",)
SVG = ("path", "line")


class Page(HTMLParser):
    """Elements with their attributes, in order; whether each is closed; words."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.open: list[str] = []
        self.words = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.words += data

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture(scope="module")
def site(federation: Federation) -> dict[str, bytes]:
    """Everything of a long history, some of it contradictory."""
    history = random_history(federation, 2, steps=60)
    history.away.add("helper-2")
    return dict(files(history.evidence(), history.now, {}))


def pages(site: dict[str, bytes]) -> Iterator[tuple[str, Page]]:
    return ((place, Page(body.decode())) for place, body in site.items() if place.endswith(".html"))


def test_there_is_a_page_for_everything(site: dict[str, bytes], federation: Federation) -> None:
    kinds = [place.partition("/")[0] for place in site if place.endswith(".html")]
    assert {"index.html", "agreements.html", "datasets.html", "requests", "agreements", "datasets", "nodes"} == set(
        kinds
    )
    assert kinds.count("datasets") == 1
    assert kinds.count("nodes") == 6
    assert kinds.count("requests") > 5


def test_pages_have_landmarks_headings_and_headers(site: dict[str, bytes]) -> None:
    for place, page in pages(site):
        assert page.open == [], place
        assert page.all("html") == [{"lang": "en-GB"}]
        counts = [len(page.all(tag)) for tag in ("title", "h1", "main", "header", "footer", "nav")]
        assert counts in ([1, 1, 1, 1, 1, 1], [2, 1, 1, 1, 1, 1]), place  # a drawing has a title too
        assert page.all("a")[0] == {"class": "skip", "href": "#content"}
        assert page.all("main")[0]["id"] == "content"
        assert page.all("nav")[0]["aria-label"]
        levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch("h[1-6]", tag)]
        assert levels[0] == 1
        assert all(later <= earlier + 1 for earlier, later in pairwise(levels)), place
        assert len(page.all("table")) == len(page.all("caption"))
        assert all(th.get("scope") in ("col", "row") for th in page.all("th"))
        regions = [div for div in page.all("div") if div.get("class") == "wide"]
        assert len(regions) == len(page.all("table"))
        assert all(div["role"] == "region" and div["aria-label"] and div["tabindex"] == "0" for div in regions)
        ids = [a["id"] for _, a in page.elements if "id" in a]
        assert len(ids) == len(set(ids))
        assert {"name": "viewport", "content": "width=device-width, initial-scale=1"} in page.all("meta")


def test_every_row_has_as_many_cells_as_headings(site: dict[str, bytes]) -> None:
    for place, body in site.items():
        for table in re.findall(r"<table>.*?</table>", body.decode(), re.DOTALL):
            head, _, rows = table.partition("</thead>")
            width = head.count("<th ")
            found = re.findall(r"<tr>(.*?)</tr>", rows, re.DOTALL)
            assert found, place
            assert {len(re.findall(r"<t[hd][ >]", row)) for row in found} == {width}, place
            assert all(row.startswith('<th scope="row">') for row in found)


def test_every_link_leads_somewhere_inside(site: dict[str, bytes]) -> None:
    for place, page in pages(site):
        for link in page.all("a"):
            target = link["href"]
            if target != "#content":
                assert posixpath.normpath(posixpath.join(posixpath.dirname(place), target)) in site, (place, target)


def test_nothing_is_loaded_and_the_policy_allows_the_style_only(site: dict[str, bytes]) -> None:
    for place, page in pages(site):
        text = site[place].decode()
        assert not re.search(r"<script|<link|<img|<iframe|<form|url\(|@import|https?:|javascript:", text), place
        assert not [
            a for _, attributes in page.elements for a in attributes if a.startswith("on") or a in ("src", "style")
        ]
        (style,) = re.findall(r"<style>(.*?)</style>", text, re.DOTALL)
        digest = b64encode(sha256(style.encode()).digest()).decode()
        policies = [m["content"] for m in page.all("meta") if m.get("http-equiv") == "Content-Security-Policy"]
        assert policies == [f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"]


def luminance(colour: str) -> float:
    digits = colour.lstrip("#")
    digits = "".join(2 * d for d in digits) if len(digits) == 3 else digits
    parts = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    linear = [p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(first: str, second: str) -> float:
    high, low = sorted((luminance(first), luminance(second)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_contrast_is_strong_and_focus_and_print_are_thought_of() -> None:
    assert contrast("#000", "#fff") == pytest.approx(21)
    assert contrast("#777", "#fff") < 4.5, "the measure can fail"
    words = re.findall(r"(?<![-\w])color:(#[0-9a-f]+)", STYLE)
    assert len(words) >= 4
    assert all(contrast(colour, "#fff") >= 4.5 for colour in words)
    assert contrast("#0b0c0c", "#fd0") >= 4.5
    assert contrast("#0b0c0c", "#f3f2f1") >= 4.5
    assert all(contrast(colour, "#fff") >= 4.5 for colour in (*charts.COLOURS, "#aa2a16"))
    assert "a:focus" in STYLE and "outline:" in STYLE and "outline:none" not in STYLE
    assert "@media print" in STYLE


def hostile(value: Any, of: Any = None) -> Any:
    """The same with hostile words in place of every text but digests and times."""
    if isinstance(value, str):
        form = of.metadata.get("form") if of is not None else ""
        return value if form in (DIGEST, TIME) else HOSTILE
    if isinstance(value, tuple):
        return tuple(hostile(part, of if part.__class__ is str else None) for part in value)
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{f.name: hostile(getattr(value, f.name), f) for f in fields(value)})
    return value


def test_hostile_words_are_words(federation: Federation) -> None:
    history = random_history(federation, 5, steps=60)
    evidence = history.evidence()
    made: Register = hostile(build(evidence, history.now))
    sound = evidence.roster.manifest.catalogue
    names = replace(sound.datasets[0], name=HOSTILE, title=HOSTILE, about=HOSTILE, hosts=(HOSTILE,) * 3)
    catalogue = Catalogue(1, HOSTILE, (names,))
    papers = {d.hex(): replace(a, title=HOSTILE, purpose=HOSTILE) for d, a in evidence.agreements.items()}
    rendered = dict(Pages(replace(made, journals=made.journals[:1]), catalogue, papers).all())
    assert len(rendered) > 8
    for place, body in rendered.items():
        assert re.fullmatch(r"[a-z0-9_/.-]+", place)
        text = body.decode()
        page = Page(text)
        assert page.open == []
        assert {tag for tag, _ in page.elements}.isdisjoint({"script", "img", "iframe", "b"})
        assert "\u202e" not in text and "\x00" not in text and "\\u202e" in text
        assert "alert(1)" in page.words, "shown, as words"
        for _, attributes in page.elements:
            assert not [name for name in attributes if name.startswith("on") or name in ("src", "style")]
            assert not re.search(r"^/|[^A-Za-z0-9_./%#-]", attributes.get("href", ""))


def test_the_drawing_has_words_for_all_it_shows(history: History) -> None:
    lines = [charts.Line("east", ((10, 5), (20, 7))), charts.Line("west", ((15, 1),)), charts.Line("north", ())]
    text = charts.chart("loss", "Loss <b>", lines, 100, ("2024-01-01", "2024-02-01"))
    page = Page(text)
    (svg,) = page.all("svg")
    assert svg["role"] == "img"
    assert svg["aria-labelledby"].split() == [page.all("title")[0]["id"], page.all("desc")[0]["id"]]
    assert "east: rho 1.2e-08 after 2 charges; west: rho 1e-09 after 1 charges. The cap is rho 1e-07." in page.words
    paths = [p["d"] for p in page.all("path")]
    assert len(paths) == 4, "axes, two nodes, the cap"
    heights = [int(y) for y in re.findall(r"V(\d+)", paths[1])]
    assert heights == sorted(heights, reverse=True), "it never falls: up is a smaller number"
    assert charts.chart("loss", "Loss", [charts.Line("north", ())], 100, ("", "")) == ""


def test_a_history_of_nothing_has_pages_too(federation: Federation) -> None:
    made = History(federation, Random(1))
    site = dict(files(made.evidence(), made.now, {}))
    page = Page(site["index.html"].decode())
    assert "All requests, newest first: none." in page.words
    assert "nothing in the record contradicts" in page.words
    assert "Nothing has been charged yet." in Page(site["datasets/people.html"].decode()).words
