"""The discrete Gaussian on the integers, drawn exactly and by whole vectors.

Claim: each draw X has P[X = m] proportional to exp(-m**2 / (2 sigma**2)) for every integer abs(m) < R, and never
       abs(m) >= R, for R = 256 blocks of w; R > 16 sigma, and the law without the cut has less than MISSING_MASS
       outside. Draws are independent. The keystream being uniform is the only assumption besides IEEE 754 + - *.
Because: rejection sampling. A candidate is a block b with integer weight W_b out of 2**64 (exact alias table), a
         uniform place in the block, a sign, and it is kept if a uniform real V < C f(m) / W_b <= 1. Floats only
         sort out the clear cases: nearer than MARGIN, hundreds of times their proven error, V and the chance are
         compared in decimal arithmetic with a proven error, V and digits growing until they part.
         Proof, with the error bound of the floats: engine/docs/proofs/discrete-gaussian.md.
Timing: how many candidates a call takes, and which of them are kept, is independent of the values it returns. Only the
        decimal comparison (at most 2**-31 a candidate) is likelier for some values; nothing is claimed about caches.
Checked by: tests/trusted_sampler/test_law.py::test_the_law_is_the_discrete_gaussian
            tests/trusted_sampler/test_law.py::test_opendp_draws_the_same_law
            tests/trusted_sampler/test_exact.py::test_the_floats_err_far_less_than_their_margin
            tests/trusted_sampler/test_exact.py::test_floats_and_decimals_decide_alike_draw_by_draw
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import MAX_EMAX, MIN_EMIN, ROUND_HALF_EVEN, Context, Decimal
from fractions import Fraction
from functools import lru_cache, reduce
from math import factorial
from operator import index

import numpy as np
from numpy.typing import NDArray

from engine.trusted.keystream import Keystream
from engine.trusted.random import Randomness

MAX_SIGMA = 1 << 57  # R <= 32 sigma = 2**62: every sum below stays inside int64
MISSING_MASS = Fraction(1, 1 << 184)  # a draw; accounting may charge it to delta
MARGIN = 2.0**-32
_BLOCKS = 256
_COLUMN = 1 << 56  # capacity of one alias column: 256 of them make 2**64
_CHUNK = 1 << 14  # candidates at a time: bounded memory, working set near the processor's second cache
_TAYLOR = tuple((-1.0) ** k / factorial(k) for k in range(8, -1, -1))  # exp(-y), highest power first
_DIGITS = 40  # of the weights, below 2**61: their errors stay below 2**-50

Words = NDArray[np.uint64]
Integers = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ExactSampler:
    """Draws on the integers, to be added mod 2**64; ``margin`` differs from MARGIN in tests only.

    Claim: every call uses a key of its own, and a call of ``count`` draws returns ``count`` of them.
    Because: 32 bytes are taken from ``randomness`` at each call and live no longer than it.
    Checked by: tests/trusted_sampler/test_exact.py::test_every_call_takes_one_fresh_key
                tests/trusted_sampler/test_exact.py::test_chunks_join_without_gap_or_repeat
    """

    randomness: Randomness
    margin: float = MARGIN

    def gaussian(self, sigma: int, count: int) -> Integers:
        """``count`` draws of standard deviation ``sigma``, from 1 to MAX_SIGMA."""
        if not 1 <= sigma <= MAX_SIGMA or count < 0:
            raise ValueError(f"a sigma from 1 to 2**57 and a count that is not negative, not {sigma} and {count}")
        envelope = envelope_of(index(sigma))
        stream = Keystream(self.randomness.bytes(32))
        draws = np.empty(count, dtype=np.int64)
        filled = 0
        while filled < count:
            missing = count - filled
            kept = kept_of(envelope, stream, min(_CHUNK, missing + missing // 8 + 64), self.margin)[:missing]
            draws[filled : filled + len(kept)] = kept
            filled += len(kept)
        return draws


@dataclass(frozen=True, slots=True)
class Envelope:
    """Integer weights of the blocks [b w, b w + w) of one sigma, and the alias table that draws a block.

    Claim: column c gives block c below ``thresholds[c]`` and ``aliases[c]`` above, block b in W_b cases of 2**64;
           scale * f(m) <= W_b for every m of block b; ``leads[b]`` is scale * f(b w) / W_b as a float.
    Because: W_b = floor(scale f(b w)) + 2 with f to 34 digits, what is left to 2**64 goes to block 0, and f falls.
    Checked by: tests/trusted_sampler/test_exact.py::test_the_alias_table_gives_each_block_its_weight
                tests/trusted_sampler/test_exact.py::test_the_envelope_is_never_below_the_law
    """

    sigma: int
    shift: int  # w = 2**shift
    scale: int  # C
    weights: tuple[int, ...]
    thresholds: Words
    aliases: Integers
    leads: Floats


@lru_cache(maxsize=64)
def envelope_of(sigma: int) -> Envelope:
    """The envelope of one sigma: w is 1 below sigma 8 and the power of two in (sigma / 16, sigma / 8] from there.

    Claim: 256 w > 16 sigma, and w <= sigma / 8 or w = 1.
    Because: sigma < 2**(bit length) = 16 w from 8 on.
    Checked by: tests/trusted_sampler/test_exact.py::test_the_cut_lies_beyond_sixteen_sigma
    """
    shift = max(0, sigma.bit_length() - 4)
    heights = [density(sigma, block << shift, _DIGITS) for block in range(_BLOCKS)]
    context = _context(_DIGITS)
    scale = int(context.divide(Decimal((1 << 64) - 3 * _BLOCKS), reduce(context.add, heights)))
    weights = [int(context.multiply(scale, height)) + 2 for height in heights]
    weights[0] += (1 << 64) - sum(weights)
    leads = [float(context.divide(context.multiply(scale, h), w)) for h, w in zip(heights, weights, strict=True)]
    thresholds, aliases = _alias_table(weights)
    arrays = np.array(thresholds, dtype=np.uint64), np.array(aliases, dtype=np.int64), np.array(leads)
    for array in arrays:
        array.flags.writeable = False
    return Envelope(sigma, shift, scale, tuple(weights), *arrays)


def density(sigma: int, magnitude: int, digits: int) -> Decimal:
    """f(m) = exp(-m**2 / (2 sigma**2)), relative error below 10**(6 - digits) inside the cut.

    Claim: the bound on the error.
    Because: the quotient is at most 32,513 there, and quotient and exponential are each rounded once, correctly.
    Checked by: tests/trusted_sampler/test_exact.py::test_densities_keep_their_error_bound
    """
    context = _context(digits)
    return context.exp(context.divide(Decimal(-magnitude * magnitude), Decimal(2 * sigma * sigma)))


def decide(envelope: Envelope, block: int, magnitude: int, word: int, stream: Keystream) -> bool:
    """Whether V < C f(m) / W_b for a uniform real V that begins with the 64 bits of ``word``.

    Claim: the answer is that of real arithmetic; it ends with probability 1.
    Because: it answers only when the interval of V and that of the chance are apart; otherwise 64 fresh bits of V
             and 20 digits are added, and another pass is needed with probability at most 2**-63.
    Checked by: tests/trusted_sampler/test_exact.py::test_a_tie_is_broken_by_fresh_bits
    """
    bits, digits = 64, 40
    while True:
        chance = Fraction(density(envelope.sigma, magnitude, digits)) * envelope.scale / envelope.weights[block]
        error = Fraction(1, 10 ** (digits - 8))
        if Fraction(word + 1, 1 << bits) <= chance - error:
            return True
        if Fraction(word, 1 << bits) >= chance + error:
            return False
        word, bits, digits = word << 64 | int(stream.words(1)[0]), bits + 64, digits + 20


def chances(envelope: Envelope, blocks: Integers, places: Integers) -> Floats:
    """C f(m) / W_b for m = b w + place, in floats; absolute error below 2**-40.

    Claim: the bound on the error.
    Because: with x = place (2 b w + place) / (2 sigma**2) < 4, exp(-x) is the 32nd power of a Taylor polynomial of
             degree 8 on [0, 1/8]; the roundings are counted in the proof page. No library exponential is trusted.
    Checked by: tests/trusted_sampler/test_exact.py::test_the_floats_err_far_less_than_their_margin
    """
    place = places.astype(np.float64)
    y = (blocks << (envelope.shift + 1)).astype(np.float64)
    y += place
    y *= place
    y *= 1 / (64 * envelope.sigma**2)
    power = np.full(len(y), _TAYLOR[0])
    for coefficient in _TAYLOR[1:]:
        power *= y
        power += coefficient
    for _ in range(5):
        power *= power
    power *= envelope.leads[blocks]
    return power


def kept_of(envelope: Envelope, stream: Keystream, count: int, margin: float) -> Integers:
    """What is kept of ``count`` candidates; each takes three words: block, sign and place, V.

    Claim: a candidate is m and is kept with probability C f(m) / (2**65 w), for every m inside the cut; how many are
           kept, and at which positions, is independent of their values.
    Because: W_b / 2**64 for the block, 1 / w for the place, 1 / 2 for the sign, C f(m) / W_b for V; candidates are
             independent and of one law, so those kept are independent draws of the law whatever the pattern.
    Checked by: tests/trusted_sampler/test_law.py::test_the_law_is_the_discrete_gaussian
                tests/trusted_sampler/test_law.py::test_how_many_are_kept_tells_nothing_of_their_values
    """
    first, second, third = stream.words(3 * count).reshape(3, count)
    columns = (first >> np.uint64(56)).view(np.int64)
    below = (first & np.uint64(_COLUMN - 1)) < envelope.thresholds[columns]
    blocks = np.where(below, columns, envelope.aliases[columns])
    places = ((second >> np.uint64(1)) & np.uint64((1 << envelope.shift) - 1)).view(np.int64)
    signs = (second & np.uint64(1)).view(np.int64)
    magnitudes = (blocks << envelope.shift) + places
    distance = third * 2.0**-64 - chances(envelope, blocks, places)
    keep = distance < 0
    for i in np.flatnonzero(np.abs(distance) < margin).tolist():
        keep[i] = decide(envelope, int(blocks[i]), int(magnitudes[i]), int(third[i]), stream)
    keep &= (signs == 0) | (magnitudes != 0)  # zero has one sign only
    return (magnitudes * (1 - 2 * signs))[keep]


def _alias_table(weights: Sequence[int]) -> tuple[list[int], list[int]]:
    """Thresholds and aliases (Walker 1974, Vose 1991) in integers; the weights must sum to 2**64."""
    thresholds, aliases = list(weights), list(range(_BLOCKS))
    small = [block for block in range(_BLOCKS) if weights[block] < _COLUMN]
    large = [block for block in range(_BLOCKS) if weights[block] >= _COLUMN]
    while small:
        low, high = small.pop(), large.pop()
        aliases[low] = high
        thresholds[high] -= _COLUMN - thresholds[low]
        (small if thresholds[high] < _COLUMN else large).append(high)
    return thresholds, aliases


def _context(digits: int) -> Context:
    return Context(prec=digits, rounding=ROUND_HALF_EVEN, Emin=MIN_EMIN, Emax=MAX_EMAX)
