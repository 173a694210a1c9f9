"""``splittally explain``: what a statement would compute, in words and in normalised SQL."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from engine.cli.check import STATEMENT_HELP, OwnCatalogue, OwnHome, context_of, statement_text
from engine.cli.options import ANALYST_HOME, Json


def explain(
    file: Annotated[str, typer.Argument(metavar="[FILE|-]", help=STATEMENT_HELP, show_default=False)] = "-",
    catalog: OwnCatalogue = None,
    home: OwnHome = ANALYST_HOME,
    stages: Annotated[bool, typer.Option("--stages", help="Show the statement after each pass.")] = False,
    as_json: Json = False,
) -> None:
    """Explain a statement before it is asked; nothing is sent, read or spent."""
    from engine.cli.show import print_json
    from engine.sql import explain as words
    from engine.sql import prepare

    context = context_of(catalog, home)
    sql = statement_text(file)
    passes = words.stages(sql, context) if stages else ()
    statement = prepare(sql, context.catalogue, context.rules)
    text = words.explain(statement, context.catalogue)
    if as_json:
        print_json(
            {
                "plan_digest": words.plan_digest(statement),
                "columns": [name for name, _ in statement.columns],
                "explanation": text,
                "notes": list(statement.notes),
                "stages": [{"name": stage.name, "lines": list(stage.lines)} for stage in passes],
            }
        )
        return
    for stage in passes:
        sys.stdout.write(f"{stage.name}\n" + "".join(f"    {line}\n" for line in stage.lines))
    sys.stdout.write(("\n" if passes else "") + text + "\n")
