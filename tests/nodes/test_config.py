"""From a home on disk to a seat, a node and a process."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from engine.catalogue import parse_catalogue
from engine.errors import BadFile, Unavailable
from engine.governance.agreement import default_agreement, sign_agreement, sign_first_agreement
from engine.governance.federation import Federation, found
from engine.governance.homes import store_agreement, store_binding
from engine.trusted import wire
from engine.trusted.catalogue import DatasetBinding, LocalColumn, NodeBinding
from engine.trusted.clock import SystemClock
from engine.trusted.home import Home
from engine.trusted.plan import ColumnRef, NamedExpression, Type
from engine.trusted.random import SystemRandomness
from engine.trusted.records import JournalEntry, JournalKind
from nodes.config import open_node, take_seat, write_head
from nodes.ledger import entry_of
from nodes.log import Log
from nodes.manifest import Seat
from tests.warm.ask import WarmPopen

CATALOGUE = """
federation: realm
datasets:
  people:
    hosts: [north, south]
    person: person_id
    overlap: 1
    rows_per_person: 1
    columns:
      person_id: {type: text}
      region: {type: text, domain: [N, S]}
"""
COLUMNS = ("person_id", "region")
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def founded(tmp_path: Path) -> Federation:
    catalogue = parse_catalogue(CATALOGUE, "catalogue.yaml")
    federation = found(tmp_path, catalogue, clock=SystemClock(), randomness=SystemRandomness(), helpers=1)
    table = tmp_path / "people.csv"
    table.write_text("person_id,region\na,N\nb,S\nc,S\n")
    binding = DatasetBinding(
        "people",
        (str(table),),
        tuple(LocalColumn(c, Type.TEXT) for c in COLUMNS),
        tuple(NamedExpression(c, ColumnRef(c)) for c in COLUMNS),
    )
    store_binding(Home.load(federation.home("north")), NodeBinding(1, "north", (binding,)))
    return federation


def seat_of(federation: Federation, name: str) -> tuple[Home, Seat]:
    home = Home.load(federation.home(name))
    return home, take_seat(home, SystemClock(), SystemRandomness())


def journal(seat: Seat) -> list[JournalEntry]:
    return [wire.decode(JournalEntry, seat.ledger.entry(i)) for i in range(seat.ledger.head().size)]


def test_an_agreement_that_is_not_signed_by_all_is_journalled_and_ignored(founded: Federation) -> None:
    agreement = sign_first_agreement(founded, SystemClock())
    other = replace(default_agreement(founded.manifest, SystemClock()), name="unsigned-by-south")
    signers = [Home.load(founded.home(name)) for name in ("policy", "guardian-north")]
    store_agreement(Home.load(founded.home("north")), sign_agreement(other, *signers))
    _, seat = seat_of(founded, "north")
    assert list(seat.agreements.values()) == [agreement]
    fates = {e.agreement_digest: e.code for e in journal(seat) if e.kind is JournalKind.AGREEMENT_STORED}
    assert fates == {
        wire.digest(wire.encode(agreement)): "",
        wire.digest(wire.encode(other)): "POLICY_AGREEMENT_UNSIGNED",
    }
    seat.ledger.close()


@pytest.mark.parametrize("key", ["sign", "seal"])
def test_foreign_keys_do_not_start(founded: Federation, key: str) -> None:
    home = Home.load(founded.home("north"))
    home.write(f"keys/{key}.key", SystemRandomness().bytes(32), secret=True)
    with pytest.raises(BadFile) as refused:
        take_seat(home, SystemClock(), SystemRandomness())
    assert refused.value.code == "FILE_HOME_KEY_FOREIGN"


def test_a_member_without_data_is_a_seat_only(founded: Federation) -> None:
    home, seat = seat_of(founded, "helper-1")
    assert open_node(home, seat, Log(io.StringIO(), SystemClock())) is None
    seat.ledger.close()


def test_a_host_without_a_binding_does_not_start(founded: Federation) -> None:
    home, seat = seat_of(founded, "south")
    with pytest.raises(BadFile) as refused:
        open_node(home, seat, Log(io.StringIO(), SystemClock()))
    assert refused.value.code == "FILE_HOME_MISSING"
    seat.ledger.close()


@pytest.mark.parametrize("lost", ["gone", "emptied", "gone with its head"])
def test_a_lost_ledger_does_not_give_its_budget_back(founded: Federation, lost: str) -> None:
    home, seat = seat_of(founded, "north")
    assert (home.path / "journal/head").stat().st_mode & 0o077 == 0
    assert home.seen_head() == seat.ledger.head()
    open_node(home, seat, Log(io.StringIO(), SystemClock()))
    seat.ledger.close()
    seat_of(founded, "north")[1].ledger.close()
    home.state_path.unlink()
    if lost == "emptied":
        home.state_path.touch()
    elif lost != "gone":
        (home.path / "journal/head").unlink()
    for _ in range(2):
        with pytest.raises(Unavailable) as refused:
            seat_of(founded, "north")
        assert refused.value.code == "NODE_JOURNAL_DAMAGED"
        assert "restore the newest copy" in refused.value.hint


def test_a_stopped_node_has_written_down_its_journals_head(founded: Federation) -> None:
    home, seat = seat_of(founded, "north")
    seat.ledger.record(entry_of(JournalKind.AGREEMENT_STORED))
    write_head(home, seat)
    assert home.seen_head() == seat.ledger.head()
    seat.ledger.close()
    (home.path / "journal/head").write_bytes(b"")
    with pytest.raises((BadFile, Unavailable)):
        seat_of(founded, "north")


def start(*arguments: str, cwd: Path = ROOT, popen: type[subprocess.Popen[str]] = WarmPopen) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "nodes", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return popen(command, stderr=subprocess.PIPE, text=True, cwd=cwd, env=environment)


def test_the_process_starts_without_a_coordinator_and_ends_on_sigterm(founded: Federation) -> None:
    process = start("--home", str(founded.home("north")), "--coordinator", "127.0.0.1:9", popen=subprocess.Popen)
    assert process.stderr is not None
    rows, _, region = (json.loads(process.stderr.readline()) for _ in range(3))
    assert (rows["event"], rows["dataset"], rows["rows"], rows["surplus"]) == ("snapshot_cut", "people", 3, 0)
    assert (region["column"], region["kept"], region["lost"], region["moved"]) == ("region", 3, 0, 0)
    first = json.loads(process.stderr.readline())
    assert (first["event"], first["status"], first["member"]) == ("line_lost", "UNAVAILABLE", "north")
    assert "code" not in first  # nobody gave one
    os.kill(process.pid, signal.SIGTERM)
    _, log = process.communicate(timeout=20)
    assert process.returncode == 0
    assert json.loads(log.splitlines()[-1])["event"] == "stopped"


def test_a_home_may_be_named_from_where_one_stands(founded: Federation) -> None:
    """The worker runs in a directory of its own, so every path it is given is absolute."""
    home = founded.home("north")
    process = start("--home", f"../{home.parent.name}/north", "--coordinator", "127.0.0.1:9", cwd=home.parent)
    assert process.stderr is not None
    first = next(event for event in map(json.loads, process.stderr) if event["event"] != "snapshot_cut")
    process.terminate()
    process.communicate(timeout=20)
    assert (first["event"], first["member"]) == ("line_lost", "north"), first


@pytest.mark.parametrize("file", ["tls.key", "tls.crt", "ca.crt"])
def test_a_file_that_no_handshake_could_use_is_named_at_start(founded: Federation, file: str) -> None:
    broken = founded.home("helper-1") / "keys" / file
    broken.write_text("-----BEGIN CERTIFICATE-----\n")
    process = start("--home", str(founded.home("helper-1")))
    _, log = process.communicate(timeout=20)
    said = json.loads(log)
    assert (process.returncode, said["event"], said["code"]) == (2, "not_started", "FILE_HOME_BROKEN")
    assert str(broken) in said["message"]


def test_a_missing_home_is_a_clear_error(tmp_path: Path) -> None:
    process = start("--home", str(tmp_path / "nowhere"))
    _, log = process.communicate(timeout=20)
    assert process.returncode == 2
    assert json.loads(log)["code"] == "FILE_HOME_MISSING"
