"""``splittally agreement``: sign one, install it where it is enforced, list what a home holds."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from engine.cli.options import Json

app = typer.Typer(help="Sign, install and list data sharing agreements.", no_args_is_help=True)

_HEADINGS = ("agreement", "edition", "title", "from", "until", "digest")
_File = Annotated[Path, typer.Argument(metavar="FILE", help="YAML, or a signed .agreement that lacks signatures.")]


@app.callback()
def agreement() -> None:
    """Sign, install and list data sharing agreements."""


@app.command()
def sign(
    file: _File,
    home: Annotated[list[Path], typer.Option(metavar="DIR", help="A signer's home; may be given again.")],
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Default: FILE with the ending .agreement.")] = None,
) -> None:
    """Sign an agreement as a policy officer or guardian, and write it with all its signatures.

    The first signer gives the YAML; the others add their signatures to the file that comes out.
    """
    from engine.cli.show import console
    from engine.governance.agreement import load_agreement, read_record, sign_agreement
    from engine.trusted.home import Home
    from engine.trusted.wire import encode

    homes = [Home.load(path) for path in home]
    written = file.suffix == ".agreement"
    draft = read_record(file) if written else load_agreement(file, homes[0].manifest())
    record = sign_agreement(draft, *homes)
    target = out or file.with_suffix(".agreement")
    target.write_bytes(encode(record))
    console().print(f"{target}: signed by {', '.join(s.signer for s in record.signatures)}")


@app.command()
def install(
    file: _File,
    home: Annotated[list[Path], typer.Option(metavar="DIR", help="Coordinator, node or helper; may be given again.")],
) -> None:
    """Verify a signed agreement and keep it in the homes of those who enforce it; they read it when they start."""
    from engine.cli.show import console
    from engine.governance.agreement import install_agreement, read_record
    from engine.trusted.home import Home

    installed = install_agreement(read_record(file), [Home.load(path) for path in home])
    console().print(f"{installed.name}, edition {installed.edition}: installed in {len(home)} homes")


@app.command("list")
def list_(
    home: Annotated[Path, typer.Option(metavar="DIR", help="Any member's home.")],
    as_json: Json = False,
) -> None:
    """List the agreements a home holds, with their digests."""
    from datetime import UTC, datetime

    from engine.cli.show import console, new_table, print_json
    from engine.trusted.home import Home
    from engine.trusted.sign import open_agreement
    from engine.trusted.wire import digest

    opened = Home.load(home)
    roster = opened.roster()
    found = [(digest(record.payload).hex(), open_agreement(record, roster)) for record in opened.agreements()]

    def day(ms: int) -> str:
        return datetime.fromtimestamp(ms // 1000, UTC).date().isoformat()

    rows = [
        {
            "agreement": a.name,
            "edition": a.edition,
            "title": a.title,
            "analysts": list(a.analysts),
            "datasets": {scope.dataset: list(scope.columns) for scope in a.scope},
            "budget_rho_billionths": a.budget.rho_billionths,
            "per_plan_rho_billionths": a.per_plan.rho_billionths,
            "from": day(a.from_ms),
            "until": day(a.until_ms),
            "digest": name,
        }
        for name, a in found
    ]
    if as_json:
        print_json(rows)
        return
    table = new_table()
    for heading in _HEADINGS:
        table.add_column(heading, overflow="fold")
    for row in rows:
        table.add_row(*(str(row[heading]) for heading in _HEADINGS))
    console().print(table)
