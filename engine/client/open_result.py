"""Opening a result: every check that the analyst's machine makes before it believes a number.

     1 the round runs this very request, with this plan and this noise
     2 its helpers are members of distinct bodies, none the analyst's; of a private join just three, none an owner's
     3 the survivors are distinct participants, at least n_min
     4 every survivor signed its share for this round, for this analyst, over the vector that came
     5 every helper signed its answer for this round and these survivors, over the masks that came
     6 seeds and masks open with the analyst's key alone; without them the vectors are noise
     7 the check cell counts the survivors

In a private join the vectors are what the owners committed to (digests, no figures), the analyst holds no seed, and
the helpers' answers add up to the result: nobody has it before the analyst's machine adds the three.

Nothing is taken from the coordinator on trust. When only the sum was sent (above 8 MiB), step 4 cannot compare
digests of vectors; ``checked_each_vector`` is then False, and the receipt says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from engine.errors import Unavailable
from engine.trusted import ring, wire
from engine.trusted.calibrate import calibrate
from engine.trusted.join import JOIN_HELPERS, is_join
from engine.trusted.mask import SEED_BYTES, answer_info, seed_info, subtract_mask
from engine.trusted.messages import FORWARD_BYTES, BodyKind, Commitment, ResultHead, Submission
from engine.trusted.plan import Plan
from engine.trusted.records import Calibration, HelperAnswer, Request, Role, RoundManifest, Share
from engine.trusted.ring import Vector
from engine.trusted.seal import SealingKey
from engine.trusted.selection import choice_for, phases_of, with_keys
from engine.trusted.sign import Roster, open_answer, open_request, open_selection, open_share
from engine.trusted.stability import stability_of

WORD_BYTES = 8
LEAST_COMMITTEE = 3
UNSEEN = b""  # the list of keys is not at hand: its length and digest are signed, and the digest is compared by nobody


@dataclass(frozen=True, slots=True)
class Opened:
    """What a round released: ``cells`` in ring units, signed, without the check cell."""

    manifest: RoundManifest
    survivors: tuple[str, ...]
    cells: tuple[int, ...]
    checked_each_vector: bool
    shares: tuple[Share, ...]


def open_result(
    head: ResultHead,
    bodies: Mapping[tuple[BodyKind, str], bytes],
    own: Submission,
    roster: Roster,
    key: SealingKey,
    keys: bytes | None = None,
) -> Opened:
    """The released cells, once all seven checks hold. ``keys``: of a second phase, the list that was signed.

    Raises Unavailable ROUND_RESULT_INVALID, ROUND_TOO_FEW_NODES or ROUND_CHECK_FAILED, or Refused POLICY_SIGNATURE_*,
    POLICY_SEAL_INVALID.
    """
    request = open_request(own.request, roster)
    manifest = check_round(head, own, request, roster, keys=keys)  # 1
    check_helpers(manifest, request, roster)  # 2
    check_survivors(head, manifest, request)  # 3
    round_ = wire.digest(head.manifest)
    vectors = _vectors(head, bodies, manifest)
    shares = check_shares(head, vectors, round_, request, roster)  # 4
    _check_answers(head, bodies, round_, manifest, roster)  # 5
    length = manifest.calibration.cells + 1
    sealed = {helper: bodies[BodyKind.SEALED_MASKS, helper] for helper in manifest.helpers}
    parts = _open_answers(sealed, round_, length, key)  # 6
    if joins(manifest):
        total = _sum(parts, length)
    else:
        total = ring.subtract(_sum(vectors, length), _sum(parts, length))
        _take_own_masks(total, shares, round_, request.analyst, key)
    *cells, check = ring.to_signed(total)
    if check != len(head.survivors):  # 7
        raise Unavailable("ROUND_CHECK_FAILED")
    return Opened(manifest, head.survivors, tuple(cells), not head.summed, tuple(shares))


def joins(manifest: RoundManifest) -> bool:
    """Whether the round is a private join of two owners' rows."""
    return _plan_joins(manifest.plan)


@lru_cache(maxsize=16)  # one result is asked six times
def _plan_joins(payload: bytes) -> bool:
    plan: Plan = wire.decode(Plan, payload, wire.PLAN_BYTES)
    return is_join(plan.aggregate)


def _open_answers(sealed: Mapping[str, bytes], round_: bytes, length: int, key: SealingKey) -> tuple[bytes, ...]:
    """What each helper sealed to the analyst: its masks, or its part of a join."""
    opened = tuple(key.open(body, answer_info(round_, helper)) for helper, body in sealed.items())
    require_sound(all(len(part) == WORD_BYTES * length for part in opened), "masks of another length")
    return opened


def _take_own_masks(total: Vector, shares: list[Share], round_: bytes, analyst: str, key: SealingKey) -> None:
    for share in shares:
        seed = key.open(share.sealed_seed, seed_info(round_, share.node, analyst))
        require_sound(len(seed) == SEED_BYTES, "a seed of another length")
        subtract_mask(total, seed, round_, share.node)


def require_sound(holds: bool, detail: str) -> None:
    """Unavailable ROUND_RESULT_INVALID, with ``detail``, unless it holds."""
    if not holds:
        raise Unavailable("ROUND_RESULT_INVALID", detail=detail)


def check_round(
    head: ResultHead,
    own: Submission,
    request: Request,
    roster: Roster,
    *,
    phase: int | None = None,
    keys: bytes | None = None,
) -> RoundManifest:
    """The manifest of the last phase of a request, or of another ``phase`` (step 1)."""
    manifest: RoundManifest = wire.decode(RoundManifest, head.manifest)
    plan: Plan = wire.decode(Plan, own.plan, wire.PLAN_BYTES)
    catalogue = roster.manifest.catalogue
    require_sound(manifest.request == own.request, "the round runs another request")
    require_sound(manifest.plan == own.plan, "the round runs another plan")
    require_sound(wire.digest(own.plan) == request.plan_digest, "the plan is not the one signed for")
    require_sound(manifest.epoch == roster.manifest.epoch, "the round belongs to another edition of the federation")
    require_sound(1 <= manifest.attempt <= request.max_attempts, "the round is beyond the attempts signed for")
    require_sound(1 <= manifest.run <= request.runs, "the round is beyond the runs signed for")
    require_sound(manifest.phase == (phase or phases_of(plan)), "the round is of another phase")
    nodes = [p.node for p in manifest.participants]
    hosts = stability_of(plan.aggregate.input, catalogue).hosts
    require_sound(len(set(nodes)) == len(nodes) and set(nodes) <= set(hosts), "the participants are not distinct hosts")
    require_sound(not joins(manifest) or tuple(nodes) == hosts, "an owner is missing")
    expected = _calibration(plan, manifest, request, roster, keys)
    require_sound(manifest.calibration == expected, "its units or noise are not those computed here")
    return manifest


def _calibration(
    plan: Plan, manifest: RoundManifest, request: Request, roster: Roster, keys: bytes | None
) -> Calibration:
    catalogue, digest = roster.manifest.catalogue, wire.digest(manifest.request.payload)
    if manifest.phase < phases_of(plan):
        return choice_for(plan, catalogue, request.selection).calibration
    if phases_of(plan) == 2:
        require_sound(manifest.selection is not None and keys is not None, "the round has no keys")
        if manifest.selection is not None and keys is not None:
            selection = open_selection(manifest.selection, roster, request.analyst)
            same = keys == UNSEEN or selection.keys_digest == wire.digest(keys)
            require_sound(same and selection.request_digest == digest, "the round has other keys than those signed")
            plan = with_keys(plan, most=selection.length)
    return calibrate(plan, catalogue, request.loss, request.n_min, request.f)


def check_helpers(manifest: RoundManifest, request: Request, roster: Roster) -> None:
    bodies = [roster.require(helper, Role.HELPER).body for helper in manifest.helpers]
    least = max(LEAST_COMMITTEE, roster.manifest.rules.committee, request.committee) - 1
    barred = {request.analyst}
    if joins(manifest):
        require_sound(len(bodies) == JOIN_HELPERS, "a private join has three helpers")
        barred.update(p.node for p in manifest.participants)
    require_sound(len(bodies) >= least, "the committee is too small")
    require_sound(len(set(bodies)) == len(bodies), "two helpers are of one body")
    own = {roster.member(name).body for name in barred}
    require_sound(own.isdisjoint(bodies), "a helper is of the analyst's body, or of an owner's")


def check_survivors(head: ResultHead, manifest: RoundManifest, request: Request) -> None:
    nodes = {p.node for p in manifest.participants}
    distinct = set(head.survivors)
    require_sound(
        len(distinct) == len(head.survivors) and distinct <= nodes, "the survivors are not distinct participants"
    )
    if len(distinct) < request.n_min:
        raise Unavailable("ROUND_TOO_FEW_NODES")


def _vectors(
    head: ResultHead, bodies: Mapping[tuple[BodyKind, str], bytes], manifest: RoundManifest
) -> tuple[bytes, ...]:
    """One vector a survivor, or the sum; a sum in place of small vectors is not accepted. Of a join, commitments."""
    require_sound(not (head.summed and forwards_each(manifest)), "the vectors were withheld")
    senders = ("",) if head.summed else head.survivors
    expected = {(BodyKind.MASKED_VECTOR, s) for s in senders} | {(BodyKind.SEALED_MASKS, h) for h in manifest.helpers}
    require_sound(set(bodies) == expected, "parts are missing or not asked for")
    vectors = tuple(bodies[BodyKind.MASKED_VECTOR, sender] for sender in senders)
    if joins(manifest):
        committed = [wire.decode(Commitment, vector) for vector in vectors]
        named = [(c.round, c.owner) for c in committed]
        expected_names = [(wire.digest(head.manifest), owner) for owner in head.survivors]
        require_sound(named == expected_names, "a commitment is of another round or owner")
    else:
        length = WORD_BYTES * (manifest.calibration.cells + 1)
        require_sound(all(len(v) == length for v in vectors), "a vector of another length")
    return vectors


def forwards_each(manifest: RoundManifest) -> bool:
    """Whether the coordinator has to forward each node's vector: all are small, or commitments to a join."""
    size = WORD_BYTES * (manifest.calibration.cells + 1) * len(manifest.participants)
    return size <= FORWARD_BYTES or joins(manifest)


def check_shares(
    head: ResultHead, vectors: tuple[bytes, ...], round_: bytes, request: Request, roster: Roster
) -> list[Share]:
    shares = [open_share(record, roster) for record in head.shares]
    named = [(share.round, share.node, share.member) for share in shares]
    require_sound(named == [(round_, node, request.analyst) for node in head.survivors], "a share is for another round")
    if not head.summed:
        signed = [share.vector_digest for share in shares]
        require_sound([wire.digest(v) for v in vectors] == signed, "a vector is not the one its node signed")
    return shares


def _check_answers(
    head: ResultHead,
    bodies: Mapping[tuple[BodyKind, str], bytes],
    round_: bytes,
    manifest: RoundManifest,
    roster: Roster,
) -> None:
    for answer in check_answers_named(head, round_, manifest, roster):
        masks = bodies[BodyKind.SEALED_MASKS, answer.helper]
        require_sound(wire.digest(masks) == answer.sealed_digest, "masks are not those their helper signed")


def check_answers_named(head: ResultHead, round_: bytes, manifest: RoundManifest, roster: Roster) -> list[HelperAnswer]:
    """One signed answer a helper, over the survivors; the masks themselves are the caller's to compare."""
    answers = [open_answer(record, roster) for record in head.answers]
    require_sound([a.helper for a in answers] == list(manifest.helpers), "an answer is missing or of another helper")
    for answer in answers:
        same = answer.round == round_ and set(answer.survivors) == set(head.survivors)
        require_sound(
            same and len(answer.survivors) == len(head.survivors), "an answer is over another set of survivors"
        )
    return answers


def _sum(vectors: tuple[bytes, ...], length: int) -> Vector:
    total = np.zeros(length, dtype=np.uint64)
    for vector in vectors:
        total = ring.add(total, ring.from_bytes(vector))
    return total
