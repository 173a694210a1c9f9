"""The store: what is durable, what is idempotent, and what a broken disk looks like from outside."""

from __future__ import annotations

import logging
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from engine.coordinator import database, journals, sharing
from engine.coordinator.database import Database
from engine.coordinator.store import METADATA, Result, Store
from engine.errors import BadFile, Refused, Unavailable
from engine.trusted import wire
from engine.trusted.messages import BodyKind, Chosen, RequestState, ResultHead, SealedKeys, Submission
from engine.trusted.records import Loss, RecordKind, Request, SignedRecord
from tests.postgres import PASSWORD, USER, Cluster

REQUEST, ROUND = b"q" * 32, b"r" * 32
ASKED = Request(
    *(1, b"n" * 16, "test", "analyst", b"p" * 32, b"a" * 32, Loss(1, 0), 1, 0, 3, b"k" * 32, 1, 2, 1, 1, "why"), None
)
SUBMISSION = Submission(SignedRecord(RecordKind.REQUEST, wire.encode(ASKED), ()), b"plan", b"SELECT 1")
RESULT = Result(
    ResultHead(b"manifest", ("east",), (), (), False),
    ((BodyKind.MASKED_VECTOR, "east", b"v" * 16), (BodyKind.SEALED_MASKS, "h", b"m" * 64)),
)

LISTS = Result(ResultHead(b"manifest", ("east",), (), (), False), ((BodyKind.MASKED_VECTOR, "east", b"a list"),))
METADATAS = [METADATA, journals.METADATA, sharing.METADATA]
CHOSEN = Chosen(REQUEST, SignedRecord(RecordKind.SELECTION, b"chosen", ()), (SealedKeys("east", b"sealed"),))


@pytest.fixture
def store(where: Path | str) -> Iterator[Store]:
    opened = Store(where)
    yield opened
    opened.close()


def test_a_request_is_accepted_once(store: Store) -> None:
    assert store.accept(REQUEST, "analyst", SUBMISSION, 1)
    assert not store.accept(REQUEST, "analyst", SUBMISSION, 2)
    assert store.status(REQUEST).changed_ms == 1
    assert store.owner(REQUEST) == "analyst"
    assert store.owner(ROUND) is None


def test_each_change_is_there_for_the_next_process(store: Store, where: Path | str) -> None:
    store.accept(REQUEST, "analyst", SUBMISSION, 1)
    assert Store(where).status(REQUEST).state is RequestState.SUBMITTED
    store.open_round(REQUEST, ROUND, 1, b"manifest", 2)
    assert Store(where).unfinished() == ((REQUEST, SUBMISSION, 1, None),)
    store.release(REQUEST, ROUND, RESULT, 3)
    again = Store(where)
    assert again.status(REQUEST).state is RequestState.RELEASED
    assert again.result(REQUEST) == RESULT
    assert again.unfinished() == ()


def test_a_request_with_keys_to_choose_waits_and_goes_on_with_them(store: Store, where: Path | str) -> None:
    store.accept(REQUEST, "analyst", SUBMISSION, 1)
    assert not store.choose(REQUEST, CHOSEN, 1)  # nothing was named yet
    store.open_round(REQUEST, ROUND, 2, b"manifest", 2, 1)
    store.release(REQUEST, ROUND, LISTS, 3, RequestState.WAITING)
    again = Store(where)
    assert (again.status(REQUEST).state, again.unfinished()) == (RequestState.WAITING, ())
    assert again.result(REQUEST) == LISTS
    assert again.choose(REQUEST, CHOSEN, 4)
    assert not again.choose(REQUEST, replace(CHOSEN, sealed=()), 5)
    assert Store(where).unfinished() == ((REQUEST, SUBMISSION, 0, CHOSEN),)
    again.open_round(REQUEST, b"s" * 32, 1, b"manifest", 6, 2)  # attempts are counted by phase
    assert Store(where).unfinished() == ((REQUEST, SUBMISSION, 1, CHOSEN),)
    again.release(REQUEST, b"s" * 32, RESULT, 7)
    assert Store(where).result(REQUEST) == RESULT


def test_runs_have_results_of_their_own(store: Store, where: Path | str) -> None:
    store.accept(REQUEST, "analyst", SUBMISSION, 1)
    store.open_round(REQUEST, ROUND, 1, b"manifest", 2)
    store.release(REQUEST, ROUND, RESULT, 3, RequestState.WAITING, next_run=2)
    assert (store.status(REQUEST).run, store.status(REQUEST).attempt) == (2, 0)
    second = replace(RESULT, head=replace(RESULT.head, survivors=("west",)))
    store.open_round(REQUEST, b"2" * 32, 1, b"manifest", 4, 1, 2)
    store.release(REQUEST, b"2" * 32, second, 5)
    again = Store(where)
    assert (again.result(REQUEST, 1), again.result(REQUEST, 2), again.result(REQUEST)) == (RESULT, second, second)
    with pytest.raises(Unavailable, match="ROUND_NOT_RELEASED"):
        again.result(REQUEST, 3)


def test_for_whom_a_request_waits_is_there_for_the_next_process(store: Store, where: Path | str) -> None:
    store.accept(REQUEST, "analyst", SUBMISSION, 1)
    store.await_(REQUEST, ("guardian-north", "a new snapshot of west"), 2)
    again = Store(where)
    assert again.status(REQUEST).waiting_for == ("guardian-north", "a new snapshot of west")
    assert (again.waiting(), again.unfinished()) == ((REQUEST,), ())
    again.go_on(REQUEST, RequestState.APPROVED_STATE, 3)
    assert (again.status(REQUEST).waiting_for, again.waiting()) == ((), ())
    again.refuse(REQUEST, "APPROVAL_REFUSED", 4, reason="too fine", account="a", refreshes_ms=5)
    status = again.kept(REQUEST).status
    assert (status.reason, status.account, status.refreshes_ms) == ("too fine", "a", 5)
    again.await_(REQUEST, ("guardian-north",), 6)
    assert (again.status(REQUEST).code, again.status(REQUEST).reason) == ("", "")


def test_no_choice_is_taken_by_a_request_that_waits_for_others(store: Store) -> None:
    store.accept(REQUEST, "analyst", SUBMISSION, 1)
    store.await_(REQUEST, ("guardian-north",), 2)
    assert not store.choose(REQUEST, CHOSEN, 3)


def test_a_refused_request_is_over(store: Store) -> None:
    store.accept(REQUEST, "analyst", SUBMISSION, 1)
    store.refuse(REQUEST, "BUDGET_EXHAUSTED", 2)
    status = store.status(REQUEST)
    assert (status.state, status.code) == (RequestState.REFUSED_STATE, "BUDGET_EXHAUSTED")
    assert store.unfinished() == ()
    with pytest.raises(Unavailable, match="ROUND_NOT_RELEASED"):
        store.result(REQUEST)


def test_one_attempt_has_one_round(store: Store) -> None:
    store.accept(REQUEST, "analyst", SUBMISSION, 1)
    store.open_round(REQUEST, ROUND, 1, b"manifest", 2)
    with pytest.raises(Unavailable, match="NODE_STORE_FAILED"):
        store.open_round(REQUEST, b"s" * 32, 1, b"manifest", 2)


def test_newest_requests_first(store: Store) -> None:
    for number in range(5):
        store.accept(bytes([number]) * 32, "analyst", SUBMISSION, number)
    store.accept(REQUEST, "other", SUBMISSION, 9)
    assert [s.request_digest[0] for s in store.statuses("analyst", 3)] == [4, 3, 2]


def test_an_unknown_request(store: Store) -> None:
    with pytest.raises(Refused, match="POLICY_REQUEST_UNKNOWN"):
        store.status(REQUEST)


def test_a_store_of_a_later_program_or_no_store_at_all(tmp_path: Path) -> None:
    newer, older = tmp_path / "newer.db", tmp_path / "older.db"
    Store(newer).close()
    with closing(sqlite3.connect(newer)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
        connection.commit()
    with closing(sqlite3.connect(older)) as connection:
        connection.execute("CREATE TABLE requests (digest)")
    broken = tmp_path / "broken.db"
    broken.write_bytes(b"not a database, and longer than a header would be" * 100)
    for path in (newer, older, broken, tmp_path / "no such folder" / "state.db"):
        with pytest.raises(Unavailable, match="NODE_STORE_FAILED") as caught:
            Store(path)
        assert "database" not in str(caught.value)


def test_a_later_revision_is_not_touched(where: Path | str) -> None:
    Store(where).close()
    with Database(where).changing() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(Unavailable, match="NODE_STORE_FAILED"):
        Store(where)


def test_the_tables_of_the_store_are_those_of_the_newest_revision(where: Path | str) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    with Database(where).changing() as connection:
        assert compare_metadata(MigrationContext.configure(connection), METADATAS) == []


def test_the_newest_revision_is_the_one_the_program_knows() -> None:
    from alembic.script import ScriptDirectory

    assert ScriptDirectory(str(Path(database.__file__).with_name("migrations"))).get_heads() == [database.HEAD]


def at_revision(where: Path | str, revision: str, monkeypatch: pytest.MonkeyPatch) -> Database:
    """A database as the program of an earlier revision left it."""
    from alembic import command

    real = command.upgrade
    with monkeypatch.context() as patch:
        patch.setattr(command, "upgrade", lambda config, _: real(config, revision))
        return Database(where)


def test_what_stood_in_the_first_revision_is_kept(where: Path | str, monkeypatch: pytest.MonkeyPatch) -> None:
    early = at_revision(where, "0001", monkeypatch)
    row = {"d": REQUEST, "s": wire.encode(SUBMISSION)}
    with early.changing() as connection:
        connection.execute(sa.text("INSERT INTO requests VALUES (:d, 'analyst', :s, 1, 5, '', 1, NULL, 2)"), row)
        connection.execute(
            sa.text("INSERT INTO rounds VALUES (:r, :d, 1, 1, :m, 2, '', NULL)"), {"r": ROUND, "d": REQUEST, "m": b"m"}
        )
    early.close()
    later = Store(where)
    assert later.unfinished() == ((REQUEST, SUBMISSION, 1, None),)
    later.release(REQUEST, ROUND, RESULT, 3)
    assert Store(where).result(REQUEST) == RESULT


def test_a_file_without_a_revision_number_is_taken_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "state.db"
    early = at_revision(path, "0001", monkeypatch)
    with early.changing() as connection:
        for statement in ("DROP TABLE alembic_version", "PRAGMA user_version = 2"):
            connection.exec_driver_sql(statement)
        row = {"d": REQUEST, "s": wire.encode(SUBMISSION)}
        connection.execute(sa.text("INSERT INTO requests VALUES (:d, 'analyst', :s, 1, 5, '', 1, NULL, 2)"), row)
    early.close()
    assert Store(path).unfinished() == ((REQUEST, SUBMISSION, 1, None),)


def test_many_programs_may_start_at_once(where: Path | str) -> None:
    failures: list[Exception] = []

    def begin() -> None:
        try:
            Database(where).close()
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=begin) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert Store(where).unfinished() == ()


def test_changes_wait_for_each_other_and_none_is_lost(where: Path | str, store: Store) -> None:
    """Eight threads add one to the same cell, reading it first: the sum says whether any two overlapped."""
    store.accept(REQUEST, "analyst", SUBMISSION, 0)
    other = Store(where)

    def add(to: Store) -> None:
        for _ in range(10):
            with to.changing() as connection:
                held = connection.exec_driver_sql("SELECT received_ms FROM requests").scalar_one()
                connection.exec_driver_sql(f"UPDATE requests SET received_ms = {held + 1}")

    threads = [threading.Thread(target=add, args=(to,)) for to in (store, other) * 4]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with store.reading() as connection:
        assert connection.exec_driver_sql("SELECT received_ms FROM requests").scalar_one() == 80


def test_a_change_that_fails_changes_nothing(store: Store) -> None:
    store.accept(REQUEST, "analyst", SUBMISSION, 1)
    store.open_round(REQUEST, ROUND, 1, b"manifest", 2)
    with pytest.raises(Unavailable, match="NODE_STORE_FAILED"):
        store.release(REQUEST, ROUND, replace(RESULT, bodies=RESULT.bodies * 2), 3)
    assert store.status(REQUEST).state is RequestState.RUNNING


def test_reading_does_not_wait_for_a_change(store: Store) -> None:
    store.accept(REQUEST, "analyst", SUBMISSION, 1)
    with store.changing() as connection:
        connection.exec_driver_sql("UPDATE requests SET code = 'x'")
        assert store.status(REQUEST).code == ""
    assert store.status(REQUEST).code == "x"


@pytest.mark.parametrize("url", ["postgresql://host", "mysql://u:canary@h/d", "postgresql://u:canary@h:port/d"])
def test_a_url_that_is_none(url: str) -> None:
    with pytest.raises(BadFile, match="FILE_STORE_URL") as caught:
        Store(url)
    assert "canary" not in repr(caught.value)


def test_the_password_is_shown_nowhere(postgres: Cluster, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        opened = Database(postgres.new_database())
        with pytest.raises(Unavailable) as caught:
            Database(postgres.url("postgres", "wrong-canary"))
    shown = [opened.shown, repr(opened._engine), str(caught.value), caught.value.internal, caplog.text]
    assert not [text for text in shown if "canary" in text]
    assert USER in opened.shown


def test_the_password_may_stand_in_the_environment(postgres: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    url = postgres.new_database().replace(f":{PASSWORD}@", "@")
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    assert Store(url).unfinished() == ()


def test_a_commit_waits_for_the_disk(postgres: Cluster) -> None:
    with Database(postgres.new_database()).changing() as connection:
        assert connection.exec_driver_sql("SHOW synchronous_commit").scalar_one() == "on"


def test_a_store_that_is_up_to_date_loads_no_migrations(tmp_path: Path) -> None:
    Store(tmp_path / "state.db").close()
    script = (
        "import sys; from pathlib import Path; from engine.coordinator.store import Store; "
        f"Store(Path({str(tmp_path / 'state.db')!r})); print([m for m in ('alembic', 'pg8000') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_request_past_its_retention_keeps_what_proves_it(store: Store) -> None:
    store.accept(REQUEST, "analyst", SUBMISSION, 1)
    store.open_round(REQUEST, ROUND, 1, b"manifest", 2)
    store.release(REQUEST, ROUND, RESULT, 3)
    assert store.clear(REQUEST)
    assert not store.clear(REQUEST)
    assert store.kept(REQUEST).submission == replace(SUBMISSION, statement=b"")
    with pytest.raises(Refused, match="POLICY_RETENTION_OVER"):
        store.result(REQUEST)
