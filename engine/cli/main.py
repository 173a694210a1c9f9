"""The command ``splittally``: one file a command group; whatever a command needs, it imports when it runs."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from engine.cli import (
    agreement,
    budget,
    card,
    catalogue,
    check,
    coordinator,
    decide,
    demo,
    desk,
    explain,
    federation,
    forecast,
    hand_in,
    journal,
    manual,
    node,
    receipt,
    register,
    rehearse,
    release,
    requests,
    retention,
    schema,
    submit,
    try_,
)
from engine.cli.show import show_error
from engine.errors import BadFile, Bug, SplittallyError

VERSION = "0.1.0"  # that of pyproject.toml

app = typer.Typer(
    name="splittally",
    help="SQL across departments whose data stays where it is.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
_WRONG_USE: tuple[Any, ...] = typer.BadParameter.__bases__  # of all errors about options and arguments


def _print_version(wanted: bool) -> None:
    if wanted:
        sys.stdout.write(f"splittally {VERSION}\n")
        raise typer.Exit


@app.callback()
def splittally(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """SQL across departments whose data stays where it is."""


app.command("try")(try_.try_)
app.command("demo")(demo.demo)
app.command("check")(check.check)
app.command("explain")(explain.explain)
app.command("forecast")(forecast.forecast)
app.command("rehearse")(rehearse.rehearse)
app.command("submit")(submit.submit)
app.command("watch")(submit.watch)
app.command("result")(submit.result)
app.command("requests")(requests.requests)
app.command("approve")(decide.approve)
app.command("revoke")(decide.revoke)
app.command("withdraw")(decide.withdraw)
app.command("hand-in")(hand_in.hand_in)
app.add_typer(budget.app, name="budget")
app.command("schema")(schema.schema)
app.command("desk")(desk.desk)
app.add_typer(coordinator.app, name="coordinator")
app.add_typer(node.app, name="node")
app.add_typer(federation.app, name="federation")
app.add_typer(agreement.app, name="agreement")
app.add_typer(release.app, name="release")
app.add_typer(receipt.app, name="receipt")
app.add_typer(journal.app, name="journal")
app.add_typer(register.app, name="register")
app.add_typer(catalogue.app, name="catalogue")
app.add_typer(card.app, name="card")
app.add_typer(retention.app, name="retention")
app.add_typer(manual.app, name="manual")


def run(arguments: Sequence[str]) -> int:
    """Run one command; returns the exit status of the table in engine/errors.py."""
    as_json = "--json" in arguments
    try:
        if as_json:
            return _run_for_programs(arguments)
        app(args=list(arguments), prog_name="splittally")
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else 0 if stop.code is None else 1
    except SplittallyError as error:
        show_error(error, as_json)
        return error.exit_status
    except Exception as error:
        # The last line of defence: a stranger sees a code, a developer asks for the traceback.
        if os.environ.get("SPLITTALLY_DEBUG"):
            raise
        bug = Bug("BUG_UNEXPECTED", internal=repr(error))
        show_error(bug, as_json)
        return bug.exit_status
    return 0


def _run_for_programs(arguments: Sequence[str]) -> int:
    """What is wrong with the arguments themselves is an error like the others: BadFile FILE_USAGE."""
    try:
        status = app(args=list(arguments), prog_name="splittally", standalone_mode=False)
    except typer.Abort:
        return 1
    except _WRONG_USE as wrong:
        told: Any = wrong
        problem = " ".join(told.format_message().split())
        raise BadFile(
            "FILE_USAGE", problem=problem, command=told.ctx.command_path if told.ctx else "splittally"
        ) from None
    return status if isinstance(status, int) else 0


def main() -> None:
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
