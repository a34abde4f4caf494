"""Noise of differential privacy: distributed as stated, fresh in every draw and process, never beyond its bound."""

from __future__ import annotations

import math
import multiprocessing
from collections.abc import Callable
from decimal import Decimal, localcontext
from fractions import Fraction

import numpy as np
import pytest

from jobs.disclosure.discrete_gaussian import noise, opendp_noise
from jobs.disclosure.gaussian_table import WIDEST, Int64, table
from jobs.disclosure.zcdp import Event, bound, question_events
from jobs.errors import DisclosureBlocked, InvalidRequest

RARE = Fraction(1, 10**18)
DRAWS = 100_000
CHANCE = math.sqrt(math.log(2 / 1e-9) / (2 * DRAWS))
"""Dvoretzky, Kiefer and Wolfowitz with Massart's constant: chance alone moves a distribution further once in 10^9."""
Sampler = Callable[[int, Event], Int64]


def event_of(sensitivity: int, rho: Fraction = Fraction(1, 60)) -> Event:
    (event,) = question_events(rho, [sensitivity], RARE)
    return event


def distance(drawn: Int64, sigma: float) -> float:
    """The largest difference between the drawn distribution and the one that the definition gives."""
    reach = np.arange(-math.ceil(12 * sigma), math.ceil(12 * sigma) + 1)
    weights = np.exp(-(reach.astype(float) ** 2) / (2 * sigma**2))
    expected = np.cumsum(weights) / weights.sum()
    seen = np.searchsorted(np.sort(drawn), reach, side="right") / len(drawn)
    return float(np.abs(seen - expected).max())


@pytest.mark.parametrize("rho", [Fraction(2), Fraction(1, 60), Fraction(1, 7200)], ids=["0.5", "5.5", "60"])
@pytest.mark.parametrize("sampler", [noise, opendp_noise])
def test_table_and_opendp_draw_what_the_definition_states(sampler: Sampler, rho: Fraction) -> None:
    event = event_of(1, rho)
    drawn = sampler(DRAWS, event)
    assert drawn.dtype == np.int64
    assert drawn.shape == (DRAWS,)
    assert distance(drawn, float(event.sigma)) < CHANCE


def test_control_that_test_sees_a_scale_ten_percent_off() -> None:
    event = event_of(1)
    assert distance(noise(DRAWS, event), float(event.sigma) * 1.1) > CHANCE


@pytest.mark.parametrize("sigma", [Fraction(1, 3), Fraction(11, 2), Fraction(400)])
def test_a_table_holds_the_probabilities_of_the_definition_to_128_bits(sigma: Fraction) -> None:
    """Against decimal arithmetic, of another library."""
    most = bound(sigma, DRAWS, RARE)
    made = table(sigma, most)
    with localcontext(prec=80):
        square = 2 * Decimal(sigma.numerator) ** 2 / Decimal(sigma.denominator) ** 2
        weights = [(-Decimal(x * x) / square).exp() for x in range(-most, most + 1)]
        total, upto = sum(weights), Decimal(0)
        assert len(made.below) == 2 * most
        for entry, weight in zip(made.below, weights, strict=False):
            upto += weight
            assert 0 <= upto / total * 2**128 - entry < 1 + Decimal("1e-30")


def test_where_the_upper_half_does_not_decide_the_lower_does() -> None:
    made = table(Fraction(11, 2), 57)
    for entry in (made.below[0], made.below[40], made.below[57], made.below[-1]):
        words = [entry - 1, entry, entry + 1]
        high = np.array([word >> 64 for word in words], dtype=np.uint64)
        low = np.array([word & (1 << 64) - 1 for word in words], dtype=np.uint64)
        value = made.below.index(entry) - 57
        assert made.values(high, low).tolist() == [value, value + 1, value + 1]
    full = (1 << 64) - 1
    high, low = np.array([0, 0, full], dtype=np.uint64), np.array([0, full, full], dtype=np.uint64)
    tail = sum(entry <= full for entry in made.below)
    assert tail > 1
    assert made.values(high, low).tolist() == [-57, -57 + tail, 57]


def test_large_scales_keep_their_low_digits() -> None:
    """A sum's noise is an integer of full precision: its last bit is a fair coin."""
    event = event_of(10**13)
    drawn = noise(20_000, event)
    assert abs(np.mean(drawn & 1) - 0.5) < 0.025  # seven standard errors
    assert np.std(drawn / float(event.sigma)) == pytest.approx(1, abs=0.05)


def test_no_draw_repeats_another_in_any_part_or_call() -> None:
    event = event_of(10**16)
    drawn = np.concatenate([noise(30_000, event), noise(30_000, event)])
    assert len(np.unique(drawn)) == len(drawn)


def test_a_table_gives_other_noise_in_every_call() -> None:
    assert noise(1000, event_of(1)).tolist() != noise(1000, event_of(1)).tolist()


def _send(to: multiprocessing.connection.Connection, event: Event) -> None:
    to.send(noise(8, event).tolist())


def test_a_forked_process_draws_noise_of_its_own() -> None:
    event = event_of(10**16)
    noise(8, event)  # the generator is seeded before the fork
    forking = multiprocessing.get_context("fork")
    seen: list[list[int]] = []
    for _ in range(2):
        here, there = forking.Pipe(duplex=False)
        child = forking.Process(target=_send, args=(there, event))
        child.start()
        seen.append(here.recv())
        child.join()
    assert len({value for drawn in [*seen, noise(8, event).tolist()] for value in drawn}) == 24


@pytest.mark.parametrize("sigma", [8, 8000], ids=["table", "opendp"])
def test_noise_stays_within_its_bound_and_reaches_it(sigma: int) -> None:
    """With every second vector of one cell allowed to meet its bound, some of 300 come near, and none passes."""
    event = Event(sensitivity=1, sigma=Fraction(sigma), truncation=Fraction(1, 2))
    most = bound(event.sigma, 1, event.truncation)
    assert (most <= WIDEST) == (sigma == 8)
    largest = max(abs(int(noise(1, event)[0])) for _ in range(300))
    assert most * 0.9 <= largest <= most


def test_a_scale_that_a_double_rounds_is_refused_to_opendp() -> None:
    event = Event(sensitivity=10**6, sigma=Fraction(10**7, 3), truncation=RARE)
    with pytest.raises(DisclosureBlocked, match="sigma_for"):
        noise(5, event)


def test_noise_wider_than_the_ring_is_refused_before_it_is_drawn() -> None:
    with pytest.raises(InvalidRequest, match="narrower bounds"):
        noise(5, event_of(10**18))
