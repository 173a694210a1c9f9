"""``splittally card``: how complete a dataset is: ask once a snapshot, publish, take somebody's, show the newest."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from engine.cli.options import ANALYST_HOME, DELTA, EPSILON, AnalystHome, Delta, Epsilon, Json, NMin

if TYPE_CHECKING:
    from engine.client.cards import Card, Seen
    from engine.governance.card import Figures
    from engine.trusted.catalogue import Dataset

app = typer.Typer(help="Quality cards of datasets, with figures from the data.", no_args_is_help=True)
_Dataset = Annotated[str, typer.Argument(metavar="DATASET", help="A dataset of the catalogue.")]
_Home = Annotated[Path, typer.Option("--home", metavar="DIR", help="Anybody's home: it knows whom to believe.")]
ONCE = "A snapshot is charged once: this card was given again free of charge."
ABOVE = "Shares are shown as released; noise can lift one above 100 %."


@app.callback()
def card() -> None:
    """Quality cards of datasets, with figures from the data."""


@app.command()
def ask(
    dataset: _Dataset,
    home: AnalystHome = ANALYST_HOME,
    column: Annotated[
        list[str] | None, typer.Option(metavar="C", help="Of these columns; default: all that the agreement covers.")
    ] = None,
    values: Annotated[
        list[str] | None, typer.Option(metavar="C", help="Count the rows of each published value of this column.")
    ] = None,
    quartiles: Annotated[
        list[str] | None, typer.Option(metavar="C", help="And the quartiles of this number with bounds.")
    ] = None,
    epsilon: Epsilon = EPSILON,
    delta: Delta = DELTA,
    agreement: Annotated[str | None, typer.Option(help="Its name, or the start of its digest.")] = None,
    n_min: NMin = None,
    wait: Annotated[float, typer.Option(min=0, metavar="SECONDS", help="How long to wait for the answer.")] = 60.0,
    as_json: Json = False,
) -> None:
    """Count rows, persons and, column by column, rows with a value: charged to the budget, once a snapshot.

    It is one ordinary question under an agreement, and asking again is free until a host takes a new snapshot. Each
    further figure makes all of them less exact. `card publish` makes the answer public.
    """
    from engine.cli.show import console, footer, print_json, progress
    from engine.client.card_asking import Asking, dataset_of
    from engine.client.card_asking import ask as asked
    from engine.client.session import connect
    from engine.client.states import status_words

    wanted = (tuple(column or ()), tuple(values or ()), tuple(quartiles or ()))
    asking = Asking(dataset, *wanted, agreement, epsilon, delta, n_min)
    beside = console(error=True)
    with connect(home) as session, progress() as report:
        given = asked(
            session,
            asking,
            wait,
            lambda status: report(status_words(status)),
            lambda words: beside.print(words, soft_wrap=True),
        )
        declared = dataset_of(session, dataset)
    whose = {} if given.card is None else {"analyst": given.card.publication.analyst}
    if as_json:
        print_json({"request": given.request, "free": given.free, **whose, **_document(given.figures, declared)})
        return
    shown = console()
    shown.print(_table(given.figures, declared))
    if given.release is not None and not given.free:
        shown.print(footer(given.release.survivors, given.release.cost))
    if given.card is not None:
        shown.print(f"Not asked again: {_rests_on(given.card)}.", soft_wrap=True)
    shown.print(ONCE if given.free else f"Make it public with: splittally card publish {dataset} --yes", soft_wrap=True)


@app.command()
def publish(
    dataset: _Dataset,
    home: AnalystHome = ANALYST_HOME,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write the files here too.", show_default=False)
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Confirm: publishing cannot be taken back.")] = False,
    as_json: Json = False,
) -> None:
    """Make the card that was asked for last public: signed, registered, shown in this home's catalogue.

    With --out also the files of a publication, and DATASET.card, which others take into their homes. Publishing costs
    nothing and cannot be taken back.
    """
    from engine.cli.show import console, print_json
    from engine.client.card_asking import publish as published
    from engine.client.session import connect
    from engine.errors import require

    require(yes, "POLICY_NOT_CONFIRMED")
    with connect(home) as session:
        found, paths = published(session, dataset, out)
    if as_json:
        print_json({"dataset": dataset, "request": found.request, "files": [str(path) for path in paths]})
        return
    for path in paths:
        console().print(str(path), soft_wrap=True)
    console().print(f"Published: the quality card of {dataset}; {_rests_on(found)}.", soft_wrap=True)


@app.command()
def take(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="DATASET.card, from whoever published it.")],
    home: _Home,
    as_json: Json = False,
) -> None:
    """Keep a card that somebody published: its receipt, signatures and registration are verified first.

    From then on the catalogue of this home shows it: `card show`, the desk, and the table fed.cards.
    """
    from engine.cli.show import console, print_json
    from engine.client.cards import take as taken
    from engine.client.session import connect
    from engine.errors import BadFile

    try:
        body = file.read_bytes()
    except OSError:
        raise BadFile("FILE_MISSING", path=str(file)) from None
    with connect(home) as session:
        found = taken(session, body)
    if as_json:
        print_json({"dataset": found.dataset, "request": found.request})
        return
    console().print(f"Kept: the quality card of {found.dataset}; {_rests_on(found)}.", soft_wrap=True)


@app.command()
def show(
    dataset: _Dataset,
    home: _Home,
    as_json: Json = False,
) -> None:
    """Show the newest published card in this home, and whether its snapshots are still those that answers come from."""
    from engine.cli.show import console, print_json
    from engine.client.card_asking import dataset_of
    from engine.client.cards import described_or_away, seen
    from engine.client.session import connect
    from engine.errors import Refused

    with connect(home) as session:
        declared = dataset_of(session, dataset)
        found = seen(session.home, declared, session, described_or_away(session))
    if found.trouble is not None:
        raise found.trouble
    if found.card is None or found.figures is None:
        raise Refused("POLICY_CARD_NONE", name=dataset)
    if as_json:
        print_json({**_about(found.card, found), **_document(found.figures, declared)})
        return
    shown = console()
    shown.print(_table(found.figures, declared))
    for line in (f"{_rests_on(found.card)}.", *_remarks(found)):
        shown.print(line[:1].upper() + line[1:], soft_wrap=True)


def _rests_on(found: Card) -> str:
    from engine.governance.text import day

    said = found.publication
    nodes = ", ".join(found.nodes)
    published = f"published on {day(said.decided_ms)} by {said.analyst}"
    return f"{published}, answered by {nodes}, cost {found.cost}, request {found.request}"


def _remarks(found: Seen) -> Iterator[str]:
    yield f"{found.freshness.value}."
    if found.missing:
        yield f"Without the rows of {', '.join(found.missing)}."
    yield ABOVE


def _about(found: Card, seen: Seen) -> dict[str, object]:
    from engine.governance.text import day

    return {
        "request": found.request,
        "published": day(found.publication.decided_ms),
        "analyst": found.publication.analyst,
        "nodes": list(found.nodes),
        "missing": list(seen.missing),
        "cost": found.cost,
        "snapshot": seen.freshness.name.lower(),
    }


def _document(figures: Figures, dataset: Dataset) -> dict[str, Any]:
    """The figures, one entry each."""
    from engine.governance.card import lines

    return {
        "dataset": figures.dataset,
        "figures": [
            {
                "column": line.column or None,
                "figure": line.figure,
                "unit": line.unit or None,
                "value": line.measured.value,
                "interval": None if line.measured.low is None else [line.measured.low, line.measured.high],
            }
            for line in lines(figures)
        ],
    }


def _table(figures: Figures, dataset: Dataset) -> Any:
    from engine.cli.show import new_table
    from engine.governance.card import lines

    table = new_table()
    for heading in ("column", "figure"):
        table.add_column(heading)
    for heading in ("value", "95 %", "unit"):
        table.add_column(heading, justify="left" if heading == "unit" else "right", no_wrap=True)
    for line in lines(figures):
        table.add_row(line.column, line.figure, *line.words, line.unit)
    return table
