"""One federation of real processes on loopback: two nodes, two helpers without data, a coordinator, mutual TLS.

Answers carry production noise: each cell has to lie within 7 of its own standard deviations, and a cell that lies
further off is a false alarm with probability below 3e-12.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import duckdb
import pytest

from engine.catalogue import load_catalogue
from engine.client.query import Query
from engine.client.release import Release
from engine.client.session import Session, connect
from engine.errors import SplittallyError, Unavailable
from engine.governance.agreement import sign_first_agreement
from engine.governance.federation import Federation, found, set_coordinator
from engine.trusted.clock import SystemClock
from engine.trusted.messages import RequestState, RequestStatus
from engine.trusted.random import SystemRandomness

SQL = "SELECT region, COUNT(*) AS n FROM people GROUP BY region ORDER BY region"
EXACT = {"N": 130, "S": 70}
DEVIATIONS = 7.0
SECONDS = 90.0
CATALOGUE = """
federation: light
datasets:
  people:
    title: People
    hosts: [east, west]
    person: person_id
    overlap: 1
    rows_per_person: 1
    at_most: {persons: 1000, rows: 1000}
    columns:
      person_id: {type: text}
      region: {type: text, domain: [N, S]}
"""


@dataclass
class Processes:
    """The children of one federation, by member name. They start without running Python between fork and exec,
    for this process has gRPC threads of its own.
    """

    federation: Federation
    directory: Path
    children: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def start(self, name: str, *arguments: str) -> None:
        module = "engine.coordinator" if name == "coordinator" else "nodes"
        command = [sys.executable, "-m", module, "--home", str(self.federation.home(name)), *arguments]
        with self.log(name).open("ab") as log:
            self.children[name] = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def kill(self, name: str) -> None:
        child = self.children.pop(name)
        child.kill()
        child.wait()

    def restart(self, name: str) -> None:
        """Kills a process, and starts it again where it was."""
        self.kill(name)
        self.start(name, *(("--listen", self.address.read_text().strip()) if name == "coordinator" else ()))

    @contextmanager
    def halted(self, name: str) -> Iterator[None]:
        """The process stands still meanwhile; with it each round that needs its share."""
        self.children[name].send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.children[name].send_signal(signal.SIGCONT)

    def stop(self) -> None:
        for child in self.children.values():
            child.terminate()
        for child in self.children.values():
            child.wait(SECONDS)

    def log(self, name: str) -> Path:
        return self.directory / f"{name}.log"

    @property
    def address(self) -> Path:
        return self.federation.home("coordinator") / "address"

    def session(self) -> Session:
        return connect(self.federation.home("analyst"))

    def settle(self, *nodes: str) -> None:
        """Waits until exactly these nodes, and both helpers, attend."""
        with self.session() as session:
            until(lambda: {p.node for p in session.describe().connected} == set(nodes))
        for helper in ("helper-1", "helper-2"):
            until(lambda helper=helper: '"attending"' in self.log(helper).read_text())  # type: ignore[misc]


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + SECONDS
    while True:
        try:
            if holds():
                return
        except Unavailable:
            pass
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


@pytest.fixture(scope="module")
def processes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Processes]:
    directory = tmp_path_factory.mktemp("light")
    (directory / "catalogue.yaml").write_text(CATALOGUE)
    for name, north, south in (("east", 90, 10), ("west", 40, 60)):
        (directory / name).mkdir()
        rows = f"SELECT '{name}-' || i AS person_id, CASE WHEN i < {north} THEN 'N' ELSE 'S' END AS region"
        query = f"{rows} FROM range({north + south}) AS t(i)"
        duckdb.sql(f"COPY ({query}) TO '{directory / name}/people.parquet' (FORMAT parquet)")
    federation = found(
        directory / "homes",
        load_catalogue(directory / "catalogue.yaml"),
        clock=SystemClock(),
        randomness=SystemRandomness(),
        helpers=2,
        bindings={name: directory / name for name in ("east", "west")},
    )
    sign_first_agreement(federation, SystemClock())
    made = Processes(federation, directory)
    try:
        made.start("coordinator", "--listen", "127.0.0.1:0")
        until(made.address.exists)
        set_coordinator(federation, made.address.read_text().strip())
        for name in federation.processes:
            made.start(name)
        made.settle("east", "west")
        yield made
    finally:
        made.stop()


def check(release: Release) -> None:
    for (region, n), deviations in zip(release.answer.rows, release.answer.deviations, strict=True):
        assert isinstance(n, int)
        assert abs(n - EXACT[str(region)]) <= DEVIATIONS * deviations["n"]
    assert [row[0] for row in release.answer.rows] == ["N", "S"]


def test_an_answer_over_all_processes(processes: Processes) -> None:
    with processes.session() as session:
        release = session.query(SQL).wait(SECONDS)
        check(release)
        assert release.survivors == ("east", "west")
        again = session.query(SQL).wait(SECONDS)
        assert again.repeated
        assert again.answer == release.answer


def test_a_helper_killed_is_replaced(processes: Processes) -> None:
    processes.kill("helper-1")
    with processes.session() as session:
        check(session.query(SQL, epsilon="0.91").wait(SECONDS))
    processes.start("helper-1")
    processes.settle("east", "west")


def test_a_node_killed_ends_in_a_refusal_and_it_answers_again_after_its_restart(processes: Processes) -> None:
    processes.kill("west")
    with processes.session() as session:
        with pytest.raises(Unavailable, match="ROUND_TOO_FEW_NODES"):
            session.query(SQL, epsilon="0.92").wait(SECONDS)
        processes.start("west")
        processes.settle("east", "west")
        release = session.query(SQL, epsilon="0.92").wait(SECONDS)
        assert not release.repeated
        check(release)


def wait_killing(processes: Processes, query: Query, name: str, when: Callable[[RequestStatus], bool]) -> Release | str:
    """Waits for a query; kills ``name`` at the first status that ``when`` is true of, and starts it again.

    Until then east stands still: no round is over before that status was seen.
    """
    done: list[str] = []
    with ExitStack() as stack:
        stack.enter_context(processes.halted("east"))

        def progress(status: RequestStatus) -> None:
            if not done and when(status):
                done.append(name)
                processes.restart(name)
                stack.close()

        try:
            release: Release | str = query.wait(SECONDS, progress)
        except SplittallyError as error:
            release = error.code
    assert done == [name]
    return release


@pytest.mark.parametrize("epsilon", ["0.93", "0.94"])
def test_a_coordinator_killed_during_a_round(processes: Processes, epsilon: str) -> None:
    """The request's spare attempt gives the answer, or the round was over before the end came."""
    with processes.session() as session:
        query = session.query(SQL, epsilon=epsilon)
        release = wait_killing(processes, query, "coordinator", lambda s: s.state is RequestState.RUNNING)
        assert isinstance(release, Release)
        check(release)
    processes.settle("east", "west")


def test_a_helper_killed_during_a_round_costs_an_attempt_at_most(processes: Processes) -> None:
    with processes.session() as session:
        query = session.query(SQL, epsilon="0.96")
        release = wait_killing(processes, query, "helper-2", lambda s: s.state is RequestState.RUNNING)
        assert isinstance(release, Release)
        check(release)


def test_a_node_killed_during_a_round_sends_the_stored_reply_or_nothing(processes: Processes) -> None:
    with processes.session() as session:
        query = session.query(SQL, epsilon="0.95")
        outcome = wait_killing(processes, query, "west", lambda s: s.state is RequestState.RUNNING)
        if isinstance(outcome, Release):
            check(outcome)
        else:
            assert outcome in ("ROUND_TOO_FEW_NODES", "NODE_ROUND_LOST", "ROUND_LATE", "ROUND_HELPER_LOST")
    processes.settle("east", "west")


def test_no_log_holds_a_name_of_a_person_or_a_key(processes: Processes) -> None:
    logs = "".join(path.read_text() for path in processes.directory.glob("*.log"))
    assert "request.released" in logs
    for canary in ("east-1", "west-1", "PRIVATE KEY", "Traceback", "SELECT"):
        assert canary not in logs
