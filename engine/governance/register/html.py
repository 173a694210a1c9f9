"""Pages of the register and of the manual: frames and tables of HTML that need nothing else, safe whatever words they
are given.

Every word goes through ``text``, which escapes it and shows what cannot be printed (control and direction marks too)
as its number. No script, no outside request, and a policy that forbids both; styles are allowed by their hash. For
readers: landmarks, a link past the navigation, headings in order, captions and headers of tables, strong contrast,
a visible focus, and tables that scroll by themselves on a narrow screen.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from html import escape
from urllib.parse import quote

from engine.governance.letters import plain

STYLE = """
body{font:1.1rem/1.5 sans-serif;color:#0b0c0c;background:#fff;margin:0;overflow-wrap:anywhere}
header,nav,main,footer{max-width:70rem;margin:0 auto;padding:.75rem 1rem}
header{border-bottom:.3rem solid #0b0c0c;font-weight:bold}footer{border-top:1px solid #505a5f;margin-top:2rem}
nav ul{list-style:none;margin:0;padding:0;display:flex;flex-wrap:wrap;gap:.25rem 1.5rem}
h1{font-size:1.9rem;line-height:1.2}h2{font-size:1.4rem;margin-top:2rem}
a{color:#00508f}a:visited{color:#4c2c92}
a:focus,[tabindex]:focus{outline:3px solid #0b0c0c;background:#fd0;color:#0b0c0c}
.skip{position:absolute;left:-999rem}.skip:focus{position:static;display:inline-block;padding:.5rem 1rem}
.wide{overflow-x:auto}table{border-collapse:collapse;width:100%;margin:1rem 0}
caption{text-align:left;font-weight:bold;padding:.5rem 0}
th,td{text-align:left;vertical-align:top;padding:.5rem;border-bottom:1px solid #505a5f;min-width:5rem}
.number{text-align:right;font-variant-numeric:tabular-nums}
.notice{border-left:.5rem solid #aa2a16;padding:.25rem 1rem;margin:1rem 0}
pre{white-space:pre-wrap;background:#f3f2f1;padding:1rem;margin:1rem 0}svg{max-width:100%;height:auto}
dt{font-weight:bold}dd{margin:0 0 .75rem}
@media print{nav,.skip{display:none}header,main,footer{max-width:none}.wide{overflow:visible}a{color:#000}
tr,svg{break-inside:avoid}}
"""
_HASH = b64encode(sha256(STYLE.encode()).digest()).decode()
POLICY = f"default-src 'none'; style-src 'sha256-{_HASH}'; base-uri 'none'; form-action 'none'"
PLACES = (("index.html", "Requests"), ("agreements.html", "Agreements"), ("datasets.html", "Datasets and nodes"))


def text(words: object) -> str:
    """Somebody's words as text of a page."""
    return escape("\n".join(map(plain, str(words).split("\n"))), quote=True)


@dataclass(frozen=True, slots=True)
class Html:
    """Markup that is safe already; everything else is escaped."""

    markup: str


Cell = Html | str | int | None


def cell(value: Cell) -> str:
    if isinstance(value, Html):
        return value.markup
    return "" if value is None else text(f"{value:,}" if isinstance(value, int) else value)


def link(place: str, words: str) -> Html:
    """To a file of the register."""
    return Html(f'<a href="{quote(place)}">{text(words)}</a>')


def joined(parts: Sequence[Cell], between: str = ", ") -> Html:
    return Html(between.join(cell(part) for part in parts))


def table(caption: str, headings: Sequence[str], rows: Sequence[Sequence[Cell]], numbers: Sequence[int] = ()) -> str:
    """Rows under headings, the first cell of each its header; ``numbers``: columns of figures."""
    if not rows:
        return f"<p>{text(caption)}: none.</p>"
    head = "".join(f'<th scope="col"{_number(i, numbers)}>{text(h)}</th>' for i, h in enumerate(headings))
    body = "\n".join(f"<tr>{_row(row, numbers)}</tr>" for row in rows)
    return (
        f'<div class="wide" role="region" aria-label="{text(caption)}" tabindex="0"><table>'
        f"<caption>{text(caption)}</caption><thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody></table></div>"
    )


def _row(row: Sequence[Cell], numbers: Sequence[int]) -> str:
    first, *others = row
    cells = "".join(f"<td{_number(i, numbers)}>{cell(c)}</td>" for i, c in enumerate(others, 1))
    return f'<th scope="row">{cell(first)}</th>{cells}'


def _number(place: int, numbers: Sequence[int]) -> str:
    return ' class="number"' if place in numbers else ""


def facts(rows: Sequence[tuple[str, Cell]]) -> str:
    """Headings with what belongs to them; what is not known is left out."""
    shown = (f"<dt>{text(heading)}</dt><dd>{cell(said)}</dd>" for heading, said in rows if cell(said))
    return f"<dl>{''.join(shown)}</dl>"


def section(heading: str, *parts: str) -> str:
    return f"<h2>{text(heading)}</h2>\n" + "\n".join(parts)


def preformatted(words: str) -> str:
    return f"<pre>{text(words)}</pre>"


def paragraph(words: str) -> str:
    return f"<p>{text(words)}</p>"


def page(title: str, federation: str, made: str, body: Sequence[str], up: str = "") -> bytes:
    """A whole page of the register; ``up``: the way to its first page, such as "../"."""
    return frame(
        title,
        Site(
            name=f"Register of {federation}",
            header=f"Register of the federation {federation}",
            navigation="Register",
            places=PLACES,
            footer=f"Made on {made} from the verified journals of the federation's members.",
        ),
        body,
        up,
    )


@dataclass(frozen=True, slots=True)
class Site:
    """What all pages of a site share. ``places``: (place, title) of those in the navigation."""

    name: str
    header: str
    navigation: str
    places: tuple[tuple[str, str], ...]
    footer: str


def frame(title: str, site: Site, body: Sequence[str], up: str = "") -> bytes:
    """A whole page of a site, ``body`` being markup that is safe already."""
    items = "".join(
        f'<li><a href="{up}{place}"{_current(name, title)}>{text(name)}</a></li>' for place, name in site.places
    )
    inside = "\n".join(body)
    return f"""<!DOCTYPE html>
<html lang="en-GB">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<meta name="referrer" content="no-referrer">
<title>{text(title)} - {text(site.name)}</title>
<style>{STYLE}</style>
</head>
<body>
<a class="skip" href="#content">Skip to main content</a>
<header>{text(site.header)}</header>
<nav aria-label="{text(site.navigation)}"><ul>{items}</ul></nav>
<main id="content" tabindex="-1">
<h1>{text(title)}</h1>
{inside}
</main>
<footer><p>{text(site.footer)}</p></footer>
</body>
</html>
""".encode()


def _current(name: str, title: str) -> str:
    return ' aria-current="page"' if name == title else ""
