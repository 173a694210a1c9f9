"""The desk as a web application: the table of pages behind the guard, and the files of its looks."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from engine.desk.desk import ROLES, Desk
from engine.desk.form import Form
from engine.desk.guard import Guard
from engine.desk.page import Page
from engine.desk.pages import PAGES
from engine.desk.shown import environment
from engine.desk.visit import Visit
from engine.errors import Bug, SplittallyError

STATIC = Path(__file__).parent / "static"
_log = logging.getLogger("splittally.desk")


def application(desk: Desk, port: int, printed: Callable[[str], None]) -> Guard:
    """The whole desk, guarded. ``printed`` gets each address that opens it (guard.py)."""
    routes: list[BaseRoute] = [_route(page, desk) for page in PAGES]
    routes.append(Mount("/static", StaticFiles(directory=STATIC)))
    pages = Starlette(routes=routes)
    pages.add_exception_handler(404, lambda request, _: _nowhere(request, desk))
    pages.add_exception_handler(405, lambda request, _: _nowhere(request, desk))
    uploads = frozenset(page.place for page in PAGES if page.upload)
    return Guard(pages, desk.base, port, desk.randomness, printed, uploads)


def menu(desk: Desk) -> tuple[Page, ...]:
    """The pages of the navigation for the desk's role."""
    return tuple(page for page in PAGES if page.menu and desk.role in page.roles)


def _route(page: Page, desk: Desk) -> Route:
    def show(request: Request) -> Response:
        visit = _visit(request, desk)
        if desk.role not in page.roles:
            whom = " or ".join(sorted(ROLES[role].lower() for role in page.roles))
            return visit.nowhere(whom)
        try:
            return page.show(visit)
        except SplittallyError as error:
            return visit.refused(error)
        except Exception as error:  # the last line of defence: a person sees a code, a developer the traceback
            if os.environ.get("SPLITTALLY_DEBUG"):
                _log.exception("a page of the desk failed")
            return visit.refused(Bug("BUG_UNEXPECTED", internal=repr(error)))

    return Route(page.place, show, methods=["POST"] if page.post else ["GET"])


def _visit(request: Request, desk: Desk) -> Visit:
    path = {name: str(value) for name, value in request.path_params.items()}
    state, query = request.scope["state"], request.scope["query_string"].decode("latin-1")
    try:
        asked = Form.parse(query)
    except ValueError:
        asked = Form()
    return Visit(desk, path, asked, state["form"], state["csrf"], request.scope["path"], environment(menu(desk)))


def _nowhere(request: Request, desk: Desk) -> Response:
    if "form" not in request.scope.get("state", {}):
        return Response("Not found", 404, media_type="text/plain")
    return _visit(request, desk).nowhere()
