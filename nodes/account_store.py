"""The ledger's accounts: what was spent, by whom and on what, against the caps in force.

Claim: no account ever holds more than the least of its caps, in its current period and over its lifetime.
Because: amounts are integers, compared inside the transaction that adds them and once more by CHECK; the period is
         that of a clock which never goes back (ledger.py).
Checked by: tests/ledger/test_account_store.py::test_caps_hold_per_period_and_over_the_lifetime
            tests/ledger/test_account_store.py::test_the_file_itself_refuses_an_overdraft
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import astuple
from hashlib import sha256

from engine.errors import require
from engine.trusted.account import add_loss, within
from engine.trusted.records import AccountCap, AccountScope, Loss

DAY_MS = 86_400_000
NO_LIMIT = Loss(2**63 - 1, 2**63 - 1)
SCHEMA = """
CREATE TABLE accounts (scope INTEGER, name TEXT, period_days INTEGER, period INTEGER,
    rho INTEGER NOT NULL, delta INTEGER NOT NULL, rho_cap INTEGER NOT NULL, delta_cap INTEGER NOT NULL,
    PRIMARY KEY (scope, name, period_days, period),
    CHECK (rho BETWEEN 0 AND rho_cap), CHECK (delta BETWEEN 0 AND delta_cap)) STRICT, WITHOUT ROWID;
"""
Account = tuple[AccountScope, str]


def spend(db: sqlite3.Connection, account: Account, caps: Sequence[AccountCap], loss: Loss, now: int) -> None:
    """Adds ``loss`` to an account inside the caller's transaction.

    Raises Refused BUDGET_EXHAUSTED (facts: scope, name, refreshes_ms), and BUDGET_NO_CAP for an identifier that no
    cap names.
    """
    scope, name = account
    require(scope is not AccountScope.IDENTIFIER or bool(_caps_of(account, caps)), "BUDGET_NO_CAP", name=name)
    spent = "SELECT rho, delta FROM accounts WHERE scope = ? AND name = ? AND period_days = ? AND period = ?"
    for period, limit in _limits(account, caps, now).items():
        key = (scope.value, name, *period)
        total = add_loss(Loss(*(db.execute(spent, key).fetchone() or (0, 0))), loss)
        refreshes = (period[1] + 1) * period[0] * DAY_MS
        require_within(total, limit, scope.name.lower().removesuffix("_account"), name, refreshes)
        row = (*key, *astuple(total), *astuple(limit))
        db.execute("INSERT OR REPLACE INTO accounts VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)


def require_within(loss: Loss, cap: Loss, scope: str, name: str, refreshes_ms: int = 0) -> None:
    """Raises Refused BUDGET_EXHAUSTED if ``loss`` is above ``cap`` in rho or in delta; 0: it never refreshes."""
    require(within(loss, cap), "BUDGET_EXHAUSTED", scope=scope, name=name, refreshes_ms=str(refreshes_ms))


def totals_digest(db: sqlite3.Connection) -> bytes:
    """SHA-256 of one JSON line a lifetime account: [scope, name, rho, delta], in order."""
    totals = "SELECT scope, name, rho, delta FROM accounts WHERE period_days = 0 ORDER BY scope, name"
    return sha256(b"".join(json.dumps(row).encode() + b"\n" for row in db.execute(totals))).digest()


def _caps_of(account: Account, caps: Sequence[AccountCap]) -> list[AccountCap]:
    """A share's account is "ANALYST DATASET", and its cap names the dataset, so that it holds for every analyst."""
    name = account[1].rpartition(" ")[2] if account[0] is AccountScope.SHARE_ACCOUNT else account[1]
    return [cap for cap in caps if cap.scope is account[0] and cap.name in ("", name)]


def _limits(account: Account, caps: Sequence[AccountCap], now: int) -> dict[tuple[int, int], Loss]:
    """(period days, period index) -> cap of an account; (0, 0) is its lifetime; several caps: the least."""
    limits = {(0, 0): NO_LIMIT}
    for cap in _caps_of(account, caps):
        limits[0, 0] = _least(limits[0, 0], cap.lifetime)
        if cap.period_days and cap.period is not None:
            key = (cap.period_days, now // (cap.period_days * DAY_MS))
            limits[key] = _least(limits.get(key, NO_LIMIT), cap.period)
    return limits


def _least(a: Loss, b: Loss) -> Loss:
    return Loss(min(a.rho_billionths, b.rho_billionths), min(a.delta_quintillionths, b.delta_quintillionths))
