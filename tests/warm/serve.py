"""The warm process: it has imported what commands, nodes, coordinators and desks import, and forks for each of them.

Each fork is a process like any other: a child of whoever asked for it, in the folder, environment, session and limits,
with the open files and the arguments that it was given; it runs the program of `python -m MODULE` from its first line
to the end of its threads and exit functions. Nothing has begun when it is forked: no thread, channel or engine.

An order is one JSON object after its length, with the descriptors of standard input, output and error beside it. What
asks over the line that the server was started with becomes the parent (ask.py); whoever calls at the door, for a shell
that waits for its command, is told the exit status.
"""

from __future__ import annotations

import atexit
import gc
import io
import json
import os
import resource
import runpy
import select
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout, suppress
from functools import partial
from pathlib import Path
from typing import BinaryIO, NoReturn

from tests.warm.ask import LIMITS, TIED, Line, Order, WarmPopen

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("nodes", "engine.coordinator")  # among the programs
# What starts members of a federation as its own children.
FOUNDING = {"engine.local.rehearsal", "try", "demo", "rehearse", "desk"}
# What the programs import, at once and when they run.
HEAVY = """import nodes.__main__, engine.coordinator.__main__, engine.local.rehearsal, engine.local.demo.run
import engine.client.session, engine.client.rehearse, engine.client.forecast, engine.client.publish, duckdb, pyarrow
import engine.client.sharing, engine.client.queue, engine.client.page, engine.client.receipt_words, engine.catalogue
import engine.governance.register.site, engine.governance.binding, engine.governance.welcome, engine.sql.finish
import engine.governance.replay, engine.trusted.describe, typer, rich.table, grpc, sqlalchemy, json, yaml, uvicorn
import engine.desk.serve, engine.desk.app, engine.desk.flight.server, engine.sql.compile, opendp.prelude, termios
import grpc._channel, grpc._server, grpc.experimental, cryptography.hazmat.backends.openssl.backend, polars"""


class Becomes(BaseException):
    """A program replaces itself by another (`os.execv`): nothing of it runs on."""

    def __init__(self, command: Sequence[str]) -> None:
        self.command = list(command)


Received = tuple[Order, list[int]]


def serve(line: socket.socket, door: socket.socket | None = None) -> Received:
    """Returns in each fork, with what it is to become; the server itself ends when its line does."""
    received = None
    while received is None:
        ready, _, _ = select.select([line] if door is None else [line, door], [], [])
        received = _at_line(line) if line in ready else _at_door(ready[0])
        with suppress(ChildProcessError):
            while received is None and os.waitpid(-1, os.WNOHANG)[0]:
                pass
    for own in (line, door):
        if own is not None:
            own.close()
    return received


def _at_line(line: socket.socket) -> Received | None:
    """Forks for whoever holds the other end: its process is put under that parent, which is told the id."""
    order, files = received = _receive(line)
    between = os.fork()
    if between:
        os.waitpid(between, 0)
        for file in files:
            os.close(file)
        return None
    between = os.getpid()
    if os.fork():
        os._exit(0)
    while os.getppid() == between:
        time.sleep(0.0002)
    if os.getppid() != order["parent"]:
        os._exit(1)
    line.sendall(os.getpid().to_bytes(4, "big"))
    return received


def _at_door(door: socket.socket) -> Received | None:
    """Forks for a command that the same user typed in a shell: one process waits for its status, and tells it."""
    line, _ = door.accept()
    with line:
        _, user, _ = struct.unpack("3i", line.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
        if user != os.getuid() or os.fork():
            return None
        received = _receive(line)
        command = os.fork()
        if command == 0:
            return received
        _, status = os.waitpid(command, 0)
        line.sendall(bytes([os.waitstatus_to_exitcode(status) & 0xFF]))
        os._exit(0)


def _receive(line: socket.socket) -> Received:
    """The next order; the process ends if there is none any more."""
    head, files, _, _ = socket.recv_fds(line, 4, 3)
    if not head:
        os._exit(0)
    said = b""
    while len(said) < int.from_bytes(head, "big"):
        said += line.recv(1 << 16)
    return json.loads(said), files


def become(order: Order, files: Sequence[int]) -> NoReturn:
    """What a fork does instead of its server, until the program's own end."""
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    signal.signal(signal.SIGINT, HEARD)
    if order.get("session"):
        os.setsid()
    os.chdir(order["folder"])
    for limit, wanted in zip(LIMITS, order.get("limits", ()), strict=False):
        if resource.getrlimit(limit) != tuple(wanted):
            resource.setrlimit(limit, tuple(wanted))
    _at_home(order["environment"])
    if FOUNDING.intersection(order["command"][1:3]):
        _with_a_server_of_its_own()
    os.execv = lambda _, command: _becomes(command[1:])  # type: ignore[assignment]
    command = order["command"]
    if order.get("tied"):
        sys.argv = ["-c", str(order["parent"]), sys.executable, *command]
        command = _run(lambda: exec(TIED, {}))  # noqa: S102
    while True:
        sys.argv = command[1:]  # the first is put right by runpy
        for name in (command[1], f"{command[1]}.__main__"):
            if name not in PACKAGES:
                sys.modules.pop(name, None)  # it begins anew
        command = _run(partial(runpy.run_module, command[1], run_name="__main__", alter_sys=True))


def _run(program: Callable[[], object]) -> list[str]:
    """Runs it to its end, which ends the process, or to what it becomes."""
    status = 0
    try:
        program()
    except Becomes as next_one:
        return next_one.command
    except SystemExit as stop:
        status = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    except BaseException:
        status = 1
        sys.excepthook(*sys.exc_info())
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)  # memory and modules go at once, as those of the warm process are many


def _becomes(words: Sequence[str]) -> NoReturn:
    raise Becomes(words)


def _with_a_server_of_its_own() -> None:
    """Forked before anything has begun, for its children are to be as warm."""
    own, other = socket.socketpair()
    if os.fork() == 0:
        own.close()
        nothing = os.open(os.devnull, os.O_RDWR)
        for number in range(3):
            os.dup2(nothing, number)
        _deaf()
        become(*serve(other))
    other.close()
    WarmPopen.line = Line(own)
    subprocess.Popen = WarmPopen  # type: ignore[misc]


def _at_home(environment: dict[str, str]) -> None:
    """Environment and open files; what was made of others is forgotten: defaults of commands tell of a home."""
    moved = os.environ.get("HOME") != environment.get("HOME")
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    tempfile.tempdir = None
    for name in [name for name in sys.modules if moved and name.startswith("engine.cli")]:
        del sys.modules[name]
    at_once = "PYTHONUNBUFFERED" in environment
    sys.stdin = os.fdopen(0, encoding="utf-8", closefd=False)
    sys.stdout = io.TextIOWrapper(_sink(1, at_once), "utf-8", write_through=at_once)
    sys.stderr = io.TextIOWrapper(_sink(2, at_once), "utf-8", "backslashreplace", line_buffering=True)


def _sink(number: int, at_once: bool) -> BinaryIO:
    return os.fdopen(number, "wb", 0 if at_once else -1, closefd=False)


def _deaf() -> None:
    """To a terminal's Ctrl-C: it is for the commands."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _try_one() -> None:
    """For what libraries load late: a command, and a coordinator's new store."""
    from engine.cli.main import run
    from engine.coordinator.store import Store

    catalogue = str(ROOT / "engine/local/demo/catalogue.yaml")
    with redirect_stdout(io.StringIO()):
        if run(["forecast", "--catalog", catalogue, "SELECT COUNT(*) AS n FROM residents"]):
            raise RuntimeError("a command did not run")
    with tempfile.TemporaryDirectory() as folder:
        Store(Path(folder) / "state.db", "coordinator").close()


HEARD = signal.getsignal(signal.SIGINT)


def main(number: str, name: str) -> None:
    _deaf()
    exec(HEAVY, {})  # noqa: S102
    _try_one()
    line, door = socket.socket(fileno=int(number)), socket.socket(socket.AF_UNIX)
    door.bind("\0" + name)
    door.listen()
    gc.freeze()
    line.sendall(b"ready")
    become(*serve(line, door))


if __name__ == "__main__":
    main(*sys.argv[1:])
