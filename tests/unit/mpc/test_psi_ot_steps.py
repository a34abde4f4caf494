"""The steps of the intersection: digests, placement, permutation, code, look-up, and the sizes with their proofs."""

import hashlib
import secrets
from math import comb

import numpy as np
import pandas as pd
import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from mpc.errors import BadParameters
from mpc.psi.code import Code
from mpc.psi.cuckoo import lists_of, place, positions_of
from mpc.psi.items import digest_items, distinct
from mpc.psi.lookup import MaskTable
from mpc.psi.oprf import _hash
from mpc.psi.parameters import (
    bins_for,
    check_count,
    code_distance_bits,
    code_words_for,
    mask_bytes_for,
    placement_failure_bits,
)
from mpc.psi.shuffle import secret_permutation

SALT = bytes(range(16))


def _digests(count: int) -> np.ndarray:
    return np.frombuffer(secrets.token_bytes(32 * count), np.uint64).reshape(count, 4).copy()


@pytest.mark.parametrize("lengths", [[0, 1, 63, 64, 65, 200], [5] * 3, [64], [65], []])
def test_digests_are_blake2s(lengths: list[int]) -> None:
    items = [secrets.token_bytes(length) for length in lengths]
    expected = [hashlib.blake2s(item, salt=SALT[:8], person=SALT[8:]).digest() for item in items]
    assert [row.tobytes() for row in digest_items(items, SALT)] == expected


@pytest.mark.parametrize("width", [1, 64, 65])
def test_a_matrix_of_bytes_is_a_list_of_its_rows(width: int) -> None:
    matrix = np.frombuffer(secrets.token_bytes(10 * width), np.uint8).reshape(10, width)
    assert np.array_equal(digest_items(matrix, SALT), digest_items([row.tobytes() for row in matrix], SALT))


def test_items_are_taken_by_position_not_by_label() -> None:
    """A column that was sorted keeps its labels: an item longer than a block used to be another row's."""
    long = [bytes([i]) * 70 for i in range(4)]
    column = pd.Series(long, index=[3, 2, 1, 0])
    assert np.array_equal(digest_items(column, bytes(16)), digest_items(long, bytes(16)))  # type: ignore[arg-type]
    assert not np.array_equal(digest_items(long, bytes(16)), digest_items(long[::-1], bytes(16)))


@pytest.mark.parametrize("items", [["text"], [b"a", None], [3], np.zeros((2, 2)), np.zeros(3, np.uint8)])
def test_items_that_are_no_bytes_are_refused(items: object) -> None:
    with pytest.raises(BadParameters):
        digest_items(items, SALT)  # type: ignore[arg-type]


def test_distinct_numbers_identities_in_order_of_appearance() -> None:
    firsts, number_of = distinct(digest_items([b"a", b"b", b"a", b"c", b"b"], SALT))
    assert firsts.tolist() == [0, 1, 3]
    assert number_of.tolist() == [0, 1, 0, 2, 1]


def test_positions_are_distinct_and_spread() -> None:
    positions = positions_of(_digests(60_000), 30)
    assert np.all(positions < 30)
    assert np.all((positions[:, 0] != positions[:, 1]) & (positions[:, 1] != positions[:, 2]))
    assert np.all(positions[:, 0] != positions[:, 2])
    for column in positions.T:  # chi-square with 29 degrees of freedom: 80 is beyond 1 in 10^6
        assert float(((np.bincount(column, minlength=30) - 2000.0) ** 2 / 2000.0).sum()) < 80


@pytest.mark.parametrize("count", [0, 1, 3, 2000, 40_000])
def test_every_item_owns_one_of_its_bins(count: int) -> None:
    bins = bins_for(count)
    positions = positions_of(_digests(count), bins)
    owners = place(positions, bins)
    assert sorted(owners[owners >= 0].tolist()) == list(range(count))
    lists = lists_of(positions, owners)
    assert np.array_equal(owners[positions[np.arange(count), lists]], np.arange(count))


def test_placement_is_exact_where_a_random_walk_gives_up() -> None:
    """Three items in three bins, each pair of triples equal: full load, found by the augmenting path."""
    positions = np.array([[0, 1, 2]] * 3 + [[2, 3, 4], [3, 4, 5], [4, 5, 3]], np.uint32)
    assert sorted(place(positions, 6).tolist()) == [0, 1, 2, 3, 4, 5]


def test_four_items_in_three_bins_are_refused() -> None:
    with pytest.raises(BadParameters, match="new session"):
        place(np.array([[0, 1, 2]] * 4, np.uint32), 100)


@pytest.mark.parametrize("count", [4, 64, 1000, 1500, 1600, 4096, 16_384, 16_385, 50_000, 1_000_000])
def test_placement_fails_below_two_to_the_minus_forty(count: int) -> None:
    assert placement_failure_bits(count, bins_for(count)) >= 40


@pytest.mark.parametrize("bins", [4, 6, 20, 2048])
def test_the_bound_is_the_exact_probability_for_four_items(bins: int) -> None:
    exact = float(comb(bins, 3)) ** -3  # all four triples equal
    assert 0.97 * exact <= 2 ** -placement_failure_bits(4, bins) < 1.03 * exact  # Stirling


def test_failures_occur_as_often_as_computed() -> None:
    """Four items in four bins, 2000 times: 4^-3 = 1/64 of them fit nowhere (31 expected, deviation 5.5)."""
    failures = 0
    for _ in range(2000):
        try:
            place(positions_of(_digests(4), 4), 4)
        except BadParameters:
            failures += 1
    assert 3 < failures < 65


def test_code_distance_and_mask_length() -> None:
    assert code_words_for(1 << 20) == 7
    assert code_words_for(1 << 27) == 8
    assert code_distance_bits(448) > 40 + np.log2(3 * 2**20)
    assert mask_bytes_for(1_000_000, 1_000_000) == 10
    assert mask_bytes_for(0, 0) == 5
    with pytest.raises(BadParameters):
        check_count(1 << 28)


def test_the_code_is_four_aes_permutations() -> None:
    identities = _digests(5)[:, :2].copy()
    keys = hashlib.blake2b(SALT, digest_size=64, person=b"unseenKKRTcode").digest()
    words = Code(SALT, 7).words(identities)
    for identity, row in zip(identities, words, strict=True):
        blocks = [
            Cipher(algorithms.AES(keys[at : at + 16]), modes.ECB()).encryptor().update(identity.tobytes())  # noqa: S305
            for at in range(0, 64, 16)
        ]
        assert row.tobytes() == b"".join(blocks)[:56]


def test_code_words_are_far_apart() -> None:
    words = Code(SALT, 7).words(_digests(2000)[:, :2].copy())
    distances = np.bitwise_count(words[:1000] ^ words[1000:]).sum(axis=1)
    assert distances.min() >= 128
    assert abs(float(distances.mean()) - 224) < 3


def test_a_permutation_is_uniform_on_three() -> None:
    counts: dict[tuple[int, ...], int] = {}
    for _ in range(3000):
        key = tuple(secret_permutation(3, secrets.token_bytes).tolist())
        counts[key] = counts.get(key, 0) + 1
    assert len(counts) == 6
    assert sum((count - 500) ** 2 / 500 for count in counts.values()) < 40  # 5 degrees of freedom


def test_a_large_permutation_is_one() -> None:
    order = secret_permutation(10_000, secrets.token_bytes)
    assert sorted(order.tolist()) == list(range(10_000))
    assert abs(int(np.sum(order == np.arange(10_000))) - 1) < 12  # fixed points are Poisson(1)


def test_the_table_finds_own_masks_of_the_right_list_only() -> None:
    masks = np.frombuffer(secrets.token_bytes(3000 * 10), np.uint8).reshape(3000, 10)
    table = MaskTable(masks, (np.arange(3000) % 3).astype(np.uint8))
    table.probe(1, np.concatenate([masks[:1500], masks[:1500] ^ 1]))
    assert np.flatnonzero(table.found).tolist() == list(range(1, 1500, 3))


def test_values_are_hashed_with_their_bin_and_session() -> None:
    """KKRT's H takes the bin: equal rows of two bins, or of two sessions, must not give equal values."""
    rows = np.zeros((3, 8), np.uint64)
    rows[:, :7] = 5
    values = _hash(rows, np.array([0, 1, 2**40], np.uint64), 7, b"session1").view(np.uint8).reshape(3, 32)[:, :16]
    for value, number in zip(values, (0, 1, 2**40), strict=True):
        salt = number.to_bytes(8, "little")
        expected = hashlib.blake2s(rows[0, :7].tobytes(), digest_size=16, salt=salt, person=b"session1").digest()
        assert value.tobytes() == expected
