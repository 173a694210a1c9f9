"""A node's part in the secure sum: noise share, masks, and one signed share for each committee member.

Claim: what leaves the node is uniform mod 2**64 to everybody who lacks one member's seed, and any set of nodes'
       vectors sums to the sum of their noisy partials once all members' masks of that set are taken away.
Because: a fresh 32-byte seed for each member, each sealed to that member alone with (round, node, member) as
         context; masks of mask.py cancel; the check cell is 1 a node and gets no noise, so it counts survivors.
Checked by: tests/nodes/test_masking.py::test_masks_cancel_for_every_admitted_subset
"""

from __future__ import annotations

from collections.abc import Sequence

from engine.trusted import records, ring, sign, wire
from engine.trusted.mask import SEED_BYTES, add_mask, seed_info
from engine.trusted.messages import PART_BYTES, ShareSet
from engine.trusted.noise import Sampler
from engine.trusted.ring import Vector
from engine.trusted.seal import seal
from nodes.manifest import Round, Seat


def with_check_cell(partials: Sequence[int]) -> Vector:
    """The partial sums and, after them, the constant 1."""
    return ring.from_integers((*partials, 1))


def add_noise(vector: Vector, node_sigma: int, sampler: Sampler) -> Vector:
    """The vector with this node's share of discrete Gaussian noise on every cell but the check cell.

    Claim: each cell gets one independent draw of scale ``node_sigma`` ring units; the check cell stays exact.
    Because: the sampler draws on zeros, exactly; addition is mod 2**64.
    Checked by: tests/nodes/test_answer.py::test_noise_is_on_every_cell_but_the_check_cell
    """
    noisy = vector.copy()
    noisy[:-1] = ring.add(vector[:-1], sampler.gaussian(node_sigma, len(vector) - 1).view(vector.dtype))
    return noisy


def mask(round_: Round, vector: Vector, seat: Seat) -> tuple[bytes, ShareSet]:
    """The masked vector's bytes, and its shares: one a committee member, the analyst first.

    Claim: each share is bound to the round, the member, the vector and a journal head that covers the charge.
    Because: the head is read after the charge; all five stand in the signed bytes.
    Checked by: tests/nodes/test_masking.py::test_masks_cancel_for_every_admitted_subset
    """
    masked = vector.copy()
    sealed: list[tuple[str, bytes]] = []
    for name in round_.committee:
        seed = seat.randomness.bytes(SEED_BYTES)
        add_mask(masked, seed, round_.id, seat.name)
        key = seat.roster.member(name).sealing_key
        sealed.append((name, seal(seed, key, seed_info(round_.id, seat.name, name))))
    body = ring.to_bytes(masked)
    return body, vouch(round_, body, sealed, seat)


def vouch(round_: Round, body: bytes, sealed: Sequence[tuple[str, bytes]], seat: Seat) -> ShareSet:
    """One share for each named member, with its sealed seed, signed over the digest of ``body`` and the head now."""
    vouched, head = wire.digest(body), sign.sign_head(seat.ledger.head(), seat.keys.signing)
    shares = (records.Share(round_.id, seat.name, name, seed, vouched, head) for name, seed in sealed)
    vouching = tuple(sign.signed(records.RecordKind.SHARE, wire.encode(s), seat.keys.signing) for s in shares)
    old = {ready.member: held.size for ready in round_.readies for held in ready.held if held.node == seat.name}
    proofs = tuple(seat.ledger.extension(old.get(name, 0), head.head) for name in round_.manifest.helpers)
    charge = seat.ledger.charge_proof(round_.id, head)
    return ShareSet(round_.id, vouching, parts_of(body), round_.manifest.phase, proofs, charge)


def parts_of(body: bytes) -> int:
    """How many parts of at most 1 MiB ``body`` travels in."""
    return -(-len(body) // PART_BYTES)
