"""Options that several commands share, each with one meaning and one default."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Annotated

import typer

EPSILON = Fraction(1)
DELTA = Fraction(1, 10**9)
HOMES = Path.home() / ".splittally"
ANALYST_HOME, NODE_HOME, COORDINATOR_HOME = HOMES / "analyst", HOMES / "node", HOMES / "coordinator"


def exact(text: str) -> Fraction:
    """A positive decimal, exactly as written."""
    try:
        value = Fraction(text)
    except (ValueError, ZeroDivisionError):
        raise typer.BadParameter(f"{text!r} is not a number") from None
    if value <= 0:
        raise typer.BadParameter("must be above 0")
    return value


def probability(text: str) -> Fraction:
    """A delta; Refused SQL_DELTA_RANGE."""
    from engine.client.terms import require_delta

    value = exact(text)
    require_delta(value)
    return value


Epsilon = Annotated[
    Fraction, typer.Option(parser=exact, metavar="NUMBER", help="Privacy loss of the statement, all cells together.")
]
Delta = Annotated[
    Fraction,
    typer.Option(
        parser=probability,
        metavar="NUMBER",
        help="The delta that epsilon is stated with, from 1e-15 to 1e-3; default 1e-9.",
        show_default=False,
    ),
]
ANY_HOME = "An analyst's home, for its federation's rules and agreement; default: ~/.splittally/analyst."
CatalogueFile = Annotated[Path, typer.Option("--catalog", metavar="FILE", help="The catalogue (YAML).")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
AnalystHome = Annotated[
    Path, typer.Option("--home", metavar="DIR", help="Default: ~/.splittally/analyst.", show_default=False)
]
NMin = Annotated[
    int | None, typer.Option(min=1, help="Least number of nodes an answer may come from; default: the federation's.")
]
RequestId = Annotated[str, typer.Argument(metavar="REQUEST_ID", help="The request id that `submit` printed.")]
RootsFile = Annotated[
    Path, typer.Option("--roots", metavar="FILE", help="The root keys you trust, as in any home: root.keys.")
]
