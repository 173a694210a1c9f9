"""The two phases of a request with an open key, through the reception: lists, the choice, counts; and restarts."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from engine.client.choose import LEAST_LENGTH, Keys, chosen, keys_of, open_lists
from engine.client.open_result import open_result
from engine.coordinator import board as boards
from engine.errors import SplittallyError, Unavailable
from engine.trusted import wire
from engine.trusted.clock import SystemClock
from engine.trusted.home import Home
from engine.trusted.messages import Chosen, OpenRound, RequestState, RequestStatus, Submission
from engine.trusted.plan import Plan
from engine.trusted.random import SystemRandomness
from engine.trusted.records import Request, RoundManifest
from tests.coordinator.members import MOST_KEYS, doubles, make_federation, make_submission
from tests.coordinator.test_reception import COUNTS, HASTY, Bench, make_bench

CLINICS = {"east": {"a": 5, "b": 1}, "north": {"b": 7, "c": 2}, "west": {"a": 1, "d": 9}}
TOTALS = {"a": 6, "b": 8, "c": 2, "d": 9}


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    federation = make_federation(tmp_path, helpers=2)
    made = make_bench(federation, doubles(federation, COUNTS))
    for name, clinics in CLINICS.items():
        made.members[name].clinics = clinics
    yield made
    made.reception.drain()
    made.links.close()


def digest_of(submission: Submission) -> bytes:
    return wire.digest(submission.request.payload)


def until(bench: Bench, submission: Submission, state: RequestState) -> RequestStatus:
    """The status once the request is in ``state``, or has ended."""
    for status in bench.reception.watch("analyst", digest_of(submission), lambda: True):
        if status.state is state:
            return status
    return bench.reception._board.status(digest_of(submission))


def waiting(bench: Bench, **changes: object) -> Submission:
    """A request whose first phase has ended."""
    submission = make_submission(bench.federation, open=True, **changes)
    bench.reception.submit("analyst", submission)
    assert until(bench, submission, RequestState.WAITING).state is RequestState.WAITING
    return submission


def choice(bench: Bench, submission: Submission) -> tuple[Keys, Chosen]:
    """What the analyst's machine answers to the lists."""
    home = Home.load(bench.federation.home("analyst"))
    roster, plan = home.roster(), wire.decode(Plan, submission.plan)
    head, bodies = bench.fetch(digest_of(submission))
    lists = open_lists(head, bodies, submission, roster, home.sealing_key())
    keys = keys_of(lists, plan, roster, SystemRandomness())
    return keys, chosen(keys, submission, roster, home.signing_key())


def counts(bench: Bench, submission: Submission, keys: Keys) -> dict[object, int]:
    head, bodies = bench.fetch(digest_of(submission))
    home = Home.load(bench.federation.home("analyst"))
    opened = open_result(head, bodies, submission, home.roster(), home.sealing_key(), keys.body)
    unit = opened.manifest.calibration.multipliers[0]
    named = zip(keys.values[: keys.named], opened.cells, strict=False)
    return {literal.value: cell // unit for literal, cell in named}


def opened_phases(bench: Bench) -> list[int]:
    manifests = [m.manifest for m in bench.members["east"].seen if isinstance(m, OpenRound)]
    return [wire.decode(RoundManifest, manifest).phase for manifest in manifests]


def test_keys_are_named_chosen_and_counted(bench: Bench) -> None:
    submission = waiting(bench)
    status = bench.reception._board.status(digest_of(submission))
    assert (status.waiting_for, status.attempt) == (("analyst",), 1)
    keys, answer = choice(bench, submission)
    assert [literal.value for literal in keys.values[: keys.named]] == [
        "a",
        "b",
        "d",
        "c",
    ]  # rank by rank, node by node
    assert len(keys.values) == LEAST_LENGTH
    bench.reception.choose("analyst", answer)
    assert until(bench, submission, RequestState.RELEASED).state is RequestState.RELEASED
    assert counts(bench, submission, keys) == TOTALS
    assert opened_phases(bench) == [1, 2]


def test_helpers_are_not_sent_the_first_phase(bench: Bench) -> None:
    submission = waiting(bench)
    helpers = [m for name, m in bench.members.items() if name not in COUNTS]
    assert not any(isinstance(message, OpenRound) for helper in helpers for message in helper.seen)
    head, bodies = bench.fetch(digest_of(submission))
    assert (head.answers, {node for _, node in bodies}) == ((), set(COUNTS))


def test_a_choice_said_again_changes_nothing(bench: Bench) -> None:
    submission = waiting(bench)
    keys, answer = choice(bench, submission)
    threads = [threading.Thread(target=bench.reception.choose, args=("analyst", answer)) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    until(bench, submission, RequestState.RELEASED)
    assert bench.reception.choose("analyst", answer).state is RequestState.RELEASED
    assert bench.reception.choose("analyst", choice_again(bench, submission)).state is RequestState.RELEASED
    assert opened_phases(bench) == [1, 2]
    assert counts(bench, submission, keys) == TOTALS


def choice_again(bench: Bench, submission: Submission) -> Chosen:
    """Another list, honestly signed, when the first one was taken already."""
    home = Home.load(bench.federation.home("analyst"))
    keys = keys_of((), wire.decode(Plan, submission.plan), home.roster(), SystemRandomness())
    return chosen(keys, submission, home.roster(), home.signing_key())


def fewer(answer: Chosen) -> Chosen:
    return replace(answer, sealed=answer.sealed[:-1])


def another_host(answer: Chosen) -> Chosen:
    return replace(answer, sealed=(*answer.sealed[:-1], replace(answer.sealed[-1], node="helper-1")))


def another_signer(answer: Chosen) -> Chosen:
    [signature] = answer.selection.signatures
    return replace(answer, selection=replace(answer.selection, signatures=(replace(signature, signer="other"),)))


def another_list(answer: Chosen) -> Chosen:
    return replace(answer, selection=replace(answer.selection, payload=answer.selection.payload + b"\0"))


@pytest.mark.parametrize(
    ("change", "caller", "code"),
    [
        (fewer, "analyst", "ROUND_KEYS"),
        (another_host, "analyst", "ROUND_KEYS"),
        (another_signer, "analyst", "POLICY_SIGNATURE_INVALID"),
        (another_list, "analyst", "POLICY_WIRE_INVALID"),
        (lambda answer: answer, "other", "POLICY_REQUEST_UNKNOWN"),
        (lambda answer: replace(answer, request_digest=bytes(32)), "analyst", "POLICY_REQUEST_UNKNOWN"),
    ],
)
def test_a_choice_that_is_not_taken(bench: Bench, change: Callable[[Chosen], Chosen], caller: str, code: str) -> None:
    submission = waiting(bench)
    _, answer = choice(bench, submission)
    with pytest.raises(SplittallyError) as caught:
        bench.reception.choose(caller, change(answer))
    assert caught.value.code == code
    assert bench.reception._board.status(digest_of(submission)).state is RequestState.WAITING
    assert opened_phases(bench) == [1]


def test_keys_of_one_request_are_not_taken_for_another(bench: Bench) -> None:
    first, second = waiting(bench), waiting(bench)
    _, answer = choice(bench, first)
    with pytest.raises(Unavailable, match="ROUND_KEYS"):
        bench.reception.choose("analyst", replace(answer, request_digest=digest_of(second)))


def test_a_request_that_waits_for_nothing_takes_no_choice(bench: Bench) -> None:
    _, answer = choice(bench, waiting(bench))
    ordinary = make_submission(bench.federation)
    assert bench.run(ordinary).state is RequestState.RELEASED
    with pytest.raises(Unavailable, match="ROUND_KEYS"):
        bench.reception.choose("analyst", replace(answer, request_digest=digest_of(ordinary)))
    bench.members["west"].faults.add("silent")
    bench.services.windows = HASTY
    early = make_submission(bench.federation, open=True)
    bench.reception.submit("analyst", early)
    assert bench.reception.choose("analyst", choice_again(bench, early)).state is not RequestState.RELEASED
    assert until(bench, early, RequestState.WAITING).code == "ROUND_DEADLINE"


def test_nothing_is_fetched_while_the_second_phase_runs(bench: Bench) -> None:
    submission = waiting(bench)
    _, answer = choice(bench, submission)
    bench.members["west"].faults.add("silent")
    bench.services.windows = HASTY
    bench.reception.choose("analyst", answer)
    with pytest.raises(Unavailable, match="ROUND_NOT_RELEASED"):
        next(bench.reception.fetch("analyst", digest_of(submission)))
    assert until(bench, submission, RequestState.RELEASED).code == "ROUND_DEADLINE"
    with pytest.raises(Unavailable, match="ROUND_NOT_RELEASED"):
        next(bench.reception.fetch("analyst", digest_of(submission)))


# -- expiry


def expiring(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Submission:
    """A request that waits, a moment before its validity ends."""
    monkeypatch.setattr(boards, "LOOK_SECONDS", 0.02)
    return waiting(bench, expires_ms=SystemClock().now_ms() + 1_200)


def expire(submission: Submission) -> None:
    request: Request = wire.decode(Request, submission.request.payload)
    while SystemClock().now_ms() < request.expires_ms:
        threading.Event().wait(0.02)


def test_a_request_nobody_answers_expires_for_those_who_watch(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    submission = expiring(bench, monkeypatch)
    last = list(bench.reception.watch("analyst", digest_of(submission), lambda: True))[-1]
    assert (last.state, last.code) == (RequestState.EXPIRED, "POLICY_REQUEST_EXPIRED")


@pytest.mark.parametrize("restart", [False, True])
def test_a_request_nobody_answers_expires_for_those_who_list(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, restart: bool
) -> None:
    submission = expiring(bench, monkeypatch)
    expire(submission)
    reception = bench.restarted().reception if restart else bench.reception
    if restart:
        reception.resume()
    [status] = reception.requests("analyst", 10).requests
    assert (status.state, status.waiting_for) == (RequestState.EXPIRED, ())


def test_a_choice_after_the_request_expired(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    submission = expiring(bench, monkeypatch)
    _, answer = choice(bench, submission)
    expire(submission)
    with pytest.raises(SplittallyError, match="POLICY_REQUEST_EXPIRED"):
        bench.reception.choose("analyst", answer)
    assert bench.services.store.status(digest_of(submission)).state is RequestState.EXPIRED
    assert opened_phases(bench) == [1]


# -- restarts


def back(bench: Bench) -> Bench:
    """The coordinator after a restart, with all members connected again."""
    again = bench.restarted()
    again.reception.resume()
    for member in again.members.values():
        member.join(again.links)
    return again


def test_a_request_waits_through_a_restart(bench: Bench) -> None:
    submission = waiting(bench)
    again = back(bench)
    status = until(again, submission, RequestState.WAITING)
    assert (status.state, status.waiting_for) == (RequestState.WAITING, ("analyst",))
    keys, answer = choice(again, submission)
    again.reception.choose("analyst", answer)
    assert until(again, submission, RequestState.RELEASED).attempt == 1
    assert counts(again, submission, keys) == TOTALS


@pytest.mark.parametrize("attempts", [1, 2])
def test_a_restart_in_the_first_phase(bench: Bench, attempts: int) -> None:
    submission = make_submission(bench.federation, open=True, max_attempts=attempts)
    store, now = bench.services.store, SystemClock().now_ms()
    store.accept(digest_of(submission), "analyst", submission, now)
    store.open_round(digest_of(submission), bytes(32), 1, b"manifest", now, 1)
    again = back(bench)
    status = until(again, submission, RequestState.WAITING)
    if attempts == 1:
        assert (status.state, status.code) == (RequestState.REFUSED_STATE, "ROUND_COORDINATOR_RESTARTED")
    else:
        assert (status.state, status.attempt) == (RequestState.WAITING, 2)


@pytest.mark.parametrize("opened", [False, True])
def test_a_restart_in_the_second_phase(bench: Bench, opened: bool) -> None:
    submission = waiting(bench)
    keys, answer = choice(bench, submission)
    store, now = bench.services.store, SystemClock().now_ms()
    assert store.choose(digest_of(submission), answer, now)
    if opened:
        store.open_round(digest_of(submission), bytes(32), 1, b"manifest", now, 2)
    again = back(bench)
    status = until(again, submission, RequestState.RELEASED)
    assert (status.state, opened_phases(again)) == (RequestState.RELEASED, [1, 2])
    assert counts(again, submission, keys) == TOTALS


# -- the analyst's list


@pytest.mark.parametrize("size", [1, 40, 100])
def test_a_list_for_many_hosts_fits_into_one_message(bench: Bench, size: int) -> None:
    from engine.client import choose
    from engine.trusted.literal import Literal, Type

    home = Home.load(bench.federation.home("analyst"))
    submission = make_submission(bench.federation, open=True)
    plan = wire.decode(Plan, submission.plan)
    key = replace(plan.aggregate.keys[0], selected_at_most=10_000)
    plan = replace(plan, aggregate=replace(plan.aggregate, keys=(key,)))
    named = tuple(Literal(Type.TEXT, f"{i:05}".ljust(size, "é")[: max(size, 5)]) for i in range(10_000))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(choose, "SENT_BYTES", 3 * choose.SENT_BYTES // 20)  # as for 20 hosts
        keys = keys_of((named,), plan, home.roster(), SystemRandomness())
    assert 300 < keys.named < 10_000
    assert 20 * len(keys.body) < 4_000_000


@pytest.mark.parametrize(("named", "length"), [(0, 16), (1, 16), (16, 16), (17, 32), (33, MOST_KEYS), (90, MOST_KEYS)])
def test_a_list_is_filled_up_to_a_power_of_two(bench: Bench, named: int, length: int) -> None:
    from engine.trusted.literal import Literal, Type

    home = Home.load(bench.federation.home("analyst"))
    plan = wire.decode(Plan, make_submission(bench.federation, open=True).plan)
    half = tuple(Literal(Type.TEXT, f"k{i}") for i in range(named))
    keys = keys_of((half[: named // 2], half), plan, home.roster(), SystemRandomness())
    assert keys.named == min(named, MOST_KEYS)
    assert len(keys.values) == len(set(keys.values)) == length
    assert set(keys.values[: keys.named]) <= set(half)
    assert not set(keys.values[keys.named :]) & set(half)
