"""Forecasts of a session: with its agreement, with or without its coordinator, and nothing is asked."""

from __future__ import annotations

from dataclasses import replace

from engine.client.session import connect
from tests.client.conftest import Bench


def test_a_session_forecasts_with_the_agreement_and_asks_nothing(bench: Bench) -> None:
    with bench.session() as session:
        before = session.requests()
        query = session.query("SELECT region, COUNT(*) AS n FROM people GROUP BY region")
        found = query.forecast(rows=1_000)
        assert session.requests() == before
        assert query.asked is None
    spans = [(share.account, share.span) for share in found.cost.shares]
    assert ("agreement first-agreement", "one plan") in spans
    assert ("agreement first-agreement", "lifetime") in spans
    assert found.cost.loss == query.loss
    assert found.n_min == query.n_min == 3


def test_a_session_forecasts_without_its_coordinator(bench: Bench) -> None:
    home = replace(bench.home("analyst"), coordinator="127.0.0.1:1")
    with connect(home) as session:
        found = session.query("SELECT COUNT(*) AS n FROM people").forecast()
    assert [share.account for share in found.cost.shares if share.account.startswith("agreement")] == []
    assert found.columns[0].exact
