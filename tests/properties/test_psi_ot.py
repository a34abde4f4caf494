"""Secure result == plaintext result; decoders give a value or an ``MpcError`` for any bytes."""

import contextlib
import secrets
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from mpc.drive import run
from mpc.errors import MpcError
from mpc.party import PartyName
from mpc.psi.kkrt import Receiver, Sender
from mpc.psi.messages import Correction, Masks, ReceiverHello, SenderHello
from mpc.psi.multi import Leader, Member
from mpc.psi.opprf import Hint
from mpc.psi.zero import KeyShare, PairKeys

S, R = PartyName("sender"), PartyName("receiver")
SESSION = bytes(range(16))
ITEMS = st.lists(st.binary(max_size=3) | st.binary(min_size=60, max_size=70), max_size=40)


@settings(max_examples=25, deadline=None)
@given(x=ITEMS, y=ITEMS, both=ITEMS)
def test_the_intersection_is_the_plain_one(x: list[bytes], y: list[bytes], both: list[bytes]) -> None:
    sender, receiver = Sender(S, R, SESSION, x + both), Receiver(R, S, SESSION, both + y)
    run([sender, receiver])
    assert receiver.result.tolist() == [item in {*x, *both} for item in both + y]


@settings(max_examples=10, deadline=None)
@given(sets=st.lists(st.lists(st.binary(max_size=1), max_size=30), min_size=2, max_size=4), both=ITEMS)
def test_the_intersection_of_many_is_the_plain_one(sets: list[list[bytes]], both: list[bytes]) -> None:
    sets = [held + both for held in sets]
    names = [PartyName(str(number)) for number in range(1, len(sets))]
    leader = Leader(R, names, SESSION, sets[0])
    run([leader, *(Member(name, R, names, SESSION, held) for name, held in zip(names, sets[1:], strict=True))])
    assert leader.result.tolist() == [all(item in held for held in sets[1:]) for item in sets[0]]


VALID = [
    ReceiverHello(7, bytes(range(32))).encode(SESSION),
    SenderHello(9, bytes(16), bytes(16), bytes(64 * 448)).encode(SESSION),
    Correction(3, np.arange(14, dtype=np.uint64).reshape(2, 7)).encode(SESSION),
    Masks(2, 5, np.arange(20, dtype=np.uint8).reshape(2, 10)).encode(SESSION),
    Hint(6, np.arange(8, dtype=np.uint64).reshape(4, 2)).encode(SESSION),
    KeyShare(bytes(PairKeys(S, [R], SESSION, secrets.token_bytes).point)).encode(SESSION),
]
DECODERS: list[Any] = [ReceiverHello, SenderHello, Correction, Masks, Hint, KeyShare]


@pytest.mark.parametrize(
    ("decoder", "message"), list(zip(DECODERS, VALID, strict=True)), ids=lambda value: getattr(value, "__name__", "")
)
def test_decoding_inverts_encoding(decoder: type, message: bytes) -> None:
    assert decoder.decode(message, SESSION).encode(SESSION) == message  # type: ignore[attr-defined]


@settings(max_examples=300, deadline=None)
@given(
    body=st.binary(max_size=200), kind=st.integers(0, 255), version=st.integers(0, 2), decoder=st.sampled_from(DECODERS)
)
def test_random_bytes_are_refused_or_valid(body: bytes, kind: int, version: int, decoder: type) -> None:
    message = b"UM" + bytes((version, 6, kind)) + SESSION + body
    for candidate in (body, message):
        with contextlib.suppress(MpcError):
            assert decoder.decode(candidate, SESSION).encode(SESSION) == candidate  # type: ignore[attr-defined]


@st.composite
def _mutated(draw: st.DrawFn) -> bytes:
    message = bytearray(draw(st.sampled_from(VALID)))
    for _ in range(draw(st.integers(1, 4))):
        message[draw(st.integers(0, min(len(message), 60) - 1))] = draw(st.integers(0, 255))
    return bytes(message[: draw(st.integers(0, len(message)))]) if draw(st.booleans()) else bytes(message)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(message=_mutated())
def test_mutated_messages_are_refused_or_valid(message: bytes) -> None:
    for decoder in DECODERS:
        with contextlib.suppress(MpcError):
            assert decoder.decode(message, SESSION).encode(SESSION) == message


@settings(max_examples=20, deadline=None)
@given(messages=st.lists(_mutated(), max_size=4), data=st.data())
def test_parties_survive_any_message(messages: list[bytes], data: st.DataObject) -> None:
    """Whatever arrives, a refusal is an ``MpcError``, and after refusals alone the honest run still ends right."""
    sender, receiver = Sender(S, R, SESSION, [b"a", b"b"]), Receiver(R, S, SESSION, [b"b", b"c"])
    accepted = 0
    for message in messages:
        for party, origin in ((sender, R), (receiver, S)):
            with contextlib.suppress(MpcError):
                list(party.receive(origin, message))
                accepted += 1
    if not accepted:
        run([sender, receiver])
        assert receiver.result.tolist() == [True, False]
