"""A verified receipt in words: what was checked, and what it says. Every figure comes from signed records."""

from __future__ import annotations

from datetime import UTC, datetime
from fractions import Fraction

from engine.client.open_result import joins
from engine.client.receipts import Verified
from engine.trusted import wire
from engine.trusted.account import add_loss
from engine.trusted.describe import english
from engine.trusted.epsilon import epsilon_of
from engine.trusted.plan import Plan
from engine.trusted.records import Loss, RecordKind, Share, SignedRecord
from engine.trusted.sign import decoded


def checks(found: Verified) -> tuple[tuple[str, str], ...]:
    """What was checked, and by whose signatures or proofs: one pair a step."""
    receipt, round_ = found.receipt, found.receipt.round_manifest
    heads = ", ".join(f"{s.head.head.size}" for s in (_share(record) for record in receipt.shares))
    unproven = [node for node in receipt.survivors if node not in found.charged]
    named = ", ".join(found.charged) or "no node"
    return (
        (
            "federation's manifest",
            f"epoch {found.roster.manifest.epoch}, signed by {_signers(receipt.federation_manifest)}",
        ),
        ("receipt", f"kept and signed by {found.keeper}"),
        (
            "agreement",
            f"{found.agreement.name}, edition {found.agreement.edition}, signed by {_signers(receipt.agreement)}",
        ),
        ("request", f"signed by {found.request.analyst}; names this plan and this agreement"),
        ("approvals", ", ".join(f"{a.guardian} for {a.node}" for a in found.approvals) or "none asked for"),
        ("helpers ready", ", ".join(round_.helpers) + _owners_ready(found)),
        ("round", "units, noise and layout are those computed here from the plan and the catalogue"),
        ("shares", f"signed by {', '.join(receipt.survivors)}, each with its journal's head (sizes {heads})"),
        ("helpers' answers", f"signed by {', '.join(round_.helpers)}, over the same nodes"),
        (
            "charges in journals",
            f"proven for {named}" + (f"; no proof enclosed for {', '.join(unproven)}" if unproven else ""),
        ),
    )


def _owners_ready(found: Verified) -> str:
    """Of a private join both owners were ready too, with keys for this one round."""
    round_ = found.receipt.round_manifest
    return f"; and both owners: {', '.join(p.node for p in round_.participants)}" if joins(round_) else ""


def _share(record: SignedRecord) -> Share:
    return decoded(record, RecordKind.SHARE, Share)


def _signers(record: SignedRecord) -> str:
    return ", ".join(signature.signer for signature in record.signatures)


def in_words(found: Verified) -> str:
    """Who asked what, why, when, at what cost, and which nodes answered."""
    request, agreement, receipt = found.request, found.agreement, found.receipt
    round_ = receipt.round_manifest
    plan: Plan = wire.decode(Plan, round_.plan, wire.PLAN_BYTES)
    day = datetime.fromtimestamp(round_.created_ms // 1000, UTC).strftime("%d %B %Y at %H:%M UTC")
    body = found.roster.member(request.analyst).body
    loss = add_loss(request.loss, request.selection or Loss(0, 0))
    delta = Fraction(1, 10**9) + Fraction(loss.delta_quintillionths, 10**18)
    epsilon = float(epsilon_of(loss, delta))
    cost = f"rho {loss.rho_billionths}e-9, which is epsilon {epsilon:.4g} at delta {float(delta):.3g}"
    nodes = tuple(p.node for p in round_.participants)
    absent = [node for node in nodes if node not in receipt.survivors]
    gateway = agreement.legal_gateway.name.lower().replace("_", " ").removesuffix(" gateway")
    lines = [
        f"{request.analyst} ({body}) asked on {day}, under the agreement “{agreement.title}” ({gateway}).",
        f"Purpose of the agreement: {agreement.purpose}",
        *([f"Reason given: {request.purpose}"] if request.purpose else []),
        english(plan, found.roster.manifest.catalogue),
        f"Cost at each of {', '.join(nodes)}: {cost}; attempt {round_.attempt} of at most {request.max_attempts}.",
        f"Answered by {', '.join(receipt.survivors)}" + (f"; absent: {', '.join(absent)}." if absent else "."),
    ]
    if joins(round_):
        lines.append(
            "A private join: each owner's share names by its digest what it committed to; the three helpers worked on"
            " pseudonyms and random shares, and only the sum of their answers is the result."
        )
    if not receipt.checked_each_vector:
        lines.append("The coordinator sent the nodes' vectors as one sum: a wrong sum would not show in this receipt.")
    return "\n".join(lines)
