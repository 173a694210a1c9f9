"""``splittally desk``: a person's own web pages on this machine, and Flight SQL for an analyst's tools."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from engine.cli.options import ANALYST_HOME


def desk(
    home: Annotated[
        Path,
        typer.Option(
            metavar="DIR",
            help="The home of an analyst, guardian, policy officer or auditor; default: ~/.splittally/analyst.",
            show_default=False,
        ),
    ] = ANALYST_HOME,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Of the pages, on 127.0.0.1; 0: a free one.")] = 0,
    node_home: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Your node's home, if it is here: to show what is left of its budgets."),
    ] = None,
    flight: Annotated[bool, typer.Option(help="Serve Flight SQL too, in an analyst's desk.")] = True,
    flight_port: Annotated[int, typer.Option(min=0, max=65535, help="Of Flight SQL; 0: a free one.")] = 0,
    open_: Annotated[bool, typer.Option("--open", help="Open the pages in your browser.")] = False,
) -> None:
    """Serve the desk of a person until Ctrl-C: pages by role, on this machine only, signing with the person's own key.

    Each printed address opens the desk once, in one browser; after it is used another one is printed.
    """
    from engine.cli.show import console
    from engine.errors import BadFile

    try:
        from engine.desk.desk import Desk
        from engine.desk.doorway import Doorway
        from engine.desk.serve import serve
    except ModuleNotFoundError as missing:
        raise BadFile("FILE_DESK_EXTRA", package=missing.name or "") from None
    from engine.trusted.clock import SystemClock
    from engine.trusted.random import SystemRandomness

    shown = console()
    addresses: list[str] = []
    doorway = Doorway()

    def printed(address: str) -> None:
        again = "For another browser: " if addresses else "Desk: "
        shown.print(f"{again}{address}", soft_wrap=True)
        if addresses:
            doorway.close()  # the address in it was used
        elif open_ and not doorway.open(address):
            shown.print("No browser could be opened; open this address yourself.")
        addresses.append(address)

    def printed_flight(location: str, token: str) -> None:
        shown.print(f"Flight SQL: {location}, token {token}", soft_wrap=True)

    opened = Desk.at(home, SystemClock(), SystemRandomness(), node_home)
    shown.print(f"The desk of {opened.home.name}, {opened.role_words.lower()}. Ctrl-C closes it.")
    try:
        serve(opened, port, printed, printed_flight if flight else None, flight_port)
    finally:
        doorway.close()
