"""An owner's part in a private join: a list of pseudonyms, shares of each person's words, noise, and dummies.

Claim: one helper sees shares that are uniform, and numbers of persons that are padded as priced; whatever the other
       members do, each cell of the answer has this owner's own noise, in full. What is sent fits one commitment.
Because: two shares are keystreams and the third is what they leave; rows stand in the order of their pseudonyms; the
         matched dummies of both owners and this one's own have no weight; digests in the commitment are salted with
         what helpers alone are sent, so that nobody else, the other owner included, can try out lists or words on them.
Checked by: tests/nodes/test_join.py::test_the_sum_of_three_answers_is_exact
            tests/nodes/test_join_views.py::test_what_a_helper_sees_is_uniform_and_padded
            tests/nodes/test_join.py::test_each_owner_adds_the_full_noise
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256

import numpy as np
from numpy.typing import NDArray

from engine.errors import require
from engine.trusted import replicated, ring, wire
from engine.trusted.calibrate import layout_of
from engine.trusted.domains import scope_of
from engine.trusted.join import Side, is_join, side_at, sizes_of
from engine.trusted.mask import seed_info
from engine.trusted.messages import Commitment, Relay, ShareSet
from engine.trusted.noise import Sampler
from engine.trusted.plan import Plan
from engine.trusted.pseudonym import Kind, Pseudonyms, changes_in, dummies, order_of, pseudonyms
from engine.trusted.ring import Vector
from engine.trusted.seal import seal
from engine.trusted.stability import stability_of
from nodes import joins
from nodes.joins import Part, rows_a_part
from nodes.manifest import Round, Seat
from nodes.shares import add_noise, vouch, with_check_cell
from nodes.sources import Source
from nodes.sources.columns import PersonRows
from nodes.sources.render import persons_of
from nodes.tables import Tables


@dataclass(frozen=True, slots=True)
class Owned:
    """This owner's part of a round, before it is charged: ``matched`` dummies stand in both owners' lists."""

    side: Side
    key: bytes
    matched: int


@dataclass(frozen=True, slots=True)
class Words:
    """What one grouping set adds to rows of a list: entry i adds ``values[m][i]`` to word ``places[m] + cells[i]``."""

    rows: NDArray[np.intp]  # ascending
    cells: NDArray[np.int64]
    places: tuple[int, ...]
    values: tuple[NDArray[np.int64], ...]


@dataclass(frozen=True, slots=True)
class Listed:
    """An owner's list in ascending order, and the words of its rows."""

    pseudonyms: Pseudonyms
    words: tuple[Words, ...]
    width: int

    def rows(self, start: int, end: int) -> Vector:
        """The words of rows ``start`` to ``end``, one row a person; dummies have none."""
        found = np.zeros((end - start, self.width), dtype=np.uint64)
        flat = found.reshape(-1)
        for held in self.words:
            first, last = np.searchsorted(held.rows, (start, end))
            at = (held.rows[first:last] - start) * self.width + held.cells[first:last]
            for place, values in zip(held.places, held.values, strict=True):
                flat[at + place] += values[first:last].view(np.uint64)
        return found


@dataclass(frozen=True, slots=True)
class Secrets:
    """Drawn for one round: seeds of two shares of the rows and of the noise, and the salts of two digests."""

    rows: tuple[bytes, bytes]
    noise: tuple[bytes, bytes]
    salts: tuple[bytes, bytes]


def owned(round_: Round, plan: Plan, seat: Seat) -> Owned | None:
    """What this owner agreed on with the other one; None for other plans.

    Claim: the key of pseudonyms is known to the two owners alone, and is this round's.
    Because: both owners' public keys stand in readies that they signed, and the round's id enters the key.
    Checked by: tests/nodes/test_join_forged.py::test_a_forged_private_join_is_refused_and_costs_nothing
    """
    if not is_join(plan.aggregate):
        return None
    side = side_at(plan, seat.name, seat.catalogue)
    [other] = [name for name in round_.nodes if name != seat.name]
    readies = {ready.member: ready for ready in round_.readies}
    context = joins.info(b"dummies", round_.request_digest, other, seat.name)
    theirs = int.from_bytes(seat.keys.sealing.open(readies[other].sealed_dummies, context), "big")
    require(theirs <= joins.most_dummies(round_.request.loss), "ROUND_JOIN_DUMMIES", name=other)
    prepared = seat.join_keys.take(readies[seat.name], round_.request.loss)
    key = prepared.key.shared(readies[other].join_key, joins.info(b"pseudonyms", round_.id))
    return Owned(side, key, prepared.dummies + theirs)


def offer(
    round_: Round, mine: Owned, tables: Tables, source: Source, sampler: Sampler, seat: Seat
) -> tuple[bytes, ShareSet, Iterator[Relay]]:
    """The commitment, the shares that vouch for it, and the streams to the helpers, made as they are taken."""
    listed = _listed(mine, tables, source, sampler, round_, seat)
    calibration = round_.manifest.calibration
    noisy = add_noise(with_check_cell((0,) * calibration.cells), calibration.node_sigma, sampler)
    s1, s2, t1, t2, *salts = (seat.randomness.bytes(joins.SALT_BYTES) for _ in range(6))
    drawn = Secrets((s1, s2), (t1, t2), (salts[0], salts[1]))
    noise = ring.to_bytes(replicated.third_share(noisy, drawn.noise, 0))
    body = wire.encode(_commitment(round_, listed, drawn, noise, seat))
    seeds = zip(round_.manifest.helpers, (s1 + s2 + t1, s2 + t2, s1), strict=True)
    sealed = [(round_.request.analyst, b"")]
    for name, held in seeds:
        sealed.append((name, seal(held, seat.roster.member(name).sealing_key, seed_info(round_.id, seat.name, name))))
    parts = _parts(body, listed, drawn, noise)
    return body, vouch(round_, body, sealed, seat), _sealed(parts, round_, seat)


def _listed(mine: Owned, tables: Tables, source: Source, sampler: Sampler, round_: Round, seat: Seat) -> Listed:
    """The owner's rows, with the dummies of both, in ascending order of their pseudonyms."""
    aggregate, stability = mine.side.aggregate, stability_of(mine.side.aggregate.input, seat.catalogue)
    hash_key = tables.snapshot(stability.datasets[0]).id
    keys = [[aggregate.keys[k] for k in chosen.keys] for chosen in aggregate.grouping_sets]
    queries = [
        persons_of(aggregate.input, chosen, aggregate.measures, seat.catalogue, source.dialect, hash_key)
        for chosen in keys
    ]
    found = source.read(tables.databases, queries, stability.at_most_rows)
    own = joins.padding(sizes_of(round_.request.loss), sampler)
    kind = Kind.LEFT if mine.side.number == 1 else Kind.RIGHT
    persons = [pseudonyms(mine.key, rows.ends, rows.text) for rows in found]
    every = np.concatenate((*persons, dummies(mine.key, Kind.MATCHED, mine.matched), dummies(mine.key, kind, own)))
    order = order_of(every)
    every = np.take(every, order, axis=0)
    first = changes_in(every)
    rows, words, start = np.cumsum(first) - 1, [], 0
    blocks = layout_of(aggregate, scope_of(aggregate.input, seat.catalogue))
    for number, table in enumerate(found):
        here = blocks[number * len(aggregate.measures) :][: len(aggregate.measures)]
        words.append(_words(table, tuple(b.offset for b in here), order - start, rows))
        start += len(table.ends) - 1
    return Listed(np.take(every, np.flatnonzero(first), axis=0), tuple(words), mine.side.words)


def _words(table: PersonRows, places: tuple[int, ...], order: NDArray[np.intp], rows: NDArray[np.intp]) -> Words:
    mine = np.flatnonzero((order >= 0) & (order < len(table.ends) - 1))
    chosen = order[mine]
    cells, *values = (column[chosen] for column in table.numbers)
    return Words(rows[mine], cells, places, tuple(values))


def _commitment(round_: Round, listed: Listed, drawn: Secrets, noise: bytes, seat: Seat) -> Commitment:
    third = sha256(drawn.salts[1])
    for body in _third_parts(listed, drawn):
        third.update(body)
    return Commitment(
        round=round_.id,
        owner=seat.name,
        rows=len(listed.pseudonyms),
        width=listed.width,
        pseudonyms_digest=wire.digest(drawn.salts[0] + listed.pseudonyms.tobytes()),
        third_digest=third.digest(),
        seed_digests=tuple(map(wire.digest, drawn.rows)),
        noise_digests=(*map(wire.digest, drawn.noise), wire.digest(noise)),
    )


def _third_parts(listed: Listed, drawn: Secrets) -> Iterator[bytes]:
    """The third share of all rows, part by part: made anew each time, never held as a whole."""
    step = rows_a_part(8 * listed.width)
    for start in range(0, len(listed.pseudonyms), step):
        rows = listed.rows(start, min(start + step, len(listed.pseudonyms)))
        yield ring.to_bytes(replicated.third_share(rows, drawn.rows, start * listed.width))


def _parts(body: bytes, listed: Listed, drawn: Secrets, noise: bytes) -> Iterator[tuple[Part, bytes, Sequence[int]]]:
    """Every part of the streams in order, and the places of the helpers that get it."""
    every, pair = (0, 1, 2), (1, 2)
    yield Part.COMMITMENT, body, every
    yield Part.PSEUDONYMS, drawn.salts[0], every
    step = rows_a_part(joins.ROW_BYTES)
    for start in range(0, len(listed.pseudonyms), step):
        yield Part.PSEUDONYMS, listed.pseudonyms[start : start + step].tobytes(), every
    for start in range(0, len(noise), joins.PLAIN_BYTES):
        yield Part.NOISE, noise[start : start + joins.PLAIN_BYTES], (2,)
    yield Part.THIRD, drawn.salts[1], pair
    for third in _third_parts(listed, drawn):
        yield Part.THIRD, third, pair
    yield Part.END, b"", every


def _sealed(parts: Iterator[tuple[Part, bytes, Sequence[int]]], round_: Round, seat: Seat) -> Iterator[Relay]:
    """Each part for each of its receivers, sealed with its place in that receiver's stream."""
    counts = [0, 0, 0]
    for part, content, places in parts:
        for place in places:
            name = round_.manifest.helpers[place]
            bare = Relay(round_.id, seat.name, name, counts[place], part is Part.END, b"")
            key = seat.roster.member(name).sealing_key
            sealed = seal(bytes([part]) + content, key, joins.relay_info(bare))
            yield Relay(bare.round, bare.sender, bare.receiver, bare.sequence, bare.last, sealed)
            counts[place] += 1
