"""Who gets past the guard: only the browser that opened the printed address, from the desk's own pages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pytest
from starlette.testclient import TestClient

from engine.desk.desk import Desk
from engine.desk.guard import HEADERS, MOST_BYTES
from engine.desk.page import Page
from engine.desk.pages import PAGES
from engine.errors import BadFile
from engine.trusted.clock import SystemClock
from engine.trusted.home import Home
from engine.trusted.random import SystemRandomness
from tests.client.conftest import Bench
from tests.desk.conftest import ADDRESS, Browser, desk_of

ROLES = ("analyst", "guardian", "policy_officer", "auditor")


@pytest.fixture
def browser(bench: Bench) -> Iterator[Browser]:
    """A desk that no other test has touched."""
    made = desk_of(Home.load(bench.federation.home("analyst")))
    yield made
    made.desk.close()


def stranger(browser: Browser, **headers: str) -> TestClient:
    """Somebody on the same machine who never saw the printed address."""
    return TestClient(browser.guard, base_url=ADDRESS, headers=headers)


def place_of(page: Page) -> str:
    return page.example or page.place


# -- coming in


def test_a_stranger_sees_nothing_at_any_place(browser: Browser) -> None:
    client = stranger(browser)
    for page in PAGES:
        for place in (place_of(page), browser.base + place_of(page)):
            answer = client.post(place) if page.post else client.get(place)
            assert answer.status_code in (401, 404)
            assert browser.desk.home.federation not in answer.text
            assert browser.base not in answer.text  # the secret path is not given away


@pytest.mark.parametrize("token", ["", "0" * 64, "é", "x" * 10_000], ids=["empty", "wrong", "no ascii", "long"])
def test_a_wrong_token_opens_nothing(browser: Browser, token: str) -> None:
    answer = stranger(browser).get(f"{browser.base}/", params={"token": token}, follow_redirects=False)
    assert answer.status_code == 401
    assert "set-cookie" not in answer.headers


def test_a_token_works_once_and_another_is_printed(browser: Browser) -> None:
    used, fresh = browser.addresses
    assert stranger(browser).get(used, follow_redirects=False).status_code == 401
    answer = stranger(browser).get(fresh, follow_redirects=False)
    assert (answer.status_code, fresh.partition("token=")[2] in answer.text) == (200, False)
    assert f'content="0; url={browser.base}/"' in answer.text  # on to the desk, without the token
    assert len(browser.addresses) == 3


def test_the_cookie_is_for_this_desk_and_no_script(browser: Browser) -> None:
    answer = stranger(browser).get(browser.addresses[-1], follow_redirects=False)
    _, *attributes = answer.headers["set-cookie"].split("; ")
    assert sorted(attributes) == ["HttpOnly", f"Path={browser.base}/", "SameSite=strict"]


@pytest.mark.parametrize("cookie", ["desk=", "desk=00", "desk=\x7f", "other=1", ";;;", "desk=" + "0" * 64])
def test_another_cookie_is_none(browser: Browser, cookie: str) -> None:
    answer = stranger(browser, cookie=cookie).get(f"{browser.base}/")
    assert answer.status_code == 401


@pytest.mark.parametrize("others", ["desk={}; desk=evil", "desk={}; junk", "path=x; desk={}", 'a="; desk={}'])
def test_cookies_of_other_programs_do_not_close_the_desk(browser: Browser, others: str) -> None:
    """A browser sends what any port of the machine has set."""
    answer = stranger(browser, cookie=others.format(browser.session)).get(f"{browser.base}/")
    assert answer.status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1", "127.0.0.1:1", "localhost:1", "evil.example:8700", "[::1]:8700", ""]
)
def test_a_name_that_was_pointed_at_this_machine_is_refused(browser: Browser, host: str) -> None:
    for place in ("/", "/static/desk.css"):
        answer = browser.get(place, host=host)
        assert answer.status_code == 421
        assert browser.desk.home.federation not in answer.text


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS", "PATCH", "TRACE"])
def test_other_methods_are_refused(browser: Browser, method: str) -> None:
    assert browser.client.request(method, f"{browser.base}/").status_code == 405


def test_a_path_outside_the_desk_is_nowhere(browser: Browser) -> None:
    for place in ("/", "/static/desk.css", browser.base, browser.base[:-1] + "/", "//", "/../" + browser.base):
        assert browser.client.get(f"{ADDRESS}{place}", follow_redirects=False).status_code == 404


@pytest.mark.parametrize("name", ["../desk.py", "..%2fdesk.py", "%2e%2e/desk.py", "....//desk.py", "/etc/passwd", ""])
def test_only_the_files_of_its_looks_are_given(browser: Browser, name: str) -> None:
    answer = browser.get(f"/static/{name}")
    assert answer.status_code == 404
    assert "class Desk" not in answer.text


# -- sending forms

POSTS = [page for page in PAGES if page.post]


def attempts(token: str) -> dict[str, tuple[int, dict[str, str], str]]:
    """name -> status, headers, body."""
    form = {"content-type": "application/x-www-form-urlencoded"}
    own, body = {**form, "origin": ADDRESS}, f"csrf={token}"
    return {
        "no token": (403, own, ""),
        "a wrong token": (403, own, "csrf=00"),
        "an empty token": (403, own, "csrf="),
        "another page": (403, {**form, "origin": "http://evil.example"}, body),
        "another port": (403, {**form, "origin": "http://127.0.0.1:9999"}, body),
        "another name": (403, {**form, "origin": "http://localhost:8700"}, body),
        "no page": (403, {**form, "origin": "null"}, body),
        "said to be another site's": (403, {**own, "sec-fetch-site": "cross-site"}, body),
        "said to be another port's": (403, {**own, "sec-fetch-site": "same-site"}, body),
        "JSON": (415, {"content-type": "application/json", "origin": ADDRESS}, f'{{"csrf": "{token}"}}'),
        "plain text": (415, {"content-type": "text/plain", "origin": ADDRESS}, body),
        "too long": (413, own, f"{body}&sql={'x' * MOST_BYTES}"),
        "too many fields": (400, own, body + "&a=1" * 300),
        "no text": (400, own, f"{body}&a=%ff"),
    }


@pytest.mark.parametrize("name", attempts(""))
def test_what_others_send_does_nothing(browser: Browser, name: str) -> None:
    status, headers, body = attempts(browser.token())[name]
    for place in [place_of(page) for page in POSTS] or ["/"]:
        answer = browser.client.post(browser.base + place, content=body, headers=headers)
        assert (answer.status_code, name) == (status, name)


def test_the_form_token_of_another_session_is_none(bench: Bench, browser: Browser) -> None:
    other = desk_of(Home.load(bench.federation.home("analyst")))
    answer = browser.post("/", {"csrf": other.token()})
    other.desk.close()
    assert answer.status_code == 403


# -- what every answer carries


def test_every_page_carries_every_header(desks: Mapping[str, Browser]) -> None:
    for role in ROLES:
        for page in PAGES:
            place = place_of(page)
            answer = desks[role].post(place) if page.post else desks[role].get(place)
            for name, value in HEADERS.items():
                assert answer.headers[name] == value, (role, place, name)


LOOKS = ["/static/desk.css", "/static/desk.js", "/static/tally.svg"]


@pytest.mark.parametrize("place", [*LOOKS, "/none", "/static/none"])
def test_so_does_everything_else(browser: Browser, place: str) -> None:
    """The files of its looks alone may be kept for a while: their path is another at the next start."""
    kept = {"Cache-Control": "private, max-age=3600, immutable"} if place in LOOKS else {}
    for client in (browser.client, stranger(browser)):
        answer = client.get(browser.base + place)
        assert {name: answer.headers[name] for name in HEADERS} == {**HEADERS, **kept}
        etag = answer.headers.get("etag", "")
        assert client.get(browser.base + place, headers={"if-none-match": etag}).status_code in (304, 401, 404)


def test_the_policy_allows_nothing_but_the_desk_itself() -> None:
    policy = dict(part.strip().split(" ", 1) for part in HEADERS["Content-Security-Policy"].split(";"))
    assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert {v for k, v in policy.items() if k.endswith("-src") and k != "default-src"} == {"'self'"}
    assert policy["form-action"] == "'self'"


def test_only_people_have_desks(bench: Bench) -> None:
    for name in ("coordinator", "east", "root"):
        with pytest.raises(BadFile) as refused:
            Desk(Home.load(bench.federation.home(name)), SystemClock(), SystemRandomness())
        assert refused.value.code == "FILE_DESK_HOME"
