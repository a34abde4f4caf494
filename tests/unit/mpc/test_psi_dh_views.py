"""What one PSI party sees is independent of the other's items; each test has a broken variant that fails it."""

from __future__ import annotations

import hashlib
import secrets

import numpy as np

from mpc.psi_dh.curve25519 import Points, Scalar, encode, multiply
from mpc.psi_dh.inputs import masked_items

P = 2**255 - 19
SESSION = bytes(16)


def _on_curve(points: Points) -> list[bool]:
    """Whether u^3 + A u^2 + u is a square: multiplication by a scalar never changes the answer."""
    us = [int.from_bytes(row.tobytes(), "little") for row in points]
    return [pow(u * (u * u + 486662 * u + 1) % P, (P - 1) // 2, P) == 1 for u in us]


def test_no_point_tells_on_which_twist_its_item_fell() -> None:
    items = [b"unit-%d" % n for n in range(200)]
    assert all(_on_curve(masked_items(items, Scalar(secrets.token_bytes), SESSION, None)))
    # broken variant: the hash itself as u-coordinate. Half lie on the twist, and masking keeps the pattern
    raw = np.frombuffer(b"".join(hashlib.sha256(i).digest() for i in items), np.uint8).reshape(-1, 32).copy()
    raw[:, 31] &= 127
    pattern = _on_curve(raw)
    assert 60 < sum(pattern) < 140
    assert _on_curve(multiply(raw, Scalar(secrets.token_bytes))) == pattern


def _chi_square(points: Points) -> float:
    """Of the low bytes of u against uniform: 255 degrees of freedom, so 255 +- 23 if they are uniform."""
    counts = np.bincount(points[:, 0], minlength=256)
    expected = len(points) / 256
    return float(((counts - expected) ** 2 / expected).sum())


def test_masked_points_are_uniform_whatever_the_items() -> None:
    similar = [b"0" * 30 + b"%05d" % n for n in range(20000)]
    other = [hashlib.sha256(b"%d" % n).digest() for n in range(20000)]
    for items in (similar, other):
        assert _chi_square(masked_items(items, Scalar(secrets.token_bytes), SESSION, None)) < 255 + 6 * 23
    # broken variant: points made of few items, each repeated, are not uniform
    few = encode(similar[:100], b"x")
    assert _chi_square(np.tile(few, (200, 1))) > 255 + 6 * 23


def test_views_of_two_runs_share_nothing_unless_the_scalar_is_reused() -> None:
    items = [b"%d" % n for n in range(50)]

    def view(scalar: Scalar) -> set[bytes]:
        return {row.tobytes() for row in masked_items(items, scalar, SESSION, None)}

    assert not view(Scalar(secrets.token_bytes)) & view(Scalar(secrets.token_bytes))
    reused = Scalar(secrets.token_bytes)  # broken variant: one scalar for two runs of one session
    assert view(reused) == view(reused)
