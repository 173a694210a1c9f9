"""One approval, several runs: each over snapshots that no earlier run of the request has used."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from engine.errors import SplittallyError
from engine.trusted.records import Participant, SnapshotRef
from nodes.answer import answer


class Monthly:
    """A request for three runs of two attempts; north cuts its tables anew between them."""

    def __init__(self, federation: Any) -> None:
        self.federation, self.node = federation, federation.node("north")
        self.record = federation.sign(federation.request(runs=3))
        self.opened = 0

    def cut(self, month: str, *datasets: str) -> None:
        new = (SnapshotRef(s.dataset, month, 1) if s.dataset in datasets else s for s in self.node.tables.snapshots)
        self.node.tables.snapshots = tuple(new)

    def run(self, run: int, attempt: int = 1) -> str:
        self.opened += 1
        others = tuple(Participant(h, self.federation.snapshots_of(h)) for h in self.federation.hosts[1:])
        hosts = (Participant("north", self.node.tables.refs()), *others)
        nonce = bytes([self.opened]) * 16
        changes = {"run": run, "attempt": attempt, "participants": hosts, "nonce": nonce}
        try:
            answer(self.federation.arrive(self.federation.round(self.record, **changes)), self.node)
        except SplittallyError as error:
            return error.code
        return ""


@pytest.fixture
def monthly(federation: Any) -> Monthly:
    return Monthly(federation)


def test_a_run_needs_snapshots_that_no_earlier_run_used(monthly: Monthly) -> None:
    assert monthly.run(1) == ""
    assert monthly.run(2) == "POLICY_SNAPSHOT_USED"
    monthly.cut("2026-12", "secrets", "visits")  # not what the plan reads
    assert monthly.run(2) == "POLICY_SNAPSHOT_USED"
    monthly.cut("2026-12", "people")
    assert monthly.run(2) == ""
    assert monthly.run(1, attempt=2) == "POLICY_SNAPSHOT_USED"  # an earlier run over later rows would be one more
    monthly.cut("2027-01", "people")
    assert monthly.run(3) == ""
    monthly.cut("2027-02", "people")
    assert monthly.run(4) == "ROUND_RUN"


def test_a_further_attempt_at_a_run_may_use_its_snapshots(monthly: Monthly) -> None:
    assert (monthly.run(1), monthly.run(1, attempt=2)) == ("", "")
    monthly.cut("2026-12", "people")
    assert (monthly.run(2), monthly.run(2, attempt=2), monthly.run(2, attempt=2)) == (
        "",
        "",
        "POLICY_ATTEMPTS_EXHAUSTED",
    )


def test_a_snapshot_may_be_used_by_another_request(monthly: Monthly) -> None:
    assert monthly.run(1) == ""
    federation = monthly.federation
    monthly.record = federation.sign(replace(federation.request(runs=3), nonce=bytes([5]) * 16))
    assert monthly.run(2) == ""


def test_each_run_is_charged(monthly: Monthly) -> None:
    for run, month in enumerate(("2026-11", "2026-12", "2027-01"), 1):
        monthly.cut(month, "people")
        assert monthly.run(run) == ""
    ledger, price = monthly.node.seat.ledger, monthly.federation.request().loss.rho_billionths
    assert {row[0] for row in ledger._db.execute("SELECT rho FROM accounts")} == {3 * price}
