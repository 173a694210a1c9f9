"""The register says what journals say: each entry once, each total the sum of its charges, each cap the signed one."""

from __future__ import annotations

from collections import Counter

import pytest

from engine.governance.federation import Federation
from engine.governance.register.build import build, time_of
from engine.governance.register.rows import Register
from engine.trusted.records import AccountScope, JournalEntry, JournalKind
from engine.trusted.records import Loss as LossOf
from tests.register.histories import COORDINATOR, History, of, random_history

K = JournalKind
NODES = (K.CHARGED, K.REPLIED, K.AGREEMENT_STORED, K.AGREEMENT_REVOKED, K.PAUSED, K.RESUMED)
COORDINATORS = (
    K.REQUESTED,
    K.DECIDED,
    K.RELEASED_TO_ANALYST,
    K.REQUEST_ENDED,
    K.PUBLISHED,
    K.SHARED,
    K.MANIFEST_STORED,
)
DAY_MS = 86_400_000


def made_by(seed: int, federation: Federation) -> tuple[History, Register]:
    history = random_history(federation, seed)
    return history, build(history.evidence(), history.now)


def wanted(entry: JournalEntry) -> bool:
    """Written here a second time: what the brief of the register names."""
    return entry.kind in (*NODES, *COORDINATORS) or (entry.kind is K.ROUND_REFUSED and entry.round != b"")


@pytest.mark.parametrize("seed", range(12))
def test_every_entry_stands_in_the_register_once_and_nothing_else_does(federation: Federation, seed: int) -> None:
    history, register = made_by(seed, federation)
    told = {(row.member, row.position): row for row in register.entries}
    assert len(told) == len(register.entries)
    expected = {
        (name, position): entry
        for name, entries in history.entries.items()
        for position, entry in enumerate(entries)
        if wanted(entry)
    }
    assert told.keys() == expected.keys()
    for place, entry in expected.items():
        row = told[place]
        assert row.kind == entry.kind.name.lower().replace("_", " ")
        digests = (entry.request_digest, entry.round, entry.agreement_digest, entry.record_digest)
        assert (row.request, row.round, row.agreement, row.record) == tuple(d.hex() for d in digests)
        loss = (entry.loss.rho_billionths, entry.loss.delta_quintillionths) if entry.loss else (None, None)
        assert (row.rho_billionths, row.delta_quintillionths) == loss
        assert (row.analyst, row.code, row.detail, row.at) == (
            entry.analyst,
            entry.code,
            entry.detail,
            time_of(entry.at_ms),
        )


@pytest.mark.parametrize("seed", range(12))
def test_charges_and_their_outcomes(federation: Federation, seed: int) -> None:
    history, register = made_by(seed, federation)
    charged = [(name, at) for name, entries in history.entries.items() for at, _ in of(entries, K.CHARGED)]
    assert sorted((row.node, row.position) for row in register.charges) == sorted(charged)
    outcomes = {(row.node, row.outcome_position): row for row in register.charges if row.outcome != "none"}
    expected = {
        (name, at): entry
        for name, entries in history.entries.items()
        for at, entry in of(entries, K.REPLIED, K.ROUND_REFUSED)
        if entry.request_digest
    }
    assert outcomes.keys() == expected.keys()
    for place, entry in expected.items():
        assert outcomes[place].round == entry.round.hex()
        assert outcomes[place].outcome == {K.REPLIED: "replied", K.ROUND_REFUSED: "refused"}[entry.kind]
        assert outcomes[place].code == entry.code


@pytest.mark.parametrize("seed", range(12))
def test_records_stand_once_beside_their_entries(federation: Federation, seed: int) -> None:
    history, register = made_by(seed, federation)
    own = history.entries[COORDINATOR]
    for rows, kinds in (
        (register.pauses, (K.PAUSED, K.RESUMED)),
        (register.publications, (K.PUBLISHED,)),
        (register.decisions, (K.DECIDED,)),
    ):
        assert Counter(row.record for row in rows) == Counter(e.record_digest.hex() for _, e in of(own, *kinds))
    assert [row.position for row in register.shares] == [at for at, _ in of(own, K.SHARED)]
    assert {row.request for row in register.requests} == {e.request_digest.hex() for _, e in of(own, K.REQUESTED)}
    assert [row.agreement for row in register.agreements] == [
        e.agreement_digest.hex() for _, e in of(own, K.AGREEMENT_STORED)
    ]
    assert {row.node for row in register.pauses if row.holds} == {row.node for row in register.pauses}


@pytest.mark.parametrize("seed", range(12))
def test_a_sound_history_contradicts_nothing(federation: Federation, seed: int) -> None:
    """Its losses have no delta: the first agreement's budget has none."""
    history = random_history(federation, seed, deltas=1)
    register = build(history.evidence(), history.now)
    assert register.contradictions == ()
    assert {row.state for row in register.journals} == {"sound"}


@pytest.mark.parametrize("seed", range(12))
def test_totals_are_the_sums_of_charges_and_caps_are_the_signed_ones(federation: Federation, seed: int) -> None:
    history, register = made_by(seed, federation)
    names = {"identifier": "person_id", "dataset": "people", "agreement": "first-agreement", "analyst": "analyst"}
    rows = {(r.node, r.scope, r.name, r.period_days): r for r in register.accounts}
    assert len(rows) == len(register.accounts)
    for node, entries in history.entries.items():
        charges = [entry for _, entry in of(entries, K.CHARGED)]
        for scope, name in (*names.items(), ("share", "analyst people")):
            row = rows.pop((node, scope, name, 0), None)
            assert (row is None) == (not charges)
            if row is not None:
                assert row.charges == len(charges)
                assert row.rho_billionths == sum(e.loss.rho_billionths for e in charges if e.loss)
                assert row.delta_quintillionths == sum(e.loss.delta_quintillionths for e in charges if e.loss)
    caps = {cap.scope: cap for cap in federation.manifest.rules.caps}
    identifier = caps[AccountScope.IDENTIFIER]
    for row in register.accounts:
        if row.scope == "identifier" and not row.period_days:
            assert LossOf(row.cap_rho_billionths or 0, row.cap_delta_quintillionths or 0) == identifier.lifetime
    for (node, scope, _, days), row in rows.items():  # what is left: the periods of identifiers
        assert (scope, days) == ("identifier", identifier.period_days)
        period = history.now // (days * DAY_MS)
        inside = [e for _, e in of(history.entries[node], K.CHARGED) if e.at_ms // (days * DAY_MS) == period]
        assert row.rho_billionths == sum(e.loss.rho_billionths for e in inside if e.loss)
    (person,) = register.persons
    lost = [r.rho_billionths for r in register.accounts if r.scope == "identifier" and not r.period_days]
    assert person.nodes_at_once == 1
    assert person.rho_billionths == max(lost, default=0)
