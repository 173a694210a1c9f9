"""Two programs of one home, such as a desk and a terminal, ask the same question at the same moment."""

from __future__ import annotations

import multiprocessing
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest

from engine.client import archive
from engine.client.archive import Archive
from engine.client.session import connect
from engine.errors import Refused
from engine.trusted.home import Home
from tests.client.conftest import Bench, bench

__all__ = ["bench"]
SECONDS = 60


def program(home: Path, address: str, together: Barrier, said: Queue[str]) -> None:
    with connect(replace(Home.load(home), coordinator=address)) as session:
        query = session.query("SELECT region, COUNT(*) AS n FROM people GROUP BY region", epsilon="0.731")
        session.describe()
        together.wait(SECONDS)
        said.put(query.submit())


def test_one_question_of_two_programs_is_asked_once(bench: Bench) -> None:
    context = multiprocessing.get_context("spawn")
    together, said = context.Barrier(2), context.Queue()
    given = (Path(bench.federation.home("analyst")), bench.coordinator.address, together, said)
    programs = [context.Process(target=program, args=given) for _ in range(2)]
    for one in programs:
        one.start()
    requests = [said.get(timeout=SECONDS) for _ in programs]
    for one in programs:
        one.join(SECONDS)
    assert len(set(requests)) == 1


def test_one_question_of_many_threads_is_asked_once(bench: Bench) -> None:
    """Each turn is one thread's alone, and all of them get theirs."""
    with bench.session() as session, ThreadPoolExecutor(12) as threads:
        sql = "SELECT region, COUNT(*) AS n FROM people GROUP BY region"
        queries = [session.query(sql, epsilon="0.737") for _ in range(12)]
        before = len(session.requests(1_000))
        assert len(set(threads.map(lambda query: query.submit(), queries))) == 1
        assert len(session.requests(1_000)) == before + 1


def test_threads_have_no_turn_in_common(bench: Bench) -> None:
    kept, inside, most = Archive(bench.home("analyst")), list[int](), list[int]()

    def take(number: int) -> None:
        with kept.turn(bytes(32)):
            inside.append(number)
            most.append(len(inside))
            time.sleep(0.005)
            inside.remove(number)

    with ThreadPoolExecutor(12) as threads:
        list(threads.map(take, range(24)))
    assert (max(most), len(most)) == (1, 24)


def test_a_program_that_never_ends_its_turn_is_not_waited_for_forever(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept, plan = Archive(bench.home("analyst")), bytes(32)
    monkeypatch.setattr(archive, "TURN_SECONDS", 0.1)
    with kept.turn(plan), pytest.raises(Refused, match="POLICY_SUBMISSION_RUNS"), kept.turn(plan):
        raise AssertionError("two have the same turn")
    with kept.turn(plan):
        pass
