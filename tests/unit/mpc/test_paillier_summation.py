"""The sum protocol: three roles to the end, and every message out of place."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from mpc.drive import run
from mpc.errors import (
    DuplicateMessage,
    MalformedMessage,
    MpcError,
    OutOfRange,
    TooFewParties,
    UnknownParty,
    WrongRound,
    WrongSession,
)
from mpc.paillier import Encryptor, Packing, PrivateKey, generate_keypair
from mpc.paillier.cipher import PackedVector
from mpc.paillier.messages import VectorMessage
from mpc.paillier.summation import Aggregator, Contributor, KeyHolder
from mpc.party import PartyName

SESSION, PACKING = b"p" * 16, Packing(30, 8, 2048)
AGGREGATOR, HOLDER = PartyName("aggregator"), PartyName("key-holder")
NAMES = [PartyName(f"owner-{i}") for i in range(3)]


@cache
def key() -> PrivateKey:
    return generate_keypair(2048, decryptions=10_000)


@cache
def encryptor() -> Encryptor:
    return Encryptor(key().public)


def parties(values: np.ndarray) -> tuple[list[Contributor], Aggregator, KeyHolder]:
    count = values.shape[1]
    owners = [
        Contributor(name, AGGREGATOR, SESSION, encryptor(), PACKING, row)
        for name, row in zip(NAMES, values, strict=True)
    ]
    middle = Aggregator(AGGREGATOR, HOLDER, NAMES, SESSION, encryptor(), PACKING, count)
    return owners, middle, KeyHolder(HOLDER, AGGREGATOR, SESSION, key(), PACKING, count, len(NAMES))


VALUES = np.arange(330, dtype=np.int64).reshape(3, 110) - 100


def test_the_key_holder_learns_the_sum() -> None:
    owners, middle, holder = parties(VALUES)
    run([*owners, middle, holder])
    assert holder.result is not None
    assert holder.result.tolist() == VALUES.sum(axis=0).tolist()


def test_a_missing_owner_ends_in_a_typed_error() -> None:
    owners, middle, holder = parties(VALUES)
    with pytest.raises(TooFewParties, match="aggregator"):
        run([*owners[:2], middle, holder])
    assert holder.result is None


def test_messages_out_of_place() -> None:
    owners, middle, holder = parties(VALUES)
    first = next(iter(owners[0].start())).message
    assert list(middle.receive(NAMES[0], first)) == []
    with pytest.raises(DuplicateMessage):
        middle.receive(NAMES[0], first)
    with pytest.raises(UnknownParty):
        middle.receive(PartyName("stranger"), first)
    foreign = VectorMessage(b"q" * 16, encryptor().encrypt(VALUES[1], PACKING)).encode()
    with pytest.raises(WrongSession):
        middle.receive(NAMES[1], foreign)
    with pytest.raises(WrongRound):
        list(owners[0].start())
    with pytest.raises(WrongRound):
        owners[0].receive(AGGREGATOR, first)
    with pytest.raises(UnknownParty):
        holder.receive(NAMES[0], first)


def test_a_single_vector_is_not_opened_as_if_it_were_the_sum() -> None:
    _, _, holder = parties(VALUES)
    alone = VectorMessage(SESSION, encryptor().encrypt(VALUES[0], PACKING)).encode()
    with pytest.raises(MalformedMessage, match="number of contributors"):
        holder.receive(AGGREGATOR, alone)
    assert not holder.finished


def test_a_sum_out_of_range_ends_the_run_instead_of_answering_question_after_question() -> None:
    """Else the aggregator shifts a contributor's ciphertext up, bit by bit, and sees from the refusals where it ends."""
    _, _, holder = parties(VALUES)
    n = key().public.n
    beyond = tuple(encryptor().blind([n // 3], [bytes([1]) * 128]) * PACKING.blocks(110))
    forged = VectorMessage(SESSION, PackedVector(key().public, PACKING, 110, 3, beyond)).encode()
    with pytest.raises(OutOfRange):
        holder.receive(AGGREGATOR, forged)
    left = key().decryptions_left
    with pytest.raises(DuplicateMessage):
        holder.receive(AGGREGATOR, forged)
    assert key().decryptions_left == left


def test_a_refused_message_changes_nothing() -> None:
    owners, middle, holder = parties(VALUES)
    good = [next(iter(owner.start())).message for owner in owners]
    for bad in (b"", good[1][:-1], good[1] + b"\0"):
        with pytest.raises(MpcError):
            middle.receive(NAMES[1], bad)
    sends = [send for name, message in zip(NAMES, good, strict=True) for send in middle.receive(name, message)]
    assert not list(holder.receive(AGGREGATOR, sends[0].message))
    with pytest.raises(DuplicateMessage):
        holder.receive(AGGREGATOR, sends[0].message)
    assert holder.result is not None
