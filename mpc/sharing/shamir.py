"""Shamir's t-of-n secret sharing over the field of 2^61 - 1, vectorised over many secrets at once (Shamir 1979).

Run by whoever holds a secret (``split``) and whoever may open it (``combine``). Party i holds the values of random
polynomials of degree t - 1 at the public point x = i in [1, 65535]; the secrets are the values at 0. Any t shares give
the secrets, t - 1 or fewer are uniform and independent of them. Shares of one sharing add and scale (``add``,
``scale``); ``refresh`` re-randomises them. ``combine`` uses t shares and checks all others given against them, so t + 1
honest shares reveal a wrong one (not whose it is). Semi-honest otherwise: t shares alone cannot show tampering.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np

from mpc import field
from mpc.errors import BadParameters, IntegrityError, TooFewParties
from mpc.field import Elements, P
from mpc.party import RandomBytes

MAX_POINT: Final = (1 << 16) - 1
BLOCK: Final = 1 << 14
"""Elements per numpy operation (128 KiB), so that intermediate results stay in the core's cache."""
LIMB_BYTES: Final = 7
"""Bytes of a byte-string secret per field element: 56 of 61 bits."""


def split(secrets: Elements, threshold: int, points: Sequence[int], rng: RandomBytes) -> list[Share]:
    """Share m secrets (a vector of field elements) among the parties at ``points``; one ``Share`` per point, in order.

    Raises ``BadParameters`` unless 1 <= threshold <= number of points and the points are distinct in [1, 65535].
    """
    _check_points(points)
    if not 1 <= threshold <= len(points):
        raise BadParameters(f"a threshold of {threshold} cannot be met by {len(points)} parties")
    field.check(secrets)
    x = np.array(points, dtype=np.uint64)[:, None]
    shares = np.empty((len(points), len(secrets)), dtype=np.uint64)
    step = max(1, BLOCK // len(points))
    for at in range(0, len(secrets), step):
        constant = secrets[at : at + step]
        # coefficients of x^(t-1) .. x^1, then the secrets: Horner's rule from the top
        values = np.zeros((len(points), len(constant)), dtype=np.uint64)
        for coefficient in field.random((threshold - 1, len(constant)), rng):
            values = field.mul_small(_fold(values + coefficient), x)
        shares[:, at : at + step] = field.add(_reduced(values), constant)
    return [Share(point, threshold, values) for point, values in zip(points, shares, strict=True)]


def combine(shares: Iterable[Share]) -> Elements:
    """Recover the m secrets. Raises ``TooFewParties`` below the threshold, ``IntegrityError`` if shares disagree."""
    given = sorted(shares, key=lambda share: share.point)
    if not given:
        raise TooFewParties("no shares to combine")
    threshold, size = given[0].threshold, len(given[0].values)
    if any(share.threshold != threshold or len(share.values) != size for share in given):
        raise IntegrityError("shares of different sharings")
    _check_points([share.point for share in given])
    if len(given) < threshold:
        raise TooFewParties(f"{len(given)} shares where {threshold} are needed")
    base, extra = given[:threshold], given[threshold:]
    points = [share.point for share in base]
    rows = np.stack([share.values for share in base])
    for share in extra:
        if not np.array_equal(_interpolate(points, rows, share.point), share.values):
            raise IntegrityError("the shares do not lie on one polynomial: at least one is wrong")
    return _interpolate(points, rows, 0)


@dataclass(frozen=True, eq=False)
class Share:
    """One party's shares of m secrets: the polynomials' values at ``point``."""

    point: int
    threshold: int
    values: Elements

    def __repr__(self) -> str:
        return f"Share(point={self.point}, threshold={self.threshold}, secrets={len(self.values)}, values=<redacted>)"


def add(left: Share, right: Share) -> Share:
    """This party's shares of the sums of two sharings' secrets."""
    return Share(left.point, _same_sharing(left, right), field.add(left.values, right.values))


def scale(share: Share, factor: int) -> Share:
    """This party's shares of the secrets times a public number."""
    constant = np.full_like(share.values, factor % P)
    return Share(share.point, share.threshold, field.mul(share.values, constant))


def add_public(share: Share, values: Elements) -> Share:
    """This party's shares of the secrets plus public elements; every party does the same."""
    return Share(share.point, share.threshold, field.add(share.values, field.check(values)))


def zero_shares(size: int, threshold: int, points: Sequence[int], rng: RandomBytes) -> list[Share]:
    """Share ``size`` zeros: every party makes these, sends one to each, and ``refresh`` adds all that arrived."""
    return split(np.zeros(size, dtype=np.uint64), threshold, points, rng)


def refresh(share: Share, zeros: Iterable[Share]) -> Share:
    """Re-randomise a share with the zero shares of all parties: old and new shares no longer combine.

    Proactive as long as one contributor is honest and all holders add the same contributions.
    """
    for zero in zeros:
        share = add(share, zero)
    return share


def split_bytes(secrets: Sequence[bytes], threshold: int, points: Sequence[int], rng: RandomBytes) -> list[Share]:
    """Share several byte strings of one length (seeds, keys) at once."""
    length = len(secrets[0]) if secrets else 0
    if not length or any(len(secret) != length for secret in secrets):
        raise BadParameters("byte strings shared together have one length above 0")
    return split(_limbs(b"".join(secrets), length), threshold, points, rng)


def combine_bytes(shares: Iterable[Share], length: int) -> list[bytes]:
    """Recover byte strings of ``length`` bytes each; ``IntegrityError`` if the shares cannot come from such strings."""
    limbs = combine(shares)
    per_secret = -(-length // LIMB_BYTES)
    if length < 1 or len(limbs) % per_secret or bool((limbs >> np.uint64(8 * LIMB_BYTES)).any()):
        raise IntegrityError("the shares do not combine to byte strings of this length: at least one is wrong")
    raw = limbs.astype("<u8").view(np.uint8).reshape(-1, per_secret, 8)[:, :, :LIMB_BYTES].reshape(-1, per_secret * 7)
    if bool(raw[:, length:].any()):
        raise IntegrityError("the shares do not combine to byte strings of this length: at least one is wrong")
    return [row.tobytes() for row in raw[:, :length]]


@lru_cache(maxsize=1024)
def lagrange_weights(points: tuple[int, ...], at: int) -> Elements:
    """Weights w with f(at) = sum of w[i] * f(points[i]) for every polynomial of degree below ``len(points)``.

    They are public, and the same parties combine many secrets: remembered, and read-only for that reason.
    """
    weights = []
    for i, x_i in enumerate(points):
        others = [*points[:i], *points[i + 1 :]]
        numerator = math.prod(at - x for x in others)
        denominator = math.prod(x_i - x for x in others)
        weights.append(numerator * pow(denominator, -1, P) % P)
    result = np.array(weights, dtype=np.uint64)
    result.setflags(write=False)
    return result


def _interpolate(points: Sequence[int], rows: Elements, at: int) -> Elements:
    weights = lagrange_weights(tuple(points), at)
    step = max(1, BLOCK // len(points))
    if rows.shape[1] <= step:
        return field.dot(weights, rows)
    return np.concatenate([field.dot(weights, rows[:, i : i + step]) for i in range(0, rows.shape[1], step)])


def _limbs(data: bytes, length: int) -> Elements:
    per_secret = -(-length // LIMB_BYTES)
    rows = np.frombuffer(data, dtype=np.uint8).reshape(-1, length)
    padded = np.zeros((len(rows), per_secret * LIMB_BYTES), dtype=np.uint8)
    padded[:, :length] = rows
    wide = np.zeros((len(rows) * per_secret, 8), dtype=np.uint8)
    wide[:, :LIMB_BYTES] = padded.reshape(-1, LIMB_BYTES)
    return wide.view("<u8").reshape(-1).astype(np.uint64)


def _fold(values: Elements) -> Elements:
    """Bring numbers below 2^63 under 2^61 + 4: enough for ``mul_small``, cheaper than a full reduction."""
    return (values & np.uint64(P)) + (values >> np.uint64(61))


def _reduced(values: Elements) -> Elements:
    folded = _fold(_fold(values))
    return np.where(folded >= np.uint64(P), folded - np.uint64(P), folded)


def _same_sharing(left: Share, right: Share) -> int:
    if (left.point, left.threshold, len(left.values)) != (right.point, right.threshold, len(right.values)):
        raise BadParameters("only shares of one party, threshold and size add up")
    return left.threshold


def _check_points(points: Sequence[int]) -> None:
    if len(set(points)) != len(points) or any(not 1 <= point <= MAX_POINT for point in points):
        raise BadParameters(f"parties sit at distinct points between 1 and {MAX_POINT}")
