"""Requests through the coordinator, with doubles of nodes and helpers on its links: no gRPC, everything else real."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from engine.client.open_result import open_result
from engine.coordinator import tidying
from engine.coordinator.admit import Admitted, admit, terms_of
from engine.coordinator.board import Board
from engine.coordinator.collect import Collector
from engine.coordinator.events import Windows
from engine.coordinator.links import Links
from engine.coordinator.reception import Reception
from engine.coordinator.services import Services
from engine.coordinator.standing import Standing
from engine.coordinator.store import Store
from engine.coordinator.tidying import Tidying
from engine.coordinator.witnesses import Witnesses
from engine.errors import Refused, SplittallyError, Unavailable
from engine.governance.federation import Federation
from engine.trusted import wire
from engine.trusted.clock import SystemClock
from engine.trusted.home import Home
from engine.trusted.messages import (
    BodyKind,
    OpenRound,
    RequestState,
    RequestStatus,
    ResultBody,
    ResultHead,
    Submission,
)
from engine.trusted.plan import Plan
from engine.trusted.random import SystemRandomness
from engine.trusted.records import Agreement, Role
from engine.trusted.sign import Roster
from tests.coordinator.members import Double, doubles, make_federation, make_submission

COUNTS = {"east": (1, 10), "north": (2, 20), "west": (4, 40)}
WINDOWS = Windows(gather=2_000, ready=5_000, share=10_000, answer=10_000, rejoin=1_000)  # few tests run into them
HASTY = replace(WINDOWS, gather=150, share=600)  # for these


@dataclass
class Bench:
    """A coordinator without gRPC, and its members."""

    federation: Federation
    home: Home
    services: Services
    reception: Reception
    members: dict[str, Double]

    @property
    def links(self) -> Links:
        return self.services.links

    def run(self, submission: Submission) -> RequestStatus:
        digest = self.reception.submit("analyst", submission).request_digest
        return list(self.reception.watch("analyst", digest, lambda: True))[-1]

    def fetch(self, digest: bytes) -> tuple[ResultHead, dict[tuple[BodyKind, str], bytes]]:
        bodies: dict[tuple[BodyKind, str], bytes] = {}
        head = None
        for part in self.reception.fetch("analyst", digest):
            if isinstance(part, ResultBody):
                key = (part.body_kind, part.sender)
                bodies[key] = bodies.get(key, b"") + part.body
            else:
                head = part
        assert head is not None
        return head, bodies

    def counts(self, submission: Submission) -> tuple[int, ...]:
        """The exact counts that the analyst opens; the doubles add no noise."""
        head, bodies = self.fetch(wire.digest(submission.request.payload))
        home = Home.load(self.federation.home("analyst"))
        opened = open_result(head, bodies, submission, home.roster(), home.sealing_key())
        unit = opened.manifest.calibration.multipliers[0]
        return tuple(cell // unit for cell in opened.cells)

    def restarted(self) -> Bench:
        """Another coordinator on the same store, as patient, with no member connected yet."""
        again = make_bench(self.federation, {})
        again.members, again.services.windows = self.members, self.services.windows
        return again


def make_bench(federation: Federation, members: dict[str, Double]) -> Bench:
    """A bench where hosts do not serve as helpers, so that a member fails in one duty at a time."""
    home = Home.load(federation.home("coordinator"))
    store, manifest = Store(home.state_path), federation.manifest
    seats = tuple(replace(m, roles=(Role.NODE,)) if m.name in COUNTS else m for m in manifest.members)
    roster = Roster(replace(manifest, members=seats))
    journals, links = store.journals(lambda: roster, home.signing_key()), Links()
    standing = Standing(links, Collector(links, journals), Witnesses(links, lambda: roster))
    board, randomness = Board(store), SystemRandomness()
    services = Services(roster, links, store, board, SystemClock(), randomness, WINDOWS, journals, standing.closed)
    standing.start()
    for member in members.values():
        member.join(services.links)
    return Bench(federation, home, services, Reception(home, services), members)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    federation = make_federation(tmp_path, helpers=2)
    made = make_bench(federation, doubles(federation, COUNTS))
    yield made
    made.reception.drain()
    made.links.close()


def refusal(bench: Bench, **changes: object) -> str:
    with pytest.raises(SplittallyError) as caught:
        bench.reception.submit("analyst", make_submission(bench.federation, **changes))
    return caught.value.code


def test_a_request_is_released_and_opens_to_the_exact_sum(bench: Bench) -> None:
    submission = make_submission(bench.federation)
    status = bench.run(submission)
    assert (status.state, status.attempt) == (RequestState.RELEASED, 1)
    assert bench.counts(submission) == (7, 70)


def test_the_same_signed_bytes_are_the_same_request(bench: Bench) -> None:
    submission = make_submission(bench.federation)
    first, opened = bench.run(submission), len(opened_rounds(bench))
    again = bench.reception.submit("analyst", submission)
    assert (again.state, again.request_digest) == (RequestState.RELEASED, first.request_digest)
    assert len(opened_rounds(bench)) == opened


def opened_rounds(bench: Bench) -> list[OpenRound]:
    return [m for m in bench.members["east"].seen if isinstance(m, OpenRound)]


def test_many_threads_submitting_the_same_bytes_start_one_run(bench: Bench) -> None:
    submission = make_submission(bench.federation)
    threads = [threading.Thread(target=bench.reception.submit, args=("analyst", submission)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert bench.run(submission).state is RequestState.RELEASED
    assert len(opened_rounds(bench)) == 1


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"n_min": 2}, "POLICY_N_MIN"),
        ({"n_min": 4}, "POLICY_N_MIN"),
        ({"f": 1}, "POLICY_F_DIFFERS"),
        ({"expires_ms": 2, "created_ms": 1}, "POLICY_REQUEST_EXPIRED"),
        ({"plan_digest": bytes(32)}, "POLICY_PLAN_DIFFERS"),
        ({"agreement_digest": bytes(32)}, "POLICY_AGREEMENT_UNKNOWN"),
        ({"federation": "elsewhere"}, "POLICY_RECORD_INVALID"),
        ({"signer": "other"}, "POLICY_SIGNATURE_INVALID"),
        ({"signer": "other", "analyst": "other"}, "POLICY_CALLER"),
    ],
)
def test_what_is_not_admitted(bench: Bench, changes: dict[str, object], code: str) -> None:
    assert refusal(bench, **changes) == code
    assert opened_rounds(bench) == []


def test_a_plan_for_another_catalogue_is_not_admitted(bench: Bench) -> None:
    submission = make_submission(bench.federation)
    plan = wire.encode(replace(wire.decode(Plan, submission.plan), catalogue_digest=bytes(32)))
    changed = make_submission(bench.federation, plan_digest=wire.digest(plan))
    with pytest.raises(Refused, match="POLICY_CATALOGUE_DIFFERS"):
        bench.reception.submit("analyst", replace(changed, plan=plan))


def test_an_analyst_sees_own_requests_only(bench: Bench) -> None:
    submission = make_submission(bench.federation)
    digest = bench.run(submission).request_digest
    with pytest.raises(Refused, match="POLICY_REQUEST_UNKNOWN"):
        bench.reception.watch("other", digest, lambda: True)
    with pytest.raises(Refused, match="POLICY_REQUEST_UNKNOWN"):
        next(bench.reception.fetch("other", digest))
    assert bench.reception.requests("other", 10).requests == ()
    assert [s.request_digest for s in bench.reception.requests("analyst", 10).requests] == [digest]


@pytest.mark.parametrize(
    ("member", "fault", "code"),
    [
        ("west", "BUDGET_EXHAUSTED", "BUDGET_EXHAUSTED"),
        ("west", "wrong digest", "ROUND_SHARE_INVALID"),
        ("west", "forges", "ROUND_SHARE_INVALID"),
        ("west", "OpenRound", "ROUND_TOO_FEW_NODES"),
        ("west", "silent", "ROUND_DEADLINE"),
    ],
)
def test_one_node_fails_and_all_are_needed(bench: Bench, member: str, fault: str, code: str) -> None:
    bench.members[member].faults.add(fault)
    if fault == "silent":
        bench.services.windows = HASTY
    status = bench.run(make_submission(bench.federation))
    assert (status.state, status.code) == (RequestState.REFUSED_STATE, code)


@pytest.mark.parametrize("fault", ["equivocates", "repeats"])
def test_repeated_and_equivocating_shares_count_once(bench: Bench, fault: str) -> None:
    bench.members["north"].faults.add(fault)
    submission = make_submission(bench.federation)
    assert bench.run(submission).state is RequestState.RELEASED
    assert bench.counts(submission) == (7, 70)


def test_too_few_nodes_before_anything_is_charged(bench: Bench) -> None:
    bench.members["north"].leave(bench.links)
    bench.services.windows = HASTY
    status = bench.run(make_submission(bench.federation))
    assert (status.state, status.code, status.attempt) == (RequestState.REFUSED_STATE, "ROUND_TOO_FEW_NODES", 0)
    assert opened_rounds(bench) == []


def test_a_node_that_comes_back_sends_the_same_round_again(bench: Bench) -> None:
    north = bench.members["north"]
    north.faults.add("OpenRound")
    submission = make_submission(bench.federation)
    digest = wire.digest(submission.request.payload)
    answer: list[RequestStatus] = []
    thread = threading.Thread(target=lambda: answer.append(bench.run(submission)))
    thread.start()
    while not any(isinstance(m, OpenRound) for m in north.seen):
        thread.join(0.005)
    north.faults.clear()
    north.join(bench.links)
    thread.join()
    assert (answer[0].state, answer[0].attempt) == (RequestState.RELEASED, 1)
    assert bench.counts(submission) == (7, 70)
    assert bench.services.store.status(digest).state is RequestState.RELEASED


def test_a_helper_that_dies_when_asked_costs_one_attempt(tmp_path: Path) -> None:
    federation = make_federation(tmp_path, helpers=4)
    bench = make_bench(federation, doubles(federation, COUNTS))
    submission = make_submission(federation)
    first = terms_of(admitted(bench, submission), bench.services.roster, WINDOWS, 0).candidates[0].name
    bench.members[first].faults.add("AskAnswer")
    status = bench.run(submission)
    assert (status.state, status.attempt) == (RequestState.RELEASED, 2)
    assert bench.counts(submission) == (7, 70)


def admitted(bench: Bench, submission: Submission) -> Admitted:
    roster = bench.services.roster
    return admit(submission, bench.reception._agreements, roster, SystemClock().now_ms())


def test_both_helpers_lost_and_no_attempt_left(bench: Bench) -> None:
    for name in ("helper-1", "helper-2"):
        bench.members[name].faults.add("AskAnswer")
    status = bench.run(make_submission(bench.federation, max_attempts=1))
    assert (status.state, status.code) == (RequestState.REFUSED_STATE, "ROUND_HELPER_LOST")


def test_a_helper_answering_over_other_survivors_is_not_taken(bench: Bench) -> None:
    bench.members["helper-1"].faults.add("fewer survivors")
    status = bench.run(make_submission(bench.federation, max_attempts=1))
    assert (status.state, status.code) == (RequestState.REFUSED_STATE, "ROUND_ANSWER_INVALID")


def test_with_n_min_below_all_the_answer_is_over_those_left(tmp_path: Path) -> None:
    federation = make_federation(tmp_path, n_min=2, helpers=2)
    bench = make_bench(federation, doubles(federation, COUNTS))
    bench.members["north"].faults.add("OpenRound")
    submission = make_submission(federation, n_min=2)
    assert bench.run(submission).state is RequestState.RELEASED
    head, _ = bench.fetch(wire.digest(submission.request.payload))
    assert head.survivors == ("east", "west")
    assert bench.counts(submission) == (5, 50)


def test_large_vectors_are_added_up_and_only_the_sum_is_sent(tmp_path: Path) -> None:
    regions = tuple(f"r{i}" for i in range(600))
    federation = make_federation(tmp_path, regions, helpers=2)
    bench = make_bench(federation, doubles(federation, {name: (1,) * len(regions) ** 2 for name in COUNTS}))
    bench.services.windows = Windows()
    submission = make_submission(federation, keys=2)
    assert bench.run(submission).state is RequestState.RELEASED
    head, bodies = bench.fetch(wire.digest(submission.request.payload))
    assert head.summed
    assert (BodyKind.MASKED_VECTOR, "") in bodies
    assert set(bench.counts(submission)) == {3}


def test_a_released_result_outlives_a_restart(bench: Bench) -> None:
    submission = make_submission(bench.federation)
    bench.run(submission)
    again = bench.restarted()
    again.reception.resume()
    assert again.counts(submission) == (7, 70)


def half_done(bench: Bench, **changes: object) -> Submission:
    """A request that stood in an open round when the coordinator stopped."""
    submission = make_submission(bench.federation, **changes)
    digest, now = wire.digest(submission.request.payload), SystemClock().now_ms()
    bench.services.store.accept(digest, "analyst", submission, now)
    bench.services.store.open_round(digest, bytes(32), 1, b"manifest", now)
    return submission


def test_a_request_in_a_round_gets_its_next_attempt_after_a_restart(bench: Bench) -> None:
    submission = half_done(bench)
    again = bench.restarted()
    again.reception.resume()
    for member in again.members.values():
        member.join(again.links)
    status = list(again.reception.watch("analyst", wire.digest(submission.request.payload), lambda: True))[-1]
    assert (status.state, status.attempt) == (RequestState.RELEASED, 2)
    assert again.counts(submission) == (7, 70)


@pytest.mark.parametrize(
    ("changes", "state", "code"),
    [
        ({"max_attempts": 1}, RequestState.REFUSED_STATE, "ROUND_COORDINATOR_RESTARTED"),
        ({"created_ms": 1, "expires_ms": 2}, RequestState.EXPIRED, "POLICY_REQUEST_EXPIRED"),
    ],
)
def test_a_request_without_a_next_attempt_is_settled_after_a_restart(
    bench: Bench, changes: dict[str, object], state: RequestState, code: str
) -> None:
    submission = half_done(bench, **changes)
    again = bench.restarted()
    again.reception.resume()
    status = list(again.reception.watch("analyst", wire.digest(submission.request.payload), lambda: True))[-1]
    assert (status.state, status.code) == (state, code)


def test_a_stopping_coordinator_takes_nothing_new(bench: Bench) -> None:
    bench.reception.drain()
    with pytest.raises(Unavailable, match="NODE_COORDINATOR_STOPPING"):
        bench.reception.submit("analyst", make_submission(bench.federation))


def test_a_request_that_does_not_end_in_time_waits_for_the_next_start(bench: Bench) -> None:
    bench.members["west"].faults.add("silent")
    submission = make_submission(bench.federation)
    digest = bench.reception.submit("analyst", submission).request_digest
    bench.reception.drain(0.05)
    assert [found[0] for found in bench.services.store.unfinished()] == [digest]
    bench.members["west"].faults.clear()
    again = bench.restarted()
    again.reception.resume()
    for member in again.members.values():
        member.join(again.links)
    assert list(again.reception.watch("analyst", digest, lambda: True))[-1].state is RequestState.RELEASED


def test_a_run_that_fails_ends_its_request_with_a_code(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("a library's own words")

    monkeypatch.setattr("engine.coordinator.run.assemble", fail)
    status = bench.run(make_submission(bench.federation))
    assert (status.state, status.code) == (RequestState.REFUSED_STATE, "BUG_UNEXPECTED")


def test_what_is_past_its_retention_goes_though_nobody_asks(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """At the start and then each hour; a store that is away for one of these is looked at again."""
    looks, cleared = [(0, "NODE_STORE_FAILED"), (0, ""), (366, "")], threading.Event()
    digest = bench.run(make_submission(bench.federation)).request_digest
    own, day = Tidying(bench.services, bench.reception._agreements), 86_400_000
    honest, now = own.clear, bench.services.clock.now_ms()

    def clear(_: int) -> None:
        days, failure = looks.pop(0)
        if failure:
            raise Unavailable(failure)
        honest(now + days * day)
        if not looks:
            cleared.set()
            own._ending.set()

    monkeypatch.setattr(tidying, "SECONDS", 0.01)
    monkeypatch.setattr(own, "clear", clear)
    own.start()
    assert cleared.wait(20)
    own.stop()
    with pytest.raises(Refused, match="POLICY_RETENTION_OVER"):
        bench.services.store.result(digest)


def test_one_request_that_cannot_be_judged_keeps_no_other(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Newest first: of the later one the agreement is not to be had."""
    former, later = (bench.run(make_submission(bench.federation)).request_digest for _ in range(2))
    store, agreements, asked = bench.services.store, bench.reception._agreements, []
    honest = agreements.opened

    def opened(digest: bytes) -> Agreement:
        asked.append(digest)
        if len(asked) == 1:
            raise Refused("POLICY_AGREEMENT_UNKNOWN")
        return honest(digest)

    monkeypatch.setattr(agreements, "opened", opened)
    bench.reception.tidying.clear(bench.services.clock.now_ms() + 366 * 86_400_000)
    assert len(asked) == 2
    with pytest.raises(Refused, match="POLICY_RETENTION_OVER"):
        store.result(former)
    assert store.result(later).bodies


def test_what_is_past_its_retention_goes_and_the_proofs_stay(bench: Bench) -> None:
    """Sealed answers and the analyst's words; not the signed request, the plan, the manifest or the journal."""
    submission = make_submission(bench.federation)
    digest = bench.run(submission).request_digest
    store, day = bench.services.store, 86_400_000
    before = store.kept(digest)
    bench.reception.tidying.clear(bench.services.clock.now_ms() + 364 * day)
    assert store.result(digest).bodies
    bench.reception.tidying.clear(bench.services.clock.now_ms() + 366 * day)
    with pytest.raises(Refused, match="POLICY_RETENTION_OVER"):
        store.result(digest)
    kept = store.kept(digest)
    assert (kept.submission.request, kept.submission.plan) == (submission.request, submission.plan)
    assert before.submission.statement
    assert kept.submission.statement == b""
    assert kept.status == before.status
    assert len(opened_rounds(bench)) == 1
