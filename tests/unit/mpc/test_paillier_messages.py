"""Messages: one encoding, every field checked; random and mutated bytes give a value or an ``MpcError``."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpc.errors import MalformedMessage, MpcError, WrongSession
from mpc.paillier import Encryptor, Packing, PrivateKey, generate_keypair
from mpc.paillier.messages import KeyMessage, VectorMessage

SESSION = b"s" * 16


@cache
def key() -> PrivateKey:
    return generate_keypair(2048)


@cache
def valid() -> bytes:
    vector = Encryptor(key().public).encrypt(np.arange(5, dtype=np.int64), Packing(20, 4, 2048, per=2))
    return VectorMessage(SESSION, vector).encode()


def test_round_trip() -> None:
    message = VectorMessage.decode(valid(), key().public, SESSION)
    assert message.encode() == valid()
    assert message.vector.decrypt(key()).tolist() == [0, 1, 2, 3, 4]
    public = KeyMessage(SESSION, key().public)
    assert KeyMessage.decode(public.encode(), SESSION) == public


def test_another_session_or_key_is_refused() -> None:
    with pytest.raises(WrongSession):
        VectorMessage.decode(valid(), key().public, b"t" * 16)
    with pytest.raises(MalformedMessage, match="another key"):
        VectorMessage.decode(valid(), generate_keypair(2048).public)


@pytest.mark.parametrize("number", ["zero", "n", "n squared", "a prime factor"])
def test_numbers_that_are_no_ciphertexts(number: str) -> None:
    n = key().public.n
    value = {"zero": 0, "n": n, "n squared": n * n, "a prime factor": int(key().phe().p)}[number]
    tampered = valid()[:-512] + value.to_bytes(512, "big")
    with pytest.raises(MalformedMessage, match="not a ciphertext"):
        VectorMessage.decode(tampered, key().public)


def test_the_wrong_number_of_ciphertexts() -> None:
    with pytest.raises(MalformedMessage):
        VectorMessage.decode(valid()[:-512], key().public)
    with pytest.raises(MalformedMessage, match="trailing"):
        VectorMessage.decode(valid() + b"\0", key().public)


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 255), st.integers(0, 3000))
def test_mutated_messages_never_surprise(at: int, value: int, cut: int) -> None:
    for base in (valid(), KeyMessage(SESSION, key().public).encode()):
        raw = bytearray(base)
        raw[at % min(120, len(raw))] = value
        for mutated in (bytes(raw), base[: cut % len(base)]):
            for decode in (lambda m: VectorMessage.decode(m, key().public), KeyMessage.decode):
                try:
                    decode(mutated)
                except MpcError:
                    continue


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=300))
def test_random_bytes_never_surprise(body: bytes) -> None:
    for kind in (1, 2):
        message = b"UM" + bytes((1, 4, kind)) + SESSION + (key().public.key_id if kind == 2 else b"") + body
        for decode in (lambda m: VectorMessage.decode(m, key().public), KeyMessage.decode):
            try:
                decode(message)
            except MpcError:
                continue
