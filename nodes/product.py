"""A helper's part in a private join: what both owners sent is opened and checked, matched and multiplied.

Claim: an answer leaves only if everything this helper was sent fits both owners' signed commitments, and each owner's
       list names nobody twice; it is uniform mod 2^64 to everybody who lacks the other two helpers' answers.
Because: digests, sizes and order are compared with the commitment whose digest the owner's share vouches for; parts are
         bound to their place by their seal, and only a whole stream is taken; the zero share binds the round, both
         commitments and the number of matches, so answers made over different ones sum to noise.
Checked by: tests/nodes/test_join_tampered.py::test_a_stream_that_was_tampered_with_is_refused
            tests/nodes/test_join.py::test_the_sum_of_three_answers_is_exact
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256

import numpy as np
from numpy.typing import NDArray

from engine.errors import Refused, require
from engine.trusted import records, replicated, ring, wire
from engine.trusted.domains import scope_of
from engine.trusted.join import Pair, Side, is_join, pairs, sides_of
from engine.trusted.keystream import Keystream
from engine.trusted.messages import Commitment, Relay
from engine.trusted.plan import Plan
from engine.trusted.pseudonym import Pseudonyms, ascend, matches
from engine.trusted.replicated import SEED_BYTES
from engine.trusted.ring import Vector
from engine.trusted.stability import stability_of
from nodes import joins
from nodes.joins import Part, rows_a_part
from nodes.manifest import Round, Seat

SEEDS = (3, 2, 1)  # that each helper holds of an owner: of two shares and of its noise; of one and its noise; of one


@dataclass(frozen=True, slots=True)
class Duty:
    """What a helper needs for one private join. ``place``: 0, 1 or 2; keys: those it shares with the next helper and
    with the one before; ``most_rows``: of each side."""

    place: int
    with_next: bytes = field(repr=False)
    with_previous: bytes = field(repr=False)
    sides: tuple[Side, Side]
    pairs: tuple[Pair, ...]
    most_rows: tuple[int, int]

    @property
    def most_bytes(self) -> int:
        """More than two honest owners send this helper."""
        rows = sum(
            most * (joins.ROW_BYTES + 8 * side.words) for most, side in zip(self.most_rows, self.sides, strict=True)
        )
        return 2 * rows + 16 * sum(pair.block.cells for pair in self.pairs) + (4 << 20)


def duty_of(round_: Round, plan: Plan, seat: Seat) -> Duty | None:
    """What this helper keeps of a round that it checked; None for other plans.

    Claim: each pair of helpers shares a key that is this round's and nobody else's.
    Because: all public keys stand in signed readies of the round, and its id and both names enter the key.
    Checked by: tests/nodes/test_join_forged.py::test_a_forged_private_join_is_refused_and_costs_nothing
    """
    if not is_join(plan.aggregate):
        return None
    names, readies = round_.manifest.helpers, {ready.member: ready for ready in round_.readies}
    place = names.index(seat.name)
    prepared = seat.join_keys.take(readies[seat.name], round_.request.loss)
    keys = []
    for first, second in ((place, (place + 1) % 3), ((place + 2) % 3, place)):
        other = names[second if first == place else first]
        context = joins.info(b"zero", round_.id, names[first], names[second])
        keys.append(prepared.key.shared(readies[other].join_key, context))
    sides, dummies = sides_of(plan, seat.catalogue), 3 * joins.most_dummies(round_.request.loss)
    rows = [stability_of(side.aggregate.input, seat.catalogue).at_most_rows + dummies for side in sides]
    found = pairs(plan.aggregate, scope_of(plan.aggregate.input, seat.catalogue))
    return Duty(place, keys[0], keys[1], sides, found, (rows[0], rows[1]))


class Opened:
    """One owner's stream: checked up to its noise, then giving this helper's two shares of its rows, in order."""

    def __init__(
        self, parts: Iterator[tuple[Part, bytes]], share: records.Share, seeds: bytes, number: int, duty: Duty
    ) -> None:
        """ROUND_JOIN_STREAM for parts that are missing, too many or of another size, ROUND_JOIN_COMMITMENT for
        contents that are not those committed to."""
        self._parts, self._owner, self._place = parts, share.node, duty.place
        self.body = self._next(Part.COMMITMENT)
        self._fits(wire.digest(self.body) == share.vector_digest)
        self._committed: Commitment = wire.decode(Commitment, self.body)
        self._width = duty.sides[number].words
        self._check_form(share, duty.most_rows[number])
        given = [seeds[i : i + SEED_BYTES] for i in range(0, len(seeds), SEED_BYTES)]
        self._fits(len(seeds) == SEED_BYTES * SEEDS[duty.place])
        streams, self._seeds = ((0, 1), (1,), (0,))[duty.place], given[: (2, 1, 1)[duty.place]]
        self._fits([self._committed.seed_digests[i] for i in streams] == [wire.digest(seed) for seed in self._seeds])
        salt = self._next(Part.PSEUDONYMS, joins.SALT_BYTES)
        listed = self._read(Part.PSEUDONYMS, joins.ROW_BYTES, self._committed.rows)
        self._fits(wire.digest(salt + listed) == self._committed.pseudonyms_digest)
        self.pseudonyms: Pseudonyms = np.frombuffer(listed, dtype="<u8").reshape(-1, 2)
        self._fits(ascend(self.pseudonyms))
        cells = sum(pair.block.cells for pair in duty.pairs) + 1
        noise = given[-1] if duty.place < 2 else self._read(Part.NOISE, 8, cells)
        self._fits(wire.digest(noise) == self._committed.noise_digests[duty.place])
        self.noise = Keystream(noise).words(cells) if duty.place < 2 else ring.from_bytes(noise)
        self.step = rows_a_part(8 * self._width)
        self._digest = sha256(self._next(Part.THIRD, joins.SALT_BYTES) if duty.place else b"")
        self._at, self._held = -1, (self.noise, self.noise)

    def picked(self, rows: NDArray[np.intp]) -> tuple[Vector, Vector]:
        """This helper's first and second share of some rows, which ascend, and none of which is before those asked
        for last."""
        found = np.empty((2, len(rows), self._width), dtype=np.uint64)
        done = 0
        while done < len(rows):
            number = int(rows[done]) // self.step
            end = int(np.searchsorted(rows, (number + 1) * self.step))
            for out, block in zip(found, self._block(number), strict=True):
                np.take(block, rows[done:end] - number * self.step, axis=0, out=out[done:end], mode="clip")
            done = end
        return found[0], found[1]

    def finish(self) -> None:
        """Reads what is left, so that all of the stream was seen; raises as the constructor does."""
        self._block(-(-self._committed.rows // self.step))
        self._fits(not self._place or self._digest.digest() == self._committed.third_digest)
        self._next(Part.END, 0)
        require(next(self._parts, None) is None, "ROUND_JOIN_STREAM", name=self._owner)

    def _block(self, number: int) -> tuple[Vector, Vector]:
        """Both shares of the rows of one part."""
        third: Vector = np.zeros(0, np.uint64)
        while self._at < number:
            self._at += 1
            rows = min(self.step, self._committed.rows - self._at * self.step)
            if rows <= 0:
                break
            if self._place:
                body = self._next(Part.THIRD, 8 * rows * self._width)
                self._digest.update(body)
                third = ring.from_bytes(body).reshape(rows, self._width)
            if self._at == number:
                start = self._at * self.step * self._width
                made = [Keystream(seed, start).words(rows * self._width).reshape(rows, -1) for seed in self._seeds]
                self._held = (
                    ((made[0], third), (third, made[0]))[self._place - 1] if self._place else (made[0], made[1])
                )
        return self._held

    def _check_form(self, share: records.Share, most_rows: int) -> None:
        held = self._committed
        self._fits((held.round, held.owner, held.width) == (share.round, share.node, self._width))
        self._fits(held.rows <= most_rows and (len(held.seed_digests), len(held.noise_digests)) == (2, 3))

    def _read(self, part: Part, row_bytes: int, rows: int) -> bytes:
        step = rows_a_part(row_bytes)
        return b"".join(self._next(part, row_bytes * min(step, rows - at)) for at in range(0, rows, step))

    def _next(self, part: Part, length: int | None = None) -> bytes:
        found, body = next(self._parts, (None, b""))
        require(found is part and length in (None, len(body)), "ROUND_JOIN_STREAM", name=self._owner)
        return body

    def _fits(self, holds: bool) -> None:
        require(holds, "ROUND_JOIN_COMMITMENT", name=self._owner)


def parts_in(relays: Iterator[Relay], sender: str, round_: Round, seat: Seat) -> Iterator[tuple[Part, bytes]]:
    """The parts that one owner sealed to this helper, in order and up to the last; else ROUND_JOIN_STREAM."""
    last = False
    for sequence, relay in enumerate(relays):
        same = (relay.round, relay.sender, relay.receiver) == (round_.id, sender, seat.name)
        require(same and relay.sequence == sequence and not last, "ROUND_JOIN_STREAM", name=sender)
        try:
            opened = seat.keys.sealing.open(relay.sealed, joins.relay_info(relay))
            part, last = Part(opened[0]), relay.last
        except (Refused, ValueError, IndexError):
            require(False, "ROUND_JOIN_STREAM", name=sender)
        require(last == (part is Part.END), "ROUND_JOIN_STREAM", name=sender)
        yield part, opened[1:]


def opened(
    streams: Mapping[str, Iterator[Relay]],
    shares: Sequence[records.Share],
    seeds: Sequence[bytes],
    round_: Round,
    duty: Duty,
    seat: Seat,
) -> tuple[Opened, Opened]:
    """Both owners' streams, left first, checked but for the third shares, which are checked while they are used."""
    found = {}
    for share, held in zip(shares, seeds, strict=True):
        relays = streams.get(share.node, iter(()))
        number = round_.nodes.index(share.node)
        found[number] = Opened(parts_in(relays, share.node, round_, seat), share, held, number, duty)
    return found[0], found[1]


def multiplied(left: Opened, right: Opened, round_: Round, duty: Duty) -> Vector:
    """This helper's part of the answer: of the products over all matches, both noises, and a zero share."""
    at_left, at_right = matches(left.pseudonyms, right.pseudonyms)
    sums = {(pair.left, pair.right): np.zeros((pair.left.cells, pair.right.cells), np.uint64) for pair in duty.pairs}
    step = min(left.step, right.step)
    for start in range(0, len(at_left), step):
        xs, ys = left.picked(at_left[start : start + step]), right.picked(at_right[start : start + step])
        for (one, other), total in sums.items():
            x = [words[:, one.offset : one.offset + one.cells] for words in xs]
            y = [words[:, other.offset : other.offset + other.cells] for words in ys]
            total += replicated.part_of(x[0], x[1], y[0], y[1])
    for stream in (left, right):
        stream.finish()
    answer, multipliers = left.noise + right.noise, round_.manifest.calibration.multipliers
    for pair in duty.pairs:
        cells = sums[pair.left, pair.right].reshape(pair.left.shape + pair.right.shape).transpose(pair.axes)
        block = pair.block
        answer[block.offset : block.offset + block.cells] += cells.reshape(-1) * np.uint64(multipliers[block.measure])
    seen = round_.id + wire.digest(left.body) + wire.digest(right.body) + len(at_left).to_bytes(8, "big")
    answer += replicated.zero_share(duty.with_next, duty.with_previous, seen, len(answer))
    return answer
