"""The desk in a real browser: the analyst's walk with and without script, and every page by axe-core.

What the machine lacks (tests/desk/browser.py) is skipped. Desks are processes of their own, as people start them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from engine.desk import doorway
from engine.desk.pages import PAGES
from tests.client.conftest import Bench
from tests.client.test_cards import FILLED
from tests.desk.browser import Served, axe_core, opened_browser, seated, violations
from tests.desk.conftest import SEATS

SQL = "SELECT region, COUNT(*) AS n FROM people GROUP BY region ORDER BY region"


@pytest.fixture(scope="module")
def served(bench: Bench, browser: Any, warm_processes: None) -> Iterator[Mapping[str, Served]]:
    """role -> its desk."""
    running = {role: Served("--home", str(bench.home(name).path)) for role, name in SEATS.items()}
    yield running
    assert {desk.stop() for desk in running.values()} <= {0, -15}


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with opened_browser() as opened:
        yield opened


@pytest.mark.parametrize("script", [True, False], ids=["with script", "without script"])
def test_an_analyst_walks_from_a_statement_to_its_files(
    served: Mapping[str, Served], browser: Any, script: bool
) -> None:
    epsilon = "0.41" if script else "0.43"
    with seated(browser, served["analyst"], script=script) as seat:
        page = seat.page
        assert "token" not in page.url
        page.click("nav >> text=Ask")
        page.fill("#sql", "SELECT x FROM people")
        if script:
            page.wait_for_selector(".verdict.refuse")
        page.click("text=Explain and forecast")
        assert "There is a problem" in page.inner_text("#errors")
        if script:
            assert page.evaluate("document.activeElement.id") == "errors"
        page.fill("#sql", SQL)
        if script:
            page.wait_for_selector(".verdict.accept")
        page.click("text=Explain and forecast")
        assert "How wrong the answer may be" in page.inner_text("main")
        if script:
            page.focus("#epsilon-range")
            before = page.input_value("input[name=epsilon]:checked")
            page.keyboard.press("ArrowLeft")
            assert float(page.input_value("input[name=epsilon]:checked")) < float(before)
            assert "±" in page.inner_text("#slider output")
        page.fill("#own_epsilon", epsilon)
        page.fill("#purpose", "To plan schools")
        page.click("text=Sign and submit")
        for _ in range(200):
            if page.locator("table.answer").count():
                break
            page.wait_for_timeout(100)
            if not script and page.locator("text=See how far it is now").count():
                page.click("text=See how far it is now")
        assert page.locator("table.answer tbody tr").count() == 2
        assert page.locator("svg.chart[role=img]").count() == 1
        with page.expect_download() as kept:
            page.click("text=CSV, for spreadsheets")
        assert Path(kept.value.path()).read_text().startswith("region,n,")
        page.click("nav >> text=Your requests")
        assert "To plan schools" in page.inner_text("table")


def test_the_token_of_an_address_works_once(served: Mapping[str, Served], browser: Any) -> None:
    with seated(browser, served["analyst"]) as seat:
        assert seat.page.title() == "Overview - Splittally desk"
        context = browser.new_context()
        page = context.new_page()
        page.goto(seat.address)
        assert page.title().startswith("This address was used before")
        context.close()


def test_a_page_on_disk_leads_to_the_desk(served: Mapping[str, Served], browser: Any, tmp_path: Path) -> None:
    """As `--open` has it: a browser takes a file for another site, and sends no cookie of the desk on its redirects."""
    address, page = served["guardian"].address(), tmp_path / "desk.html"
    page.write_text(doorway.PAGE.format(address=address))
    context = browser.new_context()
    seen = context.new_page()
    seen.goto(page.as_uri())
    seen.wait_for_url(f"{address.partition('?')[0]}")
    assert seen.title() == "Overview - Splittally desk"
    context.close()


@contextmanager
def another_port(page: str) -> Iterator[tuple[str, list[str]]]:
    """Somebody else's server on this machine; its address, and the cookies that browsers sent to it."""
    cookies: list[str] = []

    class Lure(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            cookies.append(self.headers.get("cookie", ""))
            self.send_response(200)
            self.send_header("content-type", "text/html")
            self.end_headers()
            self.wfile.write(page.encode())

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Lure)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", cookies
    server.shutdown()
    server.server_close()


def test_a_page_of_another_port_gets_no_cookie_and_sends_no_form(served: Mapping[str, Served], browser: Any) -> None:
    """All ports of a machine are one site to a browser; the secret path keeps the cookie, the origin the forms."""
    with seated(browser, served["analyst"]) as seat:
        fields = f'<input name="sql" value="{SQL}"><input name="do" value="submit"><button>Win</button>'
        with another_port(f'<form method="post" action="{seat.base}/ask">{fields}</form>') as (address, cookies):
            page = seat.page.context.new_page()
            for place in ("/", "/again"):
                page.goto(address + place)
            page.click("button")
            assert page.title().startswith("From another page")
            assert set(cookies) == {""}
        page.close()


# -- accessibility


@pytest.fixture(scope="module")
def axe() -> str:
    return axe_core() or pytest.skip("axe-core is not installed here")


def places(role: str) -> Iterator[str]:
    return (page.example or page.place for page in PAGES if role in page.roles and not page.post)


def is_page(headers: Mapping[str, str]) -> bool:
    return headers.get("content-type", "").startswith("text/html") and "content-disposition" not in headers


@pytest.mark.parametrize("role", SEATS)
def test_no_page_has_a_violation(served: Mapping[str, Served], browser: Any, axe: str, role: str) -> None:
    with seated(browser, served[role]) as seat:
        found = []
        for place in places(role):
            if is_page(seat.page.request.get(seat.base + place).headers):
                seat.go(place)
                found += violations(seat.page, axe)
        assert found == []


def test_nor_has_any_state_of_the_workbench(served: Mapping[str, Served], browser: Any, axe: str) -> None:
    with seated(browser, served["analyst"]) as seat:
        page, found = seat.page, []
        for sql in ("SELECT x FROM people", SQL):
            seat.go("/ask")
            page.fill("#sql", sql)
            page.click("text=Explain and forecast")
            found += violations(page, axe)
        page.locator("details").evaluate_all("all => all.forEach(one => one.open = true)")
        found += violations(page, axe)
        page.fill("#own_epsilon", "0.47")
        page.click("text=Sign and submit")
        page.wait_for_selector("table.answer")
        found += violations(page, axe)
        assert found == []


def test_nor_has_any_state_of_a_card(bench: Bench, served: Mapping[str, Served], browser: Any, axe: str) -> None:
    """Its price and every choice, a mistake, asked for and answered, published."""
    usual = {name: bench.members[name].counts for name in FILLED}
    for name, counts in FILLED.items():
        bench.members[name].counts = counts
    with seated(browser, served["analyst"]) as seat:
        page, found = seat.page, []
        seat.go("/cards/people")
        page.locator("details").evaluate_all("all => all.forEach(one => one.open = true)")
        found += violations(page, axe)
        page.fill("#own_epsilon", "nothing")
        page.click("text=Forecast with these terms")
        assert "SQL_EPSILON_RANGE" in page.inner_text("#errors")
        found += violations(page, axe)
        page.fill("#own_epsilon", "1")
        page.click("text=Forecast with these terms")
        page.click("text=Sign and ask for the card")
        page.wait_for_selector("table.answer")
        seat.go("/cards/people")
        found += violations(page, axe)
        page.click("text=Make the card public")
        page.wait_for_selector("svg.chart")
        found += violations(page, axe)
        seat.go("/cards/people")
        found += violations(page, axe)
        assert found == []
    for name, counts in usual.items():
        bench.members[name].counts = counts


def test_nor_has_any_state_of_the_other_roles(served: Mapping[str, Served], browser: Any, axe: str) -> None:
    """An agreement in full and about to end, a form that was filled in wrongly, an entry with its proof."""
    found = []
    with seated(browser, served["policy_officer"]) as seat:
        page = seat.page
        seat.go("/drafts/new")
        page.click("text=Keep the draft")
        assert "FILE_AGREEMENT" in page.inner_text("#errors")
        found += violations(page, axe)
        seat.go("/agreements")
        page.click("main th a")
        found += violations(page, axe)
        page.fill("#reason", "No longer necessary")
        page.click("text=Revoke this agreement")
        assert "for good?" in page.inner_text("h1")
        found += violations(page, axe)
    with seated(browser, served["auditor"]) as seat:
        for place in (f"/journals/coordinator?size=1&root={'0' * 64}", "/journals/coordinator/0"):
            seat.go(place)
            found += violations(seat.page, axe)
    with seated(browser, served["guardian"]) as seat:
        for place in ("/node/confirm?action=pause&reason=An+audit", "/node/confirm?action=pause"):
            seat.go(place)
            found += violations(seat.page, axe)
    assert found == []
