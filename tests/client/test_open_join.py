"""What the analyst's machine refuses to believe of a private join, and what its receipt proves offline."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from engine.client.open_result import open_result
from engine.client.receipt_words import checks, in_words
from engine.client.receipts import proven_charges, sign_receipt, verify_receipt
from engine.errors import Refused, SplittallyError
from engine.trusted import ring, wire
from engine.trusted.home import Home
from engine.trusted.messages import BodyKind, Commitment
from engine.trusted.records import RECORD_VERSION, Receipt
from engine.trusted.seal import seal
from tests.client.test_open_result import Result, manifest_of
from tests.coordinator.joiners import CELLS, OWNERS, joiners, make_join_federation
from tests.coordinator.test_joins import approved, digest_of, ended
from tests.coordinator.test_reception import make_bench

COMMITTED, ANSWER = BodyKind.MASKED_VECTOR, BodyKind.SEALED_MASKS


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Result:
    """Of a federation whose owners are members in every role that a helper or an analyst could be."""
    made = make_join_federation(tmp_path_factory.mktemp("federation"), 4)
    bench = make_bench(made, dict(joiners(made)))
    submission = approved(bench)
    ended(bench, submission)
    head, bodies = bench.fetch(digest_of(submission))
    bench.reception.drain()
    bench.links.close()
    home = Home.load(made.home("analyst"))
    return Result(head, bodies, submission, home.roster(), home.sealing_key(), lambda n: Home.load(made.home(n)))


def committed(r: Result, **changes: Any) -> Result:
    """An owner's commitment to something else, which it did not sign."""
    commitment: Commitment = wire.decode(Commitment, r.bodies[COMMITTED, "west"])
    return r.body(COMMITTED, "west", wire.encode(replace(commitment, **changes)))


def recommitted(r: Result, **changes: Any) -> Result:
    """An owner that commits to something else, and signs that."""
    made = committed(r, **changes)
    return made.reshare(1, vector_digest=wire.digest(made.bodies[COMMITTED, "west"]))


def helper_of(r: Result, place: int) -> str:
    return manifest_of(r).helpers[place]


def spare_of(r: Result) -> str:
    return next(f"helper-{n}" for n in range(1, 5) if f"helper-{n}" not in manifest_of(r).helpers)


# The code, or of ROUND_RESULT_INVALID its detail: the check that finds it first.
ALTERED: dict[str, tuple[Callable[[Result], Result], str]] = {
    "two helpers only": (lambda r: r.manifest(helpers=manifest_of(r).helpers[:2]), "a private join has three helpers"),
    "four helpers": (
        lambda r: r.manifest(helpers=(*manifest_of(r).helpers, spare_of(r))),
        "a private join has three helpers",
    ),
    "an owner as helper": (
        lambda r: r.manifest(helpers=(*manifest_of(r).helpers[:2], "west")),
        "a helper is of the analyst's body, or of an owner's",
    ),
    "one owner only": (lambda r: r.manifest(participants=manifest_of(r).participants[:1]), "an owner is missing"),
    "owners turned round": (
        lambda r: r.manifest(participants=manifest_of(r).participants[::-1]),
        "an owner is missing",
    ),
    "less noise": (
        lambda r: r.manifest(calibration=replace(manifest_of(r).calibration, node_sigma=64)),
        "its units or noise are not those computed here",
    ),
    "another nonce is another round": (
        lambda r: r.manifest(nonce=bytes(16)),
        "a commitment is of another round or owner",
    ),
    "one survivor": (lambda r: r.with_head(survivors=r.head.survivors[:1]), "ROUND_TOO_FEW_NODES"),
    "a share of another round": (lambda r: r.reshare(0, round=bytes(32)), "a share is for another round"),
    "a commitment that was not signed": (
        lambda r: committed(r, third_digest=bytes(32)),
        "a vector is not the one its node signed",
    ),
    "a commitment to another round": (
        lambda r: recommitted(r, round=bytes(32)),
        "a commitment is of another round or owner",
    ),
    "a commitment of the other owner": (
        lambda r: recommitted(r, owner="east"),
        "a commitment is of another round or owner",
    ),
    "no commitment": (lambda r: r.body(COMMITTED, "west", b"\xff"), "POLICY_WIRE_INVALID"),
    "commitments withheld": (
        lambda r: replace(
            r.with_head(summed=True),
            bodies={
                (COMMITTED, ""): r.bodies[COMMITTED, "east"],
                **{k: v for k, v in r.bodies.items() if k[0] is ANSWER},
            },
        ),
        "the vectors were withheld",
    ),
    "an answer missing": (
        lambda r: r.with_head(answers=r.head.answers[:2]),
        "an answer is missing or of another helper",
    ),
    "an answer over one owner": (
        lambda r: r.reanswer(0, survivors=("east",)),
        "an answer is over another set of survivors",
    ),
    "an answer that its helper did not sign": (
        lambda r: r.body(ANSWER, helper_of(r, 0), r.bodies[ANSWER, helper_of(r, 1)]),
        "masks are not those their helper signed",
    ),
    "an answer sealed by another helper": (
        lambda r: r.body(ANSWER, helper_of(r, 0), r.bodies[ANSWER, helper_of(r, 1)]).reanswer(
            0, sealed_digest=wire.digest(r.bodies[ANSWER, helper_of(r, 1)])
        ),
        "POLICY_SEAL_INVALID",
    ),
    "an answer to something else": (lambda r: reanswered(r, ring.from_integers([1] * 5)), "ROUND_CHECK_FAILED"),
    "an answer too short": (lambda r: reanswered(r, ring.from_integers([0])), "masks of another length"),
}


def reanswered(r: Result, vector: ring.Vector) -> Result:
    """The first helper answers with ``vector`` instead, sealed and signed as its answer is."""
    from engine.trusted.mask import answer_info

    helper = helper_of(r, 0)
    sealed = seal(ring.to_bytes(vector), r.key.public, answer_info(wire.digest(r.head.manifest), helper))
    return r.body(ANSWER, helper, sealed).reanswer(0, sealed_digest=wire.digest(sealed))


def test_the_result_itself_opens(result: Result) -> None:
    unit = manifest_of(result).calibration.multipliers[0]
    assert tuple(cell // unit for cell in result.open()) == CELLS


@pytest.mark.parametrize(("alter", "why"), ALTERED.values(), ids=ALTERED.keys())
def test_an_altered_result_is_refused(result: Result, alter: Callable[[Result], Result], why: str) -> None:
    with pytest.raises(SplittallyError) as caught:
        alter(result).open()
    assert caught.value.facts.get("detail", caught.value.code) == why


# -- receipts


def receipt_of(r: Result) -> Receipt:
    opened = open_result(r.head, r.bodies, r.own, r.roster, r.key)
    charges = proven_charges(r.head.charges, opened.shares, wire.digest(r.head.manifest), opened.manifest)
    home = r.homes("analyst")
    return Receipt(
        version=RECORD_VERSION,
        federation_manifest=home.manifest_record(),
        agreement=r.homes("coordinator").agreements()[0],
        round_manifest=opened.manifest,
        survivors=opened.survivors,
        shares=r.head.shares,
        answers=r.head.answers,
        checked_each_vector=opened.checked_each_vector,
        charges=charges,
    )


def verified(r: Result, **changes: Any):  # type: ignore[no-untyped-def]
    receipt = replace(receipt_of(r), **changes)
    return verify_receipt(
        wire.encode(sign_receipt(receipt, r.homes("analyst").signing_key())), r.roster.manifest.root_keys
    )


def test_a_receipt_holds_offline_and_says_what_was_checked(result: Result) -> None:
    found = verified(result)
    assert found.charged == tuple(OWNERS)
    assert {a.guardian for a in found.approvals} == {"guardian-east", "guardian-west"}
    said = dict(checks(found))
    assert said["helpers ready"].endswith("; and both owners: east, west")
    assert "three helpers" in in_words(found)


READY = "a ready is missing or of another member"
COMMITTEES: dict[str, tuple[Callable[[Any], dict[str, Any]], str]] = {
    "owners not ready": (lambda m: {"readies": m.readies[:3]}, READY),
    "another order": (lambda m: {"readies": (*m.readies[3:], *m.readies[:3])}, READY),
    "one twice": (lambda m: {"readies": (*m.readies[:4], m.readies[3])}, READY),
    "two helpers": (
        lambda m: {"helpers": m.helpers[:2], "readies": (*m.readies[:2], *m.readies[3:])},
        "a private join has three helpers",
    ),
    "an owner helps": (
        lambda m: {"helpers": (*m.helpers[:2], "east"), "readies": (*m.readies[:2], m.readies[3], *m.readies[3:])},
        "a helper is of the analyst's body, or of an owner's",
    ),
    "turned round": (
        lambda m: {"participants": m.participants[::-1], "readies": (*m.readies[:3], m.readies[4], m.readies[3])},
        "an owner is missing",
    ),
    "one approved": (
        lambda m: {"approvals": m.approvals[:1]},
        "a private join was not approved at both owners",
    ),
    "another round": (lambda m: {"nonce": bytes(16)}, "a share is for another round"),
}


@pytest.mark.parametrize(("alter", "detail"), COMMITTEES.values(), ids=COMMITTEES.keys())
def test_a_receipt_of_another_committee_does_not_hold(
    result: Result, alter: Callable[[Any], dict[str, Any]], detail: str
) -> None:
    """By the check that is meant: any change is another round too, whose shares the receipt does not have."""
    round_ = manifest_of(result)
    with pytest.raises(Refused, match="POLICY_RECEIPT_INVALID") as found:
        verified(result, round_manifest=replace(round_, **alter(round_)))
    assert found.value.facts["detail"] == detail


def test_a_receipt_cannot_say_that_commitments_were_not_checked(result: Result) -> None:
    with pytest.raises(Refused, match="POLICY_RECEIPT_INVALID"):
        verified(result, checked_each_vector=False)
