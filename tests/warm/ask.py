"""Commands, nodes, coordinators and desks without the second that a fresh interpreter takes to import them.

``WarmPopen`` is `subprocess.Popen`, but for `python -m` of one of the project's own programs: that is forked from a
process which has imported everything (serve.py). It is a child of this process all the same, with what it was given.
Whatever is asked for in another way is started as usual: by exec.
"""

from __future__ import annotations

import ctypes
import inspect
import json
import os
import resource
import secrets
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any, TypedDict

from engine.local.children import _TIED as TIED

ROOT = Path(__file__).resolve().parents[2]
HERE = sys.platform == "linux"
EXECUTED = subprocess.Popen  # as it is, wherever WarmPopen stands in its place
PROGRAMS = ("nodes", "engine.coordinator", "engine.cli.main", "engine.local.rehearsal")
USUAL = {
    "preexec_fn": None,
    "close_fds": True,
    "pass_fds": (),
    "shell": False,
    "executable": None,
    "gid": None,
    "gids": None,
    "uid": None,
    "umask": -1,
    "process_group": -1,
}
AT_START = ("PYTHON", "LANG", "LC_", "OPENBLAS", "OMP_")  # begin what an interpreter and libraries read only once
LATER = ("PYTHONPATH", "PYTHONUNBUFFERED")
LIMITS = sorted({getattr(resource, name) for name in dir(resource) if name.startswith("RLIMIT_")})
SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER
RUNS_ON = "WALK_RUNS_ON"  # set in the environment of a command that is ended by a signal: it has to be its own process
CALLER = """import json, os, socket, sys
line = socket.socket(socket.AF_UNIX)
line.connect("\\0{door}")
order = dict(command=["-m", "engine.cli.main", *sys.argv[1:]], folder=os.getcwd(), environment=dict(os.environ))
said = json.dumps(order).encode()
socket.send_fds(line, [len(said).to_bytes(4, "big")], [0, 1, 2])
line.sendall(said)
sys.exit(line.recv(1)[0])
"""


class Order(TypedDict, total=False):
    """``command``: as in `python COMMAND...`; ``tied``: it ends with its parent (engine/local/children.py)."""

    command: list[str]
    folder: str
    environment: dict[str, str]
    parent: int
    session: bool
    tied: bool
    limits: list[tuple[int, int]]


class Line:
    """To a warm process of this one's own, which ends when this one does."""

    def __init__(self, own: socket.socket, door: str = "", server: object = None) -> None:
        self.door, self._own, self._server, self._lock = door, own, server, Lock()
        self._read_once = read_once(os.environ)

    @classmethod
    def opened(cls) -> Line:
        """Starts the warm process."""
        own, other = socket.socketpair()
        door = f"splittally-{secrets.token_hex(16)}"
        program = [sys.executable, "-m", "tests.warm.serve", str(other.fileno()), door]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        server = EXECUTED(program, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, pass_fds=[other.fileno()])
        other.close()
        if own.recv(5) != b"ready":
            raise RuntimeError("the warm process did not start")
        return cls(own, door, server)

    def knows(self, environment: Mapping[str, str]) -> bool:
        """Whether its imports are those of an interpreter that is started with this environment."""
        return read_once(environment) == self._read_once

    def ask(self, order: Order, files: list[int]) -> int:
        """The id of the new process, already a child of this one: orphans come here for as long as that takes."""
        said = json.dumps(order).encode()
        with self._lock, _adopting():
            socket.send_fds(self._own, [len(said).to_bytes(4, "big")], files)
            self._own.sendall(said)
            process = self._own.recv(4)
        if not process:
            raise RuntimeError("the warm process has ended")
        return int.from_bytes(process, "big")


@contextmanager
def _adopting() -> Iterator[None]:
    call = ctypes.CDLL(None).prctl
    call(SUBREAPER, 1, 0, 0, 0)
    try:
        yield
    finally:
        call(SUBREAPER, 0, 0, 0, 0)


def read_once(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: said for name, said in environment.items() if name.startswith(AT_START) and name not in LATER}


class WarmPopen(subprocess.Popen[Any]):
    """Takes the place of `subprocess.Popen`."""

    line: Line | None = None

    def _execute_child(self, *given: Any) -> None:
        asked = inspect.signature(EXECUTED._execute_child).bind(self, *given).arguments  # type: ignore[attr-defined]
        environment = dict(os.environ if asked["env"] is None else asked["env"])
        command, tied = warm_command(asked)
        if not command or not the_line().knows(environment):
            super()._execute_child(*given)  # type: ignore[misc]
            return
        order = Order(
            command=command,
            folder=os.fspath(asked["cwd"] or Path.cwd()),
            environment=environment,
            parent=os.getpid(),
            session=asked["start_new_session"],
            tied=tied,
            limits=[resource.getrlimit(limit) for limit in LIMITS],
        )
        pipes = [asked[name] for name in ("p2cread", "c2pwrite", "errwrite")]
        self.pid = the_line().ask(order, [own if pipe == -1 else pipe for own, pipe in enumerate(pipes)])
        self._child_created = True
        ends = ("p2cread", "p2cwrite", "c2pread", "c2pwrite", "errread", "errwrite")
        self._close_pipe_fds(*(asked[name] for name in ends))  # type: ignore[attr-defined]


def the_line() -> Line:
    if WarmPopen.line is None:
        WarmPopen.line = Line.opened()
    return WarmPopen.line


def warm_command(asked: Mapping[str, Any]) -> tuple[list[str], bool]:
    """What `python` is to run, and whether it is tied to its parent; no command if it is to be started by exec."""
    words = asked["args"]
    if not HERE or isinstance(words, (str, bytes)) or any(asked[name] != usual for name, usual in USUAL.items()):
        return [], False
    words = [os.fspath(word) for word in words]
    tied = words[:5] == [sys.executable, "-I", "-S", "-c", TIED]
    if tied:
        words = words[6:]
    warm = words[:2] == [sys.executable, "-m"] and words[2] in PROGRAMS
    return (words[1:], tied) if warm else ([], False)


def write_command(folder: Path) -> None:
    """Writes `splittally` for the shells of a walk."""
    command, caller = folder / "splittally", folder / "warm_caller.py"
    cold = warm = f'exec "{sys.executable}" -m engine.cli.main "$@"'
    if HERE:
        caller.write_text(CALLER.format(door=the_line().door))
        warm = f'exec "{sys.executable}" -I -S "{caller}" "$@"'
    command.write_text(f'#!/bin/sh\n[ -n "${RUNS_ON}" ] && {cold}\n{warm}\n')
    command.chmod(0o755)
