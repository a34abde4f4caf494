"""Local steps for tests of runners: they say where and how often each part ran, and some kill the worker under them."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adapters.source import Input
from jobs.kinds.base import Limits


@dataclass(frozen=True)
class Ran:
    part: int
    process: int
    machine: str
    threads: int


@dataclass(frozen=True)
class Traced:
    """``deaths``: per part, how often its worker is killed before it ends. Each run leaves a line in ``folder``."""

    folder: str
    pieces: int
    deaths: Mapping[int, int]
    seconds: float = 0.02
    fault: str = ""

    def parts(self, tables: Mapping[str, Input]) -> int:
        return self.pieces

    def run(self, part: int, tables: Mapping[str, Input], limits: Limits) -> list[Ran]:
        file = Path(self.folder) / f"part-{part}"
        with file.open("a") as stream:
            stream.write("x")
        if file.stat().st_size <= self.deaths.get(part, 0):
            os.kill(os.getpid(), signal.SIGKILL)
        if self.fault:
            raise MemoryError(self.fault) if self.fault == "memory" else ValueError(self.fault)
        time.sleep(self.seconds)
        return [Ran(part, os.getpid(), _machine(), limits.threads)]

    def merge(self, results: Sequence[list[Ran]]) -> list[Ran]:
        return [ran for result in results for ran in result]

    def runs(self) -> dict[int, int]:
        """How often each part was begun."""
        return {int(f.name.split("-")[1]): f.stat().st_size for f in Path(self.folder).glob("part-*")}


def _machine() -> str:
    import ray

    found: Any = ray.get_runtime_context()
    return str(found.get_node_id())
