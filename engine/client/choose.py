"""Between the two phases of a request with a selected key: open what the nodes named, make one list, sign and seal it.

The list is filled up with values that stand for nothing, so that its length, which the coordinator sees, is a power of
two. Every host gets it sealed; only its digest and length are in the clear.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from engine.client.open_result import check_round, check_shares, check_survivors, require_sound
from engine.trusted import wire
from engine.trusted.domains import domain_of, scope_of
from engine.trusted.literal import Literal, Type
from engine.trusted.messages import BodyKind, Chosen, ResultHead, SealedKeys, Submission
from engine.trusted.plan import Plan
from engine.trusted.random import Randomness
from engine.trusted.records import RECORD_VERSION, KeyList, RecordKind, Request, Selection
from engine.trusted.seal import SealingKey, seal
from engine.trusted.selection import LIST_BYTES, is_readable, keys_info, selected_key
from engine.trusted.sign import Roster, SigningKey, open_request, signed
from engine.trusted.stability import stability_of

LEAST_LENGTH = 16
SALT_BYTES = 32
FILLER_BYTES = 16
LENGTH_BYTES = 4
LEAST_BYTES = 1 << 12
FRAME_BYTES = 4  # around a value in a list
FILLED_BYTES = 2 * FILLER_BYTES + 12  # of a filler in a list
SENT_BYTES = 3 << 20  # of all sealed lists together: a message is at most 4 MiB


@dataclass(frozen=True, slots=True)
class Keys:
    """The list of a second phase, as signed; its first ``named`` values are keys, the others fill it up."""

    body: bytes
    named: int

    @property
    def values(self) -> tuple[Literal, ...]:
        found: KeyList = wire.decode(KeyList, self.body, LIST_BYTES)
        return found.values


def open_lists(
    head: ResultHead, bodies: Mapping[tuple[BodyKind, str], bytes], own: Submission, roster: Roster, key: SealingKey
) -> tuple[tuple[Literal, ...], ...]:
    """The keys that each surviving node named, most shared first.

    Raises Unavailable ROUND_RESULT_INVALID or ROUND_TOO_FEW_NODES, or Refused POLICY_*, as ``open_result`` does.
    """
    request = open_request(own.request, roster)
    manifest = check_round(head, own, request, roster, phase=1)
    check_survivors(head, manifest, request)
    require_sound(set(bodies) == {(BodyKind.MASKED_VECTOR, node) for node in head.survivors}, "lists are missing")
    round_ = wire.digest(head.manifest)
    sealed = tuple(bodies[BodyKind.MASKED_VECTOR, node] for node in head.survivors)
    check_shares(head, sealed, round_, request, roster)
    opened = (key.open(body, keys_info(round_, n)) for n, body in zip(head.survivors, sealed, strict=True))
    return tuple(_list(body) for body in opened)


def _list(padded: bytes) -> tuple[Literal, ...]:
    end = LENGTH_BYTES + int.from_bytes(padded[:LENGTH_BYTES], "big")
    found: KeyList = wire.decode(KeyList, padded[LENGTH_BYTES:end], LIST_BYTES)
    return found.values


def keys_of(lists: Sequence[Sequence[Literal]], plan: Plan, roster: Roster, randomness: Randomness) -> Keys:
    """One list of what any node named, the most shared of each node first, as far as plan and size allow."""
    key = plan.aggregate.keys[selected_key(plan.aggregate) or 0]
    domain = domain_of(key.expression, scope_of(plan.aggregate.input, roster.manifest.catalogue))
    found = {Literal(domain.type, None): None} if domain.nullable and domain.null_key else {}
    places = range(max(map(len, lists), default=0))
    found |= {held[place]: None for place in places for held in lists if place < len(held)}
    hosts = stability_of(plan.aggregate.input, roster.manifest.catalogue).hosts
    most, named = key.selected_at_most, list[Literal]()
    longest = min(LIST_BYTES, SENT_BYTES // len(hosts))
    room = longest - SALT_BYTES
    for value in found:
        if value.type is not domain.type or not is_readable(value):
            continue  # a node's fault takes nothing from the others
        room -= 2 * max(len(wire.encode(value)) + FRAME_BYTES, FILLED_BYTES)  # at most one filler comes with each
        if len(named) == most or room < 0:
            break
        named.append(value)
    length = min(most, max(LEAST_LENGTH, 1 << (len(named) - 1).bit_length()))
    fillers = (value for value in _fillers(domain.type, randomness) if value not in found)
    values = (*named, *(next(fillers) for _ in range(length - len(named))))
    return Keys(_padded(randomness.bytes(SALT_BYTES), values, longest), len(named))


def _padded(salt: bytes, values: tuple[Literal, ...], longest: int) -> bytes:
    """The list with a salt that makes it as long as a power of two, or as may be sent: its length tells no number."""
    least = len(wire.encode(KeyList(salt, values)))
    power = max(LEAST_BYTES, 1 << (least + LENGTH_BYTES - 1).bit_length())
    bucket = max(min(power, longest), least + LENGTH_BYTES)
    bodies = (
        wire.encode(KeyList(salt.ljust(SALT_BYTES + bucket - least - n, b"\0"), values)) for n in range(LENGTH_BYTES)
    )
    return next(body for body in bodies if len(body) <= bucket)


def _fillers(kind: Type, randomness: Randomness) -> Iterator[Literal]:
    """Values that nobody is likely to have, and that are left out of the answer if somebody does."""
    day = date(1, 1, 1)
    while True:
        drawn = randomness.bytes(FILLER_BYTES)
        if kind is Type.DATE:
            day += timedelta(days=1)
            yield Literal(kind, day)
        else:
            yield Literal(kind, drawn.hex() if kind is Type.TEXT else -int.from_bytes(drawn[:6], "big"))


def chosen(keys: Keys, own: Submission, roster: Roster, key: SigningKey) -> Chosen:
    """The list, signed for its request and sealed to every host."""
    request: Request = wire.decode(Request, own.request.payload)
    plan: Plan = wire.decode(Plan, own.plan, wire.PLAN_BYTES)
    digest = wire.digest(own.request.payload)
    selection = Selection(RECORD_VERSION, digest, len(keys.values), wire.digest(keys.body))
    record = signed(RecordKind.SELECTION, wire.encode(selection), key)
    hosts = stability_of(plan.aggregate.input, roster.manifest.catalogue).hosts
    sealed = (SealedKeys(h, seal(keys.body, roster.member(h).sealing_key, keys_info(digest, h))) for h in hosts)
    if request.analyst != key.name:
        raise ValueError("another analyst's request")
    return Chosen(digest, record, tuple(sealed))
