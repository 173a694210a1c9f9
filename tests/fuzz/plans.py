"""Fuzzing of plans as a node receives them: bytes that are refused with a code, or a plan that is sound and runs.

Bytes are bent (bits, lengths, copies, pieces of other plans), and frozen plans are: a part is replaced by a part of its
type from another plan, a number by one near it, an entry is doubled or left out. What decodes and verifies is encoded
to the same bytes, runs on empty and on small data without an error of the engine, and no person moves its sums further
than its noise bears.
"""

from __future__ import annotations

import enum
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any, get_args

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "audit"))

from corpus import audited
from neighbours import KINDS, crowd
from texts import Found
from world import CATALOGUE, LOSS, RULES, Held, InProcess, World

from engine.error_codes import CODES
from engine.errors import Refused, SplittallyError
from engine.sql import prepare
from engine.trusted import plan as plans
from engine.trusted import wire
from engine.trusted.calibrate import calibrate
from engine.trusted.domains import clamp_of, domain_of, key_values, scope_of
from engine.trusted.plan import Plan
from engine.trusted.verify import verify_plan
from nodes.partials import partials
from nodes.tables import Tables

SECONDS = 1.0  # of processor time, to decode, verify and price
MOST_CELLS, MOST_SETS = 5_000, 64  # beyond them a plan is not run here
FAMILIES = [frozenset(get_args(plans.Relation)), frozenset(get_args(plans.Expression))]


@cache
def seeds() -> tuple[Plan, ...]:
    return tuple(prepare(seed.sql, CATALOGUE, RULES).plan for seed in audited())


# -- bytes


def bent(payload: bytes, rng: random.Random) -> bytes:
    """One to three changes of the bytes."""
    for _ in range(rng.choice((1, 1, 2, 3))):
        start = rng.randrange(len(payload) + 1)
        end = min(len(payload), start + rng.choice((1, 1, 2, 4, 16, 64)))
        other = wire.encode(rng.choice(seeds()))
        at = rng.randrange(len(other))
        put = rng.choice(
            (
                b"",
                bytes(b ^ (1 << rng.randrange(8)) for b in payload[start:end][:1]) + payload[start + 1 : end],
                payload[start:end] * 2,
                payload[start:end] * rng.choice((3, 1000)),
                rng.randbytes(end - start),
                other[at : at + rng.choice((2, 8, 40))],
                b"\xff" * rng.randint(1, 10) + b"\x01",
            )
        )
        payload = payload[:start] + put + (b"" if rng.random() < 0.1 else payload[end:])
    return payload


# -- parts


@cache
def stock() -> dict[type, tuple[Any, ...]]:
    """Every part of the plans that are started from, by its type."""
    held: dict[type, dict[Any, None]] = {}
    for plan in seeds():
        for part in parts_of(plan):
            held.setdefault(type(part), {})[part] = None
    return {kind: tuple(values) for kind, values in held.items()}


def parts_of(value: Any) -> Iterator[Any]:
    stack = [value]
    while stack:
        current = stack.pop()
        yield current
        if isinstance(current, tuple):
            stack += current
        elif is_dataclass(current):
            stack += [getattr(current, f.name) for f in fields(current)]


def other_of(value: Any, rng: random.Random) -> Any:
    """Another value that may stand in the place of this one."""
    if isinstance(value, enum.Enum):
        return rng.choice(list(type(value)))
    if isinstance(value, bool) or value is None or isinstance(value, bytes):
        return value
    if isinstance(value, int):
        return value + rng.choice((-1, 1, 1000, -value))
    if isinstance(value, Fraction):
        return value * rng.choice((2, -1, 0, Fraction(1, 3))) + rng.choice((0, 1, Fraction(1, 7)))
    if isinstance(value, tuple):
        return tuple(rng.sample(value, len(value))) if rng.random() < 0.3 else (*value, *value[:1])[rng.randrange(2) :]
    family = next((f for f in FAMILIES if type(value) in f), frozenset({type(value)}))
    return rng.choice([part for kind in family for part in stock().get(kind, ())] or [value])


def grafted(value: Any, rng: random.Random) -> Any:
    """The same plan with one part of it changed, the deeper the likelier."""
    inner = [f for f in fields(value) if f.init] if is_dataclass(value) else []
    if isinstance(value, tuple) and value and rng.random() < 0.8:
        at = rng.randrange(len(value))
        return (*value[:at], grafted(value[at], rng), *value[at + 1 :])
    if inner and (isinstance(value, Plan | plans.Aggregate) or rng.random() < 0.75):
        named = [f for f in inner if f.name not in ("version", "catalogue_digest") or rng.random() < 0.02]
        field = rng.choice(named or inner)
        return replace(value, **{field.name: grafted(getattr(value, field.name), rng)})
    return other_of(value, rng)


def mended(plan: Plan) -> Plan:
    """Keys get the values they must have and clamps the widest, so that more of what is tried verifies."""
    aggregate = plan.aggregate
    scope = scope_of(aggregate.input, CATALOGUE)
    keys = tuple(replace(k, values=key_values(domain_of(k.expression, scope), 200)) for k in aggregate.keys)
    measures = tuple(
        replace(m, clamp=clamp_of(domain_of(m.expression, scope)) if m.clamp and m.expression else None)
        for m in aggregate.measures
    )
    return replace(plan, aggregate=replace(aggregate, keys=keys, measures=measures))


def case(rng: random.Random) -> bytes:
    """Mostly plans with other parts; those that nobody could write or mend are tried again."""
    if rng.random() < 0.2:
        return bent(wire.encode(rng.choice(seeds())), rng)
    for _attempt in range(10):
        plan = rng.choice(seeds())
        try:
            for _ in range(rng.choice((1, 1, 2, 3, 5))):
                plan = grafted(plan, rng)
            return wire.encode(mended(plan) if rng.random() < 0.85 else plan)
        except (Refused, ValueError, TypeError, AttributeError):
            continue
    return bent(wire.encode(rng.choice(seeds())), rng)


# -- judging


class Bench:
    """Snapshots with nobody, with few persons, and with few and one who reaches far; one engine for each."""

    def __init__(self, folder: Path) -> None:
        self.world = World(folder)
        datasets = CATALOGUE.datasets
        few = {d.name: crowd(d, 4, seed=3) for d in datasets}
        self.empty = self._tables({d.name: [] for d in datasets})
        self.few = self._tables(few)
        far = [k for k in KINDS if k.name in ("all rows, high, one group", "all rows, low, one group", "ends crossed")]
        self.more = [self._tables({d.name: [*few[d.name], *kind.rows(d)] for d in datasets}) for kind in far]

    def _tables(self, held: Held) -> Tables:
        return self.world.publish(held)

    @property
    def source(self) -> InProcess:
        return self.world.source

    def close(self) -> None:
        self.world.close()


def attack(rng: random.Random, told: Counter[str], bench: Bench) -> None:
    """One case; what became of it is counted."""
    told[judged(case(rng), rng, bench)] += 1


def judged(payload: bytes, rng: random.Random, bench: Bench) -> str:
    """The code of a refusal, or how far a plan came; Found if it broke a promise."""
    begun, calibration = time.process_time(), None
    try:
        plan = wire.decode(Plan, payload, wire.PLAN_BYTES)
        if wire.encode(plan) != payload:
            raise Found(f"other bytes for {payload.hex()}")
        verify_plan(plan, CATALOGUE, RULES)
        calibration = calibrate(plan, CATALOGUE, LOSS, 1, 0)
    except Refused as error:
        if error.code not in CODES or error.code.startswith("BUG_"):
            raise Found(f"{error!r} for {payload.hex()}") from error
        return error.code
    except Found:
        raise
    except BaseException as error:
        raise Found(f"{error!r} for {payload.hex()}") from error
    finally:
        if time.process_time() - begun > SECONDS:
            raise Found(f"{time.process_time() - begun:.1f} s for {payload.hex()}")
    if calibration.cells > MOST_CELLS or len(plan.aggregate.grouping_sets) > MOST_SETS:
        return "verified, too large to run here"
    vectors = []
    for tables in (bench.empty, bench.few, rng.choice(bench.more)):
        try:
            vectors.append(partials(plan, CATALOGUE, calibration, tables, bench.source))
        except (SplittallyError, ArithmeticError, LookupError, TypeError, ValueError) as error:
            raise Found(f"{error!r} when run: {payload.hex()}") from error
    if any(vectors[0]) or {len(v) for v in vectors} != {calibration.cells}:
        raise Found(f"cells of nobody: {payload.hex()}")
    moved = sum((a - b) ** 2 for a, b in zip(vectors[1], vectors[2], strict=True))
    if moved * 10**9 > 2 * LOSS.rho_billionths * calibration.sigma**2:
        raise Found(f"a person moves further than the noise bears: {payload.hex()}")
    return "ran, moved" if moved else "ran"
