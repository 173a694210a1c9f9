"""Children of a throw-away federation: started from a process with threads, and gone when it is."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from engine.local.children import start, stop

PARENT = """
import sys, threading, time
from pathlib import Path
from engine.local.children import start

busy = [threading.Thread(target=time.sleep, args=(60,), daemon=True) for _ in range(8)]
for thread in busy:
    thread.start()
folder = Path(sys.argv[1])
for number in range(4):
    child = start(f"child{number}", "http.server", ["--bind", "127.0.0.1", "0"], folder / f"{number}.log")
    print(child.process.pid, flush=True)
time.sleep(60)
"""
SECONDS = 10.0


def gone(pid: int) -> bool:
    """No such process, or one that only waits to be collected."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


@pytest.mark.skipif(sys.platform != "linux", reason="asks the kernel to end children, which Linux can")
def test_children_of_a_killed_parent_end(tmp_path: Path) -> None:
    script = [sys.executable, "-c", PARENT, str(tmp_path)]
    root = Path(__file__).parents[2]
    with subprocess.Popen(script, stdout=subprocess.PIPE, cwd=root, text=True) as parent:
        assert parent.stdout is not None
        pids = [int(parent.stdout.readline()) for _ in range(4)]
        try:
            assert not any(gone(pid) for pid in pids)
            parent.kill()
            until = time.monotonic() + SECONDS
            while not all(gone(pid) for pid in pids) and time.monotonic() < until:
                time.sleep(0.05)
            assert all(gone(pid) for pid in pids)
        finally:
            for pid in pids:
                if not gone(pid):
                    os.kill(pid, signal.SIGKILL)


def test_a_child_is_the_module_itself_and_stops_when_asked(tmp_path: Path) -> None:
    child = start("names", "json.tool", ["--help"], tmp_path / "log")
    assert child.process.wait(SECONDS) == 0
    assert "usage" in child.last_words(100)
    server = start("server", "http.server", ["--bind", "127.0.0.1", "0"], tmp_path / "server.log")
    until = time.monotonic() + SECONDS
    while "Serving" not in server.last_words() and time.monotonic() < until:
        time.sleep(0.05)
    if sys.platform == "linux":
        assert Path(f"/proc/{server.process.pid}/cmdline").read_bytes().split(b"\0")[1:3] == [b"-m", b"http.server"]
    stop([server])
    assert server.stopped
