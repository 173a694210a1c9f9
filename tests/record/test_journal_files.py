"""Journals as files: exported from a ledger or from the coordinator, verified with the root keys, damaged in vain."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from engine.cli.main import run
from engine.errors import BadFile, Refused
from engine.governance import journal_file
from engine.governance.journal_file import Journal
from engine.trusted import wire
from engine.trusted.clock import SystemClock
from engine.trusted.home import Home
from engine.trusted.records import JournalEntry, JournalKind, Loss, RecordKind, Signature
from engine.trusted.sign import sign_head
from nodes.ledger import Ledger, entry_of
from tests.coordinator.members import make_federation, make_submission
from tests.record.conftest import Bench, released
from tests.record.tampering import damaged, lines_moved


def journal_of(bench: Bench, name: str) -> Journal:
    member = bench.members[name]
    return Journal(member.home.manifest_record(), member.head, tuple(member.journal))


@pytest.fixture(scope="module")
def files(bench: Bench) -> tuple[bytes, bytes]:
    """The journals of two nodes that served two rounds, and of one of them later."""
    for number in (3, 4):
        released(bench, Fraction(number, 7))
    return tuple(journal_file.written(journal_of(bench, name)) for name in ("north", "west"))  # type: ignore[return-value]


def holds(bench: Bench, body: bytes) -> int:
    return journal_file.verify(journal_file.read(body), bench.roots).size


def test_a_journal_file_holds_and_can_be_read_by_people(bench: Bench, files: tuple[bytes, bytes]) -> None:
    body, _ = files
    lines = [json.loads(line) for line in body.splitlines()]
    assert holds(bench, body) == lines[0]["size"] == len(lines) - 2
    assert [line["position"] for line in lines[2:]] == list(range(len(lines) - 2))
    charged = next(line for line in lines[2:] if line["kind"] == "charged")
    assert (charged["analyst"], len(charged["round"])) == ("analyst", 64)
    assert charged["rho_billionths"] > 0
    told = journal_file.summary(journal_file.read(body).decoded())
    assert told["kinds"]["charged"] == told["kinds"]["replied"]
    assert told["rho_billionths"] == sum(line.get("rho_billionths", 0) for line in lines[2:])


@pytest.mark.parametrize("damage", [damaged, lines_moved])
def test_no_damaged_journal_holds(
    bench: Bench, files: tuple[bytes, bytes], damage: Callable[..., list[tuple[str, bytes]]]
) -> None:
    """1,000 edits, cuts, copies and swaps, of bytes and of lines: every one is refused with a code."""
    body, other = files
    for number, (what, made) in enumerate(damage(body, other, 1_000, seed=11)):
        with pytest.raises(Refused):
            holds(bench, made)
            pytest.fail(what)
        if number % 100 == 0:
            holds(bench, body)


def test_a_readable_word_changed_is_found(bench: Bench, files: tuple[bytes, bytes]) -> None:
    words = (
        (b'"kind": "charged"', b'"kind": "replied"'),
        (b'"version": 1', b'"version":  1'),
        (b'Z", "kind"', b'z", "kind"'),
    )
    for old, new in words:
        assert old in files[0]
        with pytest.raises(Refused, match="POLICY_JOURNAL_INVALID"):
            holds(bench, files[0].replace(old, new, 1))


FORGED: dict[str, tuple[Callable[[Bench, Journal, Journal], Journal], str]] = {
    "the last entry left out": (lambda b, j, o: replace(j, entries=j.entries[:-1]), "POLICY_JOURNAL_INVALID"),
    "an entry changed": (
        lambda b, j, o: replace(j, entries=(_changed(j.entries[0]), *j.entries[1:])),
        "POLICY_JOURNAL_INVALID",
    ),
    "two entries swapped": (
        lambda b, j, o: replace(j, entries=(j.entries[1], j.entries[0], *j.entries[2:])),
        "POLICY_JOURNAL_INVALID",
    ),
    "the head of another member": (lambda b, j, o: replace(j, head=o.head), "POLICY_JOURNAL_INVALID"),
    "a head nobody signed": (
        lambda b, j, o: replace(j, head=replace(j.head, signature=o.head.signature)),
        "POLICY_SIGNATURE_INVALID",
    ),
    "the entries of another member": (
        lambda b, j, o: replace(j, entries=o.entries, head=sign_head(replace(o.head.head, member="north"), _key(b))),
        "POLICY_JOURNAL_INVALID",
    ),
    "a manifest that the roots did not sign": (
        lambda b, j, o: replace(j, manifest=replace(j.manifest, signatures=())),
        "POLICY_MANIFEST_UNSIGNED",
    ),
    "a manifest that somebody else signed too": (
        lambda b, j, o: replace(
            j, manifest=replace(j.manifest, signatures=(*j.manifest.signatures, Signature("somebody", bytes(64))))
        ),
        "POLICY_JOURNAL_INVALID",
    ),
    "another record as manifest": (
        lambda b, j, o: replace(j, manifest=replace(j.manifest, kind=RecordKind.AGREEMENT)),
        "POLICY_RECORD_INVALID",
    ),
}


def _changed(entry: bytes) -> bytes:
    said: JournalEntry = wire.decode(JournalEntry, entry)
    return wire.encode(replace(said, at_ms=said.at_ms + 1))


def _key(bench: Bench) -> object:
    return bench.members["north"].key


@pytest.mark.parametrize(("forge", "code"), FORGED.values(), ids=FORGED.keys())
def test_a_forged_journal_does_not_hold(
    bench: Bench, forge: Callable[[Bench, Journal, Journal], Journal], code: str, files: tuple[bytes, bytes]
) -> None:
    own, other = (journal_file.read(body) for body in files)
    with pytest.raises(Refused, match=code):
        holds(bench, journal_file.written(forge(bench, own, other)))


def test_heads_seen_elsewhere_have_to_fit(bench: Bench, files: tuple[bytes, bytes]) -> None:
    from engine.client.archive import Archive

    north = bench.members["north"]
    journal, seen = journal_file.read(files[0]), Archive(bench.home("analyst")).heads("north")
    assert journal_file.verify(journal, bench.roots, seen).size == journal.head.head.size
    rewritten = replace(north.head_at(3).head, root=bytes(32))
    later = replace(journal.head.head, size=journal.head.head.size + 1)
    for head in (rewritten, later):
        with pytest.raises(Refused, match="POLICY_HEAD_FORKED"):
            journal_file.verify(journal, bench.roots, [*seen, sign_head(head, north.key)])


# -- from a node's own home


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A node whose ledger holds charges, answers and refusals."""
    federation = make_federation(tmp_path, helpers=1)
    submission = make_submission(federation)
    home = Home.load(federation.home("north"))
    from engine.trusted.sign import open_agreement, open_request

    roster = home.roster()
    request, agreement = open_request(submission.request, roster), open_agreement(home.agreements()[0], roster)
    ledger = Ledger.open(home.state_path, "north", SystemClock(), roster.manifest.rules.caps)
    entry = entry_of(JournalKind.CHARGED, round=b"r" * 32, request_digest=b"q" * 32)
    ledger.charge(replace(request, loss=Loss(1000, 0)), agreement, (), entry)
    ledger.store_refusal(b"r" * 32, "NODE_FAILED")
    ledger.mark_answered(request, replace(entry, kind=JournalKind.ANSWERED_AS_HELPER, survivors=("east", "north")))
    head = ledger.head()
    home.write("journal/head", wire.encode(head))
    ledger.record(entry_of(JournalKind.SNAPSHOT_TAKEN))
    ledger.close()
    return home


def test_the_head_of_an_export_is_the_ledgers_own(home: Home) -> None:
    ledger = Ledger.open(home.state_path, "north", SystemClock(), home.manifest().rules.caps)
    journal = journal_file.journal_of_home(home)  # while the ledger is open
    assert journal.head == sign_head(ledger.head(), home.signing_key())
    ledger.close()
    assert journal_file.journal_of_home(home) == journal
    assert journal_file.verify(journal, home.roots()).size == 5


def test_export_and_verify_at_a_node(home: Home, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, roots = str(tmp_path / "north.journal"), str(home.path / "root.keys")
    before = home.state_path.read_bytes()
    assert run(["journal", "export", "--home", str(home.path), "--out", file]) == 0
    assert run(["journal", "verify", file, "--roots", roots]) == 0
    assert "The journal holds." in capsys.readouterr().out
    assert run(["journal", "verify", "--home", str(home.path), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["member"], document["size"], document["rho_billionths"]) == ("north", 5, 1000)
    assert home.state_path.read_bytes() == before
    assert run(["journal", "verify"]) == 2
    assert run(["journal", "verify", file]) == 2
    assert run(["journal", "verify", str(tmp_path / "none"), "--roots", roots]) == 2


def test_a_home_whose_journal_lost_entries_does_not_verify(home: Home) -> None:
    import sqlite3

    with sqlite3.connect(home.state_path) as db:
        db.execute("DROP TRIGGER entries_stay")
        db.execute("DELETE FROM entries WHERE position > 2")
    assert run(["journal", "verify", "--home", str(home.path)]) == 3


def test_what_has_no_ledger(tmp_path: Path) -> None:
    federation = make_federation(tmp_path, helpers=1)
    for name, code in (("analyst", "FILE_HOME_NOT_A_NODE"), ("north", "FILE_LEDGER_BROKEN")):
        with pytest.raises(BadFile, match=code):
            journal_file.journal_of_home(Home.load(federation.home(name)))


# -- from the coordinator


@pytest.mark.parametrize("member", ["north", "coordinator"])
def test_a_journal_from_the_coordinator(
    bench: Bench, files: object, tmp_path: Path, member: str, capsys: pytest.CaptureFixture[str]
) -> None:
    home, file = bench.home("guardian-east"), str(tmp_path / "file")
    from engine.governance.homes import set_coordinator

    set_coordinator(home, bench.coordinator.address)
    assert run(["journal", "export", "--home", str(home.path), "--member", member, "--out", file]) == 0
    assert run(["journal", "verify", file, "--roots", str(home.path / "root.keys")]) == 0
    assert f"signed by {member}" in capsys.readouterr().out
    found = journal_file.read(Path(file).read_bytes())
    if member == "north":
        assert list(found.entries) == bench.members["north"].journal[: len(found.entries)]
        assert len(found.entries) >= 5


def test_nodes_and_whether_their_journals_are_sound(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    from engine.governance.homes import set_coordinator

    home = bench.home("policy")
    set_coordinator(home, bench.coordinator.address)
    assert run(["journal", "list", "--home", str(home.path), "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert listed == [{"node": name, "sound": True, "code": ""} for name in ("east", "north", "west")]
    assert run(["journal", "list", "--home", str(home.path)]) == 0
    assert "sound" in capsys.readouterr().out


def test_journals_nobody_has(bench: Bench, files: object) -> None:
    from engine.errors import Unavailable

    with bench.session() as session:
        with pytest.raises(Refused, match="POLICY_UNKNOWN_MEMBER"):
            session.line.journal("nobody")
        with pytest.raises(Unavailable, match="NODE_JOURNAL_NOT_YET"):
            session.line.journal("policy")
