"""mpc.field: vectorised arithmetic equals Python's integers modulo 2^61 - 1, at the edges above all."""

from __future__ import annotations

import secrets
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpc import field
from mpc.errors import BadParameters, MalformedMessage, OutOfRange
from mpc.field import HIGH, P

edges = st.sampled_from([0, 1, 2, (1 << 32) - 1, 1 << 32, (1 << 60), P - 2, P - 1])
element = edges | st.integers(0, P - 1)
pairs = st.lists(st.tuples(element, element), min_size=1, max_size=20)


def vector(numbers: list[int]) -> field.Elements:
    return np.array(numbers, dtype=np.uint64)


@given(pairs, st.integers(0, (1 << 16) - 1))
def test_arithmetic_is_that_of_integers_modulo_p(numbers: list[tuple[int, int]], small: int) -> None:
    left, right = [a for a, _ in numbers], [b for _, b in numbers]
    a, b = vector(left), vector(right)
    assert field.add(a, b).tolist() == [(x + y) % P for x, y in numbers]
    assert field.sub(a, b).tolist() == [(x - y) % P for x, y in numbers]
    assert field.mul(a, b).tolist() == [x * y % P for x, y in numbers]
    assert field.neg(a).tolist() == [-x % P for x in left]
    product = field.mul_small(a, vector([small]))
    assert all(x < 1 << 62 for x in product.tolist())
    assert [x % P for x in product.tolist()] == [x * small % P for x in left]
    assert field.dot(a, b[:, None]).tolist() == [sum(x * y for x, y in numbers) % P]


def test_a_dot_product_of_many_largest_elements_is_exact() -> None:
    n = 70_000
    weights = np.full(n, P - 1, dtype=np.uint64)
    rows = np.full((n, 1), P - 2, dtype=np.uint64)
    assert field.dot(weights, rows).tolist() == [n * (P - 1) * (P - 2) % P]


@given(st.lists(st.integers(-HIGH, HIGH), max_size=10))
def test_encoding_and_bytes_round_trip(numbers: list[int]) -> None:
    elements = field.encode(numbers)
    assert field.decode_signed(elements) == numbers
    assert field.from_bytes(field.to_bytes(elements), len(numbers)).tolist() == elements.tolist()
    if numbers:
        assert field.encode(np.array(numbers)).tolist() == elements.tolist()


@pytest.mark.parametrize("number", [HIGH + 1, -HIGH - 1])
def test_numbers_that_would_wrap_are_refused(number: int) -> None:
    with pytest.raises(OutOfRange):
        field.encode([number])
    with pytest.raises(OutOfRange):
        field.encode(np.array([0, number]))


@pytest.mark.parametrize("values", [[1.5], ["1"], np.array([0.5])])
def test_only_whole_numbers_are_encoded(values: Any) -> None:
    with pytest.raises(BadParameters):
        field.encode(values)


def test_elements_that_are_not_reduced_are_refused() -> None:
    for raw in [P.to_bytes(8, "little"), b"\xff" * 8, bytes(7), bytes(16)]:
        with pytest.raises(MalformedMessage):
            field.from_bytes(raw, 1)


def test_random_rejects_p_itself() -> None:
    answers = [P.to_bytes(8, "little") + b"\x01" + bytes(7), b"\xff" * 8, b"\x05" + bytes(7)]
    assert field.random((2,), lambda size: answers.pop(0)).tolist() == [5, 1]
    assert field.random((3, 4), secrets.token_bytes).shape == (3, 4)
