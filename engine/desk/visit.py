"""One visit of a page: what the browser sent, and the answers that a page can give."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

from jinja2 import Environment
from starlette.responses import JSONResponse, RedirectResponse, Response

from engine.desk.desk import Desk
from engine.desk.form import Form
from engine.errors import BadFile, Refused, SplittallyError, Unavailable, Waiting

STATUS = ((Waiting, 409), (Refused, 422), (BadFile, 400), (Unavailable, 503))


@dataclass(frozen=True, slots=True)
class Visit:
    """What a page is given. ``path``: the parts of its address in braces; ``form`` is empty unless it was a POST."""

    desk: Desk
    path: Mapping[str, str]
    query: Form
    form: Form
    csrf: str
    place: str  # the address within the desk, without the query
    templates: Environment

    def render(self, template: str, /, **shown: object) -> Response:
        """A page from a template of engine/desk/templates. ``error``: shown in a summary at its top; the page's HTTP
        status follows from it, unless ``status`` says otherwise."""
        error = shown.get("error")
        usual = status_of(error) if isinstance(error, SplittallyError) else 200
        status = shown.pop("status", usual)
        notice = self.desk.take_notice(self.query.one("said")) if "said" in self.query else ""
        given: dict[str, object] = {"notice": notice, "error": None, **shown}
        body = self.templates.get_template(template).render(desk=self.desk, visit=self, url=self.url, **given)
        return Response(body, status if isinstance(status, int) else usual, media_type="text/html")

    def nowhere(self, whom: str = "") -> Response:
        """There is no such page; or there is, for somebody else (``whom``: which role)."""
        return self.render("nowhere.html", status=403 if whom else 404, whom=whom)

    def refused(self, error: SplittallyError) -> Response:
        """A page that says only what went wrong and what to do next."""
        return self.render("refused.html", error=error)

    def url(self, place: str) -> str:
        """The address of a page of this desk, as the browser needs it: `visit.url("/requests")`."""
        return self.desk.base + quote(place, safe="/?=&%#.-_~")

    def go(self, place: str, notice: str = "") -> Response:
        """On to another page after something was done; it shows the ``notice`` once."""
        said = f"{'&' if '?' in place else '?'}said={self.desk.leave_notice(notice)}" if notice else ""
        return RedirectResponse(self.url(place + said), status_code=303)

    def json(self, document: object) -> Response:
        return JSONResponse(document)

    def file(self, body: bytes, name: str, media_type: str) -> Response:
        """A file to keep; ``name`` is the desk's own, of letters, digits, dots and hyphens."""
        if not name or not all(c.isascii() and (c.isalnum() or c in ".-_") for c in name):
            raise ValueError(f"no name of a file to keep: {name!r}")
        headers = {"Content-Disposition": f'attachment; filename="{name}"'}
        return Response(body, headers=headers, media_type=media_type)


def status_of(error: SplittallyError) -> int:
    """The HTTP status that an error is shown with."""
    return next((status for kind, status in STATUS if isinstance(error, kind)), 500)
