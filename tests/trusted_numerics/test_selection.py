"""Weights, noise and threshold of a key without a list: exact tails, exact norms, and planted errors that must fail."""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction
from math import isqrt

import numpy as np
import pytest
from scipy import stats
from small_catalogue import catalogue_of, counted, plan_of

from engine.errors import Refused
from engine.trusted.account import BILLION, QUINTILLION
from engine.trusted.epsilon import allowance, loss_for
from engine.trusted.gauss import ExactSampler
from engine.trusted.random import SystemRandomness
from engine.trusted.records import Loss
from engine.trusted.selection import UNIT, Choice, choice_of, phases_of, rare, selected_key, with_keys

ALARM = 1e-6  # false-alarm rate of the simulation, over all its comparisons
WASTE = 1.25  # at most so many times rarer than delta allows, for delta up to 1e-3
SUMMED = 100_000  # the largest sigma whose tail is summed term by term


def price(rho: str, delta: str) -> Loss:
    return Loss(int(Fraction(rho) * BILLION), int(Fraction(delta) * QUINTILLION))


CASES = [
    (price(rho, delta), overlap, groups)
    for rho in ("0.000000003", "0.0001", "0.01", "0.08", "0.5", "12")
    for delta in ("1e-3", "5e-7", "1e-9", "1e-15")
    for overlap, groups in ((1, 1), (1, 4), (3, 7), (10, 1_000))
]


def tail(sigma: int, least: int) -> float:
    """P[N >= least] of the discrete Gaussian, to 12 digits: summed term by term, or for a wide one bounded from above
    within least / sigma^2 by its integral and its first term."""
    total = sigma * math.sqrt(2 * math.pi)  # the sum over all integers, but for a factor of 1 + exp(-19 sigma^2)
    first = math.exp(-((least / sigma) ** 2) / 2)
    if sigma > SUMMED:
        return float(stats.norm.sf(least / sigma)) + first / total
    steps = np.arange(0, 12 * sigma, dtype=np.float64)
    return first * float(np.exp(-(2 * least * steps + steps**2) / (2.0 * sigma**2)).sum()) / total


def lone(choice: Choice, keys: int) -> float:
    """A bound on how likely any of one person's ``keys`` keys, that nobody else has, is named at one node."""
    return keys * tail(choice.sigma, choice.threshold - choice.weights[keys - 1])


def used(choice: Choice, loss: Loss, overlap: int) -> float:
    """The part of delta that the worst person uses up, over all nodes that may hold the person."""
    counts = {k for k in (1, 2, 3, 4, 5, 7, 30, 200, 1_000) if k <= len(choice.weights)}
    return max(lone(choice, keys) for keys in counts) * overlap * QUINTILLION / loss.delta_quintillionths


@pytest.mark.parametrize(("loss", "overlap", "groups"), CASES, ids=str)
def test_a_lone_key_is_named_no_more_often_than_delta(loss: Loss, overlap: int, groups: int) -> None:
    choice = choice_of(loss, overlap, groups)
    assert 1 / WASTE <= used(choice, loss, overlap) <= 1
    lower = replace(choice, threshold=choice.threshold * 99 // 100)
    if loss.delta_quintillionths < QUINTILLION // 10**6 and choice.sigma > UNIT:
        assert used(lower, loss, overlap) > 1


def test_the_tail_is_the_sum_of_its_terms() -> None:
    for sigma, least in ((3, 5), (40, 130), (900, 4_000)):
        terms = [math.exp(-(k**2) / (2 * sigma**2)) for k in range(-14 * sigma, 14 * sigma)]
        assert math.isclose(
            tail(sigma, least), math.fsum(terms[least + 14 * sigma :]) / math.fsum(terms), rel_tol=1e-11
        )


@pytest.mark.parametrize(
    "planted",
    [
        pytest.param(lambda w, s, d: max(w), id="no noise looked at"),
        pytest.param(lambda w, s, d: max(rare(s, d / t) for t, _ in enumerate(w, 1)), id="own weight forgotten"),
        pytest.param(lambda w, s, d: max(v + rare(s, d) for v in w), id="delta not divided by keys"),
        pytest.param(lambda w, s, d: max(v + rare(s, 3 * d / t) for t, v in enumerate(w, 1)), id="nodes forgotten"),
        pytest.param(lambda w, s, d: w[-1] + rare(s, d / len(w)) - s // 50, id="a little lower"),
    ],
)
def test_a_planted_error_of_the_threshold_is_rejected(planted) -> None:  # type: ignore[no-untyped-def]
    loss, overlap, groups = price("0.01", "1e-9"), 3, 30
    choice = choice_of(loss, overlap, groups)
    delta = Fraction(loss.delta_quintillionths, QUINTILLION * overlap)
    assert used(replace(choice, threshold=planted(choice.weights, choice.sigma, delta)), loss, overlap) > 1


def heaviest(weights: tuple[int, ...], most: int = 0) -> int:
    """The square of the largest norm of one person; with more keys than counted, the last weight stands for each."""
    return max(t * weights[min(t, len(weights)) - 1] ** 2 for t in range(1, max(most, len(weights)) + 1))


@pytest.mark.parametrize(("loss", "overlap", "groups"), CASES, ids=str)
def test_no_person_weighs_more_than_the_unit(loss: Loss, overlap: int, groups: int) -> None:
    """The loss of all nodes together is at most the price: exact, in integers."""
    choice = choice_of(loss, overlap, groups)
    assert len(choice.weights) == groups
    assert heaviest(choice.weights) <= UNIT**2
    spent = Fraction(overlap * heaviest(choice.weights), 2 * choice.sigma**2)
    assert spent <= Fraction(loss.rho_billionths, BILLION)
    assert spent >= Fraction(loss.rho_billionths, BILLION) * Fraction(999, 1000) or choice.sigma < 10_000
    assert min(choice.weights) ** 2 * groups >= UNIT**2 * Fraction(99, 100)


def test_a_planted_error_of_the_weights_is_rejected() -> None:
    groups = 7
    weights = choice_of(price("0.01", "1e-9"), 1, groups).weights
    assert heaviest(tuple(1 + w if w * w * t < UNIT**2 else w for t, w in enumerate(weights, 1))) > UNIT**2
    assert heaviest((UNIT,) * groups) > UNIT**2  # plain counts
    assert heaviest(weights, groups + 1) > UNIT**2  # keys beyond the cap


def named(choice: Choice, keys: int, times: int) -> int:
    """In how many of ``times`` runs any of one person's lone keys is named."""
    noise = ExactSampler(SystemRandomness()).gaussian(choice.sigma, keys * times).reshape(times, keys)
    return int((noise + choice.weights[keys - 1] >= choice.threshold).any(axis=1).sum())


def test_a_simulation_names_lone_keys_as_often_as_the_tail_says() -> None:
    loss, groups, times = price("0.02", "0.2"), 4, 100_000
    choice = choice_of(loss, 1, groups)
    worst = max(range(1, groups + 1), key=lambda keys: lone(choice, keys))
    found = named(choice, worst, times)
    assert stats.binomtest(found, times, 0.2, alternative="greater").pvalue > ALARM / 2
    single = tail(choice.sigma, choice.threshold - choice.weights[worst - 1])
    assert stats.binomtest(found, times, 1 - (1 - single) ** worst).pvalue > ALARM / 2
    low = replace(choice, threshold=choice.threshold - UNIT)
    assert stats.binomtest(named(low, worst, times), times, 0.2, alternative="greater").pvalue < ALARM


@pytest.mark.parametrize(
    ("loss", "groups", "code"),
    [
        (Loss(0, 1), 1, "SQL_EPSILON_RANGE"),
        (Loss(1, 0), 1, "SQL_DELTA_RANGE"),
        (Loss(1, QUINTILLION), 1, "SQL_DELTA_RANGE"),
        (Loss(1, 1), 1_001, "SQL_TOO_LARGE"),
    ],
)
def test_no_price_and_too_many_keys_are_refused(loss: Loss, groups: int, code: str) -> None:
    with pytest.raises(Refused, match=code):
        choice_of(loss, 1, groups)


def test_the_first_phase_says_its_noise_and_nothing_else() -> None:
    choice = choice_of(price("0.5", "1e-9"), 1, 1)
    assert choice.weights == (UNIT,)
    assert choice.sigma == math.ceil(UNIT * math.sqrt(1 / (2 * 0.5)))
    assert (choice.calibration.cells, choice.calibration.multipliers) == (0, ())
    assert choice.calibration.sigma == choice.calibration.node_sigma == choice.sigma


def test_a_plan_with_a_selected_key_has_two_phases() -> None:
    catalogue = catalogue_of()
    plan = plan_of(catalogue, counted(), keys=("region", "flag"))
    assert (phases_of(plan), selected_key(plan.aggregate)) == (1, None)
    first, second = plan.aggregate.keys
    chosen = replace(second, values=(), selected_at_most=9)
    open_ = replace(plan, aggregate=replace(plan.aggregate, keys=(first, chosen)))
    assert (phases_of(open_), selected_key(open_.aggregate)) == (2, 1)
    listed = with_keys(open_, second.values)
    assert listed.aggregate.keys == (first, replace(second, selected_at_most=len(second.values)))
    assert with_keys(open_, most=5).aggregate.keys == (first, replace(second, values=(), selected_at_most=5))


def test_half_of_delta_pays_for_naming() -> None:
    whole = allowance(Fraction(1), Fraction(1, 10**6))
    assert whole.rho_billionths == loss_for(Fraction(1), Fraction(1, 2 * 10**6)).rho_billionths
    assert whole.delta_quintillionths == QUINTILLION // (2 * 10**6)


def test_weights_are_the_largest_whole_ones() -> None:
    for keys, weight in enumerate(choice_of(price("0.5", "1e-9"), 1, 1_000).weights, 1):
        assert weight == isqrt(UNIT**2 // keys)
        assert keys * (weight + 1) ** 2 > UNIT**2
