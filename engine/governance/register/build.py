"""The register from what holds: pure functions from evidence to rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from engine.governance.agreement_text import GATEWAYS, OPERATIONS
from engine.governance.register.contradictions import contradictions
from engine.governance.register.redact import public_text
from engine.governance.register.rows import (
    AgreementRow,
    CardRow,
    ChargeRow,
    DecisionRow,
    EntryRow,
    JournalRow,
    PauseRow,
    PublicationRow,
    Register,
    RequestRow,
    ShareRow,
)
from engine.governance.register.sources import Asked, Evidence
from engine.governance.register.times import time_of
from engine.governance.register.totals import accounts, datasets_of, persons
from engine.governance.text import PLAN_DELTA, loss_words
from engine.trusted.account import add_loss
from engine.trusted.records import Agreement, Decision, JournalEntry, JournalKind, Loss
from engine.trusted.verify import columns_read

K = JournalKind
STATES = {
    "DRAFTED": "drafted", "SUBMITTED": "submitted", "WAITING": "waiting", "APPROVED_STATE": "approved",
    "RUNNING": "running", "RELEASED": "released", "REFUSED_STATE": "refused", "EXPIRED": "expired",
    "REVOKED": "revoked",
}  # fmt: skip
TOLD = (
    *(K.CHARGED, K.REPLIED, K.ROUND_REFUSED, K.AGREEMENT_STORED, K.AGREEMENT_REVOKED, K.PAUSED, K.RESUMED),
    *(K.MANIFEST_STORED, K.REQUESTED, K.DECIDED, K.RELEASED_TO_ANALYST, K.REQUEST_ENDED, K.PUBLISHED, K.SHARED),
)
"""Kinds of entries that the register tells of; a refusal only if it was of a round. Snapshots, starts and answers of
helpers stand in the journals, which anybody of the federation may read."""


@dataclass(frozen=True, slots=True)
class Placed:
    """An entry in its place in a journal."""

    member: str
    position: int
    entry: JournalEntry


def build(
    evidence: Evidence, now_ms: int, files: Mapping[bytes, str] | None = None, cards: tuple[CardRow, ...] = ()
) -> Register:
    """``files``: published tables at hand, digest to place in the register; ``cards``: what stands in them."""
    placed = list(_placed(evidence))
    charged = charges(evidence, placed)
    losses = [(c, c.datasets) for c in charged]
    balances = accounts(evidence, losses, now_ms)
    return Register(
        federation=evidence.roster.manifest.federation,
        epoch=evidence.roster.manifest.epoch,
        made=time_of(now_ms),
        requests=tuple(sorted((_request(a, evidence, now_ms) for a in evidence.requests.values()), key=_newest)),
        decisions=tuple(sorted(_decisions(evidence), key=lambda row: (row.decided, row.by, row.record))),
        charges=charged,
        agreements=tuple(
            sorted((_agreement(d, evidence, now_ms) for d in evidence.agreements), key=lambda r: (r.name, r.edition))
        ),
        pauses=_pauses(evidence),
        publications=_publications(evidence, files or {}),
        cards=cards,
        shares=_shares(placed),
        accounts=balances,
        persons=persons(evidence, balances),
        journals=tuple(_journal(evidence, name) for name in sorted(evidence.journals)),
        entries=tuple(_entry(p) for p in placed),
        contradictions=contradictions(evidence, charged, balances),
    )


def _newest(row: RequestRow) -> tuple[int, str]:
    return -int("".join(c for c in row.asked if c.isdigit()) or 0), row.request


def _placed(evidence: Evidence) -> Iterator[Placed]:
    """The entries the register tells of, by member, in order."""
    for name in sorted(evidence.journals):
        for position, entry in enumerate(evidence.journals[name].entries):
            if entry.kind in TOLD and (entry.kind is not K.ROUND_REFUSED or entry.round):
                yield Placed(name, position, entry)


def charges(evidence: Evidence, placed: Iterable[Placed]) -> tuple[ChargeRow, ...]:
    """Each charge with the outcome that its node wrote down later."""
    found: dict[tuple[str, bytes], Placed] = {}
    outcomes: dict[tuple[str, bytes], Placed] = {}
    for p in placed:
        if p.entry.kind is K.CHARGED:
            found[p.member, p.entry.round] = p
        elif p.entry.kind in (K.REPLIED, K.ROUND_REFUSED) and (p.member, p.entry.round) in found:
            outcomes.setdefault((p.member, p.entry.round), p)
    return tuple(_charge(p, outcomes.get(key), evidence) for key, p in found.items())


def _charge(placed: Placed, outcome: Placed | None, evidence: Evidence) -> ChargeRow:
    entry, loss = placed.entry, placed.entry.loss or Loss(0, 0)
    ended = {None: "none", K.REPLIED: "replied", K.ROUND_REFUSED: "refused"}[outcome.entry.kind if outcome else None]
    return ChargeRow(
        node=placed.member,
        position=placed.position,
        at=time_of(entry.at_ms),
        request=entry.request_digest.hex(),
        round=entry.round.hex(),
        analyst=entry.analyst,
        agreement=entry.agreement_digest.hex(),
        datasets=datasets_of(entry, evidence),
        rho_billionths=loss.rho_billionths,
        delta_quintillionths=loss.delta_quintillionths,
        outcome=ended,
        outcome_position=outcome.position if outcome else None,
        code=outcome.entry.code if outcome else "",
    )


def _request(asked: Asked, evidence: Evidence, now_ms: int) -> RequestRow:
    request, status, agreement = asked.request, asked.status, evidence.agreements.get(asked.request.agreement_digest)
    catalogue = asked.roster.manifest.catalogue
    english, sql = public_text(asked.plan, catalogue) if asked.plan else ("", "")
    read = columns_read(asked.plan, catalogue) if asked.plan else {}
    price = add_loss(request.loss, request.selection or Loss(0, 0))
    return RequestRow(
        request=asked.digest.hex(),
        analyst=request.analyst,
        body=asked.body,
        purpose=request.purpose,
        agreement=request.agreement_digest.hex(),
        agreement_name=agreement.name if agreement else "",
        gateway=GATEWAYS[agreement.legal_gateway.name] if agreement else "",
        datasets=tuple(sorted(read)),
        columns=tuple(f"{dataset}.{column}" for dataset in sorted(read) for column in sorted(read[dataset])),
        english=english,
        sql=sql,
        plan=request.plan_digest.hex(),
        runs=request.runs,
        most_attempts=request.max_attempts,
        price=loss_words(price, PLAN_DELTA),
        price_rho_billionths=price.rho_billionths,
        price_delta_quintillionths=price.delta_quintillionths,
        asked=time_of(request.created_ms),
        expires=time_of(request.expires_ms),
        agreement_ends=time_of(agreement.until_ms) if agreement else "",
        state=_state(asked, now_ms),
        code=status.code,
        reason=status.reason,
        waiting_for=status.waiting_for,
        changed=time_of(status.changed_ms),
    )


def _state(asked: Asked, now_ms: int) -> str:
    """As the coordinator keeps it; a request that still waits when its time is over has expired, looked at or not."""
    state = STATES[asked.status.state.name]
    open_ = state in ("drafted", "submitted", "waiting", "approved")
    return "expired" if open_ and now_ms >= asked.request.expires_ms else state


def _decisions(evidence: Evidence) -> Iterator[DecisionRow]:
    for digest, a in evidence.approvals.items():
        said = "approved" if a.decision is Decision.APPROVED else "refused"
        until = time_of(a.expires_ms) if said == "approved" else ""
        times = (time_of(a.decided_ms), until)
        yield DecisionRow(a.request_digest.hex(), a.guardian, a.node, said, a.reason, *times, digest.hex())
    for digest, w in evidence.withdrawals.items():
        when = time_of(w.decided_ms)
        yield DecisionRow(w.request_digest.hex(), w.analyst, "", "withdrawn", w.reason, when, "", digest.hex())


def _agreement(digest: bytes, evidence: Evidence, now_ms: int) -> AgreementRow:
    a = evidence.agreements[digest]
    ended = [r for r in evidence.revocations.values() if r.agreement_digest == digest]
    first = min(ended, key=lambda r: r.decided_ms, default=None)
    return AgreementRow(
        agreement=digest.hex(),
        name=a.name,
        edition=a.edition,
        title=a.title,
        purpose=a.purpose,
        gateway=GATEWAYS[a.legal_gateway.name],
        gateway_detail=a.legal_gateway_detail,
        necessity=a.necessity,
        parties=a.parties,
        analysts=a.analysts,
        datasets=tuple(scope.dataset for scope in a.scope),
        operations=tuple(OPERATIONS[operation.name] for operation in a.operations),
        budget=loss_words(a.budget),
        budget_rho_billionths=a.budget.rho_billionths,
        budget_delta_quintillionths=a.budget.delta_quintillionths,
        starts=time_of(a.from_ms),
        ends=time_of(a.until_ms),
        decided_by=a.decided_by,
        state="revoked" if first else _standing(a, evidence, now_ms),
        revoked=time_of(first.decided_ms) if first else "",
        revoked_by=first.party if first else "",
        revoked_reason=first.reason if first else "",
    )


def _standing(agreement: Agreement, evidence: Evidence, now_ms: int) -> str:
    later = (o for o in evidence.agreements.values() if o.name == agreement.name and o.edition > agreement.edition)
    if any(later):
        return "superseded"
    if now_ms >= agreement.until_ms:
        return "ended"
    return "in force" if now_ms >= agreement.from_ms else "not yet in force"


def _pauses(evidence: Evidence) -> tuple[PauseRow, ...]:
    ordered = sorted(evidence.pauses.items(), key=lambda item: (item[1].decided_ms, item[0]))
    newest = {pause.node: digest for digest, pause in ordered}
    return tuple(
        PauseRow(p.node, p.paused, p.guardian, p.reason, time_of(p.decided_ms), newest[p.node] == digest, digest.hex())
        for digest, p in ordered
    )


def _publications(evidence: Evidence, files: Mapping[bytes, str]) -> tuple[PublicationRow, ...]:
    return tuple(
        PublicationRow(
            request=p.request_digest.hex(),
            run=p.run,
            analyst=p.analyst,
            title=p.title,
            table=p.table_digest.hex(),
            published=time_of(p.decided_ms),
            file=files.get(p.table_digest, ""),
            record=digest.hex(),
        )
        for digest, p in sorted(evidence.publications.items(), key=lambda item: (item[1].decided_ms, item[0]))
    )


def _shares(placed: Iterable[Placed]) -> tuple[ShareRow, ...]:
    return tuple(
        ShareRow(p.entry.request_digest.hex(), p.entry.analyst, p.entry.detail, time_of(p.entry.at_ms), p.position)
        for p in placed
        if p.entry.kind is K.SHARED
    )


def _journal(evidence: Evidence, name: str) -> JournalRow:
    kept = evidence.journals[name]
    roles = tuple(role.name.lower().replace("_", " ") for role in kept.roles)
    head = kept.head.head if kept.head else None
    newest = time_of(max((entry.at_ms for entry in kept.entries), default=0))
    return JournalRow(
        name, roles, kept.state, head.size if head else 0, head.root.hex() if head else "", newest, kept.code
    )


def _entry(placed: Placed) -> EntryRow:
    e = placed.entry
    return EntryRow(
        member=placed.member,
        position=placed.position,
        at=time_of(e.at_ms),
        kind=e.kind.name.lower().replace("_", " "),
        request=e.request_digest.hex(),
        round=e.round.hex(),
        agreement=e.agreement_digest.hex(),
        analyst=e.analyst,
        record=e.record_digest.hex(),
        rho_billionths=e.loss.rho_billionths if e.loss else None,
        delta_quintillionths=e.loss.delta_quintillionths if e.loss else None,
        code=e.code,
        detail=e.detail,
    )
