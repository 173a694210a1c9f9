"""Pages of the manual that go on from each other, over one federation; and what pages say about logs and units."""

from __future__ import annotations

import math
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.walkthrough import ROOT, Command, Walk, steps_of
from tests.postgres import PASSWORD, cluster

MANUAL = ROOT / "engine/docs/manual"
STORY = ("install", "policy-officer", "analyst", "guardian", "auditor", "data-protection", "operate")
STARTS = {
    "node": "node --home /var/lib/splittally/node",
    "coordinator": "coordinator --home /var/lib/splittally/coordinator",
    "health@": "%i health --home /var/lib/splittally/%i",
    "snapshot": "node snapshot --home /var/lib/splittally/node --wait 7200",
}


def walked(walk: Walk, page: str) -> int:
    """Takes each step of a page; how many commands there were."""
    steps = steps_of((MANUAL / f"{page}.md").read_text(encoding="utf-8"))
    for step in steps:
        wrong = walk.take(step)
        assert not wrong, f"{page}.md:{step.line}: {wrong}"
    return sum(isinstance(step, Command) for step in steps)


def test_the_tutorials_tell_one_story_that_runs(tmp_path: Path) -> None:
    with Walk(tmp_path) as walk:
        counts = [walked(walk, page) for page in STORY]
    assert min(counts) >= 6


def test_the_quick_start_runs(tmp_path: Path) -> None:
    with Walk(tmp_path) as walk:
        assert walked(walk, "quick-start") >= 6


INSTALLING = ("python3 -m venv", "useradd --system")
ELSEWHERE = {
    "governance": "tests/docs/test_walkthrough.py",
    "drivers": "tests/docs/test_drivers.py",
    "desk": "tests/desk/test_manual.py",
}
BLOCK = re.compile(r"^```(\S+)(?: (\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def test_every_page_with_commands_is_run_somewhere() -> None:
    for page in MANUAL.glob("*.md"):
        if page.stem in ELSEWHERE:
            assert page.name in (ROOT / ELSEWHERE[page.stem]).read_text()
        elif "```" in page.read_text():
            assert page.stem in (*STORY, "quick-start", "coordinator"), page.name


def test_blocks_that_nobody_runs_install_something() -> None:
    """Of the pages that are run here."""
    for page in MANUAL.glob("*.md"):
        for kind, name, body in BLOCK.findall(page.read_text()) if page.stem not in ELSEWHERE else ():
            if kind != "console" and not name:
                assert kind == "sh" and body.startswith(INSTALLING), f"{page.name}: {body[:40]}"


def test_the_table_of_beliefs_is_what_the_definition_gives() -> None:
    """Odds change by at most e to the epsilon; shown to two digits, rounded up."""
    text = (MANUAL / "data-protection.md").read_text()
    [head, _, *rows] = re.search(r"^\| before.*?\n\n", text, re.M | re.S)[0].strip().splitlines()  # type: ignore[index]
    epsilons = [float(cell.split()[-1]) for cell in head.strip("|").split("|")[1:]]
    assert len(rows) == 3
    for row in rows:
        before, *after = (float(cell.strip().rstrip(" %")) for cell in row.strip("|").split("|"))
        for epsilon, shown in zip(epsilons, after, strict=True):
            odds = before / (100 - before) * math.exp(epsilon)
            exact = 100 * odds / (1 + odds)
            digits = 10 ** (1 - math.floor(math.log10(exact)))
            assert shown == pytest.approx(math.ceil(exact * digits) / digits)


def test_the_coordinators_page_runs_on_postgresql(tmp_path: Path) -> None:
    if shutil.which("createdb") is None:
        pytest.skip("PostgreSQL's createdb is not installed")
    with cluster() as server:
        put = {"5432": str(server.port), "the-keepers-password": PASSWORD}
        with Walk(tmp_path, put=put) as walk:
            assert walked(walk, "coordinator") >= 8


@pytest.mark.parametrize(
    ("page", "folder", "call"),
    [
        ("operate", "nodes", r"(?:\.event|tell)\(\s*\"([a-z_]+)\""),
        ("coordinator", "engine/coordinator", r"(?:log\.(?:info|warning|error)|_log)\(\s*\"([a-z_.]+)\""),
    ],
)
def test_every_event_of_a_log_stands_on_its_page(page: str, folder: str, call: str) -> None:
    logged = {name for file in (ROOT / folder).rglob("*.py") for name in re.findall(call, file.read_text())}
    assert len(logged) > 8
    table = "".join(line for line in (MANUAL / f"{page}.md").read_text().splitlines() if line.startswith("| `"))
    told = set(re.findall(r"`([a-z_.]+)`", table))
    assert logged - told == set()


@pytest.mark.parametrize("name", STARTS)
def test_a_unit_verifies_and_leaves_little_exposed(name: str, tmp_path: Path) -> None:
    """systemd's own checks; the program has to be there, so another one stands in for it."""
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("systemd-analyze is not installed")
    unit = tmp_path / f"splittally-{name}.service"
    text = (ROOT / "nodes/deploy" / unit.name).read_text()
    assert f"ExecStart=/opt/splittally/bin/splittally {STARTS[name]}\n" in text
    unit.write_text(text.replace("/opt/splittally/bin/splittally", sys.executable))
    for check in (["verify", "--man=no"], ["security", "--offline=true", "--threshold=20"]):
        done = subprocess.run([program, *check, unit], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout[-500:] + done.stderr


def test_an_open_unit_would_be_found(tmp_path: Path) -> None:
    """The threshold refuses a service without the lines that take privileges away."""
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("systemd-analyze is not installed")
    unit = tmp_path / "open.service"
    unit.write_text(f"[Service]\nExecStart={sys.executable}\n")
    check = [program, "security", "--offline=true", "--threshold=20", str(unit)]
    assert subprocess.run(check, capture_output=True, check=False).returncode != 0


def test_the_container_is_an_ordinary_user_without_a_port() -> None:
    text = (ROOT / "nodes/deploy/Containerfile").read_text()
    said = [line.split() for line in text.splitlines() if line and not line.startswith((" ", "#"))]
    assert [line[1] for line in said if line[0] == "USER"] == ["10001"]
    assert not [line for line in said if line[0] in ("EXPOSE", "ADD", "ENV")]
    assert [line[0] for line in said].count("HEALTHCHECK") == 1
    assert "--read-only --cap-drop=all --security-opt=no-new-privileges" in text
