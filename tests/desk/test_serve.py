"""The process: what it listens on, how it ends, and what is said when it cannot begin."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx2
import pytest
import uvicorn
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from engine.cli.main import run
from engine.desk import idle, serve
from engine.desk.desk import Desk
from engine.desk.doorway import Doorway
from engine.errors import BadFile
from engine.trusted.clock import SystemClock
from engine.trusted.home import Home
from engine.trusted.random import SystemRandomness
from tests.client.conftest import Bench
from tests.desk.conftest import Browser

ROOT = Path(__file__).resolve().parents[2]


def test_the_command_serves_this_machine_alone_until_it_is_stopped(bench: Bench) -> None:
    command = [sys.executable, "-m", "engine.cli.main", "desk", "--home", str(bench.home("guardian-east").path)]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONPATH": str(ROOT)}
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    try:
        assert child.stdout is not None
        said = child.stdout.readline() + child.stdout.readline()
        assert "guardian-east, guardian" in said
        found = re.search(r"http://127\.0\.0\.1:(\d+)/desk-\w+/\?token=\w+", said)
        assert found is not None
        with httpx2.Client(timeout=60) as client:
            assert client.get(found.group()).status_code == 200
            assert "Guardian&#39;s desk" in client.get(found.group().partition("?")[0]).text
        assert listening(int(found.group(1))) == {"0100007F"}  # 127.0.0.1, as the kernel writes it
    finally:
        child.send_signal(signal.SIGTERM)
        assert child.wait(60) in (0, -signal.SIGTERM)
        child.stdout.close()  # type: ignore[union-attr]


@contextmanager
def opening(home: Path, folder: Path) -> Iterator[tuple[subprocess.Popen[str], list[str]]]:
    """`desk --open` of somebody whose browser only writes down what it is called with; these arguments."""
    browser, called = folder / "browser.sh", folder / "called"
    browser.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > {called}\n')
    browser.chmod(0o700)
    command = [sys.executable, "-m", "engine.cli.main", "desk", "--open", "--no-flight", "--home", str(home)]
    own = {"PYTHONUNBUFFERED": "1", "PYTHONPATH": str(ROOT), "HOME": str(folder), "BROWSER": f"{browser} %s"}
    options: dict[str, Any] = {"stdout": subprocess.PIPE, "text": True, "env": {**os.environ, **own}}
    # what hears nothing of a closed terminal hands that down; a desk at a terminal hears of it
    with subprocess.Popen(command, preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL), **options) as child:
        assert child.stdout is not None
        child.stdout.readline(), child.stdout.readline()
        try:
            for _ in range(600):
                if called.exists() and called.read_text():
                    break
                time.sleep(0.1)
            yield child, called.read_text().splitlines()
        finally:
            child.terminate()


@pytest.mark.parametrize("end", ["used", "SIGTERM", "SIGHUP"])
def test_a_browser_is_given_the_token_by_a_page_that_nobody_else_can_read(
    bench: Bench, tmp_path: Path, end: str
) -> None:
    with opening(bench.home("guardian-east").path, tmp_path) as (child, (argument,)):
        page = Path(argument.removeprefix("file://"))
        assert "token" not in argument
        assert [stat.S_IMODE(path.stat().st_mode) for path in (page.parent, page)] == [0o700, 0o600]
        assert page.parent.parent == tmp_path
        assert not page.parent.name.startswith(".")
        address = re.findall(r'href="(http://127\.0\.0\.1:\d+/desk-\w+/\?token=\w+)"', page.read_text())[0]
        if end == "used":
            assert httpx2.get(address, timeout=60).status_code == 200
        else:
            child.send_signal(signal.Signals[end])
            assert child.wait(60) == 0
        assert list(tmp_path.glob("splittally-desk-*")) == []


def test_where_no_page_can_be_written_no_browser_is_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr("webbrowser.open", asked.append)
    assert not Doorway(tmp_path / "none").open("http://127.0.0.1:1/desk-00/?token=00")
    assert asked == []


def listening(port: int) -> set[str]:
    """The addresses of this machine on which somebody listens at a port."""
    rows = [line.split() for name in ("tcp", "tcp6") for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]]
    listens = [row[1].split(":") for row in rows if row[3] == "0A"]
    return {address for address, at in listens if int(at, 16) == port}


def test_a_port_that_is_taken_is_said(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert run(["desk", "--home", str(bench.home("analyst").path), "--port", port]) == 2
    assert "FILE_DESK_PORT" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["coordinator", "east", "root"])
def test_a_home_of_no_person_has_no_desk(bench: Bench, capsys: pytest.CaptureFixture[str], name: str) -> None:
    assert run(["desk", "--home", str(bench.home(name).path)]) == 2
    assert "FILE_DESK_HOME" in capsys.readouterr().err


def test_without_the_extra_it_says_which(
    bench: Bench, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in [name for name in sys.modules if name.startswith("engine.desk")]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "starlette", None)  # type: ignore[arg-type]
    for module in [name for name in sys.modules if name.startswith("starlette.")]:
        monkeypatch.delitem(sys.modules, module)
    assert run(["desk", "--home", str(bench.home("analyst").path)]) == 2
    assert "FILE_DESK_EXTRA" in capsys.readouterr().err


def test_flight_sql_stands_beside_the_pages_of_an_analyst_alone(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A double stands in for the server, which is tested where it is."""
    asked: list[tuple[object, ...]] = []

    class Double:
        port, stopped = 4711, False

        @classmethod
        def start(cls, *given: object) -> type[Double]:
            asked.append(given)
            return cls

        @classmethod
        def stop(cls) -> None:
            cls.stopped = True

    monkeypatch.setattr(serve, "find_spec", lambda _: True)
    monkeypatch.setattr(serve, "import_module", lambda _: SimpleNamespace(FlightSqlServer=Double))
    monkeypatch.setattr("uvicorn.Server.run", lambda *_, **__: None)
    told: list[tuple[str, str]] = []
    for name in ("analyst", "guardian-east"):
        desk = Desk(bench.home(name), SystemClock(), SystemRandomness())
        serve.serve(desk, 0, lambda _: None, lambda *said: told.append(said), 15)
    assert [(given[1], given[2]) for given in asked] == [("127.0.0.1", 15)]
    ((location, token),) = told
    assert (location, token) == ("grpc://127.0.0.1:4711", asked[0][3])
    assert len(token) == 64
    assert Double.stopped


def test_who_has_no_home_folder_has_a_desk_without_a_browser(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a container that runs under a number without a name."""

    def nowhere() -> Path:
        raise RuntimeError("no home folder")

    monkeypatch.setattr(Path, "home", nowhere)
    assert not Doorway().open("http://127.0.0.1:1/desk-00/?token=00")


@contextmanager
def serving(app: ASGIApp) -> Iterator[int]:
    """An application as the desk serves its pages; the port."""
    server, listener = uvicorn.Server(serve.config_of(app)), serve._listener(0)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    yield listener.getsockname()[1]
    server.should_exit = True
    thread.join(30)
    listener.close()


async def slow(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "http":
        await asyncio.sleep(float(scope["path"][1:]))
        await PlainTextResponse("made")(scope, receive, send)


async def read(scope: Scope, receive: Receive, send: Send) -> None:
    """Says how much of a form came, once it is whole."""
    if scope["type"] == "http":
        body = await Request(scope, receive).body()
        words = f"read {len(body)}" if scope["method"] == "POST" else "made"
        await PlainTextResponse(words)(scope, receive, send)


ASKED = "GET /{} HTTP/1.1\r\nHost: desk\r\n\r\n"


@pytest.mark.parametrize(
    ("sent", "answers"),
    [("", 0), ("GET /0 HT", 0), (ASKED.format(0), 1), (ASKED.format(0) + "GET /", 1), (ASKED.format(1.5), 1)],
    ids=["nothing", "half a request", "one", "one and a half", "one that takes longer"],
)
def test_a_connection_that_asks_nothing_is_closed(monkeypatch: pytest.MonkeyPatch, sent: str, answers: int) -> None:
    monkeypatch.setattr(idle, "SECONDS", 0.5)
    with serving(slow) as port, socket.create_connection(("127.0.0.1", port), 20) as browser:
        browser.sendall(sent.encode())
        heard = b"".join(iter(lambda: browser.recv(1 << 16), b""))  # until it is closed
    assert heard.count(b"200 OK") == heard.count(b"made") == answers


FORM = "POST /0 HTTP/1.1\r\nHost: desk\r\nContent-Length: 9\r\n\r\n"


@contextmanager
def connected(port: int, said: Sequence[str]) -> Iterator[list[socket.socket]]:
    """Connections in their order, each of which has said something, and heard the answer where that comes at once."""
    with ExitStack() as held:
        browsers = []
        for words in said:
            browsers.append(held.enter_context(socket.create_connection(("127.0.0.1", port), 20)))
            browsers[-1].sendall(words.encode())
            if words == ASKED.format(0):
                hears(browsers[-1], b"made")
            time.sleep(0.05)  # one after the other
        yield browsers


def hears(browser: socket.socket, words: bytes) -> None:
    heard = b""
    while words not in heard:
        more = browser.recv(1 << 16)
        assert more, heard
        heard += more


@pytest.mark.parametrize("silent", ["", "GET /0 HT", ASKED.format(0)], ids=["nothing", "half a request", "answered"])
def test_who_asks_nothing_makes_room(monkeypatch: pytest.MonkeyPatch, silent: str) -> None:
    """Longer ago first: who came before whom asks still waits for its answer."""
    monkeypatch.setattr(serve, "CONNECTIONS", 4)
    come, said = [ASKED.format(0)], [ASKED.format(1.5), silent, silent]
    with serving(slow) as port, connected(port, said) as (asks, first, second), connected(port, come):
        assert first.recv(1 << 16) == b""
        with connected(port, come):
            assert second.recv(1 << 16) == b""
            hears(asks, b"made")


def test_a_form_whose_end_does_not_come_makes_room_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serve, "CONNECTIONS", 3)
    come = [ASKED.format(0)]
    with serving(read) as port, connected(port, [FORM, *come]) as (form, left), connected(port, come):
        assert left.recv(1 << 16) == b""
        with connected(port, come):
            form.sendall(b"012345678")
            hears(form, b"read 9")


def test_a_form_whose_end_does_not_come_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(idle, "SECONDS", 0.5)
    with serving(read) as port, connected(port, [FORM + "01"]) as (form,):
        heard = b"".join(iter(lambda: form.recv(1 << 16), b""))  # until it is closed
    assert b"read" not in heard


def test_only_so_many_requests_are_answered_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serve, "CONNECTIONS", 4)
    with serving(slow) as port, connected(port, [ASKED.format(2)] * 4 + [ASKED.format(0.01)]) as browsers:
        hears(browsers[-1], b"503")
        hears(browsers[0], b"made")


def test_a_new_manifest_is_noticed(bench: Bench, tmp_path: Path) -> None:
    """A page shows the manifest that is installed now, without a restart."""
    import shutil

    home = tmp_path / "analyst"
    shutil.copytree(bench.home("analyst").path, home)
    desk = Desk(Home.load(home), SystemClock(), SystemRandomness())
    first = desk.session()
    assert desk.session() is first
    body = (home / "federation.manifest").read_bytes()
    (home / "federation.manifest").write_bytes(body[:-1])
    with pytest.raises(BadFile):
        desk.session()
    (home / "federation.manifest").write_bytes(body)
    assert desk.session() is not first or desk.manifest.epoch == 1
    desk.close()


def test_pages_are_made_side_by_side(desks: Mapping[str, Browser]) -> None:
    """Eight threads of one browser, each with its own statement; every answer is that of its own."""
    browser, found = desks["analyst"], {}

    def look(number: int) -> None:
        sql = f"SELECT region, COUNT(*) AS n{number} FROM people GROUP BY region"
        found[number] = browser.post("/check", {"sql": sql}).json()["columns"]

    threads = [threading.Thread(target=look, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {number: ["region", f"n{number}"] for number in range(8)}
