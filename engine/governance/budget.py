"""What a member's ledger says is spent and left, read from its home without changing anything.

The ledger is the node's (``state.db``, table ``accounts``); this reads it for the owner's eyes while the node runs.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from engine.errors import BadFile
from engine.trusted.clock import Clock
from engine.trusted.home import Home
from engine.trusted.records import AccountScope, Loss, Role

DAY_MS = 86_400_000
NO_LIMIT = 2**63 - 1
_SPENT = "SELECT scope, name, period_days, period, rho, delta, rho_cap, delta_cap FROM accounts ORDER BY 1, 2, 3"


@dataclass(frozen=True, slots=True)
class Balance:
    """One account in its current period; ``period_days`` 0: its lifetime. ``cap`` None: no limit of its own."""

    scope: AccountScope
    name: str
    period_days: int
    spent: Loss
    cap: Loss | None

    @property
    def left(self) -> Loss | None:
        if self.cap is None:
            return None
        rho = self.cap.rho_billionths - self.spent.rho_billionths
        return Loss(rho, self.cap.delta_quintillionths - self.spent.delta_quintillionths)


def balances(home: Home, clock: Clock) -> tuple[Balance, ...]:
    """Every account of a node charged so far. BadFile FILE_HOME_NOT_A_NODE, FILE_LEDGER_BROKEN."""
    if home.role != Role.NODE.name.lower():
        raise BadFile("FILE_HOME_NOT_A_NODE", path=str(home.path), name=home.name, role=home.role.replace("_", " "))
    if not home.state_path.exists():
        return ()
    try:
        db = sqlite3.connect(f"{home.state_path.absolute().as_uri()}?mode=ro", uri=True)
        try:
            rows = db.execute(_SPENT).fetchall()
        finally:
            db.close()
    except sqlite3.Error as error:
        raise BadFile("FILE_LEDGER_BROKEN", path=str(home.state_path), internal=repr(error)) from None
    now = clock.now_ms()
    found = []
    for scope, name, days, period, rho, delta, rho_cap, delta_cap in rows:
        if days == 0 or period == now // (days * DAY_MS):
            cap = None if rho_cap == NO_LIMIT else Loss(rho_cap, delta_cap)
            found.append(Balance(AccountScope(scope), name, days, Loss(rho, delta), cap))
    return tuple(found)
