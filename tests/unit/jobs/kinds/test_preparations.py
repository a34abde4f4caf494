"""What workers load before their first step comes from the kinds that have something to load."""

from __future__ import annotations

import importlib

from jobs.kinds import registry


def test_a_kind_with_a_module_warm_is_prepared_and_one_without_is_not() -> None:
    registry.add("tests.contracts.toy_kind")
    assert registry.preparations() == ("jobs.kinds.statistics.warm:warm",)


def test_what_is_named_can_be_called() -> None:
    for name in registry.preparations():
        module, _, function = name.partition(":")
        assert callable(getattr(importlib.import_module(module), function))
