"""``splittally rehearse``: a statement on dummy data, answered as it would be in earnest."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from engine.cli.check import STATEMENT_HELP, OwnCatalogue, OwnHome, context_of, statement_text
from engine.cli.options import ANALYST_HOME, DELTA, EPSILON, Delta, Epsilon, Json, NMin

if TYPE_CHECKING:
    from engine.client.rehearse import Rehearsal


def rehearse(
    file: Annotated[str, typer.Argument(metavar="[FILE|-]", help=STATEMENT_HELP, show_default=False)] = "-",
    catalog: OwnCatalogue = None,
    home: OwnHome = ANALYST_HOME,
    epsilon: Epsilon = EPSILON,
    delta: Delta = DELTA,
    n_min: NMin = None,
    persons: Annotated[int, typer.Option(min=1, max=100_000, help="How many dummy persons to make.")] = 2_000,
    seed: Annotated[int, typer.Option(min=0, help="What the dummy data is made from; the noise has no seed.")] = 1,
    keep: Annotated[Path | None, typer.Option(metavar="DIR", help="Leave the dummy files in this folder.")] = None,
    as_json: Json = False,
) -> None:
    """Ask a statement of dummy data made from the catalogue: free, local, and its figures mean nothing.

    Departments, coordinator and helpers run as processes on this machine, as with `try`; the noise is that of the asked
    budget. Each figure stands beside the exact one of the dummy data.
    """
    from engine.cli.show import console, print_json, progress
    from engine.client.rehearse import Rehearsing, require_nodes
    from engine.client.rehearse import rehearse as run

    statement = statement_text(file)
    require_nodes()
    with progress() as report:
        terms = Rehearsing(epsilon, delta, n_min, persons, seed, keep)
        if catalog is not None:
            from engine.sql import prepare

            context = context_of(catalog)
            prepared = prepare(statement, context.catalogue, context.rules)
            found = run(prepared, context.catalogue, context.rules, terms, report)
        else:
            from engine.client.session import connect

            with connect(home) as session:
                query = session.query(statement, None, epsilon, delta, n_min)
                found = query.rehearse(persons, seed, keep, report)
    if as_json:
        print_json(document(found))
    else:
        _show(found)
    if keep is not None:
        console(error=True).print(f"The dummy files are in {keep}, one folder a node, as `splittally try` reads them.")


def document(found: Rehearsal) -> dict[str, object]:
    """As an answer's JSON, with ``dummy`` true and ``exact``, one entry a row; ``cost`` is what asking would cost."""
    from engine.cli.show import answer_json, plain

    cost = {
        "epsilon": float(found.epsilon),
        "delta": float(found.delta),
        "rho_billionths": found.loss.rho_billionths,
        "per_node": dict.fromkeys(found.survivors, found.loss.rho_billionths),
    }
    return {
        "dummy": True,
        "persons": found.persons,
        "dummy_rows": dict(found.rows),
        **answer_json(found.answer, found.survivors, cost),
        "exact": [{name: plain(value) for name, value in row.items()} for row in found.exact],
        "notes": [*found.notes, *found.answer.notes],
    }


def _show(found: Rehearsal) -> None:
    from engine.cli.show import answer_table, console

    shown = console()
    shown.print(found.notes[0], style="bold yellow")
    shown.print(answer_table(found.answer, found.exact))
    for note in (*found.notes[1:], *found.answer.notes):
        shown.print(f"Note: {note}", style="dim", markup=False)
    held = ", ".join(f"{node} {rows:,}" for node, rows in found.rows.items())
    shown.print(f"{found.persons:,} dummy persons; dummy rows: {held}.")
    price = f"epsilon {float(found.epsilon):g} at delta {float(found.delta):g}"
    shown.print(f"answered by {', '.join(found.survivors)} on this machine; free. In earnest it costs {price} at each.")
