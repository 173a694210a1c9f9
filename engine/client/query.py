"""One question on its way: explained, signed and submitted, followed, opened."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from engine.client.archive import Asked, Question, Released
from engine.client.open_result import LEAST_COMMITTEE
from engine.client.papers import meant, usable
from engine.client.release import Release
from engine.client.states import named_if_late
from engine.client.terms import Price, least_nodes, price_of
from engine.errors import Refused, Unavailable, error_for
from engine.governance.letters import plain
from engine.trusted import wire
from engine.trusted.join import is_join
from engine.trusted.messages import FederationDescription, RequestState, RequestStatus, Submission
from engine.trusted.records import RECORD_VERSION, Agreement, Loss, RecordKind, Request, SignedRecord
from engine.trusted.sign import NONCE_BYTES, open_agreement, signed
from engine.trusted.stability import stability_of

if TYPE_CHECKING:
    from engine.client.forecast import Forecast
    from engine.client.rehearse import Rehearsal
    from engine.client.session import Session
    from engine.sql import Statement

DAY_MS = 24 * 3_600_000
MAX_ATTEMPTS = 2
GLANCE_SECONDS = 2.0  # how long a forecast waits for the coordinator
MOST_DAYS = 3_660
Progress = Callable[[RequestStatus], None]


@dataclass(frozen=True, slots=True)
class Standing:
    """How often and how long: ``runs`` answers, each from new snapshots, within ``valid_days``."""

    runs: int = 1
    valid_days: int = 1

    def __post_init__(self) -> None:
        if self.runs < 1 or not 1 <= self.valid_days <= MOST_DAYS:
            raise Refused("SQL_RUNS_RANGE")


@dataclass
class Query:
    """A statement with its terms; see ``Session.query`` for each. ``asked`` is set once it was submitted."""

    session: Session
    statement: Statement
    agreement: str | None
    epsilon: Fraction
    delta: Fraction
    least: int | None
    purpose: str
    standing: Standing = Standing()
    asked: Asked | None = None
    kept: Released | None = None  # the release of the same question, given before

    def __repr__(self) -> str:
        """The statement and where it stands; nothing is asked to tell."""
        state = "not asked yet" if self.asked is None else f"request {self.asked.digest.hex()}"
        return f"{plain(self.statement.sql)}\n{state}; epsilon {float(self.epsilon):g}, delta {float(self.delta):g}"

    @cached_property
    def plan(self) -> bytes:
        """The exact bytes that are approved, signed for and sent to nodes."""
        return wire.encode(self.statement.plan)

    @cached_property
    def price(self) -> Price:
        """What one attempt is charged at each node, by phase; Refused SQL_DELTA_RANGE or SQL_EPSILON_RANGE."""
        return price_of(self.epsilon, self.delta, self.statement.plan)

    @property
    def loss(self) -> Loss:
        """All that one attempt is charged at each node."""
        return self.price.total

    @cached_property
    def hosts(self) -> tuple[str, ...]:
        return stability_of(self.statement.plan.aggregate.input, self.session.catalogue).hosts

    @cached_property
    def joins(self) -> bool:
        """Whether it is a private join of two departments' rows."""
        return is_join(self.statement.plan.aggregate)

    @property
    def n_min(self) -> int:
        """The least number of nodes to answer; Refused POLICY_N_MIN_HOSTS, POLICY_N_MIN_JOIN."""
        rules = self.session.roster.manifest.rules
        return least_nodes(rules, self.hosts, self.least, joins=self.joins)

    def explain(self) -> str:
        """What the nodes will do, in English and as normalised SQL, and what it costs. Free."""
        from engine.trusted.describe import english, normalised_sql

        plan, catalogue = self.statement.plan, self.session.catalogue
        asks = f"Asks {', '.join(self.hosts)}; at least {self.n_min} must answer."
        if self.joins:
            asks = (
                f"Asks {' and '.join(self.hosts)}: both must answer, after a guardian of each has approved, and three"
                " helpers of other bodies put their rows together without seeing a person or a value."
            )
        return "\n\n".join((english(plan, catalogue), normalised_sql(plan, catalogue), asks, self.cost_words()))

    def cost_words(self) -> str:
        """What is signed for: the price of one attempt, and the most that can be charged at each node."""
        from engine.client.price import price_lines

        return "\n".join(price_lines(self.loss, MAX_ATTEMPTS, self.standing.runs, self.delta))

    def forecast(
        self,
        rows: int | None = None,
        persons: int | None = None,
        described: FederationDescription | None = None,
        *,
        alone: bool = False,
    ) -> Forecast:
        """Cost and expected error; see forecast.py. ``rows`` (that WHERE keeps) and ``persons``: how many to expect.

        Free, and without the coordinator too: then the shares of the agreement's budget are left out. ``described``:
        the federation as it was just seen, so that it is not asked for again; ``alone``: nobody is asked for it.
        """
        from engine.client.cost import Asker
        from engine.client.forecast import Terms, forecast

        session = self.session
        terms = Terms(self.epsilon, self.delta, self.least, rows, persons)
        agreement = None if alone and described is None else self._likely_agreement(described)
        asker = Asker(session.home.name, agreement)
        return forecast(self.statement, session.catalogue, session.roster.manifest.rules, terms, asker)

    def rehearse(
        self,
        persons: int = 2_000,
        seed: int = 1,
        keep: Path | None = None,
        progress: Callable[[str], None] = lambda _: None,
    ) -> Rehearsal:
        """The statement asked on dummy data by a throw-away federation on this machine; see rehearse.py. Free.

        BadFile FILE_REHEARSE_EXTRA where nodes cannot run here.
        """
        from engine.client.rehearse import Rehearsing, rehearse

        session = self.session
        terms = Rehearsing(self.epsilon, self.delta, self.least, persons, seed, keep)
        return rehearse(self.statement, session.catalogue, session.roster.manifest.rules, terms, progress)

    def _likely_agreement(self, described: FederationDescription | None) -> Agreement | None:
        """The agreement this would be asked under, if the coordinator is there to tell."""
        try:
            described = described or self.session.describe(GLANCE_SECONDS)
            return open_agreement(self._agreement(described), self.session.roster)
        except Unavailable:
            return None

    def submit(self) -> str:
        """Signs the request and hands it in; its id. The same question, once released, is not asked again.

        Threads and programs with one plan take turns: one question asked twice at the same moment makes one request.
        """
        with self.session.archive.turn(wire.digest(self.plan)):
            return self._submit()

    def _submit(self) -> str:
        if self.asked is not None:
            return self.asked.digest.hex()
        self.statement.require_telling()
        loss, n_min = self.loss, self.n_min  # refused before anything is sent
        if self.standing.runs > 1 and self.price.selection is not None:
            raise Refused("SQL_RUNS_KEYS")
        described = self.session.describe()
        record = self._agreement(described)
        question = Question(wire.digest(self.plan), loss, n_min, wire.digest(record.payload), self.standing.runs)
        self.asked = self._same_question(question, described) or self._hand_in(question, record)
        return self.asked.digest.hex()

    def wait(self, timeout: float | None = None, progress: Progress | bool | None = None, run: int = 1) -> Release:
        """The release of a ``run``, once there is one; submits first if need be.

        ``timeout`` in seconds, then Waiting APPROVAL_WAITING while somebody has to decide, else Unavailable
        ROUND_PENDING; ``progress`` is called with each status, or True: one line on the screen. Raises the refusal of
        a request that was refused, and ROUND_RESULT_INVALID or ROUND_CHECK_FAILED for a result that does not hold
        (open_result.py).
        """
        if progress is True:
            from engine.client.progress import on_screen

            with on_screen() as shown:
                return self.wait(timeout, shown, run)
        self.submit()
        line, clock = self.session.line, self.session.clock
        end = None if timeout is None else clock.monotonic_ms() + 1e3 * timeout
        while True:
            left = None if end is None else max((end - clock.monotonic_ms()) / 1e3, 1e-3)
            try:
                return self._follow(left, progress or None, run)
            except Unavailable as lost:  # the coordinator may come back, and knows the request
                if lost.code != "NODE_UNREACHABLE":
                    raise
                line.await_ready(left)

    def _follow(self, seconds: float | None, progress: Progress | None, run: int) -> Release:
        session, asked = self.session, self.asked
        if asked is None:
            raise Refused("POLICY_REQUEST_UNKNOWN")
        if self.kept is not None:
            return session.release(asked, self.kept, self.statement, repeated=True)
        with named_if_late(session.home.name) as latest:
            for status in session.watch(asked.digest.hex(), seconds):
                latest.append(status)
                if progress is not None:
                    progress(status)
                if status.state is RequestState.RELEASED or status.run > run:
                    released = session.archive.released(asked.digest, run) or session.fetch(asked, run)
                    return session.release(asked, released, self.statement)
                session.check_ended_well(status)
        raise Unavailable("NODE_UNREACHABLE")

    def _agreement(self, described: FederationDescription) -> SignedRecord:
        """The agreement in force that is meant; Refused as papers.py says."""
        session, name = self.session, self.session.home.name
        held = usable(described, session.roster, name, session.clock.now_ms())
        digest, _ = meant(held, name, self.agreement)
        return next(record for record in described.agreements if wire.digest(record.payload) == digest)

    def _same_question(self, question: Question, described: FederationDescription) -> Asked | None:
        """The earlier request of the same question: released over what is there now, or still under way."""
        archive = self.session.archive
        digest = archive.last_asked(question)
        if digest is None:
            return None
        asked, released = archive.asked(digest), archive.released(digest)
        if released is None:
            return asked if self.session.is_under_way(digest) else None
        if self.standing.runs > 1:
            return asked if self.session.is_under_way(digest, RequestState.RELEASED) else None
        now = {p for p in described.connected if p.node in self.hosts}
        if set(released.receipt.round_manifest.participants) != now:
            return None
        self.kept = released
        return asked

    def _hand_in(self, question: Question, record: SignedRecord) -> Asked:
        """Signs a new request, keeps it, submits it: in this order, so that no charge is without its request."""
        session = self.session
        manifest, now = session.roster.manifest, session.clock.now_ms()
        request = Request(
            version=RECORD_VERSION,
            nonce=session.randomness.bytes(NONCE_BYTES),
            federation=manifest.federation,
            analyst=session.home.name,
            plan_digest=question.plan_digest,
            agreement_digest=question.agreement_digest,
            loss=self.price.answer,
            n_min=self.n_min,
            f=manifest.rules.f,
            committee=max(LEAST_COMMITTEE, manifest.rules.committee),
            sealing_key=session.home.sealing_key().public,
            created_ms=now,
            expires_ms=now + self.standing.valid_days * DAY_MS,
            max_attempts=MAX_ATTEMPTS,
            runs=self.standing.runs,
            purpose=self.purpose,
            selection=self.price.selection,
        )
        payload = wire.encode(request)
        own = signed(RecordKind.REQUEST, payload, session.home.signing_key())
        submission = Submission(own, self.plan, self.statement.sql.encode())
        asked = Asked(wire.digest(payload), submission, record, self.epsilon, self.delta)
        session.archive.keep_request(asked, question)
        try:
            session.line.submit(submission)
        except Refused as refused:  # errors cross the wire as bare codes
            raise error_for(refused.code, name=session.home.name) from None
        return asked
