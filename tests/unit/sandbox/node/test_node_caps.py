"""What `unseen node audit` shows of a unit domain that several datasets share, under different profiles."""

from __future__ import annotations

from itertools import permutations
from types import SimpleNamespace
from typing import Any

from sandbox.node.control import _caps, _private


def held(domain: str, profile: str) -> Any:
    return SimpleNamespace(unit_domain=domain, dataset=SimpleNamespace(profile=profile))


def test_neither_cap_nor_budget_depends_on_which_dataset_comes_last() -> None:
    shared = [held("people", profile) for profile in ("standard@2", "open@1", "dp@1")]
    for order in permutations(shared):
        items = [*order, held("firms", "open@1")]
        assert _caps(items) == {"people": 25, "firms": 0}
        assert set(_private(items)) == {"people"}
