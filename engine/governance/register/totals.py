"""Honest totals: what charges add up to, account by account, beside the signed caps.

An account is charged as a node charges it (nodes/charges.py): each identifier and dataset of the plan at that node (of
a private join, of its own side), the analyst's share of each dataset, the agreement, the analyst. Of a plan that is not
at hand, the datasets are those whose snapshots the entry names.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from engine.errors import Refused
from engine.governance.budget import DAY_MS, Account, guarantee, limits, within_limit
from engine.governance.register.rows import AccountRow, ChargeRow, PersonRow
from engine.governance.register.sources import Evidence
from engine.governance.register.times import time_of
from engine.governance.text import loss_words
from engine.trusted.account import add_loss
from engine.trusted.records import AccountCap, AccountScope, JournalEntry, Loss
from engine.trusted.stability import stability_of

NONE = Loss(0, 0)


def datasets_of(entry: JournalEntry, evidence: Evidence) -> tuple[str, ...]:
    """The datasets that a charge is for."""
    asked = evidence.requests.get(entry.request_digest)
    if asked is not None and asked.plan is not None:
        catalogue = asked.roster.manifest.catalogue
        try:
            names = stability_of(asked.plan.aggregate.input, catalogue).datasets
            return tuple(sorted(d.name for d in catalogue.datasets if d.name in names and entry.member in d.hosts))
        except Refused:
            pass
    return tuple(sorted({snapshot.dataset for snapshot in entry.snapshots}))


def accounts(
    evidence: Evidence, charged: Sequence[tuple[ChargeRow, tuple[str, ...]]], now_ms: int
) -> tuple[AccountRow, ...]:
    """Every account that was charged, since the beginning and in the current period of each cap on it."""
    spent: dict[tuple[str, Account, int, int], tuple[int, Loss]] = {}
    names = {digest.hex(): a.name for digest, a in evidence.agreements.items()}
    for charge, datasets in charged:
        at_ms = _at(charge, evidence)
        loss = Loss(charge.rho_billionths, charge.delta_quintillionths)
        for account in _accounts(charge, datasets, names, evidence):
            for days, period in limits(account, _caps(account, evidence), at_ms):
                count, sum_ = spent.get((charge.node, account, days, period), (0, NONE))
                spent[charge.node, account, days, period] = count + 1, add_loss(sum_, loss)
    rows = [_row(key, *found, evidence) for key, found in spent.items() if _is_current(key, now_ms)]
    return tuple(sorted(rows, key=lambda r: (r.node, list(_WORDS.values()).index(r.scope), r.name, r.period_days)))


_WORDS = {
    AccountScope.IDENTIFIER: "identifier",
    AccountScope.DATASET: "dataset",
    AccountScope.AGREEMENT_ACCOUNT: "agreement",
    AccountScope.ANALYST_ACCOUNT: "analyst",
    AccountScope.SHARE_ACCOUNT: "share",
}


def _at(charge: ChargeRow, evidence: Evidence) -> int:
    return evidence.journals[charge.node].entries[charge.position].at_ms


def _is_current(key: tuple[str, Account, int, int], now_ms: int) -> bool:
    _, _, days, period = key
    return not days or period == now_ms // (days * DAY_MS)


def _accounts(
    charge: ChargeRow, datasets: tuple[str, ...], agreements: dict[str, str], evidence: Evidence
) -> Iterator[Account]:
    catalogue = evidence.roster.manifest.catalogue
    found = {d.person.identifier: None for name in datasets if (d := catalogue.dataset(name))}
    yield from ((AccountScope.IDENTIFIER, identifier) for identifier in found)
    for name in datasets:
        yield AccountScope.DATASET, name
        yield AccountScope.SHARE_ACCOUNT, f"{charge.analyst} {name}"
    if charge.agreement in agreements:
        yield AccountScope.AGREEMENT_ACCOUNT, agreements[charge.agreement]
    yield AccountScope.ANALYST_ACCOUNT, charge.analyst


def _caps(account: Account, evidence: Evidence) -> tuple[AccountCap, ...]:
    """Those of the rules; an agreement is also bounded by the budget of its newest edition."""
    caps, (scope, name) = evidence.roster.manifest.rules.caps, account
    if scope is not AccountScope.AGREEMENT_ACCOUNT:
        return caps
    editions = sorted((a for a in evidence.agreements.values() if a.name == name), key=lambda a: a.edition)
    return (*caps, *(AccountCap(scope, name, 0, None, a.budget) for a in editions[-1:]))


def _row(key: tuple[str, Account, int, int], count: int, spent: Loss, evidence: Evidence) -> AccountRow:
    node, account, days, period = key
    cap = limits(account, _caps(account, evidence), period * days * DAY_MS).get((days, period))
    return AccountRow(
        node=node,
        scope=_WORDS[account[0]],
        name=account[1],
        period_days=days,
        period_ends=time_of((period + 1) * days * DAY_MS),
        charges=count,
        spent=loss_words(spent),
        rho_billionths=spent.rho_billionths,
        delta_quintillionths=spent.delta_quintillionths,
        cap_rho_billionths=cap.rho_billionths if cap else None,
        cap_delta_quintillionths=cap.delta_quintillionths if cap else None,
    )


def is_above(row: AccountRow) -> bool:
    """Whether more was charged than the cap allows."""
    if row.cap_rho_billionths is None or row.cap_delta_quintillionths is None:
        return False
    cap = Loss(row.cap_rho_billionths, row.cap_delta_quintillionths)
    return not within_limit(Loss(row.rho_billionths, row.delta_quintillionths), cap)


def persons(evidence: Evidence, balances: Sequence[AccountRow]) -> tuple[PersonRow, ...]:
    """Per identifier: the most that one person can have lost, over all datasets and all nodes that can hold it."""
    manifest, found = evidence.roster.manifest, []
    for promise in guarantee(manifest):
        own = [
            Loss(row.rho_billionths, row.delta_quintillionths)
            for row in balances
            if (row.scope, row.name, row.period_days) == ("identifier", promise.identifier, 0)
        ]
        most = Loss(
            sum(sorted((loss.rho_billionths for loss in own), reverse=True)[: promise.nodes]),
            sum(sorted((loss.delta_quintillionths for loss in own), reverse=True)[: promise.nodes]),
        )
        found.append(
            PersonRow(
                identifier=promise.identifier,
                datasets=tuple(
                    d.name for d in manifest.catalogue.datasets if d.person.identifier == promise.identifier
                ),
                nodes_at_once=promise.nodes,
                spent=loss_words(most),
                rho_billionths=most.rho_billionths,
                delta_quintillionths=most.delta_quintillionths,
                promised=loss_words(promise.lifetime) if promise.lifetime else "",
            )
        )
    return tuple(found)
