"""What a worker does with one part: open the sources, check the version, scan, check it again."""

from __future__ import annotations

from collections.abc import Mapping

from adapters.open import open_source
from adapters.source import Input, check_unchanged
from jobs.kinds.base import Limits
from jobs.kinds.statistics.evidence import LocalResult
from jobs.kinds.statistics.plan.types import Plan
from jobs.kinds.statistics.run import run_local
from jobs.schema import Scalar


def scan(plan: Plan, parameters: Mapping[str, Scalar], inputs: Mapping[str, Input], limits: Limits) -> LocalResult:
    """Run one node's step over immutable snapshots. Raises ``SourceChanged``, ``AdapterError`` or ``JobError``."""
    sources = {name: open_source(item.source) for name, item in inputs.items()}
    for name, source in sources.items():
        check_unchanged(source, inputs[name].manifest)
    result = run_local(plan, parameters, {name: source.read for name, source in sources.items()}, limits)
    for name, source in sources.items():
        check_unchanged(source, inputs[name].manifest)
    return result
