"""The only code that gives work to Ray. One warm actor per node; a lost one is replaced and the scan repeated once."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Final

from jobs.kinds.statistics.engine import Limits
from jobs.kinds.statistics.evidence import LocalResult
from jobs.permit import CheckedPermit
from jobs.plan.types import Plan
from jobs.runner.errors import RunnerLost
from jobs.runner.port import Input
from jobs.runner.ray_runtime import RayRuntime
from jobs.runner.step import run_step
from jobs.schema import Scalar

_TRIES: Final = 2


class RayRunner:
    """Implements ``Runner``. Scans run in an actor's process, never in the node's, which holds keys and ledger."""

    def __init__(self, runtime: RayRuntime, limits: Limits, at_once: int = 4) -> None:
        self._runtime = runtime
        self._limits = limits
        self._pool = ThreadPoolExecutor(at_once, thread_name_prefix="scan")
        self._actor: tuple[int, Any] | None = None
        self._at_once = at_once

    def submit(self, checked: CheckedPermit, inputs: Mapping[str, Input]) -> Future[LocalResult]:
        return self._pool.submit(self._scan, checked, inputs)

    def warm(self) -> None:
        """Start the worker process and its imports before the first job needs them."""
        import ray

        ray.get(self._worker().ready.remote())

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._runtime.close()

    def _scan(self, checked: CheckedPermit, inputs: Mapping[str, Input]) -> LocalResult:
        import ray
        from ray.exceptions import RayError, RayTaskError

        for _ in range(_TRIES):
            generation = self._runtime.generation
            try:
                task = self._worker().scan.remote(checked.plan, dict(checked.parameters), dict(inputs), self._limits)
                result: LocalResult = ray.get(task)
                return result
            except RayTaskError as error:
                raise error.cause if isinstance(error.cause, Exception) else error from None
            except (
                RayError,
                ConnectionError,
                RuntimeError,
                OSError,
                AttributeError,
            ):  # the last: Ray while it restarts
                self._actor = None
                self._runtime.restart_if_dead(generation)
        raise RunnerLost("the workers died twice under this scan; nothing left the node. Submit the job again.")

    def _worker(self) -> Any:
        import ray

        if self._actor is None or self._actor[0] != self._runtime.generation:
            actor: Any = ray.remote(_Worker)
            options = {"num_cpus": 0, "max_restarts": 0, "max_concurrency": self._at_once}
            self._actor = (self._runtime.generation, actor.options(**options).remote())
        return self._actor[1]


class _Worker:
    """Lives in a Ray worker process of the owner's domain. Holds nothing between scans."""

    def ready(self) -> bool:
        return True

    def scan(
        self, plan: Plan, parameters: Mapping[str, Scalar], inputs: Mapping[str, Input], limits: Limits
    ) -> LocalResult:
        return run_step(plan, parameters, inputs, limits)
