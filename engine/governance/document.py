"""A document for people: headings, paragraphs, lists and tables of two columns, as Markdown or as one HTML page.

The page stands alone (no script, no other file) and is made for screen readers too: language, one first-level heading,
headings in order, row headings in tables, text of strong contrast that grows with the reader's settings.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from html import escape
from pathlib import Path

STYLE = (
    "body{font:1.1rem/1.5 sans-serif;color:#0b0c0c;background:#fff;max-width:45rem;margin:2rem auto;padding:0 1rem}"
    "table{border-collapse:collapse;width:100%;margin:1rem 0}"
    "th,td{text-align:left;vertical-align:top;padding:.5rem;border-bottom:1px solid #505a5f;overflow-wrap:anywhere}"
    "th{width:35%}caption{text-align:left;font-weight:bold}@media print{body{max-width:none}}"
)
TO_FILL = "[to be written by a person]"
_MARKUP = re.compile(r"([\\`*_{}\[\]<>#|])")


@dataclass(frozen=True, slots=True)
class Section:
    """``rows``: (row heading, text); they come after the paragraphs."""

    heading: str
    paragraphs: tuple[str, ...] = ()
    rows: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Document:
    title: str
    about: str
    sections: tuple[Section, ...]

    def markdown(self) -> str:
        """Texts of the record are no markup."""
        lines = [f"# {_plain(self.title)}", "", _plain(self.about)]
        for section in self.sections:
            lines += ["", f"## {_plain(section.heading)}"]
            for paragraph in section.paragraphs:
                lines += ["", _plain(paragraph)]
            if section.rows:
                lines += ["", "| | |", "|---|---|"]
                lines += [f"| **{_plain(_first(heading))}** | {_plain(text)} |" for heading, text in section.rows]
        return "\n".join(lines) + "\n"

    def html(self) -> str:
        body = [f"<h1>{escape(self.title)}</h1>", f"<p>{escape(self.about)}</p>"]
        for section in self.sections:
            body.append(f"<h2>{escape(section.heading)}</h2>")
            body += [f"<p>{escape(paragraph)}</p>" for paragraph in section.paragraphs]
            if section.rows:
                rows = (
                    f'<tr><th scope="row">{escape(_first(h))}</th><td>{escape(t)}</td></tr>' for h, t in section.rows
                )
                caption = f"<caption>{escape(section.heading)}: particulars</caption>"
                body.append(f"<table>{caption}<tbody>{''.join(rows)}</tbody></table>")
        return (
            f'<!DOCTYPE html>\n<html lang="en-GB"><head><meta charset="utf-8"><title>{escape(self.title)}</title>'
            '<meta name="viewport" content="width=device-width, initial-scale=1">'
            f"<style>{STYLE}</style></head>\n<body><main>\n" + "\n".join(body) + "\n</main></body></html>\n"
        )

    def write(self, path: Path) -> None:
        """HTML for a name that ends in .html, else Markdown."""
        path.write_text(self.html() if path.suffix == ".html" else self.markdown(), encoding="utf-8")


def _first(text: str) -> str:
    """Beginning with a capital letter."""
    return text[:1].upper() + text[1:]


def _plain(text: str) -> str:
    return _MARKUP.sub(r"\\\1", text.replace("\n", " "))
