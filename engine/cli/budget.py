"""``splittally budget``: what a node's ledger says is spent and left."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from engine.cli.options import NODE_HOME, Json

if TYPE_CHECKING:
    from engine.governance.budget import Balance

FOOTNOTE = "Rho adds up and is what is charged; epsilon does not: half of the epsilon is about a quarter of the rho."


def budget(
    home: Annotated[
        Path, typer.Option(metavar="DIR", help="A node's home; default: ~/.splittally/node.", show_default=False)
    ] = NODE_HOME,
    as_json: Json = False,
) -> None:
    """Show the accounts of a node: loss spent, caps and what is left, each in this period and over the lifetime.

    Loss adds up in rho; epsilon is what all of it together means at delta 1e-6.
    """
    from engine.cli.show import console, new_table, percent, print_json
    from engine.governance.budget import balances
    from engine.trusted.clock import SystemClock
    from engine.trusted.home import Home

    found = balances(Home.load(home), SystemClock())
    if as_json:
        print_json([_document(balance) for balance in found])
        return
    if not found:
        console().print("Nothing has been charged yet.")
        return
    table = new_table()
    for heading in ("account", "name", "period"):
        table.add_column(heading)
    for heading in ("spent (epsilon at delta 1e-6)", "of", "left (of rho)"):
        table.add_column(heading, justify="right")
    for balance in found:
        document = _document(balance)
        left = document["left"]
        cells = [document["account"], document["name"], _period(balance), f"{document['spent_epsilon']:.2f}"]
        cells += ["no limit", ""] if left is None else [f"{document['cap_epsilon']:.2f}", percent(float(str(left)))]
        table.add_row(*map(str, cells))
    console().print(table)
    console().print(FOOTNOTE, style="dim")


def _document(balance: Balance) -> dict[str, object]:
    from fractions import Fraction

    from engine.trusted.epsilon import epsilon_of

    delta = Fraction(1, 10**6)
    cap = balance.cap
    document: dict[str, object] = {
        "account": balance.scope.name.lower().removesuffix("_account"),
        "name": balance.name,
        "period_days": balance.period_days or None,
        "spent_rho_billionths": balance.spent.rho_billionths,
        "spent_epsilon": float(epsilon_of(balance.spent, delta)),
    }
    if cap is None or balance.left is None:
        return document | {"cap_rho_billionths": None, "cap_epsilon": None, "left": None}
    return document | {
        "cap_rho_billionths": cap.rho_billionths,
        "cap_epsilon": float(epsilon_of(cap, delta)),
        "left": balance.left.rho_billionths / cap.rho_billionths if cap.rho_billionths else 0.0,
    }


def _period(balance: Balance) -> str:
    return f"{balance.period_days} days" if balance.period_days else "lifetime"
