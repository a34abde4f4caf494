"""The error tree answers three questions, and every error has a slug of its own and an advice."""

from __future__ import annotations

import inspect
import re
from types import ModuleType
from typing import Any

import jobs.errors
import sandbox.errors
from jobs.kinds.statistics.plan.errors import RoleForbids
from sandbox.errors import IntegrityFailure, InvalidSpec, Rejected, SandboxError, Unavailable
from sandbox.hub.api.problem import problem


def classes(module: ModuleType) -> list[Any]:
    return [kind for _, kind in inspect.getmembers(module, inspect.isclass) if kind.__module__ == module.__name__]


def test_codes_are_unique_slugs_and_advice_says_something() -> None:
    found = classes(sandbox.errors) + classes(jobs.errors)
    codes = [vars(kind).get("code") for kind in found]
    assert all(code and re.fullmatch(r"[a-z][a-z-]+", code) for code in codes), codes
    assert len(set(codes)) == len(codes)
    assert all(len(kind.advice) > 20 for kind in classes(sandbox.errors) if kind is not InvalidSpec)


def test_what_a_text_says_itself_no_advice_repeats() -> None:
    assert "Correct the named" not in f"{InvalidSpec.advice} {getattr(jobs.errors.InvalidRequest, 'advice', '')}"
    refused = problem(InvalidSpec("jobs.yaml lacks 'sql'")).body
    assert b"advice" not in bytes(refused)
    assert b"each column's role" in bytes(problem(RoleForbids("column x is a measure")).body)


def test_every_error_says_retry_change_or_stop() -> None:
    for kind in classes(sandbox.errors):
        if kind is not SandboxError:
            assert sum(issubclass(kind, root) for root in (Rejected, Unavailable, IntegrityFailure)) == 1
