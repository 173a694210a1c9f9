"""A throw-away federation: production code, noise, ledgers and TLS as child processes on this machine.

Keys, agreement and budgets are made for the occasion and deleted with the directory. Nothing else differs from a
real federation, except that all homes lie on one machine.
"""

from __future__ import annotations

import re
import signal
import tempfile
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from shutil import rmtree
from types import FrameType, TracebackType

from engine.client.session import Session, connect
from engine.errors import Unavailable
from engine.governance.agreement import sign_first_agreement
from engine.governance.binding import bind_all
from engine.governance.federation import Federation, found, set_coordinator
from engine.local.children import Child, start, stop
from engine.trusted.catalogue import Catalogue
from engine.trusted.clock import Clock, SystemClock
from engine.trusted.random import SystemRandomness
from engine.trusted.records import AccountCap, Loss, Role

START_SECONDS = 60.0
POLL_MS = 50.0
ATTENDING = '"attending"'
ANALYST = "analyst"
_ERROR = re.compile(r'"event": "not_started".*"message": "(?P<message>[^"]*)"|^[A-Z]+_[A-Z_]+: (?P<said>.*)$')


@dataclass(frozen=True, slots=True)
class Terms:
    """What a throw-away federation allows: the caps of its rules, and the agreement's budget and price limit."""

    caps: tuple[AccountCap, ...] | None = None
    budget: Loss | None = None
    per_plan: Loss | None = None
    n_min: int = 0


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
    _before: object = field(init=False, default=None)

    def __enter__(self) -> LocalFederation:
        self.directory = Path(tempfile.mkdtemp(prefix="splittally-"))
        self._stop_on_sigterm()
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

    def wait_until_stopped(self) -> None:
        """Return when a child ends; Ctrl-C and SIGTERM leave earlier. Raises Unavailable NODE_NOT_STARTED."""
        while True:
            for child in self.children:
                if child.stopped:
                    raise _lost(child)
            self.clock.sleep_ms(POLL_MS * 10)

    def _found(self) -> None:
        terms = self.terms
        self.federation = found(
            self.directory / "homes",
            self.catalogue,
            clock=self.clock,
            randomness=SystemRandomness(),
            n_min=terms.n_min,
            analysts=(ANALYST,),
            caps=terms.caps,
        )
        sign_first_agreement(self.federation, self.clock, terms.budget, terms.per_plan)

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
            self.clock.sleep_ms(POLL_MS)

    @staticmethod
    def _ready(ready: Callable[[], bool]) -> bool:
        try:
            return ready()
        except Unavailable:
            return False

    def _leave(self) -> None:
        stop(self.children)
        self.children.clear()
        rmtree(self.directory, ignore_errors=True)
        if self._before is not None:
            signal.signal(signal.SIGTERM, self._before)  # type: ignore[arg-type]
            self._before = None

    def _stop_on_sigterm(self) -> None:
        """SIGTERM leaves through ``__exit__`` like Ctrl-C does, so that no child stays behind."""
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGTERM, _exit)


def _lost(child: Child) -> Unavailable:
    """Why a child ended: its own last error, which is made of public facts; the rest of its log is for debugging."""
    why = f"it ended with status {child.process.returncode}"
    for line in child.last_words().splitlines():
        found = _ERROR.search(line)
        if found:
            why = found["message"] or found["said"]
    return Unavailable("NODE_NOT_STARTED", name=child.name, why=why.rstrip("."), internal=child.last_words())


def _exit(number: int, _frame: FrameType | None) -> None:
    raise SystemExit(128 + number)
