"""A ledger on a clock that tests move, and the requests, agreements and entries that charge it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from engine.trusted.records import (
    AccountCap,
    AccountScope,
    Agreement,
    JournalEntry,
    JournalKind,
    LegalGateway,
    Loss,
    Request,
)
from nodes.ledger import Ledger

DAY_MS = 86_400_000


@dataclass
class FakeClock:
    now: int = 1000 * DAY_MS

    def now_ms(self) -> int:
        return self.now

    def monotonic_ms(self) -> float:
        return float(self.now)


def round_id(number: int | str) -> bytes:
    return sha256(f"round {number}".encode()).digest()


def make_request(**change: Any) -> Request:
    values: dict[str, Any] = dict(  # noqa: C408
        version=1, nonce=bytes(16), federation="demo", analyst="ana", plan_digest=bytes(32),
        agreement_digest=bytes(32), loss=Loss(10, 0), n_min=2, f=0, committee=3, sealing_key=bytes(32),
        created_ms=0, expires_ms=1, max_attempts=1000, runs=1, purpose="",
    )  # fmt: skip
    return Request(**(values | change))


def make_agreement(**change: Any) -> Agreement:
    values: dict[str, Any] = dict(  # noqa: C408
        version=1, name="study", edition=1, title="", purpose="", legal_gateway=LegalGateway.RESEARCH,
        legal_gateway_detail="", necessity="", parties=(), analysts=("ana",), scope=(), operations=(),
        dpia_reference="", dpia_outcome="", consent_basis="", budget=Loss(10**9, 10**9), per_plan=Loss(10**9, 10**9),
        from_ms=0, until_ms=1, decided_by="", end_clause="", retention_days=0, federation="demo",
    )  # fmt: skip
    return Agreement(**(values | change))


def make_entry(request: str = "request", **change: Any) -> JournalEntry:
    values: dict[str, Any] = dict(  # noqa: C408
        version=1, kind=JournalKind.CHARGED, at_ms=0, member="", round=b"", plan_digest=b"p" * 32,
        request_digest=sha256(request.encode()).digest(), agreement_digest=b"a" * 32, analyst="", loss=None,
        snapshots=(), code="", detail="", survivors=(),
    )  # fmt: skip
    return JournalEntry(**(values | change))


def cap(scope: AccountScope, name: str, lifetime: int, period: int | None = None, days: int = 0) -> AccountCap:
    return AccountCap(scope, name, days, None if period is None else Loss(period, period), Loss(lifetime, lifetime))


NINO = (AccountScope.IDENTIFIER, "nino")
PEOPLE = (AccountScope.DATASET, "people")


def balances(ledger: Ledger) -> list[tuple[Any, ...]]:
    """scope, name, days of the period, period, spent rho and delta, and their caps, of every account."""
    return ledger._db.execute("SELECT * FROM accounts ORDER BY 1, 2, 3, 4").fetchall()


@dataclass
class Bench:
    """Opens ledgers at one path and charges them with short calls."""

    path: Path
    clock: FakeClock = field(default_factory=FakeClock)
    caps: tuple[AccountCap, ...] = (cap(AccountScope.IDENTIFIER, "", 10**9),)
    opened: list[Ledger] = field(default_factory=list)

    def open(self, member: str = "north") -> Ledger:
        self.opened.append(Ledger.open(self.path, member, self.clock, self.caps))
        return self.opened[-1]

    def charge(self, ledger: Ledger, number: int | str, rho: int = 10, delta: int = 0, **change: Any) -> None:
        ledger.charge(
            replace(change.get("request", make_request()), loss=Loss(rho, delta)),
            change.get("agreement", make_agreement()),
            change.get("accounts", (NINO, PEOPLE)),
            replace(change.get("entry", make_entry()), round=round_id(number)),
            run=change.get("run", 1),
        )

    def spent(self, ledger: Ledger, account: tuple[AccountScope, str], days: int = 0) -> int:
        """What the account holds in its present period (``days`` 0: over its lifetime)."""
        key = (account[0].value, account[1], days, self.clock.now // (days * DAY_MS) if days else 0)
        return next((row[4] for row in balances(ledger) if row[:4] == key), 0)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    found = Bench(tmp_path / "state.db")
    yield found
    for ledger in found.opened:
        ledger.close()


@pytest.fixture
def make() -> Callable[..., Any]:
    """make('request' | 'agreement' | 'entry' | 'cap' | 'round', ...)"""
    makers: dict[str, Callable[..., Any]] = {
        "request": make_request, "agreement": make_agreement, "entry": make_entry, "cap": cap, "round": round_id,
        "balances": balances,
    }  # fmt: skip
    return lambda what, *args, **change: makers[what](*args, **change)
