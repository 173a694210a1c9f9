"""What each of the five, and the coordinator, sees of a private join."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.trusted import wire
from engine.trusted.join import sizes_of
from engine.trusted.keystream import Keystream
from engine.trusted.mask import answer_info, seed_info
from engine.trusted.messages import Commitment, FromNode
from engine.trusted.noise import ProductionSampler
from engine.trusted.plan import Statistic
from engine.trusted.pseudonym import ascend, matches
from engine.trusted.random import SystemRandomness
from engine.trusted.records import Share
from engine.trusted.ring import Vector
from nodes import joins
from nodes.joins import Part
from nodes.sources import Limits
from nodes.sources.duckdb import DuckDBSource
from nodes.tables import Tables
from tests.nodes.conftest import FixedSampler
from tests.nodes.join_world import HELPERS, LOSS, OWNERS, Joining, World, catalogue_of, measured, plan_over, product

CANARY = "QQ99CANARY"
LEFT = tuple((f"{CANARY}{i}", "F", "N", 200) for i in range(600))
RIGHT = tuple((f"{CANARY}{i}", "old", True, 10) for i in range(200, 900))
MOST = 9.0  # of a chi-square of 255 degrees: false alarm below 1e-10


@pytest.fixture(scope="module")
def source() -> Iterator[DuckDBSource]:
    found = DuckDBSource(Limits(threads=1, memory_mb=512, seconds=60))
    yield found
    found.close()


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory, source: DuckDBSource) -> dict[str, Tables]:
    return World(tmp_path_factory.mktemp("tables"), catalogue_of(), LEFT, RIGHT, source).tables


@pytest.fixture
def world(tmp_path: Path, source: DuckDBSource, tables: dict[str, Tables]) -> Iterator[World]:
    found = World(tmp_path, catalogue_of(), LEFT, RIGHT, source, tables)
    yield found
    found.close()


def joining_of(world: World) -> Joining:
    measures = [
        measured(Statistic.COUNT_ROWS, None, world.catalogue),
        measured(Statistic.SUM, product(), world.catalogue),
    ]
    return world.joining(plan_over(world.catalogue, measures, (("region", "kind"),))).remembered().answered()


def plain(joining: Joining, helper: str, owner: str) -> dict[Part, bytes]:
    """What a helper is sent by an owner, opened: contents by kind."""
    found: dict[Part, bytes] = {}
    for relay in (r for r in joining.relays[helper] if r.sender == owner):
        body = joining.world.keys[helper].sealing.open(relay.sealed, joins.relay_info(relay))
        found[Part(body[0])] = found.get(Part(body[0]), b"") + body[1:]
    return found


def seeds(joining: Joining, helper: str, owner: str) -> bytes:
    record = joining.replies[owner].shares.shares[1 + HELPERS.index(helper)]
    share: Share = wire.decode(Share, record.payload)
    return joining.world.keys[helper].sealing.open(share.sealed_seed, seed_info(share.round, owner, helper))


def words(body: bytes) -> Vector:
    return np.frombuffer(body, dtype="<u8").astype(np.uint64)


def chi_square(found: Vector) -> float:
    counts = np.bincount(found.view(np.uint8), minlength=256)
    expected = found.nbytes / 256
    return float((((counts - expected) ** 2 / expected).sum() - 255) / np.sqrt(2 * 255))


def test_what_a_helper_sees_is_uniform_and_padded(world: World) -> None:
    """Zero draws of padding: each number is its shift above the truth, in both lists and in the match. What a helper
    holds of the rows is uniform; what only all three hold together is the rows."""
    shift = sizes_of(LOSS).shift
    joining = joining_of(world)
    lists = {}
    for owner, persons in zip(OWNERS, (600, 700), strict=True):
        seen = [plain(joining, helper, owner) for helper in HELPERS]
        held = [seeds(joining, helper, owner) for helper in HELPERS]
        lists[owner] = words(seen[0][Part.PSEUDONYMS][joins.SALT_BYTES :]).reshape(-1, 2)
        assert len(lists[owner]) == persons + 3 * shift
        assert ascend(lists[owner])
        assert chi_square(lists[owner].reshape(-1)) < MOST
        assert {Part.THIRD, Part.NOISE}.isdisjoint(seen[0])
        assert Part.NOISE not in seen[1]
        third = words(seen[1][Part.THIRD][joins.SALT_BYTES :])
        assert seen[1][Part.THIRD] == seen[2][Part.THIRD]
        assert chi_square(third) < MOST
        first, second = (held[0][:32], held[0][32:64])
        assert (held[1][:32], held[2]) == (second, first)
        streams = [Keystream(seed).words(len(third)) for seed in (first, second)]
        for known in (third + streams[0], third + streams[1], streams[0] + streams[1]):  # any two shares
            assert chi_square(known) < MOST
        whole = (third + streams[0] + streams[1]).reshape(len(lists[owner]), -1)
        assert np.count_nonzero(whole.any(axis=1)) == persons
        assert chi_square(whole.reshape(-1)) > 10 * MOST
    assert len(matches(*lists.values())[0]) == 400 + 2 * shift


def test_numbers_of_dummies_have_the_law_that_is_paid_for() -> None:
    """Over 2,000 draws mean and deviation are those of a normal that was cut at 0, which is never seen; 6 standard
    errors, false alarm below 1e-8. Half the deviation, or no shift, is far outside."""
    sizes = sizes_of(LOSS)
    sampler = ProductionSampler(SystemRandomness())
    draws = np.array([joins.padding(sizes, sampler) for _ in range(2_000)], dtype=float)
    standing = sizes.sigma / np.sqrt(len(draws))
    assert abs(draws.mean() - sizes.shift) < 6 * standing
    assert abs(draws.std() - sizes.sigma) < 6 * standing / np.sqrt(2)
    assert draws.min() > 0
    assert joins.most_dummies(LOSS) > draws.max()
    assert joins.padding(sizes, FixedSampler(-sizes.shift - 1)) == 0
    asked = FixedSampler(3)
    assert joins.padding(sizes, asked) == sizes.shift + 3
    assert asked.asked == [(sizes.sigma, 1)]


def everything(joining: Joining) -> bytes:
    """Every byte that passes the coordinator."""
    seen = [joining.arrival.manifest]
    for owner in OWNERS:
        seen += [joining.replies[owner].vector, wire.encode(joining.replies[owner].shares)]
    for helper in HELPERS:
        seen += [wire.encode(relay, FromNode) for relay in joining.relays[helper]]
        given = joining.helped(helper)
        seen += [given.sealed, wire.encode(given.answer)]
    return b"".join(seen)


def test_the_coordinator_sees_no_plaintext(world: World) -> None:
    joining = joining_of(world)
    seen = everything(joining)
    assert CANARY.encode() not in seen
    for owner in OWNERS:
        parts = plain(joining, "h3", owner)
        pseudonyms = parts[Part.PSEUDONYMS][joins.SALT_BYTES :]
        for at in range(0, len(pseudonyms), 16):
            assert pseudonyms[at : at + 16] not in seen
        for secret in (parts[Part.PSEUDONYMS][:32], parts[Part.THIRD][:64], parts[Part.NOISE][:32]):
            assert secret not in seen
        for helper in HELPERS:
            held = seeds(joining, helper, owner)
            assert not [at for at in range(0, len(held), 32) if held[at : at + 32] in seen]
    sealed = b"".join(relay.sealed for relay in joining.relays["h2"])
    assert chi_square(words(sealed[: len(sealed) // 8 * 8])) < MOST


def test_a_commitment_confirms_no_guess(world: World) -> None:
    """The other owner knows the key of pseudonyms, the first helper two shares: neither can try out a list, or rows, on
    the digests that everybody sees, because each is of a salt too, and the salt is sealed to those who check."""
    joining = joining_of(world)
    for owner in OWNERS:
        committed: Commitment = wire.decode(Commitment, joining.replies[owner].vector)
        parts = plain(joining, "h2", owner)
        listed, third = parts[Part.PSEUDONYMS], parts[Part.THIRD]
        assert committed.pseudonyms_digest == sha256(listed).digest() != sha256(listed[32:]).digest()
        assert committed.third_digest == sha256(third).digest() != sha256(third[32:]).digest()
        assert listed[:32] != third[:32]
        assert Part.THIRD not in plain(joining, "h1", owner)
    salts = {plain(joining, "h2", owner)[part][:32] for owner in OWNERS for part in (Part.PSEUDONYMS, Part.THIRD)}
    assert len(salts) == 4


def test_two_rounds_share_no_pseudonym_and_no_byte_of_shares(world: World) -> None:
    """The same persons, asked about twice: a helper cannot put the two lists together."""
    first = joining_of(world)
    plan = first.plan
    second = world.joining(plan, nonce=b"2" * 16).remembered().answered()
    seen: list[set[tuple[int, ...]]] = []
    for joining in (first, second):
        listed = words(plain(joining, "h1", "tax")[Part.PSEUDONYMS][32:]).reshape(-1, 2)
        seen.append({tuple(row) for row in listed.tolist()})
    assert not seen[0] & seen[1]


def test_the_sum_of_answers_says_no_more_than_the_release(world: World) -> None:
    """Each answer by itself, and each pair, is uniform: the analyst learns their sum alone."""
    joining = joining_of(world)
    key, round_ = world.keys["ada"].sealing, wire.digest(joining.arrival.manifest)
    found = [words(key.open(joining.helped(h).sealed, answer_info(round_, h))) for h in HELPERS]
    total = sum(found[1:], found[0]).view(np.int64)
    assert total[-1] == 2
    for alone in (*found, found[0] + found[1], found[1] + found[2], found[0] + found[2]):
        assert np.abs(alone.view(np.int64)).min() > 1 << 40  # so small once in 2^19
    assert np.abs(total).max() < 1 << 60


def test_shares_differ_at_each_owner(world: World) -> None:
    joining = joining_of(world)
    drawn: list[Any] = [seeds(joining, helper, owner) for helper in HELPERS[:2] for owner in OWNERS]
    distinct = {body[at : at + 32] for body in drawn for at in range(0, len(body), 32)}
    assert len(distinct) == 8  # of each owner: two for its rows, two for its noise
