"""mpc.ring: encoding never wraps, arithmetic equals Python's integers modulo 2^bits, range proofs are tight."""

from __future__ import annotations

import secrets
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpc.errors import BadParameters, MalformedMessage, OutOfRange
from mpc.ring import Z32, Z64, Z128, Range, Ring, smallest_ring

RINGS = [Z32, Z64, Z128]


@st.composite
def ring_and_pairs(draw: st.DrawFn) -> tuple[Ring, list[int], list[int]]:
    ring = draw(st.sampled_from(RINGS))
    element = st.integers(ring.low, ring.high)
    pairs = draw(st.lists(st.tuples(element, element), max_size=12))
    return ring, [a for a, _ in pairs], [b for _, b in pairs]


@given(ring_and_pairs())
def test_arithmetic_is_that_of_integers_modulo_the_ring(case: tuple[Ring, list[int], list[int]]) -> None:
    ring, left, right = case
    modulus = 1 << ring.bits
    a, b = ring.encode(left), ring.encode(right)
    assert ring.decode_signed(a) == left
    assert ring.decode_unsigned(a) == [x % modulus for x in left]
    assert ring.decode_unsigned(ring.add(a, b)) == [(x + y) % modulus for x, y in zip(left, right, strict=True)]
    assert ring.decode_unsigned(ring.sub(a, b)) == [(x - y) % modulus for x, y in zip(left, right, strict=True)]
    assert ring.decode_unsigned(ring.mul(a, b)) == [(x * y) % modulus for x, y in zip(left, right, strict=True)]
    assert ring.decode_unsigned(ring.neg(a)) == [-x % modulus for x in left]
    assert ring.is_zero(a).tolist() == [x == 0 for x in left]
    assert ring.decode_signed(ring.from_bytes(ring.to_bytes(a))) == left


@pytest.mark.parametrize("ring", RINGS)
def test_the_ends_of_the_range_fit_and_one_more_does_not(ring: Ring) -> None:
    assert ring.decode_signed(ring.encode([ring.low, ring.high])) == [ring.low, ring.high]
    for value in (ring.low - 1, ring.high + 1):
        with pytest.raises(OutOfRange):
            ring.encode([0, value])


@pytest.mark.parametrize("ring", RINGS)
@pytest.mark.parametrize("dtype", [np.int8, np.int32, np.int64, np.uint16, np.uint64])
def test_arrays_encode_like_lists(ring: Ring, dtype: Any) -> None:
    values = np.array([0, 1, 100], dtype=dtype)
    if values.dtype.kind == "i":
        values = -values
    assert ring.decode_signed(ring.encode(values)) == values.tolist()


def test_an_array_that_does_not_fit_is_refused() -> None:
    with pytest.raises(OutOfRange):
        Z32.encode(np.array([1 << 31]))
    with pytest.raises(OutOfRange):
        Z64.encode(np.array([1 << 63], dtype=np.uint64))
    assert Z128.decode_signed(Z128.encode(np.array([(1 << 64) - 1], dtype=np.uint64))) == [(1 << 64) - 1]


@pytest.mark.parametrize("values", [[1.0], ["1"], [None], np.array([1.5])])
def test_only_whole_numbers_are_encoded(values: Any) -> None:
    with pytest.raises(BadParameters):
        Z64.encode(values)


@pytest.mark.parametrize("ring", RINGS)
def test_random_nonzero_redraws_zeros(ring: Ring) -> None:
    answers = [bytes(3 * ring.element_bytes), b"\x01" * (2 * ring.element_bytes) + bytes(ring.element_bytes)]
    answers.append(b"\x02" * ring.element_bytes)

    def rng(size: int) -> bytes:
        assert len(answers[0]) == size
        return answers.pop(0)

    drawn = ring.random_nonzero(3, rng)
    assert not ring.is_zero(drawn).any()
    assert not answers


@pytest.mark.parametrize("ring", RINGS)
def test_bytes_of_another_length_are_refused(ring: Ring) -> None:
    with pytest.raises(MalformedMessage):
        ring.from_bytes(bytes(ring.element_bytes + 1))
    with pytest.raises(MalformedMessage):
        ring.from_bytes(bytes(ring.element_bytes), 2)


def test_vectors_of_other_rings_and_lengths_are_refused() -> None:
    for left, right in [(Z64.zeros(2), Z64.zeros(3)), (Z64.zeros(2), Z128.zeros(2)), (Z64.zeros(2), Z32.zeros(2))]:
        with pytest.raises(BadParameters):
            Z64.add(left, right)
    with pytest.raises(BadParameters):
        Z64.check(np.zeros((2, 1), dtype=np.uint64))


def test_operations_leave_their_arguments_alone() -> None:
    a, b = Z128.random(5, secrets.token_bytes), Z128.random(5, secrets.token_bytes)
    before = a.copy(), b.copy()
    Z128.add(a, b)
    Z128.sub(a, b)
    Z128.neg(a)
    assert (a == before[0]).all()
    assert (b == before[1]).all()


small = st.integers(-50, 50)


@given(small, small, small, small, st.integers(0, 5), st.integers(-3, 3), st.data())
def test_a_range_contains_every_result(a: int, b: int, c: int, d: int, terms: int, factor: int, data: Any) -> None:
    x, y = Range(min(a, b), max(a, b)), Range(min(c, d), max(c, d))
    v, w = data.draw(st.integers(x.low, x.high)), data.draw(st.integers(y.low, y.high))
    for range_, value in [(x + y, v + w), (x - y, v - w), (x * y, v * w), (x.scale(factor), v * factor)]:
        assert range_.low <= value <= range_.high
    values = data.draw(st.lists(st.integers(x.low, x.high), max_size=terms))
    assert x.sum_of(terms).low <= sum(values) <= x.sum_of(terms).high


def test_the_smallest_ring_is_chosen_at_the_edge() -> None:
    assert Range(-(1 << 63), (1 << 63) - 1).ring() == Z64
    assert Range(0, 1 << 63).ring() == Z128
    assert Range(0, 5).ring(smallest=Z32) == Z32
    assert smallest_ring((1 << 60) - 1, 8) == Z64
    assert smallest_ring(1 << 60, 8) == Z128
    with pytest.raises(OutOfRange):
        smallest_ring(1 << 100, 1 << 27)
    for bad in [(-1, 3), (3, 0)]:
        with pytest.raises(BadParameters):
            smallest_ring(*bad)
