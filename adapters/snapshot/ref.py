"""What travels to a worker in a snapshot's place. Imports nothing: plans and permits are read without an engine."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class SnapshotRef:
    """``folder`` holds the index whose digest is ``digest``. ``key`` opens an encrypted one."""

    folder: str
    digest: str
    rows: int
    key: bytes | None = field(default=None, repr=False)
