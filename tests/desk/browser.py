"""A desk as its own process, and somebody in front of it: a headless Chromium, what it complains of, and axe-core.

Chromium is the machine's own (on the path, or named by CHROMIUM); axe-core comes from npm (`make browser`, or named by
AXE). SHOTS names a folder that gets a picture of every page that is looked at.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
AXE = Path(os.environ.get("AXE", ROOT / ".cache/browser/node_modules/axe-core/axe.min.js"))
SHOTS = os.environ.get("SHOTS")
STANDARDS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
PATIENCE_MS = 60_000  # of somebody in front of a machine that is busy
Page = Any  # of the browser


class Served:
    """`splittally desk` in a process of its own."""

    def __init__(self, *arguments: str) -> None:
        command = [sys.executable, "-m", "engine.cli.main", "desk", *arguments]
        environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
        self.child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment, cwd=ROOT)

    def address(self) -> str:
        """One that nobody has used: another is printed after each use, so use each."""
        return self._heard(r"http://\S+token=\S+").group()

    def flight(self) -> tuple[str, str]:
        """Location and token of its Flight SQL server; before any ``address``."""
        location, token = self._heard(r"Flight SQL: (\S+), token (\S+)").groups()
        return location, token

    def _heard(self, pattern: str) -> re.Match[str]:
        """In what it prints from now on."""
        assert self.child.stdout is not None
        for line in self.child.stdout:
            if found := re.search(pattern, line):
                return found
        raise AssertionError(f"it ended without printing {pattern}")

    def stop(self) -> int:
        assert self.child.stdout is not None
        self.child.terminate()
        status = self.child.wait(60)
        self.child.stdout.close()
        return status


class Seat:
    """Somebody in a browser at a desk. ``base``: its address without the token; ``away``: what else was asked for."""

    def __init__(self, page: Page, address: str, script: bool) -> None:
        self.page, self.address, self.base, self.script = page, address, address.partition("/?")[0], script
        self.complaints: list[str] = []
        self.away: list[str] = []
        page.on("console", self._heard)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", lambda asked: self.away.append(asked.url) if not asked.url.startswith(self.base) else None)
        page.goto(address)
        page.wait_for_url(f"{self.base}/")

    def _heard(self, said: Any) -> None:
        """A page that is shown with the status of its refusal is no complaint."""
        if said.type in ("error", "warning") and "Failed to load resource" not in said.text:
            self.complaints.append(said.text)

    def go(self, place: str) -> None:
        self.page.goto(self.base + place)


@contextmanager
def opened_browser() -> Iterator[Any]:
    """Skips where there is none."""
    playwright = pytest.importorskip("playwright.sync_api")
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine")
    with playwright.sync_playwright() as found:
        options = ["--no-sandbox"] if os.geteuid() == 0 else []
        opened = found.chromium.launch(executable_path=CHROMIUM, args=options)
        yield opened
        opened.close()


@contextmanager
def seated(browser: Any, desk: Served, *, script: bool = True) -> Iterator[Seat]:
    context = browser.new_context(java_script_enabled=script, accept_downloads=True)
    context.set_default_timeout(PATIENCE_MS)
    seat = Seat(context.new_page(), desk.address(), script)
    yield seat
    context.close()
    assert (seat.complaints, seat.away) == ([], [])


def axe_core() -> str:
    """The text of axe-core; empty where it is not installed."""
    return AXE.read_text() if AXE.is_file() else ""


def violations(page: Page, axe: str) -> list[str]:
    page.evaluate(axe)
    found = page.evaluate("tags => axe.run(document, {runOnly: tags})", STANDARDS)["violations"]
    return [f"{page.url}: {one['id']}: {[node['target'] for node in one['nodes']]}" for one in found]
