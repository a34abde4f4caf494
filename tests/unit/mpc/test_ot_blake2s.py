"""The batched hash against hashlib, and against RFC 7693's own digest of "abc"."""

import hashlib

import numpy as np
import pytest

from mpc.errors import BadParameters
from mpc.ot.blake2s import digest_rows


def test_rfc7693_appendix_b() -> None:
    words = np.zeros((1, 16), np.uint32)
    words.view(np.uint8)[0, :3] = list(b"abc")
    digest = digest_rows(words, np.array([3], np.uint32), np.zeros(1, np.uint64), bytes(8), 32)
    assert digest[0].tobytes().hex() == "508c5e8c327c14e2e1a72ba34eeb452f37458b209ed63a294d999b4c86675982"


@pytest.mark.parametrize("size", [1, 10, 16, 32])
def test_every_length_equals_hashlib(size: int) -> None:
    rng = np.random.default_rng(size)
    count = 1100  # more than two groups of lanes, the last one partly filled
    lengths = rng.integers(0, 65, count).astype(np.uint32)
    rows = rng.integers(0, 256, (count, 64)).astype(np.uint8)
    rows[np.arange(64) >= lengths[:, None]] = 0
    salts = rng.integers(0, 2**64, count, dtype=np.uint64)
    digests = digest_rows(rows.view(np.uint32), lengths, salts, b"personal", size)
    for row, length, salt, digest in zip(rows, lengths.tolist(), salts, digests, strict=True):
        expected = hashlib.blake2s(row[:length].tobytes(), digest_size=size, salt=salt.tobytes(), person=b"personal")
        assert digest.tobytes()[:size] == expected.digest()


@pytest.mark.parametrize(("person", "size"), [(b"short", 16), (b"personal", 0), (b"personal", 33)])
def test_wrong_parameters_are_refused(person: bytes, size: int) -> None:
    with pytest.raises(BadParameters):
        digest_rows(np.zeros((1, 16), np.uint32), np.zeros(1, np.uint32), np.zeros(1, np.uint64), person, size)


def test_disagreeing_shapes_are_refused() -> None:
    with pytest.raises(BadParameters):
        digest_rows(np.zeros((2, 16), np.uint32), np.zeros(1, np.uint32), np.zeros(2, np.uint64), b"personal", 16)
