"""``splittally release``: share a release with another analyst, make it public, or compare two."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from engine.cli.options import ANALYST_HOME, AnalystHome, Json, RequestId

if TYPE_CHECKING:
    from engine.client.compare import Comparison, Difference

app = typer.Typer(help="Share, publish and compare releases.", no_args_is_help=True)
CHANCE = 0.05


@app.callback()
def release() -> None:
    """Share, publish and compare releases."""


@app.command()
def share(
    request: RequestId,
    reader: Annotated[str, typer.Option("--with", metavar="ANALYST", help="Another analyst of the same agreement.")],
    home: AnalystHome = ANALYST_HOME,
    as_json: Json = False,
) -> None:
    """Reseal a release to another analyst of its agreement, who then reads it free of charge.

    The other one runs `splittally result REQUEST_ID`, as long as the agreement stands.
    """
    from engine.cli.show import console, print_json
    from engine.client.session import connect

    with connect(home) as session:
        record = session.share(request, reader)
    if as_json:
        print_json({"request": request, "reader": reader, "record": record})
        return
    console().print(f"Shared with {reader}, who reads it with: splittally result {request}", soft_wrap=True)


@app.command()
def publish(
    request: RequestId,
    title: Annotated[str, typer.Option(metavar="T", help="The title that readers see.")],
    out: Annotated[
        Path, typer.Option(metavar="DIR", help="Where the files go; default: here.", show_default=False)
    ] = Path(),
    home: AnalystHome = ANALYST_HOME,
    yes: Annotated[bool, typer.Option("--yes", help="Confirm: publishing cannot be taken back.")] = False,
    as_json: Json = False,
) -> None:
    """Write a release as CSV, CSV on the Web description and web page, and have it registered as public.

    The coordinator keeps the signed record for the register before any file is written. Publishing cannot be taken
    back: what was read once cannot be unread. It costs no privacy budget.
    """
    from engine.cli.show import console, print_json
    from engine.client.publish import publish as published
    from engine.client.session import connect, digest_of
    from engine.errors import require
    from engine.trusted.sign import open_agreement

    require(yes, "POLICY_NOT_CONFIRMED")
    with connect(home) as session:
        found = session.result(request)
        asked = session.archive.asked(digest_of(request))
        require(not asked.shared_by, "POLICY_RELEASE_NOT_OWN", name=asked.shared_by)
        agreement = open_agreement(asked.agreement, session.roster)
        name = f"release-{request[:12]}"
        key, now = session.home.signing_key(), session.clock.now_ms()
        made = published(found, agreement, title, name, key, now)
        record = session.line.hand(made.record).record_digest.hex()
        paths = made.write(out, name)
    if as_json:
        print_json({"request": request, "title": title, "files": [str(path) for path in paths], "record": record})
        return
    shown = console()
    for path in paths:
        shown.print(str(path), soft_wrap=True)


@app.command()
def compare(
    first: Annotated[str, typer.Argument(metavar="A", help="The request id of one release.")],
    second: Annotated[str, typer.Argument(metavar="B", help="The request id of another, of the same shape.")],
    home: AnalystHome = ANALYST_HOME,
    as_json: Json = False,
) -> None:
    """Show B less A with 95 % intervals from the noise of both; differences that noise does not explain are marked."""
    from engine.cli.show import console, new_table, plain, print_json, text
    from engine.client.compare import compare as compared
    from engine.client.session import connect

    with connect(home) as session:
        found = compared(session.result(first), session.result(second))
    if as_json:
        print_json(
            {
                "first": first,
                "second": second,
                "differences": [_document(found, difference) for difference in found.differences],
                "alone": [dict(zip(found.keys, map(plain, key), strict=True)) for key in found.alone],
            }
        )
        return
    table = new_table()
    for heading in (*found.keys, "figure"):
        table.add_column(heading)
    for heading in ("A", "B", "B - A", "95 %", ""):
        table.add_column(heading, justify="right")
    for d in found.differences:
        key = [text(value) for value in d.key]
        span = f"{text(d.low, 1)} .. {text(d.high, 1)}"
        mark = "*" if d.stands else ""
        table.add_row(*key, d.column, text(d.first, 1), text(d.second, 1), text(d.difference, 1), span, mark)
    shown = console()
    shown.print(table)
    if found.alone:
        shown.print(f"{len(found.alone)} rows stand in one release only and are not compared.")
    marked = sum(difference.stands for difference in found.differences)
    chance = CHANCE * len(found.differences)
    shown.print(
        f"* {marked} of {len(found.differences)}: noise alone would rarely explain it. "
        f"About {chance:.1f} marks would come by chance if nothing had changed.",
        soft_wrap=True,
    )


def _document(found: Comparison, difference: Difference) -> dict[str, Any]:
    from engine.cli.show import plain

    return {
        "key": dict(zip(found.keys, map(plain, difference.key), strict=True)),
        "column": difference.column,
        "first": difference.first,
        "second": difference.second,
        "difference": difference.difference,
        "interval": [difference.low, difference.high],
        "stands": difference.stands,
    }
