"""The log's Merkle tree in the database: the port that ``sandbox.audit.merkle`` appends and proves through.

An append reads and writes O(log n) rows inside the caller's transaction. Stored nodes never change, so proofs for old
sizes stay computable.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any, TypeVar

from sqlalchemy import Connection, Select, bindparam, insert, or_, select, update

from sandbox.audit.merkle import HASH_BYTES, NodeHashes, append
from sandbox.errors import BadProof
from sandbox.store.tables import log_head, log_nodes

P = TypeVar("P")


def append_leaves(connection: Connection, leaves: Iterable[bytes], first: int) -> int:
    """Add leaves behind the ``first`` ones and return that; the caller holds the lock (``lock_size``)."""
    nodes = StoredNodes(connection)
    nodes.load((level, (first >> level) - 1) for level in range(first.bit_length()) if first >> level & 1)
    size = first
    for leaf in leaves:
        size = append(nodes, size, leaf)
    nodes.flush()
    connection.execute(update(log_head).values(size=size))
    return first


def prove_from(connection: Connection, proofs: Iterable[Callable[[NodeHashes], P]]) -> list[P]:
    """What each of ``proofs`` returns, with one look into the database for all of them instead of one for each hash.

    Which hashes a proof reads depends on sizes and indices only, so it is run once to see and once to make it.
    """
    wanted, made = _Wanted(), tuple(proofs)
    for proof in made:
        proof(wanted)
    nodes = StoredNodes(connection)
    nodes.load(wanted.places)
    return [proof(nodes) for proof in made]


@cache
def _of_levels(count: int) -> Select[Any]:
    """Hashes of ``count`` levels. By level: SQLite would scan the table for a list of pairs."""
    there = [
        (log_nodes.c.level == bindparam(f"level{place}"))
        & log_nodes.c.index.in_(bindparam(f"found{place}", expanding=True))
        for place in range(count)
    ]
    return select(log_nodes.c.level, log_nodes.c.index, log_nodes.c.hash).where(or_(*there))


class _Wanted:
    """``NodeHashes`` that notes what is asked for and knows nothing."""

    def __init__(self) -> None:
        self.places: set[tuple[int, int]] = set()

    def get(self, level: int, index: int) -> bytes:
        self.places.add((level, index))
        return bytes(HASH_BYTES)

    def put(self, level: int, index: int, value: bytes) -> None:
        raise TypeError("a proof writes nothing")


class StoredNodes:
    """``NodeHashes`` over one connection; what is put goes to the database in one statement, by ``flush``."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._fresh: dict[tuple[int, int], bytes] = {}
        self._loaded: dict[tuple[int, int], bytes] = {}

    def load(self, places: Iterable[tuple[int, int]]) -> None:
        """Read these at once: ``get`` asks the database for others only."""
        levels: dict[int, list[int]] = defaultdict(list)
        for level, index in places:
            levels[level].append(index)
        given: dict[str, Any] = {}
        for place, (level, found) in enumerate(levels.items()):
            given |= {f"level{place}": level, f"found{place}": found}
        if levels:
            for level, index, value in self._connection.execute(_of_levels(len(levels)), given):
                self._loaded[level, index] = bytes(value)

    def get(self, level: int, index: int) -> bytes:
        """The stored root of one complete subtree; raises ``BadProof`` if the tree does not reach that far."""
        if (known := self._fresh.get((level, index)) or self._loaded.get((level, index))) is not None:
            return known
        where = (log_nodes.c.level == level) & (log_nodes.c.index == index)
        value = self._connection.execute(select(log_nodes.c.hash).where(where)).scalar_one_or_none()
        if value is None:
            raise BadProof("the log is not that large yet")
        return bytes(value)

    def put(self, level: int, index: int, value: bytes) -> None:
        self._fresh[level, index] = value

    def flush(self) -> None:
        if self._fresh:
            rows = [{"level": level, "index": index, "hash": value} for (level, index), value in self._fresh.items()]
            self._connection.execute(insert(log_nodes), rows)
            self._fresh.clear()


def lock_size(connection: Connection) -> int:
    """The number of leaves, with the head row locked where the database locks rows."""
    return int(connection.execute(select(log_head.c.size).with_for_update()).scalar_one())


def read_size(connection: Connection) -> int:
    return int(connection.execute(select(log_head.c.size)).scalar_one())
