"""The error tree answers three questions, and every error has a slug of its own and an advice."""

from __future__ import annotations

import inspect
import re
from types import ModuleType
from typing import Any

import jobs.errors
import sandbox.errors
from sandbox.errors import IntegrityFailure, Rejected, SandboxError, Unavailable


def classes(module: ModuleType) -> list[Any]:
    return [kind for _, kind in inspect.getmembers(module, inspect.isclass) if kind.__module__ == module.__name__]


def test_codes_are_unique_slugs_and_advice_says_something() -> None:
    found = classes(sandbox.errors) + classes(jobs.errors)
    codes = [vars(kind).get("code") for kind in found]
    assert all(code and re.fullmatch(r"[a-z][a-z-]+", code) for code in codes), codes
    assert len(set(codes)) == len(codes)
    assert all(len(kind.advice) > 20 for kind in classes(sandbox.errors))


def test_every_error_says_retry_change_or_stop() -> None:
    for kind in classes(sandbox.errors):
        if kind is not SandboxError:
            assert sum(issubclass(kind, root) for root in (Rejected, Unavailable, IntegrityFailure)) == 1
