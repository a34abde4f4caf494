"""The noise of an answer: moments, bound, no low bit of an exact sum left, and the same for the same seed."""

from __future__ import annotations

import hashlib
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.disclosure.noise import BOUND, noise, noises

SEEDS = [hashlib.sha256(number.to_bytes(4, "big")).digest() for number in range(40_000)]
BIG = 1 << 120


def test_moments_are_those_of_a_normal_truncated_at_three() -> None:
    """At 40,000 draws: the mean within 4 standard errors, the variance 0.9733 sd^2 (and 1/12) within 3%."""
    for sd in (3, 3000):
        found = np.array(noises(SEEDS, sd), dtype=np.float64)
        assert abs(found.mean()) < 4 * sd / len(SEEDS) ** 0.5
        assert found.var() == pytest.approx(0.9733 * sd * sd + 1 / 12, rel=0.03)
        skew = ((found - found.mean()) ** 3).mean() / sd**3
        assert abs(skew) < 0.06


def test_the_distribution_function_is_the_truncated_normal_s() -> None:
    """Kolmogorov-Smirnov at one per thousand."""
    sd, normal = 10**9, NormalDist()
    found, tail = sorted(noises(SEEDS, sd)), normal.cdf(-BOUND)
    expected = [(normal.cdf(value / sd) - tail) / (1 - 2 * tail) for value in found]
    distance = max(abs(e - (n + 0.5) / len(found)) for n, e in enumerate(expected))
    assert distance < 1.95 / len(found) ** 0.5


@given(st.binary(min_size=32, max_size=32), st.integers(0, BIG))
def test_no_noise_is_beyond_its_bound(seed: bytes, sd: int) -> None:
    assert abs(noise(seed, sd)) <= BOUND * sd
    assert noise(seed, sd) == noise(seed, sd)
    assert noise(seed, 0) == 0


@pytest.mark.parametrize("seed", [bytes(32), b"\xff" * 32, b"\x01" + bytes(31), b"\xfe" + b"\xff" * 31])
def test_the_ends_of_the_seeds_are_within_the_bound(seed: bytes) -> None:
    for sd in (1, 3, BIG):
        assert abs(noise(seed, sd)) <= BOUND * sd


def test_no_low_bit_of_a_large_sum_stays_visible() -> None:
    """With sd 2^120 every low bit and every low byte is even: no bit of a sum survives below the float's precision."""
    found = noises(SEEDS[:20_000], BIG)
    for bit in range(110):
        ones = sum((value >> bit) & 1 for value in found)
        assert abs(ones - 10_000) < 5 * 70.7, bit
    for shift in (0, 40, 64, 72):
        counts = np.bincount([(value >> shift) & 255 for value in found], minlength=256)
        assert ((counts - 20_000 / 256) ** 2 / (20_000 / 256)).sum() < 255 + 5 * (2 * 255) ** 0.5


def test_other_seeds_other_noise_and_the_value_is_pinned() -> None:
    """Whoever changes a bit of it changes every answer that was ever given: then it is another key, and a new name."""
    assert len(set(noises(SEEDS[:1000], BIG))) == 1000
    assert noises(SEEDS[:6], 1000) == PINNED


PINNED = [-689, 259, -30, 1729, -2101, 437]


@pytest.mark.parametrize(("seed", "sd"), [(bytes(31), 3), (bytes(33), 3), (b"", 3), (bytes(32), -1)])
def test_a_seed_of_another_length_or_a_negative_deviation_is_refused(seed: bytes, sd: int) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        noise(seed, sd)
