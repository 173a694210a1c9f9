"""Quality cards in the register: figures of published tables whose plan is a card's, and of nothing else."""

from __future__ import annotations

import csv
import io
import json
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest

from engine.client.card_asking import Asking, ask, publish
from engine.client.cards import Card, take
from engine.client.register import fetch_sources
from engine.client.session import connect
from engine.governance.card import HIDDEN, lines
from engine.governance.register.build import build
from engine.governance.register.rows import CardRow
from engine.governance.register.site import files, register_of
from engine.governance.register.sources import Evidence, verified
from engine.governance.register.tables import csv_bytes, document
from engine.governance.schemas import SCHEMAS
from engine.trusted import wire
from engine.trusted.home import Home
from engine.trusted.records import JournalKind, RecordKind
from engine.trusted.sign import Roster, signed
from tests.client.conftest import Bench
from tests.client.test_cards import FILLED, publish_titled
from tests.desk.conftest import desk_of, opened_bench, visible


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """Of each test its own: what one publishes, the others do not see."""
    with opened_bench(tmp_path) as made:
        for name, counts in FILLED.items():
            made.members[name].counts = counts
        yield made


@pytest.fixture
def published(bench: Bench) -> Card:
    with bench.session() as session:
        ask(session, Asking("people"), 30)
        return publish(session, "people")[0]


def ask_of_another_snapshot(bench: Bench) -> None:
    bench.members["north"].snapshot += 1
    bench.hang_up("north")
    bench.dial("north")
    with bench.session() as session:
        assert not ask(session, Asking("people"), 30).free


def evidence_of(bench: Bench, rounds: int = 1) -> Evidence:
    """Once the coordinator has collected the journals of the first ``rounds`` rounds: it does so after each."""
    for _ in range(500):
        found = verified(fetch_sources(bench.home("policy")))
        charged = [sum(e.kind is JournalKind.CHARGED for e in kept.entries) for kept in found.journals.values()]
        if sum(count >= rounds for count in charged) == len(FILLED) and contradictions(found) == []:
            return found
        time.sleep(0.01)
    raise AssertionError("journals were not collected")


def contradictions(evidence: Evidence) -> list[str]:
    """Helpers that served no round have no journal yet, which is said and no matter here."""
    return [c.says for c in build(evidence, 1).contradictions if not c.member.startswith("helper")]


def tables_of(found: Card) -> dict[bytes, bytes]:
    return {wire.digest(found.table): found.table}


def rows_of(bench: Bench, tables: dict[bytes, bytes], evidence: Evidence | None = None) -> tuple[CardRow, ...]:
    return register_of(evidence or evidence_of(bench), 1, tables)[0].cards


def test_the_register_says_what_the_card_says(bench: Bench, published: Card) -> None:
    register, placed = register_of(evidence_of(bench), 1, tables_of(published))
    assert contradictions(evidence_of(bench)) == []
    figures = [(r.column, r.figure, r.unit, r.value, r.low, r.high) for r in register.cards]
    assert figures == [
        (line.column, line.figure, line.unit, line.measured.value, line.measured.low, line.measured.high)
        for line in lines(published.figures)
    ]
    (about,) = {(r.dataset, r.nodes, r.older, r.cost, r.analyst, r.request, r.file) for r in register.cards}
    assert about[:-1] == ("people", ("east", "north", "west"), False, published.cost, "analyst", published.request)
    assert placed[about[-1]] == published.table


def test_its_files_are_those_rows(bench: Bench, published: Card) -> None:
    evidence = evidence_of(bench)
    site = dict(files(evidence, 1, tables_of(published)))
    found = json.loads(site["register.json"])
    jsonschema.Draft202012Validator(SCHEMAS["register"]()).validate(found)
    spoilt = json.loads(json.dumps(found))
    spoilt["cards"][0]["value"] = "600"
    assert list(jsonschema.Draft202012Validator(SCHEMAS["register"]()).iter_errors(spoilt))
    read = list(csv.DictReader(io.StringIO(site["cards.csv"].decode(), newline="")))
    assert [(r["figure"], float(r["value"])) for r in read] == [(r["figure"], r["value"]) for r in found["cards"]]
    described = json.loads(site["cards.csv-metadata.json"])["tableSchema"]["columns"]
    assert {c["name"]: c["datatype"] for c in described}["value"] == "number"
    words = visible(site["datasets/people.html"].decode())
    assert "clinic complete 25.0 ± 3.9 %" in words
    assert "who vouches for the figures" in words
    assert found["cards"][0]["file"] in site


def test_a_number_below_zero_stays_a_number() -> None:
    row = CardRow("people", "clinic", "rows with a value", "rows", -3.5, None, 1.0, (), False, "", "", "", "", "")
    assert csv_bytes(CardRow, [row]).splitlines()[1].startswith(b"people,clinic,rows with a value,rows,-3.5,,1.0,")


def test_without_its_table_there_is_no_figure(bench: Bench, published: Card) -> None:
    register, _ = register_of(evidence_of(bench), 1, {})
    assert register.cards == ()
    page = dict(files(evidence_of(bench), 1, {}))["datasets/people.html"].decode()
    assert "No card with figures" in page
    assert document(register)["cards"] == ()


def test_no_title_makes_a_card(bench: Bench, published: Card) -> None:
    """An ordinary release is published under the title of a card, later than the card."""
    with bench.session() as session:
        made, _ = publish_titled(bench, session)
    both = {**tables_of(published), wire.digest(made.csv): made.csv}
    register, _ = register_of(evidence_of(bench), 1, both)
    assert [p.title for p in register.publications] == ["Quality card of people"] * 2
    assert {row.request for row in register.cards} == {published.request}
    assert register_of(evidence_of(bench), 1, {wire.digest(made.csv): made.csv})[0].cards == ()


def test_what_no_catalogue_declares_now_is_not_named(bench: Bench, published: Card) -> None:
    evidence = evidence_of(bench)
    manifest = evidence.roster.manifest
    people = manifest.catalogue.datasets[0]
    fewer = replace(people, columns=tuple(c for c in people.columns if c.name != "clinic"))
    evidence.roster = Roster(replace(manifest, catalogue=replace(manifest.catalogue, datasets=(fewer,))))
    rows = rows_of(bench, tables_of(published), evidence)
    assert [row.column for row in rows] == ["", "", "region", "region", HIDDEN, HIDDEN]


def test_an_auditors_desk_shows_a_card_it_has_taken(bench: Bench, published: Card) -> None:
    browser = desk_of(Home.load(bench.federation.home("auditor")))
    assert "No card with figures" in browser.get("/register/datasets/people.html").text
    with connect(browser.desk.home) as session:
        take(session, published.body)
    browser.post("/register/anew")
    page = browser.get("/register/datasets/people.html").text
    assert "clinic complete 25.0 ± 3.9 %" in visible(page)
    table = browser.get(f"/register/requests/{published.request}/release-1.csv")
    assert table.content == published.table
    browser.desk.close()


def test_a_charge_for_another_snapshot_makes_it_older(bench: Bench, published: Card) -> None:
    assert not rows_of(bench, tables_of(published))[0].older
    ask_of_another_snapshot(bench)
    assert rows_of(bench, tables_of(published), evidence_of(bench, 2))[0].older


def test_whose_rows_were_counted_says_the_coordinator_of_the_run_that_was_published(
    bench: Bench, published: Card
) -> None:
    """A second run was answered by fewer nodes; a node writes a release into its own journal."""
    evidence = evidence_of(bench)
    request, said = published.publication.request_digest, published.publication
    (digest,) = [d for d, p in evidence.publications.items() if p == said]
    journals = evidence.journals
    first = next(
        e
        for e in journals["coordinator"].entries
        if e.kind is JournalKind.RELEASED_TO_ANALYST and e.request_digest == request
    )
    for name, survivors in (("coordinator", ("east", "north")), ("east", ("west",))):
        told = replace(first, survivors=survivors)
        ends = (*journals[name].entries, told) if name == "coordinator" else (told, *journals[name].entries)
        journals[name] = replace(journals[name], entries=ends)
    evidence.journals = dict(sorted(journals.items(), key=lambda item: item[0] == "coordinator"))
    for run, nodes in ((1, {("east", "north", "west")}), (2, {("east", "north")}), (3, set())):
        evidence.publications[digest] = replace(said, run=run)
        assert {row.nodes for row in rows_of(bench, tables_of(published), evidence)} == nodes


def test_the_newest_was_answered_last(bench: Bench, published: Card) -> None:
    """The one of before is published once more, after that of the snapshot in use."""
    ask_of_another_snapshot(bench)
    with bench.session() as session:
        newer = publish(session, "people")[0]
        assert newer.request != published.request
        late = replace(published.publication, decided_ms=newer.publication.decided_ms + 1)
        session.line.hand(signed(RecordKind.PUBLICATION, wire.encode(late), session.home.signing_key()))
    both = {**tables_of(published), **tables_of(newer)}
    assert {row.request for row in rows_of(bench, both, evidence_of(bench, 2))} == {newer.request}
