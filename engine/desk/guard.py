"""Who may talk to the desk: only the browser that opened the printed address.

Every request passes these steps, in this order, before any page sees it; every answer gets the same headers.

  (1) method     GET, HEAD and POST
  (2) host       the Host header is the desk's own address: a name that was pointed at 127.0.0.1 is refused
  (3) place      below the desk's secret path; a cookie of that path is sent to no other port of this machine
  (4) token      the printed address carries a token once; it becomes a cookie that scripts cannot read. A page of the
                 desk then leads on: after a redirect from a link elsewhere, a browser would keep the cookie back
  (5) cookie     without one of those that were given, nothing is shown but the style sheet
  (6) origin     what is sent comes from the desk's own pages
  (7) form       a short form of the one plain type, with the token that its page held; where a page takes a file,
                 one of several parts, and larger
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from hashlib import sha256
from urllib.parse import parse_qs

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import HTMLResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from engine.desk.form import Form
from engine.trusted.random import Randomness

COOKIE = "desk"
CSRF = "csrf"
MOST_BYTES = 256 * 1024
MOST_FILE_BYTES = 16 << 20
SESSIONS = 16
# Without a referrer at all, browsers send `Origin: null` with forms, and step (6) could check nothing: so the referrer
# goes to the desk itself, and to nobody else.
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=()",
}
LOOKS = {"Cache-Control": "private, max-age=3600, immutable"}  # style, script, sign: their path is new at each start
CLOSED = """<!DOCTYPE html>
<html lang="en-GB">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title} - Splittally desk</title></head>
<body><main><h1>{title}</h1><p>{words}</p></main></body>
</html>
"""
WELCOME = """<!DOCTYPE html>
<html lang="en-GB">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="refresh" content="0; url={base}/"><title>Your desk is open - Splittally desk</title></head>
<body><main><h1>Your desk is open</h1><p><a href="{base}/">Go on to your desk</a></p></main></body>
</html>
"""
ASK_AGAIN = "Open the address that `splittally desk` printed last in its terminal; each address works once."


class Refusal(Exception):
    """A request that no page sees."""

    def __init__(self, status: int, title: str, words: str) -> None:
        super().__init__(title)
        self.status, self.title, self.words = status, title, words


class Guard:
    """Around the pages. ``port``: where the desk listens; ``base``: its secret path.

    ``printed`` is called with each new address that opens the desk: the first one at once, and another after each use.
    ``uploads``: the places that take a file.
    """

    def __init__(
        self,
        pages: ASGIApp,
        base: str,
        port: int,
        randomness: Randomness,
        printed: Callable[[str], None],
        uploads: frozenset[str] = frozenset(),
    ) -> None:
        self._pages, self._base, self._randomness, self._printed = pages, base, randomness, printed
        self._uploads = uploads
        self._hosts = {f"127.0.0.1:{port}", f"localhost:{port}"}
        self._address = f"http://127.0.0.1:{port}{base}/"
        self._key = randomness.bytes(32)
        self._sessions: list[str] = []
        self._token = ""
        self._new_token()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._pages(scope, receive, send)
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                looks = scope["path"].startswith("/static/") and message["status"] in (200, 304)
                MutableHeaders(scope=message).update({**HEADERS, **LOOKS} if looks else HEADERS)
            await send(message)

        try:
            answer = await self._let_in(scope, receive)
        except Refusal as refusal:
            words = CLOSED.format(title=refusal.title, words=refusal.words)
            answer = HTMLResponse(words, refusal.status)
        await (answer or self._pages)(scope, receive, guarded)

    async def _let_in(self, scope: Scope, receive: Receive) -> Response | None:
        """None lets it pass; the form and the session's form token are then in the scope's state."""
        headers = Headers(scope=scope)
        if scope["method"] not in ("GET", "HEAD", "POST"):  # (1)
            raise Refusal(405, "Not allowed", "The desk knows GET and POST only.")
        if headers.get("host", "") not in self._hosts:  # (2)
            raise Refusal(421, "Another address", ASK_AGAIN)
        if not scope["path"].startswith(f"{self._base}/"):  # (3)
            raise Refusal(404, "Not found", ASK_AGAIN)
        scope["path"] = scope["path"][len(self._base) :]
        scope["raw_path"] = scope["path"].encode()
        if scope["path"].startswith("/static/") and scope["method"] != "POST":
            return None
        token = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
        if token and scope["path"] == "/" and scope["method"] == "GET":  # (4)
            return self._exchange(token)
        session = self._session_of(headers)  # (5)
        form = Form()
        if scope["method"] == "POST":
            self._require_own_origin(headers)  # (6)
            form = await self._form(headers, receive, session, scope["path"] in self._uploads)  # (7)
        scope.setdefault("state", {}).update(form=form, csrf=self.form_token(session))
        return None

    def _exchange(self, token: str) -> Response:
        if not hmac.compare_digest(token.encode(), self._token.encode()):
            raise Refusal(401, "This address was used before", ASK_AGAIN)
        session = self._randomness.bytes(32).hex()
        self._sessions = [*self._sessions, session][-SESSIONS:]
        self._new_token()
        answer = HTMLResponse(WELCOME.format(base=self._base))
        answer.set_cookie(COOKIE, session, path=f"{self._base}/", httponly=True, samesite="strict")
        return answer

    def _new_token(self) -> None:
        self._token = self._randomness.bytes(32).hex()
        self._printed(f"{self._address}?token={self._token}")

    def _session_of(self, headers: Headers) -> str:
        """By any cookie of that name: cookies know no ports, so other programs of this machine may have set one too, or
        others that no parser reads."""
        pairs = (pair.strip().partition("=") for pair in headers.get("cookie", "").split(";"))
        given = [value for name, _, value in pairs if name == COOKIE]
        for session in self._sessions:
            if any(hmac.compare_digest(value.encode(), session.encode()) for value in given):
                return session
        raise Refusal(401, "This desk is closed to you", ASK_AGAIN)

    def _require_own_origin(self, headers: Headers) -> None:
        """Browsers send an Origin with every form; one that does not has to hold the form token all the same."""
        origin = headers.get("origin", f"http://{headers['host']}")
        fetched = headers.get("sec-fetch-site", "same-origin")
        if origin != f"http://{headers['host']}" or fetched != "same-origin":
            raise Refusal(403, "From another page", "This was sent by a page that is not the desk's. Nothing was done.")

    async def _form(self, headers: Headers, receive: Receive, session: str, uploads: bool) -> Form:
        kind, _, boundary = headers.get("content-type", "").partition(";")
        parts = uploads and kind.strip().lower() == "multipart/form-data"
        if not parts and kind.strip().lower() != "application/x-www-form-urlencoded":
            raise Refusal(415, "Not a form", "The desk reads plain forms only. Nothing was done.")
        body, more = bytearray(), True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
            if len(body) > (MOST_FILE_BYTES if parts else MOST_BYTES) or message["type"] == "http.disconnect":
                raise Refusal(413, "Too long", "What was sent is longer than any form of the desk. Nothing was done.")
        try:
            name = boundary.strip().removeprefix("boundary=").strip('"')
            form = Form.parse_parts(bytes(body), name) if parts else Form.parse(body.decode("utf-8"))
        except ValueError:
            raise Refusal(400, "Not a form", "What was sent cannot be read as a form. Nothing was done.") from None
        if not hmac.compare_digest(form.one(CSRF).encode(), self.form_token(session).encode()):
            raise Refusal(403, "From an old page", "Go back, load the page again and send it once more.")
        return form

    def form_token(self, session: str) -> str:
        """What every form of a session holds."""
        return hmac.new(self._key, session.encode(), sha256).hexdigest()
