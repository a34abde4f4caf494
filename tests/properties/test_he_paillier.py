"""Paillier == plain arithmetic, over random widths, lengths, numbers of parties and weights."""

from __future__ import annotations

from functools import cache

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from mpc.drive import run
from mpc.paillier import Encryptor, Packing, PrivateKey, generate_keypair
from mpc.paillier.messages import VectorMessage
from mpc.paillier.summation import Aggregator, Contributor, KeyHolder
from mpc.party import PartyName

SESSION = bytes(16)
AGGREGATOR, HOLDER = PartyName("a"), PartyName("k")
FEW = settings(max_examples=25, deadline=None)


@cache
def key() -> PrivateKey:
    return generate_keypair(2048, decryptions=10**9)


@cache
def encryptor() -> Encryptor:
    return Encryptor(key().public)


@st.composite
def tables(draw: st.DrawFn) -> tuple[int, np.ndarray]:
    bits, rows, columns = draw(st.integers(1, 62)), draw(st.integers(1, 6)), draw(st.integers(1, 90))
    top = (1 << bits) - 1
    seed = draw(st.integers(0, 2**32))
    values = np.random.default_rng(seed).integers(-top, top + 1, (rows, columns))
    values[draw(st.integers(0, rows - 1)), draw(st.integers(0, columns - 1))] = draw(st.sampled_from([-top, 0, top]))
    return bits, values


@given(tables(), st.integers(0, 4))
@settings(max_examples=200, deadline=None)
def test_packing_is_linear_and_reversible(table: tuple[int, np.ndarray], per: int) -> None:
    bits, values = table
    packing = Packing(bits, len(values), 2048, per)
    packed = [packing.pack(row) for row in values]
    total = [sum(column) for column in zip(*packed, strict=True)]
    assert packing.unpack(total, values.shape[1]).tolist() == values.astype(object).sum(axis=0).tolist()


@given(tables())
@FEW
def test_the_protocols_sum_is_the_plain_sum(table: tuple[int, np.ndarray]) -> None:
    bits, values = table
    count, packing = values.shape[1], Packing(bits, len(values), 2048)
    names = [PartyName(f"owner-{i}") for i in range(len(values))]
    owners = [
        Contributor(n, AGGREGATOR, SESSION, encryptor(), packing, row) for n, row in zip(names, values, strict=True)
    ]
    middle = Aggregator(AGGREGATOR, HOLDER, names, SESSION, encryptor(), packing, count)
    holder = KeyHolder(HOLDER, AGGREGATOR, SESSION, key(), packing, count, len(names))
    run([*owners, middle, holder])
    assert holder.result is not None
    assert holder.result.tolist() == values.astype(object).sum(axis=0).tolist()


@given(tables(), st.data())
@FEW
def test_encrypted_dot_plain_is_the_plain_product(table: tuple[int, np.ndarray], data: st.DataObject) -> None:
    bits, values = table
    weights = data.draw(st.lists(st.integers(-(1 << 40), 1 << 40), min_size=len(values), max_size=len(values)))
    packing = Packing(bits, max(1, sum(map(abs, weights))), 2048)
    rows = [encryptor().encrypt(row, packing) for row in values]
    sent = VectorMessage(SESSION, encryptor().dot(rows, weights)).encode()
    result = VectorMessage.decode(sent, key().public, SESSION).vector.decrypt(key())
    assert result.tolist() == (np.array(weights, dtype=object) @ values.astype(object)).tolist()
