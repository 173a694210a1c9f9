"""Checking a receipt offline: that a release came about as it says, from the federation's root keys alone.

     1 the root keys signed the federation's manifest       6 the helpers were ready, of distinct bodies
     2 an analyst of the agreement signed the receipt        7 the round runs this request, with this plan and noise
     3 the agreement is signed by both sides, in force       8 every survivor signed its share of this round
     4 the analyst signed the request for this plan          9 every helper answered, over these survivors
     5 guardians approved this request                      10 charges stand in the journals that the shares vouch for

A receipt file is a ``SignedRecord`` of kind RECEIPT: the bytes of a ``Receipt``, signed by who keeps it. So an edit of
what nobody else signed (which proofs are enclosed) shows as well. Of a private join the owners were ready too, and
their shares name what they committed to by its digest. Step 10 checks the proofs there are: a missing one
is said, and is no fault of the release. The numbers themselves are not in a receipt; they go with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from engine.client.open_result import (
    UNSEEN,
    check_answers_named,
    check_helpers,
    check_round,
    check_shares,
    check_survivors,
    forwards_each,
    joins,
)
from engine.errors import Refused, Unavailable, require
from engine.governance.proofs import verify_inclusion
from engine.trusted import wire
from engine.trusted.account import add_loss, within
from engine.trusted.journal import leaf_hash
from engine.trusted.messages import ResultHead, Submission
from engine.trusted.plan import Plan
from engine.trusted.records import (
    RECORD_VERSION,
    Agreement,
    Approval,
    Decision,
    InclusionProof,
    JournalEntry,
    JournalKind,
    Loss,
    Receipt,
    RecordKind,
    Request,
    RootKey,
    RoundManifest,
    Share,
    SignedRecord,
)
from engine.trusted.sign import (
    Roster,
    SigningKey,
    open_agreement,
    open_approval,
    open_manifest,
    open_ready,
    open_request,
    require_current,
    require_in_force,
    require_signed_by,
    signed,
)
from engine.trusted.verify import columns_read, operations_used

RECEIPT_BYTES = 64 << 20


@dataclass(frozen=True, slots=True)
class Verified:
    """What a receipt says, once all ten checks hold; receipt_words.py puts it into words."""

    receipt: Receipt
    keeper: str
    roster: Roster
    request: Request
    agreement: Agreement
    approvals: tuple[Approval, ...]
    charged: tuple[str, ...]  # nodes whose charge is proven


def sign_receipt(receipt: Receipt, key: SigningKey) -> SignedRecord:
    """The file's content: the receipt, signed by who keeps it."""
    return signed(RecordKind.RECEIPT, wire.encode(receipt), key)


def read_receipt(body: bytes) -> tuple[SignedRecord, Receipt]:
    """The file's content; nothing is verified yet. Refused POLICY_WIRE_INVALID, POLICY_RECORD_INVALID."""
    record: SignedRecord = wire.decode(SignedRecord, body, RECEIPT_BYTES)
    require(record.kind is RecordKind.RECEIPT, "POLICY_RECORD_INVALID")
    receipt: Receipt = wire.decode(Receipt, record.payload, RECEIPT_BYTES)
    require(receipt.version == RECORD_VERSION, "POLICY_RECORD_INVALID")
    return record, receipt


def verify_receipt(body: bytes, roots: tuple[RootKey, ...]) -> Verified:
    """What the receipt in ``body`` says, if every step of it holds.

    Raises Refused POLICY_RECEIPT_INVALID (with the detail), POLICY_WIRE_INVALID, POLICY_SIGNATURE_INVALID,
    POLICY_MANIFEST_*, POLICY_AGREEMENT_*, POLICY_PROOF_INVALID, or another code of the step that does not hold.
    """
    record, receipt = read_receipt(body)
    roster = Roster(open_manifest(receipt.federation_manifest, roots))  # (1)
    keeper = _check_keeper(record, roster)  # (2)
    round_, made = receipt.round_manifest, receipt.round_manifest.created_ms
    require_current(roster.manifest, made)
    agreement = open_agreement(receipt.agreement, roster)  # (3)
    require_in_force(agreement, made)
    _require(keeper in agreement.analysts, "its keeper is no analyst of the agreement")
    request = _check_request(receipt, agreement, roster)  # (4)
    approvals = _check_approvals(round_, request, roster)  # (5)
    _check_readies(round_, request, roster)  # (6)
    head = ResultHead(wire.encode(round_), receipt.survivors, receipt.shares, receipt.answers, True)
    try:
        check_helpers(round_, request, roster)
        check_round(head, Submission(round_.request, round_.plan, b""), request, roster, keys=UNSEEN)  # (7)
        check_survivors(head, round_, request)
        round_id = wire.digest(head.manifest)
        shares = check_shares(head, (), round_id, request, roster)  # (8)
        check_answers_named(head, round_id, round_, roster)  # (9)
        _check_scope(round_, agreement, roster)
    except Unavailable as error:
        raise Refused("POLICY_RECEIPT_INVALID", detail=error.facts.get("detail", error.message)) from None
    _require(receipt.checked_each_vector == forwards_each(round_), "it says otherwise which vectors were checked")
    charged = _check_charges(receipt, shares, round_id, request)  # (10)
    return Verified(receipt, keeper, roster, request, agreement, approvals, charged)


def _require(holds: bool, detail: str) -> None:
    require(holds, "POLICY_RECEIPT_INVALID", detail=detail)


def _check_keeper(record: SignedRecord, roster: Roster) -> str:
    """Who keeps the receipt: the one member that signed it."""
    require(len(record.signatures) == 1, "POLICY_SIGNATURE_INVALID", name="the receipt's keeper")
    keeper = record.signatures[0].signer
    require_signed_by(record, roster.member(keeper))
    return keeper


def _check_request(receipt: Receipt, agreement: Agreement, roster: Roster) -> Request:
    round_ = receipt.round_manifest
    request = open_request(round_.request, roster)
    _require(
        request.agreement_digest == wire.digest(receipt.agreement.payload), "the request is under another agreement"
    )
    _require(request.analyst in agreement.analysts, "the agreement does not name the analyst")
    _require(round_.created_ms < request.expires_ms, "the round came after the request's expiry")
    _require(request.f == roster.manifest.rules.f, "the request assumes another number of corrupt nodes")
    price = add_loss(request.loss, request.selection or Loss(0, 0))
    _require(within(price, agreement.per_plan), "it cost more than the agreement allows")
    return request


def _check_scope(round_: RoundManifest, agreement: Agreement, roster: Roster) -> None:
    """The plan reads no column and uses no operation that the agreement does not name."""
    plan: Plan = wire.decode(Plan, round_.plan, wire.PLAN_BYTES)
    scope = {s.dataset: frozenset(s.columns) for s in agreement.scope}
    for dataset, columns in columns_read(plan, roster.manifest.catalogue).items():
        _require(columns <= scope.get(dataset, frozenset()), f"the agreement does not cover all it reads of {dataset}")
    beyond = operations_used(plan) - set(agreement.operations)
    _require(not beyond, "the plan does what the agreement does not allow")


def _check_approvals(round_: RoundManifest, request: Request, roster: Roster) -> tuple[Approval, ...]:
    digest = wire.digest(round_.request.payload)
    found = tuple(open_approval(record, roster) for record in round_.approvals)
    for approval in found:
        _require(approval.request_digest == digest, "an approval is of another request")
        _require(approval.decision is Decision.APPROVED, "a guardian's refusal stands among the approvals")
        _require(approval.expires_ms > round_.created_ms, "an approval had expired")
        _require(approval.guardian != request.analyst, "the analyst approved the own request")
    _require(len({a.guardian for a in found}) == len(found), "a guardian's approval stands twice")
    _require(_owners(round_) <= {a.node for a in found}, "a private join was not approved at both owners")
    return found


def _owners(round_: RoundManifest) -> frozenset[str]:
    """Of a private join."""
    return frozenset(p.node for p in round_.participants) if joins(round_) else frozenset()


def _check_readies(round_: RoundManifest, request: Request, roster: Roster) -> None:
    readies = [open_ready(record, roster) for record in round_.readies]
    owners = (p.node for p in round_.participants if p.node in _owners(round_))
    _require(tuple(r.member for r in readies) == (*round_.helpers, *owners), "a ready is missing or of another member")
    digest = wire.digest(round_.request.payload)
    _require(all(r.request_digest == digest for r in readies), "a member was ready for another request")


# -- charges


def require_charge(proof: InclusionProof, share: Share, round_: bytes, manifest: RoundManifest) -> None:
    """Raises Refused POLICY_PROOF_INVALID unless ``proof`` shows the round's charge in the journal under the share's
    head, with the loss that the request was signed for."""
    request: Request = wire.decode(Request, manifest.request.payload)
    verify_inclusion(leaf_hash(proof.entry), proof.index, share.head.head.size, proof.path, share.head.head.root)
    entry: JournalEntry = wire.decode(JournalEntry, proof.entry)
    said = (entry.kind, entry.member, entry.round, entry.request_digest, entry.analyst, entry.loss)
    own = (
        JournalKind.CHARGED,
        share.node,
        round_,
        wire.digest(manifest.request.payload),
        request.analyst,
        request.loss,
    )
    digests = (entry.plan_digest, entry.agreement_digest) == (request.plan_digest, request.agreement_digest)
    same = digests and said == own and (proof.member, proof.head) == (share.node, share.head)
    require(same, "POLICY_PROOF_INVALID")


def proven_charges(
    proofs: Sequence[InclusionProof], shares: Sequence[Share], round_: bytes, manifest: RoundManifest
) -> tuple[InclusionProof, ...]:
    """Those of ``proofs`` that hold, at most one a node; a release never fails for lack of one."""
    by_node = {share.node: share for share in shares}
    found: dict[str, InclusionProof] = {}
    for proof in proofs:
        try:
            if proof.member in by_node:
                require_charge(proof, by_node[proof.member], round_, manifest)
                found[proof.member] = proof
        except Refused:
            continue
    return tuple(found[share.node] for share in shares if share.node in found)


def _check_charges(receipt: Receipt, shares: Sequence[Share], round_id: bytes, request: Request) -> tuple[str, ...]:
    by_node = {share.node: share for share in shares}
    names = tuple(proof.member for proof in receipt.charges)
    _require(names == tuple(node for node in by_node if node in names), "a proof of a charge is of another node")
    for proof in receipt.charges:
        require_charge(proof, by_node[proof.member], round_id, receipt.round_manifest)
    return names
