"""What a department can tell one person: from its journal and the snapshots it still keeps."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from published import FixedRandomness, binding_of, catalogue_of, dataset, home_at

from engine.errors import BadFile
from engine.trusted import wire
from engine.trusted.records import (
    AccountCap,
    AccountScope,
    Agreement,
    JournalKind,
    LegalGateway,
    Loss,
    Request,
    SnapshotRef,
)
from nodes.ledger import Ledger, entry_of
from nodes.sources.duckdb import DuckDBSource
from nodes.subjects import about
from nodes.tables import cut

HEADER = "person_id,region,sex,age,income,paid_on,active,note\n"
LOSS = Loss(10, 0)


class Clock:
    def now_ms(self) -> int:
        return 1_000

    def monotonic_ms(self) -> float:
        return 0.0


def charge(ledger: Ledger, number: int, *snapshots: SnapshotRef) -> bytes:
    """One charged round over those snapshots."""
    round_, digest = (sha256(f"{kind} {number}".encode()).digest() for kind in ("round", "request"))
    request = Request(1, bytes(16), "demo", "ana", bytes(32), bytes(32), LOSS, 1, 0, 3, bytes(32), 0, 9, 1, 1, "")
    agreement = Agreement(
        *(1, "study", 1, "", "", LegalGateway.RESEARCH, "", "", (), ("ana",), (), (), "", "", ""),
        *(Loss(10**9, 0), Loss(10**9, 0), 0, 9, "", "", 0, "demo"),
    )
    entry = entry_of(JournalKind.CHARGED, round=round_, request_digest=digest, snapshots=snapshots)
    ledger.charge(request, agreement, ((AccountScope.IDENTIFIER, "nino"),), entry)
    return round_


@pytest.fixture
def department(tmp_path: Path, source: DuckDBSource) -> Any:
    """A home whose table is cut three times, with a round charged over each; only the last two are still kept."""
    home, definition, file = home_at(tmp_path / "home"), dataset(), tmp_path / "people.csv"
    cap = AccountCap(AccountScope.IDENTIFIER, "", 0, None, Loss(10**9, 10**9))
    ledger, rounds, randomness = Ledger.open(home.state_path, "north", Clock(), (cap,)), [], FixedRandomness()
    for number, persons in enumerate((("p1", "p2"), ("p1", "p2"), ("p2", "p3"))):
        file.write_text(HEADER + "".join(f"{person},N,F,30,100,2020-05-01,true,x\n" for person in persons))
        binding = binding_of(definition, [file], source)
        tables = cut(binding, catalogue_of(definition), home, randomness=randomness, source=source, fresh=number > 0)
        elsewhere = SnapshotRef("people", "f" * 32, 0)  # another host's
        rounds.append(charge(ledger, number, *tables.refs(), elsewhere))
    ledger.close()
    return home, catalogue_of(definition), rounds


@pytest.mark.parametrize(
    ("person", "listed"), [("p1", [1]), ("p2", [1, 2]), ("p3", [2]), ("p4", []), ("", []), ("p1' OR 1=1 --", [])]
)
def test_a_person_learns_which_rounds_could_have_counted_them(
    department: Any, source: DuckDBSource, person: str, listed: list[int]
) -> None:
    home, catalogue, rounds = department
    told = about(home, catalogue, person, source)
    found: Any = told["rounds"]
    assert [entry["round"] for entry in found] == [rounds[number].hex() for number in listed]
    assert all(entry["rows"] == {"people": 1} and entry["analyst"] == "ana" for entry in found)
    assert told["unknown"] == 1  # the first snapshot is gone
    assert told["cannot_know"]


def test_a_ledger_that_cannot_be_read_is_said(tmp_path: Path, source: DuckDBSource) -> None:
    home = home_at(tmp_path / "home")
    home.state_path.write_bytes(b"not a database")
    with pytest.raises(BadFile, match="FILE_LEDGER_BROKEN"):
        about(home, catalogue_of(dataset()), "p1", source)


def test_the_journal_of_a_charge_is_what_is_read(department: Any) -> None:
    """The test's own charges are journal entries as a node writes them: canonical bytes."""
    home, _, rounds = department
    ledger = Ledger.open(home.state_path, "north", Clock(), ())
    entries = [wire.decode(type(entry_of(JournalKind.OPENED)), body) for body in ledger.entries(0, 1 << 20)]
    assert [e.round for e in entries if e.kind is JournalKind.CHARGED] == rounds
    ledger.close()
