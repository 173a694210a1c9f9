"""Commands without the second that a fresh interpreter takes: one process has imported everything and forks for each.

What runs is the program of `splittally` itself, with the arguments, folder, environment and open files of whoever
typed it. The fork happens before any thread or channel exists; a command that becomes another process is replaced by
it as usual.
"""

from __future__ import annotations

import io
import json
import os
import socket
import subprocess
import sys
from contextlib import redirect_stdout, suppress
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
RUNS_ON = "WALK_RUNS_ON"  # set in the environment of a command that is ended by a signal: it has to be its own process
CALLER = """import json, os, socket, sys
line = socket.socket(socket.AF_UNIX)
line.connect({address!r})
said = json.dumps([sys.argv[1:], os.getcwd(), dict(os.environ)]).encode()
socket.send_fds(line, [len(said).to_bytes(4, "big")], [0, 1, 2])
line.sendall(said)
sys.exit(line.recv(1)[0])
"""
# What commands import when they run.
HEAVY = """import engine.client.session, engine.client.rehearse, engine.client.forecast, engine.client.publish
import engine.client.sharing, engine.client.queue, engine.client.page, engine.client.receipt_words, engine.catalogue
import engine.governance.register.site, engine.governance.binding, engine.governance.welcome, engine.sql.finish
import engine.governance.replay, engine.trusted.describe, typer, rich.table, grpc, sqlalchemy, json, yaml"""


class Warm:
    """Makes the command ``splittally`` in a folder; use as a context manager."""

    def __init__(self, folder: Path) -> None:
        self.command, self._address = folder / "splittally", str(folder / "warm.socket")

    def __enter__(self) -> Warm:
        caller = self.command.with_name("warm_caller.py")
        caller.write_text(CALLER.format(address=self._address))
        cold, warm = (
            f'exec "{sys.executable}" -m engine.cli.main "$@"',
            f'exec "{sys.executable}" -I -S "{caller}" "$@"',
        )
        self.command.write_text(f'#!/bin/sh\n[ -n "${RUNS_ON}" ] && {cold}\n{warm}\n')
        self.command.chmod(0o755)
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        program = [sys.executable, "-m", "tests.docs.warm", self._address]
        self._process = subprocess.Popen(program, cwd=ROOT, env=environment, stdout=subprocess.PIPE)
        if self._process.stdout is None or self._process.stdout.readline() != b"ready\n":
            raise RuntimeError("the warm process did not start")
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(10)


def serve(address: str) -> None:
    exec(HEAVY)  # noqa: S102
    _try_one()
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(address)
        server.listen()
        sys.stdout.write("ready\n")
        sys.stdout.close()
        while True:
            line, _ = server.accept()
            if os.fork() == 0:
                server.close()
                _wait_for_one(line)
            line.close()
            _reap()


def _try_one() -> None:
    """For what libraries load late. Then engine.cli is forgotten: its defaults depend on whose home it is."""
    from engine.cli.main import run

    catalogue = str(ROOT / "engine/local/demo/catalogue.yaml")
    with redirect_stdout(io.StringIO()):
        if run(["forecast", "--catalog", catalogue, "SELECT COUNT(*) AS n FROM residents"]):
            raise RuntimeError("a command did not run")
    for name in [name for name in sys.modules if name.startswith("engine.cli")]:
        del sys.modules[name]


def _reap() -> None:
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _wait_for_one(line: socket.socket) -> None:
    """In a child of the server: forks the command, so that its exit status can be told to whoever typed it."""
    head, files, _, _ = socket.recv_fds(line, 4, 3)
    said = b""
    while len(said) < int.from_bytes(head, "big"):
        said += line.recv(1 << 16)
    command = os.fork()
    if command == 0:
        _become(line, files, *json.loads(said))
    _, status = os.waitpid(command, 0)
    line.sendall(bytes([os.waitstatus_to_exitcode(status) & 0xFF]))
    os._exit(0)


def _become(line: socket.socket, files: list[int], arguments: list[str], folder: str, said: dict[str, str]) -> None:
    line.close()
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(said)
    sys.stdin = os.fdopen(0, "r", encoding="utf-8")
    sys.stdout = os.fdopen(1, "w", encoding="utf-8")
    sys.stderr = os.fdopen(2, "w", buffering=1, encoding="utf-8")
    sys.argv = ["splittally", *arguments]
    from engine.cli.main import run

    status = run(arguments)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


if __name__ == "__main__":
    serve(sys.argv[1])
