"""``splittally demo``: five departments, real questions, each answer beside the exact one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from engine.cli.options import Json

if TYPE_CHECKING:
    from rich.console import Console

    from engine.local.demo.run import Demonstration, Outcome

CACHE = Path(".cache") / "demo"


def demo(
    generated: Annotated[
        bool, typer.Option("--generated", help="Residents of the project's own generator; nothing else needed.")
    ] = False,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the departments running until Ctrl-C.")] = False,
    cache: Annotated[Path, typer.Option(metavar="DIR", help="Where the files are kept between runs.")] = CACHE,
    as_json: Json = False,
) -> None:
    """Start five departments and a coordinator on this machine, and ask them what an analyst would ask.

    Each answer stands beside the exact one, which only this demonstration computes: it made the files itself.
    """
    from engine.cli.show import console, print_json, progress
    from engine.local.demo.run import demonstration

    shown = console(error=as_json)
    with progress() as report, demonstration(cache, simulated=not generated, progress=report) as running:
        report("asking")
        found = []
        if not as_json:
            _introduce(shown, running)
        for outcome in running.outcomes():
            found.append(outcome)
            if not as_json:
                _show(shown, outcome, len(found))
        if as_json:
            print_json({"questions": [_document(outcome) for outcome in found]})
        report("stopping" if not keep else "")
        if keep:
            _keep(shown, running, len(found) + 1)


def _introduce(shown: Console, running: Demonstration) -> None:
    names = ", ".join(running.local.federation.processes)
    shown.print(f"[bold]Departments[/], each a process of its own: {names}.", markup=True)
    shown.print(
        "Each keeps its rows. What leaves it is noisy and masked; the coordinator adds up what it cannot read.\n"
        "The column 'exact' is computed by this demonstration alone, from the files it made: nobody else can.\n"
        "It knows no bounds; the answers do: wages count up to 400,000 dollars, and four pay forms a person.",
        style="dim",
    )


def _show(shown: Console, outcome: Outcome, number: int) -> None:
    from rich.padding import Padding
    from rich.text import Text

    from engine.cli.show import answer_table, footer, percent

    shown.print(f"\n[bold]{number}. {outcome.question.asks}[/]", markup=True)
    shown.print(Padding(Text(outcome.question.sql, style="blue"), (0, 2), expand=False))
    if outcome.refusal is not None:
        shown.print(f"  refused: {outcome.refusal.code}: {outcome.refusal.message}", style="yellow")
        shown.print(f"  {outcome.refusal.hint}", style="dim")
    if outcome.release is not None:
        release = outcome.release
        shown.print(Padding(answer_table(release.answer, outcome.exact), (0, 2), expand=False))
        left = ", ".join(
            f"{node} {percent(share)}" for node, share in outcome.left.items() if node in release.survivors
        )
        shown.print(f"  {footer(release.survivors, release.cost)}", style="dim")
        shown.print(f"  left of the budget (of rho): {left}", style="dim")


def _document(outcome: Outcome) -> dict[str, object]:
    from engine.cli.show import answer_json, plain

    if outcome.release is None:
        refusal = outcome.refusal
        return {
            "sql": outcome.question.sql,
            "refused": True,
            "code": refusal.code if refusal else "",
            "message": refusal.message if refusal else "",
            "hint": refusal.hint if refusal else "",
        }
    release = outcome.release
    return {
        "sql": outcome.question.sql,
        **answer_json(release.answer, release.survivors, release.cost),
        "exact": [{name: plain(value) for name, value in row.items()} for row in outcome.exact],
        "budget_left": dict(outcome.left),
    }


def _keep(shown: Console, running: Demonstration, number: int) -> None:
    """Leaves a question for the guardians, and says how each role sits down at its desk."""
    from engine.local.federation import ANALYST

    outcome, owners = running.leave_waiting()
    _show(shown, outcome, number)
    shown.print(f"  waits for the guardians of {' and '.join(owners)}: both approve each plan of a private join.")
    federation = running.local.federation
    shown.print(
        f"\nThe departments keep running; their homes are in {federation.directory}.\n"
        "In another terminal, a desk for each role, in your browser:",
        soft_wrap=True,
    )
    for role, home, node_home in running.seats(owners):
        beside = f" --node-home {node_home}" if node_home else ""
        shown.print(f"  {role:<16}splittally desk --home {home}{beside}", soft_wrap=True)
    own = federation.home(ANALYST)
    statement = "SELECT sex, COUNT(*) AS n FROM residents GROUP BY sex"
    shown.print("Or by command:")
    shown.print(f'  splittally submit --home {own} "{statement}"', soft_wrap=True)
    shown.print(f"  splittally requests --home {own}", soft_wrap=True)
    shown.print("Ctrl-C stops them and removes the homes.")
    try:
        running.local.wait_until_stopped()
    except KeyboardInterrupt:
        shown.print("Stopping.")
