"""``splittally register``: the public list of who asked what, why, under which agreement, at what cost."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from engine.cli.options import Json

if TYPE_CHECKING:
    from engine.governance.register.sources import Evidence

app = typer.Typer(help="Make the public register.", no_args_is_help=True)
_Home = Annotated[
    Path, typer.Option(metavar="DIR", help="The home of an auditor, of a policy officer or of the coordinator.")
]
_Store = Annotated[
    str,
    typer.Option(
        metavar="URL", envvar="SPLITTALLY_STORE", help="The coordinator's database, if it is not a file in its home."
    ),
]
_Published = Annotated[
    Path | None,
    typer.Option(
        "--published", metavar="DIR", help="Published tables (CSV) to put into the register.", show_default=False
    ),
]


@app.callback()
def register() -> None:
    """Make the public register."""


@app.command()
def export(
    home: _Home,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where it goes; an older register there is replaced.")],
    published: _Published = None,
    store: _Store = "",
    as_json: Json = False,
) -> None:
    """Write the register as static pages, JSON and CSV, from journals that are verified here.

    It holds no person's data and no result that was not published. What contradicts itself is shown.
    """
    from engine.cli.show import console, print_json
    from engine.governance.register.site import files, published_tables, write
    from engine.trusted.clock import SystemClock

    evidence = _evidence(home, store)
    count = write(out.resolve(), files(evidence, SystemClock().now_ms(), published_tables(published)))
    said = {"register": str(out), "files": count, "requests": len(evidence.requests)}
    if as_json:
        print_json(said)
        return
    console().print(f"{out}: {count} files about {said['requests']} requests; begin with index.html", soft_wrap=True)


@app.command()
def crate(
    request: Annotated[str, typer.Argument(metavar="REQUEST_ID", help="The request, or the start of its id.")],
    home: _Home,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Default: print it.", show_default=False)] = None,
    store: _Store = "",
    as_json: Json = False,
) -> None:
    """Write one request as a Five Safes RO-Crate: who, why, sign-offs, checks, cost, and what was published."""
    from engine.cli.show import print_json, print_written
    from engine.errors import require
    from engine.governance.register.crate import crate as crate_of
    from engine.governance.register.site import register_of
    from engine.governance.register.tables import json_bytes
    from engine.trusted.clock import SystemClock

    made, _ = register_of(_evidence(home, store), SystemClock().now_ms(), {})
    rows = [row for row in made.requests if row.request.startswith(request.lower())]
    require(len(request) >= 6 and len(rows) == 1, "POLICY_REQUEST_NOT_QUEUED")
    if out is None:
        print_json(crate_of(made, rows[0]))
        return
    out.write_bytes(json_bytes(crate_of(made, rows[0])))
    print_written(out, as_json, request=rows[0].request)


def _evidence(path: Path, store: str) -> Evidence:
    """What holds of all that the home's member may see."""
    from engine.errors import BadFile, Unavailable
    from engine.governance.register.sources import gathered, verified
    from engine.trusted.home import Home
    from engine.trusted.records import SignedHead

    home = Home.load(path.expanduser())
    if home.role in ("auditor", "policy_officer"):
        from engine.client.register import fetch_sources

        return verified(fetch_sources(home))
    if home.role != "coordinator":
        raise BadFile("FILE_REGISTER_HOME", path=str(home.path), role=home.role.replace("_", " "))
    from engine.coordinator.register import opened

    with opened(home, store) as (journals, parts):

        def fetch(member: str) -> tuple[SignedHead, tuple[bytes, ...]]:
            held = list(journals.parts(member, 0))
            if not held:
                raise Unavailable("NODE_JOURNAL_NOT_YET", name=member)
            return held[-1].head, tuple(entry for part in held for entry in part.entries)

        return verified(gathered(home, parts, fetch))
