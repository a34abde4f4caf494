"""What the hub remembers is bounded, and what a maker refuses is asked again."""

from __future__ import annotations

from functools import partial

import pytest

from sandbox.hub.core.remembered import Remembered


def test_the_same_key_is_made_once_and_the_least_used_goes_first() -> None:
    made: list[str] = []

    def make(name: str) -> str:
        made.append(name)
        return name.upper()

    memory: Remembered[str, str] = Remembered(2)
    for name in ("a", "b", "a", "c", "a", "b"):
        assert memory.of(name, partial(make, name)) == name.upper()
    assert made == ["a", "b", "c", "b"]
    assert len(memory) == 2


def test_a_refusal_is_not_remembered() -> None:
    memory: Remembered[str, int] = Remembered(2)
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            memory.of("a", lambda: 1 // 0)
    assert memory.of("a", lambda: 1) == 1
