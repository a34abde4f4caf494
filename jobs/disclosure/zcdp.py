"""Zero-concentrated differential privacy (zCDP): what noisy answers cost one individual, and what all add up to.

One accountant for every kind of job: a job tells its mechanism ``Event``s, a node's ledger stores them, ``rho_of``
composes them. Costs are exact fractions, so no rounding ever adds up; only the conversion to (epsilon, delta), which
is for people to read, is in floating point, and rounded up.

Two data sets are neighbours where one holds one individual more, with all of its rows. Sources: Bun and Steinke (TCC
2016), "Concentrated differential privacy"; Canonne, Kamath and Steinke (NeurIPS 2020), "The discrete Gaussian for
differential privacy" (CKS). Pure.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import Annotated, Literal

from pydantic import Field

from jobs.disclosure.ratio import Ratio
from jobs.errors import InvalidRequest
from jobs.schema import Model, Name

_SIGNIFICANT = (
    40  # bits of a scale: few enough that a double holds it exactly, and at most 2^-38 above the scale needed
)
_WIDEST = 1 << 62  # noise plus part of a total has to fit 64 bits
_SLACK = 1 + 1e-9  # above all rounding errors of the few double operations behind a printed number


class Event(Model):
    """One use of a mechanism, as a ledger stores it: ``canonical(event.model_dump(mode="json"))``.

    ``sensitivity``: how far, in the Euclidean norm over all cells at once and in integer units of the channel, one
    individual moves the vector. ``sigma``: scale of the noise of every cell, in the same units. ``count``: how many
    such vectors. ``truncation``: the probability, for each vector, that its noise met its bound.
    """

    mechanism: Literal["discrete-gaussian"] = "discrete-gaussian"
    sensitivity: Annotated[int, Field(ge=1)]
    sigma: Ratio
    count: Annotated[int, Field(ge=1)] = 1
    truncation: Ratio

    @property
    def rho(self) -> Fraction:
        """What all vectors of the event cost together (CKS, theorem 14: as continuous noise of that scale would)."""
        return self.count * self.sensitivity**2 / (2 * self.sigma**2)


class Spend(Model):
    """What one question costs the individuals of a unit domain, as a node's audit stores it.

    ``parts``: how many owners may hold the same individual; each tells of it what ``events`` say. A node books the
    price of all parts, so that what it takes part in costs nobody more than its own budget.
    """

    unit_domain: Name
    parts: Annotated[int, Field(ge=1, le=10_000)]
    events: Annotated[tuple[Event, ...], Field(min_length=1, max_length=192)]

    @property
    def rho(self) -> Fraction:
        return self.parts * rho_of(self.events)

    @property
    def truncation(self) -> Fraction:
        return self.parts * truncation_of(self.events)


def question_events(rho: Fraction, sensitivities: Sequence[int], truncation: Fraction) -> tuple[Event, ...]:
    """The events of one question that may cost ``rho`` in all, one for each channel, in equal shares.

    ``sensitivities``: per channel ``rows_per_unit * cut``, at least 1: an individual has at most so many rows, each in
    at most one of the channel's cells, and moves the vector furthest where all are in one.
    """
    channels = len(sensitivities)
    if not channels:
        raise InvalidRequest("a question without a channel has no answer to protect: ask for an aggregate")
    return tuple(
        Event(
            sensitivity=sensitivity,
            sigma=sigma_for(rho / channels, sensitivity),
            truncation=truncation / channels,
        )
        for sensitivity in sensitivities
    )


def rho_of(events: Iterable[Event]) -> Fraction:
    """What all ``events`` cost together; adaptive composition adds (Bun and Steinke, lemma 2.3)."""
    return sum((event.rho for event in events), Fraction(0))


def truncation_of(events: Iterable[Event]) -> Fraction:
    """A bound on the probability that any noise of all ``events`` met its bound."""
    return sum((event.count * event.truncation for event in events), Fraction(0))


def sigma_for(rho: Fraction, sensitivity: int) -> Fraction:
    """The least scale of 40 significant bits that costs at most ``rho``. A double holds it exactly."""
    if rho <= 0 or sensitivity < 1:
        raise InvalidRequest("noise needs a positive share of the budget and a sensitivity of at least 1")
    square = Fraction(sensitivity**2) / (2 * rho)
    bits = square.numerator.bit_length() - square.denominator.bit_length()  # log2 of the square, less than one off
    step = Fraction(2) ** (bits // 2 - _SIGNIFICANT + 1)
    return _root_above(square / step**2) * step


def bound(sigma: Fraction, cells: int, truncation: Fraction) -> int:
    """What the noise of none of ``cells`` exceeds but with probability ``truncation``: what a range proof counts on.

    P[|Z| > b] <= P[|N(0, sigma^2)| >= b] (CKS, proposition 25, for both tails) <= exp(-b^2 / (2 sigma^2)), and a union
    bound over the cells. Raises ``InvalidRequest`` where 64 bits would not hold it.
    """
    if cells < 1 or not 0 < truncation < 1:
        raise InvalidRequest("a bound on noise needs at least one cell and a probability between 0 and 1")
    logarithm = Fraction(math.log(cells / truncation) * _SLACK)
    most = _root_above(2 * sigma**2 * logarithm)
    if most >= _WIDEST:
        raise InvalidRequest(
            "the noise that this aggregate needs is wider than 64 bits hold: declare narrower bounds of its column or "
            "fewer rows_per_unit, or leave the variance out"
        )
    return most


def epsilon(rho: Fraction, delta: Fraction, truncation: Fraction = Fraction(0)) -> float:
    """The epsilon of which (epsilon, delta)-differential privacy is promised by all that cost ``rho``.

    Truncated noise differs from the noise of the proof only where it met its bound: with probability ``truncation``
    over all answers. Both neighbours may, so it adds (1 + e^epsilon) * truncation to the ideal delta. Raises
    ``InvalidRequest`` where that leaves no delta.
    """
    low, high = 0.0, _epsilon_closed(float(rho), float(delta) / 2) * _SLACK
    if _delta_truncated(float(rho), high, float(truncation)) > delta:
        raise InvalidRequest("the noise is truncated too often for this delta: choose a smaller truncation")
    while high - low > 1e-9 * high:
        middle = (low + high) / 2
        if _delta_truncated(float(rho), middle, float(truncation)) > delta:
            low = middle
        else:
            high = middle
    return high


def delta_at(rho: float, epsilon: float) -> float:
    """The delta that rho-zCDP leaves at ``epsilon`` (CKS, section 2.3): the infimum over alpha > 1 of

    exp((alpha - 1)(alpha rho - epsilon)) / (alpha - 1) * (1 - 1/alpha)^alpha.

    Every alpha gives a valid delta. The logarithm is convex; its derivative vanishes within the interval searched.
    """
    low, high = 1.0, (epsilon + 1) / (2 * rho) + 2
    for _ in range(100):
        alpha = (low + high) / 2
        if (2 * alpha - 1) * rho - epsilon + math.log1p(-1 / alpha) < 0:
            low = alpha
        else:
            high = alpha
    exponent = (high - 1) * (high * rho - epsilon) + high * math.log1p(-1 / high) - math.log(high - 1)
    return min(1.0, math.exp(min(0.0, exponent)) * _SLACK)


def _delta_truncated(rho: float, epsilon: float, truncation: float) -> float:
    """As ``epsilon`` says. Beyond an epsilon of 700 the sum is above any delta, and a double could not hold it."""
    return delta_at(rho, epsilon) + (1 + math.exp(min(epsilon, 700))) * truncation * _SLACK


def _epsilon_closed(rho: float, delta: float) -> float:
    """Bun and Steinke, proposition 1.3: never below what ``delta_at`` gives."""
    return rho + 2 * math.sqrt(rho * math.log(1 / delta))


def _root_above(value: Fraction) -> int:
    """The least integer whose square is at least ``value`` > 0."""
    return math.isqrt(math.ceil(value) - 1) + 1
