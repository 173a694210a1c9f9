"""``splittally coordinator``: becomes the coordinator's process, or asks one whether it serves."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from engine.cli.options import COORDINATOR_HOME, Json

app = typer.Typer(help="Run the coordinator, or see whether it serves.")


_Home = Annotated[Path, typer.Option(metavar="DIR", help="Default: ~/.splittally/coordinator.", show_default=False)]


@app.callback(invoke_without_command=True)
def coordinator(
    context: typer.Context,
    home: _Home = COORDINATOR_HOME,
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

    if context.invoked_subcommand is not None:
        return
    options = ["--listen", listen] if listen else []
    if store:  # not on the command line, which every user of the machine can read
        os.environ["SPLITTALLY_STORE"] = store
    os.execv(sys.executable, [sys.executable, "-m", "engine.coordinator", "--home", str(home), *options])  # noqa: S606


@app.command()
def health(
    home: Annotated[
        Path, typer.Option(metavar="DIR", help="Any home of the federation; default: ~/.splittally/coordinator.")
    ] = COORDINATOR_HOME,
    address: Annotated[
        str, typer.Option("--coordinator", metavar="HOST:PORT", help="Default: as in the home.", show_default=False)
    ] = "",
    as_json: Json = False,
) -> None:
    """See whether the coordinator serves: for monitors, exit status 0 if so and 1 if not."""
    from engine.cli.health import report

    report(home, address, as_json, attends=False)
