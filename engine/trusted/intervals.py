"""Closed intervals of exact numbers: the arithmetic behind every bound.

Claim: for each operation, every result an engine can compute from arguments inside the given intervals lies inside
       the returned interval; None stands for "no bound".
Because: operations are monotone in each argument on the pieces whose corners are taken, corners are exact Fractions,
       and ``doubles`` moves ends outward onto numbers that IEEE doubles hold, so rounding to nearest (monotone)
       cannot leave them, operation after operation.
Checked by: tests/trusted_numerics/test_domains.py::test_every_value_lies_in_its_domain
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from fractions import Fraction
from itertools import product

Interval = tuple[Fraction, Fraction]

EXACT = 2**53  # integers up to here are exact in every engine's integers and doubles
REPRESENTABLE = 2**62  # bounds up to here can be written into a plan
INFINITE = Fraction(2**1024)  # no finite double is beyond
ZERO: Interval = (Fraction(0), Fraction(0))
FINEST = 2**32  # steps in a bound, at most


def hull(values: Iterable[Fraction]) -> Interval:
    """The smallest interval that holds all ``values`` (at least one)."""
    held = tuple(values)
    return min(held), max(held)


def corners(operation: Callable[..., Fraction | int], *arguments: Interval) -> Interval:
    """Range of an operation that is monotone in each argument, the others held fixed."""
    return hull(Fraction(operation(*corner)) for corner in product(*arguments))


def doubles(interval: Interval) -> Interval:
    """Ends moved outward onto numbers with at most 53 bits and at most 53 places after the binary point."""
    lower, upper = interval
    return _down(lower), -_down(-upper)


def _down(value: Fraction) -> Fraction:
    places = 53 - int(abs(value)).bit_length()
    scale = Fraction(2) ** places
    return math.floor(value * scale) / scale


def nonzero_ends(divisor: Interval, least: Fraction | None) -> tuple[Fraction, ...] | None:
    """The divisors at which a quotient is extreme; None if they may come arbitrarily near to 0.

    ``least``: no divisor but 0 is smaller in size (1 for integers).
    """
    lower, upper = divisor
    if lower > 0 or upper < 0:
        return divisor
    if least is None:
        return None
    candidates = {lower, upper, least if upper > 0 else lower, -least if lower < 0 else upper}
    return tuple(sorted(c for c in candidates if c != 0))


def remainder(dividend: Interval, divisor: Interval) -> Interval:
    """Integer remainder with the sign of the dividend; a zero divisor counts as giving none."""
    lower, upper = dividend
    most = max(abs(divisor[0]), abs(divisor[1]), Fraction(1)) - 1
    return max(lower, -most) if lower < 0 else Fraction(0), min(upper, most) if upper > 0 else Fraction(0)


def absolute(interval: Interval) -> Interval:
    lower, upper = interval
    least = Fraction(0) if lower <= 0 <= upper else min(abs(lower), abs(upper))
    return least, max(abs(lower), abs(upper))


def round_half_away(value: Fraction) -> int:
    size = math.floor(abs(value) + Fraction(1, 2))
    return size if value >= 0 else -size


def common_step(steps: Iterable[Fraction | None]) -> Fraction | None:
    """The largest number that all ``steps`` are multiples of; None if one is unknown or the result is too fine."""
    found: Fraction | None = None
    for step in steps:
        if step is None:
            return None
        found = step if found is None else _gcd(found, step)
    return tidy_step(found)


def tidy_step(step: Fraction | None) -> Fraction | None:
    return None if step is None or step.denominator > 2**40 or step.numerator > EXACT else step


def step_within(known: Fraction | None, reach: Fraction) -> Fraction:
    """The step at which values up to ``reach`` are added up: the known one where it is not too fine, else the power of
    two that puts 2^19 to 2^20 steps (2^29 to 2^30 where the known step was too fine) into it."""
    if known is not None and reach / known <= FINEST:
        return known
    smallest = reach / 2 ** (20 if known is None else 30) or Fraction(1)
    power = smallest.numerator.bit_length() - smallest.denominator.bit_length()
    step = Fraction(2) ** (power - 1)
    while step < smallest:
        step *= 2
    return step


def _gcd(a: Fraction, b: Fraction) -> Fraction:
    return Fraction(math.gcd(a.numerator * b.denominator, b.numerator * a.denominator), a.denominator * b.denominator)
