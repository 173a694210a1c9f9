"""Faults, on real processes with real TLS and kill -9: each ends in the honest answer or a clear refusal, in time.

After every test each member's journal is opened by the node's own code and checked: one charge a round at most, no
reply without a charge, none lost, totals that are the sum of the charges.
"""

from __future__ import annotations

import os
import signal
import struct
import sys
from base64 import b64encode
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import grpc
import pytest

from engine.cli.main import run
from engine.client.calls import Line
from engine.coordinator.cases import RESTART_GATHER
from engine.errors import Refused, SplittallyError, Unavailable
from engine.governance.federation import found
from engine.local.federation import ANALYST
from engine.trusted import wire
from engine.trusted.clock import SystemClock
from engine.trusted.home import Home, Tls
from engine.trusted.messages import FromNode, Hello, OpenRound, RequestState, ToNode
from engine.trusted.random import SystemRandomness
from engine.trusted.records import JournalHead, JournalKind, SignedRecord
from engine.trusted.sign import open_answer, sign_head
from nodes.server import BACKOFF_MOST, METHOD, dial
from tests.processes.faults_fleet import (
    CANARY_PERSON,
    CANARY_VALUE,
    DEADLINE,
    HELPER,
    MEMBERS,
    NODES,
    Fleet,
    charged_once,
    check_answer,
    digest_of,
    replied,
    until,
)
from tests.processes.faults_rogue import SILENT, Rogue, lying

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="finds the engines of a node in /proc")
SLACK = 6.0  # seconds beside the windows of a round, for machines that are busy


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    with Fleet(tmp_path_factory.mktemp("faults")) as fleet:
        yield fleet
        fleet.resume()


@pytest.fixture
def fleet(running: Fleet) -> Iterator[Fleet]:
    running.restore()
    yield running
    running.resume()
    running.check_books()


def others(*names: str) -> set[str]:
    return set(NODES) - set(names)


def refusal(act: Callable[[], object]) -> str:
    with pytest.raises(SplittallyError) as caught:
        act()
    assert isinstance(caught.value, Refused | Unavailable)
    assert caught.value.message
    assert caught.value.hint
    return caught.value.code


# -- nodes


def test_one_of_five_killed_before_it_sends_leaves_the_answer_over_four(fleet: Fleet) -> None:
    with fleet.held(n_min=4) as (query, manifest):
        victim = next(n for n in NODES if n not in manifest.helpers)
        fleet.kill(victim)
        fleet.resume()
        check_answer(query.wait(timeout=DEADLINE + SLACK), others(victim))
        assert fleet.charges(query) == charged_once(*NODES)
    fleet.begin(victim)  # what was charged and never sent stays charged, and is never computed again
    assert fleet.book(victim).rounds(JournalKind.REPLIED, digest_of(query)) == []


def test_one_of_five_killed_where_all_must_answer_is_refused(fleet: Fleet) -> None:
    with fleet.held(n_min=5) as (query, manifest):
        fleet.kill(next(n for n in NODES if n not in manifest.helpers))
        fleet.resume()
        assert refusal(lambda: query.wait(timeout=DEADLINE + SLACK)) == "ROUND_TOO_FEW_NODES"
        assert fleet.charges(query) == charged_once(*NODES)


def test_a_node_killed_after_it_sent_is_in_the_answer(fleet: Fleet) -> None:
    with fleet.held(n_min=5) as (query, manifest):
        victim, late, *_ = (n for n in NODES if n not in manifest.helpers)
        fleet.resume(*others(late))
        replied(query, others(late))
        fleet.kill(victim)
        fleet.resume(late)
        check_answer(query.wait(timeout=DEADLINE + SLACK), set(NODES))
        assert fleet.charges(query) == charged_once(*NODES)


def test_a_silent_node_is_waited_for_until_the_deadline(fleet: Fleet) -> None:
    with fleet.held(n_min=5) as (query, manifest):
        silent = next(n for n in NODES if n not in manifest.helpers)
        os.kill(fleet.child(silent).process.pid, signal.SIGSTOP)
        fleet.resume(*others(silent))
        assert refusal(lambda: query.wait(timeout=DEADLINE + SLACK)) == "ROUND_DEADLINE"


def test_a_killed_engine_costs_its_node_the_round_and_no_more(fleet: Fleet) -> None:
    with fleet.held(n_min=4) as (query, _):
        for engine in fleet.engines("eve"):
            os.kill(engine, signal.SIGKILL)
        fleet.resume()
        check_answer(query.wait(timeout=DEADLINE + SLACK), others("eve"))
        assert fleet.charges(query) == charged_once(*NODES)
    assert fleet.book("eve").codes()[-1] == "NODE_SOURCE_FAILED"
    with fleet.session() as session:  # and the next question is answered by all
        check_answer(fleet.question(session, n_min=5).wait(timeout=DEADLINE + SLACK), set(NODES))


def test_too_few_nodes_are_refused_before_anybody_is_charged(fleet: Fleet) -> None:
    fleet.kill("dev", "eve")
    with fleet.session() as session:
        query = fleet.question(session, n_min=4)
        assert refusal(lambda: query.wait(timeout=DEADLINE + SLACK)) == "ROUND_TOO_FEW_NODES"
        assert not +fleet.charges(query)


# -- helpers


def test_a_killed_helper_is_replaced_in_a_second_attempt(fleet: Fleet) -> None:
    with fleet.held(n_min=4) as (query, manifest):
        victim = manifest.helpers[0]
        fleet.kill(victim)
        fleet.resume()
        check_answer(query.wait(timeout=2 * DEADLINE + SLACK), others(victim))
        second = fleet.round(digest_of(query), attempt=2)
        assert victim not in second.helpers
        assert len(second.helpers) == 2
        assert fleet.charges(query) == charged_once(*NODES, *others(victim))


def test_a_killed_helper_that_nobody_replaces_is_a_refusal(fleet: Fleet) -> None:
    with fleet.held(dataset="lone") as (query, _):
        gone = [name for name in MEMBERS if name != "ada"]
        for name in gone:  # none of them may say a word while the others die
            os.kill(fleet.child(name).process.pid, signal.SIGSTOP)
        fleet.kill(*gone)
        assert refusal(lambda: query.wait(timeout=DEADLINE + SLACK)) == "ROUND_TOO_FEW_HELPERS"
        assert fleet.charges(query) == charged_once("ada")


# -- the coordinator


def test_a_coordinator_killed_mid_round_goes_on_where_it_was(fleet: Fleet) -> None:
    with fleet.held(n_min=5) as (query, first):
        fleet.kill("coordinator")
        fleet.resume()
        fleet.begin("coordinator")
        check_answer(query.wait(timeout=RESTART_GATHER / 1e3 + SLACK), set(NODES))
        second = fleet.round(digest_of(query), attempt=2)
        assert (first.attempt, second.attempt) == (1, 2)
        assert fleet.charges(query) == charged_once(*NODES, *NODES)
    codes = fleet.stored("SELECT code FROM rounds WHERE request = ? ORDER BY attempt", digest_of(query))
    assert codes == [("ROUND_COORDINATOR_RESTARTED",), ("",)]


def test_a_restarted_coordinator_waits_longer_than_any_node_pauses() -> None:
    assert RESTART_GATHER > 1e3 * BACKOFF_MOST


def test_a_replayed_request_is_the_same_request(fleet: Fleet) -> None:
    with fleet.held(n_min=5) as (query, _):
        assert query.asked is not None
        submission, session = query.asked.submission, query.session
        assert session.line.submit(submission).state is RequestState.RUNNING
        fleet.resume()
        release = query.wait(timeout=DEADLINE + SLACK)
        assert session.line.submit(submission).state is RequestState.RELEASED
        with fleet.session("other") as other:
            assert refusal(lambda: other.line.submit(submission)) == "POLICY_CALLER"
            assert refusal(lambda: other.line.fetch(digest_of(query))) == "POLICY_REQUEST_UNKNOWN"
        fleet.kill("coordinator")
        fleet.restore()
        session.line.await_ready(None)
        assert session.line.submit(submission).state is RequestState.RELEASED
        session.fetch(query.asked)
        assert session.result(release.request_id).answer.rows == release.answer.rows
        assert fleet.charges(query) == charged_once(*NODES)


# -- a coordinator that lies


def test_the_same_manifest_again_gives_the_same_bytes_and_other_manifests_end_with_the_attempts(fleet: Fleet) -> None:
    with lying(fleet, n_min=5) as (rogue, query, submission):
        manifests = [rogue.manifest(submission, ("eve", HELPER)) for _ in range(3)]
        first, second, third = (rogue.open(manifest, *NODES) for manifest in manifests)
        assert all(isinstance(answer, tuple) for answer in (*first.values(), *second.values()))
        assert third == dict.fromkeys(NODES, "POLICY_ATTEMPTS_EXHAUSTED")
        assert rogue.open(manifests[0], *NODES) == first
        assert rogue.open(manifests[2], "ada") == {"ada": "POLICY_ATTEMPTS_EXHAUSTED"}
        assert fleet.charges(query) == charged_once(*NODES, *NODES)


def test_a_node_that_was_killed_answers_as_before_or_not_at_all(fleet: Fleet) -> None:
    with lying(fleet, n_min=5) as (rogue, query, submission):
        manifest = rogue.manifest(submission, ("eve", HELPER))
        fleet.stop_engines("ben")
        rogue.tell("ben", OpenRound(manifest))
        until("charge", lambda: fleet.charges(query)["ben"])
        sent = rogue.open(manifest, "ada")
        fleet.kill("ada", "ben")
        rogue.restart(fleet, "ada", "ben")
        assert rogue.open(manifest, "ada", "ben") == {**sent, "ben": "NODE_ROUND_LOST"}
        assert fleet.charges(query) == charged_once("ada", "ben")
    assert fleet.book("ben").rounds(JournalKind.REPLIED, digest_of(query)) == []


def test_a_helper_answers_once_about_a_round_for_ever(fleet: Fleet) -> None:
    with lying(fleet, n_min=4) as (rogue, query, submission):
        manifest = rogue.manifest(submission, ("ada", HELPER))
        answers = rogue.open(manifest, *NODES, HELPER).values()
        five, round_ = [answer[1] for answer in answers if isinstance(answer, tuple)], wire.digest(manifest)
        assert len(five) == 5
        assert rogue.ask(HELPER, round_, five[:3]) == "ROUND_TOO_FEW_NODES"
        answer = rogue.ask(HELPER, round_, five)
        assert isinstance(answer, SignedRecord)
        assert open_answer(answer, fleet.home(HELPER).roster()).survivors == NODES
        assert rogue.ask(HELPER, round_, five) == "POLICY_ROUND_ANSWERED"
        assert rogue.ask(HELPER, round_, five[:4]) == "POLICY_ROUND_ANSWERED"
        fleet.kill(HELPER)
        rogue.restart(fleet, HELPER)
        rogue.open(manifest, HELPER)
        assert rogue.ask(HELPER, round_, five[:4]) in SILENT
    assert fleet.book(HELPER).rounds(JournalKind.ANSWERED_AS_HELPER, digest_of(query)) == [round_]


# -- certificates


def attend(address: str, tls: Tls, hello: Hello) -> str:
    """How the coordinator ends a stream: its code, or the status of a connection that was never made."""
    with dial(address, tls) as channel:
        try:
            for payload in channel.stream_stream(METHOD)(iter([wire.encode(hello, FromNode)]), timeout=5):
                return type(wire.decode(ToNode, payload)).__name__
        except grpc.RpcError as error:
            code = str(error.details())
            return code if code.startswith("POLICY_") else str(error.code().name)
    return "nothing"


def hello_of(home: Home) -> Hello:
    head = sign_head(JournalHead(home.name, 0, bytes(32), bytes(32)), home.signing_key())
    return Hello(1, home.name, 1, (), head)


def test_certificates_of_others_open_nothing(
    fleet: Fleet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock, randomness = SystemClock(), SystemRandomness()
    foreign = found(tmp_path / "foreign", fleet.catalogue, clock=clock, randomness=randomness)
    own = {name: fleet.home(name) for name in ("ada", "ben", ANALYST, HELPER)}
    address, hello = own["ada"].coordinator, hello_of(own["ada"])
    strange = {name: Home.load(foreign.home(name)).tls() for name in ("ada", "coordinator")}
    assert attend(address, strange["ada"], hello) == "UNAVAILABLE"  # another authority
    assert attend(address, own[ANALYST].tls(), hello) == "POLICY_CALLER"  # an analyst as a node
    assert attend(address, own[ANALYST].tls(), hello_of(own[ANALYST])) == "POLICY_CALLER"
    assert attend(address, own["ben"].tls(), hello) == "POLICY_RECORD_INVALID"  # one node as another
    for tls in (strange["coordinator"], own["ben"].tls()):  # no node speaks to them: another authority, no coordinator
        with Rogue("127.0.0.1:0", tls, own["ada"].roster()) as rogue:
            assert attend(f"127.0.0.1:{rogue.port}", own["ada"].tls(), hello) == "UNAVAILABLE"
            assert not rogue.hellos
    monkeypatch.setattr("engine.client.calls.PATIENCE_SECONDS", 2.0)
    outsider = replace(Home.load(foreign.home(ANALYST)), coordinator=address)
    assert refusal(Line(outsider).describe) == "NODE_UNREACHABLE"
    with fleet.session() as session:
        query = fleet.question(session)
        for name in ("ada", HELPER):  # a node, a helper as an analyst
            assert refusal(Line(own[name]).describe) == "POLICY_CALLER"
            assert run(["submit", "--home", str(own[name].path), query.statement.sql]) == 3
            assert "POLICY_CALLER" in capsys.readouterr().err
    for name in MEMBERS:
        assert fleet.attending(name)


# -- what must show nowhere


def needles(fleet: Fleet) -> list[bytes]:
    """Values planted in data, and every member's keys, in each form in which they might slip out."""
    found = [CANARY_PERSON.encode(), str(CANARY_VALUE).encode(), struct.pack("<d", CANARY_VALUE)]
    found.append(round(CANARY_VALUE * 100).to_bytes(8, "little"))
    for name in fleet.federation.members:
        keys = fleet.home(name).path / "keys"
        for file in sorted(keys.glob("*.key")):
            raw = file.read_bytes()
            secrets = raw.splitlines()[1:-1] if raw.startswith(b"-----") else [raw, raw.hex().encode(), b64encode(raw)]
            found += [secret for secret in secrets if len(secret) > 20]
    return found


def found_in(needles: list[bytes], haystacks: dict[str, bytes]) -> list[str]:
    return [name for name, hay in haystacks.items() if any(needle in hay for needle in needles)]


def files(*paths: Path) -> dict[str, bytes]:
    return {
        str(p): p.read_bytes() for path in paths for p in (path.rglob("*") if path.is_dir() else [path]) if p.is_file()
    }


def test_no_value_no_key_and_no_word_of_an_engine_shows_anywhere(
    fleet: Fleet, capfd: pytest.CaptureFixture[str]
) -> None:
    home = fleet.home("eve")
    source, record = fleet.bindings["eve"] / "people.csv", home.path / "snapshots" / "people.json"
    analyst = ["submit", "--home", str(fleet.home(ANALYST).path), "--epsilon", "4"]
    sql = "SELECT region, SUM(income) AS total FROM people WHERE income < {} GROUP BY region"
    assert run([*analyst, sql.format(90_001)]) == run([*analyst, "--json", sql.format(90_002)]) == 0
    # a snapshot that breaks under its engine, and words in it that the engine would repeat
    snapshot = next(record.parent.glob("people-*.duckdb"))
    snapshot.write_bytes(CANARY_PERSON.encode() * 10_000)
    for engine in fleet.engines("eve"):
        os.kill(engine, signal.SIGKILL)
    assert run([*analyst, "--n-min", "5", sql.format(90_003)]) == 5
    # a file that cannot be read when a snapshot is cut
    fleet.kill("eve")
    record.unlink()
    good = source.read_bytes()
    source.write_bytes(good + f'"{CANARY_PERSON}\xff'.encode("latin-1"))
    fleet.begin("eve")
    until("eve gives up", lambda: fleet.child("eve").stopped)
    assert fleet.child("eve").process.returncode == 2
    assert "FILE_SOURCE_UNREADABLE" in fleet.child("eve").log.read_text()
    source.write_bytes(good)
    captured = capfd.readouterr()
    said = {"output": captured.out.encode(), "errors": captured.err.encode()}
    assert "NODE_SOURCE_FAILED" in captured.err
    coordinator = fleet.home("coordinator").path
    logs = files(*fleet.directory.glob("*.log"), *coordinator.glob("state.db*"))
    assert len(logs) > len(MEMBERS)
    kept = files(fleet.home(ANALYST).path / "requests")
    secret = needles(fleet)
    assert found_in(secret, {**said, **logs, **kept}) == []
    assert found_in(secret[:1], files(source)) and found_in(secret[4:], files(home.path / "keys"))  # it can find


# -- everything at once


def test_ledgers_outlive_a_kill_of_everything(fleet: Fleet) -> None:
    with fleet.held(n_min=5) as (query, _):
        fleet.kill("coordinator", *MEMBERS)
        assert fleet.charges(query) == charged_once(*NODES)
        fleet.check_books()
        fleet.restore()  # and the request goes on
        check_answer(query.wait(timeout=RESTART_GATHER / 1e3 + SLACK), set(NODES))
        assert fleet.charges(query) == charged_once(*NODES, *NODES)
