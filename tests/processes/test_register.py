"""A register of real processes, after an answer, a pause, a refusal while paused and a publication: it says what the
nodes' own journals say, entry by entry, and nothing in it contradicts anything else."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from engine.cli.main import run
from engine.errors import Unavailable
from engine.governance.journal_file import journal_of_home
from engine.governance.revocation import pause_record
from engine.trusted.clock import SystemClock
from engine.trusted.home import Home
from engine.trusted.records import JournalKind
from tests.processes.test_first_light import SECONDS, SQL, Processes, processes, until

__all__ = ["processes"]  # the fixture
K = JournalKind
TOLD = (
    *(K.CHARGED, K.REPLIED, K.ROUND_REFUSED, K.AGREEMENT_STORED, K.AGREEMENT_REVOKED),
    *(K.PAUSED, K.RESUMED, K.MANIFEST_STORED),
)


def test_the_register_of_real_processes(processes: Processes, tmp_path: Path) -> None:
    homes = {name: Home.load(processes.federation.home(name)) for name in ("east", "west", "policy", "guardian-west")}
    with processes.session() as session:
        asked = session.query(SQL, purpose="To plan clinics").wait(SECONDS).request_id
        for paused in (True, False):
            record = pause_record(homes["guardian-west"], paused, "an audit", SystemClock())
            session.line.hand(record)
            until(lambda paused=paused: {s.paused for s in session.describe().nodes if s.node == "west"} == {paused})  # type: ignore[misc]
        session.query(SQL, epsilon="0.9").wait(SECONDS)
    home = str(processes.federation.home("analyst"))
    assert run(["release", "publish", asked, "--title", "People", "--out", str(tmp_path), "--yes", "--home", home]) == 0
    out = tmp_path / "register"
    command = ["register", "export", "--out", str(out), "--published", str(tmp_path), "--home"]
    own = {name: journal_of_home(homes[name]).decoded() for name in ("east", "west")}

    def collected() -> bool:
        assert run([*command, str(homes["policy"].path)]) == 0
        sizes = {row["member"]: row["size"] for row in json.loads((out / "register.json").read_text())["journals"]}
        return all(sizes[name] >= len(own[name]) for name in own)

    until(collected)
    register = json.loads((out / "register.json").read_text())
    assert register["contradictions"] == []
    for name, entries in own.items():
        expected = [(at, e.kind.name.lower().replace("_", " ")) for at, e in enumerate(entries) if e.kind in TOLD]
        told = [(row["position"], row["kind"]) for row in register["entries"] if row["member"] == name]
        assert told == expected
        charged = sum(e.loss.rho_billionths for e in entries if e.kind is K.CHARGED and e.loss)
        (row,) = (a for a in register["accounts"] if (a["node"], a["scope"], a["period_days"]) == (name, "dataset", 0))
        assert (row["charges"], row["rho_billionths"]) == (2, charged)
    assert [(p["node"], p["paused"], p["reason"]) for p in register["pauses"]] == [
        ("west", True, "an audit"),
        ("west", False, "an audit"),
    ]
    (publication,) = register["publications"]
    rows = list(csv.reader(io.StringIO((out / publication["file"]).read_text(), newline="")))
    assert [row[0] for row in rows] == ["region", "N", "S"]
    processes.kill("coordinator")
    with pytest.raises(Unavailable), processes.session() as session:
        session.describe(patience=0.5)
    second = tmp_path / "second"
    again = ["register", "export", "--home", str(processes.federation.home("coordinator")), "--out", str(second)]
    assert run([*again, "--published", str(tmp_path)]) == 0, "from the coordinator's home while it rests"
    rested = json.loads((second / "register.json").read_text())
    same = ("requests", "charges", "agreements", "pauses", "publications", "entries", "accounts", "contradictions")
    assert all(rested[table] == register[table] for table in same)
