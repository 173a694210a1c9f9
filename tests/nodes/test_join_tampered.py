"""What a coordinator or an owner can do to the streams of a private join: refused, and nothing is said."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.errors import SplittallyError
from engine.trusted import wire
from engine.trusted.mask import seed_info
from engine.trusted.messages import Commitment, Relay
from engine.trusted.plan import Statistic
from engine.trusted.records import RecordKind, Share
from engine.trusted.seal import seal
from engine.trusted.sign import signed
from nodes import answer as spine
from nodes import joins, offer
from nodes.joins import Part
from nodes.sources import Limits
from nodes.sources.duckdb import DuckDBSource
from nodes.tables import Tables
from tests.nodes.join_world import HELPERS, OWNERS, Joining, World, catalogue_of, measured, plan_over

LEFT = tuple((f"p{i}", "FM"[i % 2], "NSW"[i % 3], i) for i in range(40))
RIGHT = tuple((f"p{i}", "old", True, 1) for i in range(20, 60))
Change = Callable[[Joining, str], None]


@pytest.fixture(scope="module")
def source() -> Iterator[DuckDBSource]:
    found = DuckDBSource(Limits(threads=1, memory_mb=512, seconds=60))
    yield found
    found.close()


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory, source: DuckDBSource) -> dict[str, Tables]:
    return World(tmp_path_factory.mktemp("tables"), catalogue_of(), LEFT, RIGHT, source).tables


@pytest.fixture
def world(
    tmp_path: Path, source: DuckDBSource, tables: dict[str, Tables], monkeypatch: pytest.MonkeyPatch
) -> Iterator[World]:
    """Parts are so small that every stream has many."""
    monkeypatch.setattr(joins, "PLAIN_BYTES", 1_024)
    found = World(tmp_path, catalogue_of(), LEFT, RIGHT, source, tables)
    yield found
    found.close()


def joining_of(world: World, **changes: Any) -> Joining:
    plan = plan_over(world.catalogue, (measured(Statistic.COUNT_ROWS, None, world.catalogue),), (("sex",),))
    return world.joining(plan, **changes).remembered()


@pytest.fixture
def joining(world: World) -> Joining:
    return joining_of(world).answered()


def own(joining: Joining, helper: str, sender: str = "tax") -> list[int]:
    """The places of one sender's parts in what is relayed to a helper."""
    return [i for i, relay in enumerate(joining.relays[helper]) if relay.sender == sender]


# -- by the coordinator, who cannot open a part


def drop(which: int) -> Change:
    def change(joining: Joining, helper: str) -> None:
        del joining.relays[helper][own(joining, helper)[which]]

    return change


def drop_all(joining: Joining, helper: str) -> None:
    joining.relays[helper] = [r for r in joining.relays[helper] if r.sender != "tax"]


def repeat(joining: Joining, helper: str) -> None:
    at = own(joining, helper)[1]
    joining.relays[helper].insert(at, joining.relays[helper][at])


def one_more(joining: Joining, helper: str) -> None:
    last = joining.relays[helper][own(joining, helper)[-1]]
    joining.relays[helper].append(replace(last, sequence=last.sequence + 1))


def more_of_its_own(joining: Joining, helper: str) -> None:
    """A part after the last one, rightly sealed: anybody can seal to a helper."""
    last = joining.relays[helper][own(joining, helper)[-1]]
    bare = replace(last, sequence=last.sequence + 1, last=False)
    joining.relays[helper].append(resealed(joining, bare, bytes([Part.THIRD]) + b"x"))


def swap(joining: Joining, helper: str) -> None:
    a, b = own(joining, helper)[2:4]
    held = joining.relays[helper]
    held[a], held[b] = held[b], held[a]


def renumber(joining: Joining, helper: str) -> None:
    """Two parts change places and take each other's numbers."""
    a, b = own(joining, helper)[2:4]
    held = joining.relays[helper]
    held[a], held[b] = replace(held[b], sequence=held[a].sequence), replace(held[a], sequence=held[b].sequence)


def flip(joining: Joining, helper: str) -> None:
    at = own(joining, helper)[2]
    relay = joining.relays[helper][at]
    joining.relays[helper][at] = replace(relay, sealed=relay.sealed[:-1] + bytes([relay.sealed[-1] ^ 1]))


def end_early(joining: Joining, helper: str) -> None:
    at = own(joining, helper)[2]
    joining.relays[helper][at] = replace(joining.relays[helper][at], last=True)


def of_another_helper(joining: Joining, helper: str) -> None:
    other = HELPERS[(HELPERS.index(helper) + 1) % 3]
    mine, theirs = own(joining, helper)[1], own(joining, other)[1]
    joining.relays[helper][mine] = replace(joining.relays[other][theirs], receiver=helper)


def of_the_other_owner(joining: Joining, helper: str) -> None:
    mine, theirs = own(joining, helper)[1], own(joining, helper, "welfare")[1]
    joining.relays[helper][mine] = replace(joining.relays[helper][theirs], sender="tax")


def other_round(joining: Joining) -> Joining:
    """A second attempt of the same request, which the left owner answered."""
    if not hasattr(joining.world, "second"):
        joining.world.second = joining_of(joining.world, nonce=b"1" * 16).answered("tax")  # type: ignore[attr-defined]
    return joining.world.second  # type: ignore[attr-defined,no-any-return]


def of_another_round(joining: Joining, helper: str) -> None:
    other = other_round(joining)
    at = own(joining, helper)[1]
    relay = other.relays[helper][own(other, helper)[1]]
    joining.relays[helper][at] = replace(relay, round=joining.relays[helper][at].round)


def resealed(joining: Joining, bare: Relay, plain: bytes) -> Relay:
    key = joining.world.keys[bare.receiver].sealing.public
    return replace(bare, sealed=seal(plain, key, joins.relay_info(bare)))


def plain_of(joining: Joining, relay: Relay) -> bytes:
    return joining.world.keys[relay.receiver].sealing.open(relay.sealed, joins.relay_info(relay))


def alter(part: Part, edit: Callable[[bytes], bytes], which: int = -1) -> Change:
    """One part of a kind, sealed anew with another content: what a coordinator does blindly, or an owner at will."""

    def change(joining: Joining, helper: str) -> None:
        held = joining.relays[helper]
        found = [i for i in own(joining, helper) if plain_of(joining, held[i])[0] == part]
        relay = held[found[which]]
        held[found[which]] = resealed(joining, relay, bytes([part]) + edit(plain_of(joining, relay)[1:]))

    return change


def bump(body: bytes) -> bytes:
    return bytes([body[0] ^ 1]) + body[1:]


STREAM, UNFIT = "ROUND_JOIN_STREAM", "ROUND_JOIN_COMMITMENT"
EVERY, THIRD, LAST = ("h1", "h2", "h3"), ("h2", "h3"), ("h3",)
TAMPERED: dict[str, tuple[Change, tuple[str, ...], str]] = {
    "the first part is missing": (drop(0), EVERY, STREAM),
    "a part in the middle is missing": (drop(2), EVERY, STREAM),
    "the end is missing": (drop(-1), EVERY, STREAM),
    "the last of the rows is missing": (drop(-2), EVERY, STREAM),
    "nothing came": (drop_all, EVERY, STREAM),
    "a part came twice": (repeat, EVERY, STREAM),
    "the end came twice": (one_more, EVERY, STREAM),
    "a part after the end": (more_of_its_own, EVERY, STREAM),
    "two parts changed places": (swap, EVERY, STREAM),
    "two parts took each other's numbers": (renumber, EVERY, STREAM),
    "a bit flipped": (flip, EVERY, STREAM),
    "a part says that it is the last": (end_early, EVERY, STREAM),
    "a part for another helper": (of_another_helper, EVERY, STREAM),
    "a part of the other owner": (of_the_other_owner, EVERY, STREAM),
    "a part of another round": (of_another_round, EVERY, STREAM),
    "another pseudonym": (alter(Part.PSEUDONYMS, bump), EVERY, UNFIT),
    "another salt": (alter(Part.PSEUDONYMS, bump, 0), EVERY, UNFIT),
    "a pseudonym too few": (alter(Part.PSEUDONYMS, lambda b: b[:-16]), EVERY, STREAM),
    "half a pseudonym more": (alter(Part.PSEUDONYMS, lambda b: b + bytes(8)), EVERY, STREAM),
    "another third share": (alter(Part.THIRD, bump), THIRD, UNFIT),
    "another salt of the third share": (alter(Part.THIRD, bump, 0), THIRD, UNFIT),
    "a third share too short": (alter(Part.THIRD, lambda b: b[:-8]), THIRD, STREAM),
    "another noise": (alter(Part.NOISE, bump), LAST, UNFIT),
    "a noise too short": (alter(Part.NOISE, lambda b: b[:-8]), LAST, STREAM),
    "a part of another kind": (alter(Part.PSEUDONYMS, lambda b: b, 0), (), STREAM),
    "another commitment": (alter(Part.COMMITMENT, bump), EVERY, UNFIT),
    "no commitment": (alter(Part.COMMITMENT, lambda b: b""), EVERY, UNFIT),
}


def refused(joining: Joining, helper: str, code: str) -> None:
    with pytest.raises(SplittallyError) as found:
        joining.helped(helper)
    assert found.value.code == code
    assert found.value.facts.get("name", "tax") == "tax"


@pytest.mark.parametrize("name", TAMPERED)
def test_a_stream_that_was_tampered_with_is_refused(name: str, joining: Joining) -> None:
    change, helpers, code = TAMPERED[name]
    for helper in HELPERS:
        if helper in helpers:
            change(joining, helper)
            refused(joining, helper, code)
        else:
            joining.helped(helper)  # the others are not disturbed


def test_a_part_of_an_unknown_kind_is_refused(joining: Joining) -> None:
    for helper, plain in zip(HELPERS, (b"", b"\xff", bytes([Part.END])), strict=True):
        held, at = joining.relays[helper], own(joining, helper)[1]
        held[at] = resealed(joining, held[at], plain)
        refused(joining, helper, STREAM)


# -- by an owner, who commits to what it likes


def recommitted(joining: Joining, helper: str, **changes: Any) -> None:
    """The left owner commits anew, to this helper: in its stream and in its signed share."""
    reply = joining.replies["tax"]
    committed: Commitment = wire.decode(Commitment, reply.vector)
    body = wire.encode(replace(committed, **changes))
    alter(Part.COMMITMENT, lambda _: body)(joining, helper)
    reshared(joining, helper, vector_digest=wire.digest(body))


def reshared(joining: Joining, helper: str, seeds: bytes | None = None, **changes: Any) -> None:
    world, reply, place = joining.world, joining.replies["tax"], 1 + HELPERS.index(helper)
    share: Share = wire.decode(Share, reply.shares.shares[place].payload)
    if seeds is not None:
        key = world.keys[helper].sealing.public
        changes["sealed_seed"] = seal(seeds, key, seed_info(share.round, "tax", helper))
    again = signed(RecordKind.SHARE, wire.encode(replace(share, **changes)), world.keys["tax"].signing)
    shares = (*reply.shares.shares[:place], again, *reply.shares.shares[place + 1 :])
    joining.replies["tax"] = replace(reply, shares=replace(reply.shares, shares=shares))


DIGEST = bytes(32)
COMMITTED: dict[str, tuple[dict[str, Any], str]] = {
    "of another round": ({"round": DIGEST}, UNFIT),
    "of the other owner": ({"owner": "welfare"}, UNFIT),
    "to other pseudonyms": ({"pseudonyms_digest": DIGEST}, UNFIT),
    "to wider rows": ({"width": 4}, UNFIT),
    "to no rows": ({"rows": 0}, UNFIT),
    "to more rows than persons there may be": ({"rows": 1 << 40}, UNFIT),
    "to one row more": ({"rows": 1}, UNFIT),
    "to other seeds": ({"seed_digests": (DIGEST, DIGEST)}, UNFIT),
    "to no seeds": ({"seed_digests": ()}, UNFIT),
    "to other noise": ({"noise_digests": (DIGEST, DIGEST, DIGEST)}, UNFIT),
    "to less noise": ({"noise_digests": (DIGEST,)}, UNFIT),
}


@pytest.mark.parametrize("name", COMMITTED)
@pytest.mark.parametrize("helper", HELPERS)
def test_a_commitment_that_does_not_hold_is_refused(name: str, helper: str, joining: Joining) -> None:
    changes, code = COMMITTED[name]
    if changes.get("rows") == 1:
        committed: Commitment = wire.decode(Commitment, joining.replies["tax"].vector)
        changes = {"rows": committed.rows + 1}
        code = STREAM
    recommitted(joining, helper, **changes)
    with pytest.raises(SplittallyError) as found:
        joining.helped(helper)
    assert found.value.code in (code, STREAM)


def test_more_rows_than_an_honest_owner_sends_are_not_read(joining: Joining) -> None:
    """What fits its commitment in every way, but names more persons than the catalogue and the price allow."""
    held = joining.held["h1"]
    assert held.join is not None
    committed: Commitment = wire.decode(Commitment, joining.replies["tax"].vector)
    for most in (committed.rows - 1, committed.rows):
        joining.held["h1"] = replace(held, join=replace(held.join, most_rows=(most, held.join.most_rows[1])))
        if most == committed.rows:
            joining.helped("h1")
        else:
            with pytest.raises(SplittallyError, match=UNFIT):
                joining.helped("h1")


@pytest.mark.parametrize(("helper", "held"), [("h1", 3), ("h2", 2), ("h3", 1)])
def test_other_seeds_than_those_committed_to_are_refused(helper: str, held: int, joining: Joining) -> None:
    world = joining.world
    share: Share = wire.decode(Share, joining.replies["tax"].shares.shares[1 + HELPERS.index(helper)].payload)
    seeds = world.keys[helper].sealing.open(share.sealed_seed, seed_info(share.round, "tax", helper))
    assert len(seeds) == 32 * held
    for at in range(held):
        reshared(joining, helper, seeds[: 32 * at] + bytes(32) + seeds[32 * at + 32 :])
        refused(joining, helper, UNFIT)
    for wrong in (b"", seeds[:-1], seeds[:-32], seeds + bytes(32)):
        reshared(joining, helper, wrong)
        refused(joining, helper, UNFIT)
    reshared(joining, helper, seeds)
    joining.helped(helper)  # nothing was burnt


def test_a_third_share_that_does_not_fit_is_found_before_anything_is_said(joining: Joining) -> None:
    """It is hashed while it is multiplied: the round is burnt by then, and there is no answer."""
    alter(Part.THIRD, bump)(joining, "h2")
    refused(joining, "h2", UNFIT)
    refused(joining, "h2", "POLICY_ROUND_ANSWERED")


@pytest.mark.parametrize("fault", ["a person twice", "out of order"])
def test_a_list_that_repeats_a_person_is_refused(fault: str, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The owner commits to it as to any other."""
    honest = offer._listed

    def listed(*arguments: Any) -> offer.Listed:
        found = honest(*arguments)
        rows = found.pseudonyms.copy()
        if fault == "a person twice":
            rows[1] = rows[0]
        else:
            rows[[0, 1]] = rows[[1, 0]]
        return replace(found, pseudonyms=rows)

    joining = joining_of(world).answered("welfare")
    monkeypatch.setattr(offer, "_listed", listed)
    joining.answered("tax")
    for helper in HELPERS:
        refused(joining, helper, UNFIT)


@pytest.mark.parametrize("odd", HELPERS)
def test_a_list_shown_to_one_helper_alone_gives_noise(odd: str, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The left owner makes two offers, each sound by itself, and gives one helper the parts of the second. No helper
    can tell; the zero shares do: the check cell is not 2, and every other cell is uniform."""
    kept: list[Any] = []
    honest = spine.owned
    monkeypatch.setattr(spine, "owned", lambda *a: kept.append(honest(*a)) or kept[-1])
    joining = joining_of(world).answered()
    [mine, _] = [held for held in kept if held.side.host == "tax"] + [None]
    node = world.node("tax")
    fewer = replace(mine, matched=mine.matched - 1)
    body, shares, relays = offer.offer(joining.round, fewer, node.tables, node.source, node.sampler, node.seat)
    second = replace(
        joining, relays={odd: list(relays)}, replies={"tax": replace(joining.replies["tax"], shares=shares)}
    )
    joining.relays[odd] = [r for r in joining.relays[odd] if r.sender != "tax"]
    joining.relays[odd] += [r for r in second.relays[odd] if r.receiver == odd]
    place = 1 + HELPERS.index(odd)
    honest_shares = joining.replies["tax"].shares
    mixed = (*honest_shares.shares[:place], shares.shares[place], *honest_shares.shares[place + 1 :])
    joining.replies["tax"] = replace(joining.replies["tax"], shares=replace(honest_shares, shares=mixed))
    opened = joining.opened((helper, joining.helped(helper)) for helper in HELPERS)
    assert opened[-1] != 2
    assert min(map(abs, opened)) > 1 << 40  # each is that small once in 2^22 rounds
    assert body != joining.replies["tax"].vector
    assert OWNERS[0] == mine.side.host


@pytest.mark.parametrize("odd", HELPERS)
def test_a_commitment_shown_to_one_helper_alone_gives_noise(odd: str, joining: Joining) -> None:
    """It differs where this helper cannot check it, and lists, shares and matches are the same: only the zero shares,
    which bind the commitments themselves, keep the answer from being read."""
    committed: Commitment = wire.decode(Commitment, joining.replies["tax"].vector)
    first, second = committed.seed_digests
    unseen: dict[str, dict[str, Any]] = {
        "h1": {"third_digest": DIGEST},
        "h2": {"seed_digests": (DIGEST, second)},
        "h3": {"seed_digests": (first, DIGEST)},
    }
    recommitted(joining, odd, **unseen[odd])
    opened = joining.opened((helper, joining.helped(helper)) for helper in HELPERS)
    assert min(map(abs, opened)) > 1 << 40  # each is that small once in 2^22 rounds


def test_two_owners_with_unlike_keys_match_nobody(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A right owner under another key than agreed: no match, so nothing of the left one's is in the answer."""
    honest = spine.owned

    def other(*arguments: Any) -> Any:
        found = honest(*arguments)
        return replace(found, key=bytes(32)) if found.side.host == "welfare" else found

    monkeypatch.setattr(spine, "owned", other)
    joining = joining_of(world).answered()
    assert joining.opened((helper, joining.helped(helper)) for helper in HELPERS) == (0, 0, 0, 2)


def test_words_beyond_their_bounds_stay_where_they_are(world: World) -> None:
    """The entries of a list add to the row and word they name, and to no other."""
    listed = offer.Listed(
        np.zeros((5, 2), np.uint64),
        (
            offer.Words(np.array([0, 0, 3]), np.array([0, 1, 1]), (0, 3), (np.array([1, 2, 3]), np.array([4, 5, -6]))),
            offer.Words(np.array([3]), np.array([0]), (5,), (np.array([7]),)),
        ),
        6,
    )
    whole = listed.rows(0, 5)
    assert whole.view(np.int64).tolist() == [
        [1, 2, 0, 4, 5, 0], [0] * 6, [0] * 6, [0, 3, 0, 0, -6, 7], [0] * 6
    ]  # fmt: skip
    for start in range(5):
        for end in range(start, 6):
            assert (listed.rows(start, end) == whole[start:end]).all()
