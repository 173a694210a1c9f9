"""Dry acceptance: the charges in a node's journal, once more, against other rules or a drafted agreement.

Nothing is charged and nothing is sent. A journal entry names analyst, agreement, datasets and loss, so accounts, dates,
analysts, datasets and prices can be judged; columns and operations stand in plans, which a journal does not hold.
Earlier free refusals cost nothing then; their loss was never written down, so they are counted, not judged.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from engine.governance.budget import Account, Balance, limits, plus, within_limit
from engine.trusted.catalogue import Catalogue
from engine.trusted.records import AccountCap, AccountScope, Agreement, JournalEntry, JournalKind, Loss

DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class WouldRefuse:
    """A charge that would not have been made. ``account`` for BUDGET_EXHAUSTED, such as "identifier nino"."""

    at_ms: int
    analyst: str
    agreement: str
    request_digest: bytes
    loss: Loss
    code: str
    account: str = ""


@dataclass(frozen=True, slots=True)
class Replayed:
    """``charges``: how many the journal holds; ``refusals``: its free refusals by code; ``balances``: at the end."""

    charges: int
    refused: tuple[WouldRefuse, ...]
    balances: tuple[Balance, ...]
    refusals: Mapping[str, int]


def replay(
    entries: Sequence[JournalEntry],
    catalogue: Catalogue,
    caps: Sequence[AccountCap],
    agreements: Mapping[bytes, Agreement],
    now: int,
    drafted: Agreement | None = None,
) -> Replayed:
    """The journal's charges in order, each made or refused as ``caps`` and agreements would have it.

    ``agreements``: by digest, those that charges were made under. ``drafted``: judged in place of every edition of its
    name. A refused charge spends nothing, so later ones may pass that a node had refused.
    """
    spent: dict[tuple[Account, int, int], Loss] = {}
    caps_of: dict[Account, Sequence[AccountCap]] = {}
    charges = [entry for entry in entries if entry.kind is JournalKind.CHARGED and entry.loss is not None]
    refused = []
    for entry in charges:
        agreement = agreements.get(entry.agreement_digest)
        if drafted is not None and agreement is not None and agreement.name == drafted.name:
            agreement = drafted
        found = _code_of(entry, agreement, drafted) or _spend(entry, agreement, catalogue, caps, spent, caps_of)
        if found:
            code, account = found
            name = agreement.name if agreement else entry.agreement_digest.hex()[:16]
            loss = entry.loss or Loss(0, 0)
            refused.append(WouldRefuse(entry.at_ms, entry.analyst, name, entry.request_digest, loss, code, account))
    free = Counter(e.code for e in entries if e.kind is JournalKind.ROUND_REFUSED and not e.request_digest)
    return Replayed(len(charges), tuple(refused), _balances(spent, caps_of, now), dict(free))


def _code_of(entry: JournalEntry, agreement: Agreement | None, drafted: Agreement | None) -> tuple[str, str] | None:
    """Why the drafted agreement would refuse, before any account is looked at."""
    if agreement is None or agreement is not drafted:
        return None
    scope = {scope.dataset for scope in agreement.scope}
    price = entry.loss or Loss(0, 0)
    checks = (
        (agreement.from_ms <= entry.at_ms, "POLICY_AGREEMENT_NOT_YET"),
        (entry.at_ms < agreement.until_ms, "POLICY_AGREEMENT_EXPIRED"),
        (entry.analyst in agreement.analysts, "POLICY_ANALYST_NOT_NAMED"),
        (all(s.dataset in scope for s in entry.snapshots), "POLICY_DATASET_OUT_OF_SCOPE"),
        (within_limit(price, agreement.per_plan), "POLICY_PRICE_ABOVE_AGREEMENT"),
    )
    return next(((code, "") for holds, code in checks if not holds), None)


def _spend(
    entry: JournalEntry,
    agreement: Agreement | None,
    catalogue: Catalogue,
    caps: Sequence[AccountCap],
    spent: dict[tuple[Account, int, int], Loss],
    caps_of: dict[Account, Sequence[AccountCap]],
) -> tuple[str, str] | None:
    """Charge all accounts of an entry or none; the first account that lacks the budget."""
    loss, after = entry.loss or Loss(0, 0), {}
    for account in _accounts(entry, agreement, catalogue):
        own = (
            [AccountCap(AccountScope.AGREEMENT_ACCOUNT, agreement.name, 0, None, agreement.budget)] if agreement else []
        )
        caps_of[account] = (*caps, *own) if account[0] is AccountScope.AGREEMENT_ACCOUNT else caps
        for (days, period), limit in limits(account, caps_of[account], entry.at_ms).items():
            total = plus(spent, (account, days, period), loss)
            if not within_limit(total, limit):
                scope, name = account
                return "BUDGET_EXHAUSTED", f"{scope.name.lower().removesuffix('_account')} {name}"
            after[account, days, period] = total
    spent.update(after)
    return None


def _accounts(entry: JournalEntry, agreement: Agreement | None, catalogue: Catalogue) -> tuple[Account, ...]:
    """The accounts a node charges for an entry; a dataset that the catalogue no longer has counts by its name."""
    names = tuple(dict.fromkeys(snapshot.dataset for snapshot in entry.snapshots))
    known = [dataset for name in names if (dataset := catalogue.dataset(name))]
    accounts: list[Account] = [(AccountScope.IDENTIFIER, d.person.identifier) for d in known]
    accounts += [(AccountScope.DATASET, name) for name in names]
    accounts += [(AccountScope.AGREEMENT_ACCOUNT, agreement.name)] if agreement else []
    accounts += [(AccountScope.ANALYST_ACCOUNT, entry.analyst)]
    accounts += [(AccountScope.SHARE_ACCOUNT, f"{entry.analyst} {name}") for name in names]
    return tuple(dict.fromkeys(accounts))


def _balances(
    spent: Mapping[tuple[Account, int, int], Loss], caps_of: Mapping[Account, Sequence[AccountCap]], now: int
) -> tuple[Balance, ...]:
    """What the accounts would hold now; shares only where a cap limits them."""
    found = []
    for (account, days, period), loss in sorted(spent.items(), key=lambda item: (item[0][0][0].value, item[0][0][1])):
        own = limits(account, caps_of[account], now)
        cap = own.get((days, period))
        if account[0] is AccountScope.SHARE_ACCOUNT and not any(own.values()):
            continue
        if (days, period) in own:
            found.append(Balance(*account, days, loss, cap, (period + 1) * days * DAY_MS))
    return tuple(found)


def what_if(found: Sequence[Balance], caps: Sequence[AccountCap], now: int) -> tuple[tuple[Balance, Loss | None], ...]:
    """Each account of the ledger with the cap that other rules would give it; agreements keep their own budget."""
    shown = []
    for balance in found:
        account = (balance.scope, balance.name)
        own = limits(account, caps, now)
        period = now // (balance.period_days * DAY_MS) if balance.period_days else 0
        if balance.scope is AccountScope.AGREEMENT_ACCOUNT and not balance.period_days:
            shown.append((balance, balance.cap))
        else:
            shown.append((balance, own.get((balance.period_days, period))))
    return tuple(shown)
