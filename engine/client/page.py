"""The page a guardian reads before signing: plain text, made here from the signed request and the plan themselves.

SHA-256 of this text stands in the signed decision, so that what was shown can be proven later. Everything but the
section of the analyst's own words comes from verified records and from the plan; those words are escaped, marked, and
decide nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from math import floor, log10, sqrt
from textwrap import indent

from engine.client.price import price_lines, times
from engine.client.queue import Queued
from engine.client.states import day, state_word
from engine.errors import Refused
from engine.governance.budget import Balance
from engine.governance.letters import plain
from engine.trusted.account import add_loss
from engine.trusted.calibrate import calibrate, grid_of
from engine.trusted.catalogue import Catalogue
from engine.trusted.describe import english, normalised_sql
from engine.trusted.domains import scope_of
from engine.trusted.join import is_join
from engine.trusted.plan import Plan, Statistic
from engine.trusted.records import AccountScope, Approval, Decision, Loss, Request
from engine.trusted.selection import phases_of, with_keys
from engine.trusted.sign import Roster
from engine.trusted.stability import stability_of
from engine.trusted.verify import columns_read

DELTA = Fraction(1, 10**9)
NORMAL_95 = 1.959964
UNKNOWN = "Not known here: name the home of your node (--node-home) to see what is left of its accounts."


Sections = tuple[tuple[str, tuple[str, ...]], ...]  # heading, lines


def page_of(queued: Queued, roster: Roster, balances: Iterable[Balance] | None = None) -> str:
    """The page, ending in a line end. ``balances``: the accounts of the guardian's own node, if they are at hand."""
    return text_of(sections_of(queued, roster, balances))


def text_of(sections: Sections) -> str:
    """The bytes of a page are UTF-8 of this."""
    return "\n".join(f"{title}\n{indent(chr(10).join(lines), '  ')}\n" for title, lines in sections)


def sections_of(queued: Queued, roster: Roster, balances: Iterable[Balance] | None = None) -> Sections:
    """What a page says, section by section; ``text_of`` it is what gets signed."""
    request, catalogue = queued.request, roster.manifest.catalogue
    sections: list[tuple[str, list[str]]] = [
        ("Request", _request_lines(queued, roster)),
        ("Agreement", _agreement_lines(queued)),
        ("What the nodes do", english(queued.plan, catalogue).splitlines()),
        ("The same as SQL, before noise", normalised_sql(queued.plan, catalogue).splitlines()),
        ("Columns it depends on", _column_lines(queued.plan, catalogue)),
        ("Who takes part", _participant_lines(queued, catalogue)),
        ("Price", price_lines(loss_of(request), request.max_attempts, request.runs, DELTA)),
        ("What is left of the node's budget", _budget_lines(queued, catalogue, balances)),
        ("How wrong each released number may be", _error_lines(queued, catalogue)),
        ("Decisions so far", [_decision_line(d) for d in queued.decisions] or ["None."]),
        ("In the analyst's own words (not checked, and never executed)", _own_words(queued)),
    ]
    return tuple((title, tuple(lines)) for title, lines in sections)


def loss_of(request: Request) -> Loss:
    """All that one attempt is charged at each node."""
    return add_loss(request.loss, request.selection or Loss(0, 0))


def most_of(request: Request) -> Loss:
    """The most that can be charged at each node."""
    return times(loss_of(request), request.runs * request.max_attempts)


def _request_lines(queued: Queued, roster: Roster) -> list[str]:
    request, status = queued.request, queued.status
    waiting = f", for {', '.join(map(plain, status.waiting_for))}" if status.waiting_for else ""
    runs = f"{request.runs} times, each from new snapshots" if request.runs > 1 else "once"
    return [
        f"id: {queued.digest.hex()}",
        f"Asked by {request.analyst} of {roster.member(request.analyst).body}, to be answered {runs}.",
        f"Signed {day(request.created_ms)}, valid until {day(request.expires_ms)}.",
        f"State: {state_word(status.state)}{waiting}.",
    ]


def _agreement_lines(queued: Queued) -> list[str]:
    agreement = queued.agreement
    gateway = agreement.legal_gateway.name.lower().removesuffix("_gateway").replace("_", " ")
    ends = "REVOKED" if queued.revoked else f"in force {day(agreement.from_ms)} to {day(agreement.until_ms)}"
    return [
        f"{plain(agreement.name)}, edition {agreement.edition}: {plain(agreement.title)}",
        f"Purpose: {plain(agreement.purpose)}",
        f"Legal gateway: {gateway} ({plain(agreement.legal_gateway_detail)})",
        f"{ends}; decided by {plain(agreement.decided_by)}.",
    ]


def _column_lines(plan: Plan, catalogue: Catalogue) -> list[str]:
    return [
        f"{name}: {', '.join(sorted(c)) or 'no column'}" for name, c in sorted(columns_read(plan, catalogue).items())
    ]


def _participant_lines(queued: Queued, catalogue: Catalogue) -> list[str]:
    hosts, request = stability_of(queued.plan.aggregate.input, catalogue).hosts, queued.request
    if is_join(queued.plan.aggregate):
        return [
            f"Owners: {' and '.join(hosts)}; both must answer, and a guardian of each approves.",
            "Committee: three helpers of three bodies, none of them an owner's or the analyst's.",
        ]
    return [
        f"Nodes: {', '.join(hosts)}; at least {request.n_min} must answer, {request.f} of them assumed corrupt.",
        f"Committee: the analyst and at least {request.committee - 1} helpers of other bodies.",
    ]


def _budget_lines(queued: Queued, catalogue: Catalogue, balances: Iterable[Balance] | None) -> list[str]:
    if balances is None:
        return [UNKNOWN]
    lines = [line for b in balances if concerns(b, queued, catalogue) for line in _balance_lines(b, queued.request)]
    return lines or ["Nothing has been charged to the accounts of this question yet."]


def concerns(balance: Balance, queued: Queued, catalogue: Catalogue) -> bool:
    """Whether the account has a cap, and answering would be charged to it."""
    datasets = [d for d in catalogue.datasets if d.name in columns_read(queued.plan, catalogue)]
    names = {
        AccountScope.IDENTIFIER: {d.person.identifier for d in datasets},
        AccountScope.DATASET: {d.name for d in datasets},
        AccountScope.AGREEMENT_ACCOUNT: {queued.agreement.name},
        AccountScope.ANALYST_ACCOUNT: {queued.request.analyst},
    }
    return balance.cap is not None and balance.name in names.get(balance.scope, set())


def _balance_lines(balance: Balance, request: Request) -> Iterator[str]:
    cap, left, most = balance.cap, balance.left, most_of(request)
    if cap is None or left is None:
        return
    account = f"{balance.scope.name.lower().removesuffix('_account')} {balance.name}"
    span = f"{balance.period_days} days" if balance.period_days else "lifetime"
    after = left.rho_billionths - most.rho_billionths
    now, then = (_share(rho, cap.rho_billionths) for rho in (left.rho_billionths, max(after, 0)))
    short = " Not enough for all attempts: the node will refuse what goes beyond." if after < 0 else ""
    yield f"{account}, {span}: {now} of rho is left; after the most this can cost, {then}.{short}"


def _share(rho: int, cap: int) -> str:
    return f"{100 * rho / cap:.1f} %" if cap else "nothing"


def _error_lines(queued: Queued, catalogue: Catalogue) -> list[str]:
    """Of the noise alone, all nodes answering: exact for counts and sums, whatever the data."""
    request, plan = queued.request, queued.plan
    if phases_of(plan) == 2:
        plan = with_keys(plan, most=max(key.selected_at_most for key in plan.aggregate.keys))
    try:
        calibration = calibrate(plan, catalogue, request.loss, request.n_min, request.f)
    except Refused as refused:
        return [f"Cannot be computed: {refused.message}"]
    nodes = len(stability_of(plan.aggregate.input, catalogue).hosts)
    scope, lines = scope_of(plan.aggregate.input, catalogue), []
    for number, measure in enumerate(plan.aggregate.measures, 1):
        tree = measure.statistic is Statistic.QUANTILE_TREE
        unit = (Fraction(1) if tree else grid_of(measure, scope).step) / calibration.multipliers[number - 1]
        half = NORMAL_95 * sqrt(nodes) * calibration.node_sigma * float(unit)
        each = ", each number of rows in a range" if tree else ""
        lines.append(f"{number}{each}: within {four_digits(half)} of the truth in 95 of 100 cases.")
    return lines


def four_digits(figure: float) -> str:
    """Of a positive figure: 0.01234, 12.34, 4,416,000."""
    whole = round(figure, 3 - floor(log10(figure))) if figure >= 1000 else 0
    return f"{whole:,.0f}" if whole else f"{figure:.4g}"


def _decision_line(decision: Approval) -> str:
    when = day(decision.decided_ms)
    if decision.decision is Decision.APPROVED:
        return f"{decision.guardian} approved on {when}, until {day(decision.expires_ms)}."
    return f"{decision.guardian} refused on {when}: {plain(decision.reason)}"


def _own_words(queued: Queued) -> list[str]:
    text = queued.submission.statement.decode("utf-8", "replace")
    purpose = f"Purpose: {plain(queued.request.purpose)}" if queued.request.purpose else "No purpose was given."
    return [purpose, *(f"| {plain(line)}" for line in text.splitlines())]
