"""Lifted ElGamal: secure sums == plaintext sums; no bytes from the other side give anything but ``MpcError``."""

from __future__ import annotations

import secrets

import numpy as np
import pytest
import rbcl
from hypothesis import given, settings
from hypothesis import strategies as st

from mpc.drive import run
from mpc.errors import MalformedMessage, MpcError
from mpc.oprf import group
from mpc.party import PartyName
from mpc.psi_dh.edwards import eight_times_decoded, encoded, times
from mpc.psi_dh.elgamal import ElGamalEvaluator, ElGamalKeyHolder
from mpc.psi_dh.join import PartyOne, PartyTwo
from mpc.psi_dh.ristretto_sum import sum_of
from mpc.psi_dh.scheme import open_evaluator

A, B = PartyName("a"), PartyName("b")
SESSION = bytes(range(16))
VALUE = st.integers(-(2**20) + 1, 2**20 - 1)
KEYS = ElGamalKeyHolder(1, 8, 20, secrets.token_bytes)
EVALUATOR = ElGamalEvaluator(KEYS.public, secrets.token_bytes)


@given(
    st.dictionaries(st.integers(0, 30), st.integers(0, 2), max_size=20),
    st.dictionaries(st.integers(0, 30), st.tuples(VALUE, VALUE, VALUE), min_size=1, max_size=20),
    st.integers(1, 3),
    st.integers(1, 3),
)
@settings(max_examples=15, deadline=None)
def test_signed_grouped_sums_equal_the_plaintext_ones(
    group_of: dict[int, int], values: dict[int, tuple[int, int, int]], columns: int, at_least: int
) -> None:
    groups = [[b"%d" % i for i, g in group_of.items() if g == number] for number in range(3)]
    table = np.array([row[:columns] for row in values.values()], np.int64)
    keys = ElGamalKeyHolder(columns, 20, 20, secrets.token_bytes, signed=True)
    one = PartyOne(A, B, SESSION, groups, open_evaluator, at_least, secrets.token_bytes)
    two = PartyTwo(B, A, SESSION, [b"%d" % i for i in values], table, keys, 0, secrets.token_bytes)
    run([one, two])
    for number in range(3):
        shared = [values[i] for i, g in group_of.items() if g == number and i in values]
        assert one.result[number] == len(shared)
        expected = tuple(sum(row[column] for row in shared) for column in range(columns))
        assert two.result[number] == (expected if len(shared) >= at_least else None)


@given(st.binary(min_size=32, max_size=32), st.booleans())
@settings(max_examples=150, deadline=None)
def test_decoding_accepts_exactly_what_libsodium_accepts(drawn: bytes, likely: bool) -> None:
    element = bytes([drawn[0] & 0xFE]) + drawn[1:31] + bytes([drawn[31] & 0x7F]) if likely else drawn
    # libsodium 1.0.18 ignores the top bit, against RFC 9496 section 4.3.1
    valid = bool(rbcl.crypto_core_ristretto255_is_valid_point(element)) and element[31] < 128
    try:
        point = eight_times_decoded(element)
    except MalformedMessage:
        assert not valid
        with pytest.raises(MalformedMessage):
            sum_of(np.frombuffer(element, np.uint8).reshape(1, 32))
        return
    assert valid
    assert encoded(sum_of(np.frombuffer(element, np.uint8).reshape(1, 32))) == element
    doubled = rbcl.crypto_core_ristretto255_add(element, element)
    assert eight_times_decoded(doubled) == times(2, point)


@given(st.integers(0, 40), st.binary(min_size=1, max_size=8))
@settings(max_examples=30, deadline=None)
def test_batched_sums_are_libsodiums(count: int, seed: bytes) -> None:
    elements = [group.hash_to_group(seed + bytes((i // 2,)), b"t") for i in range(count)] + [bytes(32)]  # some twice
    expected = bytes(32)
    for element in elements:
        expected = group.add(expected, element)
    assert encoded(sum_of(np.frombuffer(b"".join(elements), np.uint8).reshape(-1, 32))) == expected


@given(st.binary(max_size=70), st.lists(st.tuples(st.integers(0, 63), st.integers(0, 255)), min_size=1, max_size=3))
@settings(max_examples=60, deadline=None)
def test_foreign_bytes_give_an_mpc_error_or_a_value(drawn: bytes, changes: list[tuple[int, int]]) -> None:
    row = bytearray(KEYS.encrypt(np.array([[9]]))[0].tobytes())
    total = bytearray(EVALUATOR.total(KEYS.encrypt(np.array([[9]]))))
    for at, byte in changes:
        row[at] = total[at] = byte
    for attempt in (
        lambda: open_evaluator(b"E" + drawn, secrets.token_bytes),
        lambda: open_evaluator(drawn, secrets.token_bytes),
        lambda: EVALUATOR.total(np.frombuffer(bytes(row), np.uint8).reshape(1, 64)),
        lambda: KEYS.decrypt(bytes(total)),
        lambda: KEYS.decrypt(drawn),
    ):
        try:
            assert attempt() is not None
        except MpcError:
            continue
