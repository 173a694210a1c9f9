"""Keys without a published list, in two phases of one request: each node names its own, then all count the same.

Claim: a first phase shows which values of the key many of this node's persons share, with noise, to the analyst alone;
       a second phase counts over the list that the analyst signed, whatever values stand in it.
Because: weights, noise and threshold are those of engine/trusted/selection.py; the sealed list is padded, and only
         texts that people can read are named. A second phase puts noise on every cell, so a list that was made up
         shows no more than one that was not.
Checked by: tests/nodes/test_selection.py::test_a_node_names_the_keys_that_many_share_and_no_others
            tests/nodes/test_selection.py::test_forged_keys_are_refused_and_cost_nothing
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date

import numpy as np

from engine.errors import require
from engine.trusted.catalogue import Catalogue
from engine.trusted.domains import domain_of, scope_of
from engine.trusted.literal import Literal, LiteralValue, Type
from engine.trusted.noise import Sampler
from engine.trusted.plan import Key, Plan
from engine.trusted.records import KeyList
from engine.trusted.seal import seal
from engine.trusted.selection import LIST_BYTES, Choice, is_readable, keys_info, selected_key, with_keys
from engine.trusted.stability import stability_of
from engine.trusted.wire import decode, digest, encode
from nodes.manifest import Arrival, Round, Seat, choice, selection
from nodes.sources import Source
from nodes.sources.render import selection_of
from nodes.tables import Tables

LEAST_BUCKET = 1 << 12
# One text of all lines crosses the worker's pipe in a fifth of the time that as many rows take.
IN_LINES = "SELECT string_agg(w || '\n' || k, '\n') FROM ({}) AS s WHERE k NOT LIKE '%\n%'"
_READ: Mapping[Type, Callable[[str], LiteralValue]] = {Type.TEXT: str, Type.INTEGER: int, Type.DATE: date.fromisoformat}


def with_listed_keys(round_: Round, plan: Plan, arrival: Arrival, seat: Seat) -> Plan:
    """In a second phase, the plan over the keys that the analyst signed for; else the plan as it is.

    Claim: the values are distinct, of the key's type, and as many as the signed length.
    Because: the list opens with this node's key alone, and its digest stands in the signed selection: ROUND_KEYS.
    Checked by: tests/nodes/test_selection.py::test_forged_keys_are_refused_and_cost_nothing
    """
    signed = selection(round_, plan, seat)
    if signed is None:
        return plan
    opened = seat.keys.sealing.open(arrival.sealed_keys, keys_info(round_.request_digest, seat.name))
    require(digest(opened) == signed.keys_digest, "ROUND_KEYS")
    values = decode(KeyList, opened, LIST_BYTES).values
    require(len(values) == len(set(values)) == signed.length and all(map(is_readable, values)), "ROUND_KEYS")
    require({value.type for value in values} == {_type(_key(plan), plan, seat.catalogue)}, "ROUND_KEYS")
    return with_keys(plan, values)


def named_keys(round_: Round, plan: Plan, tables: Tables, source: Source, sampler: Sampler, seat: Seat) -> bytes:
    """The list of a first phase, most shared first, padded and sealed to the analyst."""
    key = _key(plan)
    values = most_shared(plan, choice(round_, plan, seat), seat.catalogue, tables, source, sampler)
    body = encode(KeyList(b"", tuple(values[: key.selected_at_most])))
    while len(body) > LIST_BYTES:  # the analyst opens no longer list; the least shared values go
        values = values[: min(len(values), key.selected_at_most) * 9 // 10]
        body = encode(KeyList(b"", tuple(values)))
    bucket = max(LEAST_BUCKET, 1 << (len(body) + 3).bit_length())
    padded = (len(body).to_bytes(4, "big") + body).ljust(bucket, b"\0")
    return seal(padded, round_.request.sealing_key, keys_info(round_.id, seat.name))


def most_shared(
    plan: Plan, chosen: Choice, catalogue: Catalogue, tables: Tables, source: Source, sampler: Sampler
) -> list[Literal]:
    """The values whose noisy weight reaches the threshold, heaviest first.

    Claim: every value that some person has and that people can read gets noise; none below the threshold is named.
    Because: the one query gives a line with the weight, and one with the value; a value with a line break, which
             nobody can be shown, is left out there. Each gets a draw of its own; whole numbers are compared.
    Checked by: tests/nodes/test_selection.py::test_a_node_names_the_keys_that_many_share_and_no_others
                tests/nodes/test_selection.py::test_what_people_cannot_read_is_never_named
    """
    stability, key = stability_of(plan.aggregate.input, catalogue), _key(plan)
    salt = tables.snapshot(stability.datasets[0]).id
    query = selection_of(plan.aggregate, key, catalogue, source.dialect, salt, chosen.weights)
    [[[text]]] = source.select(tables.databases, [IN_LINES.format(query)], 1)
    lines = str(text).split("\n") if text is not None else []
    noisy = np.fromiter(map(int, lines[::2]), np.int64) + sampler.gaussian(chosen.sigma, len(lines) // 2)
    kind, loud = _type(key, plan, catalogue), np.flatnonzero(noisy >= chosen.threshold).tolist()
    named = sorted(((int(noisy[i]), lines[2 * i + 1]) for i in loud), reverse=True)
    return [value for _, text in named if is_readable(value := Literal(kind, _READ[kind](text)))]


def _key(plan: Plan) -> Key:
    return plan.aggregate.keys[selected_key(plan.aggregate) or 0]


def _type(key: Key, plan: Plan, catalogue: Catalogue) -> Type:
    return domain_of(key.expression, scope_of(plan.aggregate.input, catalogue)).type
