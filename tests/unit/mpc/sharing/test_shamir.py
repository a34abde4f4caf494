"""mpc.sharing.shamir: any t shares open, fewer say nothing, wrong ones are noticed."""

from __future__ import annotations

import secrets
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpc import field
from mpc.errors import BadParameters, IntegrityError, MalformedMessage, TooFewParties
from mpc.field import P
from mpc.sharing import shamir
from mpc.sharing.shamir import Share

RNG = secrets.token_bytes


@st.composite
def sharings(draw: st.DrawFn) -> tuple[list[int], int, list[int], list[int]]:
    points = draw(st.lists(st.integers(1, shamir.MAX_POINT), min_size=1, max_size=9, unique=True))
    threshold = draw(st.integers(1, len(points)))
    chosen = draw(st.permutations(points)).copy()[: draw(st.integers(threshold, len(points)))]
    numbers = draw(st.lists(st.integers(0, P - 1), max_size=8))
    return points, threshold, chosen, numbers


def vector(numbers: Sequence[int]) -> field.Elements:
    return np.array(numbers, dtype=np.uint64)


@given(sharings(), st.integers(-(1 << 70), 1 << 70))
def test_any_threshold_of_shares_opens_sums_and_multiples(
    case: tuple[list[int], int, list[int], list[int]], factor: int
) -> None:
    points, threshold, chosen, numbers = case
    x = {share.point: share for share in shamir.split(vector(numbers), threshold, points, RNG)}
    y = {share.point: share for share in shamir.split(vector(numbers[::-1]), threshold, points, RNG)}
    assert shamir.combine(x[p] for p in chosen).tolist() == numbers
    z = [shamir.add_public(shamir.add(shamir.scale(x[p], factor), y[p]), vector([7] * len(numbers))) for p in chosen]
    expected = [(a * factor + b + 7) % P for a, b in zip(numbers, numbers[::-1], strict=True)]
    assert shamir.combine(z).tolist() == expected


def test_sharing_by_hand() -> None:
    """f(x) = 42 + 5x + 7x^2 with the coefficients given: shares and secret as computed on paper."""
    coefficients = [(7).to_bytes(8, "little") + (5).to_bytes(8, "little")]
    shares = shamir.split(vector([42]), 3, [1, 2, 10], lambda size: coefficients.pop())
    assert [share.values.tolist() for share in shares] == [[54], [80], [792]]
    assert shamir.combine(shares).tolist() == [42]


def test_blocks_larger_than_the_cache_change_nothing() -> None:
    numbers = field.random((3 * shamir.BLOCK // 2,), RNG)
    shares = shamir.split(numbers, 2, [1, 2, 3], RNG)
    assert np.array_equal(shamir.combine(shares), numbers)


def test_fewer_shares_than_the_threshold_say_nothing() -> None:
    """With t - 1 shares fixed, every secret is possible: the share of one polynomial fits any value at 0."""
    shares = shamir.split(vector([123456789]), 3, [1, 2, 3], RNG)
    for secret in (0, 5, P - 1):
        through = (0, shares[0].point, shares[1].point)
        rows = np.stack([vector([secret]), shares[0].values, shares[1].values])
        third = field.dot(shamir.lagrange_weights(through, 3), rows)
        assert shamir.combine([*shares[:2], Share(3, 3, third)]).tolist() == [secret]
    with pytest.raises(TooFewParties):
        shamir.combine(shares[:2])
    with pytest.raises(TooFewParties):
        shamir.combine([])


def test_one_share_is_uniform_and_a_broken_sharing_is_not() -> None:
    secret = vector([12345] * 20_000)

    def top_bit(threshold: int) -> float:
        seen = shamir.split(secret, threshold, [1, 2, 3], RNG)[0].values
        return float((seen >> np.uint64(60)).mean())

    assert abs(top_bit(2) - 0.5) < 0.03
    assert top_bit(1) == 0  # positive control: threshold 1 hands everyone the secret


def test_wrong_shares_are_noticed_when_there_is_one_more_than_needed() -> None:
    shares = shamir.split(vector([1, 2]), 2, [1, 2, 3], RNG)
    wrong = Share(2, 2, field.add(shares[1].values, vector([0, 1])))
    with pytest.raises(IntegrityError):
        shamir.combine([shares[0], wrong, shares[2]])
    for mixed in ([shares[0], Share(2, 3, wrong.values)], [shares[0], Share(2, 2, vector([1]))]):
        with pytest.raises(IntegrityError):
            shamir.combine(mixed)
    with pytest.raises(BadParameters):
        shamir.combine([shares[0], shares[0]])


def test_refreshed_shares_open_and_do_not_mix_with_old_ones() -> None:
    points, secret = [1, 2, 3], vector([99, 100])
    old = shamir.split(secret, 2, points, RNG)
    contributions = [shamir.zero_shares(2, 2, points, RNG) for _ in points]
    new = [shamir.refresh(old[i], [c[i] for c in contributions]) for i in range(3)]
    assert shamir.combine(new).tolist() == [99, 100]
    assert shamir.combine([old[0], new[1]]).tolist() != [99, 100]


@settings(max_examples=30)
@given(st.integers(1, 40), st.integers(1, 4), st.data())
def test_byte_strings_round_trip(length: int, count: int, data: st.DataObject) -> None:
    strings = [data.draw(st.binary(min_size=length, max_size=length)) for _ in range(count)]
    shares = shamir.split_bytes(strings, 2, [4, 7, 9], RNG)
    assert shamir.combine_bytes(shares[1:], length) == strings


def test_shares_that_are_not_of_byte_strings_are_noticed() -> None:
    shares = shamir.split(vector([P - 1] * 5), 2, [1, 2], RNG)
    with pytest.raises(IntegrityError):
        shamir.combine_bytes(shares, 32)
    padded = shamir.split_bytes([bytes([1] * 7)], 2, [1, 2], RNG)
    for length in (0, 6, 32):
        with pytest.raises(IntegrityError):
            shamir.combine_bytes(padded, length)


@pytest.mark.parametrize(("threshold", "points"), [(0, [1]), (3, [1, 2]), (1, [0]), (1, [1, 1]), (1, [1 << 16])])
def test_bad_parameters_are_refused(threshold: int, points: list[int]) -> None:
    with pytest.raises(BadParameters):
        shamir.split(vector([1]), threshold, points, RNG)


def test_bad_secrets_are_refused() -> None:
    with pytest.raises(MalformedMessage):
        shamir.split(vector([P]), 1, [1], RNG)
    for strings in ([], [b""], [b"a", b"bc"]):
        with pytest.raises(BadParameters):
            shamir.split_bytes(strings, 1, [1], RNG)


def test_values_are_not_shown() -> None:
    assert "12345" not in repr(Share(1, 2, vector([12345])))
