"""The storage of a log's tree, in memory."""

from __future__ import annotations


class Nodes:
    """Implements ``sandbox.audit.merkle.NodeHashes``; a second write to one place is an error."""

    def __init__(self) -> None:
        self.hashes: dict[tuple[int, int], bytes] = {}

    def get(self, level: int, index: int) -> bytes:
        return self.hashes[level, index]

    def put(self, level: int, index: int, value: bytes) -> None:
        if (level, index) in self.hashes:
            raise AssertionError("a stored hash was written twice")
        self.hashes[level, index] = value
