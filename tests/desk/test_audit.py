"""The auditor's desk: journals held against each other and against what was seen, proofs, and receipts from files."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from hashlib import sha256

import pytest

from engine.client.archive import Archive
from engine.client.receipts import sign_receipt
from engine.desk.form import Form
from engine.governance import journal_file
from engine.governance.proofs import verify_inclusion
from engine.trusted import wire
from engine.trusted.home import Home
from engine.trusted.journal import leaf_hash
from engine.trusted.records import JournalHead, SignedRecord
from engine.trusted.sign import sign_head
from tests.client.conftest import Bench
from tests.client.test_session import SQL, fresh
from tests.desk.conftest import Browser, desk_of, opened_bench, visible


@dataclass
class Own:
    """A federation in which something was answered, and the desk of its auditor."""

    bench: Bench
    browser: Browser
    request: str
    receipt: bytes


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Own]:
    with opened_bench(tmp_path_factory.mktemp("audit")) as bench:
        with bench.session() as session:
            request = session.query(SQL, epsilon=fresh(601), purpose="school places").wait(60).request_id
            kept = session.archive.released(bytes.fromhex(request))
            assert kept is not None
            receipt = wire.encode(sign_receipt(kept.receipt, session.home.signing_key()))
        browser = desk_of(Home.load(bench.federation.home("auditor")))
        await_journals(browser)
        yield Own(bench, browser, request, receipt)
        browser.desk.close()


def await_journals(browser: Browser) -> None:
    """The coordinator collects journals at a pace of its own; a desk shows what there is."""
    for _ in range(100):
        browser.post("/journals/anew")
        if all(Archive(browser.desk.home).heads(node) for node in ("east", "north", "west")):
            return
        time.sleep(0.2)


# -- journals


def test_every_journal_is_verified_and_listed(own: Own) -> None:
    page = visible(own.browser.get("/journals").text)
    for member, role in (
        ("coordinator", "coordinator"),
        *((node, "node, helper") for node in ("east", "north", "west")),
    ):
        assert f"{member} {role} sound" in page


def test_entries_are_filtered(own: Own) -> None:
    every = own.browser.get("/journals/coordinator").text
    asked = own.browser.get("/journals/coordinator?kind=requested").text
    assert "released to analyst</td>" in every
    assert "released to analyst</td>" not in asked
    assert "<td>requested</td>" in asked
    assert own.request[:12] in own.browser.get(f"/journals/coordinator?request={own.request[:6]}").text
    for nothing in ("analyst=nobody", "since=2100-01-01", "until=2000-01-01", f"request={'f' * 64}"):
        assert "No such entry." in own.browser.get(f"/journals/coordinator?{nothing}").text
    for odd in ("since=yesterday", "below=-1", "below=x", "kind=%3Cb%3E"):
        assert own.browser.get(f"/journals/coordinator?{odd}").status_code == 200


def test_a_saved_journal_and_a_saved_proof_hold_offline(own: Own) -> None:
    body = own.browser.get("/journals/coordinator/file").content
    found = journal_file.read(body)
    head = journal_file.verify(found, own.browser.desk.home.roots())
    proof = json.loads(own.browser.get("/journals/coordinator/1/proof").content)
    assert (proof["size"], proof["root"]) == (head.size, head.root.hex())
    entry, path = bytes.fromhex(proof["entry"]), [bytes.fromhex(step) for step in proof["path"]]
    assert entry == found.entries[1]
    verify_inclusion(leaf_hash(entry), 1, head.size, path, head.root)
    page = own.browser.get("/journals/coordinator/1").text
    assert proof["leaf"] in page
    assert "proven" in visible(page)


@pytest.mark.parametrize("place", ["999999", "x", "-1", "1" * 13])
def test_an_entry_that_is_not_there(own: Own, place: str) -> None:
    assert own.browser.get(f"/journals/coordinator/{place}").status_code == 422


def test_a_head_that_one_knows_is_proven_or_refuted(own: Own) -> None:
    found = journal_file.read(own.browser.get("/journals/coordinator/file").content)
    older = journal_file.root([leaf_hash(entry) for entry in found.entries[:2]]).hex()
    good = own.browser.get(f"/journals/coordinator?size=2&root={older}").text
    assert "It does: the proof of" in visible(good)
    for size, root in (("2", "00" * 32), ("3", older), ("99999", older)):
        assert "POLICY_HEAD_FORKED" in own.browser.get(f"/journals/coordinator?size={size}&root={root}").text
    for size, root in (("x", older), ("2", "zz"), ("2", "")):
        assert "POLICY_JOURNAL_INVALID" in own.browser.get(f"/journals/coordinator?size={size}&root={root}").text


def test_another_history_than_this_desk_saw_is_found_out(own: Own) -> None:
    """The coordinator hands out a journal that is sound in itself, and not the one of before."""
    own.browser.post("/journals/anew")
    home = own.browser.desk.home
    assert Archive(home).heads("west")
    assert "another history" not in own.browser.get("/journals").text
    key = Home.load(own.bench.federation.home("west")).signing_key()
    size = Archive(home).heads("west")[-1].head.size
    Archive(home).keep_heads([sign_head(JournalHead("west", size + 1, bytes(32), bytes(32)), key)])
    own.browser.follow(own.browser.post("/journals/anew"))
    assert f"another history than the {size + 1} entries seen" in visible(own.browser.get("/journals").text)
    assert "does not begin with them" in visible(own.browser.get("/journals/west").text)


# -- receipts


def test_a_receipt_from_a_file_is_checked_and_held_against_the_journals(own: Own) -> None:
    answer = own.browser.upload("/receipts/take", own.receipt)
    page = visible(own.browser.follow(answer).text)
    assert "The receipt holds" in page
    assert "Reason given: school places" in page
    for node in ("east", "north", "west"):
        assert re.search(rf"{node} sound entry \d+", page)
    assert own.request[:12] in own.browser.get("/receipts").text
    place = f"/receipts/{sha256(own.receipt).hexdigest()}"
    own.browser.post(f"{place}/drop")
    assert own.browser.get(place).status_code == 400
    assert own.request[:12] not in own.browser.get("/receipts").text


def test_an_edited_receipt_does_not_hold(own: Own) -> None:
    record: SignedRecord = wire.decode(SignedRecord, own.receipt)
    with_other = wire.encode(replace(record, signatures=()))
    page = own.browser.follow(own.browser.upload("/receipts/take", with_other))
    assert page.status_code == 422
    assert "The receipt does not hold" in page.text
    assert "POLICY_SIGNATURE_INVALID" in page.text


@pytest.mark.parametrize("body", [b"", b"no receipt", b"\xff" * 100, b"\r\n--x--\r\n"])
def test_what_is_no_receipt_is_not_kept(own: Own, body: bytes) -> None:
    before = sorted((own.browser.desk.home.path / "receipts").glob("*"))
    answer = own.browser.upload("/receipts/take", body)
    assert answer.status_code == 422
    assert '<a href="#file">' in answer.text
    assert sorted((own.browser.desk.home.path / "receipts").glob("*")) == before


@pytest.mark.parametrize("name", ["../keys/sign.key", "..%2f..%2fkeys%2fsign.key", "%2e%2e", "x"])
def test_no_path_leads_out_of_the_receipts(own: Own, name: str) -> None:
    for place in (f"/receipts/{name}", f"/receipts/{name}/drop"):
        assert own.browser.get(place).status_code in (400, 404)


# -- forms of several parts

FORMS = {
    "no boundary": ("", b""),
    "nothing": ("b", b""),
    "no end": ("b", b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\nx\r\n'),
    "no name": ("b", b"--b\r\nContent-Disposition: form-data\r\n\r\nx\r\n--b--\r\n"),
    "no blank line": ("b", b'--b\r\nContent-Disposition: form-data; name="a"\r\n--b--\r\n'),
    "words before": ("b", b'x\r\n--b\r\nContent-Disposition: form-data; name="a"\r\n\r\nx\r\n--b--\r\n'),
    "a path as a name": ("b", b'--b\r\nContent-Disposition: form-data; name="../a"\r\n\r\nx\r\n--b--\r\n'),
    "not UTF-8": ("b", b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n\xff\r\n--b--\r\n'),
}


@pytest.mark.parametrize("name", FORMS)
def test_what_is_no_form_of_parts_is_refused(name: str) -> None:
    boundary, body = FORMS[name]
    with pytest.raises(ValueError, match=r"no parts|no field|utf-8"):
        Form.parse_parts(body, boundary)


def test_parts_are_read_byte_by_byte() -> None:
    file = bytes(range(256)) + b"\r\n-b\r\n--"
    body = (
        b'--b\r\nContent-Disposition: form-data; name="csrf"\r\n\r\n00\r\n--b\r\nContent-Disposition: form-data; '
        b'name="file"; filename="../../x"\r\nContent-Type: text/html\r\n\r\n' + file + b"\r\n--b--\r\n"
    )
    form = Form.parse_parts(body, "b")
    assert (form.one("csrf"), dict(form.files)) == ("00", {"file": file})


def test_only_places_that_say_so_take_files(own: Own) -> None:
    assert own.browser.upload("/journals/anew", b"x").status_code == 415


def test_a_file_needs_the_form_token_too(own: Own) -> None:
    files = {"file": ("x", own.receipt)}
    for fields in ({}, {"csrf": "00"}):
        answer = own.browser.client.post(own.browser.base + "/receipts/take", data=fields, files=files)
        assert answer.status_code == 403


def test_a_file_that_is_too_long_is_not_read(own: Own) -> None:
    assert own.browser.upload("/receipts/take", bytes((16 << 20) + 1)).status_code == 413
