"""How many threads a matrix product takes: one. The node's audit brings its own, and jobs run beside it."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Final

_THREADS: Final = "OPENBLAS_NUM_THREADS"


def one_thread_a_product(environment: MutableMapping[str, str]) -> None:
    """Say so in the environment of a process whose owner says nothing else.

    OpenBLAS reads it once, when numpy is first imported: this module and whoever calls it early must not import that.
    """
    environment.setdefault(_THREADS, "1")
