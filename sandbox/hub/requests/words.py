"""The plan in words for the operator. Owners render their own from what they sign; the hub's binds nobody."""

from __future__ import annotations

from typing import Any

from jobs.kinds.base import Kind
from jobs.schema import CatalogueView


def plan_words(kind: Kind, plan: Any, view: CatalogueView) -> dict[str, Any]:
    """The kind's explanation as JSON, with the page of text that it makes."""
    words = kind.explain(plan, view.datasets)
    return {**words.model_dump(mode="json"), "text": words.text()}
