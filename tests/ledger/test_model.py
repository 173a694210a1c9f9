"""The ledger against a small model of it: dictionaries, no files, no transactions."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import SplittallyError
from engine.trusted.records import AccountScope, Loss
from nodes.ledger import CLOCK_BACK_MS

DAY_MS = 86_400_000
CAPS = {"nino": (60, 25), "nhs": (30, 25)}  # identifier -> lifetime, and a period of ten days
BUDGET, ATTEMPTS = 50, 4
ROUNDS = st.integers(0, 9)
OPERATIONS = st.one_of(
    st.tuples(st.just("charge"), ROUNDS, st.integers(1, 20), st.sampled_from(["nino", "nhs", "both", "none"])),
    st.tuples(st.just("store_reply"), ROUNDS, st.sampled_from([b"one", b"two"])),
    st.tuples(st.just("store_refusal"), ROUNDS, st.sampled_from(["POLICY_SEAL_INVALID", "NODE_UNREACHABLE"])),
    st.tuples(st.just("reply"), ROUNDS),
    st.tuples(st.just("answer"), ROUNDS),
    st.tuples(st.just("wait"), st.sampled_from([1, DAY_MS, 10 * DAY_MS, -1000, -2 * CLOCK_BACK_MS])),
    st.tuples(st.just("reopen")),
)


@dataclass
class Model:
    now: int
    latest: int = 0
    spent: Counter[Any] = field(default_factory=Counter)
    outcomes: dict[int, Any] = field(default_factory=dict)  # "open", "lost", bytes or a code
    answered: set[int] = field(default_factory=set)
    entries: int = 1

    def charge(self, number: int, rho: int, who: str) -> str:
        if self.now < self.latest - CLOCK_BACK_MS:
            return "NODE_CLOCK_BACK"
        if number in self.outcomes:
            return "ROUND_ALREADY_CHARGED"
        if len(self.outcomes) >= ATTEMPTS:
            return "POLICY_ATTEMPTS_EXHAUSTED"
        if who == "none":
            return "BUDGET_NO_CAP"
        period = max(self.now, self.latest) // (10 * DAY_MS)
        limits = {("agreement",): BUDGET}
        for name in ("nino", "nhs"):
            if who in (name, "both"):
                limits |= {(name,): CAPS[name][0], (name, period): CAPS[name][1]}
        if any(self.spent[key] + rho > limit for key, limit in limits.items()):
            return "BUDGET_EXHAUSTED"
        self.spent.update(dict.fromkeys(limits, rho))
        self.outcomes[number] = "open"
        return self._appended()

    def store(self, number: int, outcome: Any) -> str:
        held = self.outcomes.get(number)
        if held is None:
            return "BUG_REPLY_WITHOUT_CHARGE"
        if held == outcome:
            return "done"
        if held not in ("open", "lost"):
            return "BUG_SECOND_REPLY"
        self.outcomes[number] = outcome
        return self._appended()

    def reply(self, number: int) -> Any:
        codes = {"open": "ROUND_ALREADY_CHARGED", "lost": "NODE_ROUND_LOST"}
        held = self.outcomes.get(number)
        return codes.get(held, held) if isinstance(held, str) else held

    def answer(self, number: int) -> str:
        if self.now < self.latest - CLOCK_BACK_MS:
            return "NODE_CLOCK_BACK"
        if number in self.answered:
            return "POLICY_ROUND_ANSWERED"
        if len(self.answered) >= ATTEMPTS:
            return "POLICY_ATTEMPTS_EXHAUSTED"
        self.answered.add(number)
        return self._appended()

    def reopen(self) -> None:
        self.outcomes = {n: "lost" if o == "open" else o for n, o in self.outcomes.items()}

    def _appended(self) -> str:
        self.latest, self.entries = max(self.now, self.latest), self.entries + 1
        return "done"


def outcome_of(call: Any, *arguments: Any, **named: Any) -> Any:
    try:
        found = call(*arguments, **named)
    except SplittallyError as error:
        return error.code
    return "done" if found is None else found


def test_the_ledger_does_what_a_small_model_does(bench: Any, make: Any, tmp_path: Path) -> None:
    folders = iter(range(10**6))
    caps = tuple(make("cap", AccountScope.IDENTIFIER, n, life, period, 10) for n, (life, period) in CAPS.items())
    request, agreement = make("request", max_attempts=ATTEMPTS), make("agreement", budget=Loss(BUDGET, 0))
    names = {"both": ("nino", "nhs"), "none": ("nobody",)}

    @settings(max_examples=40, deadline=None, database=None)
    @given(st.lists(OPERATIONS, min_size=5, max_size=25))
    def law(operations: list[Any]) -> None:
        bench.path, bench.caps, bench.clock.now = tmp_path / f"{next(folders)}.db", caps, 1000 * DAY_MS
        ledger, model = bench.open(), Model(bench.clock.now, bench.clock.now)
        for name, *given_ in operations:
            if name == "charge":
                number, rho, who = given_
                accounts = tuple((AccountScope.IDENTIFIER, n) for n in names.get(who, (who,)))
                found = outcome_of(
                    bench.charge, ledger, number, rho, accounts=accounts, request=request, agreement=agreement
                )
                assert found == model.charge(number, rho, who)
            elif name in ("store_reply", "store_refusal"):
                found = outcome_of(getattr(ledger, name), make("round", given_[0]), given_[1])
                assert found == model.store(*given_)
            elif name == "reply":
                found = outcome_of(ledger.reply, make("round", given_[0]))
                assert (None if found == "done" else found) == model.reply(given_[0])
            elif name == "answer":
                found = outcome_of(ledger.mark_answered, request, make("entry", round=make("round", given_[0])))
                assert found == model.answer(given_[0])
            elif name == "wait":
                bench.clock.now += given_[0]
                model.now = bench.clock.now
            else:
                ledger.close()
                ledger = bench.open()
                model.reopen()
        assert ledger.head().size == model.entries
        for identifier in CAPS:
            assert bench.spent(ledger, (AccountScope.IDENTIFIER, identifier)) == model.spent[(identifier,)]
        assert bench.spent(ledger, (AccountScope.AGREEMENT_ACCOUNT, "study")) == model.spent[("agreement",)]
        ledger.close()

    law()
