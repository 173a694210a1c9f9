"""A federation of real processes to be killed: five nodes, one helper without data, a coordinator; and their books.

Nothing waits for a guessed time. ``held`` stops the engines behind all nodes, so that a round which has charged
stands still until the test lets it go; state is read from journals, the coordinator's store and the processes' logs.
"""

from __future__ import annotations

import os
import signal
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fractions import Fraction
from itertools import count
from pathlib import Path
from typing import Any

from engine.catalogue import load_catalogue
from engine.client.query import Query
from engine.client.release import Release
from engine.client.session import Session, connect
from engine.governance.agreement import sign_first_agreement
from engine.governance.federation import found
from engine.local.children import Child, start
from engine.local.federation import ANALYST, LocalFederation
from engine.trusted import wire
from engine.trusted.clock import SystemClock
from engine.trusted.epsilon import loss_for, times
from engine.trusted.home import Home
from engine.trusted.messages import RequestState, ResultHead
from engine.trusted.random import SystemRandomness
from engine.trusted.records import AccountCap, AccountScope, JournalEntry, JournalKind, Receipt, RoundManifest
from nodes.ledger import Ledger

NODES = ("ada", "ben", "cleo", "dev", "eve")
HELPER = "helper-1"
MEMBERS = (*NODES, HELPER)
ROWS = 1_000  # at each node, all in the region that carries the node's name
PATIENCE = 60.0  # seconds until a test gives up on something that has to happen
DEADLINE = 6  # seconds nodes have to answer a round
EPSILON, DELTA = Fraction(4), Fraction(1, 10**9)
PRICE = loss_for(EPSILON, DELTA)
WIDE = 6.5  # standard deviations: one false alarm in 1e9 cells
CANARY_PERSON, CANARY_VALUE = "canary-person-8c1f", 73_519.37
DATASET = """
  {name}:
    title: Residents
    hosts: [{hosts}]
    person: person_id
    overlap: 1
    rows_per_person: 1
    at_most: {{persons: 10_000, rows: 10_000}}
    columns:
      person_id: {{type: text}}
      region: {{type: text, domain: [{nodes}]}}
      income: {{type: decimal, bounds: [0, 200000], step: 0.01, unit: GBP}}"""
HOSTS = {"people": NODES, "lone": ("ada",)}
CATALOGUE = "federation: faults\ndatasets:" + "".join(
    DATASET.format(name=name, hosts=", ".join(hosts), nodes=", ".join(NODES)) for name, hosts in HOSTS.items()
)


def people(node: str) -> str:
    """One node's file: its own region in every row, and one person whose figures must show nowhere."""
    lines = [f"{node}-{number},{node},{20_000 + number}" for number in range(ROWS - 1)]
    return "\n".join(["person_id,region,income", f"{CANARY_PERSON}-{node},{node},{CANARY_VALUE}", *lines, ""])


def until(what: str, happened: Callable[[], object], said: Callable[[], str] = str) -> None:
    """Waits for something that is bound to happen; ``said`` helps to find out why it did not."""
    end = time.monotonic() + PATIENCE
    while not happened():
        assert time.monotonic() < end, f"never happened: {what}\n{said()}"
        time.sleep(0.01)


def charged_once(*nodes: str) -> Counter[str]:
    return Counter(nodes)


@dataclass(frozen=True, slots=True)
class Book:
    """One member's journal, and what its ledger says it has spent under the agreement."""

    entries: tuple[JournalEntry, ...]
    spent: int

    def rounds(self, kind: JournalKind, request: bytes | None = None) -> list[bytes]:
        return [e.round for e in self.entries if e.kind is kind and request in (None, e.request_digest)]

    def codes(self) -> list[str]:
        return [e.code for e in self.entries if e.kind is JournalKind.ROUND_REFUSED]

    def check(self) -> None:
        """No round charged, replied or answered twice; no reply without charge; the total is that of the charges."""
        for kind in (JournalKind.CHARGED, JournalKind.REPLIED, JournalKind.ANSWERED_AS_HELPER):
            rounds = self.rounds(kind)
            assert len(set(rounds)) == len(rounds), kind
        charged = [e for e in self.entries if e.kind is JournalKind.CHARGED]
        assert set(self.rounds(JournalKind.REPLIED)) <= {e.round for e in charged}
        assert sum(e.loss.rho_billionths for e in charged if e.loss) == self.spent


class Fleet(LocalFederation):
    """The federation; ``restore`` brings back whatever a test left stopped or dead."""

    nodes, members = NODES, MEMBERS  # that have data; that run ``python -m nodes``
    deadline = DEADLINE

    def __init__(self, folder: Path) -> None:
        for node in NODES:
            (folder / node).mkdir()
            for dataset in (name for name, hosts in HOSTS.items() if node in hosts):
                (folder / node / f"{dataset}.csv").write_text(people(node))
        (folder / "catalogue.yaml").write_text(CATALOGUE)
        self._prepare(folder)

    def _prepare(self, folder: Path) -> None:
        bindings = {node: folder / node for node in self.nodes}
        LocalFederation.__init__(self, load_catalogue(folder / "catalogue.yaml"), bindings)
        self._starts, self._questions = count(), count(1)

    # -- processes

    def _found(self) -> None:
        budget = times(PRICE, 1_000)
        self.federation = found(
            self.directory / "homes",
            self.catalogue,
            clock=self.clock,
            randomness=SystemRandomness(),
            n_min=4,
            analysts=(ANALYST, "other"),
            helpers=1,
            caps=(AccountCap(AccountScope.IDENTIFIER, "", 365, budget, budget),),
        )
        sign_first_agreement(self.federation, self.clock, budget, PRICE)

    def _run(self, name: str, module: str, *arguments: str) -> None:
        """Starts a process with a log of its own, so that a log tells of one life only."""
        if name == "coordinator":
            arguments = (*arguments, "--deadline", str(self.deadline))
        log = self.directory / f"{name}.{next(self._starts)}.log"
        self.children[:] = [child for child in self.children if child.name != name]
        self.children.append(start(name, module, ("--home", str(self.home(name).path), *arguments), log))

    def home(self, name: str) -> Home:
        return Home.load(self.federation.home(name))

    def child(self, name: str) -> Child:
        return next(child for child in self.children if child.name == name)

    def attending(self, name: str) -> bool:
        """Whether the coordinator, by the last word of its log on this member, has its stream."""
        lines = self.child("coordinator").log.read_text().splitlines()
        line_words = ('"member.joined"', '"member.left"')
        about = [line for line in lines if f'"member": "{name}"' in line]
        of_member = [line for line in about if any(word in line for word in line_words)]
        return bool(of_member) and '"member.joined"' in of_member[-1]

    def kill(self, *names: str) -> None:
        """SIGKILL; returns when the coordinator, if it lives, has noticed."""
        for name in names:
            engines = self.engines(name)
            self.child(name).process.kill()
            self.child(name).process.wait()
            for engine in engines:  # a stopped one would outlive its node
                with suppress(ProcessLookupError):
                    os.kill(engine, signal.SIGKILL)
        if not self.child("coordinator").stopped:
            for name in names:
                until(f"{name} missed", lambda name=name: not self.attending(name))  # type: ignore[misc]

    def begin(self, name: str) -> None:
        """Starts a member again; returns at once."""
        if name == "coordinator":
            address = (self.home(name).path / "address").read_text().strip()
            self._run(name, "engine.coordinator", "--listen", address)
        else:
            self._run(name, "nodes")

    def restore(self) -> None:
        self.resume()
        for child in list(self.children):
            if child.stopped:
                self.begin(child.name)
        for name in self.members:
            self._await(name)

    def _await(self, name: str) -> None:
        child = self.child(name)
        until(f"{name} attends", lambda: self.attending(name) or child.stopped, lambda: child.last_words(20))
        assert not child.stopped, child.last_words()

    def engines(self, name: str) -> list[int]:
        """The processes below a member's own: its engine workers."""
        found: list[int] = []
        for task in Path(f"/proc/{self.child(name).process.pid}/task").glob("*/children"):
            with suppress(OSError):
                found += map(int, task.read_text().split())
        return found

    def stop_engines(self, *names: str) -> None:
        for name in names:
            for engine in self.engines(name):
                os.kill(engine, signal.SIGSTOP)

    def halt(self, name: str) -> None:
        """The process stands still until it is resumed."""
        os.kill(self.child(name).process.pid, signal.SIGSTOP)

    def resume(self, *names: str) -> None:
        """Lets members and their engines go on, wherever they were stopped."""
        for name in names or self.members:
            if not self.child(name).stopped:
                for process in (self.child(name).process.pid, *self.engines(name)):
                    os.kill(process, signal.SIGCONT)

    # -- questions

    def session(self, name: str = ANALYST) -> Session:
        return connect(self.federation.home(name))

    def question(self, session: Session, n_min: int | None = None, dataset: str = "people") -> Query:
        """A count by region that was not asked before: the copy of an earlier answer would be free."""
        sql = f"SELECT region, COUNT(*) AS n FROM {dataset} WHERE income > {next(self._questions)} GROUP BY region"
        return session.query(sql, epsilon=EPSILON, delta=DELTA, n_min=n_min)

    @contextmanager
    def held(self, n_min: int | None = None, dataset: str = "people") -> Iterator[tuple[Query, RoundManifest]]:
        """A question whose round is open and charged at every participant, and stands still: engines are stopped."""
        self.stop_engines(*self.nodes)
        with self.session() as session:
            query = self.question(session, n_min, dataset)
            query.submit()
            manifest = self.round(digest_of(query))
            for participant in manifest.participants:
                until("charge", lambda node=participant.node: self.charges(query)[node])  # type: ignore[misc]
            try:
                yield query, manifest
            finally:
                self.resume()

    def round(self, request: bytes, attempt: int = 1) -> RoundManifest:
        """The manifest of an attempt, as the coordinator keeps it, once that was opened."""
        found: list[bytes] = []
        sql = "SELECT manifest FROM rounds WHERE request = ? AND attempt = ?"

        def opened() -> bool:
            found.extend(row[0] for row in self.stored(sql, request, attempt))
            return bool(found)

        until("round opened", opened)
        manifest: RoundManifest = wire.decode(RoundManifest, found[0])
        return manifest

    def stored(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """Rows of the coordinator's store."""
        db = sqlite3.connect(f"{self.home('coordinator').state_path.as_uri()}?mode=ro", uri=True)
        try:
            return db.execute(sql, values).fetchall()
        finally:
            db.close()

    # -- books

    def book(self, name: str) -> Book:
        """A member's journal, read by the node's own code; opening it checks every hash."""
        home = self.home(name)
        ledger = Ledger.open(home.state_path, name, SystemClock(), home.manifest().rules.caps)
        try:
            entries = tuple(wire.decode(JournalEntry, ledger.entry(i)) for i in range(ledger.head().size))
            spent = "SELECT rho FROM accounts WHERE scope = ? AND period_days = 0"
            row = ledger._db.execute(spent, (AccountScope.AGREEMENT_ACCOUNT.value,)).fetchone()
            return Book(entries, row[0] if row else 0)
        finally:
            ledger.close()

    def charges(self, query: Query) -> Counter[str]:
        """How often each member was charged for a request."""
        request = digest_of(query)
        return Counter({n: len(self.book(n).rounds(JournalKind.CHARGED, request)) for n in self.members})

    def __enter__(self) -> Fleet:
        super().__enter__()
        return self

    def check_books(self) -> None:
        """Every journal is sound, and whoever is named in a released answer was charged for it and stored its reply."""
        books = {name: self.book(name) for name in self.members}
        for book in books.values():
            book.check()
        for round_, result in self.stored("SELECT round, result FROM rounds WHERE result IS NOT NULL"):
            head: ResultHead = wire.decode(ResultHead, result)
            for survivor in head.survivors:
                assert round_ in books[survivor].rounds(JournalKind.CHARGED)
                assert round_ in books[survivor].rounds(JournalKind.REPLIED)


def digest_of(query: Query) -> bytes:
    assert query.asked is not None
    return query.asked.digest


def replied(query: Query, nodes: set[str]) -> None:
    """Waits until the coordinator has the vectors of ``nodes`` for the round that is open."""
    for status in query.session.watch(digest_of(query).hex(), PATIENCE):
        assert status.state is RequestState.RUNNING, status
        if nodes <= set(status.replied):
            return


def check_answer(release: Release, survivors: set[str]) -> None:
    """The honest answer over exactly these nodes: named, as near as it claims, with the spread of |U| shares."""
    assert set(release.survivors) == survivors
    receipt: Receipt = wire.decode(Receipt, release.receipt)
    assert set(receipt.survivors) == survivors
    calibration = receipt.round_manifest.calibration
    deviation = len(survivors) ** 0.5 * calibration.node_sigma / calibration.multipliers[0]
    answer = release.answer
    for (region, figure), spread, interval in zip(answer.rows, answer.deviations, answer.intervals, strict=True):
        low, high = interval["n"]
        exact = ROWS if region in survivors else 0
        assert isinstance(figure, int)
        assert abs(spread["n"] / deviation - 1) < 0.02
        assert abs((high - low) / (2 * 1.96 * deviation) - 1) < 0.02
        assert abs(figure - exact) <= WIDE * deviation + 1, (region, figure, exact)
