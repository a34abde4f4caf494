"""The parts of one step over all workers: each takes the next when it is done; a lost worker's part is run again."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

from adapters.source import Input
from jobs.kinds.base import Limits, LocalStep
from jobs.runner.errors import RunnerLost, ScanOutOfMemory
from jobs.runner.pool import Slot, WorkerPool
from jobs.runner.port import Progress, ProgressReport
from jobs.runner.tree import MergeTree

TRIES: Final = 3
"""Workers that may die under one part before the step is given up."""
LOST: Final = (ConnectionError, RuntimeError, OSError)
"""What Ray's client raises, besides its own errors, when a worker or the runtime is gone."""
_LOG: Final = logging.getLogger("unseen.ray")


class Spread:
    """One step in ``parts`` parts. ``run`` is called once, in a thread of the runner."""

    def __init__(
        self,
        pool: WorkerPool,
        step: LocalStep[Any],
        parts: int,
        inputs: Mapping[str, Input],
        limits: Limits,
        progress: ProgressReport | None = None,
    ) -> None:
        self._pool, self._step, self._parts = pool, step, parts
        self._inputs, self._limits, self._progress = inputs, limits, progress
        self._waiting = list(range(parts))
        self._places: dict[Slot, int] = {}
        self._running: dict[Any, tuple[Slot, int | None]] = {}
        self._deaths: Counter[int] = Counter()
        self._begun = time.monotonic()

    def run(self) -> Any:
        """The merged result. Raises what a part raises, or ``RunnerLost``."""
        import ray
        from ray.exceptions import RayError, RayTaskError

        tree: MergeTree[Any] = MergeTree(self._step.merge)
        # put once: every part and every repetition reads the same copy
        step, inputs = ray.put(self._step), ray.put(dict(self._inputs))
        self._take_on(step, inputs)
        done = 0
        while done < self._parts:
            (reference,), _ = ray.wait(list(self._running), num_returns=1)
            slot, part = self._running.pop(reference)
            try:
                result = ray.get(reference)
            except RayTaskError as error:
                raise error.cause if isinstance(error.cause, Exception) else error from None
            except (RayError, *LOST) as error:
                self._lost(slot, part, error)
                self._take_on(step, inputs)
                continue
            slot.ready = None
            if part is not None:
                tree.add(result)
                done += 1
                self._report(done)
            self._next(slot, step, inputs)
        return tree.total()

    def _take_on(self, step: Any, inputs: Any) -> None:
        """Give every worker that is not at work for this step its first part, or wait until it has started."""
        busy = [slot for slot, _ in self._running.values()]
        slots = self._pool.all()
        self._places = {slot: place for place, slot in enumerate(slots)}
        for slot in slots:
            if slot in busy:
                continue
            if slot.ready is None:
                self._next(slot, step, inputs)
            else:
                self._running[slot.ready] = (slot, None)

    def _next(self, slot: Slot, step: Any, inputs: Any) -> None:
        if self._waiting:
            part = self._chosen(self._places.get(slot, 0))
            self._waiting.remove(part)
            self._running[slot.actor.part.remote(step, part, inputs, self._limits)] = (slot, part)

    def _chosen(self, place: int) -> int:
        """The parts that a worker had in the job before are checked and at hand there; then whatever is left over."""
        workers = max(1, len(self._places))
        return next((part for part in self._waiting if part % workers == place), self._waiting[-1])

    def _lost(self, slot: Slot, part: int | None, error: Exception) -> None:
        from ray.exceptions import OutOfMemoryError

        self._pool.lost(slot)
        _LOG.warning("a worker died; %s", "no part was with it" if part is None else f"part {part} is run again")
        if part is None:
            self._deaths[-1] += 1
        else:
            self._waiting.insert(0, part)
            self._deaths[part] += 1
        if max(self._deaths.values()) >= TRIES and (part is not None or not self._running):
            if isinstance(error, OutOfMemoryError):
                raise ScanOutOfMemory("the machine ran out of memory under this scan: group more coarsely") from None
            raise RunnerLost(
                "the workers died again and again under this scan; nothing left the node. Submit it again."
            )

    def _report(self, done: int) -> None:
        if self._progress is None:
            return
        rows = sum(item.snapshot.rows for item in self._inputs.values() if item.snapshot is not None)
        each = (time.monotonic() - self._begun) / done
        state = Progress(done, self._parts, rows * done // self._parts, rows, each * (self._parts - done))
        try:
            self._progress(state)
        except Exception:
            _LOG.exception("a progress report failed")
