"""``node snapshot``: done means that they are cut. The node is a double that acts on the wish in its inbox."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path

import pytest

from engine.cli.main import run
from engine.governance.binding import bind
from tests.cli.test_errors import CATALOGUE, ROWS


@pytest.fixture
def home(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """A node's home, bound to its file, with a snapshot."""
    (tmp_path / "c.yaml").write_text(CATALOGUE)
    (tmp_path / "people.csv").write_text(ROWS)
    assert run(["federation", "init", str(tmp_path / "f"), "--catalog", str(tmp_path / "c.yaml"), "--json"]) == 0
    capsys.readouterr()
    made = tmp_path / "f" / "b"
    bind(made, tmp_path)
    (made / "snapshots").mkdir(exist_ok=True)
    snapshot(made, "old")
    (made / "snapshots" / "people-report.json").write_text("{}")
    return made


def snapshot(home: Path, name: str) -> None:
    (home / "snapshots" / "people.json").write_text(json.dumps({"snapshot": name}))


def node(home: Path, cuts: str) -> threading.Thread:
    """Takes the next wish: a new snapshot of that name, the old one if its files do not fit."""

    def take() -> None:
        end = time.monotonic() + 30
        while not (home / "inbox/snapshot").exists() and time.monotonic() < end:
            time.sleep(0.01)
        snapshot(home, cuts)
        (home / "inbox/snapshot").unlink()

    thread = threading.Thread(target=take)
    thread.start()
    return thread


@pytest.mark.parametrize(
    ("cuts", "wait", "status", "out", "code"),
    [
        ("new", "30", 0, {"node": "b", "cut": True}, ""),
        ("old", "30", 5, None, "NODE_SNAPSHOT_NOT_CUT"),
        ("", "0.1", 5, None, "NODE_SNAPSHOT_WAITS"),
        ("", "0", 0, {"node": "b", "cut": False}, ""),
    ],
    ids=["cut", "files do not fit", "no node", "only asked for"],
)
def test_the_status_says_whether_they_are_cut(
    home: Path,
    capsys: pytest.CaptureFixture[str],
    cuts: str,
    wait: str,
    status: int,
    out: dict[str, object] | None,
    code: str,
) -> None:
    running = node(home, cuts) if cuts else None
    assert run(["node", "snapshot", "--home", str(home), "--wait", wait, "--json"]) == status
    if running:
        running.join()
    told = capsys.readouterr()
    assert (json.loads(told.out) if out else None) == out
    assert (json.loads(told.err)["error"]["code"] if code else told.err) == code
    assert (home / "inbox/snapshot").exists() is (not cuts)  # a wish that nobody took yet stays


@pytest.mark.parametrize(
    ("file", "body"),
    [("people.json", "{"), ("people.json", "[]"), ("people.json", "7"), ("gone.json", '{"snapshot": "old"}')],
    ids=["half a file", "a list", "a number", "of a dataset that is bound no more"],
)
def test_files_that_no_answer_comes_from_are_no_matter(
    home: Path, capsys: pytest.CaptureFixture[str], file: str, body: str
) -> None:
    (home / "snapshots" / file).write_text(body)
    running = node(home, "new")
    assert run(["node", "snapshot", "--home", str(home), "--wait", "30", "--json"]) == 0
    running.join()
    assert json.loads(capsys.readouterr().out) == {"node": "b", "cut": True}
