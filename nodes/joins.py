"""What the five members of a private join share: how they get ready, the contexts of seals, the parts of a stream.

Claim: a seal opens at one place of one stream of one round only; numbers of dummies are drawn at the price signed for.
Because: round, sender, receiver and place are the context of the seal; the loss is kept with the draw and compared with
         the signed request before the round is charged (join_keys.py).
Checked by: tests/nodes/test_join_tampered.py::test_a_stream_that_was_tampered_with_is_refused
            tests/nodes/test_join_forged.py::test_a_forged_private_join_is_refused_and_costs_nothing
"""

from __future__ import annotations

import enum

from engine.errors import require
from engine.trusted.join import Sizes, sizes_of
from engine.trusted.messages import PART_BYTES, AskReady, Relay
from engine.trusted.noise import Sampler
from engine.trusted.records import Loss, Role
from engine.trusted.seal import SealingKey, seal
from nodes.join_keys import Prepared
from nodes.manifest import Seat

SALT_BYTES = 32
PLAIN_BYTES = PART_BYTES - 1_024  # of a part; the seal and the message around it take the rest
ROW_BYTES = 16
FAR_OUT = 40  # standard deviations beyond which no honest draw lies


class Part(enum.IntEnum):
    """What a sealed part of a stream holds: its first byte. In this order; each helper gets those it needs."""

    COMMITMENT = 0
    PSEUDONYMS = 1  # first a salt, then the rows
    NOISE = 2  # the third share of the owner's noise
    THIRD = 3  # the third share of the rows: first a salt, then the rows
    END = 4


def prepare(ask: AskReady, loss: Loss, seat: Seat, sampler: Sampler | None) -> tuple[bytes, bytes]:
    """A fresh key for one round; an owner also draws its matched dummies, and seals their number to the other owner.

    ``loss`` is the coordinator's word: it is compared with the signed request once there is a round.
    """
    key, dummies, sealed = SealingKey.from_raw(seat.randomness.bytes(32)), 0, b""
    if seat.name in ask.participants and sampler is not None:
        others = [seat.roster.require(other, Role.NODE) for other in ask.participants if other != seat.name]
        require(len(others) == 1, "ROUND_JOIN_PARTIES")
        dummies = padding(sizes_of(loss), sampler)
        context = info(b"dummies", ask.request_digest, seat.name, others[0].name)
        sealed = seal(dummies.to_bytes(8, "big"), others[0].sealing_key, context)
    else:
        seat.roster.require(seat.name, Role.HELPER)
    seat.join_keys.keep(Prepared(key, loss, dummies))
    return key.public, sealed


def padding(sizes: Sizes, sampler: Sampler) -> int:
    """How many dummies hide one number of persons: max(0, shift + Z)."""
    return max(0, sizes.shift + int(sampler.gaussian(sizes.sigma, 1)[0]))


def most_dummies(loss: Loss) -> int:
    """More than any honest member draws at once."""
    sizes = sizes_of(loss)
    return sizes.shift + FAR_OUT * sizes.sigma


def info(what: bytes, about: bytes, *names: str) -> bytes:
    """What a seal or a derived key is bound to."""
    named = (len(name.encode()).to_bytes(4, "big") + name.encode() for name in names)
    return b"splittally.v1.join." + what + b"\0" + about + b"".join(named)


def relay_info(relay: Relay) -> bytes:
    """What a sealed part is bound to: round, sender, receiver, and its place in the stream."""
    place = relay.sequence.to_bytes(8, "big") + bytes([relay.last])
    return info(b"part", relay.round, relay.sender, relay.receiver) + place


def rows_a_part(row_bytes: int) -> int:
    return PLAIN_BYTES // row_bytes
