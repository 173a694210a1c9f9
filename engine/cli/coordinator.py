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
) -> None:
    """Run the coordinator until it is stopped; SIGTERM lets rounds under way end."""
    import os
    import sys

    options = ["--listen", listen] if listen else []
    os.execv(sys.executable, [sys.executable, "-m", "engine.coordinator", "--home", str(home), *options])  # noqa: S606
