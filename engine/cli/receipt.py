"""``splittally receipt``: hand on the proof of a release, and check one offline with the root keys alone."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from engine.cli.options import ANALYST_HOME, AnalystHome, Json, RequestId, RootsFile

app = typer.Typer(help="Hand on and verify receipts.", no_args_is_help=True)


@app.callback()
def receipt() -> None:
    """Hand on and verify receipts."""


@app.command()
def export(
    request: RequestId,
    home: AnalystHome = ANALYST_HOME,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Default: REQUEST_ID.receipt here.", show_default=False)
    ] = None,
    as_json: Json = False,
) -> None:
    """Write the receipt of a release that this home holds, signed by its analyst, for anybody to verify."""
    from engine.cli.show import print_written
    from engine.client.archive import Archive
    from engine.client.receipts import sign_receipt
    from engine.client.session import digest_of
    from engine.errors import Unavailable
    from engine.trusted.home import Home
    from engine.trusted.wire import encode

    opened = Home.load(home)
    released = Archive(opened).released(digest_of(request))
    if released is None:
        raise Unavailable("ROUND_NOT_RELEASED")
    target = out or Path(f"{request}.receipt")
    target.write_bytes(encode(sign_receipt(released.receipt, opened.signing_key())))
    print_written(target, as_json, request=request)


@app.command()
def verify(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A receipt.")],
    roots: RootsFile,
    as_json: Json = False,
) -> None:
    """Check a receipt offline: every signature and proof, up to the root keys; say what it says.

    Exits with 3 and a code for a receipt that does not hold.
    """
    from engine.cli.show import console, new_table, print_json
    from engine.client.receipt_words import checks, in_words
    from engine.client.receipts import verify_receipt
    from engine.errors import BadFile
    from engine.governance.homes import read_roots
    from engine.trusted.wire import digest

    if not file.is_file():
        raise BadFile("FILE_MISSING", path=str(file))
    found = verify_receipt(file.read_bytes(), read_roots(roots))
    request = digest(found.receipt.round_manifest.request.payload).hex()
    if as_json:
        print_json(
            {
                "request": request,
                "analyst": found.request.analyst,
                "keeper": found.keeper,
                "agreement": found.agreement.name,
                "nodes": list(found.receipt.survivors),
                "rho_billionths": found.request.loss.rho_billionths,
                "charges_proven": list(found.charged),
                "checks": [{"checked": what, "by": by} for what, by in checks(found)],
                "says": in_words(found),
            }
        )
        return
    table = new_table()
    for heading in ("checked", "how"):
        table.add_column(heading, overflow="fold")
    for row in checks(found):
        table.add_row(*row)
    shown = console()
    shown.print(table)
    shown.print(in_words(found), soft_wrap=True)
    shown.print("The receipt holds.", style="bold")
