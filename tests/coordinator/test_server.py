"""The gRPC edge: mutual TLS, roles by certificate, codes instead of texts, health, draining. Members are doubles."""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from engine.cli.main import run
from engine.client.calls import Line
from engine.client.health import address_of
from engine.client.open_result import open_result
from engine.coordinator import server
from engine.coordinator.events import Windows
from engine.errors import BadFile, Refused, SplittallyError, Unavailable
from engine.governance.federation import Federation
from engine.trusted import wire
from engine.trusted.home import Home
from engine.trusted.messages import Hello, RequestState
from engine.trusted.records import SignedRecord
from tests.coordinator.members import Double, doubles, make_federation, make_submission
from tests.coordinator.papers import manifest

COUNTS = {"east": (1, 10), "north": (2, 20), "west": (4, 40)}


@dataclass
class Served:
    federation: Federation
    coordinator: server.Coordinator
    members: dict[str, Double]

    def home(self, name: str) -> Home:
        return replace(Home.load(self.federation.home(name)), coordinator=self.coordinator.address)

    def line(self, name: str) -> Line:
        return Line(self.home(name))


def until(holds: Callable[[], bool], seconds: float = 10.0) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.005)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    federation = make_federation(tmp_path_factory.mktemp("federation"), helpers=1)
    home = Home.load(federation.home("coordinator"))
    coordinator = server.start(home, "127.0.0.1:0", windows=Windows(gather=200, ready=300))
    members = doubles(federation, COUNTS)
    channels = [member.dial(coordinator.address) for member in members.values()]
    made = Served(federation, coordinator, members)
    line = made.line("analyst")
    until(lambda: len(line.describe().connected) == len(COUNTS))
    yield made
    line.close()
    for channel in channels:
        channel.close()
    coordinator.stop()


def test_the_address_stands_in_the_home(served: Served) -> None:
    assert (served.federation.home("coordinator") / "address").read_text().strip() == served.coordinator.address


def test_describe_names_nodes_and_snapshots(served: Served) -> None:
    described = served.line("analyst").describe()
    assert [p.node for p in described.connected] == ["east", "north", "west"]
    assert described.connected[0].snapshots[0].snapshot == "east-1"
    assert len(described.agreements) == 1
    assert wire.digest(described.manifest.payload) == wire.digest(wire.encode(served.federation.manifest))


def test_submit_watch_fetch_list(served: Served) -> None:
    line, submission = served.line("analyst"), make_submission(served.federation)
    digest = line.submit(submission).request_digest
    statuses = list(line.watch(digest, 20.0))
    assert statuses[-1].state is RequestState.RELEASED
    home = served.home("analyst")
    opened = open_result(*line.fetch(digest), submission, home.roster(), home.sealing_key())
    assert [c // opened.manifest.calibration.multipliers[0] for c in opened.cells] == [7, 70]
    assert opened.survivors == ("east", "north", "west")
    assert digest in [s.request_digest for s in line.requests(10).requests]


def test_watching_tells_who_has_replied(served: Served) -> None:
    served.members["west"].faults.add("silent")
    line = served.line("analyst")
    digest = line.submit(make_submission(served.federation)).request_digest
    for status in line.watch(digest, 20.0):
        if set(status.replied) == {"east", "north"}:
            break
    assert status.participants == ("east", "north", "west")
    with pytest.raises(Unavailable, match="ROUND_PENDING"):
        list(line.watch(digest, 0.2))
    served.members["west"].faults.clear()


def test_a_certificate_of_another_federation_does_not_connect(served: Served, tmp_path: Path) -> None:
    stranger = Home.load(make_federation(tmp_path).home("analyst"))
    line = Line(replace(stranger, coordinator=served.coordinator.address))
    with pytest.raises(grpc.FutureTimeoutError):
        grpc.channel_ready_future(line._channel).result(timeout=0.5)


def test_nobody_connects_without_a_certificate(served: Served) -> None:
    tls = served.home("analyst").tls()
    credentials = grpc.ssl_channel_credentials(tls.authority)
    options = [("grpc.ssl_target_name_override", "coordinator")]
    with grpc.secure_channel(served.coordinator.address, credentials, options=options) as channel:
        call = channel.unary_unary("/splittally.v1.Reception/Describe")
        with pytest.raises(grpc.RpcError):
            call(b"", timeout=2)


def test_a_member_that_is_no_coordinator_cannot_pass_for_one(served: Served) -> None:
    """The client insists on the name that only the coordinator's certificate carries."""
    tls = served.home("east").tls()
    impostor = grpc.server(server.ThreadPoolExecutor(2))
    credentials = grpc.ssl_server_credentials([(tls.key, tls.certificate)], tls.authority, require_client_auth=True)
    port = impostor.add_secure_port("127.0.0.1:0", credentials)
    impostor.start()
    line = Line(replace(served.home("analyst"), coordinator=f"127.0.0.1:{port}"))
    with pytest.raises(grpc.FutureTimeoutError):
        grpc.channel_ready_future(line._channel).result(timeout=0.5)
    impostor.stop(None)


@pytest.mark.parametrize(
    ("member", "method", "code"),
    [
        ("east", "Describe", "POLICY_CALLER"),
        ("helper-1", "Describe", "POLICY_CALLER"),
        ("policy", "Submit", "POLICY_CALLER"),
        ("guardian-east", "List", "POLICY_CALLER"),
        ("analyst", "Submit", "POLICY_WIRE_INVALID"),
        ("analyst", "Queue", "POLICY_CALLER"),
        ("east", "Queue", "POLICY_CALLER"),
        ("guardian-east", "Queue", "POLICY_WIRE_INVALID"),
        ("east", "Hand", "POLICY_CALLER"),
        ("coordinator", "Hand", "POLICY_CALLER"),
        ("guardian-east", "Hand", "POLICY_WIRE_INVALID"),
        ("analyst", "Hand", "POLICY_WIRE_INVALID"),
    ],
)
def test_who_may_call_what(served: Served, member: str, method: str, code: str) -> None:
    channel = served.line(member)._channel
    with pytest.raises(grpc.RpcError) as caught:
        channel.unary_unary(f"/splittally.v1.Reception/{method}")(b"\x01junk", timeout=5)
    assert caught.value.details() == code


@pytest.mark.parametrize("caller", ["analyst", "guardian-east"])
def test_people_do_not_attend(served: Served, caller: str) -> None:
    double = Double(served.federation, caller)
    with double.dial(served.coordinator.address):
        until(lambda: double.ended is not None)
    assert double.ended == "POLICY_CALLER"


def test_a_node_cannot_attend_as_another(served: Served) -> None:
    west = Double(served.federation, "west", (1, 1))
    hello = replace(Double(served.federation, "east", (1, 1)).hello())
    with west.dial(served.coordinator.address, hello):
        until(lambda: west.ended is not None)
    assert west.ended == "POLICY_RECORD_INVALID"


def test_an_unforeseen_failure_leaves_as_a_code(
    served: Served, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("canary: text of a library")

    monkeypatch.setattr("engine.coordinator.reception.Reception.describe", fail)
    channel = served.line("analyst")._channel
    with caplog.at_level(logging.DEBUG), pytest.raises(grpc.RpcError) as caught:
        channel.unary_unary("/splittally.v1.Reception/Describe")(b"", timeout=5)
    assert caught.value.details() == "BUG_UNEXPECTED"
    assert "canary" not in caplog.text


def test_health(served: Served) -> None:
    stub = health_pb2_grpc.HealthStub(served.line("east")._channel)
    assert stub.Check(health_pb2.HealthCheckRequest(), timeout=5).status == health_pb2.HealthCheckResponse.SERVING


def test_a_monitor_is_told_who_attends(
    served: Served, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def asked(group: str, name: str, *options: str) -> tuple[int, dict[str, Any]]:
        address = () if name == "coordinator" else ("--coordinator", served.coordinator.address)
        home = str(served.federation.home(name))
        status = run([group, "health", "--home", home, "--json", *address, *options])
        return status, json.loads(capsys.readouterr().out)

    there = {"healthy": True, "coordinator": served.coordinator.address}
    for name in ("east", "helper-1"):
        assert asked("node", name) == (0, {"name": name, **there})
    for name in ("coordinator", "analyst"):
        assert asked("coordinator", name) == (0, {"name": "coordinator", **there})
    status, said = asked("node", "analyst")  # a member that never attends
    assert (status, said["healthy"], said["error"]["code"]) == (1, False, "NODE_NOT_ATTENDING")
    served.coordinator._health.set("", health_pb2.HealthCheckResponse.NOT_SERVING)
    status, said = asked("coordinator", "east")
    served.coordinator._health.set("", health_pb2.HealthCheckResponse.SERVING)
    assert (status, said["healthy"], said["error"]["code"]) == (1, False, "NODE_COORDINATOR_STOPPING")
    monkeypatch.setattr("engine.client.health.PATIENCE_SECONDS", 0.3)
    status, said = asked("node", "east", "--coordinator", "127.0.0.1:9")
    assert (status, said["healthy"], said["error"]["code"]) == (1, False, "NODE_UNREACHABLE")


def test_an_address_that_is_taken(served: Served, tmp_path: Path) -> None:
    home = Home.load(make_federation(tmp_path).home("coordinator"))
    with pytest.raises(Unavailable, match="NODE_ADDRESS_TAKEN"):
        server.start(home, served.coordinator.address)


def test_nobody_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.client.calls.PATIENCE_SECONDS", 0.3)
    home = replace(Home.load(make_federation(tmp_path).home("analyst")), coordinator="127.0.0.1:9")
    with pytest.raises(Unavailable, match="NODE_UNREACHABLE"):
        Line(home).describe()


@pytest.mark.parametrize("text", [b"\xff\xfe", None], ids=["rubbish", "a folder"])
def test_an_address_that_cannot_be_read_is_said(tmp_path: Path, text: bytes | None) -> None:
    home = Home.load(make_federation(tmp_path).home("coordinator"))
    place = home.path / "address"
    place.write_bytes(text) if text else place.mkdir()
    with pytest.raises(BadFile, match="FILE_HOME_BROKEN"):
        address_of(home)


def test_stopping_lets_a_request_under_way_end(tmp_path: Path) -> None:
    federation = make_federation(tmp_path, helpers=1)
    coordinator = server.start(Home.load(federation.home("coordinator")), "127.0.0.1:0")
    served = Served(federation, coordinator, doubles(federation, COUNTS))
    channels = [member.dial(coordinator.address) for member in served.members.values()]
    line = served.line("analyst")
    until(lambda: len(line.describe().connected) == len(COUNTS))
    digest = line.submit(make_submission(federation)).request_digest
    coordinator.stop()
    again = server.start(Home.load(federation.home("coordinator")), coordinator.address)
    line.await_ready(5.0)
    assert list(line.watch(digest, 5.0))[-1].state is RequestState.RELEASED
    for channel in channels:
        channel.close()
    again.stop()


def test_a_hello_without_the_members_own_head(served: Served) -> None:
    north = Double(served.federation, "north", (1, 1))
    hello: Hello = replace(north.hello(), head=Double(served.federation, "east", (1, 1)).head)
    with north.dial(served.coordinator.address, hello):
        until(lambda: north.ended is not None)
    assert north.ended == "POLICY_RECORD_INVALID"


def test_refusals_reach_the_analyst_as_their_errors(served: Served) -> None:
    with pytest.raises(Refused, match="POLICY_N_MIN") as caught:
        served.line("analyst").submit(make_submission(served.federation, n_min=1))
    assert isinstance(caught.value, SplittallyError)


def test_whoever_is_no_longer_in_the_manifest_is_refused(tmp_path: Path) -> None:
    """By the coordinator as it runs: its roster follows the manifest that a guardian hands in."""
    federation = make_federation(tmp_path, helpers=1)
    coordinator = server.start(Home.load(federation.home("coordinator")), "127.0.0.1:0")
    served = Served(federation, coordinator, {})
    lines = {name: served.line(name) for name in ("guardian-east", "analyst", "other")}
    west = Double(federation, "west", (1, 1))
    with west.dial(coordinator.address):
        until(lambda: len(lines["other"].describe().connected) == 1)
        left = tuple(m for m in federation.manifest.members if m.name not in ("other", "helper-1"))
        lines["guardian-east"].hand(manifest(federation, members=left))
        assert lines["analyst"].describe().manifest == Home.load(federation.home("coordinator")).manifest_record()
        with pytest.raises(Refused, match="POLICY_UNKNOWN_MEMBER"):
            lines["other"].describe()
        until(lambda: any(isinstance(m, SignedRecord) for m in west.seen))
        gone = Double(federation, "helper-1")
        with gone.dial(coordinator.address):
            until(lambda: gone.ended is not None)
        assert gone.ended == "POLICY_UNKNOWN_MEMBER"
    for line in lines.values():
        line.close()
    coordinator.stop()


def test_the_command_ends_with_the_exit_status_of_its_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from engine.coordinator.__main__ import main

    monkeypatch.setattr("sys.argv", ["coordinator", "--home", "/nonexistent"])
    assert main() == 2
    assert capsys.readouterr().err.startswith("FILE_HOME_MISSING")


def test_a_store_that_is_not_there_is_told_without_its_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    from engine.coordinator.__main__ import main

    monkeypatch.setattr("sys.argv", ["coordinator", "--home", str(make_federation(tmp_path).home("coordinator"))])
    monkeypatch.setattr("signal.signal", lambda *_: None)
    for url, status in (("postgresql://u:canary@127.0.0.1:9/store", 5), ("mysql://u:canary@h/store", 2)):
        monkeypatch.setenv("SPLITTALLY_STORE", url)
        assert main() == status
    out, err = capfd.readouterr()
    codes = [line.split(":")[0] for line in err.splitlines()]
    assert [code for code in codes if "_" in code and code.isupper()] == ["NODE_STORE_FAILED", "FILE_STORE_URL"]
    assert "canary" not in out + err


def test_the_command_hands_a_store_on_where_no_other_user_reads_it(monkeypatch: pytest.MonkeyPatch) -> None:
    from engine.cli.main import run

    called: list[list[str]] = []
    monkeypatch.setenv("SPLITTALLY_STORE", "")
    monkeypatch.setattr("os.execv", lambda _, arguments: called.append(arguments))
    run(["coordinator", "--home", "x", "--store", "postgresql://u:canary@h/d"])
    assert os.environ["SPLITTALLY_STORE"].endswith("canary@h/d")
    assert "canary" not in " ".join(called[0])


def collected(line: Line, member: str) -> list[bytes]:
    """The entries that the coordinator holds of a member; none before it has any."""
    try:
        return list(line.journal(member)[1])
    except Unavailable:
        return []


def test_a_coordinator_on_postgresql_releases_restarts_and_tells(tmp_path: Path, server_url: str) -> None:
    """The whole of it: a request, its release, its journal; and all of them again after a restart."""
    federation = make_federation(tmp_path, helpers=1)
    home = Home.load(federation.home("coordinator"))
    coordinator = server.start(home, "127.0.0.1:0", store=server_url)
    served = Served(federation, coordinator, doubles(federation, COUNTS))
    channels = [member.dial(coordinator.address) for member in served.members.values()]
    line, north = served.line("analyst"), served.members["north"]
    try:
        until(lambda: len(line.describe().connected) == len(COUNTS))
        digests = [line.submit(make_submission(federation)).request_digest for _ in range(4)]
        for digest in digests:
            assert list(line.watch(digest, 20.0))[-1].state is RequestState.RELEASED
        told = line.journal("coordinator")
        until(lambda: collected(line, "north") == north.journal)
        assert not home.state_path.exists()
        coordinator.stop()
        coordinator = server.start(home, coordinator.address, store=server_url)
        line.await_ready(5.0)
        assert {s.request_digest for s in line.requests(10).requests} == set(digests)
        assert line.fetch(digests[0])[0].survivors == ("east", "north", "west")
        assert line.journal("coordinator")[1] == told[1]
        assert len(told[1]) == 9  # the agreement, then two entries a request
    finally:
        for channel in channels:
            channel.close()
        coordinator.stop()
