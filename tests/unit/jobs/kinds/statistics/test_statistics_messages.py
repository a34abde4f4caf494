"""The bodies on the wire: one spelling for every number, one shape for every vector, each of one permit."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.kinds.statistics.messages import (
    FLAGS,
    VALUES,
    decode_key,
    decode_numbers,
    decode_open,
    decode_words,
    encode_key,
    encode_numbers,
    encode_open,
    encode_words,
)
from mpc.errors import MalformedMessage, WrongSession
from tests.support.statistic import NODES, case_of, dataset, plan_of

PLAN = plan_of("SELECT kind, COUNT(*) AS n, SUM(value) AS s FROM data GROUP BY kind", dataset("1000"), NODES)
CASE = case_of(PLAN)
FINITE = st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**38), max_value=10**38, places=3)
NUMBERS = [Decimal("12.50"), None, Decimal(-5)]


@given(st.lists(st.none() | FINITE.filter(lambda n: not (n.is_zero() and n.is_signed())), max_size=20))
def test_numbers_come_back_as_they_were(numbers: list[Decimal | None]) -> None:
    found = decode_numbers(CASE, encode_numbers(CASE, numbers), len(numbers))
    assert list(map(repr, found)) == list(map(repr, numbers))


@pytest.mark.parametrize(
    "text",
    [
        "01",
        "+1",
        "-0",
        "1e5",
        " 1",
        "1.",
        ".5",
        "NaN",
        "Infinity",
        "1E+999",
        "1_0",
        "\u0661",
        "--1",
        "1" * 49,
        "10E+1x",
    ],
)
def test_a_number_in_another_spelling_is_refused(text: str) -> None:
    good = encode_numbers(CASE, [Decimal(1)])
    size = len(text.encode()).to_bytes(4, "little")
    assert decode_numbers(CASE, good[:-5] + (1).to_bytes(4, "little") + b"7", 1) == [Decimal(7)]  # the control
    with pytest.raises(MalformedMessage):
        decode_numbers(CASE, good[:-5] + size + text.encode(), 1)


def test_a_count_beyond_what_is_there_allocates_nothing() -> None:
    good = encode_numbers(CASE, [Decimal(1)])
    for count in (2, 1 << 22, (1 << 32) - 1):
        bent = good[:-9] + count.to_bytes(4, "little") + good[-5:]
        for asked in (1, count):
            with pytest.raises(MalformedMessage):
                decode_numbers(CASE, bent, asked)
    with pytest.raises(MalformedMessage):
        decode_numbers(CASE, good + b"\0", 1)


@given(place=st.integers(0, 10**6), byte=st.integers(0, 255))
def test_a_changed_byte_is_another_message_or_malformed(place: int, byte: int) -> None:
    good = bytearray(encode_numbers(CASE, NUMBERS))
    good[place % len(good)] = byte
    try:
        found = decode_numbers(CASE, bytes(good), len(NUMBERS))
    except (MalformedMessage, WrongSession):
        return
    assert encode_numbers(CASE, found) == bytes(good)


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
        decode_numbers(other, encode_numbers(CASE, NUMBERS), len(NUMBERS))
