"""One visit of a page: what the browser sent, and the answers that a page can give."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, quote

from jinja2 import Environment
from starlette.responses import JSONResponse, RedirectResponse, Response

from engine.desk.desk import Desk
from engine.errors import Refused, SplittallyError, Unavailable, Waiting

FORM_FIELDS = 200
STATUS = ((Waiting, 409), (Refused, 422), (Unavailable, 503))


@dataclass(frozen=True, slots=True)
class Form:
    """The fields of a form that was sent, or of the address; each may stand there several times."""

    fields: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @classmethod
    def parse(cls, encoded: str) -> Form:
        """Of application/x-www-form-urlencoded text; ValueError for what is none, or too much."""
        found: dict[str, tuple[str, ...]] = {}
        for name, value in parse_qsl(encoded, keep_blank_values=True, max_num_fields=FORM_FIELDS, errors="strict"):
            found[name] = (*found.get(name, ()), value)
        return cls(found)

    def one(self, name: str, default: str = "") -> str:
        """The first value of a field, with line ends as \\n and no blanks around it."""
        return self.fields.get(name, (default,))[0].replace("\r\n", "\n").strip()

    def every(self, name: str) -> tuple[str, ...]:
        return self.fields.get(name, ())

    def __contains__(self, name: str) -> bool:
        return name in self.fields


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

    def render(self, template: str, status: int = 200, **shown: object) -> Response:
        """A page from a template of engine/desk/templates; ``error``: shown in a summary at its top."""
        error = shown.get("error")
        if isinstance(error, SplittallyError) and status == 200:
            status = status_of(error)
        notice = self.desk.take_notice(self.query.one("said")) if "said" in self.query else ""
        given: dict[str, object] = {"notice": notice, "error": None, **shown}
        body = self.templates.get_template(template).render(desk=self.desk, visit=self, url=self.url, **given)
        return Response(body, status, media_type="text/html")

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
