"""``splittally manual``: the manual of this version, to be read without a network."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from engine.cli.options import Json

app = typer.Typer(help="Write the manual of this version as web pages.", no_args_is_help=True)


@app.callback()
def manual() -> None:
    """Write the manual of this version as web pages."""


@app.command()
def export(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where it goes; an older manual there is replaced.")],
    as_json: Json = False,
) -> None:
    """Write the manual, references and decisions as static pages that need no network; begin with index.html."""
    from engine.cli.main import VERSION
    from engine.cli.show import console, print_json
    from engine.docs.site import MARK, pages
    from engine.governance.register.site import write

    count = write(folder.resolve(), pages(VERSION), MARK, "FILE_MANUAL_FOLDER")
    if as_json:
        print_json({"manual": str(folder), "files": count, "first": str(folder / "index.html")})
        return
    console().print(f"{folder}: {count} files; begin with {folder / 'index.html'}", soft_wrap=True)
