"""Drivers against a whole federation: its own processes, noise and ledgers, on a few rows."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pandas as pd
import pytest

from tests.desk_flight.conftest import TOKEN, Served
from tests.desk_flight.councils import ROWS, councils

SQL = "SELECT region, COUNT(*) AS n FROM people GROUP BY region ORDER BY region"
CLIENTS = 8


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory, warm_processes: None) -> Iterator[Served]:
    with councils(tmp_path_factory.mktemp("small"), TOKEN) as (server, session):
        yield Served(None, server, session)  # type: ignore[arg-type]


def near(found: float, truth: float, low: float, high: float) -> bool:
    """The truth within five times the 95 % interval: a false alarm in less than one of 10^20 cells."""
    return abs(found - truth) < 5 * (high - low) / 2


def test_eight_clients_at_once_each_get_their_own_answers(small: Served) -> None:
    """Each asks three questions of its own and one that all ask: 25 requests, 32 answers, no statement left behind."""
    errors, frames = list[BaseException](), list[tuple[int, int, pd.DataFrame]]()
    go = threading.Barrier(CLIENTS)

    def client(number: int) -> None:
        try:
            with small.connect(epsilon="0.1", intervals="columns") as opened:
                go.wait(30)
                for least in (0, number + 1, number + 11, number + 21):
                    text = SQL.replace(" GROUP", f" WHERE income >= {least} GROUP")
                    frames.append((number, least, pd.read_sql(text, opened)))
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=client, args=(number,)) for number in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert errors == []
    assert len(frames) == 4 * CLIENTS
    for _, _, frame in frames:
        assert list(frame["region"]) == ["N", "S"]
        assert all(near(row.n, ROWS, row.n_low, row.n_high) for row in frame.itertuples())
    shared = [frame for _, least, frame in frames if least == 0]
    assert all(frame.equals(shared[0]) for frame in shared)
    own = [tuple(frame["n"]) for _, least, frame in frames if least > 0]
    assert len(set(own)) > CLIENTS  # noise of their own: no answer was given to somebody else
    assert small.requests() == 3 * CLIENTS + 1
    assert len(small.server.service.statements) == 0


def spent(opened: Any) -> list[tuple[Any, ...]]:
    with opened.cursor() as cursor:
        cursor.execute("SELECT request, state FROM fed.requests")
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    return rows


def test_parameters_reach_the_nodes(small: Served) -> None:
    text = "SELECT COUNT(*) AS n, AVG(income) AS mean FROM people WHERE region = ? AND income >= ?"
    with small.connect(epsilon="0.5", intervals="columns") as opened, opened.cursor() as cursor:
        cursor.execute(text, ["N", 40])
        ((n, n_low, n_high, mean, mean_low, mean_high),) = cursor.fetchall()
        assert near(n, ROWS, n_low, n_high)
        assert near(mean, 50, mean_low, mean_high)
        cursor.execute(text, ["N", 60])
        ((n, n_low, n_high, *_),) = cursor.fetchall()
        assert near(n, 0, n_low, n_high)


def test_prepared_but_never_executed_asks_nobody(small: Served) -> None:
    with small.connect() as opened, opened.cursor() as cursor:
        before = spent(opened)
        cursor.adbc_prepare("SELECT region, SUM(income) AS total FROM people GROUP BY region")
        cursor.adbc_execute_schema("SELECT region, SUM(income) AS total FROM people GROUP BY region")
        assert spent(opened) == before


def test_a_price_above_the_agreement_is_refused(small: Served) -> None:
    with small.connect(epsilon="5") as opened, opened.cursor() as cursor:
        with pytest.raises(opened.ProgrammingError, match=r"\[POLICY_PRICE_ABOVE_AGREEMENT\] .+ smaller epsilon"):
            cursor.execute(SQL)
        cursor.execute("SELECT state, code FROM fed.requests LIMIT 1")
        assert cursor.fetchall() == [("refused", "POLICY_PRICE_ABOVE_AGREEMENT")]
