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
from engine.trusted.messages import BodyKind, ResultHead, Submission
from engine.trusted.records import HelperAnswer, RecordKind, RoundManifest, Share
from engine.trusted.seal import SealingKey
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


ALTERED: dict[str, tuple[Callable[[Result], Result], str]] = {
    "another nonce is another round": (lambda r: r.manifest(nonce=bytes(16)), "ROUND_RESULT_INVALID"),
    "another request": (lambda r: r.manifest(request=replace(r.own.request, payload=b"x")), "ROUND_RESULT_INVALID"),
    "another plan": (lambda r: r.manifest(plan=r.own.plan + b"x"), "ROUND_RESULT_INVALID"),
    "another epoch": (lambda r: r.manifest(epoch=2), "ROUND_RESULT_INVALID"),
    "an attempt beyond those signed": (lambda r: r.manifest(attempt=3), "ROUND_RESULT_INVALID"),
    "less noise": (
        lambda r: r.manifest(calibration=replace(manifest_of(r).calibration, node_sigma=64)),
        "ROUND_RESULT_INVALID",
    ),
    "a participant twice": (
        lambda r: r.manifest(participants=manifest_of(r).participants[:1] * 3),
        "ROUND_RESULT_INVALID",
    ),
    "one helper only": (lambda r: r.manifest(helpers=manifest_of(r).helpers[:1]), "ROUND_RESULT_INVALID"),
    "the same helper twice": (lambda r: r.manifest(helpers=manifest_of(r).helpers[:1] * 2), "ROUND_RESULT_INVALID"),
    "a helper that is none": (lambda r: r.manifest(helpers=("helper-1", "policy")), "POLICY_UNKNOWN_MEMBER"),
    "bytes that are no manifest": (lambda r: r.with_head(manifest=b"\xff"), "POLICY_WIRE_INVALID"),
    "a survivor left out": (lambda r: r.with_head(survivors=r.head.survivors[:2]), "ROUND_TOO_FEW_NODES"),
    "a survivor twice": (
        lambda r: r.with_head(survivors=(*r.head.survivors[:2], r.head.survivors[0])),
        "ROUND_RESULT_INVALID",
    ),
    "a survivor that takes no part": (
        lambda r: r.with_head(survivors=(*r.head.survivors, "policy")),
        "ROUND_RESULT_INVALID",
    ),
    "shares in another order": (lambda r: r.with_head(shares=r.head.shares[::-1]), "ROUND_RESULT_INVALID"),
    "a share missing": (lambda r: r.with_head(shares=r.head.shares[:2]), "ROUND_RESULT_INVALID"),
    "a share nobody signed": (
        lambda r: r.with_head(shares=(replace(r.head.shares[0], signatures=()), *r.head.shares[1:])),
        "POLICY_SIGNATURE_INVALID",
    ),
    "a share for another member": (lambda r: r.reshare(0, member="helper-1"), "ROUND_RESULT_INVALID"),
    "a share of another round": (lambda r: r.reshare(0, round=bytes(32)), "ROUND_RESULT_INVALID"),
    "a seed sealed to nobody": (lambda r: r.reshare(0, sealed_seed=bytes(80)), "POLICY_SEAL_INVALID"),
    "a vector flipped": (lambda r: r.body(VECTOR, "east", flipped(r.bodies[VECTOR, "east"])), "ROUND_RESULT_INVALID"),
    "a vector shifted by one": (
        lambda r: r.body(VECTOR, "east", shifted(r.bodies[VECTOR, "east"])),
        "ROUND_RESULT_INVALID",
    ),
    "a vector too short": (lambda r: r.body(VECTOR, "east", r.bodies[VECTOR, "east"][:-8]), "ROUND_RESULT_INVALID"),
    "a check cell that counts too many": (consistently_shifted, "ROUND_CHECK_FAILED"),
    "vectors withheld": (
        lambda r: replace(
            r.with_head(summed=True),
            bodies={(VECTOR, ""): r.bodies[VECTOR, "east"], **{k: v for k, v in r.bodies.items() if k[0] is MASKS}},
        ),
        "ROUND_RESULT_INVALID",
    ),
    "a body nobody asked for": (lambda r: r.body(VECTOR, "policy", bytes(24)), "ROUND_RESULT_INVALID"),
    "masks flipped": (
        lambda r: r.body(MASKS, "helper-1", flipped(r.bodies[MASKS, "helper-1"])),
        "ROUND_RESULT_INVALID",
    ),
    "an answer missing": (lambda r: r.with_head(answers=r.head.answers[:1]), "ROUND_RESULT_INVALID"),
    "an answer over fewer survivors": (lambda r: r.reanswer(0, survivors=("east", "north")), "ROUND_RESULT_INVALID"),
    "an answer to another round": (lambda r: r.reanswer(0, round=bytes(32)), "ROUND_RESULT_INVALID"),
}


def manifest_of(result: Result) -> RoundManifest:
    manifest: RoundManifest = wire.decode(RoundManifest, result.head.manifest)
    return manifest


def test_the_result_itself_opens(result: Result) -> None:
    unit = manifest_of(result).calibration.multipliers[0]
    assert [cell // unit for cell in result.open()] == [7, 70]


@pytest.mark.parametrize(("alter", "code"), ALTERED.values(), ids=ALTERED.keys())
def test_an_altered_result_is_refused(result: Result, alter: Callable[[Result], Result], code: str) -> None:
    with pytest.raises(SplittallyError) as caught:
        alter(result).open()
    assert caught.value.code == code


def test_another_analysts_key_opens_nothing(result: Result) -> None:
    other = replace(result, key=result.homes("other").sealing_key())
    with pytest.raises(SplittallyError, match="POLICY_SEAL_INVALID"):
        other.open()
