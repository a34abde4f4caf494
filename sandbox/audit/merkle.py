"""The Merkle tree of the log: RFC 9162 section 2.1 with SHA-256, as pure functions over stored subtree hashes.

The hub appends inside its own transaction through the ``NodeHashes`` port (O(log n) reads and writes); everybody else
runs ``verify_inclusion`` and ``verify_consistency``. Only complete subtrees are stored: they never change again.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from typing import Final, Protocol

from sandbox.errors import BadProof

HASH_BYTES: Final = 32
MAX_SIZE: Final = 1 << 62
EMPTY_ROOT: Final = hashlib.sha256(b"").digest()


class NodeHashes(Protocol):
    """Hashes of complete subtrees: ``(level, index)`` covers leaves ``index << level`` to ``(index + 1) << level``.

    ``put`` is called at most once for a place and must be durable when the transaction that holds the append commits.
    """

    def get(self, level: int, index: int) -> bytes: ...

    def put(self, level: int, index: int, value: bytes) -> None: ...


def append(nodes: NodeHashes, size: int, leaf: bytes) -> int:
    """Add one leaf to a tree of ``size`` leaves and return the new size. ``leaf`` is the entry's exact bytes."""
    if not 0 <= size < MAX_SIZE:
        raise ValueError(f"a log has between 0 and {MAX_SIZE} entries")
    value, level, index = leaf_hash(leaf), 0, size
    nodes.put(level, index, value)
    while index & 1:
        value = node_hash(nodes.get(level, index - 1), value)
        level, index = level + 1, index >> 1
        nodes.put(level, index, value)
    return size + 1


def root(nodes: NodeHashes, size: int) -> bytes:
    """Return the Merkle tree hash of the first ``size`` leaves (section 2.1.1)."""
    return _range_hash(nodes, 0, size) if size else EMPTY_ROOT


def prove_inclusion(nodes: NodeHashes, index: int, size: int) -> tuple[bytes, ...]:
    """Return the path from leaf ``index`` to the root of the first ``size`` leaves (section 2.1.3.1)."""
    if not 0 <= index < size:
        raise BadProof("there is no such leaf in a tree of that size")
    path: list[bytes] = []
    begin, end = 0, size
    while end - begin > 1:
        middle = begin + _split(end - begin)
        if index < middle:
            path.append(_range_hash(nodes, middle, end))
            end = middle
        else:
            path.append(_range_hash(nodes, begin, middle))
            begin = middle
    return tuple(reversed(path))


def prove_consistency(nodes: NodeHashes, old: int, new: int) -> tuple[bytes, ...]:
    """Return the proof that the first ``old`` of ``new`` leaves are what they were (section 2.1.4.1)."""
    if not 0 <= old <= new:
        raise BadProof("consistency is from a smaller tree to a larger one")
    if old in (0, new):
        return ()
    path: list[bytes] = []
    begin, end, complete = 0, new, True
    while end != old:
        middle = begin + _split(end - begin)
        if old <= middle:
            path.append(_range_hash(nodes, middle, end))
            end = middle
        else:
            path.append(_range_hash(nodes, begin, middle))
            begin, complete = middle, False
    if not complete:
        path.append(_range_hash(nodes, begin, end))
    return tuple(reversed(path))


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root_hash: bytes) -> None:
    """Raise ``BadProof`` unless the entry is leaf ``index`` of the tree with this size and root (section 2.1.3.2)."""
    if not 0 <= index < size <= MAX_SIZE:
        raise BadProof("the leaf index is not below the tree size")
    _check_hashes(proof, root_hash)
    position, last, value = index, size - 1, leaf_hash(leaf)
    for sibling in proof:
        if last == 0:
            raise BadProof("the inclusion proof is too long")
        if position & 1 or position == last:
            value = node_hash(sibling, value)
            while position and not position & 1:
                position, last = position >> 1, last >> 1
        else:
            value = node_hash(value, sibling)
        position, last = position >> 1, last >> 1
    if last or not hmac.compare_digest(value, root_hash):
        raise BadProof("the inclusion proof does not lead from this entry to the root")


def verify_consistency(old: int, old_root: bytes, new: int, new_root: bytes, proof: Sequence[bytes]) -> None:
    """Raise ``BadProof`` unless the larger tree keeps all of the smaller one (section 2.1.4.2).

    Every tree is consistent with the empty one, and one size has one root.
    """
    if not 0 <= old <= new <= MAX_SIZE:
        raise BadProof("consistency is from a smaller tree to a larger one")
    _check_hashes(proof, old_root, new_root)
    if old == 0 or old == new:
        _check_trivial(old, old_root, new, new_root, proof)
        return
    hashes = list(proof) if old & (old - 1) else [old_root, *proof]
    if not hashes:
        raise BadProof("the consistency proof is empty")
    position, last = old - 1, new - 1
    while position & 1:
        position, last = position >> 1, last >> 1
    first = second = hashes[0]
    for sibling in hashes[1:]:
        if last == 0:
            raise BadProof("the consistency proof is too long")
        if position & 1 or position == last:
            first, second = node_hash(sibling, first), node_hash(sibling, second)
            while position and not position & 1:
                position, last = position >> 1, last >> 1
        else:
            second = node_hash(second, sibling)
        position, last = position >> 1, last >> 1
    if last or not (hmac.compare_digest(first, old_root) and hmac.compare_digest(second, new_root)):
        raise BadProof("the larger tree does not keep the entries of the smaller one")


def leaf_hash(leaf: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


def _check_trivial(old: int, old_root: bytes, new: int, new_root: bytes, proof: Sequence[bytes]) -> None:
    if proof:
        raise BadProof("nothing is to be proven here, so the proof must be empty")
    expected_old = EMPTY_ROOT if old == 0 else new_root
    if not hmac.compare_digest(old_root, expected_old) or (new == 0 and not hmac.compare_digest(new_root, EMPTY_ROOT)):
        raise BadProof("two roots for one tree size")


def _range_hash(nodes: NodeHashes, begin: int, end: int) -> bytes:
    """Hash of leaves ``[begin, end)`` where ``begin`` is a multiple of the largest power of two within the range."""
    width = end - begin
    if not width & (width - 1):
        level = width.bit_length() - 1
        return nodes.get(level, begin >> level)
    middle = begin + _split(width)
    return node_hash(_range_hash(nodes, begin, middle), _range_hash(nodes, middle, end))


def _split(width: int) -> int:
    """The largest power of two smaller than ``width``."""
    return 1 << ((width - 1).bit_length() - 1)


def _check_hashes(proof: Sequence[bytes], *roots: bytes) -> None:
    if len(proof) > 64 or any(len(value) != HASH_BYTES for value in (*proof, *roots)):
        raise BadProof(f"a proof has at most 64 hashes of {HASH_BYTES} bytes")
