"""What a node asks of whatever runs its scans: a future for the local result of a checked permit, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Protocol

from adapters.source import Manifest, SourceSpec
from jobs.kinds.statistics.evidence import LocalResult
from jobs.permit import CheckedPermit


@dataclass(frozen=True)
class Input:
    """One table of a job: where it is, and which version it must still be before and after the scan."""

    source: SourceSpec
    manifest: Manifest


class Runner(Protocol):
    def submit(self, checked: CheckedPermit, inputs: Mapping[str, Input]) -> Future[LocalResult]:
        """Start the local step; the future raises ``JobError`` or ``AdapterError``, or ``RunnerLost`` to try again."""
        ...

    def close(self) -> None: ...
