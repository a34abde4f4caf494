"""What a node asks of whatever runs its local steps: a future for the result of a checked permit's step."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future
from typing import Any, Protocol

from adapters.source import Input
from jobs.kinds.base import LocalStep
from jobs.permit import CheckedPermit


class Runner(Protocol):
    def submit(self, checked: CheckedPermit, step: LocalStep[Any], inputs: Mapping[str, Input]) -> Future[Any]:
        """Start the step; the future raises ``JobError`` or ``AdapterError``, or ``RunnerLost`` to try again."""
        ...

    def close(self) -> None: ...
