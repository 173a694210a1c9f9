"""Private joins through the coordinator, with doubles of owners and helpers: who is asked, what is carried, the end."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from engine.client.open_result import open_result
from engine.coordinator.admit import Admitted, admit, terms_of
from engine.coordinator.events import Windows
from engine.coordinator.intake import SEAL_BYTES
from engine.coordinator.store import ENDED
from engine.coordinator.streams import streaming_ms
from engine.errors import SplittallyError, Unavailable
from engine.trusted import wire
from engine.trusted.clock import SystemClock
from engine.trusted.home import Home
from engine.trusted.messages import (
    PART_BYTES,
    AskAnswer,
    AskReady,
    BodyKind,
    Commitment,
    OpenRound,
    Relay,
    RequestState,
    RequestStatus,
    Submission,
)
from engine.trusted.records import Ready, Role, RoundManifest
from tests.coordinator.joiners import (
    CELLS,
    OWNERS,
    Joiner,
    catalogue,
    join_plan,
    join_submission,
    joiners,
    make_join_federation,
)
from tests.coordinator.members import Double
from tests.coordinator.papers import decision
from tests.coordinator.test_reception import Bench, make_bench

SHORT = Windows(gather=600, ready=1_500, share=3_000, answer=2_000, rejoin=400)
HELPERS = ("helper-1", "helper-2", "helper-3")


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    yield from started(tmp_path, 3)


@pytest.fixture
def spare(tmp_path: Path) -> Iterator[Bench]:
    """With a fourth helper."""
    yield from started(tmp_path, 4)


def started(directory: Path, helpers: int) -> Iterator[Bench]:
    made = make_join_federation(directory, helpers)
    bench = make_bench(made, dict(joiners(made)))
    bench.services.windows = SHORT
    yield bench
    bench.reception.drain()
    bench.links.close()


def digest_of(submission: Submission) -> bytes:
    return wire.digest(submission.request.payload)


def approved(bench: Bench, submission: Submission | None = None, **changes: object) -> Submission:
    """A request that waited for both owners' guardians, and waits no more."""
    submission = submission or join_submission(bench.federation, **changes)
    status = bench.reception.submit("analyst", submission)
    assert (status.state, status.waiting_for) == (RequestState.WAITING, ("guardian-east", "guardian-west"))
    for owner in OWNERS:
        bench.reception.hand(decision(bench.federation, owner, digest_of(submission)))
    return submission


def ended(bench: Bench, submission: Submission) -> RequestStatus:
    end = time.monotonic() + 20
    while (status := bench.services.board.status(digest_of(submission))).state not in ENDED:
        assert time.monotonic() < end, status
        time.sleep(0.002)
    return status


def rounds(member: Double) -> list[RoundManifest]:
    return [wire.decode(RoundManifest, m.manifest) for m in member.seen if isinstance(m, OpenRound)]


def opened(bench: Bench, submission: Submission) -> tuple[int, ...]:
    head, bodies = bench.fetch(digest_of(submission))
    home = Home.load(bench.federation.home("analyst"))
    result = open_result(head, bodies, submission, home.roster(), home.sealing_key())
    assert result.survivors == ("east", "west")
    assert result.checked_each_vector
    return tuple(cell // result.manifest.calibration.multipliers[0] for cell in result.cells)


def test_a_join_is_answered_by_five(bench: Bench) -> None:
    submission = approved(bench)
    status = ended(bench, submission)
    assert (status.state, status.code) == (RequestState.RELEASED, "")
    assert opened(bench, submission) == CELLS
    head, bodies = bench.fetch(digest_of(submission))
    manifest: RoundManifest = wire.decode(RoundManifest, head.manifest)
    assert [p.node for p in manifest.participants] == ["east", "west"]
    assert sorted(manifest.helpers) == list(HELPERS)
    readies = [wire.decode(Ready, record.payload) for record in manifest.readies]
    assert tuple(r.member for r in readies) == (*manifest.helpers, "east", "west")
    assert [bool(r.sealed_dummies) for r in readies] == [False] * 3 + [True] * 2
    committed = [wire.decode(Commitment, bodies[BodyKind.MASKED_VECTOR, owner]) for owner in OWNERS]
    assert [c.owner for c in committed] == ["east", "west"]


def test_nothing_runs_before_both_owners_approve(bench: Bench) -> None:
    submission = join_submission(bench.federation)
    bench.reception.submit("analyst", submission)
    bench.reception.hand(decision(bench.federation, "east", digest_of(submission)))
    status = bench.services.board.status(digest_of(submission))
    assert (status.state, status.waiting_for) == (RequestState.WAITING, ("guardian-west",))
    assert not any(isinstance(m, AskReady) for member in bench.members.values() for m in member.seen)
    bench.reception.hand(decision(bench.federation, "west", digest_of(submission), "not this one"))
    assert ended(bench, submission).code == "APPROVAL_REFUSED"


def test_everything_is_carried_before_a_helper_is_asked(bench: Bench) -> None:
    for name in OWNERS:
        bench.members[name].pieces = 40  # type: ignore[attr-defined]
    submission = approved(bench)
    assert ended(bench, submission).state is RequestState.RELEASED
    for name in HELPERS:
        kinds = [type(m) for m in bench.members[name].seen if isinstance(m, Relay | AskAnswer)]
        assert kinds == [Relay] * 80 + [AskAnswer]


def test_a_status_tells_how_much_was_carried(bench: Bench) -> None:
    bench.members["helper-1"].faults.add("holds")
    submission = approved(bench, max_attempts=1)
    sizes = [s.relayed_bytes for s in bench.reception.watch("analyst", digest_of(submission), lambda: True)]
    assert max(sizes) == 2 * 3 * Joiner.pieces * (Joiner.piece_bytes + SEAL_BYTES)
    assert ended(bench, submission).code == "ROUND_HELPER_LOST"


@pytest.mark.parametrize(
    ("member", "fault", "code"),
    [
        ("west", "AskReady", "ROUND_TOO_FEW_NODES"),
        ("west", "declines", "ROUND_TOO_FEW_NODES"),
        ("west", "silent", "ROUND_TOO_FEW_NODES"),
        ("west", "OpenRound", "ROUND_TOO_FEW_NODES"),
        ("west", "keyless", "ROUND_READY_STALE"),
        ("west", "BUDGET_EXHAUSTED", "BUDGET_EXHAUSTED"),
        ("west", "wrong digest", "ROUND_SHARE_INVALID"),
        ("west", "forges", "ROUND_SHARE_INVALID"),
        ("west", "junk", "ROUND_SHARE_INVALID"),
        ("west", "other round", "ROUND_SHARE_INVALID"),
        ("west", "other owner", "ROUND_SHARE_INVALID"),
        ("west", "endless", "ROUND_SHARE_INVALID"),
        ("west", "half", "ROUND_SHARE_INVALID"),
        ("helper-2", "AskReady", "ROUND_TOO_FEW_HELPERS"),
        ("helper-2", "declines", "ROUND_TOO_FEW_HELPERS"),
        ("helper-2", "silent", "ROUND_TOO_FEW_HELPERS"),
        ("helper-2", "OpenRound", "ROUND_TOO_FEW_HELPERS"),
        ("helper-2", "keyless", "ROUND_READY_STALE"),
        ("helper-2", "Relay", "ROUND_TOO_FEW_HELPERS"),
        ("helper-2", "AskAnswer", "ROUND_TOO_FEW_HELPERS"),
    ],
)
def test_a_fault_ends_the_request_with_its_code(bench: Bench, member: str, fault: str, code: str) -> None:
    """With three helpers there is nobody to take another's place; and every round is charged at most once."""
    bench.members[member].faults.add(fault)
    submission = approved(bench)
    assert ended(bench, submission).code == code
    carried = [m for member in bench.members.values() for m in member.seen if isinstance(m, Relay)]
    assert all(len(m.sealed) <= PART_BYTES for m in carried)
    for owner in OWNERS:
        manifests = [m.manifest for m in bench.members[owner].seen if isinstance(m, OpenRound)]
        assert len(manifests) == len(set(manifests)) <= 2


@pytest.mark.parametrize(
    "fault", ["AskReady", "declines", "silent", "OpenRound", "Relay", "AskAnswer", "holds", "keyless"]
)
def test_another_helper_takes_the_place_of_one_that_is_lost(spare: Bench, fault: str) -> None:
    """At whatever step it is lost: before the round, another is asked; in the round, the next attempt has another."""
    submission = join_submission(spare.federation)
    first = min(spare.federation.names(Role.HELPER)[2:], key=lambda n: wire.digest(digest_of(submission) + n.encode()))
    spare.members[first].faults.add(fault)
    approved(spare, submission)
    assert ended(spare, submission).state is RequestState.RELEASED
    assert opened(spare, submission) == CELLS
    head, _ = spare.fetch(digest_of(submission))
    manifest: RoundManifest = wire.decode(RoundManifest, head.manifest)
    assert first not in manifest.helpers
    attempts = 1 if fault in ("AskReady", "declines", "silent") else 2
    assert manifest.attempt == attempts == len(rounds(spare.members["east"]))


def test_relays_of_a_wrong_pair_are_dropped(bench: Bench) -> None:
    bench.members["west"].faults.add("forged pair")
    submission = approved(bench)
    assert ended(bench, submission).state is RequestState.RELEASED
    relays = [m for member in bench.members.values() for m in member.seen if isinstance(m, Relay)]
    assert len(relays) == 2 * 3 * Joiner.pieces
    assert not any(m.sealed.startswith((b"as", b"to")) for m in relays)
    assert not any(isinstance(m, Relay) for owner in OWNERS for m in bench.members[owner].seen)


def test_relays_of_no_open_round_are_dropped(bench: Bench) -> None:
    west = bench.members["west"]
    assert west.link is not None
    bench.links.hand_over(west.link, Relay(bytes(32), "west", "helper-1", 0, False, b"early"))
    submission = approved(bench)
    assert ended(bench, submission).state is RequestState.RELEASED
    (manifest,) = rounds(west)
    count = len(bench.members["helper-1"].seen)
    round_ = wire.digest(wire.encode(manifest))
    bench.links.hand_over(west.link, Relay(round_, "west", "helper-1", 99, True, b"late"))
    assert not any(isinstance(m, Relay) for m in bench.members["helper-1"].seen[count:])


def test_an_owner_that_repeats_itself_is_counted_once(bench: Bench) -> None:
    """Its streams and its shares come twice: what comes after its shares is carried to nobody."""
    bench.members["west"].faults.add("repeats")
    submission = approved(bench)
    assert ended(bench, submission).state is RequestState.RELEASED
    got = [m for m in bench.members["helper-1"].seen if isinstance(m, Relay) and m.sender == "west"]
    assert len(got) == Joiner.pieces


def test_answers_that_do_not_add_up_are_found_by_the_analyst(bench: Bench) -> None:
    for name in HELPERS:
        bench.members[name].faults.add("wrong check")
    submission = approved(bench)
    assert ended(bench, submission).state is RequestState.RELEASED
    with pytest.raises(Unavailable, match="ROUND_CHECK_FAILED"):
        opened(bench, submission)


def test_a_join_that_a_stop_interrupted_gets_its_next_attempt(bench: Bench) -> None:
    bench.members["helper-1"].faults.add("holds")
    submission = approved(bench)
    while not any(isinstance(m, AskAnswer) for m in bench.members["helper-1"].seen):
        time.sleep(0.002)
    bench.reception.drain(0.05)
    bench.members["helper-1"].faults.clear()
    again = bench.restarted()
    again.reception.resume()
    for member in again.members.values():
        member.join(again.links)
    status = ended(again, submission)
    assert (status.state, status.attempt) == (RequestState.RELEASED, 2)
    assert opened(again, submission) == CELLS


def test_who_may_be_a_helper(bench: Bench) -> None:
    """Three bodies, none of them an owner's or the analyst's; the owners stand in the order of the plan."""
    case = admitted(bench)
    assert (case.hosts, case.helpers, case.joins) == (("east", "west"), 3, True)
    terms = terms_of(case, bench.home.roster(), SHORT, 10**9)
    assert sorted(c.name for c in terms.candidates) == list(HELPERS)
    assert (terms.joins, terms.n_min, terms.helpers) == (True, 2, 3)
    for changes, code in (({"n_min": 1}, "N_MIN"), ({"n_min": 3}, "N_MIN"), ({"committee": 5}, "COMMITTEE_JOIN")):
        with pytest.raises(SplittallyError, match=f"POLICY_{code}"):
            admitted(bench, **changes)


def admitted(bench: Bench, **changes: object) -> Admitted:
    submission = join_submission(bench.federation, **changes)
    return admit(submission, bench.reception._agreements, bench.services.roster, SystemClock().now_ms())


@pytest.mark.parametrize(("rows", "seconds"), [(10_000, 0), (1_000_000, 16), (3_000_000, 48), (100_000_000, 25 * 60)])
def test_windows_grow_with_the_owners_public_figures(rows: int, seconds: int) -> None:
    """Two words a row at each side: 160 bytes a row of both, at 10 MB a second; and a round ends within the hour."""
    published = catalogue()
    sized = replace(
        published, datasets=tuple(replace(d, at_most_persons=rows, at_most_rows=rows) for d in published.datasets)
    )
    assert streaming_ms(join_plan(sized), sized) // 1_000 == seconds
