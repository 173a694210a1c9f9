"""The law of the draws. Every p-value below ALARM fails: a correct sampler fails this file once in about 280,000 runs.

Each kind of test must also reject a planted error, so that a pass means something.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from engine.trusted.gauss import MARGIN, ExactSampler, envelope_of, kept_of
from engine.trusted.keystream import Keystream
from engine.trusted.random import SystemRandomness

ALARM = 1e-7  # of one p-value
LEAST = 100  # expected draws in a bin
Draws = NDArray[np.int64]


def drawn(sigma: int, count: int, margin: float = MARGIN) -> Draws:
    return ExactSampler(SystemRandomness(), margin).gaussian(sigma, count)


def binned(weights: NDArray[np.float64]) -> NDArray[np.intp]:
    """First cell of each bin: neighbouring cells joined until a bin weighs at least LEAST."""
    starts, held = [0], 0.0
    for cell, weight in enumerate(weights.tolist()):
        if held >= LEAST:
            starts.append(cell)
            held = 0.0
        held += weight
    return np.array(starts[:-1] if held < LEAST and len(starts) > 1 else starts)


def law_p(draws: Draws, variance: float) -> float:
    """Chi-square p-value of draws against the discrete Gaussian (its mass beyond 10 sigma is below 1e-22)."""
    reach = math.ceil(10 * math.sqrt(variance)) + 10
    cells = np.arange(-reach, reach + 1)
    mass = np.exp(-(cells**2) / (2 * variance))
    expected = mass * (len(draws) / math.fsum(mass))
    starts = binned(expected)
    observed = np.bincount(np.clip(draws, -reach, reach) + reach, minlength=len(cells))
    return float(stats.chisquare(np.add.reduceat(observed, starts), np.add.reduceat(expected, starts)).pvalue)


def same_p(a: Draws, b: Draws) -> float:
    """Two-sample chi-square p-value: do ``a`` and ``b`` come from one law?"""
    low, high = min(a.min(), b.min()), max(a.max(), b.max())
    counts = np.array([np.bincount(d - low, minlength=int(high - low + 1)) for d in (a, b)])
    smaller = min(len(a), len(b)) / (len(a) + len(b))
    starts = binned(counts.sum(axis=0) * smaller)
    return float(stats.chi2_contingency(np.add.reduceat(counts, starts, axis=1)).pvalue)


def wide_p(draws: Draws, sigma: float) -> float:
    """Kolmogorov-Smirnov p-value against the normal law, which a wide discrete Gaussian follows within 1 / sigma."""
    return float(stats.kstest(draws / sigma, "norm").pvalue)


def bits_p(draws: Draws, place: int) -> float:
    """Chi-square p-value of bits ``place`` to ``place + 7`` being uniform."""
    return float(stats.chisquare(np.bincount((draws >> place) & 255, minlength=256)).pvalue)


@pytest.mark.parametrize("sigma", [1, 2, 7, 20, 64, 1000])
def test_the_law_is_the_discrete_gaussian(sigma: int) -> None:
    assert law_p(drawn(sigma, 1_000_000), sigma**2) > ALARM


@pytest.mark.parametrize(("sigma", "stated"), [(21, 20), (19, 20), (1050, 1000), (950, 1000)])
def test_a_scale_wrong_by_five_per_cent_is_rejected(sigma: int, stated: int) -> None:
    assert law_p(drawn(sigma, 1_000_000), stated**2) < ALARM


def test_a_wrong_zero_is_rejected() -> None:
    """The classical slip: zero drawn with both signs."""
    draws = drawn(20, 1_000_000)
    extra = np.zeros(int((draws == 0).sum()), dtype=np.int64)
    assert law_p(np.concatenate([draws, extra]), 400) < ALARM


@pytest.mark.parametrize("power", [30, 40, 50, 57])
def test_wide_draws_follow_the_normal_law(power: int) -> None:
    draws = drawn(1 << power, 500_000)
    assert wide_p(draws, 2.0**power) > ALARM
    assert wide_p(draws, 2.0**power * 1.05) < ALARM


def test_widths_that_are_no_power_of_two_follow_it_too() -> None:
    sigma = (1 << 41) - 1  # the narrowest blocks, the farthest reach
    assert wide_p(drawn(sigma, 500_000), sigma) > ALARM


@pytest.mark.parametrize(("power", "place"), [(20, 0), (40, 0), (40, 20), (57, 0), (57, 24), (57, 44)])
def test_low_bits_are_uniform(power: int, place: int) -> None:
    draws = drawn(1 << power, 1_000_000)
    assert bits_p(draws, place) > ALARM
    draws[::20] &= ~(1 << place)  # planted: that bit cleared in one draw of twenty
    assert bits_p(draws, place) < ALARM


@pytest.mark.parametrize(("sigma", "margin", "count"), [(7, 2.0, 30_000), (300, 0.2, 60_000)])
def test_decimal_decisions_draw_the_same_law(sigma: int, margin: float, count: int) -> None:
    draws = drawn(sigma, count, margin)
    assert law_p(draws, sigma**2) > ALARM
    assert law_p(draws, (1.1 * sigma) ** 2) < ALARM


def opendp_draws(sigma: int, count: int) -> Draws:
    import opendp.prelude as dp

    dp.enable_features("contrib")
    space = dp.vector_domain(dp.atom_domain(T="i64")), dp.l2_distance(T=float)
    return np.array(dp.m.make_gaussian(*space, scale=float(sigma))([0] * count), dtype=np.int64)


def test_opendp_draws_the_same_law() -> None:
    theirs = opendp_draws(20, 60_000)
    assert same_p(theirs, drawn(20, 1_000_000)) > ALARM
    assert same_p(theirs, drawn(21, 1_000_000)) < ALARM


def test_the_sum_of_shares_has_the_variance_of_the_release() -> None:
    shares = sum((drawn(64, 500_000) for _ in range(5)), np.zeros(500_000, dtype=np.int64))
    variance = 5 * 64**2
    error = math.sqrt(2 / len(shares))  # relative, of the variance of a normal sample
    assert abs(float(np.mean(shares.astype(float) ** 2)) / variance - 1) < stats.norm.isf(ALARM / 2) * error
    assert law_p(shares, variance) > ALARM
    assert law_p(shares, variance * 4 / 5) < ALARM  # planted: one share missing


def test_neighbouring_draws_are_uncorrelated() -> None:
    draws = drawn(1 << 30, 1_000_000) / 2.0**30
    for series in (draws, np.abs(draws), draws**2):
        for lag in (1, 2, 3, 16_384):
            r = float(np.corrcoef(series[:-lag], series[lag:])[0, 1])
            assert 2 * stats.norm.sf(abs(r) * math.sqrt(len(series) - lag)) > ALARM


def test_how_many_are_kept_tells_nothing_of_their_values() -> None:
    """At sigma 1 a quarter of the candidates is rejected, most of any sigma: a relation would show best here."""
    envelope, stream = envelope_of(1), Keystream(SystemRandomness().bytes(32))
    runs = [kept_of(envelope, stream, 64, MARGIN) for _ in range(20_000)]
    kept = np.array([len(run) for run in runs])
    for figure in (np.abs([run[0] for run in runs]), np.array([np.abs(run).mean() for run in runs])):
        r = float(np.corrcoef(kept, figure)[0, 1])
        assert 2 * stats.norm.sf(abs(r) * math.sqrt(len(runs))) > ALARM


@pytest.mark.long
def test_a_scale_wrong_by_one_per_cent_is_rejected() -> None:
    draws = drawn(100, 10_000_000)
    assert law_p(draws, 100**2) > ALARM
    for wrong in (99, 101):
        assert law_p(drawn(wrong, 10_000_000), 100**2) < ALARM


@pytest.mark.long
@pytest.mark.parametrize("sigma", [1, 2, 7, 20, 64, 1000])
def test_ten_million_draws_follow_the_law(sigma: int) -> None:
    assert law_p(drawn(sigma, 10_000_000), sigma**2) > ALARM


@pytest.mark.long
def test_opendp_draws_the_same_law_in_ten_million_draws() -> None:
    theirs = np.concatenate([opendp_draws(20, 500_000) for _ in range(20)])
    assert law_p(theirs, 400) > ALARM
    assert same_p(theirs, drawn(20, 10_000_000)) > ALARM


@pytest.mark.long
def test_decimal_decisions_draw_the_same_law_at_length() -> None:
    assert law_p(drawn(20, 1_000_000, 2.0), 400) > ALARM
