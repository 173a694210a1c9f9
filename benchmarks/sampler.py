"""Noise against OpenDP in the same run: nanoseconds a draw, and whole vectors. ``python -m benchmarks.sampler``."""

from __future__ import annotations

import time
from collections.abc import Callable

from engine.trusted.gauss import ExactSampler, envelope_of
from engine.trusted.noise import OpenDPSampler, Sampler
from engine.trusted.random import SystemRandomness

SIGMAS = {"64": 64, "2^20": 1 << 20, "2^50": 1 << 50}
EXACT_DRAWS = 2_000_000
OPENDP_DRAWS = 4_000
VECTORS = (10, 100, 500, 10_000)
REPEATS = 5


def seconds(call: Callable[[], object]) -> float:
    """The best of a few calls: what the machine needs when nobody else has it."""
    taken = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        call()
        taken.append(time.perf_counter() - start)
    return min(taken)


def per_draw(sampler: Sampler, sigma: int, count: int) -> float:
    """Nanoseconds a draw, tables built beforehand."""
    sampler.gaussian(sigma, 1)
    return seconds(lambda: sampler.gaussian(sigma, count)) / count * 1e9


def run() -> list[tuple[str, str]]:
    """Rows of (what, figure)."""
    exact, opendp = ExactSampler(SystemRandomness()), OpenDPSampler()
    rows = []
    for name, sigma in SIGMAS.items():
        ours, theirs = per_draw(exact, sigma, EXACT_DRAWS), per_draw(opendp, sigma, OPENDP_DRAWS)
        figure = f"{ours:,.0f} ns a draw; OpenDP {theirs:,.0f} ns; {theirs / ours:,.0f} times faster"
        rows.append((f"exact sampler, sigma {name}", figure))
    build = seconds(lambda: envelope_of.__wrapped__(1 << 20))
    rows.append(("table of one sigma, once", f"{build * 1e3:.1f} ms"))
    for count in VECTORS:
        warm = seconds(lambda: exact.gaussian(1 << 20, count))  # noqa: B023
        theirs = seconds(lambda: opendp.gaussian(1 << 20, count))  # noqa: B023
        figure = f"{warm * 1e3:.2f} ms, {(warm + build) * 1e3:.2f} ms with its table; OpenDP {theirs * 1e3:.2f} ms"
        rows.append((f"vector of {count:,} cells, sigma 2^20", figure))
    return rows


if __name__ == "__main__":
    for what, figure in run():
        print(f"{what:40} {figure}")
