"""Budgets for a policy officer: what is promised to a person, what was spent, and what other caps would make of it.

What was spent comes from the nodes' journals, collected and verified here; a node's own ledger is the node's. Other
caps are tried on the same journals: dry acceptance, nothing is charged and nothing sent.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from fractions import Fraction

from markupsafe import Markup
from starlette.responses import Response

from engine.desk.desk import Desk
from engine.desk.form import Form
from engine.desk.page import POLICY_OFFICER, Page
from engine.desk.pages.audit_evidence import Collected, collected
from engine.desk.pages.policy_chart import Spent, chart
from engine.desk.visit import Visit
from engine.errors import BadFile
from engine.governance.budget import NEW_PERIOD, Balance, guarantee
from engine.governance.budget_text import FOOTNOTE, account_word, left_of, limit_words, period_words, promise_sentence
from engine.governance.replay import WouldRefuse, replay
from engine.governance.rules import parse_amendment
from engine.governance.text import ACCOUNTS, DELTA, cap_line, delta_for
from engine.trusted.epsilon import epsilon_of
from engine.trusted.records import AccountCap, JournalKind, Loss, Role


@dataclass(frozen=True, slots=True)
class Drawn:
    """Loss over time of one identifier, a line a node. ``rows``: (node, charges, first day, last day, spent)."""

    identifier: str
    svg: Markup
    rows: tuple[tuple[str, int, str, str, str], ...]


@dataclass(frozen=True, slots=True)
class Cap:
    """A cap of the rules as a form asks for it; losses as an epsilon at a delta. ``at``: its place in the rules."""

    at: int
    words: str
    delta: str
    period_days: int
    period: str
    lifetime: str


@dataclass(frozen=True, slots=True)
class Tried:
    """What other caps would make of a node's past. ``balances``: (account, period, spent, cap, left)."""

    node: str
    charges: int
    refused: tuple[WouldRefuse, ...]
    balances: tuple[tuple[str, str, str, str, str], ...]


def budgets(visit: Visit) -> Response:
    desk = visit.desk
    found = collected(desk)
    return visit.render(
        "policy/budgets.html",
        promises=[promise_sentence(promise) for promise in guarantee(desk.manifest)],
        caps=[cap_line(cap) for cap in desk.manifest.rules.caps],
        drawn=tuple(_drawn(desk, found)),
        new_period=NEW_PERIOD,
        footnote=FOOTNOTE,
    )


def what_if(visit: Visit) -> Response:
    """Other caps on the same past. The address holds what was filled in; nothing is kept or sent."""
    desk, asked = visit.desk, visit.query
    caps = tuple(_caps(desk.manifest.rules.caps, asked))
    shown: dict[str, object] = {"caps": caps, "tried": (), "rules": "", "asked": "try" in asked}
    if "try" not in asked:
        return visit.render("policy/what_if.html", **shown)
    rules = _rules_yaml(desk.manifest.rules.caps, caps)
    try:
        tried = tuple(_tried(desk, parse_amendment(rules, "rules", desk.manifest).rules.caps))
    except BadFile as error:
        at = max((error.at.line if error.at else 1) - 2, 0)
        return visit.render("policy/what_if.html", error=error, error_field=f"lifetime-{at}", **shown)
    return visit.render("policy/what_if.html", **{**shown, "tried": tried, "rules": rules})


def rules_file(visit: Visit) -> Response:
    """The caps that were tried, as the file that the roots amend the manifest with."""
    own = visit.desk.manifest.rules.caps
    text = _rules_yaml(own, tuple(_caps(own, visit.query)))
    parse_amendment(text, "rules", visit.desk.manifest)
    return visit.file(text.encode(), "rules.yaml", "application/yaml")


# -- spent


def _drawn(desk: Desk, found: Collected) -> Iterator[Drawn]:
    """For each identifier: its charges at each node, against the lifetime cap of that node's account."""
    catalogue = desk.manifest.catalogue
    for number, promise in enumerate(guarantee(desk.manifest), 1):
        named = {d.name for d in catalogue.datasets if d.person.identifier == promise.identifier}
        by_node: dict[str, list[tuple[int, int]]] = {}
        for row in (row for row in found.register.charges if named & set(row.datasets)):
            by_node.setdefault(row.node, []).append((_ms(row.at), row.rho_billionths))
        if by_node:
            cap = _lifetime(desk, promise.identifier)
            spent = [Spent(node, tuple(sorted(charges)), cap) for node, charges in sorted(by_node.items())]
            title = f"Loss of persons named by {promise.identifier} over time, node by node"
            drawing = chart(f"loss-{number}", title, spent, desk.clock.now_ms())
            yield Drawn(promise.identifier, drawing, tuple(map(_row, spent)))


def _row(spent: Spent) -> tuple[str, int, str, str, str]:
    first, last = (_day(spent.charges[end][0]) for end in (0, -1))
    return spent.node, len(spent.charges), first, last, spent.words


def _lifetime(desk: Desk, identifier: str) -> int | None:
    """The least lifetime cap of one node's account of that identifier."""
    own = (c for c in desk.manifest.rules.caps if c.scope.name == "IDENTIFIER" and c.name in ("", identifier))
    return min((cap.lifetime.rho_billionths for cap in own), default=None)


def _ms(time: str) -> int:
    return int(datetime.fromisoformat(time).timestamp() * 1000)


def _day(ms: int) -> str:
    return datetime.fromtimestamp(ms // 1000, UTC).date().isoformat()


# -- other caps


def _caps(own: Sequence[AccountCap], asked: Form) -> Iterator[Cap]:
    """Each cap of the rules, with what the form says instead."""
    for at, cap in enumerate(own):
        delta = max(delta_for(loss) for loss in (cap.lifetime, cap.period or cap.lifetime))
        whose = f"{ACCOUNTS[cap.scope]} {cap.name}" if cap.name else f"each {ACCOUNTS[cap.scope]}"
        yield Cap(
            at,
            whose,
            asked.one(f"delta-{at}", f"{float(delta):g}"),
            cap.period_days,
            asked.one(f"period-{at}", _epsilon(cap.period, delta) if cap.period else ""),
            asked.one(f"lifetime-{at}", _epsilon(cap.lifetime, delta)),
        )


def _epsilon(loss: Loss, delta: Fraction = DELTA) -> str:
    return f"{float(epsilon_of(loss, delta)):.6g}"


def _rules_yaml(own: Sequence[AccountCap], caps: Sequence[Cap]) -> str:
    """One cap a line, after the line `caps:`."""
    import json

    lines = ["caps:"]
    for cap, filled in zip(own, caps, strict=True):
        said: dict[str, object] = {"account": account_word(cap.scope)}
        said |= {"name": cap.name} if cap.name else {}
        if cap.period_days:
            said |= {"period_days": cap.period_days, "period": {"epsilon": filled.period, "delta": filled.delta}}
        said["lifetime"] = {"epsilon": filled.lifetime, "delta": filled.delta}
        lines.append(f"  - {json.dumps(said)}")
    return "\n".join(lines) + "\n"


def _tried(desk: Desk, caps: Sequence[AccountCap]) -> Iterator[Tried]:
    """Each node's charges again, in order, under other caps."""
    found, now = collected(desk), desk.clock.now_ms()
    for name, kept in found.evidence.journals.items():
        if Role.NODE not in kept.roles or not any(e.kind is JournalKind.CHARGED for e in kept.entries):
            continue
        done = replay(kept.entries, desk.manifest.catalogue, caps, found.evidence.agreements, now)
        yield Tried(name, done.charges, done.refused, tuple(map(_balance, done.balances)))


def _balance(balance: Balance) -> tuple[str, str, str, str, str]:
    account = f"{account_word(balance.scope)} {balance.name}"
    spent, cap = limit_words(balance.spent), limit_words(balance.cap)
    return account, period_words(balance), spent, cap, left_of(balance.cap, balance.spent)


PAGES = (
    Page("/budgets", budgets, POLICY_OFFICER, menu="Budgets", about="What is promised, what was spent, and what if."),
    Page("/budgets/what-if", what_if, POLICY_OFFICER, example="/budgets/what-if?try=1"),
    Page("/budgets/what-if/rules", rules_file, POLICY_OFFICER),
)
