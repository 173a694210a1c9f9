"""``splittally retention apply``: delete what an agreement no longer lets an analyst keep."""

from __future__ import annotations

from typing import Annotated

import typer

from engine.cli.options import ANALYST_HOME, AnalystHome, Json

app = typer.Typer(help="Keep texts and answers only as long as their agreements say.", no_args_is_help=True)


@app.callback()
def retention() -> None:
    """Keep texts and answers only as long as their agreements say."""


@app.command()
def apply(
    home: AnalystHome = ANALYST_HOME,
    only_look: Annotated[bool, typer.Option("--only-look", help="Say what would go, and delete nothing.")] = False,
    as_json: Json = False,
) -> None:
    """Delete request texts, replies and answers past their agreement's days; digests and proofs of charges stay."""
    from engine.cli.show import console, print_json
    from engine.governance.retention import apply_retention
    from engine.governance.text import day
    from engine.trusted.clock import SystemClock
    from engine.trusted.home import Home

    cleared = apply_retention(Home.load(home), SystemClock(), only_look=only_look)
    if as_json:
        print_json(
            [{"request": c.request, "agreement": c.agreement, "due": day(c.due_ms), "files": c.files} for c in cleared]
        )
        return
    for c in cleared:
        console().print(f"{c.request}: {c.files} files, due {day(c.due_ms)} under {c.agreement}")
    console().print(f"{len(cleared)} requests {'would be' if only_look else 'were'} cleared.")
