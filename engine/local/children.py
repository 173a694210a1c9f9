"""Child processes of a throw-away federation: started with a log each, stopped by their own ids and by nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

STOP_SECONDS = 5.0
# Asks the kernel for SIGTERM when the parent dies (PR_SET_PDEATHSIG = 1), then becomes the real command. A program of
# its own, because no Python may run between fork and exec in a parent that has threads.
_TIED = """
import ctypes, os, signal, sys
parent, *command = sys.argv[1:]
ctypes.CDLL(None).prctl(1, signal.SIGTERM)
if os.getppid() != int(parent):
    sys.exit(128 + signal.SIGTERM)
os.execv(command[0], command)
"""


@dataclass(frozen=True, slots=True)
class Child:
    name: str
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def stopped(self) -> bool:
        return self.process.poll() is not None

    def last_words(self, lines: int = 5) -> str:
        """The end of its log, for the operator who started it."""
        text = self.log.read_text(encoding="utf-8", errors="replace").strip()
        return "\n".join(text.splitlines()[-lines:])


def start(name: str, module: str, arguments: Sequence[str], log: Path) -> Child:
    """Run ``python -m module`` in a session of its own; it ends with this process, however that ends."""
    command = [sys.executable, "-m", module, *arguments]
    if sys.platform == "linux":
        command = [sys.executable, "-I", "-S", "-c", _TIED, str(os.getpid()), *command]
    with log.open("ab") as sink:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=sink,
            start_new_session=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
    return Child(name, process, log)


def stop(children: Sequence[Child]) -> None:
    """Ask all to end, wait, and kill those that did not."""
    running = [child for child in children if not child.stopped]
    for child in running:
        child.process.terminate()
    for child in running:
        try:
            child.process.wait(timeout=STOP_SECONDS)
        except subprocess.TimeoutExpired:
            child.process.kill()
            child.process.wait()
