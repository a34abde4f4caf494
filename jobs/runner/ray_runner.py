"""The only code that gives work to Ray. One warm actor per node; a lost one is replaced and the scan repeated once."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Final

from adapters.source import Input
from jobs.kinds.base import Limits, LocalStep
from jobs.permit import CheckedPermit
from jobs.runner.errors import RunnerLost
from jobs.runner.ray_runtime import RayRuntime

_TRIES: Final = 2
_WATCH_S: Final = 3.0
_PING_S: Final = 10.0
_MISSES: Final = 2
_LOG: Final = logging.getLogger("unseen.ray")


class RayRunner:
    """Implements ``Runner``. Scans run in an actor's process, never in the node's, which holds keys and ledger.

    ``on_loss`` is called once, from a thread of its own, when the runtime is gone for good: Ray's client cannot be
    trusted to come back in the same process.
    """

    def __init__(
        self, runtime: RayRuntime, limits: Limits, at_once: int = 4, on_loss: Callable[[], None] | None = None
    ) -> None:
        self._runtime = runtime
        self._limits = limits
        self._pool = ThreadPoolExecutor(at_once, thread_name_prefix="scan")
        self._pings = ThreadPoolExecutor(1, thread_name_prefix="ray ping")
        self._actor: Any = None
        self._at_once = at_once
        self._on_loss = on_loss
        self._closed = threading.Event()

    def submit(self, checked: CheckedPermit, step: LocalStep[Any], inputs: Mapping[str, Input]) -> Future[Any]:
        return self._pool.submit(self._run, step, inputs)

    def warm(self) -> None:
        """Start the worker process and its imports before the first job needs them, and watch Ray from now on."""
        import ray

        ray.get(self._worker().ready.remote())
        if self._on_loss is not None:
            threading.Thread(target=self._watch, name="ray watch", daemon=True).start()

    def close(self) -> None:
        self._closed.set()
        for pool in (self._pool, self._pings):
            pool.shutdown(wait=False, cancel_futures=True)
        self._runtime.close()

    def _run(self, step: LocalStep[Any], inputs: Mapping[str, Input]) -> Any:
        import ray
        from ray.exceptions import RayError, RayTaskError

        for _ in range(_TRIES):
            try:
                return ray.get(self._worker().run.remote(step, dict(inputs), self._limits))
            except RayTaskError as error:
                raise error.cause if isinstance(error.cause, Exception) else error from None
            except (RayError, ConnectionError, RuntimeError, OSError):
                self._actor = None
        raise RunnerLost("the workers died twice under this scan; nothing left the node. Submit the job again.")

    def _worker(self) -> Any:
        import ray

        if self._actor is None:
            actor: Any = ray.remote(_Worker)
            options = {"num_cpus": 0, "max_restarts": 0, "max_concurrency": self._at_once + 1}
            self._actor = actor.options(**options).remote()
        return self._actor

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
            self._actor = None
            return False

    def _ping(self) -> bool:
        import ray

        return bool(ray.get(self._worker().ready.remote(), timeout=_PING_S))


class _Worker:
    """Lives in a Ray worker process of the owner's domain. Holds nothing between scans."""

    def ready(self) -> bool:
        return True

    def run(self, step: LocalStep[Any], inputs: Mapping[str, Input], limits: Limits) -> Any:
        return step.merge([step.run(part, inputs, limits) for part in range(step.parts(inputs))])
