"""What a loss means as (epsilon, delta), and which loss an (epsilon, delta) allows: figures for people.

A node charges losses and compares them (account.py); it never converts one.

Claim: a mechanism that is (rho, delta0)-zCDP for ``loss_for(epsilon, delta)`` is (epsilon, delta)-differentially
       private; ``epsilon_of`` is never below the epsilon a loss implies.
Because: rho-zCDP gives (epsilon, delta)-DP whenever, for some alpha > 1,
             (alpha - 1)(alpha rho - epsilon) + alpha ln(1 - 1/alpha) - ln(alpha - 1) <= ln delta
       (Canonne, Kamath, Steinke 2020, arXiv 2004.00010, Corollary 13). Any alpha is valid, so floats only choose one;
       the inequality at that alpha is evaluated with 50 decimal digits and the result moved 1e-40 to the safe side,
       some 1e8 times the error of those digits, then rounded to whole units away from danger. An alpha that is off by
       a relative 1e-8 costs a relative 1e-16 of rho: it is chosen at a smooth maximum.
Checked by: tests/trusted_numerics/test_account.py::test_conversion_agrees_with_opendp
"""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal, localcontext
from fractions import Fraction
from functools import lru_cache

from engine.errors import Refused
from engine.trusted.account import BILLION, DIGITS, QUINTILLION, decimal_of, log_of
from engine.trusted.records import Loss

_SAFETY = Decimal("1e-40")
_LARGEST_EPSILON = 1_000


@lru_cache(maxsize=256)
def loss_for(epsilon: Fraction, delta: Fraction) -> Loss:
    """The largest loss, in whole 1e-9 of rho, that (epsilon, delta) allows. Delta is for the conversion only.

    Raises Refused SQL_EPSILON_RANGE unless 0 < epsilon <= 1000, 0 < delta < 1 and rho is at least 1e-9.
    """
    if not 0 < epsilon <= _LARGEST_EPSILON or not 0 < delta < 1:
        raise Refused("SQL_EPSILON_RANGE")
    size, log_delta = float(epsilon), math.log(delta.numerator) - math.log(delta.denominator)

    def rho(order: float) -> float:
        return (size + (log_delta + _slack(order)) / order) / (1 + order)

    order = Decimal(_best(rho))
    with localcontext(DIGITS):
        exact = (decimal_of(epsilon) + (log_of(delta) + _exact_slack(order)) / order) / (1 + order)
        units = int(((exact - _SAFETY) * BILLION).to_integral_value(ROUND_FLOOR))
    if units < 1:
        raise Refused("SQL_EPSILON_RANGE")
    return Loss(units, 0)


def allowance(epsilon: Fraction, delta: Fraction) -> Loss:
    """A budget that (epsilon, delta) allows and that also pays for naming keys, whose loss has a delta of its own.

    Half of delta is that; epsilon holds at the other half.
    """
    return Loss(loss_for(epsilon, delta / 2).rho_billionths, int(delta / 2 * QUINTILLION))


@lru_cache(maxsize=256)
def epsilon_of(loss: Loss, delta: Fraction) -> Fraction:
    """The epsilon that holds beside ``delta``, rounded up to 1e-9. Delta pays for the loss's own delta too.

    Raises Refused SQL_EPSILON_RANGE if delta does not exceed the loss's own, or is 1 or more.
    """
    left = delta - Fraction(loss.delta_quintillionths, QUINTILLION)
    if not 0 < left < 1:
        raise Refused("SQL_EPSILON_RANGE")
    if loss.rho_billionths == 0:
        return Fraction(0)
    size, log_delta = loss.rho_billionths / BILLION, math.log(left.numerator) - math.log(left.denominator)
    order = Decimal(_best(lambda order: -((1 + order) * size - (log_delta + _slack(order)) / order)))
    with localcontext(DIGITS):
        exact = (1 + order) * loss.rho_billionths / BILLION - (log_of(left) + _exact_slack(order)) / order
        units = int(((exact + _SAFETY) * BILLION).to_integral_value(ROUND_CEILING))
    return Fraction(max(units, 0), BILLION)


def times(loss: Loss, count: int) -> Loss:
    return Loss(loss.rho_billionths * count, loss.delta_quintillionths * count)


# With order = alpha - 1: slack = ln(alpha - 1) - alpha ln(1 - 1/alpha)


def _slack(order: float) -> float:
    return math.log(order) + (1 + order) * math.log1p(1 / order)


def _exact_slack(order: Decimal) -> Decimal:
    alpha = 1 + order
    return order.ln() + alpha * (alpha.ln() - order.ln())


def _best(worth: Callable[[float], float]) -> float:
    """The order (alpha - 1) of greatest worth, by golden section over its logarithm; any answer is safe."""
    low, high = math.log(1e-6), math.log(1e12)
    ratio = (math.sqrt(5) - 1) / 2
    left, right = high - ratio * (high - low), low + ratio * (high - low)
    left_worth, right_worth = worth(math.exp(left)), worth(math.exp(right))
    for _ in range(90):
        if left_worth < right_worth:
            low, left, left_worth = left, right, right_worth
            right = low + ratio * (high - low)
            right_worth = worth(math.exp(right))
        else:
            high, right, right_worth = right, left, left_worth
            left = high - ratio * (high - low)
            left_worth = worth(math.exp(left))
    return math.exp((low + high) / 2)
