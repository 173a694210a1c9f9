"""A release made public: a CSV, its description (CSV on the Web), a page for people, and the record that is signed.

    <name>.csv                 one line a row; beside each figure with noise the ends of its 95 % interval. What begins
                               like a formula of a spreadsheet in a text gets an apostrophe in front
    <name>.csv-metadata.json   W3C Tabular Metadata: titles, types, what the figures are and how wrong they may be
    <name>.html                the same table on one page that needs nothing else: no script, font, picture or link
    <name>.publication         the signed record (PUBLICATION) over the digest of the CSV, which the register shows

All figures are as released: unclamped, so that sums of them stay unbiased. Nothing is published that the release did
not hold; publishing cannot be taken back.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote

from engine.client.release import Release
from engine.client.units import heading
from engine.figures import no_formula
from engine.trusted import wire
from engine.trusted.plan import Type
from engine.trusted.records import RECORD_VERSION, Agreement, Publication, RecordKind, SignedRecord
from engine.trusted.sign import SigningKey, signed

LOW, HIGH = "low 95 %", "high 95 %"
_DATATYPES = {
    Type.BOOLEAN: "boolean",
    Type.INTEGER: "integer",
    Type.DECIMAL: "number",
    Type.DATE: "date",
    Type.TEXT: "string",
}
_APOSTROPHES = (
    "What a spreadsheet would take for a formula has one apostrophe more in front: where =, +, -, @, a tab or the end "
    "of a line follows apostrophes, at the beginning or behind a semicolon, tab or end of a line, take one away."
)
_STYLE = """body{font-family:sans-serif;margin:2rem auto;max-width:60rem;padding:0 1rem;color:#0b0c0c;background:#fff;
line-height:1.5}table{border-collapse:collapse;width:100%}caption{text-align:left;font-weight:bold;margin:1rem 0}
th,td{border-bottom:1px solid #505a5f;padding:.4rem .6rem;text-align:left;vertical-align:top}
.number{text-align:right;font-variant-numeric:tabular-nums}dt{font-weight:bold}dd{margin:0 0 .5rem}
.wide{overflow-x:auto}"""


@dataclass(frozen=True, slots=True)
class Written:
    """A release as a CSV, its description and a page, whether it is published or kept to oneself."""

    csv: bytes
    metadata: bytes
    page: bytes


@dataclass(frozen=True, slots=True)
class Published:
    """The files by the ends of their names, and the record over the CSV."""

    csv: bytes
    metadata: bytes
    page: bytes
    record: SignedRecord

    def write(self, folder: Path, name: str) -> tuple[Path, ...]:
        """Writes all four; returns their paths."""
        folder.mkdir(parents=True, exist_ok=True)
        endings = {".csv": self.csv, ".csv-metadata.json": self.metadata, ".html": self.page}
        endings[".publication"] = wire.encode(self.record)
        for ending, body in endings.items():
            (folder / f"{name}{ending}").write_bytes(body)
        return tuple(folder / f"{name}{ending}" for ending in endings)


@dataclass(frozen=True, slots=True)
class _Column:
    """One column of the CSV: of the answer, or one end of an answer column's intervals (``end`` 0 or 1)."""

    header: str
    place: int
    kind: Type
    of: str
    end: int | None = None


def publish(release: Release, agreement: Agreement, title: str, name: str, key: SigningKey, now_ms: int) -> Published:
    """The files of one release and the signed record; ``name``: that of the files, without ending."""
    made = written(release, agreement, title, name, key.name, now_ms, "Published")
    record = Publication(
        version=RECORD_VERSION,
        request_digest=bytes.fromhex(release.request_id),
        run=release.run,
        analyst=key.name,
        title=title,
        table_digest=wire.digest(made.csv),
        decided_ms=now_ms,
    )
    return Published(made.csv, made.metadata, made.page, signed(RecordKind.PUBLICATION, wire.encode(record), key))


def written(
    release: Release, agreement: Agreement, title: str, name: str, analyst: str, now_ms: int, done: str = "Written"
) -> Written:
    """The files alone; ``name``: that of the CSV, without ending; ``done``: what was done on that day, in a word."""
    columns = _columns(release)
    about = _about(release, agreement, analyst, now_ms, done)
    return Written(
        _csv(release, columns),
        _metadata(release, columns, title, name, about, now_ms),
        _page(release, columns, title, about),
    )


def headers(release: Release) -> tuple[tuple[str, str, int | None], ...]:
    """Of each column of the CSV: its header, the answer's column that it is of, and which end of its intervals."""
    return tuple((column.header, column.of, column.end) for column in _columns(release))


def _columns(release: Release) -> tuple[_Column, ...]:
    """Those of the answer, in order and by their names, each followed by the ends of its intervals; an end whose header
    is a column's name already is told from it by a stroke."""
    answer, found, taken = release.answer, [], set(release.answer.columns)
    for place, (name, kind) in enumerate(zip(answer.columns, answer.types, strict=True)):
        found.append(_Column(name, place, kind, name))
        for end, word in enumerate((LOW, HIGH)) if any(name in row for row in answer.intervals) else ():
            header = f"{name}, {word}"
            while header in taken:
                header += "'"
            taken.add(header)
            found.append(_Column(header, place, Type.DECIMAL, name, end))
    return tuple(found)


def _cells(release: Release, columns: tuple[_Column, ...]) -> Iterator[list[Any]]:
    """The values of each row, in the order of ``columns``; None for NULL and for an end that is not known."""
    for row, intervals in zip(release.answer.rows, release.answer.intervals, strict=True):
        ends = [None if c.end is None else intervals.get(c.of, (None, None))[c.end] for c in columns]
        yield [row[c.place] if c.end is None else end for c, end in zip(columns, ends, strict=True)]


def _plain(value: Any) -> str:
    """A value as CSV and JSON-minded readers expect it: ISO dates, true and false, a point in decimals."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, date):
        return value.isoformat()
    return format(value, "f") if isinstance(value, Decimal) else repr(value) if isinstance(value, float) else str(value)


def _cell(value: Any) -> str:
    return no_formula(value) if isinstance(value, str) else _plain(value)


def _csv(release: Release, columns: tuple[_Column, ...]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow([no_formula(column.header) for column in columns])
    writer.writerows([_cell(value) for value in row] for row in _cells(release, columns))
    return text.getvalue().encode()


def _about(release: Release, agreement: Agreement, analyst: str, now_ms: int, done: str) -> dict[str, str]:
    """What readers need to know of the figures, heading by heading."""
    cost = f"epsilon {float(release.epsilon):g} at delta {float(release.delta):g}"
    return {
        done: datetime.fromtimestamp(now_ms // 1000, UTC).strftime("%d %B %Y"),
        "By": f"{analyst}, under the agreement “{agreement.title}” ({agreement.name}, edition {agreement.edition})",
        "Purpose": agreement.purpose,
        "Answered by": ", ".join(release.survivors),
        "Privacy": (
            "Random noise was added before the figures left the departments, so that nobody can tell from them whether "
            f"any one person is counted (differential privacy, {cost})."
        ),
        "How wrong they may be": (
            "In 95 of 100 such figures the true one, within the published bounds of the data, is inside the interval. "
            "Small counts may come out below zero; they are shown as released, so that sums stay right on average."
        ),
        "Request": release.request_id,
        **({"Notes": " ".join(release.answer.notes)} if release.answer.notes else {}),
    }


def _metadata(
    release: Release, columns: tuple[_Column, ...], title: str, name: str, about: dict[str, str], now_ms: int
) -> bytes:
    described = [
        {
            "name": quote(column.header, safe=""),
            "titles": no_formula(column.header),
            "datatype": _DATATYPES[column.kind],
            "dc:description": _said_of(column, release),
            **({"schema:unitText": unit} if (unit := release.answer.unit_of(column.place)) else {}),
        }
        for column in columns
    ]
    document = {
        "@context": ["http://www.w3.org/ns/csvw", {"@language": "en"}],
        "url": quote(f"{name}.csv"),
        "dc:title": title,
        "dc:description": " ".join(f"{heading}: {words}" for heading, words in about.items()),
        "dc:issued": {"@value": datetime.fromtimestamp(now_ms // 1000, UTC).date().isoformat(), "@type": "xsd:date"},
        "dc:identifier": release.request_id,
        "dialect": {"header": True, "encoding": "utf-8", "lineTerminators": ["\r\n"]},
        "tableSchema": {"columns": described},
    }
    return json.dumps(document, indent=2, ensure_ascii=False).encode() + b"\n"


def _said_of(column: _Column, release: Release) -> str:
    if column.end is not None:
        return f"The {('lower', 'upper')[column.end]} end of the 95 % interval of {column.of}, from the noise alone."
    noisy = any(column.of in row for row in release.answer.intervals)
    said = "A figure with noise; see its interval." if noisy else "Without noise: a key, or worked out from keys alone."
    cells = (row[column.place] for row in release.answer.rows)
    return f"{said} {_APOSTROPHES}" if any(_cell(cell) != _plain(cell) for cell in cells) else said


# -- the page


def _page(release: Release, columns: tuple[_Column, ...], title: str, about: dict[str, str]) -> bytes:
    """One page: a heading, what the figures are, the table with a row header each and the intervals in figures."""
    units = [release.answer.unit_of(column.place) for column in columns]
    named = [(c, heading(c.header, unit)) for c, unit in zip(columns, units, strict=True)]
    head = "".join(f'<th scope="col"{_align(column)}>{escape(words)}</th>' for column, words in named)
    body = "\n".join(_row(release, columns, row) for row in _cells(release, columns))
    facts = "\n".join(f"<dt>{escape(heading)}</dt><dd>{escape(words)}</dd>" for heading, words in about.items())
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>{escape(title)}</title>
<style>{_STYLE}</style>
</head>
<body>
<main>
<h1>{escape(title)}</h1>
<div class="wide" role="region" aria-label="The figures" tabindex="0">
<table>
<caption>Figures with their 95 % intervals</caption>
<thead><tr>{head}</tr></thead>
<tbody>
{body}
</tbody>
</table>
</div>
<h2>About these figures</h2>
<dl>
{facts}
</dl>
</main>
</body>
</html>
""".encode()


def _row(release: Release, columns: tuple[_Column, ...], row: list[Any]) -> str:
    """A row's first cell is its header if it is a key."""
    first = _is_key(columns[0], release)
    cells = []
    for place, (column, value) in enumerate(zip(columns, row, strict=True)):
        shown = escape(_shown(value))
        cells.append(f'<th scope="row">{shown}</th>' if first and not place else f"<td{_align(column)}>{shown}</td>")
    return f"<tr>{''.join(cells)}</tr>"


def _is_key(column: _Column, release: Release) -> bool:
    return not any(column.of in row for row in release.answer.intervals)


def _align(column: _Column) -> str:
    return ' class="number"' if column.kind in (Type.INTEGER, Type.DECIMAL) else ""


def _shown(value: Any) -> str:
    """For people: thousands apart, at most two decimals; what is missing is said."""
    if value is None:
        return "not known"
    if isinstance(value, float | Decimal):
        return f"{value:,.2f}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else _plain(value)
