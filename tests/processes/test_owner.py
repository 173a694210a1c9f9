"""What a department does with its running node: new snapshots on command, runs over each, a person's own question."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import pytest
from typer.testing import CliRunner

from engine.catalogue import load_catalogue
from engine.cli.main import app
from engine.client import connect
from engine.errors import Unavailable, Waiting
from engine.local.federation import ANALYST, LocalFederation, Terms
from engine.trusted import wire
from engine.trusted.epsilon import loss_for, times
from engine.trusted.records import Receipt

PRICE = loss_for(Fraction(1), Fraction(1, 10**9))
PATIENCE = 30.0
SQL = "SELECT COUNT(*) AS n FROM people"


@pytest.fixture(scope="module")
def local(own: Any) -> Iterator[LocalFederation]:
    terms = Terms(budget=times(PRICE, 9), per_plan=times(PRICE, 2))
    with LocalFederation(load_catalogue(own.catalogue), {"north": own.north, "south": own.south}, terms) as running:
        yield running


def snapshots(release: Any) -> dict[str, str]:
    """The snapshot of each node that a release was counted over."""
    receipt = release.receipt
    if isinstance(receipt, bytes):
        receipt = wire.decode(Receipt, receipt, 64 << 20)
    return {p.node: p.snapshots[0].snapshot for p in receipt.round_manifest.participants}


def test_a_standing_request_runs_once_for_each_new_snapshot(local: LocalFederation) -> None:
    with connect(local.federation.home(ANALYST)) as session:
        query = session.query(SQL, runs=2)
        first = query.wait(PATIENCE)
        with pytest.raises(Waiting, match="a new snapshot of north, a new snapshot of south"):
            session.result(first.request_id, run=2)
        for node in ("north", "south"):
            done = CliRunner().invoke(app, ["node", "snapshot", "--home", str(local.federation.home(node))])
            assert done.exit_code == 0, done.output
        end, second = time.monotonic() + PATIENCE, None
        while second is None and time.monotonic() < end:
            try:
                second = session.result(first.request_id, run=2)
            except (Unavailable, Waiting):
                time.sleep(0.2)
        assert second is not None
        before, after = snapshots(first), snapshots(second)
        assert set(before) == set(after) == {"north", "south"}
        assert all(before[node] != after[node] for node in before)


def test_a_person_is_told_which_rounds_could_have_counted_them(local: LocalFederation, own: Any) -> None:
    with connect(local.federation.home(ANALYST)) as session:
        request = session.query(SQL, epsilon="0.5").wait(PATIENCE).request_id
    someone = (own.north / "people.csv").read_text().splitlines()[1].split(",")[0]
    command = ["node", "subjects", "--home", str(local.federation.home("north")), "--json"]
    for person, expected in ((someone, True), ("nobody at all", False)):
        done = CliRunner().invoke(app, command, input=person + "\n")
        assert done.exit_code == 0, done.output
        told = json.loads(done.stdout[done.stdout.index("{") :])
        assert (request in {found["request"] for found in told["rounds"]}) is expected
        assert told["cannot_know"]
        assert f'"{someone}"' not in done.output
