"""Results of parts as they come, merged two by two: never more of them are held than a logarithm of the parts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

R = TypeVar("R")


class MergeTree(Generic[R]):
    """``merge`` is associative and takes parts in any order (``LocalStep.merge``)."""

    def __init__(self, merge: Callable[[Sequence[R]], R]) -> None:
        self._merge = merge
        self._levels: list[R | None] = []

    def add(self, result: R) -> None:
        """Like adding one to a binary number: two results of a level become one of the next."""
        for level, held in enumerate(self._levels):
            if held is None:
                self._levels[level] = result
                return
            self._levels[level] = None
            result = self._merge([held, result])
        self._levels.append(result)

    def total(self) -> R:
        """All results as one; there is at least one."""
        held = [result for result in self._levels if result is not None]
        return held[0] if len(held) == 1 else self._merge(held)
