"""A node's Ray workers: one for everything small, further ones on every processor of the cluster once a step has parts.

Actors, not tasks: a warm process answers in a millisecond. They reserve no processor in Ray's books, so that several
nodes can share a small machine; there are as many as the cluster has processors.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

from jobs.runner.worker import Worker

MAX_WORKERS: Final = 256


@dataclass(eq=False)
class Slot:
    """One worker process. ``ready`` is Ray's reference to its first answer; ``None`` once it has answered."""

    node: str
    actor: Any
    ready: Any


class WorkerPool:
    """Workers by the cluster's machines. Used by all of a node's jobs; made and replaced under a lock."""

    def __init__(self, at_once: int, prepare: Sequence[str]) -> None:
        self._at_once, self._prepare = at_once, tuple(prepare)
        self._lock = threading.Lock()
        self._first: Slot | None = None
        self._others: list[Slot] = []

    def first(self) -> Slot:
        """The worker on this node's own machine."""
        import ray

        with self._lock:
            if self._first is None:
                self._first = self._start(ray.get_runtime_context().get_node_id())
            return self._first

    def all(self) -> list[Slot]:
        """As many workers as the cluster has processors now; new ones are still starting."""
        first = self.first()
        wanted = processors()
        wanted.setdefault(first.node, 1)
        with self._lock:
            self._others = [slot for slot in self._others if slot.node in wanted]
            for node, count in wanted.items():
                here = sum(slot.node == node for slot in (first, *self._others))
                room = MAX_WORKERS - 1 - len(self._others)
                self._others += [self._start(node) for _ in range(min(count - here, room))]
            return [first, *self._others]

    def lost(self, slot: Slot) -> None:
        """This worker does not answer any more; the next call makes another."""
        with self._lock:
            if slot is self._first:
                self._first = None
            self._others = [other for other in self._others if other is not slot]

    def _start(self, node: str) -> Slot:
        import ray
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        actor: Any = ray.remote(Worker)
        made = actor.options(
            num_cpus=0,
            max_restarts=0,
            max_concurrency=self._at_once + 1,
            scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=False),
        ).remote()
        return Slot(node, made, made.ready.remote(self._prepare))


def processors() -> dict[str, int]:
    """Whole processors of every machine of the cluster that lives."""
    import ray

    nodes: list[dict[str, Any]] = cast(Any, ray).nodes()  # the stubs leave it untyped
    found = ((node["NodeID"], int(node["Resources"].get("CPU", 0))) for node in nodes if node["Alive"])
    return {node: count for node, count in found if count}
