"""Secure result == plaintext result for PSI cardinality, join, union, OPRF; decoders accept or raise ``MpcError``."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from phe.paillier import PaillierPrivateKey, generate_paillier_keypair

from mpc.drive import run
from mpc.errors import MpcError
from mpc.oprf.keys import Mode, generate_key
from mpc.oprf.messages import BlindedElements, EvaluatedElements
from mpc.oprf.modes import evaluate_clear
from mpc.oprf.party import Client, Server
from mpc.party import PartyName
from mpc.psi_dh.cardinality import Receiver, Sender
from mpc.psi_dh.join import PartyOne, PartyTwo
from mpc.psi_dh.messages import DoublyMasked, EncryptedSums, Groups, Masked, Pairs
from mpc.psi_dh.paillier_scheme import PaillierEvaluator, PaillierKeyHolder
from mpc.union_cardinality.messages import FullyMasked, Travelling
from mpc.union_cardinality.ring import Counter, Member

A, B, HUB = PartyName("a"), PartyName("b"), PartyName("hub")
SESSION = bytes(range(16))
ITEMS = st.sets(st.binary(max_size=3), max_size=40)


@cache
def _key() -> PaillierPrivateKey:
    return generate_paillier_keypair(n_length=2048)[1]


@given(ITEMS, ITEMS)
@settings(max_examples=40, deadline=None)
def test_cardinality_equals_the_plaintext_one(left: set[bytes], right: set[bytes]) -> None:
    receiver = Receiver(A, B, SESSION, list(left), secrets.token_bytes)
    run([receiver, Sender(B, A, SESSION, list(right), 0, 40, secrets.token_bytes)])
    assert receiver.result == len(left & right)


@given(st.lists(ITEMS, min_size=2, max_size=5))
@settings(max_examples=25, deadline=None)
def test_union_equals_the_plaintext_one(sets: list[set[bytes]]) -> None:
    names = [PartyName(f"m{i}") for i in range(len(sets))]
    counter = Counter(HUB, names, SESSION)
    members = [Member(n, names, HUB, SESSION, list(s), secrets.token_bytes) for n, s in zip(names, sets, strict=True)]
    run([*members, counter])
    assert counter.result == len(set().union(*sets))


@given(
    st.dictionaries(st.integers(0, 30), st.integers(0, 2), max_size=20),
    st.dictionaries(st.integers(0, 30), st.tuples(st.integers(0, 2**20 - 1), st.integers(0, 1)), max_size=6),
    st.integers(1, 3),
)
@settings(max_examples=8, deadline=None)
def test_grouped_sums_equal_the_plaintext_ones(
    group_of: dict[int, int], values: dict[int, tuple[int, int]], at_least: int
) -> None:
    groups = [[b"%d" % i for i, g in group_of.items() if g == number] for number in range(3)]
    table = np.array(list(values.values()), np.int64).reshape(-1, 2)
    keys = PaillierKeyHolder(_key(), 2, 20, 20, secrets.token_bytes)
    one = PartyOne(A, B, SESSION, groups, PaillierEvaluator, at_least, secrets.token_bytes)
    two = PartyTwo(B, A, SESSION, [b"%d" % i for i in values], table, keys, 0, secrets.token_bytes)
    run([one, two])
    for number in range(3):
        shared = [values[i] for i, g in group_of.items() if g == number and i in values]
        assert one.result[number] == len(shared)
        expected = (sum(v[0] for v in shared), sum(v[1] for v in shared))
        assert two.result[number] == (expected if len(shared) >= at_least else None)


@given(st.lists(st.binary(max_size=40), min_size=1, max_size=5), st.sampled_from(list(Mode)), st.binary(max_size=9))
@settings(max_examples=25, deadline=None)
def test_oprf_equals_direct_evaluation(inputs: list[bytes], mode: Mode, info: bytes) -> None:
    key, info = generate_key(secrets.token_bytes), info if mode is Mode.POPRF else b""
    client = Client(A, B, SESSION, mode, inputs, secrets.token_bytes, key.public, info)
    run([client, Server(B, A, SESSION, mode, key, secrets.token_bytes, len(inputs), info)])
    assert list(client.result) == [evaluate_clear(item, key, mode, info) for item in inputs]


def _valid_messages() -> list[tuple[Callable[[bytes], object], bytes]]:
    points = np.frombuffer(bytes(range(64)), np.uint8).reshape(2, 32)
    client = Client(
        A, B, SESSION, Mode.VOPRF, [b"x", b"y"], secrets.token_bytes, generate_key(secrets.token_bytes).public
    )
    question = next(iter(client.start())).message
    server = Server(B, A, SESSION, Mode.VOPRF, generate_key(secrets.token_bytes), secrets.token_bytes, 2)
    answer = next(iter(server.receive(A, question))).message
    return [
        (Masked.decode, Masked(SESSION, points).encode()),
        (DoublyMasked.decode, DoublyMasked(SESSION, points).encode()),
        (lambda m: Groups.decode(m, None, doubly=False), Groups(SESSION, False, (1, 0, 1), points).encode()),
        (lambda m: Groups.decode(m, None, doubly=True), Groups(SESSION, True, (2,), points).encode()),
        (Pairs.decode, Pairs(SESSION, b"key", points, np.ones((2, 5), np.uint8)).encode()),
        (EncryptedSums.decode, EncryptedSums(SESSION, (b"abc", None)).encode()),
        (Travelling.decode, Travelling(SESSION, 0, 1, points).encode()),
        (FullyMasked.decode, FullyMasked(SESSION, points).encode()),
        (BlindedElements.decode, question),
        (EvaluatedElements.decode, answer),
    ]


MESSAGES = _valid_messages()


@pytest.mark.parametrize("index", range(len(MESSAGES)))
@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_decoders_accept_or_raise_an_mpc_error(index: int, data: st.DataObject) -> None:
    decode, valid = MESSAGES[index]
    assert decode(valid) is not None
    mutated = bytearray(valid)
    for at, byte in data.draw(st.lists(st.tuples(st.integers(0, len(valid) - 1), st.integers(0, 255)), max_size=4)):
        mutated[at] = byte
    cut = data.draw(st.integers(0, len(valid)))
    for message in (bytes(mutated), bytes(mutated[:cut]), valid[:21] + data.draw(st.binary(max_size=80))):
        try:
            decoded = decode(message)
        except MpcError:
            continue
        assert decoded.encode() == message  # type: ignore[attr-defined]
