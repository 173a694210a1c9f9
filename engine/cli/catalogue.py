"""``splittally catalogue export``: the signed catalogue for registers of data."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from engine.cli.options import Json

app = typer.Typer(help="Write the signed catalogue in a form that registers of data take.", no_args_is_help=True)


@app.callback()
def catalogue() -> None:
    """Write the signed catalogue in a form that registers of data take."""


@app.command()
def export(
    home: Annotated[Path, typer.Option(metavar="DIR", help="Any member's home.")],
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Where it goes; default: printed.")] = None,
    form: Annotated[str, typer.Option(metavar="FORM", help="dcat: DCAT 3 as JSON-LD.")] = "dcat",
    contact: Annotated[str, typer.Option(metavar="NAME", help="Whom to ask about the data.")] = "",
    email: Annotated[str, typer.Option(metavar="ADDRESS", help="Their address.")] = "",
    licence: Annotated[str, typer.Option(metavar="URL", help="Under which the data may be used.")] = "",
    classification: Annotated[str, typer.Option(metavar="WORD", help="Such as OFFICIAL.")] = "",
    updates: Annotated[str, typer.Option(metavar="WORD", help="How often the data change, such as monthly.")] = "",
    as_json: Json = False,
) -> None:
    """Export the catalogue in the fields of the UK metadata exchange model; what nobody said is named, not invented."""
    import json

    from engine.cli.show import console, print_json, print_written
    from engine.errors import BadFile
    from engine.governance.dcat import Publisher, dcat, lacking
    from engine.trusted.home import Home

    if form != "dcat":
        raise BadFile("FILE_FORM", form=form, forms="dcat")
    document = dcat(Home.load(home).manifest(), Publisher(contact, email, licence, classification, updates))
    if out is None:
        print_json(document)
    else:
        out.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    missing = lacking(document)
    if out is not None:
        print_written(out, as_json, lacking=list(missing))
    if missing:
        console(error=True).print(f"The exchange model also wants: {', '.join(missing)}.")
