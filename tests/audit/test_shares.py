"""T1, the sampler and sums of shares: their law, and that outputs lie on a lattice that no data can move.

The samplers alone are judged in tests/trusted_sampler/test_law.py (up to 10^7 draws) and
tests/trusted_numerics/test_noise.py; here the shares of one to five nodes are added as a federation adds them:
``add_noise`` on real integers, ring addition, two's complement. False alarms: 1e-6 a test.
"""

from __future__ import annotations

from dataclasses import replace
from math import gcd

import numpy as np
import pytest
from scipy import stats
from world import CATALOGUE, FORM, LOSS, Form, operators

from engine.trusted import ring
from engine.trusted.calibrate import calibrate
from engine.trusted.noise import ProductionSampler
from engine.trusted.random import SystemRandomness
from nodes.shares import add_noise, with_check_cell

ALARM = 1e-6
DRAWS = {Form.SHORT: 60_000, Form.WHOLE: 400_000, Form.LONG: 4_000_000}[FORM]
SAMPLER = ProductionSampler(SystemRandomness())


def total_noise(nodes: int, before: int, sigma: int, draws: int = DRAWS) -> np.ndarray:
    """What is left of the sum of ``nodes`` nodes' vectors, each holding ``before`` in every cell."""
    total = ring.from_integers([0] * (draws + 1))
    for _ in range(nodes):
        total = ring.add(total, add_noise(with_check_cell([before] * draws), sigma, SAMPLER))
    assert int(total[-1]) == nodes
    return total[:-1].view(np.int64) - nodes * before


def node_sigma(nodes: int) -> tuple[int, int]:
    """Scale of one of so many nodes, and of what they owe together, in the plan's own units."""
    hosts = tuple(f"n{i}" for i in range(nodes))
    catalogue = replace(CATALOGUE, datasets=tuple(replace(d, hosts=hosts) for d in CATALOGUE.datasets))
    found = calibrate(operators()[0].plan(), catalogue, LOSS, nodes, 0)
    return found.node_sigma, found.sigma


def law_p(noise: np.ndarray, sigma: float) -> float:
    """The lesser p-value of shape and variance against a Gaussian of scale ``sigma`` (many steps wide), doubled."""
    edges = stats.norm.ppf(np.linspace(0, 1, 65)[1:-1]) * sigma
    inside = np.floor(edges) + 0.5  # between integers
    chances = np.diff([0.0, *stats.norm.cdf(inside / sigma), 1.0])
    found = np.bincount(np.searchsorted(inside, noise), minlength=64)
    shape = stats.chisquare(found, chances * len(noise)).pvalue
    square = float(np.sum((noise / sigma) ** 2))
    spread = 2 * min(stats.chi2.cdf(square, len(noise)), stats.chi2.sf(square, len(noise)))
    return float(2 * min(shape, spread))


@pytest.mark.parametrize("nodes", [1, 2, 3, 4, 5])
def test_shares_of_any_number_of_nodes_add_up_to_what_they_owe(nodes: int) -> None:
    each, owed = node_sigma(nodes)
    noise = total_noise(nodes, 12_345, each)
    assert nodes * each**2 >= owed**2
    assert law_p(noise, each * nodes**0.5) > ALARM
    assert law_p(noise, each * nodes**0.5 * 1.05) < ALARM, "a scale wrong by 5 % would not be seen"


@pytest.mark.parametrize("factor", [1 / 2, 1 / 2**0.5])
def test_one_share_too_few_or_too_small_is_rejected(factor: float) -> None:
    each, owed = node_sigma(2)
    assert law_p(total_noise(2, 0, round(each * factor)), owed) < ALARM


@pytest.mark.parametrize("modulus", [2, 3, 7, 64])
def test_the_lattice_of_sums_is_independent_of_data(modulus: int) -> None:
    """Every residue is as likely, whatever the true sums; a data-dependent grid would show here."""
    each, _ = node_sigma(3)
    for before in (0, 1, 10**6 * modulus, -(10**9) * modulus + 1):
        residues = (total_noise(3, before, each, DRAWS // 4) + 3 * before) % modulus
        found = np.bincount(residues, minlength=modulus)
        assert stats.chisquare(found).pvalue > ALARM / 4
        assert gcd(*residues.tolist(), modulus) == 1
    coarse = total_noise(3, 0, each, DRAWS // 4) // 2 * 2
    assert stats.chisquare(np.bincount(coarse % 2, minlength=2) + 1e-9).pvalue < ALARM, "an even lattice passes"
