"""The plan in words for the operator. Owners render their own from what they sign; the hub's binds nobody."""

from __future__ import annotations

from typing import Any

from jobs.kinds.statistics.plan.types import Plan
from jobs.kinds.statistics.plan.words import explain
from jobs.schema import CatalogueView


def plan_words(plan: Plan, view: CatalogueView) -> dict[str, Any]:
    """``jobs.kinds.statistics.plan.explain`` as JSON, with the page of text that it makes."""
    words = explain(plan, view)
    return {**words.model_dump(mode="json"), "text": words.text()}
