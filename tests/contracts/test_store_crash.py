"""Kill -9 a process that writes: what it was told is committed is there, nothing is half there, the tree holds."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import select

from sandbox.audit import LogEntry, leaf_hash, prove_inclusion, root, verify_inclusion
from sandbox.store.event import Actor, Event
from sandbox.store.migrate import open_store
from sandbox.store.tables import log_entries, tokens
from sandbox.store.tree import StoredNodes, read_size

WRITER = """
import sys
from datetime import UTC, datetime
from sqlalchemy import insert
from sandbox.store.event import Actor, Event
from sandbox.store.migrate import open_store
from sandbox.store.tables import tokens

store = open_store(sys.argv[1], lambda: datetime(2026, 11, 21, 8, tzinfo=UTC))
for number in range(100_000):
    name = f"thing-{number}"
    with store.change(Event("test.happened", Actor("hub", "hub"), subject=name)) as change:
        row = {"hash": number.to_bytes(32, "big"), "id": name, "role": "auditor", "subject": "x"}
        change.execute(insert(tokens).values(row))
        change.also(Event("test.counted", Actor("hub", "hub"), subject=name))
    print(number, flush=True)
"""


@pytest.mark.parametrize("after", [1, 7, 40])
def test_a_killed_writer_leaves_whole_changes_only(store_url: str, after: int) -> None:
    url = store_url
    command = [sys.executable, "-c", WRITER, url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]) as writer:
        assert writer.stdout is not None
        told = [int(writer.stdout.readline()) for _ in range(after)][-1]
        os.kill(writer.pid, signal.SIGKILL)
    store = open_store(url, lambda: datetime(2026, 11, 21, 9, tzinfo=UTC))
    with store.read() as connection:
        size = read_size(connection)
        leaves = [
            bytes(leaf)
            for leaf in connection.execute(select(log_entries.c.leaf).order_by(log_entries.c.index)).scalars()
        ]
        rows = len(connection.execute(select(tokens.c.id)).all())
    assert rows > told
    assert size == len(leaves) == 2 * rows
    with store.change(Event("test.recovered", Actor("hub", "hub"), subject="after")):
        pass
    with store.read() as connection:
        nodes = StoredNodes(connection)
        top = root(nodes, size + 1)
        for index in (0, size // 2, size - 1):
            verify_inclusion(leaves[index], index, size + 1, prove_inclusion(nodes, index, size + 1), top)
            assert nodes.get(0, index) == leaf_hash(leaves[index])
            assert LogEntry.read(leaves[index]).subject == f"thing-{index // 2}"
    store.close()
