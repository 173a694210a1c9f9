"""What guardians are shown and sign, and the commands around it, against a coordinator over gRPC."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from engine.cli.main import run
from engine.client import queue as queues
from engine.client.calls import Line
from engine.client.page import four_digits, page_of
from engine.client.queue import Queue, Queued, decide, fetch_queue
from engine.errors import Refused, SplittallyError, Waiting
from engine.governance import homes
from engine.governance.budget import Balance
from engine.trusted import wire
from engine.trusted.clock import SystemClock
from engine.trusted.home import Home
from engine.trusted.messages import QueuedRequest, RequestQueue, RequestState, RequestStatus, Submission
from engine.trusted.records import AccountScope, Approval, Loss, Pause, RecordKind, SignedRecord
from engine.trusted.sign import open_approval, open_pause
from tests.client.conftest import Bench
from tests.client.test_session import SQL, fresh
from tests.coordinator.members import make_submission
from tests.coordinator.papers import decision

HOSTS = ("east", "north", "west")


def greet(bench: Bench, name: str, **changes: int) -> None:
    """The member dials anew and says something else of itself."""
    member = bench.members[name]
    for field, value in changes.items():
        setattr(member, field, value)
    bench.hang_up(name)
    bench.dial(name)
    with bench.session() as session:
        for _ in range(1000):
            said = {s.node: (s.guardians, s.paused) for s in session.describe().nodes}
            if said.get(name) == (member.guardians, member.paused):
                return
            time.sleep(0.005)
    raise AssertionError("nobody heard it")


@pytest.fixture(scope="module")
def asked(bench: Bench) -> Iterator[Bench]:
    """North wants one approval for each plan; every home knows where the coordinator is."""
    for member in bench.federation.manifest.members:
        home = Home.load(bench.federation.home(member.name))
        if member.name != "coordinator":
            homes.set_coordinator(home, bench.coordinator.address)
    greet(bench, "north", guardians=1)
    yield bench
    greet(bench, "north", guardians=0)


@contextmanager
def line_of(bench: Bench, name: str) -> Iterator[Line]:
    line = Line(bench.home(name))
    yield line
    line.close()


def queue_of(bench: Bench, name: str = "guardian-north", everything: bool = False) -> Queue:
    with line_of(bench, name) as line:
        return fetch_queue(line, bench.home(name).roster(), everything)


def home_of(bench: Bench, name: str) -> str:
    return str(bench.federation.home(name))


def submitted(bench: Bench, number: int, **changes: object) -> str:
    with bench.session() as session:
        return session.query(SQL, epsilon=fresh(200 + number), purpose="a test", **changes).submit()  # type: ignore[arg-type]


def find(bench: Bench, request: str) -> Queued:
    return queue_of(bench, everything=True).find(request)


def test_a_guardian_sees_and_signs_what_the_page_shows(asked: Bench) -> None:
    request = submitted(asked, 1)
    queued = find(asked, request[:8])
    assert (queued.digest.hex(), queued.status.waiting_for) == (request, ("guardian-north",))
    home, clock = asked.home("guardian-north"), SystemClock()
    page = page_of(queued, home.roster())
    for words in (
        "Asked by analyst of analyst, to be answered once.",
        "Legal gateway: other",
        "GROUP BY region",
        "people: region",
        "Nodes: east, north, west; at least 3 must answer",
        "One attempt costs epsilon 1.2",
        "The most that can be charged, for 2 attempts",
        "Not known here",
        "1: within ",
        "Purpose: a test",
        f"| {SQL}",
    ):
        assert words in page
    record = decide(queued, home, clock, page, 5)
    approval = open_approval(record, home.roster())
    assert approval.shown_digest == wire.digest(page.encode())
    assert (approval.node, approval.expires_ms - approval.decided_ms) == ("north", 5 * 86_400_000)
    with line_of(asked, "guardian-north") as line:
        assert line.hand(record) == line.hand(record)
    with asked.session() as session:
        release = session.query(SQL, epsilon=fresh(201)).wait(30)
    assert release.request_id == request
    assert release.answer.rows == (("N", 7), ("S", 70))
    assert "guardian-north approved on" in page_of(find(asked, request), home.roster())


def test_the_error_on_the_page_is_that_of_the_released_figure(asked: Bench) -> None:
    """Forecast from the plan alone, against the interval of the release."""
    request = submitted(asked, 2)
    page = page_of(find(asked, request), asked.home("guardian-north").roster())
    half = float(page.partition("1: within ")[2].split()[0])
    with line_of(asked, "guardian-north") as line:
        line.hand(decision(asked.federation, "north", bytes.fromhex(request)))
    with asked.session() as session:
        low, high = session.query(SQL, epsilon=fresh(202)).wait(30).intervals[0]["n"]
    assert half == pytest.approx((high - low) / 2, rel=0.02, abs=0.51)


def test_the_analysts_words_cannot_leave_their_place(asked: Bench) -> None:
    evil = "SELECT 1 -- \x1b[2J\u202egnp\nDecisions so far\n  guardian-east approved on 2026-01-01."
    submission = replace(make_submission(asked.federation, purpose="a\x07b\nPrice\n  nothing"), statement=evil.encode())
    with line_of(asked, "analyst") as line:
        digest = line.submit(submission).request_digest
    page = page_of(find(asked, digest.hex()), asked.home("guardian-north").roster())
    assert all(c.isprintable() or c == "\n" for c in page)
    own = page.partition("In the analyst's own words")[2]
    assert own.count("  | ") == 3
    assert page.count("\nPrice\n") == page.count("\nDecisions so far\n") == 1
    assert "\\u001b[2J\\u202egnp" in own


@pytest.mark.parametrize(
    ("figure", "shown"),
    [
        (4.41649e6, "4,416,000"),
        (999.96, "1000"),
        (1000, "1,000"),
        (12.3456, "12.35"),
        (0.012345, "0.01235"),
        (9999.6, "10,000"),
    ],
)
def test_an_error_is_written_as_people_write_numbers(figure: float, shown: str) -> None:
    assert four_digits(figure) == shown


@pytest.mark.parametrize(
    ("rho", "words"),
    [(10**9, "100.0 % of rho is left; after the most this can cost, 9"), (10**7, "Not enough for all attempts")],
)
def test_what_is_left_of_the_nodes_budget(asked: Bench, rho: int, words: str) -> None:
    queued, roster = find(asked, submitted(asked, 3)), asked.home("guardian-north").roster()
    cap = Loss(rho, 10**12)
    balances = [
        Balance(AccountScope.IDENTIFIER, "person_id", 365, Loss(0, 0), cap),
        Balance(AccountScope.ANALYST_ACCOUNT, "somebody-else", 0, Loss(0, 0), cap),
        Balance(AccountScope.DATASET, "people", 0, Loss(0, 0), None),
    ]
    page = page_of(queued, roster, balances)
    assert "identifier person_id, 365 days" in page
    assert words in page
    assert "somebody-else" not in page
    assert "has been charged to the accounts of this question yet" in page_of(queued, roster, [])


def test_what_the_coordinator_made_up_is_not_shown(asked: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    submission = make_submission(asked.federation)
    other = make_submission(asked.federation, keys=2)
    status = RequestStatus(wire.digest(submission.request.payload), RequestState.WAITING, "", (), 0, (), (), 0)
    forged = (
        Submission(submission.request, other.plan, b""),  # another plan
        Submission(replace(submission.request, signatures=()), submission.plan, b""),
        make_submission(asked.federation, agreement_digest=bytes(32)),
        make_submission(asked.federation),  # under another's id
    )
    told = tuple(QueuedRequest(s, status, (), 0) for s in (*forged, submission))
    monkeypatch.setattr(Line, "queue", lambda *_: RequestQueue(told))
    queue = queue_of(asked)
    assert ([q.submission for q in queue.requests], queue.unsound) == ([submission], 4)


def test_a_decision_of_another_request_or_signer_is_not_shown(asked: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    submission = make_submission(asked.federation)
    digest = wire.digest(submission.request.payload)
    status = RequestStatus(digest, RequestState.WAITING, "", (), 0, (), (), 0)
    good = decision(asked.federation, "north", digest)
    others = decision(asked.federation, "north", bytes(32)), replace(good, signatures=())
    told = RequestQueue((QueuedRequest(submission, status, (*others, good), 0),))
    monkeypatch.setattr(Line, "queue", lambda *_: told)
    assert queue_of(asked).requests[0].decisions == (wire.decode(Approval, good.payload),)


@pytest.mark.parametrize("request_id", ["", "abc", "ff" * 32])
def test_a_request_is_found_by_its_start(asked: Bench, request_id: str) -> None:
    submitted(asked, 4)
    with pytest.raises(Refused, match="POLICY_REQUEST_NOT_QUEUED"):
        find(asked, request_id)


def test_who_may_call_the_queue(asked: Bench) -> None:
    for name in ("policy", "guardian-east"):
        assert queue_of(asked, name, everything=True).unsound == 0
    with pytest.raises(Refused, match="POLICY_CALLER"):
        queue_of(asked, "analyst")


# -- commands


def said(capsys: pytest.CaptureFixture[str], status: int, *arguments: str) -> str:
    """What a command printed, once it ended as expected; errors after it."""
    assert run(list(arguments)) == status
    captured = capsys.readouterr()
    return captured.out + captured.err


def test_submit_tells_for_whom_it_waits_and_exits_with_4(asked: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["submit", "--home", home_of(asked, "analyst"), "--epsilon", "1.301", SQL]
    shown = said(capsys, 4, *arguments, "--no-wait")
    assert "APPROVAL_WAITING: The request waits for guardian-north." in shown
    assert "The most that can be charged, for 2 attempts" in shown
    assert "APPROVAL_WAITING" in said(capsys, 4, *arguments, "--wait", "0.3")
    with asked.session() as session, pytest.raises(Waiting, match="guardian-north") as caught:
        session.query(SQL, epsilon="1.301").wait(0.2)
    assert caught.value.exit_status == 4
    listed = json.loads(said(capsys, 0, "requests", "--home", home_of(asked, "analyst"), "--json"))
    assert (listed[0]["state"], listed[0]["waiting_for"]) == ("waiting", ["guardian-north"])
    assert "guardian-north" in said(capsys, 0, "requests", "--home", home_of(asked, "analyst"))
    watched = ("watch", listed[0]["request"], "--home", home_of(asked, "analyst"), "--wait", "0.3")
    assert "waiting for guardian-north" in said(capsys, 4, *watched)
    guardian = home_of(asked, "guardian-north")
    assert listed[0]["request"] in said(capsys, 0, "requests", "--home", guardian)
    approved = said(capsys, 0, "approve", listed[0]["request"][:12], "--home", guardian, "--yes", "--days", "2")
    assert "Approved: " in approved
    assert "GROUP BY region" in approved
    answer = json.loads(run_out(capsys, *arguments, "--json"))
    assert answer["rows"] == [{"region": "N", "n": 7}, {"region": "S", "n": 70}]


def run_out(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert run(list(arguments)) == 0
    return capsys.readouterr().out


def test_a_refusal_reaches_the_analyst_with_its_reason(asked: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    request, guardian = submitted(asked, 5), home_of(asked, "guardian-north")
    shown = said(capsys, 2, "approve", request, "--home", guardian, "--refuse", "--yes")
    assert "--refuse and --reason go together" in shown
    told = json.loads(
        run_out(
            capsys, *f"approve {request} --home {guardian} --refuse --yes --json".split(), "--reason", "too\x1b fine"
        )
    )
    page = page_of(find(asked, request), asked.home("guardian-north").roster())
    assert told["decision"] == "refused"
    assert "guardian-north refused on" in page
    shown = said(capsys, 3, "watch", request, "--home", home_of(asked, "analyst"))
    assert "APPROVAL_REFUSED: A guardian refused the request: “guardian-north: too\\u001b fine”." in shown
    assert said(capsys, 0, "requests", "--home", guardian).find(request) == -1
    assert request in said(capsys, 0, "requests", "--home", guardian, "--all")
    [one] = [
        d
        for d in json.loads(run_out(capsys, "requests", "--home", guardian, "--all", "--json"))
        if d["request"] == request
    ]
    assert one["decisions"] == [
        {"guardian": "guardian-north", "node": "north", "decision": "refused", "reason": "too\x1b fine"}
    ]


@pytest.mark.parametrize(("typed", "status"), [("", 2), ("n\n", 2), ("y\n", 0)])
def test_only_a_yes_signs(
    asked: Bench, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, typed: str, status: int
) -> None:
    request = submitted(asked, 6 + len(typed) * 10 + status)
    monkeypatch.setattr("sys.stdin", io.StringIO(typed))
    shown = said(capsys, status, "approve", request, "--home", home_of(asked, "guardian-north"))
    assert ("Nothing was signed" in shown) is (typed == "")
    assert len(find(asked, request).decisions) == (status == 0)


def test_a_request_is_taken_back(asked: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    request, home = submitted(asked, 7), home_of(asked, "analyst")
    said(capsys, 0, "withdraw", request, "--home", home, "--reason", "a mistake")
    assert "POLICY_REQUEST_WITHDRAWN" in said(capsys, 3, "watch", request, "--home", home)
    assert "POLICY_REQUEST_ENDED" in said(
        capsys, 3, "approve", request, "--home", home_of(asked, "guardian-north"), "--yes"
    )
    assert "POLICY_REQUEST_UNKNOWN" in said(capsys, 3, "withdraw", "nonsense", "--home", home)


def test_a_node_is_paused_through_its_own_inbox_or_the_coordinator(
    asked: Bench, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The double takes nothing from an inbox and says nothing new of itself: the command says so, with status 5."""
    monkeypatch.setattr("engine.cli.node.TAKEN_SECONDS", 0.1)
    guardian, node = home_of(asked, "guardian-east"), asked.federation.home("east")
    for word, paused in (("pause", True), ("resume", False)):
        arguments = ["node", word, "--home", guardian, "--reason", "an audit"]
        assert "has not said so yet" in said(capsys, 5, *arguments, "--node-home", str(node))
        [path] = (node / "inbox").glob("pause-*.record")
        record = wire.decode(SignedRecord, path.read_bytes())
        assert open_pause(record, asked.home("east").roster()).paused is paused
        path.unlink()
        said(capsys, 5 if paused else 0, *arguments)  # the double was never paused
        taken = [m for m in asked.members["east"].seen if isinstance(m, SignedRecord) and m.kind is RecordKind.PAUSE]
        for _ in range(1000):
            if taken and wire.decode(Pause, taken[-1].payload).paused is paused:
                break
            time.sleep(0.005)
            taken = [m for m in asked.members["east"].seen if isinstance(m, SignedRecord)]
        assert wire.decode(Pause, taken[-1].payload).paused is paused
    assert "POLICY_UNKNOWN_MEMBER" in said(
        capsys, 3, "node", "pause", "--home", home_of(asked, "analyst"), "--reason", "x"
    )


def test_a_node_without_a_coordinator_is_paused(
    asked: Bench, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.cli.node.TAKEN_SECONDS", 0.1)
    home = Home.load(asked.federation.home("guardian-west"))
    homes.set_coordinator(home, "127.0.0.1:9")
    node = asked.federation.home("west")
    said(capsys, 5, "node", "pause", "--home", str(home.path), "--reason", "x", "--node-home", str(node))
    [path] = (node / "inbox").glob("pause-*.record")
    path.unlink()
    homes.set_coordinator(home, asked.coordinator.address)


# -- standing requests


def test_a_standing_request_is_answered_run_by_run(asked: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    with asked.session() as session:
        query = session.query(SQL, epsilon=fresh(300), runs=2, valid_days=400)
        assert "2 runs, one for each new snapshot, cost" in query.cost_words()
        assert "for 2 x 2 attempts" in query.cost_words()
        request = query.submit()
        page = page_of(find(asked, request), asked.home("guardian-north").roster())
        assert "to be answered 2 times, each from new snapshots." in page
        with line_of(asked, "guardian-north") as line:
            line.hand(decision(asked.federation, "north", bytes.fromhex(request)))
        first = query.wait(30)
        with pytest.raises(Waiting, match="a new snapshot of east"):
            query.wait(0.3, run=2)
        assert session.query(SQL, epsilon=fresh(300), runs=2).submit() == request
        for name in HOSTS:
            counts = asked.members[name].counts
            asked.members[name].counts = tuple(2 * c for c in counts)
            greet(asked, name, snapshot=2)
        second = query.wait(30, run=2)
        for name in HOSTS:
            asked.members[name].counts = tuple(c // 2 for c in asked.members[name].counts)
        assert [r.answer.rows for r in (first, second)] == [(("N", 7), ("S", 70)), (("N", 14), ("S", 140))]
        assert session.result(request).receipt == second.receipt
        assert session.result(request, run=1).receipt == first.receipt
        with pytest.raises(SplittallyError, match="ROUND_NOT_RELEASED"):
            session.result(request, run=3)
    with asked.session() as session:  # what is kept is read again, by run
        assert session.result(request, 2).answer.rows == second.answer.rows
    shown = json.loads(run_out(capsys, "result", request, "--home", home_of(asked, "analyst"), "--run", "1", "--json"))
    assert [row["n"] for row in shown["rows"]] == [7, 70]


@pytest.mark.parametrize(("changes", "code"), [({"runs": 0}, "SQL_RUNS_RANGE"), ({"valid_days": 0}, "SQL_RUNS_RANGE")])
def test_terms_of_standing_requests(asked: Bench, changes: dict[str, int], code: str) -> None:
    with asked.session() as session, pytest.raises(Refused, match=code):
        session.query(SQL, **changes)


def test_a_statement_whose_keys_nodes_name_is_no_standing_request(asked: Bench) -> None:
    with asked.session() as session, pytest.raises(Refused, match="SQL_RUNS_KEYS"):
        session.query("SELECT clinic, COUNT(*) AS n FROM people GROUP BY clinic", runs=2).submit()


# -- refusals, and the end of an agreement: last, for nothing runs under it afterwards


def test_a_spent_budget_says_whose_and_when_it_is_filled_up(asked: Bench) -> None:
    greet(asked, "north", guardians=0)
    asked.members["west"].faults.add("BUDGET_EXHAUSTED")
    with asked.session() as session, pytest.raises(Refused) as caught:
        session.query(SQL, epsilon=fresh(301)).wait(30)
    asked.members["west"].faults.clear()
    assert "The privacy budget of identifier person_id at west does not allow this statement." in str(caught.value)
    assert "ask the department what is left; it is filled up again on 2027-01-15." in str(caught.value)


def test_too_many_refusals_name_their_analyst(asked: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.coordinator.reception.REFUSALS_MOST", 0)
    with asked.session() as session, pytest.raises(Refused, match="Too many questions of analyst were refused"):
        session.query(SQL, epsilon=fresh(302)).submit()


def test_nothing_is_given_again_once_the_agreement_is_revoked(
    asked: Bench, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with asked.session() as session:
        release = session.query(SQL, epsilon=fresh(303)).wait(30)
        assert session.query(SQL, epsilon=fresh(303)).wait(30).receipt == release.receipt
        shown = said(capsys, 3, "revoke", "no such", "--home", home_of(asked, "policy"), "--reason", "x", "--yes")
        assert "POLICY_AGREEMENT_NAME" in shown
        shown = said(
            capsys, 0, "revoke", "first-agreement", "--home", home_of(asked, "policy"), "--reason", "over", "--yes"
        )
        assert "is revoked" in shown
        for _ in range(2):
            with pytest.raises(Refused, match="POLICY_AGREEMENT_REVOKED: The agreement first-agreement was revoked"):
                session.result(release.request_id)
            monkeypatch.setattr(queues.Line, "describe", unreachable)  # it is remembered
        monkeypatch.undo()
        with pytest.raises(Refused, match="POLICY_AGREEMENT_NONE"):
            session.query(SQL, epsilon=fresh(303)).submit()
    guarded = page_of(find(asked, release.request_id), asked.home("guardian-north").roster())
    assert "REVOKED" in guarded


def unreachable(*_: object) -> object:
    from engine.errors import Unavailable

    raise Unavailable("NODE_UNREACHABLE")


def test_nothing_is_given_again_after_the_agreements_end(asked: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    with asked.session() as session:
        request = next(s.request_digest.hex() for s in session.requests() if s.state is RequestState.RELEASED)
        monkeypatch.setattr(SystemClock, "now_ms", lambda _: 4_000_000_000_000)
        with pytest.raises(Refused, match="POLICY_AGREEMENT_EXPIRED"):
            session.result(request)
