"""The guardian's desk: what waits, the page that is signed, decisions and second thoughts, the stop switch."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from html import unescape
from urllib.parse import quote

import pytest

from engine.client.calls import Line
from engine.client.page import page_of
from engine.client.queue import Queued, fetch_queue
from engine.governance import subjects
from engine.governance.agreement_text import agreement_of
from engine.governance.budget import balances
from engine.trusted import wire
from engine.trusted.clock import SystemClock
from engine.trusted.home import Home
from engine.trusted.messages import RequestState
from engine.trusted.records import (
    AccountCap,
    AccountScope,
    Decision,
    JournalKind,
    Loss,
    Pause,
    RecordKind,
    Request,
    SignedRecord,
)
from nodes.ledger import Ledger, entry_of
from tests.client.conftest import Bench
from tests.client.test_session import SQL, fresh
from tests.coordinator.papers import decision
from tests.desk.conftest import Browser, desk_of, opened_bench, visible
from tests.desk.test_escaping import PLANTED, inert

CAP = Loss(10**8, 10**12)


@dataclass
class Own:
    """A federation in which north wants an approval of each plan, and the desk of north's guardian."""

    bench: Bench
    browser: Browser

    @property
    def north(self) -> Home:
        return Home.load(self.bench.federation.home("north"))

    def submitted(self, number: int, **changes: object) -> str:
        with self.bench.session() as session:
            return session.query(SQL, epsilon=fresh(number), purpose=f"question {number}", **changes).submit()  # type: ignore[arg-type]

    def queued(self, request: str) -> Queued:
        line, home = Line(self.bench.home("guardian-north")), self.bench.home("guardian-north")
        try:
            return fetch_queue(line, home.roster(), everything=True).find(request)
        finally:
            line.close()

    def confirmed(self, request: str, **fields: str) -> dict[str, str]:
        """The fields of the form on the last page before signing."""
        asked = "&".join(f"{name}={value}" for name, value in fields.items())
        page = self.browser.get(f"/queue/{request}/confirm?{asked}")
        assert page.status_code == 200, visible(page.text)
        return dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', page.text))


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Own]:
    with opened_bench(tmp_path_factory.mktemp("guardian")) as bench:
        north = bench.members["north"]
        north.guardians = 1
        bench.hang_up("north")
        bench.dial("north")
        browser = desk_of(Home.load(bench.federation.home("guardian-north")), charged(bench))
        yield Own(bench, browser)
        browser.desk.close()


def charged(bench: Bench) -> Home:
    """North's home, whose ledger has charged a tenth of its cap."""
    home = Home.load(bench.federation.home("north"))
    caps = (AccountCap(AccountScope.IDENTIFIER, "", 0, None, CAP),)
    request = Request(1, bytes(16), "test", "analyst", b"", b"", Loss(10**7, 0), 1, 0, 3, b"", 0, 1, 1, 1, "")
    agreement = agreement_of(home.agreements()[0])
    ledger = Ledger.open(home.state_path, "north", SystemClock(), caps)
    ledger.charge(
        request, agreement, [(AccountScope.IDENTIFIER, "person_id")], entry_of(JournalKind.CHARGED, round=bytes(32))
    )
    ledger.close()
    return home


# -- deciding


def test_what_is_signed_is_the_page_that_was_shown(own: Own) -> None:
    request = own.submitted(501)
    queue = own.browser.get("/queue").text
    assert request in queue
    assert "question 501" in visible(queue)
    shown = own.browser.get(f"/queue/{request}/confirm?decision=approve&days=5").text
    fields = own.confirmed(request, decision="approve", days="5")
    text = page_of(own.queued(request), own.browser.desk.roster, balances(own.north, SystemClock()))
    assert fields["shown"] == wire.digest(text.encode()).hex()
    paper = re.search(r'<pre tabindex="0" class="paper"[^>]*>(.*?)</pre>', shown, re.DOTALL)
    assert paper is not None
    assert unescape(paper.group(1)) == text
    answer = own.browser.post(f"/queue/{request}/sign", fields)
    assert "You approved the request" in visible(own.browser.follow(answer).text)
    (made,) = own.queued(request).decisions
    assert (made.guardian, made.decision, made.shown_digest) == (
        "guardian-north",
        Decision.APPROVED,
        wire.digest(text.encode()),
    )
    assert made.expires_ms - made.decided_ms == 5 * 86_400_000
    second = own.browser.post(f"/queue/{request}/sign", fields)  # the button, pressed once more
    assert "signed and handed in already" in visible(own.browser.follow(second).text)
    other = {**fields, "decision": "refuse", "reason": "Not so"}
    assert own.browser.post(f"/queue/{request}/sign", other).status_code == 422
    assert len(own.queued(request).decisions) == 1


def test_nothing_is_signed_when_the_page_has_changed_since(own: Own) -> None:
    own.bench.members["east"].guardians = 1  # so that it goes on waiting
    own.bench.hang_up("east")
    own.bench.dial("east")
    request = own.submitted(502)
    fields = own.confirmed(request, decision="approve")
    with_line(own, "guardian-east", decision(own.bench.federation, "east", bytes.fromhex(request)))
    answer = own.browser.post(f"/queue/{request}/sign", fields)
    assert answer.status_code == 422
    assert "APPROVAL_SHOWN_OTHER" in answer.text
    assert [d.guardian for d in own.queued(request).decisions] == ["guardian-east"]
    again = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', answer.text))
    assert own.browser.post(f"/queue/{request}/sign", again).status_code == 303
    assert len(own.queued(request).decisions) == 2
    own.bench.members["east"].guardians = 0
    own.bench.hang_up("east")
    own.bench.dial("east")


def with_line(own: Own, name: str, record: SignedRecord) -> None:
    line = Line(own.bench.home(name))
    line.hand(record)
    line.close()


@pytest.mark.parametrize(
    ("asked", "field", "code"),
    [
        ("", "approve", "POLICY_DECISION_MISSING"),
        ("decision=Approve", "approve", "POLICY_DECISION_MISSING"),
        ("decision=refuse&reason=", "reason", "POLICY_REASON_MISSING"),
        ("decision=refuse&reason=%20%0a", "reason", "POLICY_REASON_MISSING"),
        ("decision=approve&days=0", "days", "FILE_DESK_FIELD"),
        ("decision=approve&days=3661", "days", "FILE_DESK_FIELD"),
        ("decision=approve&days=soon", "days", "FILE_DESK_FIELD"),
    ],
)
def test_a_decision_that_cannot_be_is_said_at_its_field(own: Own, asked: str, field: str, code: str) -> None:
    request = own.submitted(503)
    answer = own.browser.get(f"/queue/{request}/confirm?{asked}")
    assert answer.status_code in (400, 422)
    assert code in answer.text
    assert f'<a href="#{field}">' in answer.text
    assert f'id="{field}"' in answer.text
    assert own.queued(request).decisions == ()


def test_nothing_is_chosen_for_a_guardian(own: Own) -> None:
    request = own.submitted(504)
    choices = re.findall(r'<input type="radio"[^>]*>', own.browser.get(f"/queue/{request}").text)
    assert len(choices) == 2
    assert not [choice for choice in choices if "checked" in choice]
    fields = own.confirmed(request, decision="approve")
    del fields["decision"]
    assert own.browser.post(f"/queue/{request}/sign", fields).status_code == 422
    assert own.queued(request).decisions == ()


def test_a_refusal_ends_it_and_second_thoughts_open_it_again(own: Own) -> None:
    request = own.submitted(504)
    fields = own.confirmed(request, decision="refuse", reason="Too fine a group")
    own.browser.follow(own.browser.post(f"/queue/{request}/sign", fields))
    refused = own.queued(request)
    assert refused.status.state is RequestState.REFUSED_STATE
    assert [d.reason for d in refused.decisions] == ["Too fine a group"]
    page = own.browser.get(f"/queue/{request}").text
    assert "Think again" in page
    assert "guardian-north: “Too fine a group”" in visible(page)
    fields = own.confirmed(request, decision="approve", reason="left+over")
    own.browser.follow(own.browser.post(f"/queue/{request}/sign", fields))
    assert own.queued(request).status.state is not RequestState.REFUSED_STATE
    assert [d.decision for d in own.queued(request).decisions][-1] is Decision.APPROVED
    assert "you approved" in visible(own.browser.get("/asked").text)


def test_a_decision_needs_the_form_token(own: Own) -> None:
    request = own.submitted(505)
    fields = {**own.confirmed(request, decision="approve"), "csrf": "00"}
    assert own.browser.post(f"/queue/{request}/sign", fields).status_code == 403
    assert own.queued(request).decisions == ()


def test_the_page_says_what_is_left_and_who_else_decides(own: Own) -> None:
    request = own.submitted(506)
    page = visible(own.browser.get(f"/queue/{request}").text)
    assert "identifier person_id lifetime 10.0 %" in page
    assert "north 0 of 1 approvals" in page
    assert "east approves inside the agreement" in page
    assert "GROUP BY region" in page
    assert "1: within " in page


def test_words_of_others_plant_nothing(own: Own, desks: Mapping[str, Browser]) -> None:
    """The purpose, the statement, a guardian's reason, on every page that shows them."""
    with own.bench.session() as session:
        request = session.query(f"{SQL} -- <b>x</b>", epsilon=fresh(507), purpose=PLANTED).submit()
    wild = quote(PLANTED, safe="")
    for place in (
        "/queue",
        f"/queue/{request}",
        f"/queue/{request}/confirm?decision=refuse&reason={wild}",
        f"/queue/{request}/confirm?decision=approve&days={wild}",
        f"/asked?state={wild}",
        f"/node/confirm?action=pause&reason={wild}",
    ):
        assert inert(own.browser.get(place).text)
    fields = own.confirmed(request, decision="approve")
    answer = own.browser.post(f"/queue/{request}/sign", {**fields, "decision": "refuse", "reason": PLANTED})
    assert inert(own.browser.follow(answer).text)
    assert inert(own.browser.get("/asked").text)


def test_an_unknown_request_is_no_page(own: Own) -> None:
    for place in ("00", "0" * 64, "..%2f..%2fkeys"):
        answer = own.browser.get(f"/queue/{place}")
        assert answer.status_code in (404, 422)


# -- the stop switch


def test_the_stop_switch_asks_once_more_and_signs_what_it_showed(own: Own) -> None:
    own.bench.members["north"].paused = False
    assert own.browser.get("/node/confirm?action=pause&reason=").status_code == 422
    page = own.browser.get("/node/confirm?action=pause&reason=An+audit").text
    assert "Pause north?" in visible(page)
    answer = own.browser.post("/node/sign", {"action": "pause", "reason": "An audit"})
    assert "Signed and given to the node and the coordinator" in visible(own.browser.follow(answer).text)
    (file,) = own.north.path.glob("inbox/pause-*.record")
    record: SignedRecord = wire.decode(SignedRecord, file.read_bytes())
    said: Pause = wire.decode(Pause, record.payload)
    assert (record.kind, said.node, said.guardian, said.paused, said.reason) == (
        RecordKind.PAUSE,
        "north",
        "guardian-north",
        True,
        "An audit",
    )
    own.browser.post("/node/sign", {"action": "resume", "reason": "It is over"})
    assert len(list(own.north.path.glob("inbox/pause-*.record"))) == 2


def test_a_pause_without_a_reason_is_not_signed(own: Own) -> None:
    before = len(list(own.north.path.glob("inbox/*")))
    answer = own.browser.post("/node/sign", {"action": "pause", "reason": " "})
    assert answer.status_code == 422
    assert "POLICY_REASON_MISSING" in answer.text
    assert len(list(own.north.path.glob("inbox/*"))) == before


def test_the_department_sees_its_accounts(own: Own) -> None:
    page = visible(own.browser.get("/node").text)
    assert "identifier person_id lifetime" in page
    assert "10.0 %" in page
    assert "can have lost here" in page


# -- a person's own question


def test_a_persons_question_goes_to_the_nodes_program_by_its_input(own: Own, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[list[str], str]] = []
    told = (
        '{"rounds": [{"at_ms": 1700000000000, "analyst": "analyst", "rows": {"people": 2}, "request": "'
        + "ab" * 32
        + '"}], "unknown": 3, "cannot_know": ["Every answer was noisy."]}'
    )

    def run(command: list[str], *, input: str, **_: object) -> subprocess.CompletedProcess[str]:  # noqa: A002
        asked.append((command, input))
        return subprocess.CompletedProcess(command, 0, told, "")

    monkeypatch.setattr(subjects.subprocess, "run", run)
    answer = own.browser.post("/subjects/tell", {"person": "QQ123456C"})
    assert answer.status_code == 200
    page = visible(answer.text)
    assert "people: 2" in page
    assert "no longer kept: 3" in page
    assert "QQ123456C" not in answer.text
    ((command, given),) = asked
    assert given == "QQ123456C\n"
    assert not any("QQ123456C" in part for part in command)


def test_without_the_nodes_home_the_page_says_how(desks: Mapping[str, Browser]) -> None:
    page = desks["guardian"].get("/subjects").text
    assert "splittally node subjects" in page
    assert 'name="person"' not in page
    assert desks["guardian"].post("/subjects/tell", {"person": "x"}).status_code == 303
