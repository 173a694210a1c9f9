"""Signed records handed to the coordinator, and what becomes of requests that wait or run, with doubles of members."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from engine.coordinator import reception
from engine.coordinator.store import ENDED
from engine.errors import Refused, SplittallyError, Unavailable
from engine.trusted import wire
from engine.trusted.clock import SystemClock
from engine.trusted.home import Home
from engine.trusted.messages import CloseRound, OpenRound, RequestState, RequestStatus, Submission
from engine.trusted.records import JournalEntry, JournalKind, Member, RecordKind, Role, RoundManifest, SignedRecord
from tests.coordinator.members import doubles, make_federation, make_submission
from tests.coordinator.papers import decision, manifest, pause, revocation, withdrawal
from tests.coordinator.test_reception import COUNTS, Bench, make_bench

Stated = tuple[RequestState, str]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    federation = make_federation(tmp_path, helpers=2)
    made = make_bench(federation, doubles(federation, COUNTS))
    yield made
    made.reception.drain()
    made.links.close()


def digest_of(submission: Submission) -> bytes:
    return wire.digest(submission.request.payload)


def stated(bench: Bench, submission: Submission) -> Stated:
    status = bench.services.board.status(digest_of(submission))
    return status.state, status.code


def until(bench: Bench, submission: Submission, *wanted: RequestState) -> RequestStatus:
    """The status once the request is in one of the states."""
    end = time.monotonic() + 10
    while (status := bench.services.board.status(digest_of(submission))).state not in wanted:
        assert time.monotonic() < end, status
        time.sleep(0.002)
    return status


def ended(bench: Bench, submission: Submission) -> Stated:
    status = until(bench, submission, *ENDED)
    return status.state, status.code


def waiting(bench: Bench, *nodes: str, **changes: object) -> Submission:
    """A request that waits for the guardians of ``nodes``."""
    for node in nodes:
        bench.members[node].greet(bench.links, guardians=1)
    submission = make_submission(bench.federation, **changes)
    status = bench.reception.submit("analyst", submission)
    assert (status.state, status.waiting_for) == (RequestState.WAITING, tuple(f"guardian-{n}" for n in nodes))
    return submission


def running(bench: Bench, **changes: object) -> Submission:
    """A request whose round is open: west does not answer."""
    bench.members["west"].faults.add("silent")
    submission = make_submission(bench.federation, **changes)
    bench.reception.submit("analyst", submission)
    until(bench, submission, RequestState.RUNNING)
    while not rounds(bench, "west"):
        time.sleep(0.002)
    return submission


def rounds(bench: Bench, member: str = "east") -> list[RoundManifest]:
    return [wire.decode(RoundManifest, m.manifest) for m in bench.members[member].seen if isinstance(m, OpenRound)]


def sent(bench: Bench, member: str, kind: RecordKind) -> int:
    time.sleep(0.02)
    return sum(isinstance(m, SignedRecord) and m.kind is kind for m in bench.members[member].seen)


def queued(bench: Bench, name: str, everything: bool = False) -> list[bytes]:
    member = bench.services.roster.member(name)
    return [q.status.request_digest for q in bench.reception.queue(member, everything).requests]


# -- approvals


def test_a_request_waits_for_the_guardians_that_nodes_want_and_carries_their_approvals(bench: Bench) -> None:
    submission = waiting(bench, "east", "north")
    bench.reception.hand(decision(bench.federation, "north", digest_of(submission)))
    assert bench.services.board.status(digest_of(submission)).waiting_for == ("guardian-east",)
    assert not rounds(bench)
    record = decision(bench.federation, "east", digest_of(submission))
    bench.reception.hand(record)
    assert ended(bench, submission) == (RequestState.RELEASED, "")
    [opened] = rounds(bench)
    assert [s.signer for r in opened.approvals for s in r.signatures] == ["guardian-east", "guardian-north"]
    assert record in opened.approvals
    assert bench.counts(submission) == (7, 70)


def test_a_record_handed_in_again_changes_nothing(bench: Bench) -> None:
    submission = waiting(bench, "north")
    record = decision(bench.federation, "north", digest_of(submission))
    threads = [threading.Thread(target=bench.reception.hand, args=(record,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ended(bench, submission) == (RequestState.RELEASED, "")
    assert bench.reception.hand(record).record_digest == wire.digest(record.payload)
    assert len(rounds(bench)) == 1
    assert bench.reception._cases.approvals(digest_of(submission)) == (record,)


def test_a_refusal_shows_its_reason_and_may_be_taken_back(bench: Bench) -> None:
    submission = waiting(bench, "north")
    bench.reception.hand(decision(bench.federation, "north", digest_of(submission), "too fine"))
    status = bench.services.board.status(digest_of(submission))
    assert (status.state, status.code) == (RequestState.REFUSED_STATE, "APPROVAL_REFUSED")
    assert status.reason == "guardian-north: too fine"
    later = SystemClock().now_ms() + 1
    bench.reception.hand(decision(bench.federation, "north", digest_of(submission), decided_ms=later))
    assert ended(bench, submission) == (RequestState.RELEASED, "")


def test_a_refusal_stops_a_round_under_way(bench: Bench) -> None:
    submission = running(bench)
    bench.reception.hand(decision(bench.federation, "north", digest_of(submission), "stop"))
    assert ended(bench, submission) == (RequestState.REFUSED_STATE, "APPROVAL_REFUSED")


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"signer": "guardian-east"}, "POLICY_SIGNATURE_INVALID"),
        ({"node": "east"}, "POLICY_UNKNOWN_MEMBER"),
        ({"guardian": "analyst", "signer": "analyst"}, "POLICY_UNKNOWN_MEMBER"),
        ({"request_digest": bytes(32)}, "POLICY_REQUEST_UNKNOWN"),
        ({"decided_ms": 4_000_000_000_000}, "POLICY_RECORD_INVALID"),
    ],
)
def test_decisions_that_are_not_taken(bench: Bench, changes: dict[str, object], code: str) -> None:
    submission = waiting(bench, "north")
    with pytest.raises(Refused, match=code):
        bench.reception.hand(decision(bench.federation, "north", digest_of(submission), **changes))
    assert stated(bench, submission)[0] is RequestState.WAITING


def test_a_refusal_without_a_reason_is_none(bench: Bench) -> None:
    submission = waiting(bench, "north")
    with pytest.raises(Refused, match="POLICY_RECORD_INVALID"):
        bench.reception.hand(decision(bench.federation, "north", digest_of(submission), " "))


def test_nothing_is_decided_about_a_request_that_has_ended(bench: Bench) -> None:
    submission = make_submission(bench.federation)
    assert bench.run(submission).state is RequestState.RELEASED
    for record in (
        decision(bench.federation, "north", digest_of(submission), "too late"),
        withdrawal(bench.federation, digest_of(submission)),
    ):
        with pytest.raises(Refused, match="POLICY_REQUEST_ENDED"):
            bench.reception.hand(record)
    assert bench.counts(submission) == (7, 70)


def test_an_approval_that_ends_is_asked_for_again(bench: Bench) -> None:
    submission = waiting(bench, "east", "north")
    soon = SystemClock().now_ms() + 150
    bench.reception.hand(decision(bench.federation, "north", digest_of(submission), expires_ms=soon))
    time.sleep(0.2)
    bench.reception.hand(decision(bench.federation, "east", digest_of(submission)))
    status = bench.services.board.status(digest_of(submission))
    assert (status.state, status.waiting_for) == (RequestState.WAITING, ("guardian-north",))


def test_a_request_nobody_decides_expires(bench: Bench) -> None:
    submission = waiting(bench, "north", expires_ms=SystemClock().now_ms() + 200)
    time.sleep(0.25)
    [status] = bench.reception.requests("analyst", 10).requests
    assert (status.state, status.code) == (RequestState.EXPIRED, "POLICY_REQUEST_EXPIRED")
    with pytest.raises(Refused, match="POLICY_REQUEST_ENDED"):
        bench.reception.hand(decision(bench.federation, "north", digest_of(submission)))


def test_what_a_node_wants_is_remembered_while_it_is_away_and_through_a_restart(bench: Bench) -> None:
    submission = waiting(bench, "north")
    again = bench.restarted()
    again.reception.resume()
    for name in ("east", "west", "helper-1", "helper-2"):
        again.members[name].join(again.links)
    assert again.services.board.status(digest_of(submission)).waiting_for == ("guardian-north",)
    another = make_submission(bench.federation)
    assert again.reception.submit("analyst", another).waiting_for == ("guardian-north",)
    again.members["north"].join(again.links)
    again.reception.hand(decision(bench.federation, "north", digest_of(submission)))
    assert ended(again, submission) == (RequestState.RELEASED, "")
    assert stated(again, another)[0] is RequestState.WAITING


def test_a_node_that_wants_approvals_only_now_stops_what_has_not_begun(bench: Bench) -> None:
    bench.members["helper-1"].leave(bench.links)
    bench.services.windows = replace(bench.services.windows, gather=5_000)
    submission = make_submission(bench.federation)
    assert bench.reception.submit("analyst", submission).state is RequestState.SUBMITTED
    bench.members["north"].greet(bench.links, guardians=1)
    assert until(bench, submission, RequestState.WAITING).waiting_for == ("guardian-north",)
    bench.members["helper-1"].join(bench.links)
    assert not rounds(bench)
    bench.reception.hand(decision(bench.federation, "north", digest_of(submission)))
    assert ended(bench, submission) == (RequestState.RELEASED, "")


# -- withdrawals, revocations


def test_an_analyst_takes_a_request_back(bench: Bench) -> None:
    submission = waiting(bench, "north")
    with pytest.raises(Refused, match="POLICY_REQUEST_UNKNOWN"):
        bench.reception.hand(withdrawal(bench.federation, digest_of(submission), "other"))
    bench.reception.hand(withdrawal(bench.federation, digest_of(submission)))
    assert stated(bench, submission) == (RequestState.REFUSED_STATE, "POLICY_REQUEST_WITHDRAWN")


def test_a_round_of_a_request_taken_back_is_closed(bench: Bench) -> None:
    submission = running(bench)
    bench.reception.hand(withdrawal(bench.federation, digest_of(submission)))
    assert ended(bench, submission) == (RequestState.REFUSED_STATE, "POLICY_REQUEST_WITHDRAWN")


@pytest.mark.parametrize("party", ["policy", "guardian-north"])
def test_a_revocation_ends_what_waits_and_what_runs_and_closes_the_round(bench: Bench, party: str) -> None:
    under_way, held = running(bench), waiting(bench, "north")
    bench.reception.hand(revocation(bench.federation, party))
    for submission in (under_way, held):
        assert ended(bench, submission) == (RequestState.REVOKED, "POLICY_AGREEMENT_REVOKED")
    for name in ("east", "north", "west", *rounds(bench)[0].helpers):
        assert sent(bench, name, RecordKind.REVOCATION) == 1
        assert any(isinstance(m, CloseRound) for m in bench.members[name].seen)
    with pytest.raises(Refused, match="POLICY_AGREEMENT_REVOKED"):
        bench.reception.submit("analyst", make_submission(bench.federation))


def test_nothing_is_given_again_after_a_revocation(bench: Bench) -> None:
    submission = make_submission(bench.federation)
    bench.run(submission)
    assert bench.counts(submission) == (7, 70)
    bench.reception.hand(revocation(bench.federation))
    with pytest.raises(Refused, match="POLICY_AGREEMENT_REVOKED"):
        bench.fetch(digest_of(submission))
    assert [r.kind for r in bench.reception.describe().revocations] == [RecordKind.REVOCATION]


def test_nothing_is_given_again_after_the_agreements_end(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    submission = make_submission(bench.federation)
    bench.run(submission)
    monkeypatch.setattr(SystemClock, "now_ms", lambda _: 4_000_000_000_000)
    with pytest.raises(Refused, match="POLICY_AGREEMENT_EXPIRED"):
        bench.fetch(digest_of(submission))


@pytest.mark.parametrize("signer", ["analyst", "coordinator"])
def test_nobody_else_ends_an_agreement(bench: Bench, signer: str) -> None:
    with pytest.raises(Refused, match="POLICY_UNKNOWN_MEMBER"):
        bench.reception.hand(revocation(bench.federation, signer))


def test_a_member_that_was_away_is_sent_what_it_lacks(bench: Bench) -> None:
    bench.members["north"].leave(bench.links)
    bench.reception.hand(revocation(bench.federation))
    bench.reception.hand(pause(bench.federation, "north"))
    bench.reception.hand(pause(bench.federation, "north", False, decided_ms=SystemClock().now_ms() + 5))
    assert sent(bench, "north", RecordKind.REVOCATION) == 0
    bench.members["north"].join(bench.links)
    assert sent(bench, "north", RecordKind.REVOCATION) == 1
    assert sent(bench, "north", RecordKind.PAUSE) == 1  # the newest
    assert sent(bench, "east", RecordKind.PAUSE) == 0


# -- pauses


def test_a_request_waits_for_a_paused_node_and_goes_on_when_it_does(bench: Bench) -> None:
    bench.reception.hand(pause(bench.federation, "north"))
    assert sent(bench, "north", RecordKind.PAUSE) == 1
    submission = make_submission(bench.federation)
    status = bench.reception.submit("analyst", submission)
    assert (status.state, status.waiting_for) == (RequestState.WAITING, ("the paused node north",))
    with pytest.raises(Refused):  # only its own guardian lets it go on
        bench.reception.hand(pause(bench.federation, "north", False, guardian="guardian-east"))
    assert stated(bench, submission)[0] is RequestState.WAITING
    bench.reception.hand(pause(bench.federation, "north", False, decided_ms=SystemClock().now_ms() + 5))
    assert ended(bench, submission) == (RequestState.RELEASED, "")


def test_an_older_pause_changes_nothing(bench: Bench) -> None:
    now = SystemClock().now_ms()
    bench.reception.hand(pause(bench.federation, "north", False, decided_ms=now))
    with pytest.raises(Refused, match="POLICY_RECORD_OLD"):  # and its guardian is told
        bench.reception.hand(pause(bench.federation, "north", True, decided_ms=now - 1_000))
    assert bench.run(make_submission(bench.federation)).state is RequestState.RELEASED


def test_a_round_goes_without_a_paused_node_where_that_is_allowed(tmp_path: Path) -> None:
    federation = make_federation(tmp_path, n_min=2, helpers=2)
    bench = make_bench(federation, doubles(federation, COUNTS))
    bench.members["north"].greet(bench.links, paused=True)
    submission = make_submission(federation, n_min=2)
    assert bench.run(submission).state is RequestState.RELEASED
    assert [p.node for p in rounds(bench)[0].participants] == ["east", "west"]
    assert bench.counts(submission) == (5, 50)
    assert [(s.node, s.paused) for s in bench.reception.describe().nodes] == [
        ("east", False),
        ("north", True),
        ("west", False),
    ]


@pytest.mark.parametrize("code", ["NODE_PAUSED", "APPROVAL_MISSING"])
def test_a_node_that_refuses_a_round_for_what_waiting_mends_costs_one_attempt(bench: Bench, code: str) -> None:
    north = bench.members["north"]
    north.faults.add(code)
    if code == "APPROVAL_MISSING":
        submission = make_submission(bench.federation)
        bench.reception.submit("analyst", submission)
        assert ended(bench, submission) == (RequestState.REFUSED_STATE, code)  # it never said what it wants
        assert [r.attempt for r in rounds(bench)] == [1, 2]
        return
    submission = make_submission(bench.federation)
    bench.reception.submit("analyst", submission)
    assert until(bench, submission, RequestState.WAITING).waiting_for == ("the paused node north",)
    north.faults.clear()
    north.greet(bench.links, paused=True)
    north.greet(bench.links, paused=False)
    assert ended(bench, submission) == (RequestState.RELEASED, "")
    assert [r.attempt for r in rounds(bench)] == [1, 2]


# -- standing approvals


def test_one_approval_runs_once_for_each_new_snapshot(bench: Bench) -> None:
    submission = waiting(bench, "north", runs=3)
    bench.reception.hand(decision(bench.federation, "north", digest_of(submission)))
    fresh = tuple(f"a new snapshot of {n}" for n in COUNTS)
    for run in (1, 2):
        end = time.monotonic() + 10
        while (status := bench.services.board.status(digest_of(submission))).waiting_for != fresh:
            assert time.monotonic() < end, status
            time.sleep(0.002)
        assert (status.state, status.run) == (RequestState.WAITING, run + 1)
        with pytest.raises(Unavailable, match="ROUND_NOT_RELEASED"):
            next(bench.reception.fetch("analyst", digest_of(submission), run + 1))
        for number, (name, counts) in enumerate(COUNTS.items()):
            bench.members[name].counts = tuple((run + 1) * c for c in counts)
            bench.members[name].greet(bench.links, snapshot=run + 1)
            if number < 2:
                left = bench.services.board.status(digest_of(submission)).waiting_for
                assert left == fresh[number + 1 :]
    assert ended(bench, submission) == (RequestState.RELEASED, "")
    assert [(r.run, r.attempt) for r in rounds(bench)] == [(1, 1), (2, 1), (3, 1)]
    assert len({r.participants for r in rounds(bench)}) == 3
    assert all(r.approvals == rounds(bench)[0].approvals for r in rounds(bench))
    for run in (1, 2, 3):
        head = next(bench.reception.fetch("analyst", digest_of(submission), run))
        assert wire.decode(RoundManifest, head.manifest).run == run  # type: ignore[union-attr]
    assert bench.counts(submission) == (21, 210)  # the newest


def test_a_standing_request_goes_on_after_a_restart_between_runs(bench: Bench) -> None:
    submission = make_submission(bench.federation, runs=2)
    bench.reception.submit("analyst", submission)
    until(bench, submission, RequestState.WAITING)
    again = bench.restarted()
    again.reception.resume()
    for name, member in again.members.items():
        member.snapshot = 2 if name in COUNTS else 1
        member.join(again.links)
    assert ended(again, submission) == (RequestState.RELEASED, "")
    assert [r.run for r in rounds(again)] == [1, 2]


def test_released_runs_stay_when_a_standing_request_is_taken_back(bench: Bench) -> None:
    submission = make_submission(bench.federation, runs=2)
    bench.reception.submit("analyst", submission)
    until(bench, submission, RequestState.WAITING)
    bench.reception.hand(withdrawal(bench.federation, digest_of(submission)))
    assert stated(bench, submission)[0] is RequestState.REFUSED_STATE
    assert bench.counts(submission) == (7, 70)


def test_a_statement_whose_keys_nodes_name_has_one_run(bench: Bench) -> None:
    with pytest.raises(Refused, match="POLICY_NOT_SUPPORTED"):
        bench.reception.submit("analyst", make_submission(bench.federation, open=True, runs=2))


# -- a new manifest


def test_the_roster_follows_a_new_manifest(bench: Bench) -> None:
    members = tuple(m for m in bench.federation.manifest.members if m.name not in ("other", "helper-2"))
    record = manifest(bench.federation, members=members)
    bench.reception.hand(record)
    assert bench.services.roster.manifest.epoch == 2
    assert bench.home.manifest().epoch == 2
    assert bench.reception.describe().manifest == record
    told = [wire.decode(JournalEntry, e) for p in bench.reception.journal("coordinator", 0) for e in p.entries]
    assert [e.record_digest for e in told if e.kind is JournalKind.MANIFEST_STORED] == [wire.digest(record.payload)]
    assert "helper-2" not in bench.links.names()
    assert sent(bench, "north", RecordKind.FEDERATION_MANIFEST) == 1
    with pytest.raises(Refused, match="POLICY_UNKNOWN_MEMBER"):
        bench.reception.submit("other", make_submission(bench.federation, signer="other", analyst="other"))
    assert bench.reception.hand(record).record_digest == wire.digest(record.payload)
    for changes in ({"epoch": 2, "issued_ms": 5}, {"epoch": 1}):
        with pytest.raises(Refused, match="POLICY_MANIFEST_OLD"):
            bench.reception.hand(manifest(bench.federation, **changes))
    assert bench.run(make_submission(bench.federation)).state is RequestState.RELEASED
    assert rounds(bench)[-1].epoch == 2


def test_a_manifest_that_roots_did_not_sign_is_not_taken(bench: Bench) -> None:
    record = manifest(bench.federation)
    with pytest.raises(Refused, match="POLICY_MANIFEST_UNSIGNED"):
        bench.reception.hand(replace(record, signatures=()))
    assert bench.services.roster.manifest.epoch == 1


def test_a_round_of_an_older_manifest_is_replaced_by_one_of_the_new(bench: Bench) -> None:
    submission = running(bench)
    bench.members["west"].faults.clear()
    bench.reception.hand(manifest(bench.federation))
    assert ended(bench, submission) == (RequestState.RELEASED, "")
    assert [(r.epoch, r.attempt) for r in rounds(bench)] == [(1, 1), (2, 2)]


def test_without_an_attempt_left_a_new_manifest_ends_the_round_and_the_request(bench: Bench) -> None:
    submission = running(bench, max_attempts=1)
    bench.reception.hand(manifest(bench.federation))
    assert ended(bench, submission) == (RequestState.REFUSED_STATE, "POLICY_EPOCH_DIFFERS")


def test_four_eyes_and_never_the_analyst(bench: Bench) -> None:
    """A second guardian of north comes with a new manifest: the analyst, who may not decide about an own request."""
    seats = [
        replace(m, roles=(Role.ANALYST, Role.GUARDIAN), department="north") if m.name in ("analyst", "other") else m
        for m in bench.federation.manifest.members
    ]
    bench.reception.hand(manifest(bench.federation, members=tuple(seats)))
    bench.members["north"].greet(bench.links, guardians=2)
    submission = make_submission(bench.federation)
    status = bench.reception.submit("analyst", submission)
    assert status.waiting_for == ("guardian-north", "other")
    own = decision(bench.federation, "north", digest_of(submission), guardian="analyst", signer="analyst")
    with pytest.raises(Refused, match="APPROVAL_OWN_REQUEST"):
        bench.reception.hand(own)
    bench.reception.hand(decision(bench.federation, "north", digest_of(submission)))
    bench.reception.hand(
        decision(bench.federation, "north", digest_of(submission), decided_ms=SystemClock().now_ms() + 1)
    )
    assert bench.services.board.status(digest_of(submission)).waiting_for == ("other",)
    bench.reception.hand(decision(bench.federation, "north", digest_of(submission), guardian="other", signer="other"))
    assert ended(bench, submission) == (RequestState.RELEASED, "")
    assert len(rounds(bench)[-1].approvals) == 2


# -- agreements


def test_an_agreement_handed_in_is_passed_on_and_used_and_outlives_its_signers_keys(bench: Bench) -> None:
    from engine.governance.agreement import default_agreement, sign_agreement

    homes = [Home.load(bench.federation.home(s)) for s in ("policy", *(f"guardian-{h}" for h in COUNTS))]
    draft = replace(default_agreement(bench.federation.manifest, SystemClock()), name="second")
    record = sign_agreement(draft, *homes)
    with pytest.raises(Refused, match="POLICY_AGREEMENT_UNSIGNED"):
        bench.reception.hand(replace(record, signatures=record.signatures[:2]))
    bench.reception.hand(record)
    assert sent(bench, "north", RecordKind.AGREEMENT) == 1
    bench.members["north"].join(bench.links)
    assert sent(bench, "north", RecordKind.AGREEMENT) == 2
    asked = {"agreement_digest": wire.digest(record.payload)}
    assert bench.run(make_submission(bench.federation, **asked)).state is RequestState.RELEASED
    gone = tuple(m for m in bench.federation.manifest.members if m.name != "policy")
    officer = Member("officer", "officer", (Role.POLICY_OFFICER,), b"o" * 32, b"", "")
    again = bench.restarted()
    again.reception.hand(manifest(bench.federation, members=(*gone, officer)))
    for member in again.members.values():
        member.join(again.links)
    assert again.run(make_submission(bench.federation, **asked)).state is RequestState.RELEASED


def test_a_newer_edition_supersedes(bench: Bench) -> None:
    from engine.governance.agreement import default_agreement, sign_agreement

    homes = [Home.load(bench.federation.home(s)) for s in ("policy", *(f"guardian-{h}" for h in COUNTS))]
    newer = replace(default_agreement(bench.federation.manifest, SystemClock()), edition=2)
    bench.reception.hand(sign_agreement(newer, *homes))
    with pytest.raises(Refused, match="POLICY_AGREEMENT_SUPERSEDED"):
        old = Home.load(bench.federation.home("coordinator")).agreements()[0]
        bench.reception.submit("analyst", make_submission(bench.federation, agreement_digest=wire.digest(old.payload)))


# -- the queue


def test_each_sees_what_is_theirs_to_decide(bench: Bench) -> None:
    held, done = waiting(bench, "north"), None
    bench.members["north"].greet(bench.links, guardians=0)
    assert ended(bench, held) == (RequestState.RELEASED, "")
    done, held = held, waiting(bench, "north")
    assert queued(bench, "guardian-north") == [digest_of(held)]
    assert queued(bench, "guardian-east") == []
    assert queued(bench, "guardian-east", everything=True) == [digest_of(held), digest_of(done)]
    assert queued(bench, "policy") == [digest_of(held)]
    assert queued(bench, "policy", everything=True) == [digest_of(held), digest_of(done)]
    record = decision(bench.federation, "north", digest_of(held), "too fine")
    bench.reception.hand(record)
    assert queued(bench, "guardian-north") == []
    [shown, _] = bench.reception.queue(bench.services.roster.member("guardian-north"), True).requests
    assert (shown.submission, shown.decisions, shown.status.reason) == (held, (record,), "guardian-north: too fine")


# -- refusals


def test_a_spent_budget_says_whose_and_until_when(bench: Bench) -> None:
    bench.members["north"].faults.add("BUDGET_EXHAUSTED")
    status = bench.run(make_submission(bench.federation))
    assert (status.code, status.account) == ("BUDGET_EXHAUSTED", "identifier person_id at north")
    assert status.refreshes_ms == 1_800_000_000_000
    assert bench.services.store.status(status.request_digest) == status


def limited(bench: Bench, spoil: Callable[[Bench], object]) -> str:
    for _ in range(3):
        spoil(bench)
    with pytest.raises(SplittallyError) as caught:
        bench.reception.submit("analyst", make_submission(bench.federation))
    return caught.value.code


def refused_at_once(bench: Bench) -> None:
    with pytest.raises(Refused):
        bench.reception.submit("analyst", make_submission(bench.federation, f=1))


def refused_by_a_node(bench: Bench) -> None:
    bench.members["north"].faults.add("BUDGET_EXHAUSTED")
    before = bench.reception._handed.refusals("analyst", SystemClock().now_ms())
    bench.run(make_submission(bench.federation))
    while bench.reception._handed.refusals("analyst", SystemClock().now_ms()) == before:
        time.sleep(0.002)


@pytest.mark.parametrize("spoil", [refused_at_once, refused_by_a_node])
def test_an_analyst_is_refused_so_often_an_hour(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, spoil: Callable[[Bench], object]
) -> None:
    monkeypatch.setattr(reception, "REFUSALS_MOST", 3)
    assert limited(bench, spoil) == "POLICY_REFUSALS_LIMITED"
    bench.members["north"].faults.clear()
    hour = SystemClock().now_ms() + 3_600_001
    assert bench.reception._handed.refusals("analyst", hour) == 0
    assert bench.reception._handed.refusals("other", hour) == 0


def test_identical_retries_give_identical_bytes(bench: Bench) -> None:
    submission = make_submission(bench.federation)
    bench.run(submission)
    first = [wire.encode(part) for part in bench.reception.fetch("analyst", digest_of(submission))]
    assert bench.reception.submit("analyst", submission).state is RequestState.RELEASED
    again = bench.restarted()
    again.reception.resume()
    assert [wire.encode(part) for part in again.reception.fetch("analyst", digest_of(submission))] == first
    assert len(rounds(bench)) == 1
