"""What lives in a Ray worker process of the owner's domain. Holds nothing between steps but compiled code."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from adapters.source import Input
from jobs.kinds.base import Limits, LocalStep
from jobs.runner.errors import ScanOutOfMemory


@dataclass(frozen=True)
class Split:
    """The step comes in so many parts, which several workers may share."""

    parts: int


class Worker:
    """``run`` does a whole step of one part, so that a small one costs one call; of a larger one it names the parts."""

    def ready(self, prepare: Sequence[str] = ()) -> bool:
        """Answer; first call what ``prepare`` names (``module:function``): imports and compiled code."""
        for name in prepare:
            module, _, function = name.partition(":")
            getattr(importlib.import_module(module), function)()
        return True

    def run(self, step: LocalStep[Any], inputs: Mapping[str, Input], limits: Limits) -> Any:
        parts = step.parts(inputs)
        return Split(parts) if parts > 1 else _run(step, 0, inputs, limits)

    def part(self, step: LocalStep[Any], part: int, inputs: Mapping[str, Input], limits: Limits) -> Any:
        """One part, on one thread: the other cores have workers of their own."""
        return _run(step, part, inputs, replace(limits, threads=1))


def _run(step: LocalStep[Any], part: int, inputs: Mapping[str, Input], limits: Limits) -> Any:
    try:
        return step.run(part, inputs, limits)
    except MemoryError:
        raise ScanOutOfMemory("the scan hit the worker's memory limit: group more coarsely, or raise it") from None
