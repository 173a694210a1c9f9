"""Child processes of a throw-away federation: started with a log each, stopped by their own ids and by nothing else."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

STOP_SECONDS = 5.0
_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


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
    with log.open("ab") as sink:
        process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=sink,
            start_new_session=True,
            preexec_fn=_die_with_parent,
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


def _die_with_parent() -> None:
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
