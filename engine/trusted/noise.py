"""Noise: where random integers come from.

Claim: ``OpenDPSampler`` draws each integer from the discrete Gaussian whose scale is ``sigma``, or the next larger
       number a double can hold, with the operating system's randomness.
Because: OpenDP's Gaussian on i64 vectors is the exact sampler of Canonne, Kamath, Steinke 2020 for the rational value
       of its scale; it draws on zeros, so nothing saturates (the headroom keeps sigma below 2^57), and the caller
       adds modulo 2^64.
Checked by: tests/trusted_numerics/test_noise.py::test_draws_have_the_law_of_the_discrete_gaussian
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from engine.trusted.gauss import MAX_SIGMA, ExactSampler
from engine.trusted.random import Randomness

SMALL = 500  # cells up to which OpenDP is not slower than a new table of the vectorised sampler


class Sampler(Protocol):
    """Independent draws of the discrete Gaussian N_Z(0, sigma^2)."""

    def gaussian(self, sigma: int, count: int) -> npt.NDArray[np.int64]: ...


class OpenDPSampler:
    """Production noise by OpenDP; 14 to 47 microseconds a draw."""

    def gaussian(self, sigma: int, count: int) -> npt.NDArray[np.int64]:
        """``count`` draws; sigma from 1 to 2^57 ring units."""
        if not 1 <= sigma <= MAX_SIGMA or count < 0:
            raise ValueError("sigma or count out of range")
        return np.array(_mechanism(scale_for(sigma))([0] * count), dtype=np.int64)


class ProductionSampler:
    """Noise of a node.

    Claim: every vector, short or long, has the law of the discrete Gaussian (gauss.py: but for 2^-184 a draw).
    Because: OpenDP draws up to ``SMALL`` cells, the exact vectorised sampler the longer ones.
    Checked by: tests/trusted_numerics/test_noise.py::test_short_and_long_vectors_have_the_same_law
    """

    def __init__(self, randomness: Randomness) -> None:
        self._opendp, self._exact = OpenDPSampler(), ExactSampler(randomness)

    def gaussian(self, sigma: int, count: int) -> npt.NDArray[np.int64]:
        sampler: Sampler = self._opendp if count <= SMALL else self._exact
        return sampler.gaussian(sigma, count)


def scale_for(sigma: int) -> float:
    """The least double that is not below ``sigma``."""
    nearest = float(sigma)
    return nearest if int(nearest) >= sigma else math.nextafter(nearest, math.inf)


@lru_cache(maxsize=16)
def _mechanism(scale: float) -> Any:
    import opendp.prelude as dp

    dp.enable_features("contrib")
    space = dp.vector_domain(dp.atom_domain(T="i64")), dp.l2_distance(T="i64")
    return dp.m.make_gaussian(*space, scale=scale)
