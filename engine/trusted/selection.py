"""Choosing the values of a key that has no published list: weights, noise and threshold at one node.

A node gives every value that its persons have a noisy weight and names those at or above a threshold.

Claim: what one node names is (rho, delta) approximate zCDP for all rows of one person, rho and delta being its part of
       the price; ``overlap`` nodes together cost at most the price.
Because: a person with t keys, at most ``groups`` of them kept, adds floor(UNIT / sqrt(t)) to each: an L2 norm of at
       most UNIT for every t (weighted Gaussian: Gopi, Gulhane, Kulkarni, Shen, Shokouhi, Yekhanin 2020, arXiv
       2002.09745, section 4). Noise N of scale sigma costs rho = UNIT^2 / (2 sigma^2) on the values that others have
       too; the at most t that nobody else has are named with probability at most t P[N >= threshold - weight] <=
       delta. P[N >= m] <= P[normal >= m - 1] for whole m >= 1 (Canonne, Kamath, Steinke 2020, arXiv 2004.00010,
       Proposition 25) < exp(-x^2/2) / (x sqrt(2 pi)) with x = (m - 1) / sigma. Floats only choose m; the inequality
       is evaluated with 50 digits. Order and length of the list are made from the noisy weights alone.
Checked by: tests/trusted_numerics/test_selection.py::test_a_lone_key_is_named_no_more_often_than_delta
            tests/trusted_numerics/test_selection.py::test_no_person_weighs_more_than_the_unit
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal, localcontext
from fractions import Fraction
from functools import lru_cache
from math import isqrt
from unicodedata import category

from engine.errors import Refused, require
from engine.trusted.account import BILLION, DIGITS, QUINTILLION, log_of
from engine.trusted.calibrate import root_up
from engine.trusted.catalogue import Catalogue
from engine.trusted.literal import Literal
from engine.trusted.plan import Aggregate, Plan
from engine.trusted.records import Calibration, Loss
from engine.trusted.stability import stability_of

UNIT = 1 << 16
MOST_GROUPS = 1_000  # keys of one person
LONGEST_KEY = 100  # characters; longer texts, and those that cannot be printed, are never named
LIST_BYTES = 1 << 20
_LOG_ROOT_TAU = Decimal("0.91893853320467274178032973640561763986139747363778341")  # ln(2 pi) / 2, rounded down


@dataclass(frozen=True, slots=True)
class Choice:
    """``weights``: what a person with 1, 2, ... keys adds to each of them; all in 1/65536 of a person."""

    weights: tuple[int, ...]
    sigma: int
    threshold: int

    @property
    def calibration(self) -> Calibration:
        """What the manifest of a first phase must say."""
        return Calibration(0, (), self.sigma, self.sigma)


@lru_cache(maxsize=64)
def choice_of(price: Loss, overlap: int, groups: int) -> Choice:
    """At one node, for a person at ``overlap`` nodes with at most ``groups`` keys.

    Raises Refused SQL_TOO_LARGE above 1,000 keys a person, SQL_DELTA_RANGE or SQL_EPSILON_RANGE for no price.
    """
    if groups > MOST_GROUPS:
        raise Refused("SQL_TOO_LARGE", what="the number of keys of one person")
    require(price.rho_billionths > 0, "SQL_EPSILON_RANGE")
    require(0 < price.delta_quintillionths < QUINTILLION, "SQL_DELTA_RANGE")
    sigma = root_up(Fraction(UNIT**2 * BILLION * overlap, 2 * price.rho_billionths))
    delta = Fraction(price.delta_quintillionths, QUINTILLION * overlap)
    weights = tuple(isqrt(UNIT**2 // keys) for keys in range(1, groups + 1))
    return Choice(weights, sigma, max(w + rare(sigma, delta / keys) for keys, w in enumerate(weights, 1)))


def choice_for(plan: Plan, catalogue: Catalogue, price: Loss | None) -> Choice:
    """``choice_of`` for the persons of a plan; no price is refused as a price of nothing."""
    stability = stability_of(plan.aggregate.input, catalogue)
    return choice_of(price or Loss(0, 0), stability.overlap, stability.groups)


def rare(sigma: int, tail: Fraction) -> int:
    """A whole m with P[N >= m] <= tail, within a millionth of the least that the bound gives."""
    aim = math.log(tail.denominator) - math.log(tail.numerator)
    x = math.sqrt(2 * max(aim, 1.0))
    for _ in range(20):
        x = math.sqrt(2 * max(aim - math.log(x * math.sqrt(2 * math.pi)), 0.5))
    found = math.ceil(x * sigma) + 1
    with localcontext(DIGITS):
        exact = -log_of(tail)
        while (y := Decimal(found - 1) / sigma) * y / 2 + y.ln() + _LOG_ROOT_TAU < exact:
            found += 1 + sigma // 1_000_000
    return found


def selected_key(aggregate: Aggregate) -> int | None:
    """The position of the key whose values are chosen privately; a plan has at most one."""
    return next((i for i, key in enumerate(aggregate.keys) if key.selected_at_most), None)


def phases_of(plan: Plan) -> int:
    return 1 if selected_key(plan.aggregate) is None else 2


def with_keys(plan: Plan, values: Sequence[Literal] = (), most: int = 0) -> Plan:
    """The plan with ``values`` for its selected key, or with their number ``most`` where only that is known."""
    position = selected_key(plan.aggregate)
    keys = [
        replace(key, values=tuple(values), selected_at_most=most or len(values)) if i == position else key
        for i, key in enumerate(plan.aggregate.keys)
    ]
    return replace(plan, aggregate=replace(plan.aggregate, keys=tuple(keys)))


def is_readable(value: Literal) -> bool:
    """Whether people can be shown a key: a text is short, and every character of it is printed or a space."""
    text = str(value.value)
    return len(text) <= LONGEST_KEY and all(c.isprintable() or category(c) == "Zs" for c in text)


def keys_info(about: bytes, node: str) -> bytes:
    """What a sealed list is bound to: a round (node to analyst) or a request (analyst to node), and the node."""
    return b"splittally.v1.keys\0" + about + node.encode()
