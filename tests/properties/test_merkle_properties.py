"""Random trees: every proof verifies against a plain recursive reading of RFC 9162, and nothing else does."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox.audit import append, prove_consistency, prove_inclusion, root, verify_consistency, verify_inclusion
from sandbox.errors import BadProof
from tests.support.tree import Nodes

SIZE = st.integers(1, 80)


def plain_root(leaves: list[Any]) -> bytes:
    """Section 2.1.1, word for word."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return hashlib.sha256(b"\x00" + leaves[0]).digest()
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return hashlib.sha256(b"\x01" + plain_root(leaves[:split]) + plain_root(leaves[split:])).digest()


def tree(size: int, salt: bytes = b"") -> tuple[list[bytes], Nodes]:
    leaves = [b"%s%d" % (salt, number) for number in range(size)]
    nodes = Nodes()
    for at, leaf in enumerate(leaves):
        assert append(nodes, at, leaf) == at + 1
    return leaves, nodes


@given(SIZE)
def test_root_is_that_of_the_recursive_definition(size: int) -> None:
    leaves, nodes = tree(size)
    assert root(nodes, size) == plain_root(leaves)
    assert root(nodes, size // 2) == plain_root(leaves[: size // 2])


@given(st.data())
def test_inclusion(data: st.DataObject) -> None:
    size = data.draw(SIZE)
    leaves, nodes = tree(size)
    index = data.draw(st.integers(0, size - 1))
    proof = prove_inclusion(nodes, index, size)
    verify_inclusion(leaves[index], index, size, proof, plain_root(leaves))
    other = data.draw(st.integers(0, size - 1))
    if other != index:
        with pytest.raises(BadProof):
            verify_inclusion(leaves[other], index, size, proof, plain_root(leaves))
        with pytest.raises(BadProof):
            verify_inclusion(leaves[index], other, size, proof, plain_root(leaves))


@given(st.data())
def test_consistency(data: st.DataObject) -> None:
    new = data.draw(SIZE)
    old = data.draw(st.integers(0, new))
    leaves, nodes = tree(new)
    proof = prove_consistency(nodes, old, new)
    verify_consistency(old, plain_root(leaves[:old]), new, plain_root(leaves), proof)
    assert len(proof) <= 2 * new.bit_length()


@given(st.data())
def test_a_rewritten_history_has_no_consistency_proof(data: st.DataObject) -> None:
    new = data.draw(st.integers(2, 60))
    old = data.draw(st.integers(1, new))
    leaves, _ = tree(new)
    changed = data.draw(st.integers(0, old - 1))
    forged = [b"forged" if at == changed else leaf for at, leaf in enumerate(leaves)]
    nodes = Nodes()
    for at, leaf in enumerate(forged):
        append(nodes, at, leaf)
    with pytest.raises(BadProof):
        verify_consistency(old, plain_root(leaves[:old]), new, plain_root(forged), prove_consistency(nodes, old, new))


@given(
    st.integers(-2, 1 << 65), st.integers(-2, 1 << 65), st.lists(st.binary(min_size=30, max_size=34), max_size=70),
    st.binary(min_size=32, max_size=32),
)  # fmt: skip
@settings(max_examples=200)
def test_random_proofs_are_refused_and_nothing_else_is_raised(
    first: int, second: int, proof: list[Any], value: bytes
) -> None:
    with pytest.raises(BadProof):
        verify_inclusion(b"leaf", first, second, proof, value)
    with pytest.raises(BadProof):
        verify_consistency(first, value, second, hashlib.sha256(value).digest(), proof)


def test_an_append_reads_and_writes_few_hashes() -> None:
    class Counting(Nodes):
        calls = 0

        def get(self, level: int, index: int) -> bytes:
            Counting.calls += 1
            return super().get(level, index)

    nodes = Counting()
    for size in range(1024):
        append(nodes, size, b"%d" % size)
    assert len(nodes.hashes) == 2047  # every complete subtree once
    assert Counting.calls == 1023  # each parent reads its left child; the right one is at hand
    Counting.calls = 0
    prove_inclusion(nodes, 500, 1001)
    assert Counting.calls <= 2 * 11
