"""What ``node health`` and ``coordinator health`` share: one question, and an exit status that monitors know."""

from __future__ import annotations

from pathlib import Path

import typer

UNHEALTHY = 1  # what monitors and container engines expect


def report(home: Path, coordinator: str, as_json: bool, *, attends: bool) -> None:
    """Says whether the coordinator serves and, with ``attends``, the home's member attends there; exit 1 if not."""
    from engine.cli.show import console, error_document, print_json, show_error
    from engine.client.health import address_of, require_serving
    from engine.errors import Unavailable
    from engine.trusted.home import Home

    opened = Home.load(home)
    name, address = (opened.name if attends else "coordinator"), coordinator or address_of(opened)
    try:
        require_serving(opened, address, opened.name if attends else "")
    except Unavailable as error:
        if as_json:
            print_json({"name": name, "healthy": False, "coordinator": address, "error": error_document(error)})
        else:
            show_error(error)
        raise typer.Exit(UNHEALTHY) from None
    if as_json:
        print_json({"name": name, "healthy": True, "coordinator": address})
    else:
        console().print(f"{name} {'attends' if attends else 'serves'} at {address}.", soft_wrap=True)
