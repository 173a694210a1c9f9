"""Caps: per period, over the lifetime, per scope, in rho and in delta."""

from __future__ import annotations

import sqlite3
from typing import Any

import pytest

from engine.errors import Refused
from engine.trusted.records import AccountCap, AccountScope, Loss

DAY_MS = 86_400_000
NINO = (AccountScope.IDENTIFIER, "nino")
NHS = (AccountScope.IDENTIFIER, "nhs")


def exhausted(scope: str = "identifier") -> Any:
    return pytest.raises(Refused, match="BUDGET_EXHAUSTED")


def test_caps_hold_per_period_and_over_the_lifetime(bench: Any, make: Any) -> None:
    bench.caps = (make("cap", AccountScope.IDENTIFIER, "", 25, period=10, days=30),)
    bench.clock.now = 900 * DAY_MS
    ledger = bench.open()
    bench.charge(ledger, 1, 10)
    with exhausted():
        bench.charge(ledger, 2, 1)
    bench.clock.now += 30 * DAY_MS - 1
    with exhausted():
        bench.charge(ledger, 2, 1)
    bench.clock.now += 1
    bench.charge(ledger, 2, 10)
    bench.clock.now += 30 * DAY_MS
    with exhausted():
        bench.charge(ledger, 3, 6)
    bench.charge(ledger, 3, 5)
    bench.clock.now += 300 * DAY_MS
    with exhausted():
        bench.charge(ledger, 4, 1)
    assert (bench.spent(ledger, NINO), bench.spent(ledger, NINO, 30)) == (25, 0)


def test_a_clock_set_back_opens_no_earlier_period(bench: Any, make: Any) -> None:
    bench.caps = (make("cap", AccountScope.IDENTIFIER, "", 100, period=10, days=1),)
    bench.clock.now = 900 * DAY_MS - 1000
    ledger = bench.open()
    bench.charge(ledger, 1, 5)
    bench.clock.now += 2000
    bench.charge(ledger, 2, 10)
    bench.clock.now -= 2000
    with exhausted():
        bench.charge(ledger, 3, 1)


def test_delta_is_an_account_of_its_own(bench: Any) -> None:
    bench.caps = (AccountCap(AccountScope.IDENTIFIER, "", 0, None, Loss(1000, 7)),)
    ledger = bench.open()
    bench.charge(ledger, 1, 1, 7)
    with exhausted():
        bench.charge(ledger, 2, 1, 1)
    bench.charge(ledger, 2, 1, 0)


@pytest.mark.parametrize("rho", [2**63, 2**64 - 1, 10**30])
def test_amounts_beyond_the_file_are_refused_not_wrapped(bench: Any, make: Any, rho: int) -> None:
    most = 2**64 - 1
    bench.caps = (make("cap", AccountScope.IDENTIFIER, "", most),)
    agreement = make("agreement", per_plan=Loss(10**40, 0), budget=Loss(most, most))
    ledger = bench.open()
    with exhausted():
        bench.charge(ledger, 1, rho, agreement=agreement)
    bench.charge(ledger, 1, 2**63 - 1, agreement=agreement)
    with exhausted():
        bench.charge(ledger, 2, 1, agreement=agreement)


def test_the_least_of_several_caps_holds(bench: Any, make: Any) -> None:
    bench.caps = (
        make("cap", AccountScope.IDENTIFIER, "", 100, period=30, days=30),
        make("cap", AccountScope.IDENTIFIER, "nino", 50, period=20, days=30),
        make("cap", AccountScope.IDENTIFIER, "nhs", 10),
    )
    ledger = bench.open()
    bench.charge(ledger, 1, 20, accounts=(NINO,))
    with exhausted():
        bench.charge(ledger, 2, 1, accounts=(NINO,))
    with exhausted():
        bench.charge(ledger, 2, 11, accounts=(NHS,))
    bench.charge(ledger, 2, 10, accounts=(NHS,))


def test_one_account_named_twice_is_charged_once(bench: Any) -> None:
    ledger = bench.open()
    bench.charge(ledger, 1, 10, accounts=(NINO, NINO))
    assert bench.spent(ledger, NINO) == 10


def test_all_accounts_are_charged_or_none(bench: Any, make: Any) -> None:
    bench.caps = (make("cap", AccountScope.IDENTIFIER, "nino", 100), make("cap", AccountScope.IDENTIFIER, "nhs", 5))
    ledger = bench.open()
    with exhausted():
        bench.charge(ledger, 1, 10, accounts=(NINO, NHS))
    assert make("balances", ledger) == []


def test_a_lower_cap_of_a_new_manifest_holds_at_once(bench: Any, make: Any) -> None:
    bench.caps = (make("cap", AccountScope.IDENTIFIER, "", 100),)
    bench.charge(bench.open(), 1, 50)
    bench.caps = (make("cap", AccountScope.IDENTIFIER, "", 40),)
    ledger = bench.open()
    with exhausted():
        bench.charge(ledger, 2, 1)
    bench.caps = (make("cap", AccountScope.IDENTIFIER, "", 51),)
    bench.charge(bench.open(), 2, 1)


def test_one_analysts_share_of_a_dataset_leaves_the_rest_to_others(bench: Any, make: Any) -> None:
    """The cap names the dataset and holds for each analyst apart; another dataset has none."""
    bench.caps = (
        make("cap", AccountScope.IDENTIFIER, "", 100),
        make("cap", AccountScope.SHARE_ACCOUNT, "people", 30, period=20, days=30),
    )
    ledger = bench.open()

    def ask(number: int, analyst: str, dataset: str, rho: int) -> None:
        accounts = (NINO, (AccountScope.SHARE_ACCOUNT, f"{analyst} {dataset}"))
        bench.charge(ledger, number, rho, accounts=accounts, request=make("request", analyst=analyst))

    ask(1, "ana", "people", 20)
    with exhausted() as refused:
        ask(2, "ana", "people", 1)
    assert (refused.value.facts["scope"], refused.value.facts["name"]) == ("share", "ana people")
    assert int(refused.value.facts["refreshes_ms"]) == (bench.clock.now // (30 * DAY_MS) + 1) * 30 * DAY_MS
    ask(2, "bea", "people", 20)
    ask(3, "ana", "visits", 40)
    bench.clock.now += 30 * DAY_MS
    ask(4, "ana", "people", 10)
    with exhausted() as refused:
        ask(5, "ana", "people", 1)
    assert refused.value.facts["refreshes_ms"] == "0"  # her share for ever
    ask(5, "bea", "people", 10)


def test_a_new_edition_of_an_agreement_starts_no_new_account(bench: Any, make: Any) -> None:
    ledger = bench.open()
    bench.charge(ledger, 1, 10, agreement=make("agreement", budget=Loss(10, 0)))
    with exhausted():
        bench.charge(ledger, 2, 1, agreement=make("agreement", budget=Loss(10, 0), edition=2))
    bench.charge(ledger, 2, 1, agreement=make("agreement", budget=Loss(11, 0), edition=3))


def test_an_account_is_kept_with_its_spending_and_its_cap(bench: Any, make: Any) -> None:
    bench.caps = (
        make("cap", AccountScope.IDENTIFIER, "", 100, period=30, days=30),
        make("cap", AccountScope.ANALYST_ACCOUNT, "", 60),
    )
    ledger = bench.open()
    bench.charge(ledger, 1, 10, 1, accounts=(NINO,), agreement=make("agreement", budget=Loss(40, 40)))
    period = bench.clock.now // (30 * 86_400_000)
    assert make("balances", ledger) == [
        (AccountScope.IDENTIFIER.value, "nino", 0, 0, 10, 1, 100, 100),
        (AccountScope.IDENTIFIER.value, "nino", 30, period, 10, 1, 30, 30),
        (AccountScope.AGREEMENT_ACCOUNT.value, "study", 0, 0, 10, 1, 40, 40),
        (AccountScope.ANALYST_ACCOUNT.value, "ana", 0, 0, 10, 1, 60, 60),
    ]


@pytest.mark.parametrize("change", ["rho = rho_cap + 1", "rho = -1", "delta = delta_cap + 1", "delta = -1"])
def test_the_file_itself_refuses_an_overdraft(bench: Any, change: str) -> None:
    bench.charge(bench.open(), 1)
    with sqlite3.connect(bench.path) as db, pytest.raises(sqlite3.IntegrityError, match="CHECK"):
        db.execute(f"UPDATE accounts SET {change}")


def test_the_head_covers_the_totals(bench: Any) -> None:
    ledger = bench.open()
    bench.charge(ledger, 1)
    before = ledger.head()
    with sqlite3.connect(bench.path) as db:
        db.execute("UPDATE accounts SET rho = rho - 1 WHERE scope = 1")
    after = ledger.head()
    assert (after.size, after.root) == (before.size, before.root)
    assert after.totals_digest != before.totals_digest
