"""The local step of a statistic: open the sources, check the version, scan, check it again. Runs on a worker."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jobs.kinds.base import Limits
from jobs.kinds.statistics.plan.types import Plan
from jobs.schema import Scalar

if TYPE_CHECKING:
    from adapters.source import Input
    from jobs.kinds.statistics.evidence import LocalResult


@dataclass(frozen=True)
class ScanStep:
    """One pass over one owner's part; a ``LocalStep``. The engine is imported by name, on the worker only."""

    plan: Plan
    parameters: Mapping[str, Scalar]

    def parts(self, tables: Mapping[str, Input]) -> int:
        return 1

    def run(self, part: int, tables: Mapping[str, Input], limits: Limits) -> LocalResult:
        scan = importlib.import_module("jobs.kinds.statistics.scan")
        result: LocalResult = scan.scan(self.plan, self.parameters, tables, limits)
        return result

    def merge(self, results: Sequence[LocalResult]) -> LocalResult:
        (result,) = results
        return result
