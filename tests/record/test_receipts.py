"""Receipts: what the true one says, and that no other one holds."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from engine.cli.main import run
from engine.client.receipt_words import checks, in_words
from engine.client.receipts import proven_charges, read_receipt, verify_receipt
from engine.errors import Refused
from engine.trusted import wire
from engine.trusted.records import (
    Agreement,
    Approval,
    DatasetScope,
    Decision,
    HelperAnswer,
    InclusionProof,
    Loss,
    Operation,
    Ready,
    Receipt,
    RecordKind,
    Request,
    RootKey,
    Selection,
    Share,
)
from tests.record.conftest import Bench, released
from tests.record.tampering import damaged

NODES = ("east", "north", "west")


def test_the_true_receipt_holds_and_says_who_why_when_and_at_what_cost(bench: Bench, receipt: Receipt) -> None:
    found = verify_receipt(bench.file(receipt), bench.roots)
    assert (found.keeper, found.charged, found.approvals) == ("analyst", NODES, ())
    said = in_words(found)
    for part in (
        "analyst (analyst) asked on ",
        "To plan clinics",
        "number of rows",
        "rho ",
        "epsilon 1 at delta 1e-09",
    ):
        assert part in said, said
    assert "Answered by east, north, west." in said
    table = dict(checks(found))
    assert table["charges in journals"] == "proven for east, north, west"
    assert "root-1" in table["federation's manifest"]


def test_what_the_analyst_keeps_is_the_file(bench: Bench, request_id: str) -> None:
    kept = bench.home("analyst").path / "requests" / request_id / "receipt"
    verify_receipt(kept.read_bytes(), bench.roots)


def test_no_damaged_receipt_holds(bench: Bench, receipt: Receipt, other: Receipt) -> None:
    """1,000 edits, cuts, copies and swaps: every one is refused with a code; the true one passes each time."""
    body = bench.file(receipt)
    for number, (what, made) in enumerate(damaged(body, bench.file(other), 1_000, seed=7)):
        with pytest.raises(Refused):
            verify_receipt(made, bench.roots)
            pytest.fail(what)
        if number % 100 == 0:
            verify_receipt(body, bench.roots)


def approval(bench: Bench, receipt: Receipt, **changes: Any) -> Any:
    digest, made = wire.digest(receipt.round_manifest.request.payload), receipt.round_manifest.created_ms
    own = Approval(1, digest, "guardian-east", "east", Decision.APPROVED, "", made - 1, made + 1000, bytes(32))
    said = replace(own, **changes)
    return bench.sign(RecordKind.APPROVAL, said, said.guardian)


def approved(bench: Bench, receipt: Receipt, **changes: Any) -> Receipt:
    return bench.remade(receipt, approvals=(approval(bench, receipt, **changes),))


def reasked(bench: Bench, receipt: Receipt, **changes: Any) -> Receipt:
    """The round of another request, which its analyst signed."""
    request = replace(wire.decode(Request, receipt.round_manifest.request.payload), **changes)
    record = bench.sign(RecordKind.REQUEST, request, "analyst")
    digest = wire.digest(record.payload)
    readies = tuple(bench.again(r, Ready, request_digest=digest) for r in receipt.round_manifest.readies)
    return bench.remade(receipt, request=record, readies=readies)


def shares(bench: Bench, receipt: Receipt, place: int, **changes: Any) -> Receipt:
    held = list(receipt.shares)
    held[place] = bench.again(held[place], Share, **changes)
    return replace(receipt, shares=tuple(held))


def answers(bench: Bench, receipt: Receipt, **changes: Any) -> Receipt:
    held = bench.again(receipt.answers[0], HelperAnswer, **changes)
    return replace(receipt, answers=(held, *receipt.answers[1:]))


def proofs(receipt: Receipt, change: Callable[[tuple[InclusionProof, ...]], tuple[InclusionProof, ...]]) -> Receipt:
    return replace(receipt, charges=change(receipt.charges))


def round_of(receipt: Receipt) -> Any:
    return receipt.round_manifest


# Receipts that a lying analyst would write: whole files, signed by the keeper, with every key of the federation used.
FORGED: dict[str, tuple[Callable[[Bench, Receipt, Receipt], Receipt], str]] = {
    "a manifest that two roots did not sign": (
        lambda b, r, o: replace(
            r, federation_manifest=replace(r.federation_manifest, signatures=r.federation_manifest.signatures[:1])
        ),
        "POLICY_MANIFEST_UNSIGNED",
    ),
    "an agreement without its guardians": (
        lambda b, r, o: replace(r, agreement=replace(r.agreement, signatures=r.agreement.signatures[:1])),
        "POLICY_AGREEMENT_UNSIGNED",
    ),
    "the shares of another round": (lambda b, r, o: replace(r, shares=o.shares), "POLICY_RECEIPT_INVALID"),
    "the answers to another round": (lambda b, r, o: replace(r, answers=o.answers), "POLICY_RECEIPT_INVALID"),
    "the charges of another round": (lambda b, r, o: replace(r, charges=o.charges), "POLICY_PROOF_INVALID"),
    "the round of another receipt": (
        lambda b, r, o: replace(r, round_manifest=o.round_manifest),
        "POLICY_RECEIPT_INVALID",
    ),
    "shares in another order": (lambda b, r, o: replace(r, shares=r.shares[::-1]), "POLICY_RECEIPT_INVALID"),
    "a survivor left out": (
        lambda b, r, o: replace(r, survivors=r.survivors[:2], shares=r.shares[:2]),
        "POLICY_RECEIPT_INVALID",
    ),
    "a share of another node": (lambda b, r, o: replace(r, shares=(r.shares[0],) * 3), "POLICY_RECEIPT_INVALID"),
    "a share for another member": (lambda b, r, o: shares(b, r, 0, member="helper-1"), "POLICY_RECEIPT_INVALID"),
    "another head in a share": (
        lambda b, r, o: shares(b, r, 1, head=b.members["north"].head_at(0)),
        "POLICY_PROOF_INVALID",
    ),
    "an answer over fewer nodes": (lambda b, r, o: answers(b, r, survivors=NODES[:2]), "POLICY_RECEIPT_INVALID"),
    "an answer missing": (lambda b, r, o: replace(r, answers=r.answers[:1]), "POLICY_RECEIPT_INVALID"),
    "another claim of what was checked": (
        lambda b, r, o: replace(r, checked_each_vector=False),
        "POLICY_RECEIPT_INVALID",
    ),
    "a proof twice": (lambda b, r, o: proofs(r, lambda p: (p[0], *p)), "POLICY_RECEIPT_INVALID"),
    "proofs in another order": (lambda b, r, o: proofs(r, lambda p: p[::-1]), "POLICY_RECEIPT_INVALID"),
    "a proof of another entry": (
        lambda b, r, o: proofs(r, lambda p: (replace(p[0], entry=p[1].entry), *p[1:])),
        "POLICY_PROOF_INVALID",
    ),
    "a proof at another place": (
        lambda b, r, o: proofs(r, lambda p: (replace(p[0], index=p[0].index + 1), *p[1:])),
        "POLICY_PROOF_INVALID",
    ),
    "a proof under another head": (
        lambda b, r, o: proofs(r, lambda p: (replace(p[0], head=p[1].head), *p[1:])),
        "POLICY_PROOF_INVALID",
    ),
    "less noise": (
        lambda b, r, o: b.remade(r, calibration=replace(round_of(r).calibration, node_sigma=64)),
        "POLICY_RECEIPT_INVALID",
    ),
    "another plan": (lambda b, r, o: b.remade(r, plan=r.round_manifest.plan + b"\x08\x01"), "POLICY_"),
    "an attempt too many": (lambda b, r, o: b.remade(r, attempt=3), "POLICY_RECEIPT_INVALID"),
    "a helper without its ready": (
        lambda b, r, o: b.remade(r, readies=round_of(r).readies[:1]),
        "POLICY_RECEIPT_INVALID",
    ),
    "a ready for another request": (
        lambda b, r, o: b.remade(r, readies=round_of(o).readies),
        "POLICY_RECEIPT_INVALID",
    ),
    "after the request's expiry": (
        lambda b, r, o: b.remade(r, created_ms=round_of(r).created_ms + 25 * 3_600_000),
        "POLICY_RECEIPT_INVALID",
    ),
    "after the agreement": (
        lambda b, r, o: b.remade(r, created_ms=round_of(r).created_ms + 366 * 86_400_000),
        "POLICY_",
    ),
    "an approval of another request": (
        lambda b, r, o: approved(b, r, request_digest=bytes(32)),
        "POLICY_RECEIPT_INVALID",
    ),
    "a refusal as an approval": (lambda b, r, o: approved(b, r, decision=Decision.REFUSED), "POLICY_RECEIPT_INVALID"),
    "an approval that had expired": (lambda b, r, o: approved(b, r, expires_ms=1), "POLICY_RECEIPT_INVALID"),
    "an approval for another node": (lambda b, r, o: approved(b, r, node="west"), "POLICY_UNKNOWN_MEMBER"),
    "an approval by somebody else": (lambda b, r, o: approved(b, r, guardian="analyst"), "POLICY_UNKNOWN_MEMBER"),
    "one guardian twice": (
        lambda b, r, o: b.remade(r, approvals=(approval(b, r), approval(b, r, reason="again"))),
        "POLICY_RECEIPT_INVALID",
    ),
    "a request under another agreement": (
        lambda b, r, o: reasked(b, r, agreement_digest=bytes(32)),
        "POLICY_RECEIPT_INVALID",
    ),
    "a request for another plan": (lambda b, r, o: reasked(b, r, plan_digest=bytes(32)), "POLICY_RECEIPT_INVALID"),
    "a request above the agreement's cap": (
        lambda b, r, o: reasked(b, r, loss=Loss(10**12, 0)),
        "POLICY_RECEIPT_INVALID",
    ),
    "a request at another price": (lambda b, r, o: reasked(b, r, loss=Loss(10**7, 0)), "POLICY_RECEIPT_INVALID"),
    "a request of another analyst": (lambda b, r, o: reasked(b, r, analyst="other"), "POLICY_SIGNATURE_INVALID"),
}


@pytest.mark.parametrize(("forge", "code"), FORGED.values(), ids=FORGED.keys())
def test_a_forged_receipt_does_not_hold(
    bench: Bench,
    receipt: Receipt,
    other: Receipt,
    forge: Callable[[Bench, Receipt, Receipt], Receipt],
    code: str,
) -> None:
    with pytest.raises(Refused, match=code):
        verify_receipt(bench.file(forge(bench, receipt, other)), bench.roots)


def test_the_same_round_signed_again_would_hold(bench: Bench, receipt: Receipt) -> None:
    """So the forgeries above fail for what they change, not for having been made."""
    verify_receipt(bench.file(bench.remade(receipt)), bench.roots)
    verify_receipt(bench.file(reasked(bench, receipt, purpose="another")), bench.roots)
    found = verify_receipt(bench.file(approved(bench, receipt)), bench.roots)
    assert [a.guardian for a in found.approvals] == ["guardian-east"]
    assert dict(checks(found))["approvals"] == "guardian-east for east"


CLINICS = "SELECT clinic, COUNT(*) AS n FROM people GROUP BY clinic ORDER BY n DESC"


def test_the_receipt_of_keys_that_nodes_named(bench: Bench) -> None:
    for name, clinics in {"east": {"a": 5}, "north": {"c": 5}, "west": {"a": 1}}.items():
        bench.members[name].clinics = clinics
    request, two_phases = released(bench, Fraction(5, 2), CLINICS)
    found = verify_receipt(bench.file(two_phases), bench.roots)
    assert (found.receipt.round_manifest.phase, found.charged) == (2, NODES)
    assert "at delta 1" in in_words(found)
    selection = two_phases.round_manifest.selection
    assert selection is not None
    longer = bench.again(selection, Selection, length=32)
    other = bench.again(selection, Selection, request_digest=bytes(32))
    for changed in (longer, other, replace(selection, signatures=()), None):
        with pytest.raises(Refused):
            verify_receipt(bench.file(bench.remade(two_phases, selection=changed)), bench.roots)
    with bench.session() as session:  # a reader is given the keys too
        session.share(request, "other")
    with bench.session("other") as session:
        assert session.result(request).answer.rows == (("a", 6), ("c", 5))


def narrowed(bench: Bench, receipt: Receipt, **changes: Any) -> Receipt:
    """The same question under an agreement that allows less, signed by everybody."""
    agreement = replace(wire.decode(Agreement, receipt.agreement.payload), **changes)
    signers = [signature.signer for signature in receipt.agreement.signatures]
    record = bench.sign(RecordKind.AGREEMENT, agreement, *signers)
    asked = reasked(bench, receipt, agreement_digest=wire.digest(record.payload))
    return replace(asked, agreement=record)


@pytest.mark.parametrize(
    "changes",
    [
        {"scope": (DatasetScope("people", ("person_id",)),)},
        {"operations": (Operation.QUANTILE,)},
        {"analysts": ("other",)},
        {"per_plan": Loss(1, 0)},
        {"until_ms": 2, "from_ms": 1},
    ],
)
def test_a_question_beyond_its_agreement_does_not_hold(bench: Bench, receipt: Receipt, changes: dict[str, Any]) -> None:
    verify_receipt(bench.file(narrowed(bench, receipt, title="The same")), bench.roots)
    with pytest.raises(Refused):
        verify_receipt(bench.file(narrowed(bench, receipt, **changes)), bench.roots)


def test_other_roots_hold_nothing(bench: Bench, receipt: Receipt) -> None:
    strangers = tuple(RootKey(root.name, bytes([n]) * 32) for n, root in enumerate(bench.roots))
    with pytest.raises(Refused):
        verify_receipt(bench.file(receipt), strangers)


@pytest.mark.parametrize("keeper", ["policy", "guardian-east", "east"])
def test_only_an_analyst_of_the_agreement_keeps_receipts(bench: Bench, receipt: Receipt, keeper: str) -> None:
    with pytest.raises(Refused, match="POLICY_RECEIPT_INVALID"):
        verify_receipt(bench.file(receipt, keeper), bench.roots)
    assert verify_receipt(bench.file(receipt, "other"), bench.roots).keeper == "other"


def test_a_lack_of_proofs_is_said_and_no_fault(bench: Bench, receipt: Receipt) -> None:
    fewer = replace(receipt, charges=receipt.charges[:1])
    found = verify_receipt(bench.file(fewer), bench.roots)
    assert dict(checks(found))["charges in journals"] == "proven for east; no proof enclosed for north, west"


def test_the_client_keeps_the_proofs_that_hold(bench: Bench, receipt: Receipt, other: Receipt) -> None:
    round_ = receipt.round_manifest
    digest = wire.digest(wire.encode(round_))
    own: list[Share] = [wire.decode(Share, record.payload) for record in receipt.shares]
    spoilt = (replace(receipt.charges[0], path=receipt.charges[0].path[1:]), other.charges[1], *receipt.charges[2:])
    assert proven_charges(spoilt, own, digest, round_) == receipt.charges[2:]
    assert proven_charges(receipt.charges[::-1], own, digest, round_) == receipt.charges


def test_a_node_that_proves_another_entry_does_not_stop_the_release(bench: Bench) -> None:
    bench.members["north"].faults.add("proves another")
    try:
        _, receipt = released(bench, Fraction(5, 4))
    finally:
        bench.members["north"].faults.clear()
    assert [proof.member for proof in receipt.charges] == ["east", "west"]


def test_heads_are_kept_and_a_second_one_of_the_same_size_is_told(bench: Bench, request_id: str) -> None:
    from engine.client.archive import Archive

    north = bench.members["north"]
    archive = Archive(bench.home("analyst"))
    sizes = [head.head.size for head in archive.heads("north")]
    assert sizes == sorted(sizes)
    assert sizes
    assert archive.keep_heads(archive.heads("north")) == ()
    size = sizes[0]
    forged = replace(north.head_at(size), head=replace(north.head_at(size).head, root=bytes(32)))
    assert archive.keep_heads([forged]) == ("north",)
    for file in (bench.home("analyst").path / "heads" / "north").glob("*-" + "0" * 16):
        file.unlink()


def test_the_commands(
    bench: Bench, request_id: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    home, roots = str(bench.home("analyst").path), str(bench.home("analyst").path / "root.keys")
    assert run(["receipt", "export", request_id, "--home", home]) == 0
    file = f"{request_id}.receipt"
    assert read_receipt(Path(file).read_bytes())[1].survivors == NODES
    assert run(["receipt", "verify", file, "--roots", roots]) == 0
    shown = capsys.readouterr().out
    assert shown.rstrip().endswith("The receipt holds.")
    assert "agreement" in shown
    assert run(["receipt", "verify", file, "--roots", roots, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["request"], document["charges_proven"]) == (request_id, list(NODES))
    body = bytearray(Path(file).read_bytes())
    body[len(body) // 2] ^= 1
    Path(file).write_bytes(body)
    assert run(["receipt", "verify", file, "--roots", roots]) == 3
    assert run(["receipt", "verify", "none", "--roots", roots]) == 2
    assert run(["receipt", "verify", file, "--roots", file]) == 2
    assert run(["receipt", "export", "00" * 32, "--home", home]) == 5
