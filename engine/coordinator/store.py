"""What the coordinator remembers: requests, rounds and released results; one durable transaction a change.

    requests   one row a request: what was submitted, and how far it got
    rounds     one row an attempt: the exact manifest, and how it ended
    bodies     masked vectors and sealed masks of released rounds

The tables are those of the newest revision in migrations/: a change of them here is a new revision there. States are
those of ``RequestState``. A request found in the middle after a restart is not lost: see ``unfinished``.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from engine.coordinator.combine import Body
from engine.coordinator.database import Database
from engine.coordinator.journals import Journals, append_own, entry_of
from engine.errors import Refused, Unavailable
from engine.trusted import wire
from engine.trusted.messages import BodyKind, Chosen, RequestState, RequestStatus, ResultHead, Submission
from engine.trusted.records import JournalEntry, JournalKind, Request, RoundManifest, SnapshotRef
from engine.trusted.sign import Roster, SigningKey

ENDED = (RequestState.RELEASED, RequestState.REFUSED_STATE, RequestState.EXPIRED, RequestState.REVOKED)
METADATA = sa.MetaData()
_requests = sa.Table(
    "requests",
    METADATA,
    sa.Column("digest", sa.LargeBinary, primary_key=True),
    sa.Column("analyst", sa.String, nullable=False, index=True),
    sa.Column("submission", sa.LargeBinary, nullable=False),
    sa.Column("received_ms", sa.BigInteger, nullable=False),
    sa.Column("state", sa.Integer, nullable=False, index=True),
    sa.Column("code", sa.String, nullable=False, default=""),
    sa.Column("reason", sa.String, nullable=False, default=""),  # of a refusal, in a guardian's words
    sa.Column("account", sa.String, nullable=False, default=""),  # whose budget is spent
    sa.Column("refreshes_ms", sa.BigInteger, nullable=False, default=0),
    sa.Column("waiting_for", sa.String, nullable=False, default="[]"),  # JSON
    sa.Column("run", sa.Integer, nullable=False, default=1),  # it is in
    sa.Column("attempt", sa.Integer, nullable=False, default=0),  # of the phase it is in
    sa.Column("chosen", sa.LargeBinary, nullable=True),  # Chosen, once a second phase may begin
    sa.Column("changed_ms", sa.BigInteger, nullable=False),
)
_rounds = sa.Table(
    "rounds",
    METADATA,
    sa.Column("round", sa.LargeBinary, primary_key=True),
    sa.Column("request", sa.LargeBinary, sa.ForeignKey("requests.digest"), nullable=False, index=True),
    sa.Column("run", sa.Integer, nullable=False),
    sa.Column("phase", sa.Integer, nullable=False),
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("manifest", sa.LargeBinary, nullable=False),
    sa.Column("opened_ms", sa.BigInteger, nullable=False),
    sa.Column("code", sa.String, nullable=False, default=""),
    sa.Column("result", sa.LargeBinary, nullable=True),  # ResultHead of a release
    sa.UniqueConstraint("request", "run", "phase", "attempt"),
)
_bodies = sa.Table(
    "bodies",
    METADATA,
    sa.Column("round", sa.LargeBinary, sa.ForeignKey("rounds.round"), primary_key=True),
    sa.Column("kind", sa.Integer, primary_key=True),
    sa.Column("sender", sa.String, primary_key=True),
    sa.Column("place", sa.Integer, nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False),
)

_DIGEST: sa.BindParameter[bytes] = sa.bindparam("of_digest")
_ROUND: sa.BindParameter[bytes] = sa.bindparam("of_round")
_ANALYST: sa.BindParameter[str] = sa.bindparam("of_analyst")
_OPEN_ROUND = sa.and_(_rounds.c.code == "", _rounds.c.result.is_(None))
# Statements are built once: building one costs more than running it.
_ACCEPT, _OPEN, _KEEP = _requests.insert(), _rounds.insert(), _bodies.insert()
_CHANGE = _requests.update().where(_requests.c.digest == _DIGEST)
_END_ROUND = _rounds.update().where(_rounds.c.round == _ROUND)
_LOSE_OPEN = _rounds.update().where(_OPEN_ROUND)
_LOSE_OPEN_OF = _rounds.update().where(_rounds.c.request == _DIGEST, _OPEN_ROUND)
_OWNER = sa.select(_requests.c.analyst).where(_requests.c.digest == _DIGEST)
_REQUEST = sa.select(_requests).where(_requests.c.digest == _DIGEST)
_REQUESTS = sa.select(_requests).where(_requests.c.analyst == _ANALYST)
_NEWEST = _REQUESTS.order_by(_requests.c.received_ms.desc(), _requests.c.digest).limit(sa.bindparam("most"))
_UNFINISHED = (
    sa.select(_requests)
    .where(_requests.c.state.not_in([state.value for state in (*ENDED, RequestState.WAITING)]))
    .order_by(_requests.c.received_ms)
)
_WAITING = sa.select(_requests.c.digest).where(_requests.c.state == RequestState.WAITING.value)
_EVERYBODYS = sa.select(_requests.c.digest).order_by(_requests.c.received_ms.desc()).limit(sa.bindparam("most"))
_RESULTS = sa.select(_rounds).where(_rounds.c.request == _DIGEST, _rounds.c.result.is_not(None))
_CLEAR = _bodies.delete().where(
    _bodies.c.round.in_(sa.select(_rounds.c.round).where(_rounds.c.request == sa.bindparam("of_digest")))
)
_NEWEST_RESULT = _RESULTS.order_by(_rounds.c.run.desc(), _rounds.c.phase.desc()).limit(1)
_RESULT_OF = _NEWEST_RESULT.where(_rounds.c.run == sa.bindparam("of_run"))
_EARLIER = sa.select(_rounds.c.manifest).where(_rounds.c.request == _DIGEST, _rounds.c.run < sa.bindparam("of_run"))
_NAMED = sa.exists().where(
    _rounds.c.request == _requests.c.digest, _rounds.c.run == _requests.c.run, _rounds.c.result.is_not(None)
)
_CHOOSE = _CHANGE.where(_requests.c.state == RequestState.WAITING.value, _requests.c.chosen.is_(None), _NAMED)
_BODIES = sa.select(_bodies).where(_bodies.c.round == _ROUND).order_by(_bodies.c.place)


@dataclass(frozen=True, slots=True)
class Result:
    """A released round, as the analyst fetches it."""

    head: ResultHead
    bodies: tuple[Body, ...]


@dataclass(frozen=True, slots=True)
class Kept:
    """A request as it stands. ``named``: its nodes have named keys, in the run it is in, or have answered it."""

    analyst: str
    submission: Submission
    status: RequestStatus
    chosen: Chosen | None
    received_ms: int
    named: bool


class Store:
    """The coordinator's state, in one SQLite file or on PostgreSQL (database.py). Safe for use from many threads."""

    def __init__(self, where: Path | str, member: str = "coordinator") -> None:
        """``member``: the coordinator's name, whose own journal is kept here."""
        self._database, self._member = Database(where), member
        self.changing, self.reading = self._database.changing, self._database.reading

    def close(self) -> None:
        self._database.close()

    def journals(self, roster: Callable[[], Roster], key: SigningKey) -> Journals:
        """The journals that are kept here."""
        return Journals(self.changing, self.reading, roster, key)

    # -- changes

    def journal(self, connection: sa.Connection, entry: JournalEntry) -> None:
        """Appends to the coordinator's own journal, in the transaction of the change that the entry tells of."""
        append_own(connection, self._member, entry)

    def _tell(self, connection: sa.Connection, kind: JournalKind, request: bytes, at_ms: int, **known: Any) -> None:
        """An entry about a request, with what the request says of itself."""
        row = connection.execute(_REQUEST, {"of_digest": request}).one()
        own: Request = wire.decode(Request, wire.decode(Submission, row.submission).request.payload)
        known |= {"request_digest": request, "plan_digest": own.plan_digest, "analyst": own.analyst}
        self.journal(connection, entry_of(kind, at_ms, agreement_digest=own.agreement_digest, **known))

    def accept(self, digest: bytes, analyst: str, submission: Submission, now_ms: int) -> bool:
        """Stores a new request as SUBMITTED; False when the same signed bytes were accepted before."""
        row = {
            "digest": digest,
            "analyst": analyst,
            "submission": wire.encode(submission),
            "received_ms": now_ms,
            "state": RequestState.SUBMITTED.value,
            "changed_ms": now_ms,
        }
        with self.changing() as connection:
            if connection.execute(_OWNER, {"of_digest": digest}).first() is not None:
                return False
            connection.execute(_ACCEPT, row)
            self._tell(connection, JournalKind.REQUESTED, digest, now_ms)
        return True

    def open_round(
        self, request: bytes, round_: bytes, attempt: int, manifest: bytes, now_ms: int, phase: int = 1, run: int = 1
    ) -> None:
        """The request is RUNNING, in a round that members may hear of from now on."""
        row = {"round": round_, "request": request, "run": run, "phase": phase, "attempt": attempt}
        row |= {"manifest": manifest, "opened_ms": now_ms}
        with self.changing() as connection:
            connection.execute(_OPEN, row)
            _change(connection, request, RequestState.RUNNING, "", now_ms, attempt=attempt)

    def lose_round(self, round_: bytes, code: str) -> None:
        """The round ended without a result, and its request goes on."""
        with self.changing() as connection:
            connection.execute(_END_ROUND, {"of_round": round_, "code": code})

    def lose_open_rounds(self, code: str) -> None:
        """Every round that was open when the coordinator stopped ended without a result."""
        with self.changing() as connection:
            connection.execute(_LOSE_OPEN, {"code": code})

    def release(
        self,
        request: bytes,
        round_: bytes,
        result: Result,
        now_ms: int,
        state: RequestState = RequestState.RELEASED,
        next_run: int = 0,
        waiting_for: tuple[str, ...] = (),
    ) -> None:
        """The request is RELEASED, with all that its analyst needs to open the result; or WAITING for the analyst to
        choose among the keys of a first phase, or for what its ``next_run`` needs."""
        rows = [
            {"round": round_, "kind": kind.value, "sender": sender, "place": place, "body": body}
            for place, (kind, sender, body) in enumerate(result.bodies)
        ]
        with self.changing() as connection:
            connection.execute(_KEEP, rows)
            head = wire.encode(result.head)
            connection.execute(_END_ROUND, {"of_round": round_, "result": head})
            further = {"run": next_run, "attempt": 0, "chosen": None} if next_run else {}
            _change(connection, request, state, "", now_ms, waiting_for=json.dumps(waiting_for), **further)
            if state is RequestState.RELEASED or next_run:
                kind, survivors = JournalKind.RELEASED_TO_ANALYST, result.head.survivors
                self._tell(connection, kind, request, now_ms, round=round_, survivors=survivors)

    def await_(self, request: bytes, waiting_for: tuple[str, ...], now_ms: int) -> None:
        """The request is WAITING, for those who are named."""
        with self.changing() as connection:
            _change(connection, request, RequestState.WAITING, "", now_ms, waiting_for=json.dumps(waiting_for))

    def go_on(self, request: bytes, state: RequestState, now_ms: int) -> None:
        """The request waits for nobody any more: SUBMITTED, or APPROVED_STATE."""
        with self.changing() as connection:
            _change(connection, request, state, "", now_ms)

    def choose(self, request: bytes, chosen: Chosen, now_ms: int) -> bool:
        """A request that was WAITING is SUBMITTED again, for its second phase; False for one that was not."""
        values = {"state": RequestState.SUBMITTED.value, "attempt": 0, "changed_ms": now_ms, "waiting_for": "[]"}
        with self.changing() as connection:
            row = {"of_digest": request, "chosen": wire.encode(chosen), **values}
            return connection.execute(_CHOOSE, row).rowcount == 1

    def refuse(
        self,
        request: bytes,
        code: str,
        now_ms: int,
        state: RequestState = RequestState.REFUSED_STATE,
        **words: str | int,
    ) -> None:
        """The request is over, without a (further) result. ``words``: reason, account, refreshes_ms."""
        with self.changing() as connection:
            connection.execute(_LOSE_OPEN_OF, {"of_digest": request, "code": code})
            _change(connection, request, state, code, now_ms, **words)
            self._tell(connection, JournalKind.REQUEST_ENDED, request, now_ms, code=code)

    def clear(self, request: bytes) -> bool:
        """Deletes what a request's agreement lets nobody keep longer: what nodes and helpers sent for its analyst, and
        the analyst's own words. Digests, manifests, signatures and the journal stay. Whether there was any of it."""
        with self.changing() as connection:
            row = connection.execute(_REQUEST, {"of_digest": request}).one()
            submission: Submission = wire.decode(Submission, row.submission)
            gone = connection.execute(_CLEAR, {"of_digest": request}).rowcount
            if not gone and not submission.statement:
                return False
            bare = wire.encode(Submission(submission.request, submission.plan, b""))
            connection.execute(_CHANGE, {"of_digest": request, "submission": bare})
        return True

    # -- questions

    def owner(self, request: bytes) -> str | None:
        """The analyst of a request, None when there is no such request."""
        with self.reading() as connection:
            return connection.execute(_OWNER, {"of_digest": request}).scalar()

    def status(self, request: bytes) -> RequestStatus:
        with self.reading() as connection:
            row = connection.execute(_REQUEST, {"of_digest": request}).first()
        if row is None:
            raise Refused("POLICY_REQUEST_UNKNOWN")
        return _status(row)

    def statuses(self, analyst: str, most: int) -> tuple[RequestStatus, ...]:
        """The newest ``most`` requests of one analyst."""
        with self.reading() as connection:
            return tuple(_status(r) for r in connection.execute(_NEWEST, {"of_analyst": analyst, "most": most}))

    def unfinished(self) -> tuple[tuple[bytes, Submission, int, Chosen | None], ...]:
        """(digest, submission, attempts so far, keys of a second phase) of every request that has not ended and waits
        for nobody, oldest first."""
        with self.reading() as connection:
            rows = connection.execute(_UNFINISHED).all()
        return tuple((r.digest, wire.decode(Submission, r.submission), r.attempt, _chosen(r)) for r in rows)

    def waiting(self) -> tuple[bytes, ...]:
        """Every request that waits for somebody."""
        with self.reading() as connection:
            return tuple(connection.execute(_WAITING).scalars())

    def newest(self, most: int) -> tuple[bytes, ...]:
        """The newest ``most`` requests of everybody."""
        with self.reading() as connection:
            return tuple(connection.execute(_EVERYBODYS, {"most": most}).scalars())

    def kept(self, request: bytes) -> Kept:
        """What was handed in, and how far it is; Refused POLICY_REQUEST_UNKNOWN."""
        with self.reading() as connection:
            row = connection.execute(_REQUEST, {"of_digest": request}).first()
            if row is None:
                raise Refused("POLICY_REQUEST_UNKNOWN")
            named = connection.execute(_RESULT_OF, {"of_digest": request, "of_run": row.run}).first() is not None
        submission = wire.decode(Submission, row.submission)
        return Kept(row.analyst, submission, _status(row), _chosen(row), row.received_ms, named)

    def used(self, request: bytes, run: int) -> dict[str, frozenset[SnapshotRef]]:
        """The snapshots that rounds of runs before ``run`` named, by node."""
        with self.reading() as connection:
            payloads = connection.execute(_EARLIER, {"of_digest": request, "of_run": run}).scalars().all()
        found: dict[str, frozenset[SnapshotRef]] = {}
        for payload in payloads:
            manifest: RoundManifest = wire.decode(RoundManifest, payload)
            for node in manifest.participants:
                found[node.node] = found.get(node.node, frozenset()).union(node.snapshots)
        return found

    def result(self, request: bytes, run: int = 0) -> Result:
        """The result of a run, 0: the newest; Unavailable ROUND_NOT_RELEASED before there is one."""
        with self.reading() as connection:
            values = {"of_digest": request, "of_run": run}
            row = connection.execute(_RESULT_OF if run else _NEWEST_RESULT, values).first()
            if row is None:
                raise Unavailable("ROUND_NOT_RELEASED")
            parts = connection.execute(_BODIES, {"of_round": row.round})
            bodies = tuple((BodyKind(b.kind), b.sender, b.body) for b in parts)
        if not bodies:
            raise Refused("POLICY_RETENTION_OVER")
        return Result(wire.decode(ResultHead, row.result), bodies)


def _change(
    connection: sa.Connection, request: bytes, state: RequestState, code: str, now_ms: int, **more: Any
) -> None:
    said = {"reason": "", "account": "", "refreshes_ms": 0, "waiting_for": "[]"}
    values = {"state": state.value, "code": code, "changed_ms": now_ms, **said, **more}
    connection.execute(_CHANGE, {"of_digest": request, **values})


def _chosen(row: Any) -> Chosen | None:
    return None if row.chosen is None else wire.decode(Chosen, row.chosen)


def _status(row: Any) -> RequestStatus:
    waiting = tuple(json.loads(row.waiting_for))
    said = (row.reason, row.refreshes_ms, row.account, row.run)
    state = RequestState(row.state)
    return RequestStatus(row.digest, state, row.code, waiting, row.attempt, (), (), row.changed_ms, *said)
