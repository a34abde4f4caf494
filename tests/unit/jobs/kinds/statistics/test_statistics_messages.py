"""The bodies on the wire: one shape for every vector, each of one permit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.kinds.statistics.messages import (
    FLAGS,
    VALUES,
    decode_key,
    decode_open,
    decode_vector,
    decode_words,
    encode_key,
    encode_open,
    encode_vector,
    encode_words,
)
from mpc.errors import MalformedMessage, WrongSession
from mpc.ring import Ring
from tests.support.statistic import NODES, case_of, dataset, plan_of

PLAN = plan_of("SELECT kind, COUNT(*) AS n, SUM(value) AS s FROM data GROUP BY kind", dataset("1000"), NODES)
CASE = case_of(PLAN)
NUMBERS = [12, -5, 1 << 62]


@given(place=st.integers(0, 10**6), byte=st.integers(0, 255), bits=st.sampled_from((64, 128)))
def test_a_changed_byte_is_another_message_or_malformed(place: int, byte: int, bits: int) -> None:
    ring = Ring(bits)  # type: ignore[arg-type]
    good = bytearray(encode_vector(CASE, VALUES, ring, ring.encode(NUMBERS)))
    good[place % len(good)] = byte
    try:
        found = decode_vector(CASE, VALUES, ring, bytes(good), len(NUMBERS))
    except (MalformedMessage, WrongSession):
        return
    assert encode_vector(CASE, VALUES, ring, found) == bytes(good)


@pytest.mark.parametrize("bits", [64, 128])
def test_a_vector_comes_back_in_its_ring(bits: int) -> None:
    ring = Ring(bits)  # type: ignore[arg-type]
    body = encode_vector(CASE, VALUES, ring, ring.encode(NUMBERS))
    assert ring.decode_signed(decode_vector(CASE, VALUES, ring, body, 3)) == NUMBERS
    with pytest.raises(MalformedMessage):
        decode_vector(CASE, VALUES, Ring(192 - bits), body, 3)  # type: ignore[arg-type]
    for count in (0, 2, 4, 1 << 40):
        with pytest.raises(MalformedMessage):
            decode_vector(CASE, VALUES, ring, body, count)


@given(st.lists(st.integers(0, 2**64 - 1), min_size=2, max_size=40), st.sampled_from((1, 2)))
def test_words_come_back_in_their_shape_and_no_other(values: list[int], width: int) -> None:
    words = np.array(values[: len(values) // width * width], np.uint64).reshape(-1, width)
    body = encode_words(CASE, VALUES, words)
    assert np.array_equal(decode_words(CASE, VALUES, body, len(words), width), words)
    for count, wide in ((len(words) + 1, width), (len(words) - 1, width), (len(words), 3 - width), (1 << 40, width)):
        with pytest.raises(MalformedMessage):
            decode_words(CASE, VALUES, body, count, wide)
    with pytest.raises(MalformedMessage):
        decode_words(CASE, FLAGS, body, len(words), width)


@given(st.lists(st.booleans(), min_size=6, max_size=6))
def test_keys_and_pass_bits_come_back(flat: list[bool]) -> None:
    passed = np.array(flat).reshape(2, 3)
    assert np.array_equal(decode_open(CASE, encode_open(CASE, passed)), passed)
    assert decode_key(CASE, encode_key(CASE, bytes(range(32)))) == bytes(range(32))


def test_a_body_belongs_to_its_permit() -> None:
    other = case_of(PLAN, nonce="ef" * 32)
    with pytest.raises(WrongSession):
        decode_key(other, encode_key(CASE, bytes(32)))
    with pytest.raises(WrongSession):
        decode_open(other, encode_open(CASE, np.ones((2, 3), np.bool_)))
    with pytest.raises(WrongSession):
        decode_words(other, VALUES, encode_words(CASE, VALUES, np.zeros((2, 1), np.uint64)), 2, 1)
