"""The analyst's commands against a running federation of two nodes and their owner's view of the budget."""

from __future__ import annotations

import json
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from engine.catalogue import load_catalogue
from engine.cli.main import run
from engine.governance.budget import balances
from engine.local.federation import ANALYST, LocalFederation, Terms
from engine.trusted.epsilon import loss_for, times
from engine.trusted.home import Home
from engine.trusted.records import AccountScope, Loss

PRICE = loss_for(Fraction(1), Fraction(1, 10**9))
SQL = "SELECT region, COUNT(*) AS n FROM people GROUP BY region ORDER BY region"


@pytest.fixture(scope="module")
def local(own: Any) -> Iterator[LocalFederation]:
    """The agreement pays for three statements of epsilon 1; one costs at most epsilon 2."""
    terms = Terms(budget=times(PRICE, 3), per_plan=loss_for(Fraction(2), Fraction(1, 10**9)))
    bindings = {"north": own.north, "south": own.south}
    with LocalFederation(load_catalogue(own.catalogue), bindings, terms) as running:
        yield running


@pytest.fixture
def home(local: LocalFederation) -> str:
    return str(local.federation.home(ANALYST))


def spent(local: LocalFederation, node: str = "north") -> int:
    """Rho in 1e-9 of the agreement at one node, by its ledger."""
    found = balances(Home.load(local.federation.home(node)), local.clock)
    return sum(b.spent.rho_billionths for b in found if b.scope is AccountScope.AGREEMENT_ACCOUNT)


def said(capsys: pytest.CaptureFixture[str], *arguments: str, status: int = 0) -> Any:
    """What a command prints: JSON if asked for, else its standard error."""
    assert run(arguments) == status
    out, err = capsys.readouterr()
    return json.loads(out) if "--json" in arguments and status == 0 else out + err


def test_a_refused_statement_costs_nothing(
    local: LocalFederation, home: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = spent(local)
    assert "SQL_UNKNOWN_COLUMN" in said(capsys, "submit", "--home", home, "SELECT SUM(wage) FROM people", status=3)
    assert "POLICY_PRICE_ABOVE_AGREEMENT" in said(capsys, "submit", "--home", home, "--epsilon", "3", SQL, status=3)
    assert "POLICY_AGREEMENT_NAME" in said(capsys, "submit", "--home", home, "--agreement", "none", SQL, status=3)
    assert spent(local) == spent(local, "south") == before


def test_submit_watch_result_requests_tell_one_story(
    local: LocalFederation, home: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = spent(local)
    answer = said(capsys, "submit", "--home", home, "--purpose", "test", "--json", SQL)
    assert spent(local) == spent(local, "south") == before + PRICE.rho_billionths
    assert answer["nodes"] == ["north", "south"]
    request = answer["request"]
    assert said(capsys, "result", "--home", home, "--json", request)["rows"] == answer["rows"]
    assert said(capsys, "watch", "--home", home, request).startswith("released")
    listed = said(capsys, "requests", "--home", home, "--json")
    assert [r["state"] for r in listed if r["request"] == request] == ["released"]
    assert "released" in said(capsys, "requests", "--home", home)
    again = said(capsys, "submit", "--home", home, "--json", SQL)
    assert (again["request"], again["rows"], again["cost"]["rho_billionths"]) == (request, answer["rows"], 0)
    assert spent(local) == before + PRICE.rho_billionths


def test_a_table_shows_intervals_who_answered_and_the_cost(home: str, capsys: pytest.CaptureFixture[str]) -> None:
    shown = said(capsys, "submit", "--home", home, SQL)
    assert "±" in shown
    assert "answered by north, south; free of charge" in shown


def test_the_owner_sees_what_is_left_and_an_empty_budget_refuses(
    local: LocalFederation, home: str, capsys: pytest.CaptureFixture[str]
) -> None:
    north = str(local.federation.home("north"))
    count = "SELECT COUNT(*) AS n FROM people WHERE region = '{}'"
    for region in "NSE"[: 3 - spent(local) // PRICE.rho_billionths]:
        said(capsys, "submit", "--home", home, "--json", count.format(region))
    listed = said(capsys, "budget", "--home", north, "--json")
    (agreement,) = [row for row in listed if row["account"] == "agreement"]
    assert agreement["left"] == 0.0
    assert agreement["spent_rho_billionths"] == agreement["cap_rho_billionths"] == 3 * PRICE.rho_billionths
    periods = {row["period_days"] for row in listed if row["account"] == "identifier"}
    assert periods == {None, 365}
    shown = said(capsys, "budget", "--home", north)
    assert "first-agreement" in shown
    assert "spent (epsilon at delta 1e-6)" in shown
    assert "left (of rho)" in shown
    assert "0.0 %" in shown
    refused = said(capsys, "submit", "--home", home, count.format("W"), status=3)
    assert "BUDGET_EXHAUSTED" in refused
    assert spent(local) == 3 * PRICE.rho_billionths


def test_the_view_of_the_budget_is_the_ledgers_own(local: LocalFederation) -> None:
    """The columns read here are those of the node's ledger: compared with its own balances."""
    from engine.trusted.random import SystemRandomness
    from nodes.config import take_seat

    home = Home.load(local.federation.home("south"))
    seat = take_seat(home, local.clock, SystemRandomness())
    rows = seat.ledger._db.execute(
        "SELECT scope, name, period_days, rho, delta FROM accounts ORDER BY period"
    ).fetchall()
    own = {(AccountScope(scope), name, days): Loss(rho, delta) for scope, name, days, rho, delta in rows}
    seat.ledger.close()
    seen = {(b.scope, b.name, b.period_days): b.spent for b in balances(home, local.clock)}
    assert seen
    assert {key: own[key] for key in seen} == seen


def test_a_lost_node_is_an_honest_refusal_and_its_home_stays_intact(
    local: LocalFederation, home: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = spent(local)
    (south,) = [child for child in local.children if child.name == "south"]
    south.process.kill()
    south.process.wait()
    refused = said(capsys, "submit", "--home", home, "--wait", "60", "SELECT COUNT(*) AS lost FROM people", status=5)
    assert refused.count("ROUND_") == 1
    assert spent(local) == before
    assert (Path(home) / "requests").is_dir()
