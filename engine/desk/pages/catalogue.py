"""The catalogue: what every dataset and column means, what its owners state of it, how complete it was found to be,
and what can be asked of it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from fractions import Fraction

from starlette.responses import Response

from engine.client.cards import described_or_away, seen
from engine.desk.chart import Point, bars
from engine.desk.page import Page
from engine.desk.pages.workbench import example
from engine.desk.visit import Visit
from engine.governance.card import lines, statement, wanted_of
from engine.governance.dcat import Publisher, dcat
from engine.trusted.catalogue import Catalogue, Column, Dataset
from engine.trusted.dates import day_of
from engine.trusted.plan import Type

TRAIL = (("/catalogue", "Catalogue"),)
MAX_KEYS = 10_000  # values of an integer or date that can be a key without being named


def catalogue(visit: Visit) -> Response:
    return visit.render("catalogue/list.html", datasets=visit.desk.manifest.catalogue.datasets)


def dataset(visit: Visit) -> Response:
    """One dataset: what it is, what its owners state, its columns, and a statement to begin with."""
    held = visit.desk.manifest.catalogue
    found = held.dataset(visit.path["dataset"])
    if found is None:
        return visit.nowhere()
    return visit.render(
        "catalogue/dataset.html",
        trail=TRAIL,
        dataset=found,
        card=card(found),
        **measured(visit, found),
        columns=[(column, values(column)) for column in found.columns],
        beside=_beside(found, held),
        example=example(found),
    )


def column(visit: Visit) -> Response:
    found = visit.desk.manifest.catalogue.dataset(visit.path["dataset"])
    named = found.column(visit.path["column"]) if found else None
    if found is None or named is None:
        return visit.nowhere()
    trail = (*TRAIL, (f"/catalogue/{found.name}", found.name))
    shown = {"dataset": found, "column": named, "values": values(named), "uses": uses(found, named)}
    return visit.render("catalogue/column.html", trail=trail, **shown)


def metadata(visit: Visit) -> Response:
    """The whole catalogue as DCAT 3; what nobody said is left out."""
    document = dcat(visit.desk.manifest, Publisher())
    body = json.dumps(document, indent=2, ensure_ascii=False).encode() + b"\n"
    return visit.file(body, "catalogue.jsonld", "application/ld+json")


@dataclass(frozen=True, slots=True)
class Statement:
    """One line of a quality card: what the owner states, and what follows from it for answers."""

    heading: str
    stated: str
    follows: str


def card(found: Dataset) -> tuple[Statement, ...]:
    """The owner's statements, which nodes enforce when data is cut; nothing of it was read from the data."""
    hosts = len(found.hosts)
    rows = found.rows_per_person
    once = "Each person is at one department only." if found.overlap == 1 else ""
    several = f"A person may be at {found.overlap} departments, and counts at each; noise is larger for it."
    further = "Nothing is lost." if rows == 1 else "Further rows of a person are left out, silently, when data is cut."
    return (
        Statement("Rows of one person", f"at most {rows:,} at each department", further),
        Statement("Groups of one person", f"at most {found.groups_per_person:,}", "More are left out of an answer."),
        Statement("Overlap", f"{found.overlap} of {hosts} departments", once or several),
        Statement("Persons", f"at most {found.at_most_persons:,} at each department", "Forecasts assume so many."),
        Statement("Rows", f"at most {found.at_most_rows:,} at each department", "Forecasts assume so many."),
        *(
            Statement(
                f"Sum of {bound.column} of one person",
                f"{_number(bound.sum.lower)} to {_number(bound.sum.upper)}",
                "Sums beyond it count as the nearest end.",
            )
            for bound in found.per_person
        ),
    )


def measured(visit: Visit, found: Dataset) -> dict[str, object]:
    """The newest published card in this home, its figures and a drawing of its shares."""
    desk = visit.desk
    shown = seen(desk.home, found, desk.session(), described_or_away(desk.session()))
    columns = shown.figures.columns if shown.figures else ()
    points = [
        Point(filled.column, filled.share.value, *filled.share.span)
        for filled in columns
        if filled.share.value is not None and filled.share.span is not None
    ]
    return {
        "shown": shown,
        "lines": tuple(lines(shown.figures)) if shown.figures else (),
        "drawings": bars("complete", "Rows with a value, in % of all rows", points),
        "statement": statement(found, wanted_of(found)),
        "receipt": shown.card is not None and desk.session().archive.holds(shown.card.publication.request_digest),
    }


def values(found: Column) -> str:
    """What a column can hold, by its declaration."""
    if found.domain:
        return f"{len(found.domain)} values"
    if found.type is Type.BOOLEAN:
        return "true or false"
    if found.bounds is None:
        return "any"
    if found.type is Type.DATE:
        ends = (day_of(found.bounds.lower).isoformat(), day_of(found.bounds.upper).isoformat())
    else:
        ends = (_number(found.bounds.lower), _number(found.bounds.upper))
    step = f", in steps of {_number(found.step)}" if found.step else ""
    return f"{ends[0]} to {ends[1]}{step}"


def uses(of: Dataset, found: Column) -> tuple[str, ...]:
    """What can be asked of a column, and what cannot."""
    if found.name == of.person.column:
        return ("It names the person: use it in COUNT(DISTINCT ...), in joins, and to group by person in a subquery.",)
    known = found.domain or found.type is Type.BOOLEAN
    ranged = found.bounds is not None and found.type in (Type.INTEGER, Type.DATE)
    short = ranged and found.bounds is not None and found.bounds.upper - found.bounds.lower < MAX_KEYS
    said = []
    if known or short:
        said.append("GROUP BY it: every listed value is shown, present in the data or not.")
    elif ranged:
        said.append("GROUP BY a coarser form of it, such as the year or a bucket: it has too many values to list.")
    elif found.type is Type.TEXT:
        said.append("GROUP BY it only where the agreement allows key selection: its values are not published.")
    if found.bounds is not None and found.type in (Type.INTEGER, Type.DECIMAL):
        said.append("SUM, AVG, VARIANCE, MEDIAN and other quantiles: values beyond the bounds count as the nearest.")
    elif found.type in (Type.INTEGER, Type.DECIMAL):
        said.append("No SUM or AVG as it is: it has no bounds. Put some around it with LEAST and GREATEST.")
    said.append("Filter by it in WHERE, and COUNT rows where it has a value.")
    return tuple(said)


def _beside(found: Dataset, held: Catalogue) -> tuple[str, ...]:
    """Datasets of the same placement: all rows of a person are at one node, so they join there."""
    return tuple(d.name for d in held.datasets if d.placement == found.placement and d.name != found.name)


def _number(value: Fraction | None) -> str:
    if value is None:
        return ""
    return f"{int(value):,}" if value == int(value) else f"{float(value):,g}"


PAGES = (
    Page("/catalogue", catalogue, menu="Catalogue", about="What the datasets hold, and what is stated of them."),
    Page("/catalogue.jsonld", metadata),
    Page("/catalogue/{dataset}", dataset, example="/catalogue/people"),
    Page("/catalogue/{dataset}/{column}", column, example="/catalogue/people/region"),
)
