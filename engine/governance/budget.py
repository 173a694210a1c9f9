"""What a member's ledger says is spent and left, read from its home without changing anything.

The ledger is the node's (``state.db``, tables ``accounts`` and ``entries``); this reads it for the owner's eyes while
the node runs. ``guarantee`` needs no ledger: it is what the federation's rules promise to each person.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from engine.errors import BadFile, Refused
from engine.trusted import wire
from engine.trusted.account import add_loss
from engine.trusted.catalogue import Catalogue
from engine.trusted.clock import Clock
from engine.trusted.epsilon import times
from engine.trusted.home import Home
from engine.trusted.records import AccountCap, AccountScope, FederationManifest, JournalEntry, Loss, Role

DAY_MS = 86_400_000
NO_LIMIT = 2**63 - 1
NEW_PERIOD = "A new period does not undo old loss: what was learned about a person stays learned, and adds up for ever."
_SPENT = "SELECT scope, name, period_days, period, rho, delta, rho_cap, delta_cap FROM accounts ORDER BY 1, 2, 3"
_ENTRIES = "SELECT entry FROM entries ORDER BY position"


@dataclass(frozen=True, slots=True)
class Balance:
    """One account in its current period; ``period_days`` 0: its lifetime. ``cap`` None: no limit of its own.

    ``refreshes_ms``: when its period ends; 0 for a lifetime, which never does.
    """

    scope: AccountScope
    name: str
    period_days: int
    spent: Loss
    cap: Loss | None
    refreshes_ms: int = 0

    @property
    def left(self) -> Loss | None:
        return None if self.cap is None else difference(self.cap, self.spent)


def difference(cap: Loss, spent: Loss) -> Loss:
    """What is left of a cap; negative parts where more is spent than it allows."""
    rho = cap.rho_billionths - spent.rho_billionths
    return Loss(rho, cap.delta_quintillionths - spent.delta_quintillionths)


def balances(home: Home, clock: Clock) -> tuple[Balance, ...]:
    """Every account of a node charged so far. BadFile FILE_HOME_NOT_A_NODE, FILE_LEDGER_BROKEN."""
    now = clock.now_ms()
    found = []
    for scope, name, days, period, rho, delta, rho_cap, delta_cap in _rows(home, _SPENT):
        if days == 0 or period == now // (days * DAY_MS):
            cap = None if rho_cap == NO_LIMIT else Loss(rho_cap, delta_cap)
            ends = (period + 1) * days * DAY_MS
            found.append(Balance(AccountScope(scope), name, days, Loss(rho, delta), cap, ends))
    return tuple(found)


def journal(home: Home) -> tuple[JournalEntry, ...]:
    """Every entry of a node's journal, in order. BadFile FILE_HOME_NOT_A_NODE, FILE_LEDGER_BROKEN."""
    try:
        return tuple(wire.decode(JournalEntry, row[0]) for row in _rows(home, _ENTRIES))
    except Refused as error:
        raise BadFile("FILE_LEDGER_BROKEN", path=str(home.state_path), internal=repr(error)) from None


def _rows(home: Home, query: str) -> list[tuple[Any, ...]]:
    if home.role != Role.NODE.name.lower():
        raise BadFile("FILE_HOME_NOT_A_NODE", path=str(home.path), name=home.name, role=home.role.replace("_", " "))
    if not home.state_path.exists():
        return []
    try:
        db = sqlite3.connect(f"{home.state_path.absolute().as_uri()}?mode=ro", uri=True)
        try:
            return db.execute(query).fetchall()
        finally:
            db.close()
    except sqlite3.Error as error:
        raise BadFile("FILE_LEDGER_BROKEN", path=str(home.state_path), internal=repr(error)) from None


@dataclass(frozen=True, slots=True)
class Total:
    """What one person named by ``identifier`` can have lost at this node, over all its ``datasets``."""

    identifier: str
    datasets: tuple[str, ...]
    this_period: Loss | None  # of the shortest period; None: no period cap
    period_days: int
    ends_ms: int
    ever: Loss


def totals(found: Sequence[Balance], catalogue: Catalogue, node: str) -> tuple[Total, ...]:
    """Honest totals of a node, an identifier a line: one person may be in all datasets that use it."""
    made = []
    held = [d for d in catalogue.datasets if node in d.hosts]
    for identifier in dict.fromkeys(d.person.identifier for d in held):
        own = [b for b in found if (b.scope, b.name) == (AccountScope.IDENTIFIER, identifier)]
        periods = sorted((b for b in own if b.period_days), key=lambda b: b.period_days)
        ever = next((b.spent for b in own if not b.period_days), Loss(0, 0))
        names = tuple(d.name for d in held if d.person.identifier == identifier)
        first = periods[0] if periods else Balance(AccountScope.IDENTIFIER, identifier, 0, Loss(0, 0), None)
        this = first.spent if periods else None
        made.append(Total(identifier, names, this, first.period_days, first.refreshes_ms, ever))
    return tuple(made)


@dataclass(frozen=True, slots=True)
class Guarantee:
    """The most that one person named by ``identifier`` can lose in the whole federation.

    ``nodes``: at how many nodes at once that person may be, over all placements, a node counted once.
    """

    identifier: str
    nodes: int
    lifetime: Loss | None  # None: no cap, so nothing is guaranteed
    period_days: int
    period: Loss | None


def guarantee(manifest: FederationManifest) -> tuple[Guarantee, ...]:
    """Per identifier, the sum over placements of the largest ``overlap`` caps among each placement's hosts.

    Rules set one cap for all nodes, so the largest caps are any; a node that hosts several placements has one account
    for them and counts once.
    """
    datasets, found = manifest.catalogue.datasets, []
    for identifier in dict.fromkeys(d.person.identifier for d in datasets):
        placements: dict[str, tuple[tuple[str, ...], int]] = {}
        for d in (d for d in datasets if d.person.identifier == identifier):
            overlap = max(d.overlap, placements.get(d.placement, ((), 0))[1])
            placements[d.placement] = (d.hosts, min(overlap, len(d.hosts)))
        nodes = most_nodes(list(placements.values()))
        caps = [c for c in manifest.rules.caps if c.scope is AccountScope.IDENTIFIER and c.name in ("", identifier)]
        lifetime = least([cap.lifetime for cap in caps])
        days = min((cap.period_days for cap in caps if cap.period), default=0)
        period = least([cap.period for cap in caps if cap.period and cap.period_days == days])
        found.append(
            Guarantee(
                identifier,
                nodes,
                times(lifetime, nodes) if lifetime else None,
                days,
                times(period, nodes) if period else None,
            )
        )
    return tuple(found)


def most_nodes(placements: Sequence[tuple[Sequence[str], int]]) -> int:
    """At how many distinct nodes one person may be who is at up to ``overlap`` hosts of each placement.

    The largest assignment of nodes to places, by augmenting paths; each placement has ``overlap`` places.
    """
    places = [hosts for hosts, overlap in placements for _ in range(overlap)]
    taken: dict[str, int] = {}

    def seat(place: int, tried: set[str]) -> bool:
        for host in places[place]:
            if host not in tried:
                tried.add(host)
                if host not in taken or seat(taken[host], tried):
                    taken[host] = place
                    return True
        return False

    return sum(seat(place, set()) for place in range(len(places)))


def least(losses: Sequence[Loss]) -> Loss | None:
    """The least of several caps in each part."""
    if not losses:
        return None
    return Loss(min(c.rho_billionths for c in losses), min(c.delta_quintillionths for c in losses))


Account = tuple[AccountScope, str]


def limits(account: Account, caps: Sequence[AccountCap], now: int) -> dict[tuple[int, int], Loss | None]:
    """(period days, period) -> cap of an account at a time, as a node finds it; (0, 0) is its lifetime."""
    own = [cap for cap in caps if cap.scope is account[0] and cap.name in ("", named(account))]
    found: dict[tuple[int, int], Loss | None] = {(0, 0): least([cap.lifetime for cap in own])}
    for days in {cap.period_days for cap in own if cap.period_days and cap.period}:
        found[days, now // (days * DAY_MS)] = least([c.period for c in own if c.period_days == days and c.period])
    return found


def named(account: Account) -> str:
    """What a cap calls the account: a share ("<analyst> <dataset>") goes by its dataset."""
    scope, name = account
    return name.rpartition(" ")[2] if scope is AccountScope.SHARE_ACCOUNT else name


def within_limit(total: Loss, limit: Loss | None) -> bool:
    return (
        limit is None
        or min(difference(limit, total).rho_billionths, difference(limit, total).delta_quintillionths) >= 0
    )


def plus(spent: dict[tuple[Account, int, int], Loss], key: tuple[Account, int, int], loss: Loss) -> Loss:
    """What an account would hold after ``loss``."""
    return add_loss(spent.get(key, Loss(0, 0)), loss)
