"""The policy officer's desk: an agreement from a form to its end, signed by each on the own desk; caps tried dry."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from html import unescape

import pytest
import yaml

from engine.client.calls import Line
from engine.desk.pages.policy_chart import Spent, chart
from engine.desk.pages.policy_form import BY_KEY, EDITION, FILE, SECTIONS, filled, sections, yaml_of
from engine.governance.agreement import default_agreement
from engine.governance.agreement_form import parse_agreement
from engine.governance.agreement_text import agreement_of
from engine.trusted import wire
from engine.trusted.clock import SystemClock
from engine.trusted.home import Home
from engine.trusted.messages import FederationDescription
from engine.trusted.records import RecordKind, Revocation, SignedRecord
from engine.trusted.sign import open_agreement
from tests.client.conftest import Bench
from tests.client.test_session import SQL, fresh
from tests.coordinator.members import HOSTS
from tests.desk.conftest import Answer, Browser, desk_of, opened_bench, visible
from tests.desk.test_escaping import PLANTED, inert

FILLED: Mapping[str, str | list[str]] = {
    "agreement": "ages",
    "title": "Ages by region",
    "parties": ["east", "analyst"],
    "contacts": "dpo@east.example",
    "controllers": "Separate controllers.",
    "analysts": ["analyst"],
    "purpose": 'To plan: "schools" & roads',
    "necessity": "No published table has them.",
    "lawful_basis": "Public task.",
    "special_category": "None.",
    "legal_gateway": "research",
    "legal_gateway_detail": "Digital Economy Act 2017,\n section 64",
    "scope-people": ["region"],
    "operations": ["aggregate"],
    "dpia-reference": "DPIA-7",
    "dpia-outcome": "low risk",
    "security": "Data stay in place.",
    "rights": "By notice.",
    "budget-epsilon": "8",
    "budget-delta": "1e-6",
    "per_plan-epsilon": "1",
    "per_plan-delta": "1e-9",
    "from": "2020-01-01",
    "until": "2100-01-01",
    "decided_by": "A. Officer",
    "end_clause": "Nothing more is answered.",
    "retention_days": "365",
}


@dataclass
class Own:
    """A federation, and the desks of its policy officer and of each host's guardian."""

    bench: Bench
    officer: Browser
    guardians: Mapping[str, Browser]

    def described(self) -> FederationDescription:
        line = Line(self.bench.home("policy"))
        try:
            return line.describe()
        finally:
            line.close()

    def held(self, name: str) -> tuple[SignedRecord, ...]:
        return tuple(r for r in self.described().agreements if agreement_of(r).name == name)

    def save(self, **changes: str | list[str]) -> str:
        """Sends the form; the place of what comes then, or the page that says what is wrong."""
        answer = post(self.officer, "/drafts/save", {**FILLED, **changes})
        if answer.status_code != 303:
            return str(answer.text)
        return str(answer.headers["location"].removeprefix(self.officer.base).partition("?")[0])

    def signed_by_all(self, place: str) -> str:
        """A draft signed on each desk, the file carried from one to the next; the place where it is complete."""
        signing = sign(self.officer, place)
        for browser in self.guardians.values():
            body = self.officer.get(f"{signing}/file").content
            there = browser.upload("/drafts/take/file", body).headers["location"].removeprefix(browser.base)
            sign(browser, there.partition("?")[0])
            self.officer.upload("/drafts/take/file", browser.get(f"{signing}/file").content)
        return signing


def post(browser: Browser, place: str, fields: Mapping[str, str | list[str]]) -> Answer:
    form = {"csrf": browser.token(), **fields}
    return browser.client.post(browser.base + place, data=form, follow_redirects=False)


def sign(browser: Browser, place: str) -> str:
    """Signs what the page shows; the place of the signed record."""
    page = browser.get(place).text
    paper = re.search(r'<pre tabindex="0" class="paper"[^>]*>(.*?)</pre>', page, re.DOTALL)
    shown = re.search(r'name="shown" value="([0-9a-f]+)"', page)
    assert paper is not None and shown is not None, visible(page)
    assert unescape(paper.group(1)).endswith(f"Digest: {shown.group(1)}\n")
    answer = browser.post(f"{place}/sign", {"shown": shown.group(1)})
    assert answer.status_code == 303, visible(answer.text)
    again = browser.post(f"{place}/sign", {"shown": shown.group(1)})  # the button, pressed once more
    assert again.headers["location"].partition("?")[0] == answer.headers["location"].partition("?")[0]
    return str(answer.headers["location"].removeprefix(browser.base).partition("?")[0])


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Own]:
    with opened_bench(tmp_path_factory.mktemp("policy")) as bench:
        home = bench.federation.home
        guardians = {host: desk_of(Home.load(home(f"guardian-{host}"))) for host in HOSTS}
        made = Own(bench, desk_of(Home.load(home("policy"))), guardians)
        yield made
        for browser in (made.officer, *guardians.values()):
            browser.desk.close()


# -- the form


def test_the_form_asks_every_field_of_the_table_once() -> None:
    asked = [key for _, keys in SECTIONS for key in keys]
    assert sorted(asked) == sorted(set(BY_KEY) - {EDITION})


def test_every_field_of_the_form_says_what_it_is_about(own: Own) -> None:
    page = own.officer.get("/drafts/new").text
    for _, widgets in sections(own.officer.desk.manifest):
        for widget in widgets:
            assert widget.about in unescape(page)
            assert f'id="{widget.key}"' in page


def test_a_filled_form_is_the_same_agreement_again(own: Own) -> None:
    """Budgets too, to the last unit: what is amended goes on, and does not grow by being shown in a form."""
    manifest = own.officer.desk.manifest
    made = replace(
        default_agreement(manifest, SystemClock()),
        from_ms=1_700_006_400_000,
        until_ms=1_800_057_600_000,
        **dict.fromkeys(("contacts", "controllers", "lawful_basis", "special_category", "security", "rights"), "x: #y"),
        dpia_reference="D",
        dpia_outcome='"quoted" \\ and: {more}',
    )
    assert parse_agreement(yaml_of(filled(made), 1), FILE, manifest) == made


WRONG: list[tuple[dict[str, str | list[str]], str]] = [
    ({"title": ""}, "title"),
    ({"agreement": "Not A Name"}, "agreement"),
    ({"agreement": "../../keys/x"}, "agreement"),
    ({"parties": ["nobody"]}, "parties"),
    ({"parties": []}, "parties"),
    ({"scope-people": ["age"]}, "scope"),
    ({"scope-people": []}, "scope"),
    ({"scope-no-such": ["region"]}, "scope"),
    ({"operations": ["everything"]}, "operations"),
    ({"budget-epsilon": "-1"}, "budget"),
    ({"budget-delta": "2"}, "budget"),
    ({"per_plan-epsilon": "20"}, "per_plan"),
    ({"until": "2019-01-01"}, "until"),
    ({"from": "soon"}, "from"),
    ({"dpia-outcome": ""}, "dpia"),
    ({"retention_days": "-1"}, "retention_days"),
    ({"legal_gateway": ""}, "legal_gateway"),
]


@pytest.mark.parametrize(("changes", "field"), WRONG, ids=[f"{c}" for c, _ in WRONG])
def test_what_is_wrong_is_said_at_its_field_and_nothing_is_kept(
    own: Own, changes: dict[str, str | list[str]], field: str
) -> None:
    page = own.save(**changes)
    assert "FILE_AGREEMENT" in page
    assert f'<a href="#{field}">' in page
    assert f'id="{field}-error"' in page
    assert "To plan: &#34;schools&#34; &amp; roads" in page  # what was filled in is still there
    assert not list((own.officer.desk.home.path / "drafts").glob("*.yaml"))


# -- from a draft to the end


def test_an_agreement_from_the_form_to_its_end(own: Own) -> None:
    place = own.save()
    assert place == "/drafts/ages"
    first = own.officer.get(place).text
    assert "missing" in first
    record = complete(own, own.signed_by_all(place))
    said = open_agreement(record, own.officer.desk.roster)
    assert (said.name, said.edition, said.purpose) == ("ages", 1, FILLED["purpose"])
    assert said.legal_gateway_detail == "Digital Economy Act 2017, section 64"
    digest = wire.digest(record.payload).hex()
    page = visible(own.officer.get(f"/agreements/{digest}").text)
    assert "in force" in page
    for form in ("ico", "dpia", "der"):
        body = own.officer.get(f"/agreements/{digest}/forms/{form}").content
        assert b"Ages by region" in body
    assert wire.decode(SignedRecord, own.officer.get(f"/agreements/{digest}/record").content) == record

    again = own.officer.get(f"/drafts/new?after={digest}").text
    assert 'value="Ages by region"' in again
    assert "nothing in it has changed" in own.save()
    place = own.save(title="Ages, and more", **{"per_plan-epsilon": "2"})
    assert "changed: title: Ages, and more (before: Ages by region)" in visible(own.officer.get(place).text)
    second = complete(own, own.signed_by_all(place))
    assert agreement_of(second).edition == 2
    listed = visible(own.officer.get("/agreements").text)
    assert "ages edition 1 superseded" in listed
    assert "ages edition 2 in force" in listed
    revoke(own, own.guardians["east"], second)
    assert "ages edition 2 revoked" in visible(own.officer.get("/agreements").text)


def complete(own: Own, signing: str) -> SignedRecord:
    answer = own.officer.post(f"{signing}/hand-in")
    assert answer.status_code == 303, visible(answer.text)
    digest = bytes.fromhex(signing.rpartition("/")[2])
    return next(r for r in own.held("ages") if wire.digest(r.payload) == digest)


def revoke(own: Own, browser: Browser, record: SignedRecord) -> None:
    place = f"/agreements/{wire.digest(record.payload).hex()}"
    assert browser.get(f"{place}/revoke?reason=").status_code == 422
    assert "for good?" in browser.get(f"{place}/revoke?reason=No+longer+needed").text
    assert not own.described().revocations
    browser.follow(browser.post(f"{place}/revoke/sign", {"reason": "No longer needed"}))
    (made,) = own.described().revocations
    said: Revocation = wire.decode(Revocation, made.payload)
    assert (made.kind, said.party, said.reason) == (RecordKind.REVOCATION, browser.desk.home.name, "No longer needed")


def test_only_what_was_shown_is_signed(own: Own) -> None:
    place = own.save(agreement="other")
    answer = own.officer.post(f"{place}/sign", {"shown": "00" * 32})
    assert answer.status_code == 422
    assert "APPROVAL_SHOWN_OTHER" in answer.text
    before = own.officer.get(place).text
    shown = re.search(r'name="shown" value="([0-9a-f]+)"', before)
    own.save(agreement="other", title="Another title")
    assert shown is not None
    assert own.officer.post(f"{place}/sign", {"shown": shown.group(1)}).status_code == 422
    assert not list((own.officer.desk.home.path / "drafts").glob("*.agreement"))
    own.officer.post("/drafts/drop", {"name": "other"})
    assert own.officer.get(place).status_code == 400


def test_the_words_of_an_agreement_plant_nothing(own: Own) -> None:
    """On the form, before and after it is signed, and where its signed record came from somebody else."""
    words = dict.fromkeys(("title", "purpose", "contacts", "decided_by", "end_clause", "dpia-outcome"), PLANTED)
    place = own.save(agreement="wild", **words)
    assert inert(own.officer.get("/drafts/new?name=wild").text)
    assert inert(own.officer.get(place).text)
    signing = sign(own.officer, place)
    assert inert(own.officer.get(signing).text)
    assert inert(own.save(agreement="wild", until=PLANTED, **words))
    body = own.officer.get(f"{signing}/file").content
    for name in ("wild", PLANTED):  # a record need not come from a form
        said = replace(agreement_of(wire.decode(SignedRecord, body)), name=name, analysts=(PLANTED,))
        other = SignedRecord(RecordKind.AGREEMENT, wire.encode(said), ())
        browser = own.guardians["east"]
        assert inert(browser.follow(browser.upload("/drafts/take/file", wire.encode(other))).text)
        assert inert(browser.get("/agreements").text)


def test_what_lacks_signatures_is_not_handed_in(own: Own) -> None:
    signing = sign(own.officer, own.save(agreement="lone"))
    answer = own.officer.post(f"{signing}/hand-in")
    assert answer.status_code == 422
    assert "POLICY_AGREEMENT_UNSIGNED" in answer.text
    assert own.held("lone") == ()


def test_a_forged_signature_counts_as_missing(own: Own) -> None:
    signing = sign(own.officer, own.save(agreement="forged"))
    record: SignedRecord = wire.decode(SignedRecord, own.officer.get(f"{signing}/file").content)
    forged = tuple(replace(record.signatures[0], signer=f"guardian-{host}") for host in HOSTS)
    body = wire.encode(replace(record, signatures=(*record.signatures, *forged)))
    page = visible(own.guardians["east"].follow(own.guardians["east"].upload("/drafts/take/file", body)).text)
    assert page.count("missing") >= 3
    assert "POLICY_SIGNATURE_INVALID" in own.guardians["east"].post(f"{signing}/hand-in").text


def test_a_forged_signature_does_not_replace_one_that_holds(own: Own) -> None:
    signing = sign(own.officer, own.save(agreement="replaced"))
    body = own.officer.get(f"{signing}/file").content
    record: SignedRecord = wire.decode(SignedRecord, body)
    own_signature = record.signatures[0]
    forged = replace(own_signature, signature=bytes(len(own_signature.signature)))
    own.officer.upload("/drafts/take/file", wire.encode(replace(record, signatures=(forged,))))
    assert own.officer.get(f"{signing}/file").content == body


@pytest.mark.parametrize("body", [b"", b"agreement: x", b"\x00" * 64])
def test_what_is_no_agreement_is_not_taken(own: Own, body: bytes) -> None:
    answer = own.officer.upload("/drafts/take/file", body)
    assert answer.status_code == 422
    assert '<a href="#file">' in answer.text


@pytest.mark.parametrize("name", ["..", "..%2f..%2fmember", "%2e%2e%2fkeys", "A"])
def test_no_path_leads_out_of_the_drafts(own: Own, name: str) -> None:
    for place in (f"/drafts/{name}", f"/drafts/new?name={name}", f"/signing/{name}"):
        assert own.officer.get(place).status_code in (400, 404)
    own.officer.post("/drafts/drop", {"name": "../federation"})
    assert (own.officer.desk.home.path / "federation.manifest").exists()


def test_who_is_no_party_is_refused_before_it_is_handed_in(own: Own, desks: Mapping[str, Browser]) -> None:
    assert desks["auditor"].get(f"/agreements/{'0' * 64}/revoke?reason=x").status_code == 403


# -- budgets


def test_other_caps_are_tried_on_what_was_charged(own: Own) -> None:
    with own.bench.session() as session:
        session.query(SQL, agreement="first-agreement", epsilon=fresh(701)).wait(60)
    page = drawn(own)
    assert 'role="img"' in page
    assert "A person with one person_id" in visible(page)
    wide = visible(own.officer.get("/budgets/what-if?try=1").text)
    narrow = visible(own.officer.get("/budgets/what-if?try=1&lifetime-0=0.01&period-0=0.01").text)
    for host in HOSTS:
        assert f"{host}: 0 of 1 charges would have been refused" in wide
        assert f"{host}: 1 of 1 charges would have been refused" in narrow
    assert "BUDGET_EXHAUSTED" in narrow


def drawn(own: Own) -> str:
    """The page of budgets, once the coordinator has collected the journals of all nodes."""
    for _ in range(200):
        own.officer.post("/journals/anew")
        page = str(own.officer.get("/budgets").text)
        if all(f">{host}</th>" in page for host in HOSTS):
            return page
        time.sleep(0.05)
    raise AssertionError("nothing was drawn")


def test_the_rules_that_were_tried_are_a_file_for_the_roots(own: Own) -> None:
    body = own.officer.get("/budgets/what-if/rules?lifetime-0=20&period-0=4&delta-0=1e-6").content
    (cap,) = yaml.safe_load(body)["caps"]
    assert cap["lifetime"] == {"epsilon": "20", "delta": "1e-6"}
    assert cap["period"]["epsilon"] == "4"


@pytest.mark.parametrize("odd", ["lifetime-0=x", "lifetime-0=-1", "delta-0=2", "lifetime-0=%22%7D", "period-0="])
def test_caps_that_cannot_be_are_said_at_their_field(own: Own, odd: str) -> None:
    answer = own.officer.get(f"/budgets/what-if?try=1&{odd}")
    assert answer.status_code == 400
    assert "FILE_RULES" in answer.text
    assert 'id="lifetime-0-error"' in answer.text


def test_a_drawing_says_in_words_what_it_shows() -> None:
    drawn = chart("c", "Loss <of> one", [Spent("a<b", ((1, 10**9), (2, 10**9)), 4 * 10**9)], 10)
    assert "Loss &lt;of&gt; one" in drawn
    assert "a&lt;b: rho 2, 50.0 % of its cap after 2 charges" in drawn
    assert 'class="cap"' in drawn  # near enough to be drawn
    assert ">1970-01-01, 00:00</text>" in drawn and ">00:00 UTC</text>" in drawn
    later = chart("c", "t", [Spent("a", ((1, 10**9), (86_400_000, 10**9)), None)], 10)
    assert ">1970-01-01</text>" in later and ">1970-01-02</text>" in later
    assert 'class="cap"' not in chart("c", "t", [Spent("a", ((1, 10**9),), 10**12)], 10)


def test_members_and_keys_are_those_of_the_manifest(own: Own) -> None:
    page = visible(own.officer.get("/members").text)
    for member in own.officer.desk.manifest.members:
        assert member.name in page
    assert "east" in page
    assert "connected" in page
