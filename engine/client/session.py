"""The analyst's side: ask a question, follow it, open the answer.

    session = connect("~/.splittally/analyst")
    release = session.query("SELECT region, COUNT(*) AS n FROM people GROUP BY region").wait()

A question is priced and signed here; what comes back is opened and checked here (open_result.py). The same question
over unchanged snapshots is answered from the copy kept at home, free of charge.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from engine.client.archive import Archive, Asked, Released
from engine.client.calls import Line
from engine.client.choose import Keys, chosen, keys_of, open_lists
from engine.client.open_result import open_result, require_sound
from engine.client.query import GLANCE_SECONDS, Query, Standing
from engine.client.receipts import proven_charges
from engine.client.release import Release
from engine.client.standing import valid_revocations
from engine.client.states import ENDED_BADLY, check_ended_well, require_nobody_awaited
from engine.client.terms import MOST_PURPOSE
from engine.client.units import units_of
from engine.errors import Refused, Unavailable, require
from engine.trusted import wire
from engine.trusted.account import add_loss
from engine.trusted.clock import Clock, SystemClock
from engine.trusted.home import Home
from engine.trusted.messages import FederationDescription, RequestState, RequestStatus
from engine.trusted.plan import Plan
from engine.trusted.random import Randomness, SystemRandomness
from engine.trusted.records import RECORD_VERSION, Agreement, Loss, Receipt, Request
from engine.trusted.selection import phases_of
from engine.trusted.sign import require_current, require_in_force

if TYPE_CHECKING:
    from engine.sql import Statement

Amount = Fraction | str | float | int
_NUMBER = re.compile(r"[-+]?[0-9./]{1,200}(e[-+]?[0-9]{1,3})?", re.IGNORECASE)  # larger powers take minutes


def connect(home: Home | Path | str, *, clock: Clock | None = None, randomness: Randomness | None = None) -> Session:
    """A session of the analyst whose home it is. Raises BadFile FILE_HOME_* and Refused POLICY_MANIFEST_*."""
    opened = home if isinstance(home, Home) else Home.load(Path(home).expanduser())
    return Session(opened, clock or SystemClock(), randomness or SystemRandomness())


class Session:
    """One analyst's questions to one federation. Close it, or use it as a context manager."""

    def __init__(self, home: Home, clock: Clock, randomness: Randomness) -> None:
        self.home, self.clock, self.randomness = home, clock, randomness
        self.roster = home.roster()
        self.catalogue = self.roster.manifest.catalogue
        require_current(self.roster.manifest, clock.now_ms())
        self.line = Line(home)
        self.archive = Archive(home)

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.line.close()

    def query(
        self,
        sql: str,
        agreement: str | None = None,
        epsilon: Amount = 1,
        delta: Amount = "1e-9",
        n_min: int | None = None,
        purpose: str = "",
        runs: int = 1,
        valid_days: int = 1,
        *,
        idle: bool = False,
    ) -> Query:
        """A question, read and priced; nothing is sent or spent yet.

        ``agreement``: its name, or the start of its digest in hex; not needed when only one is in force for the
        analyst. ``epsilon`` and ``delta`` are for the whole statement. ``n_min``: the least number of nodes whose
        answer is accepted, by default what the federation's rules say. ``runs``: how often it is answered, each time
        from new snapshots of all hosts, at the price of one answer each; ``valid_days``: how long the signed request
        is valid. ``idle``: a statement whose answer is known beforehand is refused only when it is submitted. Raises
        Refused SQL_*.
        """
        require(len(purpose) <= MOST_PURPOSE, "SQL_PURPOSE_LONG", most=f"{MOST_PURPOSE:,}")
        standing = Standing(runs, valid_days)
        return Query(
            self,
            self.prepare(sql, idle=idle),
            agreement,
            _exact(epsilon),
            _exact(delta, "SQL_DELTA_RANGE"),
            n_min,
            purpose,
            standing,
        )

    def prepare(self, sql: str, *, idle: bool = False) -> Statement:
        from engine.sql import prepare

        return prepare(sql, self.catalogue, self.roster.manifest.rules, idle=idle)

    def describe(self, patience: float | None = None) -> FederationDescription:
        """The federation as the coordinator sees it: its manifest, its agreements and the nodes now connected.

        Revocations are verified and remembered.
        """
        described = self.line.describe(patience)
        for digest, record in valid_revocations(described, self.roster):
            self.archive.keep_revocation(digest, record)
        return described

    def requests(self, most: int = 100) -> tuple[RequestStatus, ...]:
        """The newest requests of this analyst."""
        return self.line.requests(most).requests

    def is_under_way(self, digest: bytes, *other: RequestState) -> bool:
        """Whether the coordinator still works on a request, or holds its result; and is in no ``other`` state."""
        known = {s.request_digest: s.state for s in self.requests(most=1_000)}
        return known.get(digest, RequestState.REFUSED_STATE) not in (*ENDED_BADLY, *other)

    def watch(self, request_id: str, seconds: float | None = None) -> Iterator[RequestStatus]:
        """The status now and after each change, to the request's end; Unavailable ROUND_PENDING after ``seconds``.

        A request of this home that waits for keys to be chosen is helped on.
        """
        for status in self.line.watch(digest_of(request_id), seconds):
            yield status
            if status.state is RequestState.WAITING and self.home.name in status.waiting_for:
                self.choose(self.archive.asked(status.request_digest))

    def result(self, request_id: str, run: int = 0, *, choose: bool = True) -> Release:
        """The answer of a request submitted from this home, now or long ago, or one that another analyst shared;
        ``run``: of a standing one, 0: the newest. ``choose``: whether its keys are chosen if it waits for that.

        As long as the agreement stands: Refused POLICY_AGREEMENT_EXPIRED or POLICY_AGREEMENT_REVOKED. Before there is
        one: why the request was refused, Waiting APPROVAL_WAITING for whom it waits, else Unavailable
        ROUND_NOT_RELEASED; ROUND_KEYS_CHOSEN if its second phase starts only now.
        """
        asked = self._asked(digest_of(request_id))
        self._require_standing(asked)
        try:
            return self.release(asked, self._released(asked, run, choose))
        except Unavailable as early:
            status = self._status(asked) if early.code == "ROUND_NOT_RELEASED" else None
            if status is not None:
                self.check_ended_well(status)
                require_nobody_awaited(status, self.home.name)
            raise

    def check_ended_well(self, status: RequestStatus) -> None:
        """Raises the refusal of a request that ended badly, as far as this home and the coordinator know it."""
        digest, name = status.request_digest, ""
        if self.archive.holds(digest):
            agreement: Agreement = wire.decode(Agreement, self.archive.asked(digest).agreement.payload)
            name = agreement.name
        check_ended_well(status, name)

    def _released(self, asked: Asked, run: int, choose: bool) -> Released:
        meant = run or self._newest_run(asked)
        released = self.archive.released(asked.digest, meant)
        if released is None and choose and self._awaits_keys(asked):
            self.choose(asked)
            raise Unavailable("ROUND_KEYS_CHOSEN")
        return released or self.fetch(asked, meant)

    def _require_standing(self, asked: Asked) -> None:
        """By this machine's clock and by what the coordinator says, if it is there to say."""
        agreement: Agreement = wire.decode(Agreement, asked.agreement.payload)
        require_in_force(agreement, self.clock.now_ms())
        with suppress(Unavailable):
            self.describe(GLANCE_SECONDS)
        if self.archive.is_revoked(wire.digest(asked.agreement.payload)):
            raise Refused("POLICY_AGREEMENT_REVOKED", name=agreement.name)

    def _newest_run(self, asked: Asked) -> int:
        """Of those released so far; Unavailable ROUND_NOT_RELEASED."""
        request: Request = wire.decode(Request, asked.submission.request.payload)
        if request.runs == 1:
            return 1
        status = self._status(asked)
        newest = 0 if status is None else status.run - (status.state is not RequestState.RELEASED)
        if newest < 1:
            raise Unavailable("ROUND_NOT_RELEASED")
        return newest

    def _status(self, asked: Asked) -> RequestStatus | None:
        return next((s for s in self.requests(1_000) if s.request_digest == asked.digest), None)

    def _asked(self, digest: bytes) -> Asked:
        if self.archive.holds(digest):
            return self.archive.asked(digest)
        from engine.client.sharing import receive

        return receive(self, digest)

    def share(self, request_id: str, reader: str) -> str:
        """Reseals a release to another analyst of its agreement, free of charge; see sharing.py."""
        from engine.client.sharing import share

        return share(self, digest_of(request_id), reader).hex()

    def _awaits_keys(self, asked: Asked) -> bool:
        plan: Plan = wire.decode(Plan, asked.submission.plan, wire.PLAN_BYTES)
        if phases_of(plan) == 1:
            return False
        status = self._status(asked)
        return status is not None and self.home.name in status.waiting_for

    def choose(self, asked: Asked) -> None:
        """Between two phases: opens what the nodes named and answers with one list, the same one if asked again."""
        keys = self.archive.keys(asked.digest) or self._new_keys(asked)
        self.line.choose(chosen(keys, asked.submission, self.roster, self.home.signing_key()))

    def _new_keys(self, asked: Asked) -> Keys:
        """A list of what the nodes named, kept before it is sent; another process of this home may be faster."""
        try:
            head, bodies = self.line.fetch(asked.digest)
            lists = open_lists(head, bodies, asked.submission, self.roster, self.home.sealing_key())
        except Unavailable:
            kept = self.archive.keys(asked.digest)
            if kept is None:
                raise
            return kept
        plan: Plan = wire.decode(Plan, asked.submission.plan, wire.PLAN_BYTES)
        return self.archive.keep_keys(asked.digest, keys_of(lists, plan, self.roster, self.randomness))

    def fetch(self, asked: Asked, run: int = 1) -> Released:
        """Fetches the result of a run, checks and opens it, and keeps it with its receipt."""
        head, bodies = self.line.fetch(asked.digest, run)
        keys = self.archive.keys(asked.digest)
        listed = None if keys is None else keys.body
        opened = open_result(head, bodies, asked.submission, self.roster, self.home.sealing_key(), listed)
        require_sound(opened.manifest.run == run, "it is of another run")
        receipt = Receipt(
            version=RECORD_VERSION,
            federation_manifest=self.home.manifest_record(),
            agreement=asked.agreement,
            round_manifest=opened.manifest,
            survivors=opened.survivors,
            shares=head.shares,
            answers=head.answers,
            checked_each_vector=opened.checked_each_vector,
            charges=proven_charges(head.charges, opened.shares, wire.digest(head.manifest), opened.manifest),
        )
        self.archive.keep_heads(share.head for share in opened.shares)
        released = Released(opened.cells, receipt)
        self.archive.keep_release(asked.digest, released)
        return released

    def release(
        self, asked: Asked, released: Released, statement: Statement | None = None, *, repeated: bool = False
    ) -> Release:
        """The answer as a person reads it, from the opened cells; ``statement`` if it is prepared already."""
        from engine.sql.finish import finish

        statement = statement or self.prepare(asked.submission.statement.decode(), idle=True)
        receipt = released.receipt
        if wire.encode(statement.plan) != asked.submission.plan:
            raise Refused("POLICY_CATALOGUE_DIFFERS")
        keys = self.archive.keys(asked.digest)
        if keys is not None:
            statement = statement.with_keys(keys.values, keys.named)
        manifest, survivors = receipt.round_manifest, receipt.survivors
        request: Request = wire.decode(Request, manifest.request.payload)
        answer = finish(statement, self.catalogue, manifest.calibration, released.cells, len(survivors))
        answer = replace(answer, units=units_of(statement, self.catalogue))
        if asked.shared_by:
            told = f"Shared by {asked.shared_by}, who vouches for the figures; the receipt proves the round."
            answer = replace(answer, notes=(*answer.notes, told))
        return Release(
            request_id=asked.digest.hex(),
            answer=answer,
            survivors=survivors,
            participants=tuple(p.node for p in manifest.participants),
            receipt=wire.encode(receipt),
            loss=add_loss(request.loss, request.selection or Loss(0, 0)),
            epsilon=asked.epsilon,
            delta=asked.delta,
            repeated=repeated or bool(asked.shared_by),
            run=manifest.run,
        )


def _exact(amount: Amount, code: str = "SQL_EPSILON_RANGE") -> Fraction:
    """An amount as written: 0.1 is one tenth. Refused with the ``code`` for what is no number."""
    text = str(amount)
    try:
        if _NUMBER.fullmatch(text) is None:
            raise ValueError(text[:20])
        return Fraction(text)
    except (ValueError, ZeroDivisionError):
        raise Refused(code) from None


def digest_of(request_id: str) -> bytes:
    """The digest that a request id stands for; Refused POLICY_REQUEST_UNKNOWN for what is none."""
    try:
        return bytes.fromhex(request_id)
    except ValueError:
        raise Refused("POLICY_REQUEST_UNKNOWN") from None
