"""The analyst's session against a coordinator over gRPC: answers, receipts, free repeats, refusals."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction

import pytest

from engine.client.session import Session, connect
from engine.client.states import state_word
from engine.errors import BadFile, Refused, SplittallyError, Unavailable
from engine.trusted import wire
from engine.trusted.epsilon import loss_for
from engine.trusted.home import Home
from engine.trusted.messages import OpenRound, RequestState, RequestStatus
from engine.trusted.records import Receipt, SnapshotRef
from tests.client.conftest import Bench

SQL = "SELECT region, COUNT(*) AS n FROM people GROUP BY region ORDER BY region"


@pytest.fixture
def session(bench: Bench) -> Iterator[Session]:
    with bench.session() as opened:
        yield opened


def rounds_opened(bench: Bench) -> int:
    return sum(isinstance(message, OpenRound) for message in bench.members["east"].seen)


def fresh(number: int) -> Fraction:
    """An epsilon that no other test asks with: a question of its own."""
    return 1 + Fraction(number, 1000)


def test_an_answer_with_intervals_and_who_gave_it(session: Session) -> None:
    release = session.query(SQL, epsilon=fresh(1)).wait(30)
    assert release.answer.columns == ("region", "n")
    assert release.answer.rows == (("N", 7), ("S", 70))
    assert set(release.answer.intervals[0]) == {"n"}
    assert release.survivors == release.participants == ("east", "north", "west")
    assert not release.repeated


def test_the_cost_is_exact(session: Session) -> None:
    release = session.query(SQL, epsilon=0.5, delta="1e-8").wait(30)
    loss = loss_for(Fraction(1, 2), Fraction(1, 10**8))
    assert release.loss == loss
    assert release.cost == {
        "epsilon": 0.5,
        "delta": 1e-8,
        "rho_billionths": loss.rho_billionths,
        "per_node": dict.fromkeys(("east", "north", "west"), loss.rho_billionths),
    }


def test_the_receipt_names_round_survivors_and_signatures(session: Session) -> None:
    release = session.query(SQL, epsilon=fresh(2)).wait(30)
    receipt: Receipt = wire.decode(Receipt, release.receipt)
    assert receipt.survivors == release.survivors
    assert len(receipt.shares) == 3
    assert len(receipt.answers) == 2
    assert receipt.checked_each_vector
    assert wire.digest(receipt.round_manifest.request.payload).hex() == release.request_id
    assert receipt.federation_manifest == session.home.manifest_record()


def test_progress_ends_with_released(session: Session) -> None:
    seen: list[RequestStatus] = []
    session.query(SQL, epsilon=fresh(3)).wait(30, seen.append)
    assert seen[-1].state is RequestState.RELEASED


def test_a_result_is_fetched_later_by_another_session(bench: Bench, session: Session) -> None:
    query = session.query(SQL, epsilon=fresh(4))
    request = query.submit()
    assert query.submit() == request
    list(session.line.watch(bytes.fromhex(request), 20))
    with bench.session() as later:
        assert later.result(request).answer.rows == (("N", 7), ("S", 70))
        assert later.result(request).receipt == later.result(request).receipt
        assert request in [s.request_digest.hex() for s in later.requests()]


def test_the_same_question_is_free_as_long_as_nothing_changed(bench: Bench, session: Session) -> None:
    first = session.query(SQL, epsilon=fresh(5)).wait(30)
    before = rounds_opened(bench)
    again = session.query(SQL.replace("GROUP", "  GROUP"), epsilon=fresh(5)).wait(30)
    assert again.repeated
    assert again.answer.rows == first.answer.rows
    assert again.receipt == first.receipt
    assert again.cost["rho_billionths"] == 0
    assert rounds_opened(bench) == before


def test_other_terms_are_another_question(bench: Bench, session: Session) -> None:
    session.query(SQL, epsilon=fresh(6)).wait(30)
    for changes in ({"epsilon": fresh(7)}, {"delta": "1e-10", "epsilon": fresh(6)}):
        before = rounds_opened(bench)
        assert not session.query(SQL, **changes).wait(30).repeated  # type: ignore[arg-type]
        assert rounds_opened(bench) == before + 1


def test_a_new_snapshot_is_another_question(bench: Bench, session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    session.query(SQL, epsilon=fresh(8)).wait(30)
    west = bench.members["west"]
    hello = replace(west.hello(), snapshots=(SnapshotRef("people", "west-2", 0),))
    monkeypatch.setattr(west, "hello", lambda: hello)
    bench.hang_up("west")
    bench.dial("west")
    release = session.query(SQL, epsilon=fresh(8)).wait(30)
    assert not release.repeated
    monkeypatch.undo()
    bench.hang_up("west")
    bench.dial("west")


def test_a_question_under_way_is_not_asked_twice(bench: Bench, session: Session) -> None:
    bench.members["west"].faults.add("OpenRound")
    query = session.query(SQL, epsilon=fresh(9))
    request = query.submit()
    with bench.session() as other:
        assert other.query(SQL, epsilon=fresh(9)).submit() == request
    bench.members["west"].faults.clear()


def test_wait_gives_up_in_time(bench: Bench, session: Session) -> None:
    bench.members["north"].faults.add("silent")
    with pytest.raises(Unavailable, match="ROUND_PENDING"):
        session.query(SQL, epsilon=fresh(10)).wait(0.3)
    bench.members["north"].faults.clear()


@pytest.mark.parametrize(("number", "fault"), [(11, "BUDGET_EXHAUSTED"), (12, "POLICY_COLUMN_OUT_OF_SCOPE")])
def test_a_nodes_refusal_is_the_analysts_error(bench: Bench, session: Session, number: int, fault: str) -> None:
    bench.members["north"].faults.add(fault)
    with pytest.raises(Refused, match=fault):
        session.query(SQL, epsilon=fresh(number)).wait(30)
    bench.members["north"].faults.clear()
    assert not session.query(SQL, epsilon=fresh(number)).wait(30).repeated


def test_a_missing_node_is_refused_before_anything_is_charged(bench: Bench, session: Session) -> None:
    before = rounds_opened(bench)
    bench.hang_up("west")
    with pytest.raises(Unavailable, match="ROUND_TOO_FEW_NODES"):
        session.query(SQL, epsilon=fresh(13)).wait(30)
    assert rounds_opened(bench) == before
    bench.dial("west")


@pytest.mark.parametrize(
    ("terms", "code"),
    [
        ({"n_min": 1}, "POLICY_N_MIN"),
        ({"n_min": 4}, "POLICY_N_MIN_HOSTS"),
        ({"agreement": "no such thing"}, "POLICY_AGREEMENT_NAME"),
        ({"delta": "0.01"}, "SQL_DELTA_RANGE"),
        ({"delta": "1e-16"}, "SQL_DELTA_RANGE"),
        ({"epsilon": "nonsense"}, "SQL_EPSILON_RANGE"),
        ({"epsilon": 0}, "SQL_EPSILON_RANGE"),
        ({"delta": "1/0"}, "SQL_DELTA_RANGE"),
    ],
)
def test_terms_that_are_refused(session: Session, terms: dict[str, object], code: str) -> None:
    with pytest.raises(SplittallyError) as caught:
        session.query(SQL, **terms).wait(30)  # type: ignore[arg-type]
    assert caught.value.code == code


def test_an_unknown_agreement_is_refused_with_those_in_force(session: Session) -> None:
    with pytest.raises(Refused) as caught:
        session.query(SQL, agreement="no such thing").submit()
    assert "is called no such thing; there are first-agreement (" in str(caught.value)


@pytest.mark.parametrize(("copies", "code"), [(0, "POLICY_AGREEMENT_NONE"), (1, ""), (2, "")])
def test_the_agreement_is_the_one_in_force(
    bench: Bench, session: Session, monkeypatch: pytest.MonkeyPatch, copies: int, code: str
) -> None:
    described = session.describe()
    other = replace(described, agreements=described.agreements[:1] * copies)
    monkeypatch.setattr(session, "describe", lambda: other)
    query = session.query(SQL, epsilon=fresh(16))
    if not code:
        assert query.submit()
        return
    with pytest.raises(Refused) as caught:
        query.submit()
    assert caught.value.code == code


@pytest.mark.parametrize("code", ["BUDGET_EXHAUSTED", "POLICY_COLUMN_OUT_OF_SCOPE"])
def test_states_are_words_and_watch_exits_with_the_refusal(
    bench: Bench, session: Session, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    from engine.cli.main import run
    from engine.client import session as sessions

    bench.members["north"].faults.add(code)
    request = session.query(SQL, epsilon=fresh(17 + len(code))).submit()
    list(session.line.watch(bytes.fromhex(request), 20))
    bench.members["north"].faults.clear()
    monkeypatch.setattr(sessions, "connect", lambda _: bench.session())
    assert run(["watch", "--home", "x", "--json", request]) == 3
    out, err = capsys.readouterr()
    assert json.loads(out.splitlines()[-1])["state"] == "refused"
    assert json.loads(err)["error"]["code"] == code
    assert run(["watch", "--home", "x", request]) == 3
    assert capsys.readouterr().out.splitlines()[-1].startswith("refused")
    assert run(["requests", "--home", str(bench.session().home.path)]) == 0
    (line,) = [line for line in capsys.readouterr().out.splitlines() if request in line]
    assert line.split()[-2:] == ["refused", code]


def test_every_state_has_its_word() -> None:
    words = [state_word(state) for state in RequestState]
    story = "drafted submitted waiting approved running released refused expired revoked"
    assert words == story.split()


def test_an_answer_becomes_a_table_of_its_types(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    release = session.query(SQL, epsilon=fresh(1)).wait(30)
    assert release.table.to_pylist() == [{"region": "N", "n": 7}, {"region": "S", "n": 70}]
    assert [str(field.type) for field in release.table.schema] == ["string", "int64"]
    assert release.intervals == release.answer.intervals
    empty = replace(release, answer=replace(release.answer, rows=(), intervals=(), deviations=()))
    assert (empty.table.num_rows, empty.table.column_names) == (0, ["region", "n"])
    for package, call in (("pandas", release.to_pandas), ("polars", release.to_polars)):
        monkeypatch.setitem(sys.modules, package, None)
        with pytest.raises(BadFile, match=f"FILE_PACKAGE: The Python package {package} is not installed"):
            call()
    monkeypatch.undo()


@pytest.mark.parametrize(("package", "convert"), [("pandas", "to_pandas"), ("polars", "to_polars")])
def test_an_answer_becomes_a_frame(session: Session, package: str, convert: str) -> None:
    pytest.importorskip(package)
    frame = getattr(session.query(SQL, epsilon=fresh(1)).wait(30), convert)()
    assert (list(frame.columns), list(frame["n"])) == (["region", "n"], [7, 70])


def test_the_agreement_may_be_named(session: Session) -> None:
    assert session.query(SQL, agreement="first-agreement", epsilon=fresh(14)).wait(30).answer.rows


def test_explaining_is_free_and_sends_nothing(bench: Bench, session: Session) -> None:
    before = rounds_opened(bench)
    text = session.query(SQL).explain()
    assert "east, north, west" in text
    assert "COUNT" in text
    assert rounds_opened(bench) == before


def test_results_of_other_homes_and_nonsense_are_unknown(session: Session) -> None:
    for request in ("00" * 32, "nonsense"):
        with pytest.raises(Refused, match="POLICY_REQUEST_UNKNOWN"):
            session.result(request)


def test_a_home_that_is_none() -> None:
    with pytest.raises(BadFile, match="FILE_HOME_MISSING"):
        connect("/nonexistent/home")


def test_waiting_outlives_a_restart_of_the_coordinator(bench: Bench, session: Session) -> None:
    from engine.coordinator import server

    home, address = Home.load(bench.federation.home("coordinator")), bench.coordinator.address
    query = session.query(SQL, epsilon=fresh(15))
    query.submit()
    stop = threading.Thread(target=bench.coordinator.stop)
    stop.start()
    answers: list[object] = []
    thread = threading.Thread(target=lambda: answers.append(query.wait(60).answer.rows))
    thread.start()
    stop.join()
    bench.coordinator = server.start(home, address)
    thread.join(60)
    for name in tuple(bench.channels):
        bench.channels.pop(name).close()
    for name, member in bench.members.items():
        bench.channels[name] = member.dial(address)
    bench.settle()
    assert answers == [(("N", 7), ("S", 70))]
