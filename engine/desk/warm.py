"""What the first visit of every page would wait for, done before the desk's address is printed: threads and templates
are ready, the line to the coordinator is open, and for an analyst one statement has been read and forecast.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

from starlette.concurrency import run_in_threadpool

from engine.desk.app import menu
from engine.desk.desk import Desk
from engine.desk.draft import Draft, weigh
from engine.desk.pages.workbench import example
from engine.desk.shown import environment
from engine.errors import SplittallyError
from engine.trusted.messages import FederationDescription


def warm(desk: Desk) -> None:
    """Takes a glance longer where the coordinator does not answer. What is wrong is left to the page that needs it."""
    seen = asyncio.run(_ready(desk))
    if desk.role == "analyst" and seen is not None:
        with suppress(SplittallyError):
            weigh(Draft(sql=example(desk.manifest.catalogue.datasets[0])), desk.session(), seen)


async def _ready(desk: Desk) -> FederationDescription | None:
    """The federation as it is seen now; templates are compiled while the coordinator is asked."""
    seen, _ = await asyncio.gather(run_in_threadpool(_see, desk), run_in_threadpool(_compile, desk))
    return seen


def _see(desk: Desk) -> FederationDescription | None:
    with suppress(SplittallyError):
        return desk.describe()
    return None


def _compile(desk: Desk) -> None:
    templates = environment(menu(desk))
    for name in templates.list_templates():
        templates.get_template(name)
