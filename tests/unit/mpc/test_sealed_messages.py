"""Decoders: random bytes, mutated fields and mutated ciphertexts give a value or an ``MpcError``, nothing else."""

from __future__ import annotations

import contextlib
import os
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpc.errors import BadParameters, MalformedMessage, MpcError, WrongSession
from mpc.sealed import Bench, ColumnSum, JobKey, KeyMaterial, KeyPolicy, OpenRequest, PublicSealer, SealedColumn, advise
from mpc.sealed.context import Context
from mpc.sealed.parameters import Parameters, Scheme
from mpc.sealed.seal import memory_file
from mpc.sealed.zstd import check_frame
from mpc.wire import Reader, Writer

JOB, CIRCUIT = b"m" * 16, ColumnSum(3000, 1000)


@cache
def key() -> JobKey:
    return JobKey(advise(CIRCUIT), KeyPolicy(JOB, CIRCUIT))


@cache
def messages() -> tuple[bytes, bytes, bytes]:
    column = key().seal(0, np.arange(3000) % 2000 - 1000)
    request = OpenRequest(JOB, key().key_id, bytes(32), (column.blocks[0][:1],))
    return key().material(public_key=True).encode(), column.encode(), request.encode()


@cache
def bench() -> Bench:
    return Bench(key().material(), CIRCUIT)


def decode(message: bytes) -> None:
    """Every decoder, and what follows it."""
    parameters = key().parameters
    for step in (
        lambda: PublicSealer(KeyMaterial.decode(message), CIRCUIT),
        lambda: bench().load(SealedColumn.decode(message, parameters)),
        lambda: OpenRequest.decode(message, parameters),
    ):
        try:
            step()
        except MpcError:
            continue


def test_round_trips_and_sessions() -> None:
    material, column, request = messages()
    assert KeyMaterial.decode(material, JOB).encode() == material
    assert SealedColumn.decode(column, key().parameters, JOB).encode() == column
    assert OpenRequest.decode(request, key().parameters, JOB).encode() == request
    with pytest.raises(WrongSession):
        KeyMaterial.decode(material, bytes(16))


def test_parameters_have_one_encoding_and_are_checked_on_reading() -> None:
    raw = key().parameters.write(Writer(5, 9, JOB)).done()
    assert Parameters.read(Reader(raw)) == key().parameters
    at = raw.index(bytes(key().parameters.chain), 21)
    unsafe = raw[:at] + bytes([60]) + raw[at + 1 :]
    with pytest.raises(MalformedMessage, match="unsafe"):
        Parameters.read(Reader(unsafe))


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 2), st.integers(0, 200), st.integers(0, 255))
def test_mutated_fields(which: int, at: int, value: int) -> None:
    raw = bytearray(messages()[which])
    raw[at] = value
    decode(bytes(raw))


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2), st.floats(0, 1), st.integers(0, 255), st.booleans())
def test_mutated_ciphertexts_and_keys(which: int, at: float, value: int, cut: bool) -> None:
    base = messages()[which]
    where = int(at * (len(base) - 1))
    decode(base[:where] if cut else base[:where] + bytes([value]) + base[where + 1 :])


@settings(max_examples=150, deadline=None)
@given(st.integers(1, 3), st.binary(max_size=400))
def test_random_bodies(kind: int, body: bytes) -> None:
    decode(b"UM" + bytes((1, 5, kind)) + JOB + body)


@settings(max_examples=100, deadline=None)
@given(st.binary(min_size=0, max_size=200))
def test_random_bytes_where_a_ciphertext_belongs(noise: bytes) -> None:
    good = SealedColumn.decode(messages()[1], key().parameters)
    header = good.blocks[0][0][:8] + (16 + len(noise)).to_bytes(8, "little")
    for fake in (noise, header + noise, good.blocks[0][0][:-1]):
        column = SealedColumn(JOB, key().key_id, 0, 3000, ((fake, *good.blocks[0][1:]),))
        with pytest.raises(MalformedMessage):
            bench().load(column)


def test_a_ciphertext_of_other_parameters_is_refused() -> None:
    other = ColumnSum(3000, 10)
    stranger = JobKey(advise(other), KeyPolicy(JOB, other)).seal(0, np.zeros(3000, dtype=np.int64))
    with pytest.raises(MpcError):
        bench().load(SealedColumn(JOB, key().key_id, 0, 3000, stranger.blocks))


def test_symmetric_columns_are_half_of_public_ones() -> None:
    sealer = PublicSealer(KeyMaterial.decode(messages()[0]), CIRCUIT)
    public = sealer.seal(0, np.arange(3000) % 2000 - 1000)
    assert len(messages()[1]) < 0.55 * len(public.encode())
    assert bench().load(public)


def test_memory_files_leave_no_descriptor_behind() -> None:
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(20):
        with memory_file():
            pass
    assert len(os.listdir("/proc/self/fd")) == before


def frame(blocks: bytes, declared: int) -> bytes:
    """A zstd frame (RFC 8878) that declares its size in four bytes."""
    return b"\x28\xb5\x2f\xfd\xa0" + declared.to_bytes(4, "little") + blocks


def block(kind: int, size: int, body: bytes, last: bool) -> bytes:
    return (size << 3 | kind << 1 | last).to_bytes(3, "little") + body


def test_a_decompression_bomb_is_refused_before_it_unpacks() -> None:
    bomb = frame(b"".join(block(1, 1 << 17, b"\0", i == 9999) for i in range(10_000)), 40_000)
    assert len(bomb) < 50_000  # 1.3 GB when unpacked
    with pytest.raises(MalformedMessage, match="more than it declares"):
        check_frame(bomb, 50_000)
    with pytest.raises(MalformedMessage, match="at most"):
        check_frame(frame(block(1, 1 << 17, b"\0", True), 1 << 30), 50_000)
    raw = SealedColumn.decode(messages()[1], key().parameters).blocks[0][0]
    forged = raw[:8] + (16 + len(bomb)).to_bytes(8, "little") + bomb
    with pytest.raises(MalformedMessage):
        bench().load(SealedColumn(JOB, key().key_id, 0, 3000, ((forged, raw),)))
    zlib = raw[:5] + b"\x01" + raw[6:]
    with pytest.raises(MalformedMessage, match="one whole"):
        bench().load(SealedColumn(JOB, key().key_id, 0, 3000, ((zlib, raw),)))


def test_frames_are_read_to_their_exact_end() -> None:
    good = frame(block(0, 3, b"abc", False) + block(1, 5, b"x", True), 8)
    check_frame(good, 8)
    for bad in (good + b"\0", good[:-1], good[:4], b"", good[:9], frame(block(3, 3, b"abc", True), 3)):
        with pytest.raises(MalformedMessage):
            check_frame(bad, 8)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=60))
def test_random_frames(body: bytes) -> None:
    with contextlib.suppress(MalformedMessage):
        check_frame(b"\x28\xb5\x2f\xfd" + body, 1000)


def test_a_plain_modulus_that_is_no_prime_is_refused() -> None:
    composite = 4096 * 2 + 1  # 8193 = 3 * 2731
    with pytest.raises(BadParameters):
        Context(Parameters(Scheme.BFV, 2048, (50,), plain=(composite,)))
