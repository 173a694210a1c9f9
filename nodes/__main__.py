"""``python -m nodes --home DIR`` runs a member's process; ``python -m nodes schema FILE...`` names local columns."""

from __future__ import annotations

import argparse
import signal
import sys
import threading

import structlog

from engine.errors import Bug, SplittallyError
from engine.trusted.clock import SystemClock
from engine.trusted.home import Home
from engine.trusted.random import SystemRandomness
from nodes.config import open_node, take_seat
from nodes.server import Server, dial


def main(arguments: list[str]) -> int:
    """Exit status: 0, or that of the error (engine/errors.py)."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    try:
        if arguments[:1] == ["schema"]:
            from nodes.schema import main as schema

            schema(arguments[1:])
        else:
            _run(arguments)
    except SplittallyError as error:
        structlog.get_logger().error("not_started", code=error.code, message=error.message, hint=error.hint)
        return error.exit_status
    return 0


def _run(arguments: list[str]) -> None:
    """Attends until SIGTERM or SIGINT, then drains."""
    parser = argparse.ArgumentParser(prog="python -m nodes", description=__doc__)
    parser.add_argument("--home", required=True, help="the member's home")
    parser.add_argument("--coordinator", help="HOST:PORT, instead of the home's")
    options = parser.parse_args(arguments)
    stop = threading.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: stop.set())
    home = Home.load(options.home)
    endpoint = options.coordinator or home.coordinator
    seat = take_seat(home, SystemClock(), SystemRandomness())
    server = Server(seat, open_node(home, seat), lambda: dial(endpoint, home.tls()))
    server.start()
    while server.alive and not stop.wait(1.0):
        pass
    if not server.alive:
        raise Bug("BUG_UNEXPECTED")
    server.stop()
    seat.ledger.close()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
