"""A throw-away federation: production code, noise, ledgers and TLS as child processes on this machine.

Keys, agreement and budgets are made for the occasion and deleted with the directory. Nothing else differs from a
real federation, except that all homes lie on one machine.
"""

from __future__ import annotations

import json
import re
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from shutil import rmtree
from types import FrameType, TracebackType
from typing import Any

from engine.client.session import Session, connect
from engine.error_codes import CODES
from engine.errors import BadFile, SplittallyError, Unavailable
from engine.governance.agreement import sign_first_agreement
from engine.governance.binding import bind_all
from engine.governance.federation import Federation, found, set_coordinator
from engine.local.children import Child, start, stop
from engine.trusted.catalogue import Catalogue
from engine.trusted.clock import Clock, SystemClock
from engine.trusted.random import SystemRandomness
from engine.trusted.records import AccountCap, Loss, Operation, Role

START_SECONDS = 60.0
POLL_SECONDS = 0.05
ATTENDING = '"attending"'
ANALYST = "analyst"
ENDING = (signal.SIGTERM, signal.SIGHUP)  # asked to end; the terminal was closed
_SAID = re.compile(r"(?P<code>[A-Z]+_[A-Z_]+)(?: \([^)]*\))?: (?P<message>.*)")


@dataclass(frozen=True, slots=True)
class Terms:
    """What a throw-away federation allows: the caps of its rules, the agreement's budget and price limit; how many
    ``helpers`` without data it has, None: as many as any round needs but that of a private join; and who reads its
    record."""

    caps: tuple[AccountCap, ...] | None = None
    budget: Loss | None = None
    per_plan: Loss | None = None
    n_min: int = 0
    f: int = 0
    helpers: int | None = None
    auditors: tuple[str, ...] = ()


@dataclass(slots=True)
class LocalFederation:
    """Founds on entering, stops its own children and removes the directory on leaving (unless ``keep``).

    ``bindings``: node -> folder or node.toml. ``progress`` is told what is being done, in a few words.
    Raises what ``found`` raises, before any process starts; NODE_NOT_STARTED when a child ends early.
    """

    catalogue: Catalogue
    bindings: Mapping[str, Path]
    terms: Terms = field(default_factory=Terms)
    progress: Callable[[str], None] = lambda _: None
    clock: Clock = field(default_factory=SystemClock)
    directory: Path = field(init=False)
    federation: Federation = field(init=False)
    children: list[Child] = field(init=False, default_factory=list)
    _before: dict[signal.Signals, Any] = field(init=False, default_factory=dict)

    def __enter__(self) -> LocalFederation:
        self.directory = Path(tempfile.mkdtemp(prefix="splittally-"))
        self._leave_when_asked()
        try:
            self.progress("founding the federation")
            self._found()
            self._start()
        except BaseException:
            self._leave()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._leave()

    def session(self) -> Session:
        return connect(self.federation.home(ANALYST))

    def notes(self) -> tuple[str, ...]:
        """For the owner of the files: columns of which more than 1 % was lost or moved by the cut, and rows dropped."""
        return tuple(
            f"{node}: {note}"
            for node in self.bindings
            for report in sorted((self.federation.home(node) / "snapshots").glob("*-report.json"))
            for note in cut_notes(report.name.removesuffix("-report.json"), json.loads(report.read_bytes()))
        )

    def wait_until_stopped(self) -> None:
        """Return when a child ends; Ctrl-C and SIGTERM leave earlier. Raises Unavailable NODE_NOT_STARTED."""
        while True:
            for child in self.children:
                if child.stopped:
                    raise _lost(child)
            time.sleep(10 * POLL_SECONDS)

    def _found(self) -> None:
        terms = self.terms
        self.federation = found(
            self.directory / "homes",
            self.catalogue,
            clock=self.clock,
            randomness=SystemRandomness(),
            n_min=terms.n_min,
            f=terms.f,
            helpers=terms.helpers,
            analysts=(ANALYST,),
            auditors=terms.auditors,
            caps=terms.caps,
        )
        sign_first_agreement(self.federation, self.clock, terms.budget, terms.per_plan, tuple(Operation))

    def _start(self) -> None:
        self.progress("starting the coordinator")
        home = self.federation.home("coordinator")
        self._run("coordinator", "engine.coordinator", "--listen", "127.0.0.1:0")
        self.progress("binding the nodes to their files")
        bind_all({self.federation.home(node): source for node, source in self.bindings.items()})
        self._wait(lambda: (home / "address").exists())
        set_coordinator(self.federation, (home / "address").read_text().strip())
        names = self.federation.processes
        for number, name in enumerate(names, 1):
            self.progress(f"starting {name} ({number} of {len(names)})")
            self._run(name, "nodes")
        self._wait_for_all()

    def _run(self, name: str, module: str, *arguments: str) -> None:
        log = self.directory / f"{name}.log"
        self.children.append(start(name, module, ("--home", str(self.federation.home(name)), *arguments), log))

    def _wait_for_all(self) -> None:
        """Nodes as the coordinator sees them; a helper without data by what its own log says."""
        nodes = set(self.federation.names(Role.NODE))
        helpers = [child for child in self.children if child.name not in {*nodes, "coordinator"}]
        session = self.session()

        def missing() -> list[str]:
            waiting = sorted(nodes - {participant.node for participant in session.describe().connected})
            return waiting + [c.name for c in helpers if ATTENDING not in c.last_words(100)]

        def ready() -> bool:
            waiting = missing()
            if waiting:
                self.progress(f"waiting for {', '.join(waiting)}")
            return not waiting

        self._wait(ready)

    def _wait(self, ready: Callable[[], bool]) -> None:
        until = self.clock.monotonic_ms() + START_SECONDS * 1e3
        while not self._ready(ready):
            for child in self.children:
                if child.stopped:
                    raise _lost(child)
            if self.clock.monotonic_ms() > until:
                raise Unavailable("NODE_NOT_STARTED", name="one of the processes", why="it took too long")
            time.sleep(POLL_SECONDS)

    @staticmethod
    def _ready(ready: Callable[[], bool]) -> bool:
        try:
            return ready()
        except Unavailable:
            return False

    def _leave(self) -> None:
        for number in self._before:  # a terminal that is closed may say so twice
            signal.signal(number, signal.SIG_IGN)
        stop(self.children)
        self.children.clear()
        rmtree(self.directory, ignore_errors=True)
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before.clear()

    def _leave_when_asked(self) -> None:
        """SIGTERM and SIGHUP leave through ``__exit__`` like Ctrl-C does: no child, row or key stays behind.

        One that is ignored stays so: under ``nohup`` a federation outlives its terminal.
        """
        if threading.current_thread() is threading.main_thread():
            heeded = [number for number in ENDING if signal.getsignal(number) is not signal.SIG_IGN]
            self._before.update({number: signal.signal(number, _exit) for number in heeded})


def cut_notes(dataset: str, report: Mapping[str, Mapping[str, int]]) -> list[str]:
    """Sentences about what one cut lost (a snapshot's report: column -> counts; no column: its rows)."""
    dropped = [
        f"{dataset}: rows dropped, {why}: {report[''][key]:,}"
        for key, why in (("of_no_person", "no person id"), ("surplus", "more rows of a person than declared"))
        if report.get("", {}).get(key)
    ]
    for column, counts in report.items():
        kept, lost, moved = (counts.get(key, 0) for key in ("kept", "lost", "moved"))
        if lost * 100 > kept + lost:
            all_ = "all" if not kept else f"{lost:,} of"
            dropped.append(f"{dataset}.{column}: {all_} {kept + lost:,} values do not fit its declaration and are NULL")
        if moved * 100 > kept:
            dropped.append(f"{dataset}.{column}: {moved:,} of {kept:,} values lay outside the bounds and were moved")
    return dropped


def _lost(child: Child) -> SplittallyError:
    """Why a child ended: its own last error, which is made of public facts; the rest of its log is for debugging.

    A file that needs mending is that error itself; anything else is NODE_NOT_STARTED.
    """
    log = child.last_words()
    said = [error for error in map(_error_of, log.splitlines()) if error["message"]]
    last = said[-1] if said else {"message": f"it ended with status {child.process.returncode}"}
    if last.get("code", "") in CODES and last["code"].startswith(BadFile.prefixes):
        return _as_said(last, child)
    return Unavailable("NODE_NOT_STARTED", name=child.name, why=last["message"].rstrip("."), internal=log)


def _error_of(line: str) -> dict[str, str]:
    """Code, message and hint of the error that a line of a log tells, as far as it does; else an empty message."""
    try:
        event = json.loads(line)
    except ValueError:
        said = _SAID.fullmatch(line)
        return said.groupdict() if said else {"message": ""}
    if not isinstance(event, dict) or event.get("event") != "not_started":
        return {"message": ""}
    return {key: str(event.get(key, "")) for key in ("code", "message", "hint")}


def _as_said(last: Mapping[str, str], child: Child) -> BadFile:
    """The child's own error, in its own words: the facts stand in them."""
    error = BadFile(last["code"], internal=child.last_words(), node=child.name)
    error.message, error.hint = f"At {child.name}: {last['message']}", last.get("hint", "")
    return error


def _exit(number: int, _frame: FrameType | None) -> None:
    raise SystemExit(128 + number)
