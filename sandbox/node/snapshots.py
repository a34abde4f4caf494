"""What a job reads at this node: snapshots that are whole. One that is gone or damaged is written anew first."""

from __future__ import annotations

import importlib
import logging
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from adapters.errors import SnapshotDamaged
from adapters.snapshot.present import check_present
from adapters.snapshot.ref import SnapshotRef
from adapters.source import Input
from sandbox.node.state import Held, NodeState

_LOG: Final = logging.getLogger("unseen.node")
_FOLDER: Final = "snapshots"
_writing: Final = threading.Lock()


@dataclass(frozen=True)
class SnapshotPlace:
    """``folder`` None: in the node's state folder. ``encrypt``: files are encrypted, the key stays in the database."""

    folder: Path | None = None
    encrypt: bool = False

    def root(self, state: NodeState) -> Path:
        return self.folder or state.folder / _FOLDER

    def of(self, state: NodeState, version: str) -> Path:
        """The folder of one version."""
        return self.root(state) / version.removeprefix("sha256:")


def inputs(state: NodeState, held: Mapping[str, Held]) -> dict[str, Input]:
    """The tables of a job. Looks at sizes and times of their files; the worker that reads them digests them once.

    Raises ``SourceChanged`` or another ``AdapterError`` if a lost snapshot cannot be written again.
    """
    return {name: Input(item.source, item.manifest, _whole(state, item)) for name, item in held.items()}


def _whole(state: NodeState, held: Held) -> SnapshotRef | None:
    if held.snapshot is None:
        return None
    if _is_present(held, held.snapshot):
        return held.snapshot
    with _writing:  # of several jobs that find it gone, one writes it
        with state.read() as connection:
            now = state.snapshot(connection, held.version) or held.snapshot
        if _is_present(held, now):
            return now
        # by name: what writes snapshots brings compiled kernels along, which a node at rest does not need
        storing = importlib.import_module("sandbox.node.storing")
        made: SnapshotRef = storing.write_again(state, held, now)
        return made


def _is_present(held: Held, ref: SnapshotRef) -> bool:
    try:
        check_present(ref)
        return True
    except SnapshotDamaged as damaged:
        _LOG.error("snapshot of %s: %s; it is written anew", held.dataset.name, damaged)
        return False
