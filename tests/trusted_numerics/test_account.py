from __future__ import annotations

import math
import time
from fractions import Fraction

import pytest

from engine.errors import Refused
from engine.trusted.account import add_loss, within
from engine.trusted.epsilon import epsilon_of, loss_for, times
from engine.trusted.records import Loss

EPSILONS = [Fraction(n, 100) for n in (1, 10, 50, 100, 300, 1000, 2000)]
DELTAS = [Fraction(1, 10**n) for n in (3, 6, 9, 12)]


def opendp_epsilon(units: int, delta: Fraction) -> float:
    """OpenDP's epsilon for a Gaussian of rho = units * 1e-9."""
    import opendp.prelude as dp

    dp.enable_features("contrib")
    space = dp.atom_domain(T="i64"), dp.absolute_distance(T="i64")
    gaussian = dp.m.make_gaussian(*space, scale=math.sqrt(1e9 / (2 * units)))
    return float(dp.c.make_zCDP_to_approxDP(gaussian).map(1).epsilon(float(delta)))


def test_conversion_agrees_with_opendp() -> None:
    """The loss given is allowed by OpenDP's conversion too; two units (2e-9 of rho) more are not, within 1e-6."""
    compared = 0
    for epsilon in EPSILONS:
        for delta in DELTAS:
            try:
                units = loss_for(epsilon, delta).rho_billionths
            except Refused:
                continue
            compared += 1
            assert opendp_epsilon(units, delta) <= float(epsilon) * (1 + 1e-6)
            assert opendp_epsilon(units + 2, delta) >= float(epsilon) * (1 - 1e-6)
    assert compared == len(EPSILONS) * len(DELTAS)


def _delta_at(rho: float, epsilon: float) -> float:
    """The same bound, minimised over a fine grid: never below what the product finds."""
    orders = [10 ** (k / 200) for k in range(-600, 1400)]
    exponents = ((a - 1, a * rho) for a in (1 + o for o in orders))
    return min(m * (r - epsilon) + (m + 1) * math.log(m / (m + 1)) - math.log(m) for m, r in exponents)


@pytest.mark.parametrize("epsilon", EPSILONS[1:])
@pytest.mark.parametrize("delta", DELTAS)
def test_one_unit_more_would_be_too_much(epsilon: Fraction, delta: Fraction) -> None:
    loss = loss_for(epsilon, delta)
    assert epsilon_of(loss, delta) <= epsilon
    above = loss.rho_billionths + 2 + loss.rho_billionths // 10**6
    assert _delta_at(above / 1e9, float(epsilon)) > math.log(delta)


def test_epsilon_grows_with_rho_and_falls_with_delta() -> None:
    found = [epsilon_of(Loss(r, 0), Fraction(1, 10**9)) for r in (1, 10**3, 10**6, 10**9, 10**11)]
    assert found == sorted(found)
    assert epsilon_of(Loss(10**6, 0), Fraction(1, 10**6)) < epsilon_of(Loss(10**6, 0), Fraction(1, 10**9))
    assert epsilon_of(Loss(0, 0), Fraction(1, 10**9)) == 0


def test_own_delta_of_a_loss_is_paid_from_delta() -> None:
    mixed = epsilon_of(Loss(10**6, 10**9 // 2), Fraction(1, 10**9))
    assert mixed == epsilon_of(Loss(10**6, 0), Fraction(1, 2 * 10**9))
    with pytest.raises(Refused, match="SQL_EPSILON_RANGE"):
        epsilon_of(Loss(10**6, 10**9), Fraction(1, 10**9))


@pytest.mark.parametrize(
    ("epsilon", "delta"), [(0, "1e-9"), (-1, "1e-9"), (1001, "1e-9"), (1, 0), (1, 1), ("1e-6", "1e-9")]
)
def test_senseless_parameters_are_refused(epsilon: object, delta: object) -> None:
    with pytest.raises(Refused, match="SQL_EPSILON_RANGE"):
        loss_for(Fraction(str(epsilon)), Fraction(str(delta)))


def test_losses_add_and_compare_in_both_parts() -> None:
    assert add_loss(Loss(1, 2), Loss(3, 4)) == Loss(4, 6)
    assert within(Loss(3, 4), Loss(3, 4))
    assert not within(Loss(4, 4), Loss(3, 5))
    assert not within(Loss(3, 5), Loss(4, 4))
    assert times(Loss(3, 5), 4) == Loss(12, 20)


def test_conversion_is_fast_enough_to_start_with() -> None:
    start = time.perf_counter()
    loss_for(Fraction(7, 5), Fraction(1, 10**8))
    assert time.perf_counter() - start < 0.05
