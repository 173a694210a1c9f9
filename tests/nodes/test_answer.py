"""The spine on honest rounds: order of charge and reading, one outcome a round, noise, the tick."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from engine.errors import SplittallyError, Unavailable
from engine.trusted import ring, wire
from engine.trusted.records import AccountScope, JournalEntry, JournalKind, Loss
from engine.trusted.sign import open_share
from nodes.answer import answer
from nodes.shares import add_noise, with_check_cell


def entries(node: Any) -> list[JournalEntry]:
    ledger = node.seat.ledger
    return [wire.decode(JournalEntry, ledger.entry(i)) for i in range(ledger.head().size)]


def code_of(arrival: Any, node: Any) -> str:
    with pytest.raises(SplittallyError) as refused:
        answer(arrival, node)
    return refused.value.code


def spent_of(node: Any) -> dict[tuple[AccountScope, str], Loss]:
    rows = node.seat.ledger._db.execute("SELECT scope, name, rho, delta FROM accounts WHERE period_days = 0")
    return {(AccountScope(scope), name): Loss(rho, delta) for scope, name, rho, delta in rows}


def test_charge_is_durable_before_any_row_is_read(federation: Any) -> None:
    node = federation.node("north")
    answer(federation.honest(), node)
    [size] = node.tables.read
    assert [e.kind for e in entries(node)[:size]] == [JournalKind.OPENED, JournalKind.CHARGED]
    assert [e.kind for e in entries(node)[size:]] == [JournalKind.REPLIED]
    spent = spent_of(node)
    assert spent == {
        (AccountScope.IDENTIFIER, "nino"): federation.request().loss,
        (AccountScope.DATASET, "people"): federation.request().loss,
        (AccountScope.AGREEMENT_ACCOUNT, "incomes"): federation.request().loss,
        (AccountScope.ANALYST_ACCOUNT, "ada"): federation.request().loss,
        (AccountScope.SHARE_ACCOUNT, "ada people"): federation.request().loss,
    }


def test_retry_returns_identical_bytes(federation: Any) -> None:
    node, arrival = federation.node("north"), federation.honest()
    first = answer(arrival, node)
    federation.clock.forward(45_000)  # the readies are old by now; a retry is not judged by them
    again = answer(federation.arrive(arrival.manifest), node)
    assert (again.vector, again.shares) == (first.vector, first.shares)
    assert again.leave_ms > first.leave_ms
    assert len(node.tables.read) == 1
    assert sum(e.kind is JournalKind.CHARGED for e in entries(node)) == 1


def test_no_reply_is_given_again_once_the_agreement_is_over(federation: Any) -> None:
    node, arrival = federation.node("north"), federation.honest()
    answer(arrival, node)
    over = {federation.agreement_digest: replace(federation.agreement, until_ms=federation.now)}
    ended = replace(node, seat=replace(node.seat, agreements=over))
    assert code_of(federation.arrive(arrival.manifest), ended) == "POLICY_AGREEMENT_EXPIRED"


def test_failure_after_the_charge_keeps_the_charge(federation: Any) -> None:
    node, arrival = federation.node("north"), federation.honest()
    node.tables.failure = Unavailable("NODE_SOURCE_FAILED")
    assert code_of(arrival, node) == "NODE_SOURCE_FAILED"
    node.tables.failure = None
    assert code_of(arrival, node) == "NODE_SOURCE_FAILED"  # one outcome a round, also when it would work now
    assert len(node.tables.read) == 1
    assert next(iter(spent_of(node).values())) == federation.request().loss
    assert [(e.kind, e.code) for e in entries(node)[1:3]] == [
        (JournalKind.CHARGED, ""),
        (JournalKind.ROUND_REFUSED, "NODE_SOURCE_FAILED"),
    ]


def test_round_charged_before_a_crash_is_lost(federation: Any) -> None:
    node, arrival = federation.node("north"), federation.honest()
    node.tables.failure = KeyboardInterrupt()  # the process ends here
    with pytest.raises(KeyboardInterrupt):
        answer(arrival, node)
    node.seat.ledger.close()
    del federation.seats["north"]
    restarted = federation.node("north")
    assert code_of(arrival, restarted) == "NODE_ROUND_LOST"
    assert restarted.tables.read == []


def test_attempts_beyond_those_signed_are_not_charged(federation: Any) -> None:
    node, request = federation.node("north"), federation.sign(federation.request())
    rounds = [federation.arrive(federation.round(request, nonce=bytes([i]) * 16, attempt=2)) for i in range(3)]
    answer(rounds[0], node)
    answer(rounds[1], node)
    assert code_of(rounds[2], node) == "POLICY_ATTEMPTS_EXHAUSTED"
    assert next(iter(spent_of(node).values())).rho_billionths == 2 * federation.request().loss.rho_billionths


def test_reply_after_the_deadline_is_one_fixed_code(federation: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    node, arrival = federation.node("north"), federation.honest()
    honest = node.tables.partials
    monkeypatch.setattr(node.tables, "partials", lambda: federation.clock.forward(59_990) or honest())
    assert code_of(arrival, node) == "ROUND_LATE"
    assert next(iter(spent_of(node).values())) == federation.request().loss
    assert entries(node)[-1].code == "ROUND_LATE"


def test_every_share_vouches_for_the_vector_and_a_head_that_covers_the_charge(federation: Any) -> None:
    node, arrival = federation.node("north"), federation.honest()
    reply = answer(arrival, node)
    shares = [open_share(record, federation.roster) for record in reply.shares.shares]
    assert [s.member for s in shares] == ["ada", "helper-1", "helper-2"]
    charged = next(at for at, entry in enumerate(entries(node)) if entry.kind is JournalKind.CHARGED)
    for share in shares:
        assert share.vector_digest == wire.digest(reply.vector)
        assert share.head.head.size > charged
    assert len({s.sealed_seed for s in shares}) == 3


def test_noise_is_on_every_cell_but_the_check_cell(federation: Any) -> None:
    sampler = federation.node("north", noise=-3).sampler
    noisy = add_noise(with_check_cell((0, 10, -1)), 64, sampler)
    assert ring.to_signed(noisy) == (-3, 7, -4, 1)
    assert sampler.asked == [(64, 3)]


def test_the_spine_draws_noise_of_its_own_scale_once(federation: Any) -> None:
    node, request = federation.node("north"), federation.sign(federation.request())
    manifest = federation.round(request)
    answer(federation.arrive(manifest), node)
    assert node.sampler.asked == [(manifest.calibration.node_sigma, manifest.calibration.cells)]


def test_what_leaves_is_neither_the_sums_nor_the_noisy_sums(federation: Any) -> None:
    reply = answer(federation.honest(), federation.node("north", sums=(1, 2, 3, 4), noise=5))
    sent = ring.from_bytes(reply.vector)
    assert len(sent) == 5
    for open_ in ((1, 2, 3, 4, 1), (6, 7, 8, 9, 1)):
        assert not np.any(sent == ring.from_integers(open_))
