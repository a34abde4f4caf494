"""mpc.sharing.additive: all shares open, linear operations act on the secret, nothing less opens."""

from __future__ import annotations

import secrets

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpc.errors import BadParameters, TooFewParties
from mpc.ring import Z32, Z64, Z128, Ring
from mpc.sharing import additive
from mpc.sharing.additive import AdditiveShare

RNG = secrets.token_bytes
rings = st.sampled_from([Z32, Z64, Z128])


@settings(max_examples=50)
@given(rings, st.integers(2, 6), st.integers(0, 20), st.data())
def test_linear_operations_act_on_the_secret(ring: Ring, parties: int, n: int, data: st.DataObject) -> None:
    numbers = st.lists(st.integers(ring.low, ring.high), min_size=n, max_size=n)
    x, y, c, f = (data.draw(numbers) for _ in range(4))
    shares = additive.split(ring, ring.encode(x), parties, RNG)
    others = additive.split(ring, ring.encode(y), parties, RNG)
    made = [((a + b).scale(ring.encode(f)) - a).add_public(ring.encode(c)) for a, b in zip(shares, others, strict=True)]
    expected = [((p + q) * g - p + k) % (1 << ring.bits) for p, q, g, k in zip(x, y, f, c, strict=True)]
    assert ring.decode_unsigned(additive.combine(made)) == expected
    zeros = [additive.split(ring, ring.zeros(n), parties, RNG) for _ in range(parties)]
    fresh = [share.refresh(z[i] for z in zeros) for i, share in enumerate(made)]
    assert ring.decode_unsigned(additive.combine(fresh)) == expected


def test_compact_shares_are_seeds_and_one_vector() -> None:
    secret = Z64.encode([1, -2, 3])
    seeds, last = additive.split_compact(Z64, secret, 3, RNG)
    shares = [additive.from_seed(Z64, i, 3, seed, 3) for i, seed in enumerate(seeds)]
    assert Z64.decode_signed(additive.combine([*shares, AdditiveShare(Z64, 2, 3, last)])) == [1, -2, 3]


def test_a_refreshed_share_does_not_combine_with_an_old_one() -> None:
    secret = Z64.encode([5] * 8)
    old = additive.split(Z64, secret, 2, RNG)
    zero = additive.split(Z64, Z64.zeros(8), 2, RNG)
    new = [share.refresh([z]) for share, z in zip(old, zero, strict=True)]
    assert Z64.decode_signed(additive.combine([old[0], new[1]])) != [5] * 8


def test_every_share_is_needed_once() -> None:
    shares = additive.split(Z64, Z64.encode([1]), 3, RNG)
    for some in ([], shares[:2], [*shares, shares[0]], [shares[0], shares[1], shares[1]]):
        with pytest.raises(TooFewParties):
            additive.combine(some)


def test_the_last_share_is_uniform_and_a_broken_one_is_not() -> None:
    secret = Z64.encode([-1] * 20_000)

    def top_bit(vector: object) -> float:
        return float((np.asarray(vector) >> np.uint64(63)).mean())

    assert abs(top_bit(additive.split(Z64, secret, 2, RNG)[1].vector) - 0.5) < 0.03
    narrow = Z64.sub(secret, Z64.random(20_000, RNG) >> np.uint64(8))
    assert abs(top_bit(narrow) - 0.5) > 0.4  # positive control: masks of 56 bits


def test_all_shares_but_the_last_are_drawn_apart() -> None:
    """Equal seeds would open the secret to the last party and one other."""
    seeds, _ = additive.split_compact(Z64, Z64.encode([1]), 4, RNG)
    assert len(set(seeds)) == 3


def test_misuse_is_refused() -> None:
    shares = additive.split(Z64, Z64.encode([1]), 2, RNG)
    for other in (shares[1], AdditiveShare(Z64, 0, 3, Z64.zeros(1)), AdditiveShare(Z32, 0, 2, Z32.zeros(1))):
        with pytest.raises(BadParameters):
            shares[0] + other
    with pytest.raises(BadParameters):
        AdditiveShare(Z64, 2, 2, Z64.zeros(1))
    with pytest.raises(BadParameters):
        additive.split(Z64, Z64.zeros(1), 1, RNG)
    assert "redacted" in repr(shares[0])
