"""Whether a snapshot is all there, without reading it: sizes, and inode and times of what this process read before."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from adapters.snapshot.files import ArrowFile
from adapters.snapshot.index import read_index
from adapters.snapshot.ref import SnapshotRef

EXCLUSIONS: Final = "exclusions.arrow"


def check_present(ref: SnapshotRef) -> None:
    """Raise ``SnapshotDamaged`` unless the index is the one that was written and every file is there in its size."""
    folder = Path(ref.folder)
    index = read_index(folder, ref.digest)
    for run in index.runs:
        for name, stored in run.files.items():
            ArrowFile(folder / run.name / name, stored, ref.key, f"{run.name}/{name}").check_present()
    if index.exclusions is not None:
        ArrowFile(folder / EXCLUSIONS, index.exclusions, ref.key, EXCLUSIONS).check_present()
