"""Budgets: honest totals, the published guarantee, other rules tried on a ledger, and past charges replayed.

The replay is compared with the node's own ledger: the same history charged under the other rules for real.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

import pytest

from engine.catalogue import parse_catalogue
from engine.cli.main import run
from engine.errors import Refused
from engine.governance.agreement import default_agreement, sign_agreement
from engine.governance.budget import balances, guarantee, journal, most_nodes, totals
from engine.governance.federation import found
from engine.governance.homes import store_agreement
from engine.governance.replay import replay, what_if
from engine.governance.text import loss_words
from engine.trusted import wire
from engine.trusted.home import Home
from engine.trusted.random import SystemRandomness
from engine.trusted.records import (
    AccountCap,
    AccountScope,
    Agreement,
    DatasetScope,
    FederationManifest,
    JournalKind,
    Loss,
    Request,
    SnapshotRef,
)
from nodes.ledger import Ledger, entry_of

DAY_MS = 86_400_000
START = 20_000 * DAY_MS
CATALOGUE = """
federation: realm
datasets:
  people: {hosts: [north, south], overlap: 1, person: {column: id, identifier: nino}, rows_per_person: 1,
    columns: {id: {type: text}, age: {type: integer, bounds: [0, 110]}}}
  visits: {hosts: [north], person: {column: id, identifier: nino}, rows_per_person: 3, columns: {id: {type: text}}}
  cars: {hosts: [north, south], person: {column: id, identifier: plate}, rows_per_person: 3,
    columns: {id: {type: text}}}
"""
WIDE = (AccountCap(AccountScope.IDENTIFIER, "", 30, Loss(10**9, 10**9), Loss(10**9, 10**9)),)


@dataclass
class Clock:
    wall: int = START

    def now_ms(self) -> int:
        return self.wall

    def monotonic_ms(self) -> float:
        return float(self.wall)


@dataclass
class North:
    """A node's home whose ledger is charged by the node's own code."""

    home: Home
    clock: Clock
    manifest: FederationManifest
    agreement: Agreement

    def charge(self, ledger: Ledger, number: int, analyst: str, datasets: tuple[str, ...], rho: int) -> None:
        request = Request(
            1, bytes(16), "realm", analyst, bytes(32), b"", Loss(rho, 0), 1, 0, 3, bytes(32), 0, 1, 9, 1, ""
        )
        known = [d for d in self.manifest.catalogue.datasets if d.name in datasets]
        accounts = [(AccountScope.IDENTIFIER, d.person.identifier) for d in known]
        accounts += [(AccountScope.DATASET, d.name) for d in known]
        entry = entry_of(
            JournalKind.CHARGED,
            round=sha256(f"{number}".encode()).digest(),
            request_digest=sha256(f"r{number}".encode()).digest(),
            agreement_digest=wire.digest(wire.encode(self.agreement)),
            snapshots=tuple(SnapshotRef(d.name, "s", 0) for d in known),
        )
        ledger.charge(request, self.agreement, accounts, entry)

    def ledger(self, caps: tuple[AccountCap, ...] = WIDE, path: Path | None = None) -> Ledger:
        return Ledger.open(path or self.home.state_path, "north", self.clock, caps)


@pytest.fixture
def north(tmp_path: Path) -> Iterator[North]:
    clock = Clock()
    federation = found(
        tmp_path / "f", parse_catalogue(CATALOGUE, "c.yaml"), clock=clock, randomness=SystemRandomness(), caps=WIDE
    )
    home = Home.load(federation.home("north"))
    agreement = replace(
        default_agreement(federation.manifest, clock), budget=Loss(10**9, 10**9), per_plan=Loss(10**8, 0)
    )
    store_agreement(home, sign_agreement(agreement, Home.load(federation.home("policy"))))
    yield North(home, clock, federation.manifest, agreement)


def by_digest(north: North) -> dict[bytes, Agreement]:
    return {wire.digest(wire.encode(north.agreement)): north.agreement}


def cap(scope: str, name: str, lifetime: int, period: int = 0, days: int = 0) -> AccountCap:
    return AccountCap(AccountScope[scope], name, days, Loss(period, 9) if period else None, Loss(lifetime, 9))


STRICT = [
    (cap("IDENTIFIER", "", 900, 200, 30),),
    (cap("IDENTIFIER", "", 10**6), cap("DATASET", "people", 300, 90, 7)),
    (cap("IDENTIFIER", "nino", 700), cap("IDENTIFIER", "", 10**6, 150, 10), cap("ANALYST_ACCOUNT", "", 250, 60, 30)),
    (cap("IDENTIFIER", "", 10**6), cap("AGREEMENT_ACCOUNT", "first-agreement", 400)),
]


@pytest.mark.parametrize("caps", STRICT, ids=range(len(STRICT)))
@pytest.mark.parametrize("seed", range(3))
def test_a_replay_decides_as_the_node_would_have(
    north: North, tmp_path: Path, caps: tuple[AccountCap, ...], seed: int
) -> None:
    """One history charged under wide rules, and for real under strict ones: refusals and balances agree."""
    drawn = random.Random(seed)
    wide, strict = north.ledger(), north.ledger(caps, tmp_path / "strict.db")
    refused = []
    for number in range(60):
        north.clock.wall += drawn.randrange(3 * DAY_MS)
        datasets = tuple(drawn.sample(["people", "visits", "cars"], drawn.choice((1, 1, 2))))
        charge = (number, drawn.choice(("ann", "bob")), datasets, drawn.randrange(5, 60))
        north.charge(wide, *charge)
        try:
            north.charge(strict, *charge)
        except Refused as error:
            refused.append((sha256(f"r{number}".encode()).digest(), error.facts["scope"], error.facts["name"]))
    done = replay(journal(north.home), north.manifest.catalogue, caps, by_digest(north), north.clock.wall)
    assert done.charges == 60
    said = [(r.request_digest, *r.account.split(" ", 1)) for r in done.refused]
    assert said == [(digest, scope.removesuffix("_account"), name) for digest, scope, name in refused]
    assert 0 < len(said) < 60
    real = {
        (AccountScope(row[0]), row[1], row[2]): (row[4], None if row[6] == 2**63 - 1 else row[6])
        for row in strict._db.execute("SELECT * FROM accounts")
        if not row[2] or row[3] == north.clock.wall // (row[2] * DAY_MS)
    }
    replayed = {
        (b.scope, b.name, b.period_days): (b.spent.rho_billionths, b.cap.rho_billionths if b.cap else None)
        for b in done.balances
    }
    assert replayed == real
    for ledger in (wide, strict):
        ledger.close()


def test_the_rules_in_force_refuse_nothing_that_was_charged(north: North) -> None:
    ledger = north.ledger()
    for number in range(5):
        north.charge(ledger, number, "ann", ("people",), 10)
    ledger.record(entry_of(JournalKind.ROUND_REFUSED, round=b"x" * 32, code="BUDGET_EXHAUSTED"))
    ledger.close()
    entries = journal(north.home)
    done = replay(entries, north.manifest.catalogue, north.manifest.rules.caps, by_digest(north), north.clock.wall)
    assert done.refused == ()
    assert done.refusals == {"BUDGET_EXHAUSTED": 1}
    own = {(b.scope, b.name, b.period_days, b.spent, b.refreshes_ms) for b in balances(north.home, north.clock)}
    assert {(b.scope, b.name, b.period_days, b.spent, b.refreshes_ms) for b in done.balances} == own


DRAFTS = {
    "POLICY_AGREEMENT_NOT_YET": {"from_ms": START + DAY_MS},
    "POLICY_AGREEMENT_EXPIRED": {"until_ms": START},
    "POLICY_ANALYST_NOT_NAMED": {"analysts": ("bob",)},
    "POLICY_DATASET_OUT_OF_SCOPE": {"scope": (DatasetScope("cars", ("id",)),)},
    "POLICY_PRICE_ABOVE_AGREEMENT": {"per_plan": Loss(9, 0)},
    "BUDGET_EXHAUSTED": {"budget": Loss(25, 0)},
    "": {"title": "Another"},
}


@pytest.mark.parametrize(("code", "change"), DRAFTS.items(), ids=lambda value: value if isinstance(value, str) else "")
def test_a_drafted_agreement_is_tried_on_the_past(north: North, code: str, change: dict[str, object]) -> None:
    ledger = north.ledger()
    for number in range(3):
        north.charge(ledger, number, "ann", ("people",), 10)
    ledger.close()
    drafted = replace(north.agreement, analysts=("ann",), edition=2)
    drafted = replace(drafted, **change)  # type: ignore[arg-type]
    caps = north.manifest.rules.caps
    done = replay(journal(north.home), north.manifest.catalogue, caps, by_digest(north), START, drafted)
    assert {r.code for r in done.refused} == ({code} if code else set())
    assert len(done.refused) == (0 if not code else 1 if code == "BUDGET_EXHAUSTED" else 3)
    other = replace(drafted, name="other")
    assert replay(journal(north.home), north.manifest.catalogue, caps, by_digest(north), START, other).refused == ()


def test_a_share_is_one_analysts_part_of_a_dataset(north: North) -> None:
    ledger = north.ledger()
    for number, analyst in enumerate(("ann", "ann", "bob")):
        north.charge(ledger, number, analyst, ("people",), 10)
    ledger.close()
    caps = (*WIDE, cap("SHARE_ACCOUNT", "people", 15), cap("SHARE_ACCOUNT", "cars", 1))
    done = replay(journal(north.home), north.manifest.catalogue, caps, by_digest(north), START)
    assert [(r.analyst, r.account) for r in done.refused] == [("ann", "share ann people")]
    left = {b.name: b.left for b in done.balances if b.scope is AccountScope.SHARE_ACCOUNT}
    assert left == {"ann people": Loss(5, 9), "bob people": Loss(5, 9)}


def test_totals_are_honest_over_datasets_periods_and_for_ever(north: North) -> None:
    ledger = north.ledger()
    north.charge(ledger, 1, "ann", ("people",), 10)
    north.clock.wall += 40 * DAY_MS
    north.charge(ledger, 2, "bob", ("visits",), 7)
    ledger.close()
    nino, plate = totals(balances(north.home, north.clock), north.manifest.catalogue, "north")
    assert (nino.identifier, nino.datasets, nino.period_days) == ("nino", ("people", "visits"), 30)
    assert (nino.this_period, nino.ever) == (Loss(7, 0), Loss(17, 0))
    assert north.clock.wall < nino.ends_ms <= north.clock.wall + 30 * DAY_MS
    assert nino.ends_ms % (30 * DAY_MS) == 0
    assert (plate.ever, plate.datasets) == (Loss(0, 0), ("cars",))


@pytest.mark.parametrize(
    ("placements", "most"),
    [
        ([], 0),
        ([("ab", 1)], 1),
        ([("ab", 2)], 2),
        ([("ab", 1), ("ab", 1)], 2),
        ([("a", 1), ("a", 1)], 1),  # a node counted once
        ([("ab", 2), ("abcdef", 1), ("ab", 2)], 3),
        ([("a", 1), ("ab", 1), ("abc", 1)], 3),
        ([("ab", 2), ("bc", 1)], 3),
        ([("abcd", 4), ("cd", 1)], 4),
    ],
)
def test_at_how_many_nodes_a_person_may_be(placements: list[tuple[str, int]], most: int) -> None:
    assert most_nodes(placements) == most


def test_the_guarantee_is_the_sum_of_the_largest_caps(north: North) -> None:
    """nino: people is at one node of two, visits at north; so two nodes. plate: overlap unknown, so both hosts."""
    nino, plate = guarantee(north.manifest)
    assert (nino.identifier, nino.nodes, nino.lifetime, nino.period_days) == ("nino", 2, Loss(2 * 10**9, 2 * 10**9), 30)
    assert (plate.identifier, plate.nodes) == ("plate", 2)
    caps = (cap("IDENTIFIER", "nino", 50, 20, 7), cap("IDENTIFIER", "", 100))
    changed = replace(north.manifest, rules=replace(north.manifest.rules, caps=caps))
    nino, plate = guarantee(changed)
    assert (nino.lifetime, nino.period, nino.period_days) == (Loss(100, 18), Loss(40, 18), 7)
    assert (plate.lifetime, plate.period) == (Loss(200, 18), None)
    none = replace(north.manifest, rules=replace(north.manifest.rules, caps=caps[:1]))
    assert guarantee(none)[1].lifetime is None


@pytest.mark.parametrize(
    ("delta", "words"), [(0, "at delta 1e-06"), (10**12, "at delta 2e-06"), (10**18, "no promise at all")]
)
def test_a_loss_is_shown_at_a_delta_that_it_has(delta: int, words: str) -> None:
    assert words in loss_words(Loss(10**7, delta))


def test_a_cap_with_a_large_delta_is_shown_too(north: North, capsys: pytest.CaptureFixture[str]) -> None:
    ledger = north.ledger((AccountCap(AccountScope.IDENTIFIER, "", 0, None, Loss(10**9, 10**14)),))
    north.charge(ledger, 1, "ann", ("people",), 10)
    ledger.close()
    assert run(["budget", "--home", str(north.home.path)]) == 0
    assert "(delta 2e-04)" in capsys.readouterr().out
    assert run(["budget", "--home", str(north.home.path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["cap_epsilon"] > 0


def test_other_rules_say_what_would_be_left(north: North) -> None:
    ledger = north.ledger()
    north.charge(ledger, 1, "ann", ("people",), 10)
    ledger.close()
    caps = (cap("IDENTIFIER", "", 8, 30, 30), cap("ANALYST_ACCOUNT", "ann", 12))
    shown = {(b.scope.name, b.period_days): c for b, c in what_if(balances(north.home, north.clock), caps, START)}
    assert shown["IDENTIFIER", 0] == Loss(8, 9)
    assert shown["IDENTIFIER", 30] == Loss(30, 9)
    assert shown["ANALYST_ACCOUNT", 0] == Loss(12, 9)
    assert shown["DATASET", 0] is None
    assert shown["AGREEMENT_ACCOUNT", 0] == north.agreement.budget


def test_the_commands_say_it_in_words_and_change_nothing(
    north: North, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ledger = north.ledger()
    north.charge(ledger, 1, "ann", ("people",), 10_000_000)
    ledger.close()
    before = north.home.state_path.read_bytes()
    (tmp_path / "r.yaml").write_text("caps: [{account: identifier, lifetime: {epsilon: 0.2, delta: 1e-6}}]\n")
    home, rules = ("--home", str(north.home.path)), ("--rules", str(tmp_path / "r.yaml"))

    def said(*arguments: str) -> str:
        assert run(arguments) == 0
        return capsys.readouterr().out

    shown = said("budget", *home)
    assert "does not undo old loss" in shown
    assert "A person with one nino, in people, visits together, can have lost here" in shown
    assert "does not undo old loss" in said("budget", "totals", *home)
    assert "who may be at 2 nodes, can lose at most" in said("budget", "guarantee", *home)
    assert "nothing: everything would be refused" in said("budget", "what-if", *home, *rules)
    replayed = said("budget", "replay", *home, *rules)
    assert "1 of 1 past charges would have been refused" in replayed
    assert "identifier nino" in replayed
    for command in ("totals", "guarantee", "what-if", "replay"):
        more = rules if command in ("what-if", "replay") else ()
        assert json.loads(said("budget", command, *home, *more, "--json"))
    assert north.home.state_path.read_bytes() == before
