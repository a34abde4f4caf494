"""The local step of a statistic: the scan of one owner's tables, in parts where a snapshot has several. On workers."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jobs.kinds.base import Limits
from jobs.kinds.statistics.plan.types import Plan
from jobs.schema import Scalar

if TYPE_CHECKING:
    from adapters.source import Input
    from jobs.kinds.statistics.evidence import LocalResult


@dataclass(frozen=True)
class ScanStep:
    """A ``LocalStep``. The engine is imported by name, on the worker only."""

    plan: Plan
    parameters: Mapping[str, Scalar]

    def parts(self, tables: Mapping[str, Input]) -> int:
        found: int = _scan().parts(self.plan, tables)
        return found

    def run(self, part: int, tables: Mapping[str, Input], limits: Limits) -> LocalResult:
        scan = _scan()
        result: LocalResult = scan.scan(self.plan, self.parameters, tables, limits, part, self.parts(tables))
        return result

    def merge(self, results: Sequence[LocalResult]) -> LocalResult:
        merged: LocalResult = importlib.import_module("jobs.kinds.statistics.evidence").merge(results)
        return merged


def _scan() -> Any:
    return importlib.import_module("jobs.kinds.statistics.scan")
