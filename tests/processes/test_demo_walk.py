"""``splittally demo --keep --generated`` as a person meets it: its printed desks, walked by every role in a browser.

Each walk goes with script and without. With script, axe-core (where it is installed) looks at every page that is seen.
No page may ask for anything outside its own desk, nor complain in the console. A machine without Chromium skips the
walks alone: the README's own snippet asks the demo through ADBC all the same.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Timer
from typing import Any

import pytest

from engine.client.session import connect
from engine.governance.budget import balances
from engine.local.demo.questions import BY_COUNCIL, QUESTIONS, WAITING
from engine.trusted.clock import SystemClock
from engine.trusted.home import Home
from tests.desk.browser import ROOT, SHOTS, Seat, Served, axe_core, opened_browser, seated, violations

START_SECONDS = 400
LOOK_MS, MOST_LOOKS = 200, 900  # a rehearsal starts a federation of its own, on a machine that may be busy
OWNERS = ("tax", "social-security")
BOTH = pytest.mark.parametrize("script", [True, False], ids=["with script", "without script"])


@dataclass(frozen=True, slots=True)
class Demo:
    """A demonstration that keeps running, by what it printed."""

    text: str
    child: subprocess.Popen[str]

    @property
    def homes(self) -> Path:
        (found,) = re.findall(r"their homes are in (\S+)\.$", self.text, re.MULTILINE)
        return Path(found)

    def desks(self) -> dict[str, tuple[str, ...]]:
        """Member -> the arguments of `splittally desk`, of each line that tells a role its command."""
        lines = re.findall(r"^  [a-z ]+ splittally desk (.+)$", self.text, re.MULTILINE)
        told = [tuple(shlex.split(line)) for line in lines]
        return {Path(arguments[1]).name: arguments for arguments in told}

    def home(self, name: str) -> Home:
        return Home.load(self.homes / name)

    def spent(self) -> dict[str, int]:
        """Node -> rho, in billionths, over all accounts of its own ledger."""
        nodes = (path.name for path in self.homes.iterdir() if (path / "node.binding").exists())
        return {n: sum(b.spent.rho_billionths for b in balances(self.home(n), SystemClock())) for n in nodes}


@contextmanager
def kept_demo(cache: Path) -> Iterator[Demo]:
    """Asked to end when the walks are done; nothing of it stays."""
    command = [sys.executable, "-m", "engine.cli.main", "demo", "--keep", "--generated", "--cache", str(cache)]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment, cwd=ROOT)
    late = Timer(START_SECONDS, child.kill)
    late.start()
    printed = []
    assert child.stdout is not None
    for line in child.stdout:
        printed.append(line)
        if line.startswith("Ctrl-C"):
            break
    late.cancel()
    made = Demo("".join(printed), child)
    try:
        yield made
    finally:
        child.terminate()
        child.communicate(timeout=60)
    assert child.returncode == 128 + signal.SIGTERM
    assert not made.homes.exists()


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    with kept_demo(tmp_path_factory.mktemp("cache")) as made:
        yield made


@pytest.fixture(scope="module")
def desks(demo: Demo) -> Iterator[Mapping[str, Served]]:
    """Member -> its desk, by the very command that the demonstration printed."""
    running = {name: Served(*arguments) for name, arguments in demo.desks().items()}
    yield running
    assert {desk.stop() for desk in running.values()} <= {0, -15}


@pytest.fixture
def flight(demo: Demo) -> Iterator[tuple[str, str]]:
    """Location and token of the Flight SQL server in an analyst's desk of its own."""
    desk = Served(*demo.desks()["analyst"])
    yield desk.flight()
    assert desk.stop() in (0, -15)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with opened_browser() as opened:
        yield opened


def test_every_role_is_told_its_desk(demo: Demo) -> None:
    assert list(demo.desks()) == ["analyst", "guardian-tax", "guardian-social-security", "policy", "auditor"]
    assert f"{len(QUESTIONS) + 1}. {WAITING.asks}" in demo.text
    assert "waits for the guardians of tax and social-security" in demo.text


# -- from a program


def test_the_readme_asks_the_first_question_again_from_pandas(demo: Demo, flight: tuple[str, str]) -> None:
    """The numbers that the demonstration printed, and no ledger moves."""
    (code,) = re.findall(r"^```python\n(.*?)^```$", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    before, printed = demo.spent(), io.StringIO()
    location, token = flight
    with pytest.MonkeyPatch.context() as environment, contextlib.redirect_stdout(printed):
        environment.setenv("SPLITTALLY_URI", location)
        environment.setenv("SPLITTALLY_TOKEN", token)
        exec(compile(code, "README.md", "exec"), {})  # noqa: S102 - the page's own code
    released = [line.split()[1:] for line in printed.getvalue().splitlines()[1:]]
    shown = re.findall(r"^ +(east|north|west) +([\d,]+) .*?(\d+\.\d\d) ", demo.text, re.MULTILINE)
    assert len(shown) == 2 * len(released) == 6  # the demonstration asks it twice
    assert [(name, f"{int(n):,}", f"{float(mean):.2f}") for name, n, mean in released] == shown[:3]
    assert demo.spent() == before
    assert len(before) == 5


# -- in a browser


@dataclass
class Walk:
    """Somebody's way through the desk; each page is looked at as it is reached."""

    seat: Seat
    name: str
    axe: str
    found: list[str] = field(default_factory=list)
    count: int = 0

    @property
    def page(self) -> Any:
        return self.seat.page

    def look(self) -> None:
        """A page that its script loads again as it goes is checked once it has come to rest."""
        self.count += 1
        if SHOTS:
            self.page.screenshot(path=f"{SHOTS}/{self.name}-{self.count:02}.png", full_page=True)
        if self.axe and not self.page.locator("[data-live=on]").count():
            self.found += violations(self.page, self.axe)

    def click(self, what: str, until: str) -> None:
        """``until``: what has to be on the page that follows."""
        self.page.click(what)
        self.page.wait_for_selector(until)
        self.look()

    def menu(self, words: str, heading: str) -> None:
        self.click(f"nav.menu >> text={words}", f"h1:has-text('{heading}')")

    def wait(self, what: str) -> None:
        """Without script a person loads the page again by its own link, or by the browser's key."""
        for _ in range(MOST_LOOKS):
            if self.page.locator(what).count():
                break
            self.page.wait_for_timeout(LOOK_MS)
            again = self.page.locator("text=See how far it is now")
            if not self.seat.script and again.count():
                again.click()
        self.page.wait_for_selector(what)
        self.look()

    def reload(self, what: str) -> None:
        for _ in range(MOST_LOOKS):
            if self.page.locator(what).count():
                break
            self.page.wait_for_timeout(LOOK_MS)
            self.page.reload()
        self.page.wait_for_selector(what)
        self.look()

    def keep(self, what: str, folder: Path) -> Path:
        with self.page.expect_download() as kept:
            self.page.click(what)
        target = folder / str(kept.value.suggested_filename)
        kept.value.save_as(target)
        return target

    def text(self, where: str = "main") -> str:
        return str(self.page.inner_text(where))


@contextmanager
def walking(browser: Any, desk: Served, name: str, script: bool) -> Iterator[Walk]:
    with seated(browser, desk, script=script) as seat:
        walk = Walk(seat, f"{name}-{'script' if script else 'plain'}", axe_core() if script else "")
        walk.look()
        yield walk
        assert walk.found == []


@BOTH
def test_an_analyst_asks_and_compares(desks: Mapping[str, Served], browser: Any, script: bool, tmp_path: Path) -> None:
    sex = "F" if script else "M"
    sql = BY_COUNCIL.sql.replace("GROUP BY", f"WHERE sex = '{sex}'\nGROUP BY")
    with walking(browser, desks["analyst"], "analyst", script) as walk:
        page = walk.page
        _reads_the_catalogue(walk)
        walk.menu("Ask", "Ask the departments")
        page.fill("#sql", "SELECT person_id, wages FROM earnings")
        walk.click("text=Explain and forecast", "#errors")
        assert "SQL_ROWS" in walk.text("#errors")
        page.fill("#sql", sql)
        walk.click("text=Explain and forecast", "text=How wrong the answer may be")
        page.fill("#rows", "5000")
        walk.click("text=Forecast for so many", "text=5,000 rows")
        walk.click("#terms-title ~ .buttons >> text=Rehearse on dummy data", "h1:has-text('Rehearsal')")
        walk.wait("table.answer")
        walk.click("text=Back to the workbench with it", "text=Choose the terms")
        page.fill("#own_epsilon", "0.5")
        page.fill("#purpose", "To plan care by council")
        walk.click("text=Sign and submit", "h1:has-text('Request')")
        walk.wait("table.answer")
        assert page.locator("table.answer tbody tr").count() == 3
        assert page.locator("svg.chart[role=img]").count() == 2
        _keeps_every_file(walk, tmp_path)
        whole = page.locator("#second option", has_text="AVG(age)").filter(has_not_text="WHERE").first
        page.select_option("#second", whole.get_attribute("value"))
        walk.click("text=Compare >> nth=-1", "h1:has-text('Compare two answers')")
        assert page.locator("text=Beyond noise").count() == 1
        walk.menu("Your requests", "Your requests")
        assert "To plan care by council" in walk.text("table")
        walk.menu("Privacy spent", "Privacy spent")
        walk.menu("Register", "")


def _reads_the_catalogue(walk: Walk) -> None:
    walk.menu("Catalogue", "Catalogue")
    walk.click("th >> text=residents", "h1:has-text('residents')")
    walk.click("th >> text=age", "h1:has-text('age')")


def _keeps_every_file(walk: Walk, folder: Path) -> None:
    links = walk.page.locator("ul.files a")
    kept = [walk.keep(f"ul.files li:nth-child({at + 1}) a", folder) for at in range(links.count())]
    assert [file.suffix for file in kept] == [".csv", ".json", ".parquet", ".receipt", ".zip"]
    assert kept[0].read_text().startswith("council,people,")


def asked_of_guardians(demo: Demo, sql: str, purpose: str) -> str:
    with connect(demo.homes / "analyst") as session:
        return session.query(sql, epsilon="0.25", purpose=purpose).submit()


@pytest.mark.parametrize(
    ("owner", "script"), [(OWNERS[0], True), (OWNERS[1], False)], ids=["with script", "without script"]
)
def test_a_guardian_decides(demo: Demo, desks: Mapping[str, Served], browser: Any, owner: str, script: bool) -> None:
    """Approves what the demonstration left waiting, refuses another, stops its node, answers a person."""
    other = "SELECT form, sex, COUNT(*) AS forms FROM earnings JOIN registrations"
    other += f" ON earnings.person_id = registrations.person_id WHERE wages > {len(owner)} GROUP BY form, sex"
    refused = asked_of_guardians(demo, other, f"Out of curiosity, {owner}")
    with walking(browser, desks[f"guardian-{owner}"], f"guardian-{owner}", script) as walk:
        page = walk.page
        walk.menu("Requests", "Waiting for your decision")
        walk.click(f"tr:has-text('{WAITING.asks}') >> th a", "text=Who has to approve")
        walk.click("text=Continue", "#errors")
        assert "POLICY_DECISION_MISSING" in walk.text("#errors")
        page.check("#approve")
        walk.click("text=Continue", "h1:has-text('Approve this request?')")
        walk.click("text=Sign the approval", "text=You approved")
        walk.menu("Requests", "Waiting for your decision")
        walk.click(f"tr:has-text('curiosity, {owner}') >> th a", "text=Who has to approve")
        page.check("#refuse")
        walk.click("text=Continue", "#errors")
        assert "POLICY_REASON_MISSING" in walk.text("#errors")
        page.check("#refuse")
        page.fill("#reason", "Curiosity is no purpose of the agreement")
        walk.click("text=Continue", "h1:has-text('Refuse this request?')")
        walk.click("text=Sign the refusal", "text=You refused")
        walk.menu("All requests", "All requests")
        assert "you refused" in walk.text(f"tr:has-text('{refused[:12]}')")
        _stops_and_goes_on(walk, owner)
        walk.click("text=When a person asks", "h1:has-text('one person')")
        page.fill("#person", "1_1")
        walk.click("text=Look", "text=What this cannot know")
        walk.menu("Agreements", "Data sharing agreements")


def _stops_and_goes_on(walk: Walk, owner: str) -> None:
    walk.menu("My department", owner)
    walk.page.fill("#reason", "An audit of the machine")
    walk.click(f"button:has-text('Pause {owner}')", f"h1:has-text('Pause {owner}?')")
    walk.click("text=Sign and pause", "text=Signed and given to")
    walk.reload("text=paused by a guardian")
    walk.page.fill("#reason", "The audit is over")
    walk.click(f"button:has-text('Let {owner} go on')", f"h1:has-text('Resume {owner}?')")
    walk.click("text=Sign and resume", "text=Signed and given to")
    walk.reload("strong:text-is('connected')")


def test_what_both_guardians_approved_is_answered(desks: Mapping[str, Served], browser: Any) -> None:
    with walking(browser, desks["analyst"], "joiner", True) as walk:
        walk.menu("Your requests", "Your requests")
        walk.click(f"tr:has-text('{WAITING.asks}') >> th a", "h1:has-text('Request')")
        walk.wait("table.answer")
        assert "2 of 2" in walk.text(".tiles")


AGREEMENT = {
    "agreement": "births",
    "title": "Births by decade",
    "contacts": "births@example.org",
    "controllers": "Each department for its own data",
    "purpose": "To plan pensions",
    "necessity": "No published table has decades of birth",
    "lawful_basis": "Public task, Article 6(1)(e)",
    "special_category": "None",
    "legal_gateway_detail": "Digital Economy Act 2017, section 64",
    "dpia-reference": "DPIA-7",
    "dpia-outcome": "low residual risk",
    "security": "Data stay in place",
    "rights": "Through the privacy notice",
    "budget-epsilon": "2",
    "budget-delta": "1e-6",
    "per_plan-epsilon": "1",
    "per_plan-delta": "1e-9",
    "decided_by": "A. Officer, director of data",
    "end_clause": "Released answers may be kept",
    "retention_days": "365",
}


@BOTH
def test_a_policy_officer_makes_an_agreement_and_ends_it(
    desks: Mapping[str, Served], browser: Any, script: bool, tmp_path: Path
) -> None:
    name = "births-script" if script else "births-plain"
    with ExitStack() as stack:
        walk = stack.enter_context(walking(browser, desks["policy"], "policy", script))
        guardian = stack.enter_context(walking(browser, desks["guardian-social-security"], "signer", script))
        walk.menu("Agreements", "Data sharing agreements")
        _drafts(walk, {**AGREEMENT, "agreement": name})
        walk.click("text=Sign this as policy", "text=signatures are missing")
        file = walk.keep("text=Save the file", tmp_path)
        guardian.menu("Agreements", "Data sharing agreements")
        guardian.click("text=Sign an agreement that you were sent", "h1:has-text('from a file')")
        guardian.page.set_input_files("#file", file)
        guardian.click("button:has-text('Read it')", "text=Whose signatures it needs")
        guardian.click("text=Sign this as guardian-social-security", "text=All signatures are there")
        file = guardian.keep("text=Save the file", tmp_path)
        walk.click("text=take it back", "h1:has-text('from a file')")
        walk.page.set_input_files("#file", file)
        walk.click("button:has-text('Read it')", "text=All signatures are there")
        walk.click("button:has-text('Hand it in')", "text=in force")
        walk.page.fill("#reason", "No longer necessary")
        walk.click("text=Revoke this agreement", "h1:has-text('for good?')")
        walk.click("text=Sign and revoke", "strong:text-is('revoked')")
        walk.menu("Agreements", "Data sharing agreements")
        walk.menu("Budgets", "Privacy budgets")
        walk.click("text=What if the caps were others?", "h1:has-text('What if')")
        walk.page.fill("#lifetime-0", "1")
        walk.page.fill("#period-0", "1")
        walk.click("text=Try these", "text=What they would have made of the past")
        assert "would have been refused" in walk.text()
        walk.menu("Members", "Members of demo")


def _drafts(walk: Walk, filled: Mapping[str, str]) -> None:
    """First without a field, and told so."""
    page, today = walk.page, datetime.now(UTC).date()
    walk.click("text=Draft a new agreement", "h1:has-text('Draft an agreement')")
    for key, value in filled.items():
        page.fill(f"#{key}", value)
    page.fill("#from", today.isoformat())
    page.fill("#until", (today + timedelta(days=300)).isoformat())
    chosen = (("parties", "social-security"), ("parties", "analyst"), ("analysts", "analyst"))
    for key, choice in (*chosen, ("operations", "aggregate"), ("scope-registrations", "born")):
        page.check(f"input[name={key}][value={choice}]")
    walk.click("text=Keep the draft", "#errors")
    page.select_option("#legal_gateway", "research")
    walk.click("text=Keep the draft", "text=The agreement, word for word")


@BOTH
def test_an_auditor_reads_the_record_and_checks_a_receipt(
    desks: Mapping[str, Served], browser: Any, script: bool, tmp_path: Path
) -> None:
    with walking(browser, desks["analyst"], "giver", script) as walk:
        walk.menu("Your requests", "Your requests")
        walk.click("tr:has-text('released') >> th a", "text=Keep it")
        receipt = walk.keep("text=Receipt: the proof", tmp_path)
    with walking(browser, desks["auditor"], "auditor", script) as walk:
        walk.menu("Journals", "Journals")
        walk.click("th >> text=tax", "h1:has-text('Journal of tax')")
        walk.page.select_option("#kind", "charged")
        walk.click("text=Show", "text=newest first")
        walk.click("tbody th a >> nth=0", "text=Proof that it is in the journal")
        assert walk.text("strong.tag") == "proven"
        assert '"path"' in walk.keep("text=Save the proof", tmp_path).read_text()
        walk.menu("Receipts", "Receipts")
        walk.page.set_input_files("#file", receipt)
        walk.click("text=Check it", "h1:has-text('The receipt holds')")
        walk.click("a:has-text('entry') >> nth=0", "text=Proof that it is in the journal")
        walk.menu("All requests", "All requests")
        walk.menu("Register", "")
        walk.menu("Agreements", "Data sharing agreements")
        walk.menu("Members", "Members of demo")
