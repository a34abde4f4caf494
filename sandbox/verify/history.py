"""What everybody can check over the whole log: are these all its entries, unchanged and in order?

Pure and offline: the entries are whatever the hub exported, believed only if they give the root of a checkpoint that
others cosigned. ``check_extends`` (``sandbox.audit``) is how two checkpoints are compared.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from jobs.documents import digest, salted_commitment
from jobs.documents.ed25519 import decode_base64
from jobs.errors import BadDocument
from sandbox.audit.checkpoint import Checkpoint
from sandbox.audit.entry import LogEntry
from sandbox.audit.merkle import EMPTY_ROOT, leaf_hash, node_hash
from sandbox.errors import BadProof


@dataclass(frozen=True)
class Hidden:
    """The hash of a leaf that the caller may not read: it still counts for completeness."""

    hash: bytes


def read_item(item: Mapping[str, Any]) -> bytes | Hidden:
    """The leaf of one item of ``GET /log/entries`` or of an export; raises ``BadProof``.

    An address that is shown beside the entry must be the one that the entry commits to.
    """
    try:
        if "leaf" not in item:
            return Hidden(decode_base64(item["hash"]))
        leaf = decode_base64(item["leaf"])
        origin = item.get("origin")
        shown = origin and salted_commitment(decode_base64(origin["salt"]), digest(origin["address"].encode()))
    except (BadDocument, KeyError, TypeError, AttributeError):
        raise BadProof("an item of the log has neither a leaf nor a hash as it should") from None
    if shown and LogEntry.read(leaf).origin != shown:
        raise BadProof("the address shown beside an entry is not the one that the entry commits to")
    return leaf


def verify_entries(leaves: Iterable[bytes | Hidden], checkpoint: Checkpoint) -> tuple[LogEntry, ...]:
    """Return the entries if they are all of the checkpoint's, unchanged and in order; else raises ``BadProof``.

    ``leaves`` are the entries' exact bytes from index 0 on, or the hashes of those that the caller may not read: only
    the others are returned. Raises ``BadDocument`` for a leaf that is no log entry.
    """
    tree, entries = _Frontier(), []
    for leaf in leaves:
        if tree.size == checkpoint.size:
            raise BadProof(f"there are more entries than the {checkpoint.size} of the checkpoint")
        if isinstance(leaf, Hidden):
            tree.add(leaf.hash)
        else:
            tree.add(leaf_hash(leaf))
            entries.append(leaf)
    if tree.size != checkpoint.size:
        raise BadProof(f"there are {tree.size} entries where the checkpoint has {checkpoint.size}: some were left out")
    if tree.root() != checkpoint.root:
        raise BadProof("the entries do not give the checkpoint's root: at least one was changed, replaced or moved")
    return tuple(map(LogEntry.read, entries))


class _Frontier:
    """The roots of the complete subtrees at the right edge: all that is needed to go on, log2(size) hashes."""

    def __init__(self) -> None:
        self.size = 0
        self._edge: list[bytes] = []  # largest subtree first

    def add(self, value: bytes) -> None:
        size = self.size
        while size & 1:
            value, size = node_hash(self._edge.pop(), value), size >> 1
        self._edge.append(value)
        self.size += 1

    def root(self) -> bytes:
        """RFC 9162 section 2.1.1: fold the subtrees from the smallest to the largest."""
        if not self._edge:
            return EMPTY_ROOT
        value = self._edge[-1]
        for left in reversed(self._edge[:-1]):
            value = node_hash(left, value)
        return value
