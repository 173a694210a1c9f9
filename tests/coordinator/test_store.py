"""The store: what is durable, what is idempotent, and what a broken disk looks like from outside."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from engine.coordinator.store import Result, Store
from engine.errors import Refused, Unavailable
from engine.trusted.messages import BodyKind, Chosen, RequestState, ResultHead, SealedKeys, Submission
from engine.trusted.records import RecordKind, SignedRecord

REQUEST, ROUND = b"q" * 32, b"r" * 32
SUBMISSION = Submission(SignedRecord(RecordKind.REQUEST, b"request", ()), b"plan", b"SELECT 1")
RESULT = Result(
    ResultHead(b"manifest", ("east",), (), (), False),
    ((BodyKind.MASKED_VECTOR, "east", b"v" * 16), (BodyKind.SEALED_MASKS, "h", b"m" * 64)),
)

LISTS = Result(ResultHead(b"manifest", ("east",), (), (), False), ((BodyKind.MASKED_VECTOR, "east", b"a list"),))
CHOSEN = Chosen(REQUEST, SignedRecord(RecordKind.SELECTION, b"chosen", ()), (SealedKeys("east", b"sealed"),))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "state.db")


def test_a_request_is_accepted_once(store: Store) -> None:
    assert store.accept(REQUEST, "analyst", SUBMISSION, 1)
    assert not store.accept(REQUEST, "analyst", SUBMISSION, 2)
    assert store.status(REQUEST).changed_ms == 1
    assert store.owner(REQUEST) == "analyst"
    assert store.owner(ROUND) is None


def test_each_change_is_there_for_the_next_process(store: Store, tmp_path: Path) -> None:
    store.accept(REQUEST, "analyst", SUBMISSION, 1)
    assert Store(tmp_path / "state.db").status(REQUEST).state is RequestState.SUBMITTED
    store.open_round(REQUEST, ROUND, 1, b"manifest", 2)
    assert Store(tmp_path / "state.db").unfinished() == ((REQUEST, SUBMISSION, 1, None),)
    store.release(REQUEST, ROUND, RESULT, 3)
    again = Store(tmp_path / "state.db")
    assert again.status(REQUEST).state is RequestState.RELEASED
    assert again.result(REQUEST) == RESULT
    assert again.unfinished() == ()


def test_a_request_with_keys_to_choose_waits_and_goes_on_with_them(store: Store, tmp_path: Path) -> None:
    store.accept(REQUEST, "analyst", SUBMISSION, 1)
    assert not store.choose(REQUEST, CHOSEN, 1)  # nothing was named yet
    store.open_round(REQUEST, ROUND, 2, b"manifest", 2, 1)
    store.release(REQUEST, ROUND, LISTS, 3, RequestState.WAITING)
    again = Store(tmp_path / "state.db")
    assert (again.status(REQUEST).state, again.unfinished()) == (RequestState.WAITING, ())
    assert again.result(REQUEST) == LISTS
    assert again.choose(REQUEST, CHOSEN, 4)
    assert not again.choose(REQUEST, replace(CHOSEN, sealed=()), 5)
    assert Store(tmp_path / "state.db").unfinished() == ((REQUEST, SUBMISSION, 0, CHOSEN),)
    again.open_round(REQUEST, b"s" * 32, 1, b"manifest", 6, 2)  # attempts are counted by phase
    assert Store(tmp_path / "state.db").unfinished() == ((REQUEST, SUBMISSION, 1, CHOSEN),)
    again.release(REQUEST, b"s" * 32, RESULT, 7)
    assert Store(tmp_path / "state.db").result(REQUEST) == RESULT


def test_runs_have_results_of_their_own(store: Store, tmp_path: Path) -> None:
    store.accept(REQUEST, "analyst", SUBMISSION, 1)
    store.open_round(REQUEST, ROUND, 1, b"manifest", 2)
    store.release(REQUEST, ROUND, RESULT, 3, RequestState.WAITING, next_run=2)
    assert (store.status(REQUEST).run, store.status(REQUEST).attempt) == (2, 0)
    second = replace(RESULT, head=replace(RESULT.head, survivors=("west",)))
    store.open_round(REQUEST, b"2" * 32, 1, b"manifest", 4, 1, 2)
    store.release(REQUEST, b"2" * 32, second, 5)
    again = Store(tmp_path / "state.db")
    assert (again.result(REQUEST, 1), again.result(REQUEST, 2), again.result(REQUEST)) == (RESULT, second, second)
    with pytest.raises(Unavailable, match="ROUND_NOT_RELEASED"):
        again.result(REQUEST, 3)


def test_for_whom_a_request_waits_is_there_for_the_next_process(store: Store, tmp_path: Path) -> None:
    store.accept(REQUEST, "analyst", SUBMISSION, 1)
    store.await_(REQUEST, ("guardian-north", "a new snapshot of west"), 2)
    again = Store(tmp_path / "state.db")
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


def test_a_store_of_another_version_or_no_store_at_all(tmp_path: Path) -> None:
    newer = tmp_path / "newer.db"
    with sqlite3.connect(newer) as connection:
        connection.execute("PRAGMA user_version = 99")
    broken = tmp_path / "broken.db"
    broken.write_bytes(b"not a database, and longer than a header would be" * 100)
    for path in (newer, broken, tmp_path / "no such folder" / "state.db"):
        with pytest.raises(Unavailable, match="NODE_STORE_FAILED") as caught:
            Store(path)
        assert "database" not in str(caught.value)
