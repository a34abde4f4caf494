"""``python -m tests.support.plain_node node serve --config FILE``: the real node, its scans in a thread instead of Ray.

For tests that are not about Ray: everything but the runner is what ``unseen node serve`` runs.
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from adapters.source import Input
from jobs.kinds.base import Limits, LocalStep
from jobs.permit import CheckedPermit, OwnLook
from jobs.runner.port import Progress, ProgressReport
from sandbox.node.config import NodeConfig, load_config
from sandbox.node.serve import serve


class ThreadRunner:
    """Implements ``jobs.runner.port.Runner`` with the same step that a Ray worker runs."""

    def __init__(self, config: NodeConfig) -> None:
        self._limits = Limits(config.memory_bytes, 1)
        self._pool = ThreadPoolExecutor(config.jobs_at_once, thread_name_prefix="scan")

    def submit(
        self,
        checked: CheckedPermit | OwnLook,
        step: LocalStep[Any],
        inputs: Mapping[str, Input],
        progress: ProgressReport | None = None,
    ) -> Future[Any]:
        return self._pool.submit(self._run, step, dict(inputs), progress)

    def _run(self, step: LocalStep[Any], inputs: Mapping[str, Input], progress: ProgressReport | None) -> Any:
        parts, begun, found = step.parts(inputs), time.monotonic(), []
        for part in range(parts):
            found.append(step.run(part, inputs, self._limits))
            if progress is not None and parts > 1:
                left = (time.monotonic() - begun) / (part + 1) * (parts - part - 1)
                progress(Progress(part + 1, parts, 0, 0, left))
        return step.merge(found)

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    serve(load_config(Path(sys.argv[sys.argv.index("--config") + 1])), ThreadRunner)
