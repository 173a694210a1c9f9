"""Agreements on paper: the schema and the reader agree, editions, new signatures after new keys, forms, revocations."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import date
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from engine.errors import BadFile, Refused
from engine.governance.agreement import amend_agreement, read_record, sign_agreement
from engine.governance.agreement_exports import FORMS
from engine.governance.agreement_form import FIELDS, draft, load_agreement, schema
from engine.governance.agreement_text import agreement_lines, agreement_of, plain_text
from engine.governance.document import TO_FILL, Document, Section
from engine.governance.revocation import approval_record, pause_record, revocation_record, withdrawal_record
from engine.trusted import wire
from engine.trusted.clock import SystemClock
from engine.trusted.home import Home
from engine.trusted.records import Decision, Revocation, Withdrawal
from engine.trusted.sign import (
    decoded,
    open_agreement,
    open_approval,
    open_pause,
    open_revocation,
    require_signed_by,
)
from tests.governance.machines import WRITTEN, Machines

# One change each; whether the schema alone can see it.
MISTAKES = [
    ("title: Ages by region\n", "", True),
    ("lawful_basis: Public task.\n", "", True),
    ("retention_days: 30", "retention_days: -1", True),
    ("retention_days: 30", "retention_days: some", True),
    ("rights: Through privacy notices.", "rights: ''\nright: x", True),
    ("legal_gateway: research", "legal_gateway: curiosity", True),
    ("operations: [aggregate]", "operations: []", True),
    ("operations: [aggregate]", "operations: [rows]", True),
    ("dpia: {reference: DPIA-7, outcome: low residual risk}", "dpia: {reference: DPIA-7}", True),
    ("scope: {people: [region, age]}", "scope: {}", True),
    ("scope: {people: [region, age]}", "scope: {people: []}", True),
    ("scope: {people: [region, age]}", "scope: people", True),
    ("scope: {people: [region, age]}", "scope: {persons: [region]}", False),
    ("epsilon: 4", "epsilon: 0", True),
    ("delta: 1e-6", "delta: 2", True),
    ("delta: 1e-6", "delta: tiny", True),
    ("from: 2026-01-01", "from: soon", True),
    ("until: 2027-01-01", "until: 2025-01-01", False),
    ("agreement: ages-by-region", "agreement: Ages!", True),
    ("analysts: [ann]", "analysts: [bob]", False),
    ("analysts: [ann]", "analysts: ann", True),
]


def as_json(text: str) -> Any:
    """The file as an editor's validator sees it: dates are texts."""

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: plain(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [plain(inner) for inner in value]
        return value.isoformat() if isinstance(value, date) else value

    return plain(yaml.safe_load(text))


@pytest.fixture(scope="module")
def founded(tmp_path_factory: pytest.TempPathFactory) -> Machines:
    made = Machines(tmp_path_factory.mktemp("machines"))
    made.found()
    return made


@pytest.fixture
def machines(founded: Machines, tmp_path: Path) -> Machines:
    return founded.copy(tmp_path)


def home(machines: Machines, name: str) -> Home:
    return Home.load(machines.at(name))


def written(machines: Machines, text: str = WRITTEN) -> Path:
    Path(machines.file("ages.yaml")).write_text(text)
    return Path(machines.file("ages.yaml"))


def agreed(machines: Machines) -> str:
    """The agreement, signed by everybody it needs."""
    signers = [
        part for name in ("policy", "guardian-north", "guardian-south") for part in ("--home", machines.at(name))
    ]
    machines.said("agreement", "sign", str(written(machines)), *signers)
    return machines.file("ages.agreement")


VALIDATOR = jsonschema.Draft202012Validator(schema())


def test_the_schema_is_one_and_takes_what_the_reader_takes(machines: Machines) -> None:
    jsonschema.Draft202012Validator.check_schema(schema())
    VALIDATOR.validate(as_json(WRITTEN))
    load_agreement(written(machines), home(machines, "policy").manifest())
    assert set(schema()["properties"]) == {field.key for field in FIELDS}


@pytest.mark.parametrize(
    ("before", "after", "seen"), MISTAKES, ids=[after[:30] or before[:20] for before, after, _ in MISTAKES]
)
def test_schema_and_reader_refuse_the_same_mistakes(machines: Machines, before: str, after: str, seen: bool) -> None:
    assert before in WRITTEN
    text = WRITTEN.replace(before, after)
    with pytest.raises(BadFile) as refused:
        load_agreement(written(machines, text), home(machines, "policy").manifest())
    assert refused.value.code == "FILE_AGREEMENT"
    assert VALIDATOR.is_valid(as_json(text)) is not seen


def test_a_draft_is_an_agreement_that_the_reader_and_the_schema_take(machines: Machines) -> None:
    manifest = home(machines, "policy").manifest()
    machines.said("agreement", "draft", "--home", machines.at("policy"), "--out", machines.file("draft.yaml"))
    agreement = load_agreement(Path(machines.file("draft.yaml")), manifest)
    assert agreement.parties == ("north council", "south council", "university")
    assert [(s.dataset, s.columns) for s in agreement.scope] == [("people", ("person_id", "region", "age"))]
    everything = draft(manifest).replace("\n# edition:", "\nedition:")
    for text in (draft(None), everything):
        VALIDATOR.validate(as_json(text))
    assert all(f"# {field.about}" in draft(None) for field in FIELDS)


def test_no_field_writes_a_line_of_the_text_for_signing(machines: Machines) -> None:
    """A record need not come from a form: whoever made the file chose its bytes."""
    agreement = agreement_of(read_record(Path(agreed(machines))))
    planted = "study\n\nBudget at each node\n  epsilon 0.001\x1b[2J\u2028Purpose\u202e"
    for field in ("name", "federation", "title", "decided_by"):
        text = plain_text(replace(agreement, **{field: planted}))
        assert text.splitlines().count("Budget at each node") == 1, field
        assert text.replace("\n", "").isprintable(), field


def test_the_text_for_signing_says_everything(machines: Machines) -> None:
    file = agreed(machines)
    agreement = agreement_of(read_record(Path(file)))
    text = machines.said("agreement", "show", file, "--plain")
    assert text == plain_text(agreement)
    assert max(map(len, text.splitlines())) <= 100
    assert wire.digest(wire.encode(agreement)).hex() in text
    for words in (
        "north council, south council, university",
        "Public task.",
        "DPIA-7: low residual risk",
        "region, age",
    ):
        assert words in text
    assert dict(agreement_lines(agreement))["benefits"] == "not stated"
    assert dict(agreement_lines(agreement))["most that one attempt costs"] == "epsilon 1 at delta 1e-09"
    shown = machines.said("agreement", "show", file, "--home", machines.at("ann"))
    assert "policy, guardian-north, guardian-south; complete" in shown
    assert "not verified" in machines.said("agreement", "show", file)


def test_an_amendment_is_the_next_edition_and_says_what_changes(
    machines: Machines, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = agreed(machines)
    changed = WRITTEN.replace("[region, age]", "[age]").replace("epsilon: 4", "epsilon: 6")
    given = ("agreement", "amend", str(written(machines, changed)), "--home", machines.at("policy"))
    given += ("--before", before, "--out", machines.file("second.agreement"))
    monkeypatch.setattr("sys.stdin", io.StringIO("\n"))
    said = machines.said(*given, status=2)
    assert "changed: columns of people: age (before: region, age)" in said
    assert "changed: budget at each node: epsilon 6 at delta 1e-06 (before: epsilon 4 at delta 1e-06)" in said
    assert said.count("changed:") == 2
    assert not Path(machines.file("second.agreement")).exists()
    machines.said(*given, "--yes")
    after = agreement_of(read_record(Path(machines.file("second.agreement"))))
    assert (after.name, after.edition) == ("ages-by-region", 2)
    old = agreement_of(read_record(Path(before)))
    for text in (WRITTEN, changed.replace("ages-by-region", "other"), changed + "edition: 5\n"):
        with pytest.raises(BadFile, match="FILE_AGREEMENT_OTHER"):
            amend_agreement(load_agreement(written(machines, text), home(machines, "policy").manifest()), old)


def test_signing_again_after_new_keys_keeps_bytes_and_digest(machines: Machines) -> None:
    record = read_record(Path(agreed(machines)))
    machines.said("federation", "rotate", "--home", machines.at("guardian-north"), "--out", machines.file("n"))
    machines.admit(machines.file("n"))
    for name in ("guardian-north", "policy", "north"):
        machines.join(name)
    roster = home(machines, "north").roster()
    with pytest.raises(Refused):
        open_agreement(record, roster)
    again = sign_agreement(record, home(machines, "guardian-north"))
    assert again.payload == record.payload
    assert [s.signer for s in again.signatures] == [s.signer for s in record.signatures]
    assert open_agreement(again, roster) == agreement_of(record)
    assert sign_agreement(again, home(machines, "guardian-north"), home(machines, "policy")) == again


class Outline(HTMLParser):
    """Headings, languages and row headings of a page; every tag has to be closed."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.headings: list[int] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += [(f"{tag}.{name}", value) for name, value in attrs]
        if tag != "meta":
            self.open.append(tag)
        if tag in ("h1", "h2"):
            self.headings.append(int(tag[1]))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.mark.parametrize("form", FORMS)
def test_a_form_is_filled_in_from_the_record(machines: Machines, form: str) -> None:
    file = agreed(machines)
    for ending in ("md", "html"):
        out = ("--home", machines.at("policy"), "--form", form, "--out", machines.file(f"f.{ending}"))
        machines.said("agreement", "export", file, *out)
    markdown = Path(machines.file("f.md")).read_text()
    page = Outline()
    page.feed(Path(machines.file("f.html")).read_text())
    assert page.open == []
    assert page.headings == [1, *[2] * (markdown.count("\n## "))]
    assert ("html.lang", "en-GB") in page.attributes
    assert ("th.scope", "row") in page.attributes
    assert not [name for name, _ in page.attributes if name.endswith((".src", ".href"))]
    for words in ("To plan schools.", read_digest(file), "research (Digital Economy Act 2017, section 64)"):
        assert words in page.text
    wanted = {
        "ico": ("Parties to the agreement", "Lawful basis and legal power", "Information governance", "30 days"),
        "dpia": tuple(f"Step {number}: " for number in range(1, 8)),
        "der": ("Register entry: Ages by region", "What information is shared", "Section 64"),
    }
    for words in wanted[form]:
        assert words in page.text
    assert TO_FILL in page.text
    assert "FILE_FORM" in machines.said(
        "agreement", "export", file, "--home", machines.at("policy"), "--form", "pdf", "--out", "x", status=2
    )


def read_digest(file: str) -> str:
    return wire.digest(read_record(Path(file)).payload).hex()


def test_texts_of_a_record_are_no_markup() -> None:
    document = Document("<b>", "a|b", (Section("# x", ("<script>alert(1)</script> *y*",), (("`", "[z](http://x)"),)),))
    assert "<script>" not in document.html()
    assert "<b>" not in document.html().replace("<body>", "")
    assert "a\\|b" in document.markdown()
    assert "[z](" not in document.markdown()
    assert "<script>" not in document.markdown().replace("\\<", "")


@pytest.mark.parametrize(
    ("name", "may"), [("policy", True), ("guardian-south", True), ("ann", False), ("north", False)]
)
def test_either_side_ends_an_agreement(machines: Machines, name: str, may: bool) -> None:
    file = agreed(machines)
    out = ("--reason", "no longer needed", "--out", machines.file("r.record"))
    said = machines.said("agreement", "revoke", file, "--home", machines.at(name), *out, status=0 if may else 3)
    if not may:
        assert "POLICY_UNKNOWN_MEMBER" in said
        return
    record = wire.decode(type(read_record(Path(file))), Path(machines.file("r.record")).read_bytes())
    agreement = agreement_of(read_record(Path(file)))
    revocation = open_revocation(record, home(machines, "south").roster(), agreement)
    assert (revocation.party, revocation.reason) == (name, "no longer needed")
    assert revocation.agreement_digest.hex() == read_digest(file)


def test_records_of_one_person_verify_and_need_their_role_and_a_reason(machines: Machines) -> None:
    clock, roster, digest = SystemClock(), home(machines, "north").roster(), bytes(32)
    guardian, analyst, officer = (home(machines, name) for name in ("guardian-north", "ann", "policy"))
    pause = open_pause(pause_record(guardian, True, "flood in the machine room", clock), roster)
    assert (pause.node, pause.paused, pause.reason) == ("north", True, "flood in the machine room")
    yes = approval_record(guardian, digest, Decision.APPROVED, "", clock, latest_ms=clock.now_ms() + 1)
    assert open_approval(yes, roster).decision is Decision.APPROVED
    back = withdrawal_record(analyst, digest, "typing\nmistake", clock)
    assert decoded(back, back.kind, Withdrawal).reason == "typing mistake"
    require_signed_by(back, roster.member("ann"))
    assert decoded(withdrawal_record(analyst, digest, "", clock), back.kind, Withdrawal).reason == ""
    ended = revocation_record(officer, digest, "over", clock)
    assert decoded(ended, ended.kind, Revocation).party == "policy"
    for made, code in (
        (lambda: pause_record(analyst, True, "x", clock), "POLICY_UNKNOWN_MEMBER"),
        (lambda: withdrawal_record(guardian, digest, "x", clock), "POLICY_UNKNOWN_MEMBER"),
        (lambda: revocation_record(analyst, digest, "x", clock), "POLICY_UNKNOWN_MEMBER"),
        (lambda: pause_record(guardian, False, " \n", clock), "POLICY_REASON_MISSING"),
        (lambda: approval_record(guardian, digest, Decision.REFUSED, "", clock, latest_ms=1), "POLICY_REASON_MISSING"),
    ):
        with pytest.raises(Refused, match=code):
            made()
