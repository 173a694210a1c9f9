"""``splittally try``: a throw-away federation over one's own files, and one statement."""

from __future__ import annotations

from typing import Annotated

import typer

from engine.cli.options import DELTA, EPSILON, CatalogueFile, Delta, Epsilon, Json, NMin


def try_(
    sql: Annotated[str, typer.Argument(metavar="SQL", help="The statement; - reads it from standard input.")],
    catalog: CatalogueFile,
    data: Annotated[
        list[str], typer.Option(metavar="NAME=DIR", help="A node and its folder of <dataset>.parquet or .csv files.")
    ],
    epsilon: Epsilon = EPSILON,
    delta: Delta = DELTA,
    n_min: NMin = None,
    as_json: Json = False,
) -> None:
    """Ask one statement of a throw-away federation over your own files.

    Each folder becomes a node in a process of its own; code, noise, ledger and TLS are those of a real federation.
    """
    import sys

    from engine.cli.show import answer_json, answer_table, console, footer, print_json, progress
    from engine.local.attempt import attempt

    statement = sys.stdin.read() if sql == "-" else sql
    notes: list[str] = []
    with progress() as report:
        release = attempt(statement, catalog, data, epsilon, delta, n_min, report, notes.append)
    for note in notes:
        console(error=True).print(f"Note on your files: {note}", style="dim", highlight=False)
    if as_json:
        print_json(answer_json(release.answer, release.survivors, release.cost))
        return
    shown = console()
    shown.print(answer_table(release.answer))
    for note in release.answer.notes:
        shown.print(f"Note: {note}", style="dim")
    shown.print(footer(release.survivors, release.cost))
