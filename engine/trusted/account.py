"""Privacy loss: exact pairs (rho, delta) of approximate zCDP that add up and are compared as whole numbers.

Claim: losses of several rounds add up to a loss that bounds them together, and no rounding is ever in a sum.
Because: rho and delta of approximate zCDP both add under composition (Bun, Steinke 2016, arXiv 1605.02065, Lemma 8.2),
       and both are counted in whole units: 1e-9 and 1e-18.
Checked by: tests/trusted_numerics/test_account.py::test_losses_add_and_compare_in_both_parts
"""

from __future__ import annotations

from decimal import Context, Decimal
from fractions import Fraction

from engine.errors import require
from engine.trusted.records import Loss

BILLION = 10**9
QUINTILLION = 10**18
SIZES_PART = 16
DIGITS = Context(prec=50, Emax=10**6, Emin=-(10**6))


def add_loss(a: Loss, b: Loss) -> Loss:
    """Composition: both parts add."""
    return Loss(a.rho_billionths + b.rho_billionths, a.delta_quintillionths + b.delta_quintillionths)


def within(loss: Loss, cap: Loss) -> bool:
    """Whether neither part is above that of ``cap``."""
    return loss.rho_billionths <= cap.rho_billionths and loss.delta_quintillionths <= cap.delta_quintillionths


def noise_part(loss: Loss) -> Loss:
    """What of a private join's loss the noise of its cells may cost: all but a sixteenth of rho, which pays, with all
    of delta, for hiding the numbers of persons (join.py).

    Raises Refused SQL_EPSILON_RANGE, SQL_DELTA_RANGE where that is nothing.
    """
    require(loss.rho_billionths >= SIZES_PART, "SQL_EPSILON_RANGE")
    require(0 < loss.delta_quintillionths < QUINTILLION, "SQL_DELTA_RANGE")
    return Loss(loss.rho_billionths - loss.rho_billionths // SIZES_PART, 0)


def decimal_of(value: Fraction) -> Decimal:
    """As the context rounds it."""
    return Decimal(value.numerator) / Decimal(value.denominator)


def log_of(value: Fraction) -> Decimal:
    """The natural logarithm, in the digits of the context."""
    return decimal_of(value).ln()
