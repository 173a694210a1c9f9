"""End to end without a network: every admitted set of survivors opens to the sum of exactly their partials."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np
import pytest

from engine.trusted import ring, wire
from engine.trusted.mask import answer_info, seed_info, subtract_mask
from engine.trusted.messages import AskAnswer
from engine.trusted.records import Participant, Share
from nodes.answer import answer
from nodes.committee import help_answer, remember


def opened(federation: Any, arrival: Any, replies: dict[str, Any], survivors: tuple[str, ...]) -> tuple[int, ...]:
    """What coordinator and analyst do with the survivors' vectors and the helpers' sealed answers."""
    round_, keys = wire.digest(arrival.manifest), federation.keys["ada"]
    total = np.zeros(5, dtype=np.uint64)
    for node in survivors:
        total = ring.add(total, ring.from_bytes(replies[node].vector))
        share: Share = wire.decode(Share, replies[node].shares.shares[0].payload)
        subtract_mask(total, keys.sealing.open(share.sealed_seed, seed_info(round_, node, "ada")), round_, node)
    for place, name in enumerate(("helper-1", "helper-2"), 1):
        seat = federation.seat(name)
        said = [replies[node].shares for node in survivors]
        ask = AskAnswer(round_, tuple(s.shares[place] for s in said), tuple(s.proofs[place - 1] for s in said))
        given = help_answer(ask, remember(arrival, seat), seat)
        masks = keys.sealing.open(given.sealed, answer_info(round_, name))
        total = ring.subtract(total, ring.from_bytes(masks))
    return ring.to_signed(total)


@pytest.mark.parametrize("nodes", [1, 2, 3, 5])
def test_masks_cancel_for_every_admitted_subset(nodes: int, federation: Any) -> None:
    """n_min may be as low as 2 here (1 for one node): every set of survivors from there up."""
    least = min(2, nodes)
    dataset = "lone" if nodes == 1 else "people"
    federation.adopt(rules=replace(federation.rules, n_min=least))
    hosts = federation.hosts[:nodes]
    sums = {host: (i, -i, 10**i, 7) for i, host in enumerate(hosts)}
    plan = federation.plan(dataset)
    admitted = [s for size in range(least, nodes + 1) for s in combinations(hosts, size)]
    participants = tuple(Participant(h, federation.snapshots_of(h)) for h in hosts)
    for number, survivors in enumerate(admitted):
        request = federation.request(plan, n_min=least, nonce=bytes([number]) * 16, loss=federation.loss)
        manifest = federation.round(federation.sign(request), plan, participants=participants)
        arrival = federation.arrive(manifest)
        replies = {h: answer(arrival, federation.node(h, sums[h], noise=3)) for h in hosts}
        expected = [sum(sums[h][cell] + 3 for h in survivors) for cell in range(4)]
        assert opened(federation, arrival, replies, survivors) == (*expected, len(survivors))


def test_one_missing_mask_leaves_nothing_readable(federation: Any) -> None:
    arrival = federation.honest()
    replies = {h: answer(arrival, federation.node(h)) for h in federation.hosts}
    total = np.zeros(5, dtype=np.uint64)
    for reply in replies.values():
        total = ring.add(total, ring.from_bytes(reply.vector))
    assert int(total[-1]) != len(replies)
    assert max(abs(cell) for cell in ring.to_signed(total)) > 2**40
