"""``splittally forecast``: cost and error of a statement before it is asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from engine.cli.check import STATEMENT_HELP, OwnCatalogue, OwnHome, context_of, statement_text
from engine.cli.options import ANALYST_HOME, DELTA, EPSILON, Delta, Epsilon, Json, NMin
from engine.figures import rounded, share_words

if TYPE_CHECKING:
    from rich.console import Console

    from engine.client.cost import Cost
    from engine.client.forecast import ColumnError, Forecast


def forecast(
    file: Annotated[str, typer.Argument(metavar="[FILE|-]", help=STATEMENT_HELP, show_default=False)] = "-",
    catalog: OwnCatalogue = None,
    home: OwnHome = ANALYST_HOME,
    epsilon: Epsilon = EPSILON,
    delta: Delta = DELTA,
    n_min: NMin = None,
    rows: Annotated[int | None, typer.Option(min=1, help="How many rows you expect WHERE to keep.")] = None,
    persons: Annotated[int | None, typer.Option(min=1, help="How many persons you expect.")] = None,
    agreement: Annotated[str | None, typer.Option(help="Its name, or the start of its digest; with --home.")] = None,
    as_json: Json = False,
) -> None:
    """Say what a statement would cost and how wrong its figures would be; nothing is asked, read or spent.

    Errors of counts and sums are exact. Those of means, quantiles and the like depend on the data: they are stated for
    rows spread evenly over the published bounds, as many as --rows says.
    """
    from engine.cli.show import console, print_json
    from engine.client import forecast as client

    statement = statement_text(file)
    if catalog is not None:
        from engine.sql import prepare

        context = context_of(catalog)
        terms = client.Terms(epsilon, delta, n_min, rows, persons)
        found = client.forecast(
            prepare(statement, context.catalogue, context.rules), context.catalogue, context.rules, terms
        )
    else:
        from engine.client.session import connect

        with connect(home) as session:
            found = session.query(statement, agreement, epsilon, delta, n_min).forecast(rows, persons)
    if as_json:
        print_json(document(found))
    else:
        _show(console(), found)


def document(found: Forecast) -> dict[str, object]:
    """As JSON: ``columns`` has one entry a noisy column and grouping; ``exact`` false: under ``assumption``."""
    from dataclasses import asdict

    cost = found.cost
    return {
        "columns": [{**asdict(column), "keys": list(column.keys)} for column in found.columns],
        "assumption": asdict(found.assumption),
        "cost": {
            "epsilon": float(cost.epsilon),
            "delta": float(cost.delta),
            "rho_billionths": cost.loss.rho_billionths,
            "per_node": dict.fromkeys(cost.nodes, cost.loss.rho_billionths),
            "shares": [asdict(share) for share in cost.shares],
        },
        "n_min": found.n_min,
        "variance_factor": found.variance_factor,
        "bias": [asdict(bias) for bias in found.bias],
        "advice": [asdict(advice) for advice in found.advice],
        "notes": list(found.notes),
    }


def _show(shown: Console, found: Forecast) -> None:
    from rich.text import Text

    from engine.cli.show import new_table

    table = new_table()
    for heading in ("column", "for each", "cells"):
        table.add_column(heading, justify="right" if heading == "cells" else "left")
    for heading in ("± 95 %", "deviation", "figure", "± of it"):
        table.add_column(heading, justify="right", no_wrap=True)
    for column in found.columns:
        table.add_row(*_cells(column))
    shown.print(table)
    if any(not column.exact for column in found.columns):
        shown.print("* depends on the data: stated for values spread evenly over their published bounds.", style="dim")
    shown.print(f"Assumed for the figures: {found.assumption.words}, spread evenly over the cells.", style="dim")
    _list(shown, "Bounds", [bias.words for bias in found.bias])
    _list(shown, "Cost", _costs(found.cost))
    _list(shown, "Notes", list(found.notes))
    _list(shown, "Advice", [advice.words for advice in found.advice])
    shown.print(Text("Nothing was asked, read or spent.", style="dim"))


def _cells(column: ColumnError) -> tuple[str, ...]:
    from engine.cli.show import text
    from engine.client.units import heading

    half = column.half_width
    sizes = ("no usable figure", "") if half is None else (f"± {rounded(half)}", rounded(column.deviation or 0.0))
    figure = "NULL" if column.figure is None else text(column.figure, 0 if abs(column.figure) >= 1000 else 2)
    relative = "" if column.relative is None else share_words(column.relative)
    name = heading(column.column, column.unit) + ("" if column.exact else " *")
    return (name, ", ".join(column.keys) or "all rows", f"{column.cells:,}", *sizes, figure, relative)


def _costs(cost: Cost) -> list[str]:
    rho = cost.loss.rho_billionths / 1e9
    price = f"epsilon {float(cost.epsilon):g} at delta {float(cost.delta):g} (rho {rho:.4g})"
    lines = [f"{price} at each of {', '.join(cost.nodes)}; once more if a round is lost and asked again"]
    for share in cost.shares:
        refused = ", so it would be refused" if share.share > 1 else ""
        lines.append(f"{share_words(share.share)} of {share.account}, {share.span}{refused}")
    return [*lines, "what was spent before, the node alone knows: `splittally budget`"]


def _list(shown: Console, heading: str, lines: list[str]) -> None:
    from rich.padding import Padding
    from rich.text import Text

    if lines:
        shown.print(heading, style="bold")
    for line in lines:
        shown.print(Padding(Text(line), (0, 0, 0, 2), expand=False))
