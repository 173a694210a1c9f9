"""One process for one person: the pages on 127.0.0.1, and Flight SQL beside them if an analyst sits here."""

from __future__ import annotations

import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from engine.desk.app import application
from engine.desk.desk import Desk
from engine.desk.idle import Closing
from engine.desk.warm import warm
from engine.errors import BadFile

LOOPBACK = "127.0.0.1"
FLIGHT = "engine.desk.flight.server"
CONNECTIONS = 128  # a browser opens six


def serve(
    desk: Desk,
    port: int,
    printed: Callable[[str], None],
    flight: Callable[[str, str], None] | None,
    flight_port: int = 0,
) -> None:
    """Serves until the process is asked to stop. Ports 0: free ones; ``printed`` gets each address that opens the desk.

    ``flight`` gets the location of the Flight SQL server and its token; None: there shall be none. BadFile
    FILE_DESK_PORT when the port is taken. SIGTERM and SIGHUP (the terminal was closed) end it as Ctrl-C does.
    """
    with _ending_when_asked():
        _serve(desk, port, printed, flight, flight_port)


def _serve(
    desk: Desk,
    port: int,
    printed: Callable[[str], None],
    flight: Callable[[str, str], None] | None,
    flight_port: int,
) -> None:
    listener = _listener(port)
    found = listener.getsockname()[1]
    drivers = _flight(desk, flight_port, flight) if flight is not None and desk.role == "analyst" else None
    warm(desk)
    application_ = application(desk, found, printed)
    try:
        uvicorn.Server(config_of(application_)).run(sockets=[listener])
    finally:
        if drivers is not None:
            drivers.stop()
        desk.close()


def config_of(application_: ASGIApp) -> uvicorn.Config:
    """How the pages are served: to so many connections at once, none of them for longer than it asks."""
    return uvicorn.Config(
        application_,
        http=Closing,
        limit_concurrency=CONNECTIONS,
        log_level="warning",
        access_log=False,
        server_header=False,
        date_header=False,
    )


@contextmanager
def _ending_when_asked() -> Iterator[None]:
    """The web server ends at SIGTERM and then gives the signal to whoever heeded it before: that leaves by SystemExit,
    so that nothing of this process stays behind. A hang-up that is ignored stays so, as under ``nohup``."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    if before[signal.SIGHUP] is not signal.SIG_IGN:
        signal.signal(signal.SIGHUP, lambda *_: signal.raise_signal(signal.SIGTERM))
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _listener(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((LOOPBACK, port))
        listener.listen()  # before the address is printed: a browser that is quick waits instead of being turned away
    except OSError as error:
        listener.close()
        raise BadFile("FILE_DESK_PORT", port=str(port), internal=repr(error)) from None
    return listener


def _flight(desk: Desk, port: int, told: Callable[[str, str], None]) -> Any:
    """The Flight SQL server of this desk, with a token of its own; None where this build has none."""
    if find_spec("engine.desk.flight") is None or find_spec(FLIGHT) is None:
        return None
    token = desk.randomness.bytes(32).hex()
    server = import_module(FLIGHT).FlightSqlServer.start(desk.session, LOOPBACK, port, token)
    told(f"grpc://{LOOPBACK}:{server.port}", token)
    return server
