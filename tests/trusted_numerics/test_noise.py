"""Laws of the noise. False-alarm rate of each statistical test: 1e-6, over all its comparisons."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import numpy.typing as npt
import pytest
from scipy import stats
from small_catalogue import catalogue_of, counted, plan_of

from engine.trusted.calibrate import calibrate
from engine.trusted.noise import SMALL, OpenDPSampler, ProductionSampler, scale_for
from engine.trusted.plan import Statistic
from engine.trusted.random import SystemRandomness
from engine.trusted.records import Loss

ALARM = 1e-6
DRAWS = 40_000


def chi_square(draws: npt.NDArray[np.int64], sigma: float) -> float:
    """p-value against the discrete Gaussian of scale sigma, in about 60 cells of equal width and two tails."""
    width = max(1, round(sigma / 10))
    edges = np.arange(-3 * sigma // width * width, 3 * sigma + 1, width)
    support = np.arange(-int(12 * sigma), int(12 * sigma) + 1)
    law = np.exp(-(support.astype(float) ** 2) / (2 * sigma**2))
    law /= law.sum()
    cells = np.searchsorted(edges, support, side="right")
    expected = np.bincount(cells, weights=law, minlength=len(edges) + 1) * len(draws)
    found = np.bincount(np.searchsorted(edges, draws, side="right"), minlength=len(edges) + 1)
    return float(stats.chisquare(found, expected).pvalue)


def variance_p(draws: npt.NDArray[np.int64], sigma: float) -> float:
    """Two-sided p-value of the sample variance about 0."""
    statistic = float(np.sum((draws / sigma) ** 2))
    return 2 * min(stats.chi2.cdf(statistic, len(draws)), stats.chi2.sf(statistic, len(draws)))


@pytest.fixture(scope="module", params=[64, 1000])
def drawn(request: pytest.FixtureRequest) -> tuple[int, npt.NDArray[np.int64]]:
    return request.param, OpenDPSampler().gaussian(request.param, DRAWS)


def test_draws_have_the_law_of_the_discrete_gaussian(drawn: tuple[int, npt.NDArray[np.int64]]) -> None:
    sigma, draws = drawn
    assert draws.dtype == np.int64
    assert chi_square(draws, sigma) > ALARM / 4
    assert variance_p(draws, sigma) > ALARM / 4


@pytest.mark.parametrize("factor", [1.05, 1.3, 1 / 1.3])
def test_a_planted_error_of_the_scale_is_rejected(drawn: tuple[int, npt.NDArray[np.int64]], factor: float) -> None:
    sigma, draws = drawn
    assert chi_square(draws, sigma * factor) < ALARM
    assert variance_p(draws, sigma * factor) < ALARM


@pytest.mark.parametrize("nodes", [2, 5, 20])
def test_shares_of_n_nodes_sum_to_the_noise_of_one_curator(nodes: int) -> None:
    """Drawn for each node with its own sigma: the sum's SD is that of one curator within 5 %; alarm below 1e-6."""
    loss = Loss(14_973_057, 0)
    catalogue = catalogue_of(hosts=nodes)
    plan = plan_of(catalogue, counted(Statistic.COUNT_ROWS), keys=())
    shared = calibrate(plan, catalogue, loss, nodes, 0)
    total = sum(OpenDPSampler().gaussian(shared.node_sigma, 6_000) for _ in range(nodes))
    steps = np.asarray(total) / shared.multipliers[0]
    curator = math.sqrt(1e9 / (2 * loss.rho_billionths))
    assert abs(math.sqrt(float(np.mean(steps**2))) / curator - 1) < 0.05
    assert abs(math.sqrt(float(np.mean(steps**2))) / (1.3 * curator) - 1) > 0.05


def test_scales_round_up_to_doubles() -> None:
    for sigma in (1, 64, 2**53, 2**53 + 1, 2**57 - 1, 10**17 + 1):
        scale = Fraction(scale_for(sigma))
        assert sigma <= scale <= sigma + 16
    with pytest.raises(ValueError):
        OpenDPSampler().gaussian(0, 1)
    assert len(OpenDPSampler().gaussian(2**56 + 1, 0)) == 0


@pytest.mark.parametrize("count", [SMALL, SMALL + 1])
def test_short_and_long_vectors_have_the_same_law(count: int) -> None:
    sampler = ProductionSampler(SystemRandomness())
    draws = np.concatenate([sampler.gaussian(300, count) for _ in range(40)])
    assert chi_square(draws, 300) > ALARM / 4
    assert variance_p(draws, 300) > ALARM / 4
    assert variance_p(draws, 300 * 1.05) < ALARM
