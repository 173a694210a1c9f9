"""The spine of a node: from the bytes of a round manifest to a masked vector, in ten steps (nodes/AUDIT.md).

     1 authenticate     6 partials
     2 decode           7 noise
     3 verify plan      8 mask
     4 agreement        9 hold, store
     5 charge          10 reply

Claim: no row is read before the charge is durable; nothing computed from rows leaves this function unmasked or
       without noise; a round has one outcome, whose bytes never change.
Because: the steps run in this order, each raises instead of returning a verdict, and a round that comes again is
         given what the ledger stored.
Checked by: tests/nodes/test_answer.py::test_charge_is_durable_before_any_row_is_read
            tests/nodes/test_answer.py::test_retry_returns_identical_bytes
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from engine.trusted.messages import Relay, ShareSet
from engine.trusted.noise import Sampler
from engine.trusted.wire import decode, encode
from nodes import manifest
from nodes.approvals import check_agreement, check_approvals
from nodes.charges import charge, charged_outcome, free_refusals
from nodes.manifest import Arrival, Seat
from nodes.offer import offer, owned
from nodes.partials import partials
from nodes.rounds import hold
from nodes.selection import named_keys, with_listed_keys
from nodes.shares import add_noise, mask, vouch, with_check_cell
from nodes.sources import Source
from nodes.tables import Tables


@dataclass(frozen=True, slots=True)
class Node:
    """A seat with data beside it: everything the spine uses, and nothing global."""

    seat: Seat
    tables: Tables
    source: Source
    sampler: Sampler


@dataclass(frozen=True, slots=True)
class Reply:
    """The masked vector, the shares that vouch for it, and the monotonic time at which both leave.

    Of a private join: the commitment, and before it the streams to the helpers, which leave once."""

    vector: bytes
    shares: ShareSet
    leave_ms: float
    relays: Iterable[Relay] = ()


def answer(arrival: Arrival, node: Node) -> Reply:
    """This node's reply to one round. Raises Refused, Unavailable or Bug; the journal then holds the code.

    Claim: see the module; an error before step 5 costs nothing, one after it keeps the charge.
    Because: ``free_refusals`` covers steps 1-5, ``charged_outcome`` steps 6-9.
    Checked by: tests/nodes/test_forged.py::test_forged_round_is_refused_and_costs_nothing
                tests/nodes/test_answer.py::test_failure_after_the_charge_keeps_the_charge
    """
    seat = node.seat
    relays: Iterable[Relay] = ()
    with free_refusals(arrival, seat) as known:
        # (1) Authenticate: the analyst's signature, this federation, its current epoch, not expired.
        round_ = known(manifest.authenticate(arrival, seat))
        # (2) Decode the plan whose digest was signed.
        plan = manifest.decode_plan(round_)
        # (3) Verify the plan against the node's own catalogue and rules.
        manifest.check_plan(plan, seat)
        # (4) Check the agreement, the approvals, and the round: participants, committee, noise, helpers, consent.
        agreement = check_agreement(round_, plan, arrival.at_ms, seat)
        check_approvals(round_, plan, arrival.at_ms, seat)
        manifest.check_round(round_, plan, arrival, seat)
        stored = seat.ledger.reply(round_.id)
        if stored is not None:  # asked again: the same bytes, no charge
            return _restore(stored, hold(round_, plan, arrival, seat))
        manifest.check_readies(round_, plan, arrival, seat)
        tables = node.tables.for_purpose(agreement.legal_gateway)
        manifest.check_snapshots(round_, plan, tables.refs(), seat)
        listed = with_listed_keys(round_, plan, arrival, seat)
        mine = owned(round_, plan, seat)
        # (5) Charge every account and journal it, durably. No row was read so far.
        charge(round_, plan, agreement, seat)
    with charged_outcome(round_, seat):
        if manifest.names_keys(round_, plan):  # the first of two phases: (6) to (8) with noise and seal of their own
            vector = named_keys(round_, plan, tables, node.source, node.sampler, seat)
            shares = vouch(round_, vector, ((round_.request.analyst, b""),), seat)
        elif mine is not None:  # an owner of a private join: the same steps, shares for three helpers
            vector, shares, relays = offer(round_, mine, tables, node.source, node.sampler, seat)
        else:
            calibration = round_.manifest.calibration
            # (6) Compute the partial sums in place: exact integers.
            sums = partials(listed, seat.catalogue, calibration, tables, node.source)
            # (7) Add this node's share of the noise.
            noisy = add_noise(with_check_cell(sums), calibration.node_sigma, node.sampler)
            # (8) Mask for every member of the committee, and sign with a head that covers the charge.
            vector, shares = mask(round_, noisy, seat)
        # (9) Choose the tick, then store the reply: from here on a retry gets these bytes.
        reply = Reply(vector, shares, hold(round_, plan, arrival, seat), relays)
        seat.ledger.store_reply(round_.id, _pack(reply))
    # (10) Reply; it leaves at the tick.
    return reply


def _pack(reply: Reply) -> bytes:
    shares = encode(reply.shares)
    return len(shares).to_bytes(4, "big") + shares + reply.vector


def _restore(stored: bytes, leave_ms: float) -> Reply:
    end = 4 + int.from_bytes(stored[:4], "big")
    return Reply(stored[end:], decode(ShareSet, stored[4:end]), leave_ms)
