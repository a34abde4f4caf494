"""``compiled``: numba's compiler behind a typed name, so that strict typing survives the decorator."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba

Function = TypeVar("Function", bound=Callable[..., Any])


def compiled(function: Function) -> Function:
    """Compile on first call (cached on disk), release the interpreter lock while running, wrap integers silently.

    The compiled code checks no bounds: callers prove sizes first.
    """
    return cast(Function, numba.njit(nogil=True, cache=True)(function))
