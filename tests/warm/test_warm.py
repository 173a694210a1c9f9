"""A forked program is a process like any other: what the kernel and its parent see of it is what they see of one that
was started by exec."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import wraps
from pathlib import Path
from typing import Any

import pytest

from engine.catalogue.load import parse_catalogue
from engine.governance.federation import found
from engine.trusted.clock import SystemClock
from engine.trusted.random import SystemRandomness
from tests.processes.test_children import gone
from tests.warm.ask import EXECUTED, HERE, ROOT, TIED, WarmPopen, the_line

pytestmark = pytest.mark.skipif(not HERE, reason="Linux can put a process under another parent")
CATALOGUE = """
federation: warm
datasets:
  people:
    hosts: [north]
    person: person_id
    overlap: 1
    rows_per_person: 1
    at_most: {persons: 10_000, rows: 10_000}
    columns: {person_id: {type: text}}
"""
SEEN = ("SigBlk", "SigIgn", "SigCgt", "NoNewPrivs", "Seccomp", "CapEff")  # of /proc/PID/status
PARENT = """
import subprocess, sys, time
from pathlib import Path
from engine.local.children import start
from tests.warm.ask import WarmPopen

subprocess.Popen = WarmPopen
child = start("helper", "nodes", sys.argv[2:], Path(sys.argv[1]))
print(child.process.pid, WarmPopen.line._server.pid, flush=True)
time.sleep(60)
"""
SECONDS = 20.0


def until(happened: Callable[[], object]) -> None:
    end = time.monotonic() + SECONDS
    while not happened():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.fixture(scope="module")
def helper(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The arguments of a member that runs without a coordinator."""
    catalogue = parse_catalogue(CATALOGUE, "catalogue.yaml")
    folder = tmp_path_factory.mktemp("warm")
    federation = found(folder, catalogue, clock=SystemClock(), randomness=SystemRandomness(), helpers=1)
    return ["--home", str(federation.home("helper-1")), "--coordinator", "127.0.0.1:9"]


def seen(process: subprocess.Popen[Any]) -> dict[str, object]:
    """What the kernel tells of a process."""
    place = Path(f"/proc/{process.pid}")
    state = dict(line.split(":", 1) for line in (place / "status").read_text().splitlines())
    parent, group, session = (place / "stat").read_text().rpartition(")")[2].split()[1:4]
    files = sorted(str(file.readlink()).split(":")[0] for file in (place / "fd").iterdir() if int(file.name) < 3)
    own = {name: int(said) == process.pid for name, said in (("group", group), ("session", session))}
    told = {name: state[name].strip() for name in SEEN}
    limits, folder = (place / "limits").read_text(), str((place / "cwd").readlink())
    return {"parent": int(parent), "files": files, "limits": limits, "folder": folder, **own, **told}


@pytest.fixture(params=[EXECUTED, WarmPopen], ids=["exec", "fork"])
def begins(request: pytest.FixtureRequest, helper: list[str]) -> Iterator[Callable[..., subprocess.Popen[Any]]]:
    """Starts the member; returns when it has dialled."""
    running: list[subprocess.Popen[Any]] = []

    def begin(**options: Any) -> subprocess.Popen[Any]:
        command = [sys.executable, "-m", "nodes", *helper]
        child = request.param(command, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True, cwd=ROOT, **options)
        running.append(child)
        assert json.loads(child.stderr.readline())["event"] == "line_lost"
        return child

    yield begin
    for child in running:
        child.kill()
        child.communicate()


def test_the_kernel_sees_the_same(helper: list[str], tmp_path: Path) -> None:
    told = []
    for make in (EXECUTED, WarmPopen):
        with make(
            [sys.executable, "-m", "nodes", *helper],
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            text=True,
            cwd=tmp_path,
            start_new_session=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        ) as child:
            child.stderr.readline()
            told.append(seen(child))
            child.kill()
    assert told[0] == told[1]
    assert told[1]["parent"] == os.getpid()
    assert told[1]["session"] is True


def test_it_stops_when_it_is_asked_to(begins: Callable[..., subprocess.Popen[Any]]) -> None:
    child = begins()
    assert os.getsid(child.pid) == os.getsid(0)
    child.terminate()
    _, log = child.communicate(timeout=SECONDS)
    assert child.returncode == 0
    assert json.loads(log.splitlines()[-1])["event"] == "stopped"


def test_it_is_killed_at_once(begins: Callable[..., subprocess.Popen[Any]]) -> None:
    child = begins(start_new_session=True)
    os.killpg(child.pid, signal.SIGKILL)
    assert child.wait(SECONDS) == -signal.SIGKILL
    with pytest.raises(ProcessLookupError):
        os.kill(child.pid, 0)


@pytest.mark.parametrize("make", [EXECUTED, WarmPopen], ids=["exec", "fork"])
@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["engine.cli.main", "--version"], 0, "splittally "),
        (["engine.cli.main", "node", "run", "--home", "nowhere"], 2, "FILE_HOME_MISSING"),
        (["engine.coordinator", "--home", "nowhere"], 2, "FILE_HOME_MISSING"),
        (["engine.coordinator"], 2, "usage: python -m engine.coordinator"),
        (["nodes"], 2, "usage: python -m nodes"),
        (["engine.cli.main", "check", "-", "--catalog", "c.yaml"], 3, "SQL_"),
    ],
)
def test_a_status_and_what_is_printed(make: Any, words: list[str], status: int, said: str, tmp_path: Path) -> None:
    """`node run` becomes another program on its way."""
    (tmp_path / "c.yaml").write_text(CATALOGUE)
    child = make(
        [sys.executable, "-m", *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    printed, _ = child.communicate("SELECT person_id FROM people", timeout=60)
    assert (child.returncode, said in printed) == (status, True), printed


def test_a_tied_one_ends_with_its_parent(helper: list[str], tmp_path: Path) -> None:
    script = [sys.executable, "-c", PARENT, str(tmp_path / "log"), *helper]
    with subprocess.Popen(script, stdout=subprocess.PIPE, cwd=ROOT, text=True) as parent:
        assert parent.stdout is not None
        child, server = map(int, parent.stdout.readline().split())
        until(lambda: "line_lost" in (tmp_path / "log").read_text())
        assert not gone(child)
        parent.kill()
        until(lambda: gone(child) and gone(server))
    assert '"stopped"' in (tmp_path / "log").read_text()


def test_forks_draw_other_random_bits(tmp_path: Path) -> None:
    """Keys are made of them."""
    (tmp_path / "c.yaml").write_text(CATALOGUE)
    command = [sys.executable, "-m", "engine.cli.main", "federation", "init", "--catalog", "c.yaml"]
    forks = [WarmPopen([*command, name], cwd=tmp_path, stdout=subprocess.DEVNULL) for name in ("one", "two")]
    assert [fork.wait(SECONDS) for fork in forks] == [0, 0]
    keys = [
        {file.name: file.read_bytes() for file in (tmp_path / name / "north/keys").iterdir()} for name in ("one", "two")
    ]
    assert keys[0].keys() == keys[1].keys()
    assert all(keys[0][name] != keys[1][name] for name in keys[0])


@pytest.mark.parametrize(
    ("words", "options"),
    [
        (["-m", "nodes.sources.worker"], {}),
        (["-P", "-m", "nodes"], {}),
        (["-m", "http.server", "--help"], {}),
        (["-I", "-S", "-c", "pass", "1", sys.executable, "-m", "nodes"], {}),
        (["-m", "nodes"], {"preexec_fn": lambda: None}),
        (["-m", "nodes"], {"close_fds": False}),
        (["-m", "nodes"], {"process_group": 0}),
        (["-m", "nodes"], {"env": {**os.environ, "PYTHONHASHSEED": "1"}}),
        (["-m", "nodes"], {"env": {**os.environ, "LC_ALL": "C"}}),
        (["-m", "nodes"], {"executable": sys.executable}),
    ],
)
def test_whatever_is_not_the_usual_is_executed(
    words: list[str], options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def ends(word: str) -> Callable[..., None]:
        def end(*_: object, **__: object) -> None:
            raise InterruptedError(word)

        return end

    monkeypatch.setattr(the_line(), "ask", ends("forked"))
    monkeypatch.setattr(EXECUTED, "_execute_child", wraps(EXECUTED._execute_child)(ends("executed")))  # type: ignore[attr-defined]
    with pytest.raises(InterruptedError, match="executed"):
        WarmPopen([sys.executable, *words], **options)
    tied = ["-I", "-S", "-c", TIED, str(os.getpid()), sys.executable, "-m", "nodes"]
    for usual in (["-m", "nodes", "--home", "x"], tied):
        with pytest.raises(InterruptedError, match="forked"):
            WarmPopen([sys.executable, *usual])
