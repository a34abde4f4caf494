"""What a node asks of whatever runs its local steps: a future for the result of a step, of a checked permit's job or
of its owner's own look.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Protocol

from adapters.source import Input
from jobs.kinds.base import LocalStep
from jobs.permit import CheckedPermit, OwnLook


@dataclass(frozen=True)
class Progress:
    """How far a step that runs in several parts has come. Stays in the owner's domain unless the node says otherwise.

    ``rows`` are those of the snapshots that are read; parts are of nearly the same size.
    """

    parts_done: int
    parts: int
    rows_done: int
    rows: int
    seconds_left: float


ProgressReport = Callable[[Progress], None]
"""Called from a thread of the runner, after each part; what it raises is logged and changes nothing."""


class Runner(Protocol):
    def submit(
        self,
        checked: CheckedPermit | OwnLook,
        step: LocalStep[Any],
        inputs: Mapping[str, Input],
        progress: ProgressReport | None = None,
    ) -> Future[Any]:
        """Start the step; the future raises ``JobError`` or ``AdapterError``, or ``RunnerLost`` to try again."""
        ...

    def close(self) -> None: ...
