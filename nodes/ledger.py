"""The ledger: what a member has spent, answered and decided, in one SQLite file, durable before anything is sent.

Claim: no round reads data or is answered before its charge or its answer is on disk; nothing is charged above a cap;
       a round is charged once, answered once and has one outcome, whatever crashes, races or comes again.
Because: each change is one BEGIN IMMEDIATE transaction with synchronous = FULL that also appends its journal entry;
         caps are compared as integers inside that transaction and once more by CHECK; rounds are primary keys.
Checked by: tests/ledger/test_ledger.py::test_exactly_k_of_many_attempts_succeed
            tests/ledger/test_crash.py::test_a_kill_at_any_statement_loses_no_charge_and_gives_no_free_reply
            tests/ledger/test_model.py::test_the_ledger_does_what_a_small_model_does
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from engine.errors import Unavailable, error_for, require
from engine.trusted import records, wire
from engine.trusted.clock import Clock
from engine.trusted.journal import EMPTY_ROOT, consistency_path, inclusion_path
from engine.trusted.messages import ConsistencyProof
from engine.trusted.records import AccountCap, AccountScope, Agreement, JournalEntry, JournalKind, Request
from nodes import account_store, journal_store
from nodes.account_store import Account

SCHEMA_VERSION = 3
CLOCK_BACK_MS = 300_000  # a clock this far behind the last record is refused; less counts as standing still
BUSY_SECONDS = 10.0
SCHEMA = """
CREATE TABLE ledger (id INTEGER PRIMARY KEY CHECK (id = 1), member TEXT NOT NULL, latest_ms INTEGER NOT NULL,
    answered BLOB NOT NULL) STRICT;
CREATE TABLE rounds (round BLOB PRIMARY KEY CHECK (length(round) = 32), request BLOB NOT NULL, run INTEGER NOT NULL,
    phase INTEGER NOT NULL, position INTEGER NOT NULL UNIQUE, reply BLOB, code TEXT,
    CHECK (reply IS NULL OR code IS NULL)) STRICT;
CREATE INDEX rounds_of_request ON rounds (request, run);
CREATE TABLE answered (round BLOB PRIMARY KEY CHECK (length(round) = 32), request BLOB NOT NULL, run INTEGER NOT NULL,
    phase INTEGER NOT NULL, position INTEGER NOT NULL UNIQUE) STRICT;
CREATE INDEX answered_of_request ON answered (request, run);
CREATE TABLE records (digest BLOB PRIMARY KEY, record BLOB NOT NULL, position INTEGER NOT NULL UNIQUE) STRICT;
CREATE TABLE heads (member TEXT PRIMARY KEY, size INTEGER NOT NULL, root BLOB NOT NULL) STRICT;
"""
_NEWEST_HEAD = """INSERT INTO heads VALUES (?, ?, ?)
    ON CONFLICT DO UPDATE SET size = excluded.size, root = excluded.root WHERE excluded.size > heads.size"""
_OWN_KINDS = (JournalKind.CHARGED, JournalKind.REPLIED, JournalKind.ANSWERED_AS_HELPER)


def entry_of(kind: JournalKind, **known: Any) -> JournalEntry:
    """A journal entry: what is not ``known`` stays empty; version, member and time are the ledger's to fill in."""
    return replace(JournalEntry(0, kind, 0, "", b"", b"", b"", b"", "", None, (), "", "", ()), **known)


class Ledger:
    """One member's ledger; usable from several threads and, safely, by several processes."""

    def __init__(self, db: sqlite3.Connection, member: str, clock: Clock, caps: Sequence[AccountCap]) -> None:
        self._db = db
        self._lock = threading.RLock()
        self._member = member
        self._clock = clock
        self.caps = tuple(caps)
        self._under_way: set[bytes] = set()

    @classmethod
    def open(
        cls, path: Path, member: str, clock: Clock, caps: Sequence[AccountCap], seen: records.JournalHead | None = None
    ) -> Ledger:
        """The ledger of ``member`` at ``path``, made if absent; ``seen``: a head that it has had.

        Claim: a ledger opens only if it is this member's and its journal matches its own hashes and goes on from
               ``seen``: one that was lost, emptied or put back to an older copy does not open.
        Because: all are compared here: NODE_LEDGER_FAILED, NODE_JOURNAL_DAMAGED.
        Checked by: tests/ledger/test_ledger.py::test_a_ledger_of_another_member_does_not_open
                    tests/ledger/test_ledger.py::test_a_journal_that_does_not_go_on_from_a_head_does_not_open
        """
        require(seen is None or path.exists(), "NODE_JOURNAL_DAMAGED")
        try:
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
            db = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA synchronous = FULL")
        except (OSError, sqlite3.Error) as error:
            raise Unavailable("NODE_LEDGER_FAILED", internal=repr(error)) from None
        found = cls(db, member, clock, caps)
        try:
            found._prepare(seen)
        except Unavailable:
            db.close()
            raise
        return found

    def close(self) -> None:
        with self._lock:
            self._db.close()

    def charge(
        self,
        request: Request,
        agreement: Agreement,
        accounts: Iterable[Account],
        entry: JournalEntry,
        *,
        run: int = 1,
        phase: int = 1,
        own: Collection[records.SnapshotRef] = (),
        heads: Iterable[records.JournalHead] = (),
    ) -> None:
        """Charges the phase to ``accounts``, the agreement and the analyst, and journals it: all or nothing.

        ``entry`` gives round, digests and snapshots; kind, time, member, analyst and loss are filled in here. ``own``:
        this node's snapshots, new ones for each run; ``heads`` of others are kept with it. Raises
        ROUND_ALREADY_CHARGED, POLICY_ATTEMPTS_EXHAUSTED, POLICY_SNAPSHOT_USED, BUDGET_NO_CAP, BUDGET_EXHAUSTED (facts:
        scope, name, refreshes_ms), NODE_CLOCK_BACK, NODE_LEDGER_FAILED.

        Claim: on return charge and entry are on disk; on an error nothing has changed.
        Because: one transaction; the checks are inside it; COMMIT returns after fsync.
        Checked by: tests/ledger/test_ledger.py::test_a_refused_charge_changes_nothing
        """
        loss = request.selection if phase == 1 and request.selection else request.loss
        if loss.rho_billionths < 1 or loss.delta_quintillionths < 0:
            raise ValueError("a charge is positive")
        bounded = AccountCap(AccountScope.AGREEMENT_ACCOUNT, agreement.name, 0, None, agreement.budget)
        parties = ((AccountScope.AGREEMENT_ACCOUNT, agreement.name), (AccountScope.ANALYST_ACCOUNT, request.analyst))
        with self._transaction() as db:
            now = self._time()
            self._admit("rounds", "ROUND_ALREADY_CHARGED", request, entry, run, phase)
            others = "SELECT position FROM rounds WHERE request = ? AND run <> ?"
            for (at,) in db.execute(others, (entry.request_digest, run)).fetchall():
                earlier: JournalEntry = wire.decode(JournalEntry, journal_store.entry(db, at))
                require(not set(own) & set(earlier.snapshots), "POLICY_SNAPSHOT_USED")
            account_store.require_within(loss, agreement.per_plan, "plan", agreement.name)
            for account in dict.fromkeys((*accounts, *parties)):
                account_store.spend(db, account, (*self.caps, bounded), loss, now)
            charged = replace(entry, kind=JournalKind.CHARGED, analyst=request.analyst, loss=loss)
            row = (entry.round, entry.request_digest, run, phase, self._append(charged, now))
            db.execute("INSERT INTO rounds VALUES (?, ?, ?, ?, ?, NULL, NULL)", row)
            self._hold(heads)
            self._under_way.add(entry.round)

    def reply(self, round_: bytes) -> bytes | None:
        """The stored reply of a round, None for a round never charged here.

        A stored refusal is raised again; a round that is being computed raises ROUND_ALREADY_CHARGED; one that was
        charged before a crash and never answered raises NODE_ROUND_LOST.

        Claim: a round is never computed twice.
        Because: every round once charged has its bytes, its code or is lost, for ever.
        Checked by: tests/ledger/test_ledger.py::test_a_round_charged_before_a_crash_is_lost
        """
        with self._transaction("BEGIN") as db:
            row = db.execute("SELECT reply, code FROM rounds WHERE round = ?", (round_,)).fetchone()
            match row:
                case None:
                    return None
                case (bytes(reply), None):
                    return reply
                case (None, None):
                    raise Unavailable("ROUND_ALREADY_CHARGED" if round_ in self._under_way else "NODE_ROUND_LOST")
            raise error_for(row[1])

    def store_reply(self, round_: bytes, reply: bytes) -> None:
        """Keeps the bytes to be sent, and journals it; the same bytes again are fine, others BUG_SECOND_REPLY."""
        self._store_outcome(round_, reply, None)

    def store_refusal(self, round_: bytes, code: str) -> None:
        """Keeps the code that a charged round ended in, and journals it. The charge stands."""
        self._store_outcome(round_, None, code)

    def mark_answered(
        self, request: Request, entry: JournalEntry, *, run: int = 1, heads: Iterable[records.JournalHead] = ()
    ) -> None:
        """Journals, durably, that this helper answers a round (``entry``: round, digests and survivors), and keeps
        the survivors' ``heads``.

        Raises POLICY_ROUND_ANSWERED, POLICY_ATTEMPTS_EXHAUSTED, NODE_CLOCK_BACK, NODE_LEDGER_FAILED.

        Claim: a helper answers a round for one set of survivors at most; a crash after this burns the round.
        Because: the row and the entry are on disk before the caller can answer, and the round is a primary key.
        Checked by: tests/ledger/test_ledger.py::test_a_helper_answers_a_round_once
        """
        with self._transaction() as db:
            now = self._time()
            self._admit("answered", "POLICY_ROUND_ANSWERED", request, entry, run)
            position = self._append(replace(entry, kind=JournalKind.ANSWERED_AS_HELPER), now)
            db.execute(
                "INSERT INTO answered VALUES (?, ?, ?, 1, ?)", (entry.round, entry.request_digest, run, position)
            )
            chain = db.execute("SELECT answered FROM ledger").fetchone()[0]
            db.execute("UPDATE ledger SET answered = ?", (sha256(chain + entry.round).digest(),))
            self._hold(heads)

    def record(self, entry: JournalEntry) -> int:
        """Appends any other entry (refusals, agreements, snapshots, pauses); returns its position."""
        if entry.kind in _OWN_KINDS:
            raise ValueError(f"{entry.kind.name} is written by the ledger itself")
        with self._transaction():
            return self._append(entry, self._time(strict=False))

    def keep(self, record: records.SignedRecord, entry: JournalEntry) -> None:
        """Keeps a governance record for ever, and journals it, in one transaction; POLICY_RECORD_OLD if it is known.

        Claim: what this member has been told to obey survives any crash, and the record shows when it was told.
        Because: record and entry are one transaction; the entry names the record's digest.
        Checked by: tests/ledger/test_ledger.py::test_a_record_is_kept_once_and_journalled
        """
        body, digest = wire.encode(record), wire.digest(record.payload)
        with self._transaction() as db:
            known = db.execute("SELECT 1 FROM records WHERE digest = ?", (digest,)).fetchone()
            require(known is None, "POLICY_RECORD_OLD")
            position = self._append(replace(entry, record_digest=digest), self._time(strict=False))
            db.execute("INSERT INTO records VALUES (?, ?, ?)", (digest, body, position))

    def kept(self) -> tuple[records.SignedRecord, ...]:
        """The governance records in the order in which they came."""
        with self._transaction("BEGIN") as db:
            rows = db.execute("SELECT record FROM records ORDER BY position").fetchall()
        return tuple(wire.decode(records.SignedRecord, row[0]) for row in rows)

    def held(self, members: Collection[str]) -> tuple[records.HeldHead, ...]:
        """The newest heads held of these members' journals; size 0 where none is held."""
        with self._transaction("BEGIN") as db:
            rows = {row[0]: row for row in db.execute("SELECT member, size, root FROM heads").fetchall()}
        return tuple(records.HeldHead(*rows.get(name, (name, 0, EMPTY_ROOT))) for name in sorted(set(members)))

    def charge_proof(self, round_: bytes, head: records.SignedHead) -> records.InclusionProof:
        """That the journal under ``head`` holds the charge of a round."""
        with self._transaction("BEGIN") as db:
            (at,) = db.execute("SELECT position FROM rounds WHERE round = ?", (round_,)).fetchone()
            path = inclusion_path(at, head.head.size, journal_store.hashes(db))
            return records.InclusionProof(self._member, at, journal_store.entry(db, at), path, head)

    def extension(self, old_size: int, head: records.JournalHead) -> ConsistencyProof:
        """That the journal under ``head`` goes on from its first ``old_size`` entries."""
        with self._transaction("BEGIN") as db:
            path = consistency_path(old_size, head.size, journal_store.hashes(db))
        return ConsistencyProof(self._member, old_size, path)

    def entries(self, start: int, most_bytes: int) -> tuple[bytes, ...]:
        """Entries from ``start`` on, as many as fit into ``most_bytes``, at least one if there is one."""
        with self._transaction("BEGIN") as db:
            rows = db.execute("SELECT entry FROM entries WHERE position >= ? ORDER BY position LIMIT 10000", (start,))
            total, found = 0, list[bytes]()
            for (body,) in rows:
                total += len(body)
                if found and total > most_bytes:
                    break
                found.append(body)
        return tuple(found)

    def goes_on_from(self, size: int, root: bytes) -> bool:
        """Whether this journal's first ``size`` entries have that root."""
        with self._transaction("BEGIN") as db:
            return size <= journal_store.size(db) and journal_store.root(db, size) == root

    def head(self) -> records.JournalHead:
        """Size and root of the journal, and a digest of the lifetime totals and the answered rounds."""
        with self._transaction("BEGIN") as db:
            count = journal_store.size(db)
            return records.JournalHead(self._member, count, journal_store.root(db, count), _totals_digest(db))

    def entry(self, position: int) -> bytes:
        """The exact bytes of one journal entry."""
        with self._transaction("BEGIN") as db:
            return journal_store.entry(db, position)

    def _prepare(self, seen: records.JournalHead | None) -> None:
        with self._transaction() as db:
            version = db.execute("PRAGMA user_version").fetchone()[0]
            if version == 0:
                require(seen is None, "NODE_JOURNAL_DAMAGED")
                for statement in (SCHEMA + account_store.SCHEMA + journal_store.SCHEMA).split(";\n"):
                    db.execute(statement)
                db.execute("INSERT INTO ledger VALUES (1, ?, 0, ?)", (self._member, bytes(32)))
                db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
                self._append(entry_of(JournalKind.OPENED), self._time())
            elif version != SCHEMA_VERSION or db.execute("SELECT member FROM ledger").fetchone()[0] != self._member:
                raise Unavailable("NODE_LEDGER_FAILED", internal="another member's or version's ledger")
            journal_store.check(db)
            if seen is not None:
                goes_on = seen.size <= journal_store.size(db) and journal_store.root(db, seen.size) == seen.root
                require(goes_on, "NODE_JOURNAL_DAMAGED")

    @contextmanager
    def _transaction(self, begin: str = "BEGIN IMMEDIATE") -> Iterator[sqlite3.Connection]:
        """One transaction of this thread: committed on disk, or as if it had never been."""
        with self._lock:
            try:
                self._db.execute(begin)
                try:
                    yield self._db
                    self._db.execute("COMMIT")
                except BaseException:
                    self._db.rollback()
                    raise
            except sqlite3.Error as error:
                raise Unavailable("NODE_LEDGER_FAILED", internal=repr(error)) from None

    def _time(self, *, strict: bool = True) -> int:
        latest = int(self._db.execute("SELECT latest_ms FROM ledger").fetchone()[0])
        now = self._clock.now_ms()
        require(now >= latest - CLOCK_BACK_MS or not strict, "NODE_CLOCK_BACK")
        return max(now, latest)

    def _hold(self, heads: Iterable[records.JournalHead]) -> None:
        rows = ((head.member, head.size, head.root) for head in heads)
        self._db.executemany(_NEWEST_HEAD, rows)

    def _append(self, entry: JournalEntry, now: int) -> int:
        entry = replace(entry, version=records.RECORD_VERSION, member=self._member, at_ms=now)
        self._db.execute("UPDATE ledger SET latest_ms = ?", (now,))
        return journal_store.append(self._db, wire.encode(entry))

    def _admit(self, table: str, known: str, request: Request, entry: JournalEntry, run: int, phase: int = 1) -> None:
        """A round comes once, else code ``known``; a request may have ``max_attempts`` for each run and phase."""
        same, count = f"SELECT 1 FROM {table}", f"SELECT count(*) FROM {table}"  # noqa: S608
        require(self._db.execute(f"{same} WHERE round = ?", (entry.round,)).fetchone() is None, known)
        those = (entry.request_digest, run, phase)
        (made,) = self._db.execute(f"{count} WHERE request = ? AND run = ? AND phase = ?", those).fetchone()
        require(1 <= run <= request.runs and made < request.max_attempts, "POLICY_ATTEMPTS_EXHAUSTED")

    def _store_outcome(self, round_: bytes, reply: bytes | None, code: str | None) -> None:
        with self._transaction() as db:
            row = db.execute("SELECT reply, code, position FROM rounds WHERE round = ?", (round_,)).fetchone()
            require(row is not None, "BUG_REPLY_WITHOUT_CHARGE")
            if row[:2] == (reply, code):
                return
            require(row[:2] == (None, None), "BUG_SECOND_REPLY")
            db.execute("UPDATE rounds SET reply = ?, code = ? WHERE round = ?", (reply, code, round_))
            charged: JournalEntry = wire.decode(JournalEntry, journal_store.entry(db, row[2]))
            kind = JournalKind.REPLIED if code is None else JournalKind.ROUND_REFUSED
            self._append(replace(charged, kind=kind, loss=None, code=code or ""), self._time(strict=False))
            self._under_way.discard(round_)


def _totals_digest(db: sqlite3.Connection) -> bytes:
    """SHA-256 of the chain over answered rounds and the digest of the lifetime totals."""
    return sha256(db.execute("SELECT answered FROM ledger").fetchone()[0] + account_store.totals_digest(db)).digest()
