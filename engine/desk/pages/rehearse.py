"""A rehearsal: the statement asked of dummy data on this machine, as far as it is, and its figures with error bars."""

from __future__ import annotations

from starlette.responses import Response

from engine.desk.chart import drawings
from engine.desk.page import ANALYST, Page
from engine.desk.visit import Visit


def rehearsal(visit: Visit) -> Response:
    job = visit.desk.rehearsals.find(visit.path["key"])
    if job is None:
        return visit.nowhere()
    ended = job.ended  # read first: what it ended with is there then
    found = job.result
    return visit.render(
        "workbench/rehearsal.html",
        trail=(("/ask", "Ask"),),
        job=job,
        found=found,
        error=job.error,
        ended=ended,
        drawings=drawings(found.answer, found.exact) if found else (),
        refresh=visit.query.one("refresh") == "5" and not ended,
    )


PAGES = (Page("/rehearsals/{key}", rehearsal, ANALYST, example="/rehearsals/00"),)
