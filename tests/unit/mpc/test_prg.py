"""mpc.prg: streams do not depend on chunks or threads, are added exactly, and are not constant or repeated."""

from __future__ import annotations

import secrets
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpc.errors import BadParameters
from mpc.prg import CHUNK_BYTES, Signed, StreamCipher, add_streams, aes_ctr, chacha20, expand, keystream
from mpc.ring import Z32, Z64, Z128, Ring

RINGS = [Z32, Z64, Z128]
AROUND_A_CHUNK = [0, 1, CHUNK_BYTES // 16 - 1, CHUNK_BYTES // 16 + 1, 3 * CHUNK_BYTES // 4 + 5]


@settings(max_examples=20)
@given(
    st.sampled_from(RINGS),
    st.sampled_from(AROUND_A_CHUNK),
    st.sampled_from(list(StreamCipher)),
    st.lists(st.sampled_from([1, -1]), max_size=4),
    st.integers(1, 3),
)
def test_streams_are_added_exactly_on_any_number_of_threads(
    ring: Ring, n: int, cipher: StreamCipher, signs: list[Any], threads: int
) -> None:
    streams = [Signed(secrets.token_bytes(32), sign) for sign in signs]
    start = ring.random(n, secrets.token_bytes)
    total, expected = start.copy(), start.copy()
    add_streams(ring, total, streams, threads=threads, cipher=cipher)
    for seed, sign in streams:
        opened = aes_ctr(seed[:16], seed[16:]) if cipher is StreamCipher.AES_CTR else chacha20(seed, bytes(12))
        whole = ring.from_bytes(keystream(opened, n * ring.element_bytes), n)
        expected = ring.add(expected, whole) if sign == 1 else ring.sub(expected, whole)
    assert np.array_equal(total, expected)


def test_the_counter_block_wraps_like_the_standard_increment() -> None:
    seed = secrets.token_bytes(16) + b"\xff" * 16
    n = 2 * CHUNK_BYTES // 4
    two_threads = Z32.zeros(n)
    add_streams(Z32, two_threads, [Signed(seed, 1)], threads=2)
    assert Z32.to_bytes(two_threads) == keystream(aes_ctr(seed[:16], seed[16:]), 4 * n)


def test_a_stream_looks_uniform_and_a_broken_one_does_not() -> None:
    def bit_bias(words: Any) -> float:
        share = np.unpackbits(words.view(np.uint8).reshape(-1, 4), axis=1).mean(axis=0)
        return float(np.abs(share - 0.5).max() * 2 * np.sqrt(len(words)))  # in standard deviations

    good = expand(secrets.token_bytes(32), Z32, 200_000)
    assert bit_bias(good) < 6
    assert bit_bias(good & np.uint32(0x7FFFFFFF)) > 100  # positive control: one bit always clear


@pytest.mark.parametrize("stream", [Signed(b"short", 1), Signed(bytes(32), 2)])  # type: ignore[arg-type]
def test_bad_streams_are_refused(stream: Signed) -> None:
    total = Z64.zeros(3)
    with pytest.raises(BadParameters):
        add_streams(Z64, total, [stream])
    assert not total.any()


def test_bad_accumulators_and_thread_counts_are_refused() -> None:
    with pytest.raises(BadParameters):
        add_streams(Z64, Z32.zeros(4), [])
    with pytest.raises(BadParameters):
        add_streams(Z64, Z64.zeros(8)[::2], [])
    with pytest.raises(BadParameters):
        add_streams(Z64, Z64.zeros(8), [], threads=0)


def test_seeds_are_not_shown() -> None:
    assert "aa" not in repr(Signed(b"\xaa" * 32, 1))
