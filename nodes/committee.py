"""A helper's duty on a round's committee: ready, remember, answer once with the sum of the survivors' masks, or in a
private join with its part of the product (product.py).

Claim: a helper opens seeds for one set of survivors of a round only, at least n_min of the round's own nodes, and
       shows their sum to the analyst alone.
Because: the round is marked answered, durably, before a mask is summed; each share is signed by its node for this
         round and this helper; the sum is sealed to the key in the analyst's signed request.
Checked by: tests/nodes/test_committee.py::test_helper_never_answers_twice
            tests/nodes/test_committee.py::test_helper_refuses_forged_survivors
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from engine.errors import require
from engine.trusted import mask, messages, records, ring, seal, sign, wire
from engine.trusted.journal import verify_consistency
from engine.trusted.noise import Sampler
from nodes import joins, manifest, product
from nodes.approvals import check_agreement, check_approvals
from nodes.charges import entry_about
from nodes.manifest import Arrival, Round, Seat
from nodes.shares import parts_of


@dataclass(frozen=True, slots=True)
class Remembered:
    """A round this helper checked and may answer."""

    round: Round
    agreement: records.Agreement
    join: product.Duty | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """The masks' sum, sealed to the analyst, and the record that vouches for it."""

    sealed: bytes
    answer: messages.AnswerSet


def ready(ask: messages.AskReady, seat: Seat, sampler: Sampler | None = None) -> records.SignedRecord:
    """The signed word that this helper would answer now, with its own head and those it holds of the participants.

    For a private join, that of an owner too, who draws dummies with ``sampler``; and a key for this one round."""
    seat.require_open()
    key, dummies = b"", b""
    if ask.joins is None:
        seat.roster.require(seat.name, records.Role.HELPER)
    else:
        key, dummies = joins.prepare(ask, ask.joins, seat, sampler)
    head, now, held = seat.ledger.head(), seat.clock.now_ms(), seat.ledger.held(ask.participants)
    record = records.Ready(records.RECORD_VERSION, ask.request_digest, seat.name, now, head, held, key, dummies)
    return sign.signed(records.RecordKind.READY, wire.encode(record), seat.keys.signing)


def remember(arrival: Arrival, seat: Seat) -> Remembered:
    """The round, once everything holds that can be checked without data.

    Claim: a helper serves no round that an honest node would refuse for its request, plan or committee; nor one that
           it may have answered before its ledger was put back to a copy from before that answer.
    Because: it runs the node's own checks, all but those on snapshots and budget; the *ready* in the round is one that
             this very process signed, since a helper that was restarted is replaced anyway.
    Checked by: tests/nodes/test_forged.py::test_helper_refuses_the_same_forgeries
                tests/nodes/test_committee.py::test_a_helper_serves_no_round_from_before_its_start
    """
    round_ = manifest.authenticate(arrival, seat)
    plan = manifest.decode_plan(round_)
    manifest.check_plan(plan, seat)
    agreement = check_agreement(round_, plan, arrival.at_ms, seat)
    check_approvals(round_, plan, arrival.at_ms, seat)
    manifest.check_round(round_, plan, arrival, seat)
    manifest.check_readies(round_, plan, arrival, seat)
    own = [ready.at_ms for ready in round_.readies if ready.member == seat.name]
    require(bool(own), "ROUND_NOT_FOR_ME")
    require(own[0] >= seat.started_ms, "ROUND_READY_STALE", name=seat.name)
    return Remembered(round_, agreement, product.duty_of(round_, plan, seat))


def help_answer(
    ask: messages.AskAnswer, held: Remembered, seat: Seat, streams: Mapping[str, Iterator[messages.Relay]] | None = None
) -> Answer:
    """The sum of the survivors' masks, sealed to the analyst; once for each round. Of a private join this helper's part
    of the product, from the owners' ``streams``.

    Claim: after a crash, when asked again, or after the round's deadline, nothing more is said about the round.
    Because: ``mark_answered`` is on disk before anything is summed, and refuses a second time; request, round and
             agreement are judged by this helper's own clock at the moment it is asked.
    Checked by: tests/nodes/test_committee.py::test_helper_never_answers_twice
    """
    round_ = held.round
    now = seat.clock.now_ms()
    require(now < round_.request.expires_ms, "POLICY_REQUEST_EXPIRED")
    require(now < round_.manifest.deadline_ms, "ROUND_LATE")
    seat.require_open(round_.request.agreement_digest)
    sign.require_in_force(held.agreement, now)
    shares = tuple(sign.open_share(record, seat.roster) for record in ask.shares)
    survivors = tuple(share.node for share in shares)
    _check_survivors(survivors, round_)
    _check_heads(shares, ask, round_, seat)
    seeds = [_open_seed(share, round_, seat) for share in shares]
    owners = None
    if held.join is None:
        require(all(len(seed) == mask.SEED_BYTES for seed in seeds), "POLICY_SEAL_INVALID")
    else:
        owners = product.opened(streams or {}, shares, seeds, round_, held.join, seat)
    entry = entry_about(round_, records.JournalKind.ANSWERED_AS_HELPER, survivors)
    heads = [share.head.head for share in shares] + [ready.head for ready in round_.readies]
    seat.ledger.mark_answered(round_.request, entry, run=round_.manifest.run, heads=heads)
    if held.join is not None and owners is not None:
        total = product.multiplied(*owners, round_, held.join)
    else:
        total = np.zeros(round_.manifest.calibration.cells + 1, dtype=np.uint64)
        for node, seed in zip(survivors, seeds, strict=True):
            mask.add_mask(total, seed, round_.id, node)
    sealed = seal.seal(ring.to_bytes(total), round_.request.sealing_key, mask.answer_info(round_.id, seat.name))
    head = sign.sign_head(seat.ledger.head(), seat.keys.signing)
    record = records.HelperAnswer(round_.id, seat.name, survivors, wire.digest(sealed), head)
    vouched = sign.signed(records.RecordKind.HELPER_ANSWER, wire.encode(record), seat.keys.signing)
    return Answer(sealed, messages.AnswerSet(round_.id, vouched, parts_of(sealed)))


def _check_survivors(survivors: tuple[str, ...], round_: Round) -> None:
    require(len(set(survivors)) == len(survivors), "ROUND_SURVIVOR_REPEATED")
    require(set(survivors) <= set(round_.nodes), "ROUND_SURVIVOR_UNKNOWN")
    require(len(survivors) >= round_.request.n_min, "ROUND_TOO_FEW_NODES")


def _check_heads(shares: tuple[records.Share, ...], ask: messages.AskAnswer, round_: Round, seat: Seat) -> None:
    """Each survivor's journal goes on from the head that this helper held of it when it said *ready*.

    Claim: a node whose ledger was put back to an older copy, or cloned, gets no answer from a helper that saw it later.
    Because: the head held stands in this helper's own signed *ready*; the node's share is signed over a head that a
             proof of RFC 9162 has to lead to from there.
    Checked by: tests/nodes/test_committee.py::test_helper_refuses_a_journal_that_does_not_go_on
    """
    held = {h.node: h for ready in round_.readies if ready.member == seat.name for h in ready.held}
    given = {proof.node: proof for proof in ask.proofs}
    for share in shares:
        old, new = held[share.node], share.head.head
        proof = given.get(share.node, messages.ConsistencyProof(share.node, 0, ()))
        require(old.size <= new.size, "POLICY_HEAD_FORKED", name=share.node)
        verify_consistency(old.size, new.size, old.root, new.root, proof.path)


def _open_seed(share: records.Share, round_: Round, seat: Seat) -> bytes:
    require(share.round == round_.id and share.member == seat.name, "ROUND_SHARE_MISDIRECTED")
    return seat.keys.sealing.open(share.sealed_seed, mask.seed_info(round_.id, share.node, seat.name))
