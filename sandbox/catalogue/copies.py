"""Copies of database tables in the owner's domain: a passing one to describe, one that stays to register.

A table changes; a version does not. So registration copies the declared columns of one moment next to the node's
snapshots, and everything that follows reads that file. Where snapshots are encrypted, the copy goes once the snapshot
is written: what needs more than the snapshot is then refused until the table is registered again.
"""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from sqlalchemy import select

from adapters.postgresql import PostgresTable, copy_table
from adapters.source import SourceSpec
from sandbox.node.snapshots import SnapshotPlace
from sandbox.node.state import NodeState
from sandbox.node.tables import datasets

_KEPT_VERSIONS: Final = 2
"""As of snapshots: a job that has begun may still read the version before."""


@contextmanager
def passing_copy(table: PostgresTable) -> Iterator[SourceSpec]:
    """All columns, gone afterwards. Raises an ``AdapterError``."""
    with tempfile.TemporaryDirectory(prefix="unseen-") as folder:  # mode 0700
        yield copy_table(table, Path(folder) / "table.parquet")


@contextmanager
def kept_copy(
    table: PostgresTable, columns: Sequence[str], state: NodeState, place: SnapshotPlace
) -> Iterator[SourceSpec]:
    """These columns; kept if the block ends well, and superseded copies go then. Raises an ``AdapterError``."""
    folder = copies_folder(state, place)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    file = folder / f"{secrets.token_hex(16)}.parquet"
    try:
        yield copy_table(table, file, columns)
    except BaseException:
        file.unlink(missing_ok=True)
        raise
    if place.encrypt:
        file.unlink()
    _remove_superseded(state, folder)


def copies_folder(state: NodeState, place: SnapshotPlace) -> Path:
    """Next to the snapshots, which may lie on a disk of their own."""
    root = place.root(state)
    return root.with_name(root.name + "-copies")


def _remove_superseded(state: NodeState, folder: Path) -> None:
    with state.read() as connection:
        query = select(datasets.c.name, datasets.c.source).order_by(datasets.c.sequence.desc())
        rows = connection.execute(query).all()
    files: dict[str, list[Path]] = {}
    for row in rows:
        files.setdefault(row.name, []).append(Path(SourceSpec.model_validate_json(row.source).path))
    for versions in files.values():
        for file in versions[_KEPT_VERSIONS:]:
            if file.parent == folder and file not in versions[:_KEPT_VERSIONS]:
                file.unlink(missing_ok=True)
