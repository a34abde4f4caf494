"""What an auditor checks over the whole log: are these all its entries, and do the nodes' own records agree with them?

Pure and offline: the entries are whatever the hub exported, believed only if they give the root of a checkpoint that
others cosigned. ``check_extends`` (``sandbox.audit``) is how two checkpoints are compared.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from jobs.documents import OutboxRecord, digest, salted_commitment
from jobs.documents.ed25519 import decode_base64
from jobs.documents.execution import OutboxEntry
from jobs.errors import BadDocument
from jobs.schema import Digest
from sandbox.audit.checkpoint import Checkpoint
from sandbox.audit.entry import MESSAGE_RECEIVED, MESSAGE_REFUSED, LogEntry
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


@dataclass(frozen=True)
class Reconciliation:
    """A node's own account of what left it against the hub's log. ``agrees`` when neither knows more than the other."""

    matched: int
    not_logged: tuple[OutboxEntry, ...]
    """Sent according to the node, but not in the log."""
    not_sent: tuple[LogEntry, ...]
    """Received from the node according to the log, but not in the node's record."""

    @property
    def agrees(self) -> bool:
        return not self.not_logged and not self.not_sent


def reconcile(record: OutboxRecord, entries: Iterable[LogEntry]) -> Reconciliation:
    """Compare a verified outbox record that starts at the node's first message with the entries of the log.

    Pass a record and entries of about the same time: what was sent after the checkpoint is reported as not logged.
    """
    logged: dict[Digest, LogEntry] = {}
    for entry in entries:
        if (
            entry.event in (MESSAGE_RECEIVED, MESSAGE_REFUSED)
            and entry.actor == f"node:{record.node}"
            and entry.digests
        ):
            logged[entry.digests[0]] = entry
    sent = {item.message.digest: item for item in record.entries}
    return Reconciliation(
        matched=len(sent.keys() & logged.keys()),
        not_logged=tuple(item for name, item in sent.items() if name not in logged),
        not_sent=tuple(entry for name, entry in logged.items() if name not in sent),
    )


def join_pages(records: Iterable[OutboxRecord]) -> tuple[OutboxRecord, ...]:
    """One record for each node out of the pages of its export; raises ``BadProof`` where a page is missing."""
    pages: dict[str, list[OutboxRecord]] = {}
    for record in records:
        pages.setdefault(record.node, []).append(record)
    return tuple(_joined(node, sorted(found, key=lambda page: page.first)) for node, found in sorted(pages.items()))


def _joined(node: str, pages: list[OutboxRecord]) -> OutboxRecord:
    expected = 1
    for page in pages:
        if page.first != expected:
            raise BadProof(f"the record of {node} lacks message {expected}: give all pages of its export")
        expected = page.last + 1
    entries = tuple(entry for page in pages for entry in page.entries)
    return pages[0].model_copy(update={"entries": entries, "last": expected - 1})


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
