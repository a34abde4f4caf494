"""The only code that gives work to Ray: small steps to one warm worker in one call, larger ones in parts to all."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Final

from adapters.source import Input
from jobs.kinds.base import Limits, LocalStep
from jobs.permit import CheckedPermit, OwnLook
from jobs.runner.errors import RunnerLost, ScanOutOfMemory
from jobs.runner.pool import WorkerPool
from jobs.runner.port import ProgressReport
from jobs.runner.ray_runtime import RayRuntime
from jobs.runner.spread import LOST, Spread
from jobs.runner.worker import Split

_TRIES: Final = 2
_WATCH_S: Final = 3.0
_PING_S: Final = 10.0
_MISSES: Final = 2
_LOG: Final = logging.getLogger("unseen.ray")


class RayRunner:
    """Implements ``Runner``. Scans run in workers' processes, never in the node's, which holds keys and ledger.

    ``limits``: what one step, or one part, may use in a worker. ``prepare``: what a new worker calls before its first
    step (``module:function``). ``on_loss`` is called once, from a thread of its own, when the runtime is gone for good:
    Ray's client cannot be trusted to come back in the same process.
    """

    def __init__(
        self,
        runtime: RayRuntime,
        limits: Limits,
        at_once: int = 4,
        on_loss: Callable[[], None] | None = None,
        prepare: Sequence[str] = (),
    ) -> None:
        self._runtime = runtime
        self._limits = limits
        self._pool = ThreadPoolExecutor(at_once, thread_name_prefix="scan")
        self._pings = ThreadPoolExecutor(1, thread_name_prefix="ray ping")
        self._workers = WorkerPool(at_once, prepare)
        self._on_loss = on_loss
        self._closed = threading.Event()

    def submit(
        self,
        checked: CheckedPermit | OwnLook,
        step: LocalStep[Any],
        inputs: Mapping[str, Input],
        progress: ProgressReport | None = None,
    ) -> Future[Any]:
        return self._pool.submit(self._run, step, inputs, progress)

    def warm(self) -> None:
        """Start the worker process and its imports before the first job needs them, and watch Ray from now on."""
        import ray

        ray.get(self._workers.first().ready)
        if self._on_loss is not None:
            threading.Thread(target=self._watch, name="ray watch", daemon=True).start()

    def close(self) -> None:
        self._closed.set()
        for pool in (self._pool, self._pings):
            pool.shutdown(wait=False, cancel_futures=True)
        self._runtime.close()

    def _run(self, step: LocalStep[Any], inputs: Mapping[str, Input], progress: ProgressReport | None) -> Any:
        found = self._first(step, inputs)
        if isinstance(found, Split):
            return Spread(self._workers, step, found.parts, inputs, self._limits, progress).run()
        return found

    def _first(self, step: LocalStep[Any], inputs: Mapping[str, Input]) -> Any:
        """The result of a step of one part, or its number of parts: one call, repeated if the worker is lost."""
        import ray
        from ray.exceptions import OutOfMemoryError, RayError, RayTaskError

        for _ in range(_TRIES):
            worker = self._workers.first()
            try:
                return ray.get(worker.actor.run.remote(step, dict(inputs), self._limits))
            except RayTaskError as error:
                raise error.cause if isinstance(error.cause, Exception) else error from None
            except OutOfMemoryError:
                raise ScanOutOfMemory("the machine ran out of memory under this scan: group more coarsely") from None
            except (RayError, *LOST):
                self._workers.lost(worker)
        raise RunnerLost("the workers died twice under this scan; nothing left the node. Submit the job again.")

    def _watch(self) -> None:
        misses = 0
        while misses < _MISSES and not self._closed.wait(_WATCH_S):
            misses = 0 if self._runtime.answers() and self._pings_back() else misses + 1
        if not self._closed.is_set() and self._on_loss is not None:
            _LOG.critical("the Ray runtime is gone")
            self._on_loss()

    def _pings_back(self) -> bool:
        """Whether the worker answers in time. One that died is made anew by the next call."""
        try:
            return bool(self._pings.submit(self._ping).result(timeout=_PING_S))
        except Exception:  # whatever Ray raises, or no answer in time: a miss
            return False

    def _ping(self) -> bool:
        import ray

        worker = self._workers.first()
        try:
            return bool(ray.get(worker.actor.ready.remote(), timeout=_PING_S))
        except Exception:
            self._workers.lost(worker)
            raise
