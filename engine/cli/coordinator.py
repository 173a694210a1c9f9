"""``splittally coordinator``: becomes the coordinator's process."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from engine.cli.options import COORDINATOR_HOME


def coordinator(
    home: Annotated[
        Path, typer.Option(metavar="DIR", help="Default: ~/.splittally/coordinator.", show_default=False)
    ] = COORDINATOR_HOME,
    listen: Annotated[str, typer.Option(metavar="HOST:PORT", help="Default: as in the home.", show_default=False)] = "",
    store: Annotated[
        str,
        typer.Option(
            metavar="URL",
            envvar="SPLITTALLY_STORE",
            help="postgresql://USER@HOST:PORT/DATABASE, the password in PGPASSWORD; default: a file in the home.",
            show_default=False,
            show_envvar=False,
        ),
    ] = "",
) -> None:
    """Run the coordinator until it is stopped; SIGTERM lets rounds under way end."""
    import os
    import sys

    options = ["--listen", listen] if listen else []
    if store:  # not on the command line, which every user of the machine can read
        os.environ["SPLITTALLY_STORE"] = store
    os.execv(sys.executable, [sys.executable, "-m", "engine.coordinator", "--home", str(home), *options])  # noqa: S606
