"""A question with an open key, at its analyst: the choice between two phases, its copy at home, lost replies."""

from __future__ import annotations

import json
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import pytest

from engine.client.archive import Archive
from engine.client.choose import Keys, keys_of
from engine.client.session import Session
from engine.client.terms import price_of
from engine.errors import BadFile, Unavailable
from engine.trusted import wire
from engine.trusted.epsilon import allowance
from engine.trusted.literal import Literal, Type
from engine.trusted.messages import Chosen, OpenRound, RequestState
from engine.trusted.records import KeyList, RoundManifest
from tests.client.conftest import Bench
from tests.client.test_session import fresh

SQL = "SELECT clinic, COUNT(*) AS n FROM people GROUP BY clinic ORDER BY n DESC"
ROWS = (("a", 6), ("c", 5))


@pytest.fixture
def session(bench: Bench) -> Iterator[Session]:
    for name, clinics in {"east": {"a": 5}, "north": {"c": 5}, "west": {"a": 1}}.items():
        bench.members[name].clinics = clinics
    with bench.session() as opened:
        yield opened


def phases(bench: Bench) -> list[int]:
    manifests = [m.manifest for m in bench.members["east"].seen if isinstance(m, OpenRound)]
    return [wire.decode(RoundManifest, manifest).phase for manifest in manifests]


def submitted(session: Session, number: int) -> str:
    """A request that waits for keys to be chosen."""
    request = session.query(SQL, epsilon=fresh(number)).submit()
    for status in session.line.watch(bytes.fromhex(request), 30):
        if status.state is RequestState.WAITING:
            return request
    raise AssertionError(status)


def test_an_open_key_shows_what_the_nodes_named_and_no_filler(bench: Bench, session: Session) -> None:
    before, seen = len(phases(bench)), list[RequestState]()
    release = session.query(SQL, epsilon=fresh(101)).wait(30, lambda status: seen.append(status.state))
    assert release.answer.rows == ROWS
    assert phases(bench)[before:] == [1, 2]
    assert RequestState.WAITING in seen
    assert seen[-1] is RequestState.RELEASED


def test_the_cost_is_that_of_both_phases(session: Session) -> None:
    query = session.query(SQL, epsilon=fresh(102), delta="1e-8")
    release = query.wait(30)
    price = price_of(fresh(102), Fraction(1, 10**8), query.statement.plan)
    assert price.selection is not None
    assert release.loss == price.total == allowance(fresh(102), Fraction(1, 10**8))
    assert release.cost["rho_billionths"] == price.answer.rho_billionths + price.selection.rho_billionths


def test_the_same_question_is_free_also_with_an_open_key(bench: Bench, session: Session) -> None:
    first = session.query(SQL, epsilon=fresh(103)).wait(30)
    before = len(phases(bench))
    again = session.query(SQL, epsilon=fresh(103)).wait(30)
    assert (again.repeated, again.answer.rows) == (True, first.answer.rows)
    assert len(phases(bench)) == before


def test_a_lost_reply_to_the_choice_is_asked_again_with_the_same_keys(
    bench: Bench, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent, honest, before = list[Chosen](), session.line.choose, len(phases(bench))

    def lossy(chosen: Chosen) -> Any:
        sent.append(chosen)
        if len(sent) == 1:
            raise Unavailable("NODE_UNREACHABLE")  # the call itself was lost
        status = honest(chosen)
        if len(sent) == 2:
            raise Unavailable("NODE_UNREACHABLE")  # its reply was
        return status

    monkeypatch.setattr(session.line, "choose", lossy)
    assert session.query(SQL, epsilon=fresh(104)).wait(30).answer.rows == ROWS
    assert len(sent) >= 2
    assert len({chosen.selection.payload for chosen in sent}) == 1
    assert phases(bench)[before:] == [1, 2]


@pytest.mark.parametrize(("number", "lost"), [(105, "choose"), (106, "keep_keys")])
def test_a_crash_between_the_phases_costs_nothing(
    bench: Bench, session: Session, monkeypatch: pytest.MonkeyPatch, number: int, lost: str
) -> None:
    """After the list was kept, or before: the next session goes on, with the list that was kept if there is one."""
    before = len(phases(bench))
    request = submitted(session, number)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        target = session.line if lost == "choose" else session.archive
        patch.setattr(target, lost, lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        session.result(request)
    kept = session.archive.keys(bytes.fromhex(request))
    assert (kept is not None) == (lost == "choose")
    with bench.session() as later:
        assert later.query(SQL, epsilon=fresh(number)).wait(30).answer.rows == ROWS
        assert kept in (None, later.archive.keys(bytes.fromhex(request)))
    assert phases(bench)[before:] == [1, 2]


def test_result_answers_for_an_analyst_who_was_away(bench: Bench, session: Session) -> None:
    request = submitted(session, 107)
    with pytest.raises(Unavailable, match="ROUND_KEYS_CHOSEN"):
        session.result(request)
    list(session.watch(request, 30))
    assert session.result(request).answer.rows == ROWS


def test_watching_helps_a_request_on(session: Session) -> None:
    request = submitted(session, 108)
    assert list(session.watch(request, 30))[-1].state is RequestState.RELEASED
    assert session.result(request).answer.rows == ROWS


def test_while_nodes_count_there_is_no_result(bench: Bench, session: Session) -> None:
    request = submitted(session, 109)
    bench.members["west"].faults.add("silent")
    for code in ("ROUND_KEYS_CHOSEN", "ROUND_NOT_RELEASED"):
        with pytest.raises(Unavailable, match=code):
            session.result(request)
    bench.members["west"].faults.clear()


def test_commands_say_who_is_waited_for(
    bench: Bench, session: Session, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from engine.cli.main import run
    from engine.client import session as sessions

    request = submitted(session, 110)
    monkeypatch.setattr(sessions, "connect", lambda _: bench.session())
    assert run(["requests", "--home", str(session.home.path)]) == 0
    (line,) = [line for line in capsys.readouterr().out.splitlines() if request in line]
    assert line.split()[-2:] == ["waiting", "analyst"]
    assert run(["result", "--home", "x", request]) == 5
    assert capsys.readouterr().err.startswith("ROUND_KEYS_CHOSEN")
    assert run(["watch", "--home", "x", "--json", request]) == 0
    last = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (last["state"], last["waiting_for"]) == ("released", [])
    second = submitted(session, 111)
    assert run(["watch", "--home", "x", second]) == 0
    assert capsys.readouterr().out.splitlines()[0] == "waiting for analyst"


def test_the_first_of_two_lists_is_the_one_kept(session: Session) -> None:
    archive, request = Archive(session.home), bytes.fromhex(submitted(session, 112))
    first, second = (Keys(wire.encode(KeyList(salt, (Literal(Type.TEXT, "a"),))), 1) for salt in (b"1", b"2"))
    assert archive.keep_keys(request, first) == first
    assert archive.keep_keys(request, second) == first
    assert archive.keys(request) == first
    folder = session.home.path / "requests" / request.hex()
    assert sorted(path.name for path in folder.iterdir()) == ["asked.json", "keys.json"]
    (folder / "keys.json").write_bytes(b"{")
    with pytest.raises(BadFile, match="FILE_HOME_BROKEN"):
        archive.keys(request)


def test_a_nodes_fault_takes_nothing_from_the_others(session: Session) -> None:
    """Values of another type, that cannot be read, or far too long are skipped; the honest ones stay."""
    plan = session.prepare(SQL).plan
    odd = (Literal(Type.INTEGER, 3), Literal(Type.TEXT, "\u202e"), Literal(Type.TEXT, "x" * 600_000))
    honest = tuple(Literal(Type.TEXT, f"clinic {i}") for i in range(30))
    keys = keys_of((odd, honest), plan, session.roster, session.randomness)
    assert set(keys.values[: keys.named]) == set(honest)


def test_the_length_of_what_is_sent_tells_no_number_of_keys(session: Session) -> None:
    plan, sizes = session.prepare(SQL).plan, set[int]()
    for count in range(17):
        values = tuple(Literal(Type.TEXT, f"clinic {i:02}") for i in range(count))
        keys = keys_of((values,), plan, session.roster, session.randomness)
        assert len(keys.values) == 16
        sizes.add(len(keys.body))
    assert max(sizes) - min(sizes) <= 3 and max(sizes) == 4096
