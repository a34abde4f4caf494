"""The published vectors of certificate-transparency, and each of them tampered."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sandbox.audit import (
    EMPTY_ROOT,
    append,
    prove_consistency,
    prove_inclusion,
    root,
    verify_consistency,
    verify_inclusion,
)
from sandbox.errors import BadProof
from tests.support.tree import Nodes

VECTORS = json.loads(Path(__file__).with_name("merkle_ct.json").read_text())
LEAVES = [bytes.fromhex(leaf) for leaf in VECTORS["leaves"]]
ROOTS = [bytes.fromhex(value) for value in VECTORS["roots"]]


@pytest.fixture
def nodes() -> Nodes:
    nodes = Nodes()
    for size, leaf in enumerate(LEAVES):
        append(nodes, size, leaf)
    return nodes


def test_roots(nodes: Nodes) -> None:
    assert [root(nodes, size) for size in range(1, 9)] == ROOTS
    assert root(nodes, 0) == EMPTY_ROOT == bytes.fromhex(VECTORS["empty_root"])


@pytest.mark.parametrize("case", VECTORS["inclusion"], ids=str)
def test_inclusion(nodes: Nodes, case: dict[str, Any]) -> None:
    index, size = case["index"], case["size"]
    proof = tuple(map(bytes.fromhex, case["proof"]))
    assert prove_inclusion(nodes, index, size) == proof
    verify_inclusion(LEAVES[index], index, size, proof, ROOTS[size - 1])
    for bad in tampered(proof):
        with pytest.raises(BadProof):
            verify_inclusion(LEAVES[index], index, size, bad, ROOTS[size - 1])


@pytest.mark.parametrize("case", VECTORS["consistency"], ids=str)
def test_consistency(nodes: Nodes, case: dict[str, Any]) -> None:
    old, new = case["old"], case["new"]
    proof = tuple(map(bytes.fromhex, case["proof"]))
    assert prove_consistency(nodes, old, new) == proof
    verify_consistency(old, ROOTS[old - 1], new, ROOTS[new - 1], proof)
    for bad in tampered(proof):
        with pytest.raises(BadProof):
            verify_consistency(old, ROOTS[old - 1], new, ROOTS[new - 1], bad)


def tampered(proof: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
    """One hash more at either end, one less, one bit flipped, order reversed, a short hash."""
    yield (*proof, bytes(32))
    yield (bytes(32), *proof)
    yield (*proof, *proof, EMPTY_ROOT)
    if proof:
        yield proof[:-1]
        yield proof[1:]
        yield (*proof[:-1], bytes((proof[-1][0] ^ 1, *proof[-1][1:])))
        yield (*proof[:-1], proof[-1][:-1])
    if len(proof) > 1:
        yield proof[::-1]
