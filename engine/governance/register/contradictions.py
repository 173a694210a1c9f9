"""What does not fit together in the record, or is not there. Shown, never hidden: a register is as good as its gaps.

JOURNAL_MISSING JOURNAL_UNSOUND JOURNAL_FORKED   a member's journal
JOURNAL_BEHIND           a release in which a node took part, and no charge in that node's journal
CHARGE_WITHOUT_REQUEST   a charge for a request that nobody handed over
CHARGE_DIFFERS           a charge of another analyst, plan, agreement or price than the request says
CHARGE_TOO_OFTEN         more charges at a node than the request allows attempts
CHARGE_AFTER_END         a charge after its agreement ended by date or was revoked
REQUEST_NOT_JOURNALLED   a request that the coordinator's journal does not tell of
REQUEST_WITHHELD         a request that the coordinator's journal tells of, and that was not handed over
RECORD_UNSIGNED          a record whose signatures do not hold
RECORD_NOT_JOURNALLED    a record that no journal tells of
RECORD_WITHHELD          an entry about a record that was not handed over
SPENT_ABOVE_CAP          more charged to an account than its signed cap
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from engine.errors import SplittallyError, error_for
from engine.governance.register.rows import AccountRow, ChargeRow, ContradictionRow
from engine.governance.register.sources import Asked, Evidence
from engine.governance.register.totals import is_above
from engine.trusted.records import JournalEntry, JournalKind, Loss, Role

K = JournalKind
_ABOUT_RECORDS = (K.AGREEMENT_STORED, K.AGREEMENT_REVOKED, K.PAUSED, K.RESUMED, K.DECIDED, K.PUBLISHED)


def contradictions(
    evidence: Evidence, charged: Sequence[ChargeRow], balances: Sequence[AccountRow]
) -> tuple[ContradictionRow, ...]:
    found = [
        *_journals(evidence),
        *_releases(evidence, charged),
        *_charges(evidence, charged),
        *_requests(evidence),
        *_records(evidence),
        *(_above(row) for row in balances if is_above(row)),
    ]
    return tuple(sorted(found, key=lambda row: (row.kind, row.member, row.request, row.subject)))


def _entries(evidence: Evidence, *kinds: JournalKind) -> Iterator[tuple[str, JournalEntry]]:
    for name, kept in evidence.journals.items():
        yield from ((name, entry) for entry in kept.entries if entry.kind in kinds)


def _journals(evidence: Evidence) -> Iterator[ContradictionRow]:
    says = {
        "missing": "Its journal was not handed over.",
        "unsound": "Its journal does not hold, and nothing of it is used here.",
        "forked": "It signed a head that its journal does not fit: two histories of one member.",
    }
    for name, kept in evidence.journals.items():
        if kept.state in says:
            yield ContradictionRow(f"JOURNAL_{kept.state.upper()}", name, "", "", f"{says[kept.state]} ({kept.code})")


def _releases(evidence: Evidence, charged: Sequence[ChargeRow]) -> Iterator[ContradictionRow]:
    known = {(row.node, row.round) for row in charged}
    for _, entry in _entries(evidence, K.RELEASED_TO_ANALYST):
        for node in entry.survivors:
            if (node, entry.round.hex()) not in known:
                size = len(evidence.journals[node].entries) if node in evidence.journals else 0
                says = f"A release in which {node} took part has no charge in its journal of {size} entries."
                yield ContradictionRow("JOURNAL_BEHIND", node, entry.request_digest.hex(), entry.round.hex(), says)


def _charges(evidence: Evidence, charged: Sequence[ChargeRow]) -> Iterator[ContradictionRow]:
    revoked = _revoked(evidence)
    asked_by_id = {digest.hex(): asked for digest, asked in evidence.requests.items()}
    for row in charged:
        entry = evidence.journals[row.node].entries[row.position]
        asked = asked_by_id.get(row.request)
        if asked is None:
            says = "A charge for a request that is not in the record handed over."
            yield ContradictionRow("CHARGE_WITHOUT_REQUEST", row.node, row.request, row.round, says)
            continue
        for what in _differing(entry, asked):
            says = f"The charge has another {what} than the request."
            yield ContradictionRow("CHARGE_DIFFERS", row.node, row.request, row.round, says)
        if _has_ended(row, entry, evidence, revoked):
            says = "Charged after the agreement had ended."
            yield ContradictionRow("CHARGE_AFTER_END", row.node, row.request, row.round, says)
    for (node, request), count in Counter((row.node, row.request) for row in charged).items():
        if (asked := asked_by_id.get(request)) and count > _most_charges(asked):
            says = f"{count} charges, and the request allows {_most_charges(asked)}."
            yield ContradictionRow("CHARGE_TOO_OFTEN", node, request, "", says)


def _differing(entry: JournalEntry, asked: Asked) -> Iterator[str]:
    request = asked.request
    prices = (request.loss, request.selection or request.loss)
    pairs = (
        ("analyst", entry.analyst == request.analyst),
        ("plan", entry.plan_digest == request.plan_digest),
        ("agreement", entry.agreement_digest == request.agreement_digest),
        ("price", (entry.loss or Loss(0, 0)) in prices),
    )
    return (what for what, same in pairs if not same)


def _most_charges(asked: Asked) -> int:
    phases = 2 if asked.request.selection else 1
    return asked.request.runs * asked.request.max_attempts * phases


def _has_ended(row: ChargeRow, entry: JournalEntry, evidence: Evidence, revoked: dict[tuple[str, bytes], int]) -> bool:
    """By its date, or by a revocation that the node had written down before."""
    agreement = evidence.agreements.get(entry.agreement_digest)
    first = revoked.get((row.node, entry.agreement_digest))
    return (first is not None and first < row.position) or (agreement is not None and entry.at_ms >= agreement.until_ms)


def _revoked(evidence: Evidence) -> dict[tuple[str, bytes], int]:
    """Where each member's journal first says that an agreement is revoked."""
    found: dict[tuple[str, bytes], int] = {}
    for name, kept in evidence.journals.items():
        for position, entry in enumerate(kept.entries):
            if entry.kind is K.AGREEMENT_REVOKED:
                found.setdefault((name, entry.agreement_digest), position)
    return found


def _requests(evidence: Evidence) -> Iterator[ContradictionRow]:
    told = {entry.request_digest for _, entry in _entries(evidence, K.REQUESTED)}
    journalled = any(Role.COORDINATOR in kept.roles and kept.entries for kept in evidence.journals.values())
    for digest, asked in evidence.requests.items():
        if digest not in told and journalled:
            says = "The coordinator's journal does not tell of this request."
            yield ContradictionRow("REQUEST_NOT_JOURNALLED", asked.request.analyst, digest.hex(), "", says)
    for name, entry in _entries(evidence, K.REQUESTED):
        if entry.request_digest not in evidence.requests:
            says = "The coordinator's journal tells of a request that was not handed over."
            yield ContradictionRow("REQUEST_WITHHELD", name, entry.request_digest.hex(), "", says)


def _records(evidence: Evidence) -> Iterator[ContradictionRow]:
    for digest, kind, code in evidence.unsound:
        says = f"A record of kind {kind.name.lower().replace('_', ' ')} does not hold: {_sentence(code)}"
        yield ContradictionRow("RECORD_UNSIGNED", "", "", digest.hex(), says)
    known, told = evidence.known(), {e.record_digest for _, e in _entries(evidence, *_ABOUT_RECORDS)}
    for name, entry in _entries(evidence, *_ABOUT_RECORDS):
        if entry.record_digest and entry.record_digest not in known:
            says = (
                f"Its journal says “{entry.kind.name.lower().replace('_', ' ')}” of a record that was not handed over."
            )
            yield ContradictionRow("RECORD_WITHHELD", name, entry.request_digest.hex(), entry.record_digest.hex(), says)
    handed = (evidence.approvals, evidence.withdrawals, evidence.pauses, evidence.publications, evidence.revocations)
    for digest in (d for records in handed for d in records if d not in told):
        says = "No journal tells of this record."
        yield ContradictionRow("RECORD_NOT_JOURNALLED", "", "", digest.hex(), says)


def _sentence(code: str) -> str:
    try:
        return error_for(code).message
    except (KeyError, SplittallyError):
        return code


def _above(row: AccountRow) -> ContradictionRow:
    spent, cap = (f"rho {r}e-9 and delta {d}e-18" for r, d in _spent_and_cap(row))
    says = f"{spent} charged to {row.scope} {row.name}, and its cap is {cap}."
    return ContradictionRow("SPENT_ABOVE_CAP", row.node, "", "", says)


def _spent_and_cap(row: AccountRow) -> tuple[tuple[int, int], tuple[int | None, int | None]]:
    return (row.rho_billionths, row.delta_quintillionths), (row.cap_rho_billionths, row.cap_delta_quintillionths)
