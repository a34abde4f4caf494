"""The batched curve equals ``cryptography``'s X25519 for any points, scalars and batch sizes, and commutes."""

from __future__ import annotations

import secrets

import numpy as np
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from hypothesis import given, settings
from hypothesis import strategies as st

from mpc.psi_dh.curve25519 import Scalar, as_keys, encode, multiply

P = 2**255 - 19
# any 32 bytes (bit 255 is ignored, values above p are read modulo p), and the neighbourhood of p and of limb borders
EDGES = st.sampled_from(
    [2, 9, P - 2, P + 3, 2**255 - 2, 2**256 - 2, *(2**k - 1 for k in (26, 51, 77, 102, 128, 153, 179, 204, 230))]
)
POINTS = st.one_of(st.binary(min_size=32, max_size=32), EDGES.map(lambda u: u.to_bytes(32, "little")))


@given(st.lists(POINTS, min_size=1, max_size=20), st.binary(min_size=32, max_size=32))
@settings(max_examples=80, deadline=None)
def test_equals_another_implementation(points: list[bytes], scalar: bytes) -> None:
    key = X25519PrivateKey.from_private_bytes(scalar)
    try:
        expected = [key.exchange(X25519PublicKey.from_public_bytes(point)) for point in points]
    except ValueError:  # a point of small order, which we refuse as well (tested elsewhere)
        return
    batch = np.frombuffer(b"".join(points), np.uint8).reshape(-1, 32)
    assert as_keys(multiply(batch, Scalar(lambda size: scalar))) == expected


@given(st.lists(st.binary(max_size=200), min_size=1, max_size=20))
@settings(max_examples=30, deadline=None)
def test_masks_commute(items: list[bytes]) -> None:
    one, other = Scalar(secrets.token_bytes), Scalar(secrets.token_bytes)
    points = encode(items, b"tag")
    assert np.array_equal(multiply(multiply(points, one), other), multiply(multiply(points, other), one))
    # equal items and only they meet
    assert len(set(as_keys(multiply(points, one)))) == len(set(items))
