"""What is published: a CSV, its description, a page and a signed record, from the answer alone."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import replace
from datetime import date
from decimal import Decimal
from fractions import Fraction
from html.parser import HTMLParser
from pathlib import Path

import pytest

from engine.cli.main import run
from engine.client.publish import Published, publish
from engine.client.release import Release
from engine.governance.homes import set_coordinator
from engine.sql.finish import Answer
from engine.trusted import wire
from engine.trusted.plan import Type
from engine.trusted.records import JournalEntry, JournalKind, Loss, Publication, RecordKind, SignedRecord
from engine.trusted.sign import open_agreement, require_signed_by
from tests.record.conftest import Bench

ANSWER = Answer(
    columns=("region", "day", "open", "n", "mean, GBP"),
    types=(Type.TEXT, Type.DATE, Type.BOOLEAN, Type.INTEGER, Type.DECIMAL),
    rows=(
        ('N, "north" <b>', date(2024, 1, 31), True, 1234, Decimal("12.50")),
        (None, date(2024, 2, 1), False, -3, None),
    ),
    intervals=({"n": (1200.0, 1268.5), "mean, GBP": (11.0, 14.25)}, {"n": (-30.0, 24.0)}),
    deviations=({}, {}),
    notes=("One group was left out.",),
)
HALF = (Loss(7, 0), Fraction(1, 2), Fraction(1, 10**9))
RELEASE = Release("ab" * 32, ANSWER, ("east", "north"), ("east", "north"), b"", *HALF, False, 3)
NOW = 1_800_000_000_000


@pytest.fixture(scope="module")
def made(bench: Bench) -> Published:
    home = bench.home("analyst")
    agreement = open_agreement(bench.home("coordinator").agreements()[0], home.roster())
    return publish(RELEASE, agreement, "Clinics <2024>", "clinics", home.signing_key(), NOW)


def named(column: str) -> tuple[str, str, str]:
    return column, f"{column}, low 95 %", f"{column}, high 95 %"


def test_the_table(made: Published) -> None:
    rows = list(csv.reader(io.StringIO(made.csv.decode(), newline="")))
    assert rows == [
        ["region", "day", "open", *named("n"), *named("mean, GBP")],
        ['N, "north" <b>', "2024-01-31", "true", "1234", "1200.0", "1268.5", "12.50", "11.0", "14.25"],
        ["", "2024-02-01", "false", "-3", "-30.0", "24.0", "", "", ""],
    ]
    assert made.csv.count(b"\r\n") == 3


def test_its_description_names_every_column_as_the_table_does(made: Published) -> None:
    document = json.loads(made.metadata)
    columns = document["tableSchema"]["columns"]
    header = next(csv.reader(io.StringIO(made.csv.decode(), newline="")))
    assert [column["titles"] for column in columns] == header
    assert [column["datatype"] for column in columns] == [
        *("string", "date", "boolean", "integer", "number", "number", "number", "number", "number")
    ]
    assert len({column["name"] for column in columns}) == len(columns)
    assert all(re.fullmatch(r"(?:[A-Za-z0-9_.~-]|%[0-9A-F]{2})+", column["name"]) for column in columns)
    assert document["@context"][0] == "http://www.w3.org/ns/csvw"
    assert (document["url"], document["dc:title"]) == ("clinics.csv", "Clinics <2024>")


def test_units_stand_in_the_description_and_on_the_page_and_change_no_header(bench: Bench, made: Published) -> None:
    answer = replace(ANSWER, units=("", "", "", "", "<GBP>"))
    home = bench.home("analyst")
    agreement = open_agreement(bench.home("coordinator").agreements()[0], home.roster())
    found = publish(replace(RELEASE, answer=answer), agreement, "Any", "any", home.signing_key(), NOW)
    columns = json.loads(found.metadata)["tableSchema"]["columns"]
    assert [column.get("schema:unitText") for column in columns] == [*[None] * 6, *["<GBP>"] * 3]
    assert found.csv == made.csv
    assert "mean, GBP, low 95 % (&lt;GBP&gt;)</th>" in found.page.decode()


def test_no_text_is_a_formula_and_every_number_stays_one(bench: Bench) -> None:
    """Each text comes back by taking away one apostrophe where a sign of a formula follows."""
    texts = ("=1+1", "+44", "-5", "@SUM(A1)", "\tx", "\rx", "'=1", "''-5", "＝1", "'quoted'", "plain", "", "a=b")
    texts += ("a;=1+1", "a;'=1", ";=1;;=2", "a\t=1", "a\n=1", "a; =1", "=1;=2", "a;b")
    rows = tuple((text, -5, Decimal("-0.50")) for text in texts)
    answer = Answer(
        columns=("=key", "-n", "+x"),
        types=(Type.TEXT, Type.INTEGER, Type.DECIMAL),
        rows=rows,
        intervals=({"-n": (-9.0, -1.0)},) * len(rows),
        deviations=({},) * len(rows),
        notes=(),
    )
    home = bench.home("analyst")
    agreement = open_agreement(bench.home("coordinator").agreements()[0], home.roster())
    found = publish(replace(RELEASE, answer=answer), agreement, "Any", "any", home.signing_key(), NOW)
    header, *cells = csv.reader(io.StringIO(found.csv.decode(), newline=""))
    assert header == ["'=key", "'-n", "'-n, low 95 %", "'-n, high 95 %", "'+x"]
    assert {tuple(row[1:]) for row in cells} == {("-5", "-9.0", "-1.0", "-0.50")}
    assert not [row[0] for row in cells if row[0][:1] in tuple("=+-@\t\r\n＝")]
    undone = [re.sub(r"(^|[;\t\r\n])'(?='*[=+\-@\t\r\n＝])", r"\1", row[0]) for row in cells]
    assert undone == list(texts)
    for separator in ";\t":  # as a spreadsheet of another country divides rows, quotes or not
        pieces = re.split(rf"[{separator}\r\n]", found.csv.decode())
        assert not [piece for piece in pieces if piece.lstrip('"')[:1] in tuple("=+-@＝")]
    columns = json.loads(found.metadata)["tableSchema"]["columns"]
    assert [column["titles"] for column in columns] == header
    assert ["apostrophe" in column["dc:description"] for column in columns] == [True, False, False, False, False]


class _Page(HTMLParser):
    """Elements with their attributes, whether each is closed, and the words."""

    VOID = ("meta",)

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.words = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def test_the_page_can_be_read_by_everybody_and_needs_nothing_else(made: Published) -> None:
    text = made.page.decode()
    page = _Page(text)
    assert page.open == []
    assert page.all("html") == [{"lang": "en"}]
    assert [len(page.all(tag)) for tag in ("title", "h1", "main", "table", "caption")] == [1, 1, 1, 1, 1]
    assert [a["scope"] for a in page.all("th")] == ["col"] * 9 + ["row"] * 2
    assert not re.search(r"(?:src|href)=|<script|<link|<img|url\(|@import|https?:", text)
    assert any(a.get("http-equiv") == "Content-Security-Policy" for a in page.all("meta"))
    assert 'N, "north" <b>' in page.words  # escaped, so that it is text and no element
    assert not page.all("b")
    for part in (
        "1,234",
        "1,200.00",
        "not known",
        "epsilon 0.5 at delta 1e-09",
        "east, north",
        "One group was left out.",
    ):
        assert part in page.words, part


def test_the_record_is_signed_over_the_table(bench: Bench, made: Published) -> None:
    roster = bench.home("analyst").roster()
    require_signed_by(made.record, roster.member("analyst"))
    assert made.record.kind is RecordKind.PUBLICATION
    assert wire.decode(Publication, made.record.payload) == Publication(
        1, bytes.fromhex("ab" * 32), 3, "analyst", "Clinics <2024>", wire.digest(made.csv), NOW
    )


def journal_of(bench: Bench, member: str) -> list[JournalEntry]:
    with bench.session() as session:
        _, entries = session.line.journal(member)
    return [wire.decode(JournalEntry, entry) for entry in entries]


def test_a_table_is_public_only_once_it_is_registered(bench: Bench, request_id: str, tmp_path: Path) -> None:
    home = replace(bench.home("analyst"), coordinator="127.0.0.1:1")  # nobody listens there
    set_coordinator(home, home.coordinator)
    command = ["release", "publish", request_id, "--title", "Regions", "--out", str(tmp_path / "out"), "--yes"]
    assert run([*command, "--home", str(home.path)]) == 5
    assert not (tmp_path / "out").exists()


def test_the_command_wants_a_confirmation(
    bench: Bench, request_id: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    set_coordinator(bench.home("analyst"), bench.coordinator.address)
    home, out = str(bench.home("analyst").path), tmp_path / "out"
    command = ["release", "publish", request_id, "--title", "Regions", "--out", str(out), "--home", home]
    assert run(command) == 3
    assert "cannot be taken back" in capsys.readouterr().err
    assert not out.exists()
    assert run([*command, "--yes", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    files = said["files"]
    assert [Path(file).suffix for file in files] == [".csv", ".json", ".html", ".publication"]
    rows = list(csv.reader(io.StringIO(Path(files[0]).read_text(), newline="")))
    assert [row[:2] for row in rows] == [["region", "n"], ["N", "700"], ["S", "7000"]]
    assert said["record"] == wire.digest(wire.decode(SignedRecord, Path(files[3]).read_bytes()).payload).hex()
    told = [e for e in journal_of(bench, "coordinator") if e.kind is JournalKind.PUBLISHED]
    assert [entry.record_digest.hex() for entry in told].count(said["record"]) == 1
    with bench.session() as session:
        session.share(request_id, "other")
    set_coordinator(bench.home("other"), bench.coordinator.address)
    assert run([*command[:-1], str(bench.home("other").path), "--yes"]) == 3
    assert "POLICY_RELEASE_NOT_OWN" in capsys.readouterr().err
