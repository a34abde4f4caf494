"""Private lookup == plain lookup for any table and wish; no bytes make a decoder fail in an untyped way."""

import secrets

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpc.drive import run
from mpc.errors import MpcError
from mpc.party import PartyName
from mpc.pir import PROFILES, Client, Keys, Server, index_table, keyword_table, prepare
from mpc.pir.messages import Answer, Ask, Hint, Query

ALICE, BOB, SESSION = PartyName("alice"), PartyName("bob"), bytes(range(16))
SMALL = settings(max_examples=25, deadline=None)
DECODERS = (Ask, Hint, Query, Answer)


@SMALL
@given(st.data())
def test_looking_up_a_number_is_indexing(data: st.DataObject) -> None:
    number, width = data.draw(st.integers(1, 200)), data.draw(st.integers(1, 40))
    records = np.frombuffer(secrets.token_bytes(number * width), np.uint8).reshape(number, width)
    columns = data.draw(st.none() | st.integers(1, number))
    profile = data.draw(st.sampled_from(list(PROFILES.values())))
    wanted = data.draw(st.lists(st.integers(0, number - 1), min_size=1, max_size=9))
    client = Client(
        ALICE, BOB, SESSION, wanted, secrets.token_bytes, accept=(profile,), pad_to=data.draw(st.integers(0, 12))
    )
    table = prepare(index_table(records, secrets.token_bytes, profile, columns))
    run([client, Server(BOB, ALICE, SESSION, table, 12, data.draw(st.integers(1, 3)))])
    assert list(client.result) == [records[i].tobytes() for i in wanted]


@SMALL
@given(st.data())
def test_looking_up_a_key_is_asking_a_dictionary(data: st.DataObject) -> None:
    width = data.draw(st.integers(1, 24))
    keys = data.draw(st.sets(st.binary(max_size=20), min_size=1, max_size=300))
    values = {key: secrets.token_bytes(width) for key in keys}
    columns = data.draw(st.none() | st.integers(1, 200))
    absent = st.binary(max_size=20)
    wanted = data.draw(st.lists(st.sampled_from(sorted(keys)) | absent, min_size=1, max_size=6))
    client = Client(ALICE, BOB, SESSION, wanted, secrets.token_bytes)
    run(
        [
            client,
            Server(
                BOB, ALICE, SESSION, prepare(keyword_table(values, Keys.OPEN, secrets.token_bytes, columns=columns)), 6
            ),
        ]
    )
    assert list(client.result) == [values.get(key) for key in wanted]


def valid_messages() -> list[bytes]:
    tables = (
        prepare(index_table(np.zeros((6, 2), np.uint8), secrets.token_bytes)),
        prepare(keyword_table({b"a": b"1", b"b": b"2"}, Keys.OPEN, secrets.token_bytes)),
    )
    out = [Ask(SESSION).encode()]
    for table, wanted in zip(tables, ([1], [b"a"]), strict=True):
        hint = Hint(SESSION, table.layout, table.hint)
        query = Client(ALICE, BOB, SESSION, wanted, secrets.token_bytes, hint=hint).start()[0].message  # type: ignore[arg-type]
        answer = Server(BOB, ALICE, SESSION, table, 1).receive(ALICE, query)[0].message
        out += [hint.encode(), query, answer]
    return out


VALID = valid_messages()


def test_encodings_read_back() -> None:
    for message in VALID:
        read = 0
        for decoder in DECODERS:
            try:
                assert decoder.decode(message, SESSION).encode() == message
                read += 1
            except MpcError:
                continue
        assert read == 1


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=400) | st.builds(lambda body: b"UM\x01\x0a" + body, st.binary(min_size=17, max_size=200)))
def test_random_bytes_are_refused_in_types(message: bytes) -> None:
    for decoder in DECODERS:
        try:
            decoder.decode(message)
        except MpcError:
            continue
        assert decoder is Ask


@settings(max_examples=500, deadline=None)
@given(st.sampled_from(VALID), st.data())
def test_mutated_messages_are_refused_or_valid(message: bytes, data: st.DataObject) -> None:
    edited = bytearray(message)
    for _ in range(data.draw(st.integers(1, 4))):
        near_front = st.integers(0, min(len(edited), 160) - 1)  # where the fields are; behind them is the matrix
        edited[data.draw(near_front | st.integers(0, len(edited) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.none() | st.integers(0, len(edited)))
    for decoder in DECODERS:
        try:
            value = decoder.decode(bytes(edited[:cut]))
        except MpcError:
            continue
        assert value.encode() == bytes(edited[:cut])


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(VALID[1::3]), st.data())
def test_a_forged_hint_makes_a_client_refuse_or_ask_never_crash(message: bytes, data: st.DataObject) -> None:
    edited = bytearray(message)
    for _ in range(data.draw(st.integers(1, 3))):
        edited[data.draw(st.integers(21, 160))] = data.draw(st.integers(0, 255))
    for wanted in ([0], [b"a"]):
        client = Client(ALICE, BOB, SESSION, wanted, secrets.token_bytes)
        client.start()
        try:
            (sent,) = client.receive(BOB, bytes(edited))
        except MpcError:
            continue
        assert Query.decode(sent.message).vectors.shape[0] == 1


def test_valid_messages_are_the_ones_the_fuzz_needs() -> None:
    assert len(VALID) == 7
    with pytest.raises(MpcError):
        Hint.decode(VALID[0])
