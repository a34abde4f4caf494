"""Public keys under which signatures mean nothing are no keys."""

from __future__ import annotations

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from jobs.documents import PublicKey
from jobs.errors import BadDocument

P = 2**255 - 19
D = -121665 * pow(121666, -1, P) % P


def add(left: tuple[int, int], right: tuple[int, int]) -> tuple[int, int]:
    """Affine addition on edwards25519 (RFC 8032 section 5.1.4), by the curve equation."""
    (x1, y1), (x2, y2) = left, right
    product = D * x1 * x2 * y1 * y2
    return (
        (x1 * y2 + x2 * y1) * pow(1 + product, -1, P) % P,
        (y1 * y2 + x1 * x2) * pow(1 - product, -1, P) % P,
    )


def on_curve(y: int) -> tuple[int, int] | None:
    """A point with this y, or None."""
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    for candidate in (x, x * pow(2, (P - 1) // 4, P) % P):
        if candidate * candidate % P == square:
            return candidate, y
    return None


def small_order_points() -> list[tuple[int, int]]:
    """All eight, as multiples of one of order eight, found by clearing the large factor from arbitrary points."""
    order = 2**252 + 27742317777372353535851937790883648493
    for y in range(2, 200):
        base, point = on_curve(y), (0, 1)
        if base is None:
            continue
        for bit in bin(order)[2:]:
            point = add(point, point)
            if bit == "1":
                point = add(point, base)
        multiples = [(0, 1)]
        for _ in range(7):
            multiples.append(add(multiples[-1], point))
        if len(set(multiples)) == 8:
            return multiples
    raise AssertionError("no point of order eight found")


def test_every_point_of_small_order_is_refused() -> None:
    encodings = {(y | (x & 1) << 255).to_bytes(32, "little") for x, y in small_order_points()}
    assert len(encodings) == 8
    for encoding in encodings:
        with pytest.raises(BadDocument, match="small order"):
            PublicKey(encoding)
    for value in (P, P + 1):  # second spellings of y = 0 and y = 1
        with pytest.raises(BadDocument, match="small order"):
            PublicKey(value.to_bytes(32, "little"))


def test_the_refusal_matters() -> None:
    """Positive control: one made-up signature verifies any message under the identity as key."""
    identity = b"\x01" + bytes(31)
    for message in (b"pay", b"do not pay"):
        Ed25519PublicKey.from_public_bytes(identity).verify(identity + bytes(32), message)
    with pytest.raises(InvalidSignature):
        Ed25519PublicKey.from_public_bytes(identity).verify(identity + b"\x01" + bytes(31), b"pay")
