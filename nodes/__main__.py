"""``python -m nodes --home DIR`` runs a member's process; ``schema FILE...`` and ``subjects --home DIR`` answer a
department's own questions and end.

Claim: this is the only place that chooses the machine's own clock and randomness; SIGTERM ends rounds under way first.
Because: everything else takes them as arguments, and ``Server.stop`` drains before the ledger closes.
Checked by: tests/nodes/test_config.py::test_the_process_starts_without_a_coordinator_and_ends_on_sigterm
"""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from concurrent.futures import Future, ThreadPoolExecutor

from engine.errors import Bug, SplittallyError
from engine.trusted.clock import Clock, SystemClock
from engine.trusted.home import Home
from engine.trusted.random import SystemRandomness
from nodes.answer import Node
from nodes.config import open_node, take_seat, write_head
from nodes.log import Log
from nodes.server import Server, dial


def main(arguments: list[str]) -> int:
    """Exit status: 0, or that of the error (engine/errors.py)."""
    clock = SystemClock()
    try:
        if arguments[:1] == ["schema"]:
            from nodes.schema import main as schema

            schema(arguments[1:])
        elif arguments[:1] == ["subjects"]:
            from nodes.subjects import main as subjects

            subjects(arguments[1:])
        else:
            _run(arguments, clock)
    except SplittallyError as error:
        Log(sys.stderr, clock).event("not_started", code=error.code, message=error.message, hint=error.hint)
        return error.exit_status
    return 0


def _run(arguments: list[str], clock: Clock) -> None:
    """Attends until SIGTERM or SIGINT, then drains."""
    parser = argparse.ArgumentParser(prog="python -m nodes", description="Runs a node or helper.")
    parser.add_argument("--home", required=True, help="the member's home")
    parser.add_argument("--coordinator", help="HOST:PORT, instead of the home's")
    options = parser.parse_args(arguments)
    stop = threading.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: stop.set())
    home = Home.load(options.home)
    home.tls()
    endpoint = options.coordinator or home.coordinator
    seat = take_seat(home, clock, SystemRandomness())
    log = Log(sys.stderr, clock, member=seat.name)
    node, inbox = open_node(home, seat, log), home.path / "inbox"
    server = Server(seat, node, lambda: dial(endpoint, home.tls()), log, home.roots(), home.path / "spool")
    server.collect(inbox)
    server.start()
    with ThreadPoolExecutor(1, "cut") as cutter:
        cutting: Future[Node | None] | None = None
        while server.alive and not stop.wait(1.0):
            server.collect(inbox)
            if cutting is None and node and (inbox / "snapshot").exists():
                cutting = cutter.submit(open_node, home, seat, log, node)
            elif cutting is not None and cutting.done():
                node, cutting = _cut(cutting, node, log), None
                (inbox / "snapshot").unlink(missing_ok=True)
                server.publish(node)
    if not server.alive:
        raise Bug("BUG_UNEXPECTED")
    server.stop()
    write_head(home, seat)
    seat.ledger.close()


def _cut(cutting: Future[Node | None], before: Node | None, log: Log) -> Node | None:
    """The node over its new tables; over those before if a file was not as it should be."""
    try:
        return cutting.result()
    except SplittallyError as error:
        log.event("snapshot_not_cut", code=error.code, message=error.message)
        return before


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
