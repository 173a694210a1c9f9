"""T3, views: what the coordinator sees of a node, and what a helper sees, is uniform and the same for any data.

The noise is off here, so that masks alone have to hide the sums. False alarms: 1e-6 a test. Over processes, with every
message of a round: tests/processes/test_faults.py.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from neighbours import crowd
from scipy import stats
from world import FORM, HOSTS, NOW, Counted, Form, Recorder, World, datasets_with, operators, shares_of

from engine.trusted import ring, wire
from engine.trusted.mask import add_mask, seed_info, subtract_mask
from engine.trusted.random import SystemRandomness
from nodes.answer import Node, Reply, answer
from nodes.manifest import Arrival

ALARM = 1e-6
ROUNDS = {Form.SHORT: 12, Form.WHOLE: 60, Form.LONG: 600}[FORM]
OPERATOR = next(o for o in operators() if o.name == "capped groups of two keys")
COMMITTEE = ("ada", "helper-1", "helper-2")


def replies(world: World, persons: int, randomness: Any) -> list[tuple[bytes, Reply]]:
    """(round, reply) of host n0 over so many persons' rows, without noise."""
    plan = OPERATOR.plan()
    share = {d.name: crowd(d, persons) for d in datasets_with(plan)}
    tables = {host: world.publish(share, host) for host in HOSTS}
    found = []
    for _ in range(ROUNDS):
        manifest = wire.encode(world.round_(plan, tables))
        seat = replace(world.seats["n0"], randomness=randomness)
        reply = answer(Arrival(manifest, NOW, 1_000.0), Node(seat, tables["n0"], world.source, Recorder()))
        found.append((wire.digest(manifest), reply))
    return found


def seeds(world: World, member: str, round_: bytes, reply: Reply) -> bytes:
    """What a committee member opens: the one seed sealed to it."""
    [share] = [s for s in shares_of(reply) if s.member == member]
    return world.keys[member].sealing.open(share.sealed_seed, seed_info(round_, "n0", member))


def uniform_p(payload: bytes) -> float:
    """The least p-value over bytes and over each bit of a 64-bit word, times their number."""
    found = np.frombuffer(payload, dtype=np.uint8)
    of_bytes = stats.chisquare(np.bincount(found, minlength=256)).pvalue
    words = np.frombuffer(payload[: len(payload) // 8 * 8], dtype="<u8")
    ones = [int(((words >> np.uint64(bit)) & np.uint64(1)).sum()) for bit in range(64)]
    of_bits = min(stats.binomtest(one, len(words)).pvalue for one in ones)
    return float(min(2 * of_bytes, 128 * of_bits, 1.0))


@pytest.fixture(scope="module")
def seen(world: World) -> dict[int, list[tuple[bytes, Reply]]]:
    """Persons -> replies: nobody, and a crowd."""
    return {persons: replies(world, persons, SystemRandomness()) for persons in (0, 80)}


def test_masked_vectors_are_uniform_whatever_the_data(seen: dict[int, Any]) -> None:
    views = {persons: b"".join(reply.vector for _, reply in found) for persons, found in seen.items()}
    assert all(uniform_p(view) > ALARM for view in views.values())
    tables = [np.bincount(np.frombuffer(view, dtype=np.uint8), minlength=256) for view in views.values()]
    assert stats.chi2_contingency(tables).pvalue > ALARM
    for found in seen.values():
        assert len({len(reply.vector) for _, reply in found}) == 1
        assert len({reply.vector[i : i + 8] for _, reply in found for i in range(0, len(reply.vector), 8)}) == sum(
            len(reply.vector) // 8 for _, reply in found
        )


@pytest.mark.parametrize("member", COMMITTEE)
def test_seeds_are_uniform_and_never_repeat(member: str, world: World, seen: dict[int, Any]) -> None:
    views = [seeds(world, member, round_, reply) for found in seen.values() for round_, reply in found]
    assert len(set(views)) == len(views) == 2 * ROUNDS
    assert uniform_p(b"".join(views)) > ALARM
    others = {seeds(world, m, r, reply) for m in COMMITTEE if m != member for r, reply in seen[80]}
    assert not others & set(views)


@pytest.mark.parametrize("missing", COMMITTEE)
def test_without_one_members_seed_the_rest_is_uniform(missing: str, world: World, seen: dict[int, Any]) -> None:
    """The coordinator and all members but one put together what they hold."""
    left = b""
    for round_, reply in seen[80]:
        vector = ring.from_bytes(reply.vector)
        for member in COMMITTEE:
            if member != missing:
                subtract_mask(vector, seeds(world, member, round_, reply), round_, "n0")
        left += ring.to_bytes(vector)
    assert uniform_p(left) > ALARM


def test_with_all_seeds_the_sums_are_there_and_a_missing_mask_would_be_seen(world: World, seen: dict[int, Any]) -> None:
    bare, narrow = b"", b""
    for round_, reply in seen[80]:
        vector = ring.from_bytes(reply.vector)
        for member in COMMITTEE:
            subtract_mask(vector, seeds(world, member, round_, reply), round_, "n0")
        assert int(vector[-1]) == 1
        bare += ring.to_bytes(vector)
        mask = np.zeros(len(vector), dtype=np.uint64)
        add_mask(mask, bytes(32), round_, "n0")
        narrow += ring.to_bytes(ring.add(vector, mask & np.uint64((1 << 60) - 1)))
    assert uniform_p(bare) < ALARM
    assert uniform_p(narrow) < ALARM


def test_a_helpers_view_is_the_same_for_any_data(world: World) -> None:
    """With the same random bytes a helper opens the same seeds over nobody's and a crowd's rows; sizes agree too."""
    views = []
    for persons in (0, 80):
        [*found] = replies(world, persons, Counted("the same"))
        sizes = [(len(s.sealed_seed), s.member) for _, reply in found for s in shares_of(reply)]
        views.append(([seeds(world, "helper-1", round_, reply) for round_, reply in found], sizes))
    assert views[0] == views[1]
