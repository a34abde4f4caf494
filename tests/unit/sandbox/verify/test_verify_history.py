"""A whole log: edited, shortened, lengthened or reordered ones are refused."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.documents import digest
from jobs.errors import BadDocument
from sandbox.audit import MESSAGE_RECEIVED, Checkpoint, LogEntry, append, root
from sandbox.errors import BadProof
from sandbox.verify import verify_entries
from tests.support.orders import NOW, ORIGIN
from tests.support.tree import Nodes


def entries_of(count: int) -> list[LogEntry]:
    return [
        LogEntry(salt="00" * 32, event=MESSAGE_RECEIVED, at=NOW, actor="node:node-ewr", subject=f"node-ewr:{n}",
                 digests=(digest(b"%d" % n), digest(b"envelope %d" % n)))
        for n in range(count)
    ]  # fmt: skip


def checkpoint_of(leaves: list[bytes]) -> Checkpoint:
    nodes, size = Nodes(), 0
    for leaf in leaves:
        size = append(nodes, size, leaf)
    return Checkpoint(ORIGIN, size, root(nodes, size))


@given(st.integers(0, 40))
def test_all_entries_give_the_root(count: int) -> None:
    entries = entries_of(count)
    leaves = [entry.leaf() for entry in entries]
    assert verify_entries(iter(leaves), checkpoint_of(leaves)) == tuple(entries)


@pytest.mark.parametrize(
    ("bend", "words"),
    [
        (lambda x: [x[0], x[1].replace(b"node-ewr:1", b"node-ewr:9"), *x[2:]], "changed"),
        (lambda x: [x[1], x[0], *x[2:]], "moved"),
        (lambda x: x[:-1], "left out"),
        (lambda x: x[1:], "left out"),
        (lambda x: [*x, x[0]], "more entries"),
        (lambda x: [*x[:3], *x[4:], x[3]], "moved"),
    ],
)
def test_a_bent_history_is_refused(bend: Callable[..., Any], words: str) -> None:
    leaves = [entry.leaf() for entry in entries_of(7)]
    with pytest.raises(BadProof, match=words):
        verify_entries(bend(leaves), checkpoint_of(leaves))


def test_another_root_for_the_same_entries_and_leaves_that_are_no_entries() -> None:
    leaves = [entry.leaf() for entry in entries_of(3)]
    head = checkpoint_of(leaves)
    with pytest.raises(BadProof):
        verify_entries(leaves, dataclasses.replace(head, root=bytes(32)))
    with pytest.raises(BadDocument):
        verify_entries([b"junk"], checkpoint_of([b"junk"]))
