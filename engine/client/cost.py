"""What a statement costs, and what share of each cap that is: of every account a node would charge."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from engine.trusted.catalogue import Catalogue
from engine.trusted.plan import Plan
from engine.trusted.records import AccountCap, AccountScope, Agreement, Loss, Rules
from engine.trusted.stability import stability_of


@dataclass(frozen=True, slots=True)
class Share:
    """What one attempt takes of a cap: ``account``, the ``span`` it is for, ``share`` of it; above 1: refused."""

    account: str
    span: str
    share: float


@dataclass(frozen=True, slots=True)
class Cost:
    """``loss``: charged at each of ``nodes``, once an attempt. What they have spent before is theirs to know."""

    epsilon: Fraction
    delta: Fraction
    loss: Loss
    nodes: tuple[str, ...]
    shares: tuple[Share, ...]


@dataclass(frozen=True, slots=True)
class Asker:
    """Who would ask, under which agreement; each may be unknown."""

    analyst: str = ""
    agreement: Agreement | None = None


def shares_of(plan: Plan, catalogue: Catalogue, rules: Rules, loss: Loss, asker: Asker) -> tuple[Share, ...]:
    """Of the accounts of nodes/charges.py; where several caps hold for an account, of the one this takes most of."""
    found: dict[tuple[str, str], float] = {}
    agreement, caps = asker.agreement, list(rules.caps)
    if agreement is not None:
        caps.append(AccountCap(AccountScope.AGREEMENT_ACCOUNT, agreement.name, 0, None, agreement.budget))
        found[f"agreement {agreement.name}", "one plan"] = _part(loss, agreement.per_plan)
    for scope, name in dict.fromkeys(_accounts(plan, catalogue, asker)):
        account = f"{scope.name.lower().removesuffix('_account')} {name}"
        for cap in (c for c in caps if c.scope is scope and c.name in ("", name)):
            spans = {"lifetime": cap.lifetime}
            if cap.period_days and cap.period is not None:
                spans = {f"{cap.period_days} days": cap.period, **spans}
            for span, most in spans.items():
                found[account, span] = max(found.get((account, span), 0.0), _part(loss, most))
    return tuple(Share(account, span, share) for (account, span), share in found.items())


def _accounts(plan: Plan, catalogue: Catalogue, asker: Asker) -> Iterator[tuple[AccountScope, str]]:
    names = stability_of(plan.aggregate.input, catalogue).datasets
    scanned = [d for d in catalogue.datasets if d.name in names]
    yield from ((AccountScope.IDENTIFIER, d.person.identifier) for d in scanned)
    yield from ((AccountScope.DATASET, d.name) for d in scanned)
    if asker.agreement is not None:
        yield AccountScope.AGREEMENT_ACCOUNT, asker.agreement.name
    if asker.analyst:
        yield AccountScope.ANALYST_ACCOUNT, asker.analyst


def _part(loss: Loss, cap: Loss) -> float:
    """The larger of the parts of rho and of delta; what a cap of nothing cannot bear counts a thousand times."""
    pairs = (loss.rho_billionths, cap.rho_billionths), (loss.delta_quintillionths, cap.delta_quintillionths)
    return max((spent / most if most else 1_000.0) for spent, most in pairs if spent)
