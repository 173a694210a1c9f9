"""The manual as a folder of web pages: every document of the project, in the frame of the register's pages.

Markdown in, files out, and nothing else is needed to read them: no script, no font, no request. A link between
documents becomes one between pages; a link to something that is no page is an error, as is one to a heading that is not
there.
"""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token

from engine.errors import Bug
from engine.governance.register.html import Site, frame, link, section, text

DOCS = Path(__file__).parent
MARK = "manual.json"
FIRST = "manual/index.md"
NAVIGATION = (
    FIRST,
    "manual/quick-start.md",
    "manual/install.md",
    "manual/analyst.md",
    "manual/guardian.md",
    "manual/policy-officer.md",
    "manual/auditor.md",
    "manual/data-protection.md",
    "sql.md",
    "commands.md",
    "errors.md",
    "limits.md",
    "measured.md",
)
_OUTSIDE = re.compile(r"[a-z][a-z+.-]*:")


@dataclass(frozen=True)
class Document:
    """``source``: where it stands, as links in it are meant, such as engine/docs/sql.md; ``place``: its page."""

    source: str
    place: str
    markdown: str

    @cached_property
    def tokens(self) -> list[Token]:
        return MarkdownIt("commonmark", {"html": False}).enable("table").parse(self.markdown)

    @cached_property
    def title(self) -> str:
        """Of its first heading."""
        return next(words for level, words, _ in self.headings if level == 1)

    @cached_property
    def headings(self) -> tuple[tuple[int, str, str], ...]:
        """(level, words, name to link to) of each, names as code hosts make them."""
        found: list[tuple[int, str, str]] = []
        for place, token in enumerate(self.tokens):
            if token.type == "heading_open":
                words = _plain(self.tokens[place + 1])
                name = re.sub(r"[^\w\- ]", "", words.lower()).replace(" ", "-")
                same = sum(name == earlier.rstrip("-0123456789") or name == earlier for _, _, earlier in found)
                found.append((int(token.tag[1]), words, f"{name}-{same}" if same else name))
        return tuple(found)


def documents() -> tuple[Document, ...]:
    """The manual, references, decisions and proofs, and the reading order of a node, by their places."""
    files = {f"engine/docs/{path.relative_to(DOCS).as_posix()}": path for path in DOCS.rglob("*.md")}
    nodes = find_spec("nodes")
    if nodes is not None and nodes.submodule_search_locations:
        files["nodes/AUDIT.md"] = Path(nodes.submodule_search_locations[0]) / "AUDIT.md"
    return tuple(Document(source, _place(source), path.read_text("utf-8")) for source, path in sorted(files.items()))


def pages(version: str) -> Iterator[tuple[str, bytes]]:
    """(place, bytes) of every file."""
    known = documents()
    sources = {document.source: document for document in known}
    named = [sources[f"engine/docs/{name}"] for name in NAVIGATION if f"engine/docs/{name}" in sources]
    site = Site(
        name="Splittally manual",
        header="Splittally manual",
        navigation="Manual",
        places=tuple((document.place, document.title) for document in named),
        footer=f"Splittally {version}. These pages need no network and load nothing.",
    )
    for document in known:
        body = [render(document, sources)]
        if document.source == f"engine/docs/{FIRST}":
            body.append(_further(document, known))
        yield document.place, frame(document.title, site, body, "../" * document.place.count("/"))
    listed = {document.place: document.title for document in known}
    yield MARK, json.dumps({"version": version, "pages": listed}, indent=2, ensure_ascii=False).encode() + b"\n"


def render(document: Document, sources: Mapping[str, Document]) -> str:
    """A document's markup below its title; Bug BUG_UNEXPECTED for a link that leads nowhere."""
    renderer = _Renderer(document, sources)
    return str(renderer.render(document.tokens[3:], MarkdownIt("commonmark").options, {}))


def _place(source: str) -> str:
    if source == f"engine/docs/{FIRST}":
        return "index.html"
    return posixpath.splitext(source.removeprefix("engine/docs/"))[0] + ".html"


def _plain(inline: Token) -> str:
    return "".join(child.content for child in inline.children or [])


def _further(first: Document, known: Sequence[Document]) -> str:
    """Links to the pages that the first one does not name."""
    told = {_target(first, str(t.attrs["href"]))[0] for t in _links(first)}
    left = [d for d in known if d.source not in told and d is not first]
    items = "".join(f"<li>{link(d.place, d.title).markup}</li>" for d in left)
    return section("Further pages", f"<ul>{items}</ul>") if items else ""


def _links(document: Document) -> Iterator[Token]:
    for token in document.tokens:
        yield from (child for child in token.children or [] if child.type == "link_open")


def _target(document: Document, href: str) -> tuple[str, str]:
    """Source and heading that a link in a document means."""
    path, _, heading = href.partition("#")
    source = posixpath.normpath(posixpath.join(posixpath.dirname(document.source), path)) if path else document.source
    return source, heading


class _Renderer(RendererHTML):
    """Headings with names, links to pages, tables that scroll by themselves and say what they are about."""

    def __init__(self, document: Document, sources: Mapping[str, Document]) -> None:
        super().__init__()
        self._document, self._sources = document, sources
        self._names = iter(document.headings[1:])
        self._about = document.title

    def heading_open(self, tokens: Sequence[Token], at: int, *rest: object) -> str:
        _, self._about, name = next(self._names)
        return f'<{tokens[at].tag} id="{text(name)}">'

    def table_open(self, *rest: object) -> str:
        words = text(f"Table: {self._about}")
        return f'<div class="wide" role="region" aria-label="{words}" tabindex="0"><table>\n'

    def table_close(self, *rest: object) -> str:
        return "</table></div>\n"

    def th_open(self, *rest: object) -> str:
        return '<th scope="col">'

    def td_open(self, *rest: object) -> str:
        return "<td>"

    def fence(self, tokens: Sequence[Token], at: int, *rest: object) -> str:
        _, _, name = tokens[at].info.partition(" ")
        said = f"<p>File <code>{text(name)}</code>:</p>\n" if name else ""
        return f"{said}<pre><code>{text(tokens[at].content)}</code></pre>\n"

    def link_open(self, tokens: Sequence[Token], at: int, *rest: object) -> str:
        href = str(tokens[at].attrs["href"])
        return f'<a href="{text(href if _OUTSIDE.match(href) else self._page(href))}">'

    def _page(self, href: str) -> str:
        source, heading = _target(self._document, href)
        to = self._sources.get(source)
        if to is None or (heading and heading not in {name for _, _, name in to.headings}):
            raise Bug("BUG_UNEXPECTED", internal=f"{self._document.source} links to {href}")
        if to is self._document:
            return f"#{heading}"
        way = posixpath.relpath(to.place, posixpath.dirname(self._document.place) or ".")
        return f"{way}#{heading}" if heading else way
