"""Secure aggregation equals the plain sum over survivors, or ends typed; its decoders only ever raise MpcError."""

from __future__ import annotations

import secrets
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from mpc.errors import MpcError, TooFewParties
from mpc.party import PartyName
from mpc.ring import Z32, Z64, Z128, Range
from mpc.secagg import Client, Parameters, Server, simulate
from mpc.secagg.messages import (
    Advertise,
    Consent,
    Delivery,
    Directory,
    Keys,
    MaskedInput,
    SealedShares,
    Shares,
    Survivors,
    Unmask,
    from_bitmap,
    to_bitmap,
)

SESSION = bytes(range(16))


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_the_result_is_the_plain_sum_over_the_survivors(data: st.DataObject) -> None:
    n = data.draw(st.integers(2, 10))
    degree = data.draw(st.sampled_from([n - 1, *range(2, n - 1, 2)]))
    threshold = data.draw(st.integers(degree // 2 + 1, degree))
    signed = data.draw(st.booleans())
    fewest = max(2 * n // 3 + 1, n - degree // 2 if degree < n - 1 else 0) if signed else 2
    survivors = data.draw(st.integers(max(threshold + 1, fewest), n))
    names = tuple(PartyName(f"c{i}") for i in range(n))
    identities = {name: Ed25519PrivateKey.generate() for name in names} if signed else {}
    length = data.draw(st.integers(1, 5))
    parameters = Parameters(
        secrets.token_bytes(16),
        names,
        length,
        Range(-(1 << 20), 1 << 20),
        data.draw(st.sampled_from([Z32, Z64, Z128])),
        degree,
        threshold,
        survivors,
        bytes(32),
        data.draw(st.binary(min_size=16, max_size=18)),
        {name: key.public_key().public_bytes_raw() for name, key in identities.items()},
    )
    numbers = st.lists(st.integers(-(1 << 20), 1 << 20), min_size=length, max_size=length)
    inputs = {name: data.draw(numbers) for name in names}
    lost = data.draw(st.dictionaries(st.sampled_from(names), st.sampled_from([1, 3, 5, 7, 9]), max_size=n))
    server = Server(parameters)
    clients = [Client(parameters, name, inputs[name], identities.get(name)) for name in names]
    try:
        simulate.run(server, clients, lost)
    except TooFewParties:
        # never refused when everyone stays
        assert lost
        assert not server.finished
        return
    assert len(server.survivors) >= survivors
    assert not any(kind <= MaskedInput.KIND for name, kind in lost.items() if name in server.survivors)
    expected = [sum(column) for column in zip(*(inputs[name] for name in server.survivors), strict=True)]
    assert parameters.ring.decode_signed(server.result) == expected


keys = st.builds(Keys, *(st.binary(min_size=32, max_size=32),) * 3, st.sampled_from([b"", bytes(64), b"\x05" * 64]))
positions = st.integers(0, 65535)


def entries(size: int) -> Any:
    return st.dictionaries(positions, st.binary(min_size=size, max_size=size), max_size=4)


digest = st.binary(min_size=32, max_size=32)
messages: dict[type, Any] = {
    Advertise: st.builds(Advertise, keys),
    Directory: st.builds(Directory, st.dictionaries(positions, keys, max_size=4)),
    SealedShares: st.builds(SealedShares, digest, entries(96)),
    Delivery: st.builds(Delivery, digest, entries(96)),
    Survivors: st.builds(Survivors, st.binary(max_size=20)),
    Consent: st.builds(Consent, st.binary(min_size=64, max_size=64)),
    Unmask: st.builds(Unmask, st.binary(max_size=20), entries(64)),
    Shares: st.builds(Shares, entries(40)),
}
kinds = pytest.mark.parametrize("kind", list(messages))


@kinds
@settings(max_examples=30)
@given(data=st.data())
def test_messages_round_trip(kind: Any, data: st.DataObject) -> None:
    message = data.draw(messages[kind])
    assert kind.decode(message.encode(SESSION), SESSION) == message


@kinds
@settings(max_examples=60)
@given(data=st.data())
def test_mutated_messages_decode_canonically_or_are_refused(kind: Any, data: st.DataObject) -> None:
    raw = bytearray(data.draw(messages[kind]).encode(SESSION))
    for _ in range(data.draw(st.integers(0, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(raw[: data.draw(st.integers(0, len(raw)))]) + data.draw(st.binary(max_size=3))
    for damaged in (bytes(raw), cut):
        try:
            decoded = kind.decode(damaged, SESSION)
        except MpcError:
            continue
        assert decoded.encode(SESSION) == damaged


@kinds
@settings(max_examples=30)
@given(raw=st.binary(max_size=200))
def test_random_bytes_are_refused(kind: Any, raw: bytes) -> None:
    with pytest.raises(MpcError):
        kind.decode(raw, SESSION)


@given(st.binary(max_size=60), st.integers(0, 20))
def test_masked_inputs_have_one_length(vector: bytes, size: int) -> None:
    raw = MaskedInput(vector).encode(SESSION)
    if len(vector) == size:
        assert MaskedInput.decode(raw, SESSION, size).vector == vector
    else:
        with pytest.raises(MpcError):
            MaskedInput.decode(raw, SESSION, size)


@given(st.sets(st.integers(0, 40)), st.integers(1, 41), st.binary(max_size=7))
def test_survivor_lists_round_trip_and_others_are_refused(chosen: set[int], clients: int, raw: bytes) -> None:
    inside = {position for position in chosen if position < clients}
    assert from_bitmap(to_bitmap(inside, clients), clients) == inside
    try:
        decoded = from_bitmap(raw, clients)
    except MpcError:
        return
    assert to_bitmap(decoded, clients) == raw
