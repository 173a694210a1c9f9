"""What the analyst's machine refuses to believe: a valid result, altered in one place at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest

from engine.client.open_result import open_result
from engine.errors import SplittallyError
from engine.trusted import ring, wire
from engine.trusted.home import Home
from engine.trusted.mask import answer_info, seed_info
from engine.trusted.messages import BodyKind, ResultHead, Submission
from engine.trusted.plan import Plan
from engine.trusted.records import HelperAnswer, Participant, RecordKind, RoundManifest, Share
from engine.trusted.seal import SealingKey, seal
from engine.trusted.sign import Roster, signed
from tests.coordinator.members import doubles, make_federation, make_submission
from tests.coordinator.test_reception import COUNTS, make_bench

VECTOR, MASKS = BodyKind.MASKED_VECTOR, BodyKind.SEALED_MASKS


@dataclass
class Result:
    """A result as fetched, what is needed to open it, and the keys of everybody who could forge it."""

    head: ResultHead
    bodies: dict[tuple[BodyKind, str], bytes]
    own: Submission
    roster: Roster
    key: SealingKey
    homes: Callable[[str], Home]

    def open(self) -> tuple[int, ...]:
        return open_result(self.head, self.bodies, self.own, self.roster, self.key).cells

    def manifest(self, **changes: Any) -> Result:
        manifest: RoundManifest = wire.decode(RoundManifest, self.head.manifest)
        return replace(self, head=replace(self.head, manifest=wire.encode(replace(manifest, **changes))))

    def with_head(self, **changes: Any) -> Result:
        return replace(self, head=replace(self.head, **changes))

    def body(self, kind: BodyKind, sender: str, body: bytes) -> Result:
        return replace(self, bodies={**self.bodies, (kind, sender): body})

    def reshare(self, place: int, **changes: Any) -> Result:
        """Share ``place`` changed and signed again by its own node."""
        share = replace(wire.decode(Share, self.head.shares[place].payload), **changes)
        record = signed(RecordKind.SHARE, wire.encode(share), self.homes(share.node).signing_key())
        shares = list(self.head.shares)
        shares[place] = record
        return self.with_head(shares=tuple(shares))

    def reanswer(self, place: int, **changes: Any) -> Result:
        answer = replace(wire.decode(HelperAnswer, self.head.answers[place].payload), **changes)
        record = signed(RecordKind.HELPER_ANSWER, wire.encode(answer), self.homes(answer.helper).signing_key())
        answers = list(self.head.answers)
        answers[place] = record
        return self.with_head(answers=tuple(answers))


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Result:
    federation = make_federation(tmp_path_factory.mktemp("federation"), helpers=2)
    bench = make_bench(federation, doubles(federation, COUNTS))
    submission = make_submission(federation)
    bench.run(submission)
    head, bodies = bench.fetch(wire.digest(submission.request.payload))
    home = Home.load(federation.home("analyst"))
    return Result(head, bodies, submission, home.roster(), home.sealing_key(), lambda n: Home.load(federation.home(n)))


def flipped(body: bytes) -> bytes:
    return bytes([body[0] ^ 1]) + body[1:]


def shifted(body: bytes) -> bytes:
    """One more person in the first cell."""
    vector = ring.from_bytes(body)
    return ring.to_bytes(ring.add(vector, ring.from_integers([1] + [0] * (len(vector) - 1))))


def consistently_shifted(r: Result) -> Result:
    """A node that changes its vector after sealing, and signs the change: only masks betray nothing of it."""
    body = ring.to_bytes(ring.add(ring.from_bytes(r.bodies[VECTOR, "east"]), ring.from_integers([0, 0, 1])))
    return r.body(VECTOR, "east", body).reshare(0, vector_digest=wire.digest(body))


def with_body(r: Result, helper: str) -> Result:
    """The same result, in a federation where a helper is of the analyst's body."""
    manifest, own = r.roster.manifest, r.roster.member("analyst").body
    members = tuple(replace(m, body=own) if m.name == helper else m for m in manifest.members)
    return replace(r, roster=Roster(replace(manifest, members=members)))


def other_plan(r: Result) -> Result:
    """A plan that reads well and that nobody signed for, here and in the round."""
    plan: Plan = wire.decode(Plan, r.own.plan)
    keys = (replace(plan.aggregate.keys[0], values=plan.aggregate.keys[0].values[:1]),)
    altered = wire.encode(replace(plan, aggregate=replace(plan.aggregate, keys=keys)))
    return replace(r, own=replace(r.own, plan=altered)).manifest(plan=altered)


def short_seed(r: Result) -> Result:
    body = seal(bytes(31), r.key.public, seed_info(wire.digest(r.head.manifest), "east", "analyst"))
    return r.reshare(0, sealed_seed=body)


def short_masks(r: Result) -> Result:
    helper = manifest_of(r).helpers[0]
    body = seal(bytes(8), r.key.public, answer_info(wire.digest(r.head.manifest), helper))
    return r.body(MASKS, helper, body).reanswer(0, sealed_digest=wire.digest(body))


# What is altered, and the code; or of ROUND_RESULT_INVALID, its detail: most alterations change the round's digest
# too, so the code alone would stand even if the check that is meant were missing.
ALTERED: dict[str, tuple[Callable[[Result], Result], str]] = {
    "another nonce": (lambda r: r.manifest(nonce=bytes(16)), "a share is for another round"),
    "another request": (
        lambda r: r.manifest(request=replace(r.own.request, payload=b"x")),
        "the round runs another request",
    ),
    "another plan": (lambda r: r.manifest(plan=r.own.plan + b"x"), "the round runs another plan"),
    "a plan nobody signed for": (other_plan, "the plan is not the one signed for"),
    "another epoch": (lambda r: r.manifest(epoch=2), "the round belongs to another edition of the federation"),
    "no attempt": (lambda r: r.manifest(attempt=0), "the round is beyond the attempts signed for"),
    "an attempt too many": (lambda r: r.manifest(attempt=3), "the round is beyond the attempts signed for"),
    "no run": (lambda r: r.manifest(run=0), "the round is beyond the runs signed for"),
    "a run too many": (lambda r: r.manifest(run=2), "the round is beyond the runs signed for"),
    "another phase": (lambda r: r.manifest(phase=2), "the round is of another phase"),
    "less noise": (
        lambda r: r.manifest(calibration=replace(manifest_of(r).calibration, node_sigma=64)),
        "its units or noise are not those computed here",
    ),
    "a participant twice": (
        lambda r: r.manifest(participants=manifest_of(r).participants[:1] * 3),
        "the participants are not distinct hosts",
    ),
    "a participant that is no host": (
        lambda r: r.manifest(participants=(*manifest_of(r).participants[:2], Participant("helper-1", ()))),
        "the participants are not distinct hosts",
    ),
    "one helper only": (lambda r: r.manifest(helpers=manifest_of(r).helpers[:1]), "the committee is too small"),
    "the same helper twice": (
        lambda r: r.manifest(helpers=manifest_of(r).helpers[:1] * 2),
        "two helpers are of one body",
    ),
    "a helper of the analyst's body": (
        lambda r: with_body(r, "helper-1"),
        "a helper is of the analyst's body, or of an owner's",
    ),
    "a helper that is none": (lambda r: r.manifest(helpers=("helper-1", "policy")), "POLICY_UNKNOWN_MEMBER"),
    "bytes that are no manifest": (lambda r: r.with_head(manifest=b"\xff"), "POLICY_WIRE_INVALID"),
    "a survivor left out": (lambda r: r.with_head(survivors=r.head.survivors[:2]), "ROUND_TOO_FEW_NODES"),
    "a survivor twice": (
        lambda r: r.with_head(survivors=(*r.head.survivors[:2], r.head.survivors[0])),
        "the survivors are not distinct participants",
    ),
    "a survivor that takes no part": (
        lambda r: r.with_head(survivors=(*r.head.survivors, "policy")),
        "the survivors are not distinct participants",
    ),
    "shares in another order": (lambda r: r.with_head(shares=r.head.shares[::-1]), "a share is for another round"),
    "a share missing": (lambda r: r.with_head(shares=r.head.shares[:2]), "a share is for another round"),
    "a share nobody signed": (
        lambda r: r.with_head(shares=(replace(r.head.shares[0], signatures=()), *r.head.shares[1:])),
        "POLICY_SIGNATURE_INVALID",
    ),
    "a share for another member": (lambda r: r.reshare(0, member="helper-1"), "a share is for another round"),
    "a share of another round": (lambda r: r.reshare(0, round=bytes(32)), "a share is for another round"),
    "a seed sealed to nobody": (lambda r: r.reshare(0, sealed_seed=bytes(80)), "POLICY_SEAL_INVALID"),
    "a seed too short": (short_seed, "a seed of another length"),
    "a vector flipped": (
        lambda r: r.body(VECTOR, "east", flipped(r.bodies[VECTOR, "east"])),
        "a vector is not the one its node signed",
    ),
    "a vector shifted by one": (
        lambda r: r.body(VECTOR, "east", shifted(r.bodies[VECTOR, "east"])),
        "a vector is not the one its node signed",
    ),
    "a vector too short": (
        lambda r: r.body(VECTOR, "east", r.bodies[VECTOR, "east"][:-8]),
        "a vector of another length",
    ),
    "a check cell that counts too many": (consistently_shifted, "ROUND_CHECK_FAILED"),
    "vectors withheld": (
        lambda r: replace(
            r.with_head(summed=True),
            bodies={(VECTOR, ""): r.bodies[VECTOR, "east"], **{k: v for k, v in r.bodies.items() if k[0] is MASKS}},
        ),
        "the vectors were withheld",
    ),
    "a body nobody asked for": (lambda r: r.body(VECTOR, "policy", bytes(24)), "parts are missing or not asked for"),
    "masks flipped": (
        lambda r: r.body(MASKS, "helper-1", flipped(r.bodies[MASKS, "helper-1"])),
        "masks are not those their helper signed",
    ),
    "masks too short": (short_masks, "masks of another length"),
    "an answer missing": (
        lambda r: r.with_head(answers=r.head.answers[:1]),
        "an answer is missing or of another helper",
    ),
    "an answer over fewer survivors": (
        lambda r: r.reanswer(0, survivors=("east", "north")),
        "an answer is over another set of survivors",
    ),
    "an answer over a survivor twice": (
        lambda r: r.reanswer(0, survivors=(*r.head.survivors, "east")),
        "an answer is over another set of survivors",
    ),
    "an answer to another round": (
        lambda r: r.reanswer(0, round=bytes(32)),
        "an answer is over another set of survivors",
    ),
}


def manifest_of(result: Result) -> RoundManifest:
    manifest: RoundManifest = wire.decode(RoundManifest, result.head.manifest)
    return manifest


def test_the_result_itself_opens(result: Result) -> None:
    unit = manifest_of(result).calibration.multipliers[0]
    assert [cell // unit for cell in result.open()] == [7, 70]


@pytest.mark.parametrize(("alter", "why"), ALTERED.values(), ids=ALTERED.keys())
def test_an_altered_result_is_refused(result: Result, alter: Callable[[Result], Result], why: str) -> None:
    with pytest.raises(SplittallyError) as caught:
        alter(result).open()
    assert caught.value.facts.get("detail", caught.value.code) == why


def test_another_analysts_key_opens_nothing(result: Result) -> None:
    other = replace(result, key=result.homes("other").sealing_key())
    with pytest.raises(SplittallyError, match="POLICY_SEAL_INVALID"):
        other.open()
