"""The demonstration itself: a local federation of five departments, and its questions one after another."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory

from engine.catalogue import load_catalogue
from engine.client.release import Release
from engine.client.session import Session
from engine.errors import Refused
from engine.governance.budget import balances
from engine.local.approvals import answered
from engine.local.demo.exact import Exact, Row
from engine.local.demo.files import bindings, prepare
from engine.local.demo.questions import QUESTIONS, WAITING, Question
from engine.local.demo.schema import HERE
from engine.local.federation import ANALYST, LocalFederation, Terms
from engine.trusted.epsilon import allowance
from engine.trusted.home import Home
from engine.trusted.records import AccountScope, Role

BUDGET = (Fraction(4), Fraction(1, 10**6))
PER_PLAN = (Fraction(2), Fraction(1, 10**9))
AUDITOR = "auditor"
Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Outcome:
    """``exact``: one row beside each released one, empty where the files have none. Release or refusal, not both;
    neither while it waits."""

    question: Question
    release: Release | None
    refusal: Refused | None
    exact: tuple[Row, ...]
    left: Mapping[str, float]  # node -> share of the agreement's budget that is left there, by its own ledger


@dataclass(slots=True)
class Demonstration:
    """Running departments, and the files they hold."""

    local: LocalFederation
    session: Session
    exact: Exact

    def outcomes(self) -> Iterator[Outcome]:
        for question in QUESTIONS:
            yield self.ask(question)

    def ask(self, question: Question) -> Outcome:
        try:
            release = answered(self.local, self.session.query(question.sql, purpose=question.asks))
        except Refused as refusal:
            return Outcome(question, None, refusal, (), self._left())
        answer = release.answer
        released = [dict(zip(answer.columns, row, strict=True)) for row in answer.rows]
        return Outcome(question, release, None, tuple(self.exact.rows(question, released)), self._left())

    def leave_waiting(self) -> tuple[Outcome, tuple[str, ...]]:
        """Submits one more private join, which nobody approves here; beside it the departments that it waits for."""
        query = self.session.query(WAITING.sql, purpose=WAITING.asks)
        query.submit()
        return Outcome(WAITING, None, None, (), self._left()), query.hosts

    def seats(self, owners: Sequence[str]) -> Iterator[tuple[str, Path, Path | None]]:
        """Role, home and, of a guardian, the home of the department's node: who has something to do at a desk."""
        home = self.local.federation.home
        yield "analyst", home(ANALYST), None
        for owner in owners:
            yield "guardian", home(f"guardian-{owner}"), home(owner)
        yield "policy officer", home("policy"), None
        yield "auditor", home(AUDITOR), None

    def _left(self) -> dict[str, float]:
        """Read from the ledgers in the nodes' homes, which all lie on this machine."""
        federation, clock = self.local.federation, self.local.clock
        left = dict.fromkeys(federation.names(Role.NODE), 1.0)
        for node in left:
            for balance in balances(Home.load(federation.home(node)), clock):
                if balance.scope is AccountScope.AGREEMENT_ACCOUNT and balance.cap and balance.left:
                    left[node] = balance.left.rho_billionths / balance.cap.rho_billionths
        return left


@contextmanager
def demonstration(cache: Path, *, simulated: bool, progress: Progress) -> Iterator[Demonstration]:
    """Five departments with their files, bound and running; all stopped on leaving."""
    data = prepare(cache, simulated=simulated, progress=progress)
    catalogue = load_catalogue(HERE / "catalogue.yaml")
    terms = Terms(budget=allowance(*BUDGET), per_plan=allowance(*PER_PLAN), auditors=(AUDITOR,))
    with TemporaryDirectory(prefix="splittally-demo-") as folder:
        bound = bindings(data, Path(folder))
        with LocalFederation(catalogue, bound, terms, progress) as local, local.session() as session:
            yield Demonstration(local, session, Exact(data))
