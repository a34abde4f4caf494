"""Whether a snapshot is all there, without reading it: sizes, and inode and times of what this process read before."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from adapters.errors import SnapshotDamaged
from adapters.snapshot.files import ArrowFile
from adapters.snapshot.index import FILE, read_index
from adapters.snapshot.ref import SnapshotRef

EXCLUSIONS: Final = "exclusions.arrow"


def check_present(ref: SnapshotRef) -> None:
    """Raise ``SnapshotDamaged`` unless the index is the one that was written and every file is there in its size."""
    for file in _files(ref):
        file.check_present()


def condemn_if_damaged(ref: SnapshotRef) -> None:
    """After a scan met damage: if a file is another one, take the index away, so that the node writes all anew."""
    try:
        for file in _files(ref):
            file.check()
    except SnapshotDamaged:
        (Path(ref.folder) / FILE).unlink(missing_ok=True)


def _files(ref: SnapshotRef) -> Iterator[ArrowFile]:
    folder = Path(ref.folder)
    index = read_index(folder, ref.digest)
    for run in index.runs:
        for name, stored in run.files.items():
            yield ArrowFile(folder / run.name / name, stored, ref.key, f"{run.name}/{name}")
    if index.exclusions is not None:
        yield ArrowFile(folder / EXCLUSIONS, index.exclusions, ref.key, EXCLUSIONS)
