"""A text of SQL from a program that knows nothing of approvals: read, priced, asked, waited for.

    asked = read(session, sql, options)      a table of fed, or a question; nothing is sent or spent
    asked.schema                             known before anything runs
    asked.table()                            the rows, or a refusal; a question that waits says so with its id

The same text later is the same question: it is not asked twice, and its release is given again free of charge.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from engine.client.arrow import plain_table, schema_of, table_of
from engine.client.fed import columns_of, select
from engine.client.fed_select import FedSelect, read_fed
from engine.client.options import Options
from engine.client.qualified import unqualified
from engine.errors import Unavailable, Waiting
from engine.trusted.plan import Type

if TYPE_CHECKING:
    import pyarrow

    from engine.client.query import Progress, Query
    from engine.client.release import Release
    from engine.client.session import Session

LONGEST_SECONDS = 300.0  # for a round that runs; for people, ``Options.wait``
LOOK_SECONDS = 1.0  # between two looks at whether anybody still waits
_PING = re.compile(r"\s*select\s+1\s*;?\s*", re.IGNORECASE)
REQUEST = b"splittally.request"  # in the metadata of an answer's schema: the id of the request that it answers


@dataclass(frozen=True, slots=True)
class FedAsked:
    """A table about the federation itself."""

    session: Session
    select: FedSelect

    @property
    def schema(self) -> pyarrow.Schema:
        return plain_table(columns_of(self.select), ()).schema

    def table(self) -> pyarrow.Table:
        return select(self.session, self.select)


@dataclass(frozen=True, slots=True)
class Ping:
    """``SELECT 1``, by which tools see whether a connection is alive."""

    @property
    def schema(self) -> pyarrow.Schema:
        return self.table().schema

    def table(self) -> pyarrow.Table:
        return plain_table((("1", Type.INTEGER),), ((1,),))


@dataclass(frozen=True)
class Question:
    """A question to the federation's nodes."""

    query: Query
    options: Options

    @cached_property
    def schema(self) -> pyarrow.Schema:
        return schema_of(self.query.statement, self.query.session.catalogue, self.options.intervals)

    def submit(self) -> str:
        """Signs and sends the request, unless the same question is under way or answered; its id."""
        return self.query.submit()

    def release(self, progress: Progress | None = None, alive: Callable[[], bool] = lambda: True) -> Release:
        """The answer; ``progress`` is told each status. ``alive``: whether anybody still waits, asked now and then.

        Raises Waiting APPROVAL_WAITING_REQUEST, Unavailable ROUND_PENDING_REQUEST, or why it was refused.
        """
        request, clock = self.submit(), self.query.session.clock
        begun = clock.monotonic_ms()
        while True:
            try:
                return self.query.wait(min(max(self.options.wait, 1e-3), LOOK_SECONDS), progress)
            except (Waiting, Unavailable) as late:
                waited = (clock.monotonic_ms() - begun) / 1e3
                if isinstance(late, Waiting) and waited >= self.options.wait:
                    names = late.facts.get("names", "")
                    raise Waiting("APPROVAL_WAITING_REQUEST", request=request, names=names) from None
                if not isinstance(late, Waiting) and late.code != "ROUND_PENDING":
                    raise
                if waited > LONGEST_SECONDS + self.options.wait or not alive():
                    raise Unavailable("ROUND_PENDING_REQUEST", request=request) from None

    def table(self) -> pyarrow.Table:
        return released_table(self.release(), self.schema)


@dataclass(frozen=True, slots=True)
class NoRow:
    """A question of whose answer no row would be shown, by which tools learn its columns: ``LIMIT 0``, ``WHERE 1 = 0``
    around a query for figures."""

    schema: pyarrow.Schema

    def table(self) -> pyarrow.Table:
        return self.schema.empty_table()


Free = FedAsked | Ping | NoRow
Asked = Free | Question


def read(session: Session, sql: str, options: Options) -> Asked:
    """What a text asks for, in the catalogue of this session; Refused SQL_*."""
    if _PING.fullmatch(sql):
        return Ping()
    about = read_fed(sql, session.roster.manifest.federation)
    if about is not None:
        columns_of(about)
        return FedAsked(session, about)
    asked = session.query(
        unqualified(sql, session.catalogue),
        agreement=options.agreement,
        epsilon=options.epsilon,
        delta=options.delta,
        n_min=options.n_min,
        purpose=options.purpose,
        valid_days=options.valid_days,
        idle=True,
    )
    question = Question(asked, options)
    idle = asked.statement.idle
    return NoRow(question.schema) if idle is not None and idle.code == "SQL_NO_ROW" else question


def released_table(release: Release, schema: pyarrow.Schema) -> pyarrow.Table:
    """A release as its schema says, which names the request."""
    return table_of(release.answer, named(schema, release.request_id))


def named(schema: pyarrow.Schema, request: str) -> pyarrow.Schema:
    return schema.with_metadata({REQUEST: request.encode()})
