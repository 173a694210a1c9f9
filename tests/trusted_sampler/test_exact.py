"""The exact parts of the sampler: tables, error bounds, the decimal decision, keys and chunks. No statistics here."""

from __future__ import annotations

import hashlib
import math
import tracemalloc
from dataclasses import dataclass, field, replace
from decimal import Context, localcontext
from fractions import Fraction

import numpy as np
import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from numpy.typing import NDArray
from scipy import stats

from engine.trusted import gauss
from engine.trusted.gauss import ExactSampler, chances, decide, density, envelope_of, kept_of
from engine.trusted.keystream import Keystream

SIGMAS = (1, 2, 7, 8, 9, 64, 1000, (1 << 20) + 3, (1 << 50) - 1, 1 << 57)
EDGES = sorted({(1 << power) + step for power in range(3, 57, 3) for step in (-1, 0, 1)} | {1, 2, 3, 1 << 57})


@dataclass
class Recorded:
    """Randomness of the tests: bytes that can be had again, and a note of every request."""

    name: str
    requests: list[int] = field(default_factory=list)

    def bytes(self, count: int) -> bytes:
        self.requests.append(count)
        return hashlib.shake_256(f"{self.name} {len(self.requests)}".encode()).digest(count)


class Repeated(Keystream):
    """A keystream that gives one word for ever."""

    def __init__(self, word: int) -> None:
        self.word = word

    def words(self, count: int) -> NDArray[np.uint64]:
        return np.full(count, self.word, dtype=np.uint64)


def exact_chance(envelope: gauss.Envelope, block: int, magnitude: int, digits: int = 80) -> Fraction:
    return Fraction(density(envelope.sigma, magnitude, digits)) * envelope.scale / envelope.weights[block]


@pytest.mark.parametrize("sigma", SIGMAS)
def test_the_alias_table_gives_each_block_its_weight(sigma: int) -> None:
    envelope = envelope_of(sigma)
    given = [0] * 256
    for column, (threshold, alias) in enumerate(zip(envelope.thresholds, envelope.aliases, strict=True)):
        given[column] += int(threshold)
        given[int(alias)] += (1 << 56) - int(threshold)
    assert tuple(given) == envelope.weights
    assert sum(given) == 1 << 64


@pytest.mark.parametrize("sigma", SIGMAS)
def test_the_envelope_is_never_below_the_law(sigma: int) -> None:
    envelope = envelope_of(sigma)
    for block, weight in enumerate(envelope.weights):
        first = block << envelope.shift  # f falls, so the first place of a block is its highest
        assert exact_chance(envelope, block, first) * (1 + Fraction(1, 10**70)) < 1
        if block:
            assert weight - envelope.scale * Fraction(density(sigma, first, 80)) <= 2


def test_the_envelope_wastes_little() -> None:
    for sigma in (64, 127, 1000, 1 << 40):
        envelope = envelope_of(sigma)
        total = Fraction(round(sigma * math.sqrt(2 * math.pi) * 10**9), 10**9)
        kept = envelope.scale * total / (Fraction(1 << 65) * (1 << envelope.shift))
        assert 0.94 < kept < 1


@pytest.mark.parametrize("sigma", EDGES)
def test_the_cut_lies_beyond_sixteen_sigma(sigma: int) -> None:
    width = 1 << envelope_of(sigma).shift
    assert 256 * width > 16 * sigma + 1
    assert 256 * width <= 1 << 62
    assert width == 1 or 8 * width <= sigma


def test_the_mass_beyond_the_cut_is_below_the_constant() -> None:
    assert stats.norm.logsf(16) + math.log(2) < math.log(gauss.MISSING_MASS)
    for sigma in (1, 8, 15, 64):
        cut = 256 << envelope_of(sigma).shift
        beyond = 2 * sum(Fraction(density(sigma, m, 60)) for m in range(cut, cut + 8 * sigma))
        inside = sum(Fraction(density(sigma, m, 60)) for m in range(8 * sigma))
        assert beyond / inside < gauss.MISSING_MASS


@pytest.mark.parametrize("sigma", [1, 7, 64, 1000, 1 << 57])
def test_densities_keep_their_error_bound(sigma: int) -> None:
    last = (256 << envelope_of(sigma).shift) - 1
    for magnitude in (1, sigma // 2 + 1, sigma, 3 * sigma + 1, last // 3, last):
        for digits in (40, 60, 100):
            finer = Fraction(density(sigma, magnitude, digits + 40))
            error = abs(Fraction(density(sigma, magnitude, digits)) - finer)
            assert error < finer * Fraction(10**6, 10**digits)


@pytest.mark.parametrize("sigma", SIGMAS)
def test_the_floats_err_far_less_than_their_margin(sigma: int) -> None:
    envelope = envelope_of(sigma)
    width = 1 << envelope.shift
    draw = np.random.default_rng()
    blocks = np.concatenate([np.arange(256), draw.integers(0, 40, 200)])
    places = np.concatenate([np.full(256, width - 1), draw.integers(0, width, 200)])
    for block, place, chance in zip(blocks, places, chances(envelope, blocks, places), strict=True):
        exact = exact_chance(envelope, int(block), (int(block) << envelope.shift) + int(place))
        assert abs(Fraction(float(chance)) - exact) < Fraction(1, 1 << 40)
    assert gauss.MARGIN == 2.0**-32


@pytest.mark.parametrize("sigma", [1, 7, 64, 1000, (1 << 40) + 1, 1 << 57])
def test_floats_and_decimals_decide_alike_draw_by_draw(sigma: int) -> None:
    filtered = ExactSampler(Recorded("alike")).gaussian(sigma, 3_000)
    decimal = ExactSampler(Recorded("alike"), margin=2.0).gaussian(sigma, 3_000)
    assert (filtered == decimal).all()


@pytest.mark.parametrize("sigma", [7, 1000, 1 << 57])
def test_a_tie_is_broken_by_fresh_bits(sigma: int) -> None:
    envelope = envelope_of(sigma)
    for block in (0, 3, 40):
        magnitude = (block << envelope.shift) + (1 << envelope.shift) // 3
        tie = int(exact_chance(envelope, block, magnitude) * (1 << 64))
        assert decide(envelope, block, magnitude, tie, Repeated(0))
        assert not decide(envelope, block, magnitude, tie, Repeated((1 << 64) - 1))
        assert decide(envelope, block, magnitude, tie - 1, Repeated((1 << 64) - 1))
        assert not decide(envelope, block, magnitude, tie + 1, Repeated(0))


def test_a_tie_of_many_words_ends_too() -> None:
    """V follows the binary digits of the chance for 64 words and leaves it at the 65th."""
    envelope = envelope_of(1000)
    block, magnitude = 2, 2 * 64 + 5
    digits = int(exact_chance(envelope, block, magnitude, 1400) * (1 << 64 * 66))
    words = [digits >> 64 * (65 - i) & ((1 << 64) - 1) for i in range(66)]

    class Follows(Repeated):
        def words(self, count: int) -> NDArray[np.uint64]:
            return np.array([queue.pop(0)], dtype=np.uint64)

    for last, kept in ((words[65] - 1, True), (words[65] + 1, False)):
        queue = [*words[1:65], last]
        assert decide(envelope, block, magnitude, words[0], Follows(0)) is kept
        assert not queue


@pytest.mark.parametrize("sign", [-1, 1])
def test_an_answer_waits_until_the_error_bound_allows_it(monkeypatch: pytest.MonkeyPatch, sign: int) -> None:
    """The true chance is 1e-33 to one side of the edge of V's first interval, its first decimal value to the other."""
    edge, off = Fraction(1 << 62, 1 << 64), sign * Fraction(1, 10**33)
    monkeypatch.setattr(gauss, "density", lambda _s, _m, digits: edge + (off if digits == 40 else -off))
    envelope = replace(envelope_of(64), scale=1, weights=(1,) * 256)
    word, rest = ((1 << 62) - 1, (1 << 64) - 1) if sign > 0 else (1 << 62, 0)
    assert decide(envelope, 0, 1, word, Repeated(rest)) is (sign < 0)


@pytest.mark.parametrize("rest", [0, (1 << 64) - 1])
def test_a_candidate_within_the_production_margin_is_decided_in_decimals(rest: int) -> None:
    envelope = envelope_of(1000)
    block = next(b for b in range(1, 256) if int(envelope.thresholds[b]) and envelope.weights[b] > 1 << 40)
    place = 5
    tie = int(exact_chance(envelope, block, (block << envelope.shift) + place) * (1 << 64))

    class Crafted(Repeated):
        def words(self, count: int) -> NDArray[np.uint64]:
            candidate = [block << 56, place << 1, tie]
            return np.array(candidate if count == 3 else [self.word] * count, dtype=np.uint64)

    kept = kept_of(envelope, Crafted(rest), 1, gauss.MARGIN)
    assert kept.tolist() == ([] if rest else [(block << envelope.shift) + place])


def test_every_call_takes_one_fresh_key() -> None:
    randomness = Recorded("keys")
    sampler = ExactSampler(randomness)
    first, second = sampler.gaussian(1 << 50, 100), sampler.gaussian(1 << 50, 100)
    assert randomness.requests == [32, 32]
    assert not np.isin(first, second).any()  # fixed bytes: certain


def test_the_keystream_is_aes_256_in_counter_mode() -> None:
    key = bytes(range(32))
    blocks = b"".join(i.to_bytes(16, "big") for i in range(50))
    expected = Cipher(algorithms.AES256(key), modes.ECB()).encryptor().update(blocks)  # noqa: S305
    stream = Keystream(key)
    words = np.concatenate([stream.words(33), stream.words(67)])
    assert words.tobytes() == expected


@pytest.mark.parametrize("count", [0, 1, 16_383, 16_384, 16_385, 3 * 16_384 + 7])
def test_chunks_join_without_gap_or_repeat(count: int) -> None:
    draws = ExactSampler(Recorded("chunks")).gaussian(1 << 55, count)
    assert draws.shape == (count,)
    assert draws.dtype == np.int64
    assert len(np.unique(draws)) == count  # fixed bytes: certain; a repeated or unfilled chunk would show
    assert (np.abs(draws) < 16 * (1 << 55)).all()


def test_memory_is_bounded_by_the_vector_and_one_chunk() -> None:
    sampler = ExactSampler(Recorded("memory"))
    sampler.gaussian(64, 1)
    tracemalloc.start()
    sampler.gaussian(64, 1_000_000)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8_000_000 + 3_000_000


def test_tables_are_kept_in_a_bounded_cache_and_read_only() -> None:
    assert envelope_of(64) is envelope_of(64)
    assert envelope_of.cache_info().maxsize == 64
    for array in (envelope_of(64).thresholds, envelope_of(64).aliases, envelope_of(64).leads):
        assert not array.flags.writeable


@pytest.mark.parametrize(("sigma", "count"), [(0, 1), (-3, 1), ((1 << 57) + 1, 1), (64, -1)])
def test_a_scale_or_count_out_of_range_is_refused(sigma: int, count: int) -> None:
    with pytest.raises(ValueError, match="a sigma from 1"):
        ExactSampler(Recorded("range")).gaussian(sigma, count)


def test_a_scale_that_is_no_integer_is_refused() -> None:
    with pytest.raises(TypeError):
        ExactSampler(Recorded("type")).gaussian(64.5, 1)  # type: ignore[arg-type]


def test_the_decimal_context_of_the_thread_has_no_say() -> None:
    expected = density(1000, 1234, 60)
    with localcontext(Context(prec=3, Emin=-5, Emax=5)):
        assert density(1000, 1234, 60) == expected
        assert envelope_of.__wrapped__(64).weights == envelope_of(64).weights
