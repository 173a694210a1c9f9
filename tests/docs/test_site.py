"""The manual as web pages: every document is there, every link leads somewhere, and a page needs nothing else."""

from __future__ import annotations

import json
import posixpath
import re
from itertools import pairwise
from pathlib import Path

import pytest
from typer.testing import CliRunner

from engine.cli.main import VERSION, app
from engine.docs.site import DOCS, MARK, Document, documents, pages, render
from engine.errors import BadFile, Bug
from tests.register.test_pages import Page

STANDARDS = ("https://www.rfc-editor.org/", "https://www.w3.org/", "https://peps.python.org/", "https://arxiv.org/")


@pytest.fixture(scope="module")
def site() -> dict[str, bytes]:
    return dict(pages(VERSION))


@pytest.fixture(scope="module")
def parsed(site: dict[str, bytes]) -> dict[str, Page]:
    return {place: Page(body.decode()) for place, body in site.items() if place.endswith(".html")}


def test_every_document_is_a_page(site: dict[str, bytes]) -> None:
    written = {path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md")}
    made = {place.removesuffix(".html") + ".md" for place in site if place.endswith(".html")}
    assert made == written - {"manual/index.md"} | {"index.md", "nodes/AUDIT.md"}
    assert set(json.loads(site[MARK])["pages"]) == {place for place in site if place != MARK}


def test_every_page_is_reached_from_the_first(parsed: dict[str, Page]) -> None:
    found, left = set(), ["index.html"]
    while left:
        place = left.pop()
        found.add(place)
        for link in parsed[place].all("a"):
            target = posixpath.normpath(posixpath.join(posixpath.dirname(place), link["href"].partition("#")[0]))
            if target in parsed and target not in found:
                left.append(target)
    assert found == set(parsed)


def test_every_link_leads_to_a_page_and_a_heading_or_to_a_standard(parsed: dict[str, Page]) -> None:
    names = {place: {a["id"] for _, a in page.elements if "id" in a} for place, page in parsed.items()}
    seen = 0
    for place, page in parsed.items():
        for link in page.all("a"):
            path, _, heading = link["href"].partition("#")
            if link["href"].startswith(STANDARDS):
                continue
            target = posixpath.normpath(posixpath.join(posixpath.dirname(place), path)) if path else place
            assert target in parsed, (place, link["href"])
            assert not heading or heading in names[target], (place, link["href"])
            seen += 1
    assert seen > 300


@pytest.mark.parametrize("planted", ["[x](nowhere.md)", "[x](limits.md#nowhere)", "[x](../../README.md)", "[x](#no)"])
def test_a_dead_link_stops_the_making(planted: str) -> None:
    document = Document("engine/docs/planted.md", "planted.html", f"# Planted\n\n{planted}\n")
    sources = {known.source: known for known in documents()}
    with pytest.raises(Bug):
        render(document, sources)


def test_pages_have_landmarks_and_headings_in_order(parsed: dict[str, Page]) -> None:
    for place, page in parsed.items():
        assert page.open == [], place
        assert page.all("html") == [{"lang": "en-GB"}]
        assert [len(page.all(tag)) for tag in ("title", "h1", "main", "header", "footer", "nav")] == [1] * 6, place
        assert page.all("a")[0] == {"class": "skip", "href": "#content"}
        assert page.all("nav")[0]["aria-label"]
        levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch("h[1-6]", tag)]
        assert levels[0] == 1
        assert all(later <= earlier + 1 for earlier, later in pairwise(levels)), place
        assert all(th.get("scope") == "col" for th in page.all("th"))
        regions = [div for div in page.all("div") if div.get("class") == "wide"]
        assert len(regions) == len(page.all("table"))
        assert all(div["role"] == "region" and div["aria-label"] and div["tabindex"] == "0" for div in regions)
        ids = [a["id"] for _, a in page.elements if "id" in a]
        assert len(ids) == len(set(ids)), place


def test_nothing_is_loaded(site: dict[str, bytes], parsed: dict[str, Page]) -> None:
    forbidden = {"script", "link", "img", "iframe", "form", "object", "embed"}
    for place, page in parsed.items():
        assert not forbidden & {tag for tag, _ in page.elements}, place
        attributes = {name for _, given in page.elements for name in given}
        assert not [name for name in attributes if name.startswith("on") or name in ("src", "style")], place
        policy = [m["content"] for m in page.all("meta") if m.get("http-equiv") == "Content-Security-Policy"]
        assert policy and policy[0].startswith("default-src 'none'; style-src 'sha256-")
        assert b"url(" not in site[place].partition(b"</style>")[0]


def test_markup_in_a_document_is_words() -> None:
    document = Document("engine/docs/p.md", "p.html", "# P\n\n<script>x</script>\n\n```sh a<b\nc<d\n```\n")
    made = render(document, {})
    assert "<script" not in made
    assert "<code>a&lt;b</code>" in made
    assert "c&lt;d" in made


def test_the_command_writes_it_over_an_older_one_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "manual"
    for _ in range(2):
        done = CliRunner().invoke(app, ["manual", "export", str(folder), "--json"])
        assert done.exit_code == 0, done.output
        said = json.loads(done.stdout)
        assert (folder / "index.html").read_bytes() == (Path(said["first"])).read_bytes()
        assert said["files"] == sum(path.is_file() for path in folder.rglob("*"))
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "a.txt").write_text("mine")
    done = CliRunner().invoke(app, ["manual", "export", str(tmp_path / "letters")])
    assert isinstance(done.exception, BadFile) and done.exception.code == "FILE_MANUAL_FOLDER"
    assert (tmp_path / "letters" / "a.txt").read_text() == "mine"
