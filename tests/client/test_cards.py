"""Quality cards: one question a snapshot, free afterwards; a published one is believed for its proofs alone."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from engine.cli.main import run
from engine.client import asking, cards
from engine.client.archive import Archive
from engine.client.card_asking import Asking, Given, ask, publish
from engine.client.cards import Card, Freshness, freshness
from engine.client.options import Options
from engine.client.publish import Published
from engine.client.publish import publish as publish_release
from engine.client.receipts import sign_receipt
from engine.client.session import Session, connect
from engine.errors import Refused
from engine.governance.homes import set_coordinator
from engine.governance.journal_file import Journal
from engine.trusted import wire
from engine.trusted.home import Home
from engine.trusted.messages import OpenRound
from engine.trusted.records import (
    JournalKind,
    Participant,
    Receipt,
    RecordKind,
    Request,
    SnapshotRef,
)
from engine.trusted.sign import open_agreement, signed
from tests.client.conftest import Bench

FILLED = {"east": (100, 90, 97, 50), "north": (200, 190, 180, 100), "west": (300, 290, 300, 0)}
"""Rows, persons, rows with a region, rows with a clinic."""


@pytest.fixture(scope="module")
def bench(bench: Bench) -> Bench:
    """The module's own federation, whose nodes count for cards."""
    for name, counts in FILLED.items():
        bench.members[name].counts = counts
    for member in bench.federation.manifest.members:
        if member.name != "coordinator":
            set_coordinator(Home.load(bench.federation.home(member.name)), bench.coordinator.address)
    return bench


@pytest.fixture
def session(bench: Bench) -> Iterator[Session]:
    with bench.session() as opened:
        yield opened


def rounds_opened(bench: Bench) -> int:
    return sum(isinstance(message, OpenRound) for message in bench.members["east"].seen)


def snapshots(bench: Bench, number: int) -> None:
    """All nodes take a new snapshot, and say so."""
    for name in FILLED:
        bench.members[name].snapshot = number
        bench.hang_up(name)
        bench.dial(name)


@pytest.fixture(scope="module")
def given(bench: Bench) -> Given:
    with bench.session() as session:
        return ask(session, Asking("people"), 30)


@pytest.fixture(scope="module")
def published(bench: Bench, given: Given) -> Card:
    with bench.session() as session:
        return publish(session, "people")[0]


def test_the_figures_are_those_of_the_release(given: Given) -> None:
    assert given.release is not None
    answer = given.release.answer
    figures = dict(zip(answer.columns, answer.rows[0], strict=True))
    assert (given.figures.rows.value, figures["all rows"]) == (600, 600)
    assert given.figures.persons is not None
    assert given.figures.persons.value == 570
    assert [(f.column, f.rows.value) for f in given.figures.columns] == [("region", 577), ("clinic", 150)]
    for filled in given.figures.columns:
        for name, measured in ((f"{filled.column}: rows", filled.rows), (f"{filled.column}: %", filled.share)):
            assert (measured.value, measured.span) == (figures[name], answer.intervals[0][name])
        assert filled.rows.value is not None
        assert filled.share.value == pytest.approx(100 * filled.rows.value / 600)


def test_a_share_above_one_hundred_is_not_cut(given: Given) -> None:
    """96 % of 600 rows, known to 23 rows: the interval goes on above 100 %."""
    region = given.figures.columns[0]
    assert region.share.span is not None
    assert region.share.span[0] < 96 < 100 < region.share.span[1]


def test_the_purpose_names_the_card_and_its_snapshots(session: Session, given: Given) -> None:
    asked = session.archive.asked(bytes.fromhex(given.request))
    request: Request = wire.decode(Request, asked.submission.request.payload)
    assert request.purpose == "Quality card of people; snapshots: east east-1, north north-1, west west-1"


def test_a_snapshot_is_charged_once(bench: Bench, session: Session, given: Given) -> None:
    before = rounds_opened(bench)
    for one in (Asking("people"), Asking("people", ("clinic", "region")), Asking("people", epsilon=Fraction(2))):
        again = ask(session, one, 30)
        assert (again.request, again.free, again.figures) == (given.request, True, given.figures)
    with pytest.raises(Refused, match=r"POLICY_CARD_ONCE.*" + given.request):
        ask(session, Asking("people", ("region",)), 30)
    assert rounds_opened(bench) == before


def test_an_answer_that_is_not_there_yet_is_waited_for_and_not_asked_again(
    session: Session, given: Given, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Archive, "released", lambda *_: None)
    with pytest.raises(Refused, match="POLICY_CARD_ONCE"):
        ask(session, Asking("people", ("region",)), 30)


def test_it_is_kept_and_registered(bench: Bench, session: Session, published: Card) -> None:
    kept = cards.newest(session.home, "people")
    assert kept is not None
    assert kept.body == published.body
    head, entries = session.line.journal("coordinator")
    told = Journal(session.home.manifest_record(), head, entries).decoded()
    assert [e.request_digest.hex() for e in told if e.kind is JournalKind.PUBLISHED] == [published.request]
    again, _ = publish(session, "people")
    assert again.body == published.body
    assert len(session.line.journal("coordinator")[1]) == len(entries)


@pytest.mark.parametrize("name", ["other", "guardian-east", "policy"])
def test_others_take_it(bench: Bench, published: Card, name: str) -> None:
    with connect(bench.home(name)) as session:
        assert cards.take(session, published.body).figures == published.figures
        found = cards.seen(session.home, session.catalogue.datasets[0], session, session.describe())
    assert (found.figures, found.freshness, found.missing) == (published.figures, Freshness.NOW, ())


def test_another_analyst_is_not_charged_for_what_is_published(bench: Bench, published: Card) -> None:
    before = rounds_opened(bench)
    with connect(bench.home("other")) as session:
        cards.take(session, published.body)
        given = ask(session, Asking("people"), 30)
        assert (given.figures, given.free, given.release) == (published.figures, True, None)
        with pytest.raises(Refused, match="POLICY_CARD_ONCE"):
            ask(session, Asking("people", values=("region",)), 30)
        with pytest.raises(Refused, match="POLICY_CARD_NONE"):
            publish(session, "people")
    assert rounds_opened(bench) == before


# -- what is not believed


def changed(found: Card, **parts: Any) -> bytes:
    return json.dumps({**json.loads(found.body), **parts}).encode()


def resigned(bench: Bench, found: Card, signer: str = "analyst", **fields: Any) -> str:
    """The publication with other fields, signed anew."""
    record = wire.encode(replace(found.publication, **fields))
    return b64encode(wire.encode(signed(RecordKind.PUBLICATION, record, bench.home(signer).signing_key()))).decode()


def other_table(bench: Bench, found: Card, table: str) -> bytes:
    """What an analyst could make who signs another table for the same release."""
    record = resigned(bench, found, table_digest=wire.digest(table.encode()))
    return changed(found, publication=record, table=table)


def receipt_of(found: Card, broken: bool = False) -> str:
    body = bytearray(b64decode(json.loads(found.body)["receipt"]))
    body[len(body) // 2] ^= broken
    return b64encode(bytes(body)).decode()


def publish_titled(bench: Bench, session: Session) -> tuple[Published, Receipt]:
    """An ordinary release, published under the title of a card."""
    for name in FILLED:
        bench.members[name].counts = (1, 2)
    release = session.query("SELECT region, COUNT(*) AS n FROM people GROUP BY region").wait(30)
    for name, counts in FILLED.items():
        bench.members[name].counts = counts
    receipt: Receipt = wire.decode(Receipt, release.receipt)
    agreement, key = open_agreement(receipt.agreement, session.roster), session.home.signing_key()
    made = publish_release(release, agreement, "Quality card of people", "card-people", key, session.clock.now_ms())
    session.line.hand(made.record)
    return made, receipt


def titled(bench: Bench) -> bytes:
    with bench.session() as session:
        made, receipt = publish_titled(bench, session)
        key = session.home.signing_key()
        return cards.written(made.record, made.csv, wire.encode(sign_receipt(receipt, key)))


FORGED: dict[str, tuple[Callable[[Bench, Card], bytes], str]] = {
    "no card": (lambda _, found: b"\x80", "POLICY_CARD_INVALID"),
    "a number": (lambda _, found: b"7", "POLICY_CARD_INVALID"),
    "deep": (lambda _, found: b"[" * 100_000, "POLICY_CARD_INVALID"),
    "of another version": (lambda _, found: changed(found, version=2), "POLICY_CARD_INVALID"),
    "another figure": (lambda _, found: found.body.replace(b"\\r\\n600", b"\\r\\n601"), "POLICY_CARD_INVALID"),
    "signed by another analyst": (
        lambda bench, found: changed(found, publication=resigned(bench, found, "other")),
        "POLICY_SIGNATURE_INVALID",
    ),
    "in another's name": (
        lambda bench, found: changed(found, publication=resigned(bench, found, "other", analyst="other")),
        "POLICY_CARD_INVALID",
    ),
    "signed by a guardian": (
        lambda bench, found: changed(
            found, publication=resigned(bench, found, "guardian-east", analyst="guardian-east")
        ),
        "POLICY_",
    ),
    "of another request": (
        lambda bench, found: changed(found, publication=resigned(bench, found, request_digest=bytes(32))),
        "POLICY_CARD_INVALID",
    ),
    "answered long after it was published": (
        lambda bench, found: changed(found, publication=resigned(bench, found, decided_ms=found.age[0] - 90_000_000)),
        "POLICY_CARD_INVALID",
    ),
    "of another run": (
        lambda bench, found: changed(found, publication=resigned(bench, found, run=2)),
        "POLICY_CARD_INVALID",
    ),
    "a broken receipt": (lambda _, found: changed(found, receipt=receipt_of(found, True)), "POLICY_"),
    "columns by other names": (
        lambda bench, found: other_table(
            bench, found, found.table.decode().replace("region", "x").replace("clinic", "region").replace("x", "clinic")
        ),
        "POLICY_CARD_INVALID",
    ),
    "a column more": (
        lambda bench, found: other_table(bench, found, found.table.decode().replace("\r\n", ",1\r\n")),
        "POLICY_CARD_INVALID",
    ),
    "words for a figure": (
        lambda bench, found: other_table(bench, found, found.table.decode().replace("\r\n600", "\r\nmany")),
        "POLICY_CARD_INVALID",
    ),
    "no number": (
        lambda bench, found: other_table(bench, found, found.table.decode().replace("\r\n600", "\r\nnan")),
        "POLICY_CARD_INVALID",
    ),
    "two rows": (
        lambda bench, found: other_table(bench, found, found.table.decode() + found.table.decode().splitlines()[1]),
        "POLICY_CARD_INVALID",
    ),
    "an ordinary release by the title of a card": (lambda bench, _: titled(bench), "POLICY_CARD_INVALID"),
    "of no day": (
        lambda bench, found: changed(found, publication=resigned(bench, found, decided_ms=1 << 62)),
        "POLICY_CARD_INVALID",
    ),
    "never registered": (
        lambda bench, found: changed(
            found, publication=resigned(bench, found, decided_ms=found.publication.decided_ms + 1)
        ),
        "POLICY_CARD_INVALID",
    ),
}


@pytest.mark.parametrize("forgery", FORGED)
def test_what_is_not_believed(bench: Bench, published: Card, forgery: str) -> None:
    forge, code = FORGED[forgery]
    body = forge(bench, published)
    assert body != published.body
    with connect(bench.home("guardian-north")) as session:
        with pytest.raises(Refused, match=code):
            cards.take(session, body)
        assert cards.newest(session.home, "people") is None


def test_a_registered_figure_is_the_analysts_word_and_the_newest_counts(bench: Bench, published: Card) -> None:
    """Who asked can sign another figure; then both are registered, and the later one is shown."""
    table = published.table.decode().replace("\r\n600", "\r\n601")
    later = replace(
        published.publication,
        table_digest=wire.digest(table.encode()),
        decided_ms=published.publication.decided_ms + 5,
    )
    record = signed(RecordKind.PUBLICATION, wire.encode(later), bench.home("analyst").signing_key())
    body = changed(published, publication=b64encode(wire.encode(record)).decode(), table=table)
    with connect(bench.home("guardian-west")) as session:
        session.line.hand(record)
        assert cards.take(session, body).figures.rows.value == 601
        with pytest.raises(Refused, match="POLICY_RECORD_OLD"):
            cards.take(session, published.body)


def test_no_publication_is_of_tomorrow(bench: Bench, published: Card) -> None:
    """It would be the newest for ever."""
    tomorrow = replace(published.publication, decided_ms=published.publication.decided_ms + 86_400_000)
    with bench.session() as session, pytest.raises(Refused, match="POLICY_RECORD_INVALID"):
        session.line.hand(signed(RecordKind.PUBLICATION, wire.encode(tomorrow), session.home.signing_key()))


def test_a_broken_file_in_a_home_is_said_and_nothing_of_it_shown(bench: Bench, published: Card) -> None:
    with connect(bench.home("guardian-north")) as session:
        (session.home.path / "cards").mkdir(exist_ok=True)
        (session.home.path / "cards" / "people.card").write_bytes(b"{}")
        found = cards.seen(session.home, session.catalogue.datasets[0], session, None)
        assert (found.card, found.figures) == (None, None)
        assert found.trouble is not None
        assert found.trouble.code == "POLICY_CARD_INVALID"
        (session.home.path / "cards" / "people.card").unlink()


@pytest.mark.parametrize(
    ("now", "wanted"),
    [
        ((("east", "1", 0), ("north", "1", 0)), Freshness.NOW),
        ((("east", "1", 0), ("north", "1", 0), ("west", "9", 0)), Freshness.NOW),
        ((("east", "1", 0), ("north", "2", 0)), Freshness.OLDER),
        ((("east", "1", 1), ("north", "1", 0)), Freshness.OLDER),
        ((("east", "2", 0),), Freshness.OLDER),
        ((("east", "1", 0),), Freshness.UNKNOWN),
        ((), Freshness.UNKNOWN),
        (None, Freshness.UNKNOWN),
    ],
)
def test_freshness(now: tuple[tuple[str, str, int], ...] | None, wanted: Freshness) -> None:
    def at(node: str, snapshot: str, consent: int) -> Participant:
        return Participant(node, (SnapshotRef("people", snapshot, consent), SnapshotRef("other", snapshot * 2, 0)))

    answered = [at("east", "1", 0), at("north", "1", 0)]
    assert freshness(answered, "people", None if now is None else [at(*one) for one in now]) is wanted


def test_drivers_read_it(bench: Bench, published: Card) -> None:
    with bench.session() as session:
        sql = "SELECT column, figure, value, unit, snapshot, epsilon, request FROM fed.cards WHERE column = 'clinic'"
        table = asking.read(session, sql, Options()).table()
    shared = {"column": "clinic", "snapshot": "now", "epsilon": pytest.approx(1), "request": published.request}
    assert table.to_pylist() == [
        {**shared, "figure": "rows with a value", "value": 150, "unit": "rows"},
        {**shared, "figure": "complete", "value": 25, "unit": "%"},
    ]


# -- the commands, and a new snapshot


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    capsys.readouterr()
    assert run([*arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_the_commands(bench: Bench, published: Card, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    home, other = str(bench.federation.home("analyst")), str(bench.federation.home("other"))
    again = told(capsys, "card", "ask", "people", "--home", home)
    assert (again["free"], again["request"]) == (True, published.request)
    shares = {f["column"]: f["value"] for f in again["figures"] if f["figure"] == "complete"}
    assert shares == pytest.approx({"region": 100 * 577 / 600, "clinic": 25})
    assert run(["card", "publish", "people", "--home", home]) == 3
    written = told(capsys, "card", "publish", "people", "--home", home, "--out", str(tmp_path), "--yes")
    assert written["files"] == [str(tmp_path / "people.card")]
    assert told(capsys, "card", "take", written["files"][0], "--home", other)["request"] == published.request
    shown = told(capsys, "card", "show", "people", "--home", other)
    assert shown["figures"] == again["figures"]
    assert (shown["snapshot"], shown["cost"], shown["nodes"]) == (
        "now",
        "epsilon 1 at delta 1e-09",
        ["east", "north", "west"],
    )
    assert run(["card", "show", "people", "--home", other]) == 0
    words = capsys.readouterr().out
    assert "25.0" in words and "Of the snapshots that answers come from now." in words
    assert run(["card", "show", "no-such", "--home", other]) == 3
    assert run(["card", "take", str(tmp_path / "nowhere"), "--home", other]) == 2


def test_a_new_snapshot_makes_it_older_and_may_be_asked_about(bench: Bench, published: Card) -> None:
    snapshots(bench, 2)
    with bench.session() as session:
        dataset = session.catalogue.datasets[0]
        assert cards.seen(session.home, dataset, session, session.describe()).freshness is Freshness.OLDER
        before = rounds_opened(bench)
        given = ask(session, Asking("people"), 30)
        assert not given.free
        assert given.request != published.request
        assert rounds_opened(bench) == before + 1
        newer, _ = publish(session, "people")
        assert newer.request == given.request
        assert cards.seen(session.home, dataset, session, session.describe()).freshness is Freshness.NOW
        assert cards.seen(session.home, dataset, session, None).freshness is Freshness.UNKNOWN


def test_an_older_answer_that_is_published_later_is_not_the_newest(bench: Bench, published: Card) -> None:
    """Its analyst publishes the card of the snapshot before once more, after that of the one in use."""
    snapshots(bench, 3)
    with bench.session() as session:
        newer = publish(session, "people")[0] if not ask(session, Asking("people"), 30).free else None
    assert newer is not None
    late = replace(published.publication, decided_ms=newer.publication.decided_ms + 1)
    record = signed(RecordKind.PUBLICATION, wire.encode(late), bench.home("analyst").signing_key())
    body = changed(published, publication=b64encode(wire.encode(record)).decode())
    with connect(bench.home("other")) as session:
        cards.take(session, newer.body)
        session.line.hand(record)
        with pytest.raises(Refused, match="POLICY_RECORD_OLD"):
            cards.take(session, body)
        kept = cards.newest(session.home, "people")
        assert kept is not None
        assert kept.request == newer.request


def test_what_would_not_be_the_newest_is_not_made_public(bench: Bench, published: Card) -> None:
    with bench.session() as session:
        snapshots(bench, 4)
        earlier = ask(session, Asking("people"), 30)
        snapshots(bench, 5)
        ask(session, Asking("people"), 30)
        publish(session, "people")
        cards.note_asked(session.home, "people", earlier.request)
        before = len(session.line.journal("coordinator")[1])
        with pytest.raises(Refused, match="POLICY_RECORD_OLD"):
            publish(session, "people")
        assert len(session.line.journal("coordinator")[1]) == before
