"""Every error of every folder below has its status, and a problem body says what to change and no more."""

from __future__ import annotations

import importlib
import json
import pkgutil
from collections.abc import Iterator

import pytest

import jobs
import mpc
import sandbox
from jobs.errors import JobError, OutOfScope
from jobs.kinds.statistics.plan.errors import PlanError
from mpc.errors import MpcError
from sandbox.errors import LogForked, NodeLost, NotGranted, SandboxError
from sandbox.hub.api import problem as problems

ROOTS = (SandboxError, JobError, MpcError)
ELSEWHERE = ("sandbox.node", "sandbox.cli", "sandbox.witness", "sandbox.client", "jobs.runner", "jobs.kinds")
"""Folders whose errors never reach the hub: other processes raise them."""


def error_types() -> list[type[Exception]]:
    for package in (sandbox, jobs, mpc):
        for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
            if module.name.rsplit(".", 1)[-1].endswith("errors"):
                importlib.import_module(module.name)

    def below(kind: type[Exception]) -> Iterator[type[Exception]]:
        yield kind
        for child in kind.__subclasses__():
            yield from below(child)

    found = {kind for root in ROOTS for kind in below(root)}
    return sorted((k for k in found if not k.__module__.startswith(ELSEWHERE)), key=lambda kind: kind.__name__)


@pytest.mark.parametrize("kind", error_types(), ids=lambda kind: kind.__name__)
def test_every_error_type_has_a_status(kind: type[Exception]) -> None:
    status = problems.status_of(kind)
    assert 400 <= status < 600
    if kind not in ROOTS:
        assert status != 500  # a 500 is a bug, never a refusal


def test_every_row_of_the_table_is_used_by_some_type() -> None:
    rows = {next(base for base in kind.__mro__ if base in problems.STATUS) for kind in error_types()}
    assert rows == set(problems.STATUS)


def test_a_foreign_error_has_no_row() -> None:
    with pytest.raises(LookupError):
        problems.status_of(KeyError)


@pytest.mark.parametrize(
    ("error", "status", "code", "more"),
    [
        (NotGranted("no grant"), 403, "not-granted", {}),
        (OutOfScope("output", "other profile"), 403, "out-of-scope", {"field": "output"}),
        (PlanError("no such thing", 3, 7), 422, "plan-refused", {"line": 3, "column": 7}),
        (NodeLost("gone"), 503, "node-lost", {}),
        (LogForked("two roots", ("a", "b")), 409, "log-forked", {"evidence": ["a", "b"]}),
    ],
)
def test_a_problem_carries_code_text_advice_and_what_the_type_adds(
    error: Exception, status: int, code: str, more: dict[str, object]
) -> None:
    response = problems.problem(error)
    body = json.loads(bytes(response.body))
    assert response.status_code == status == body["status"]
    assert response.media_type == "application/problem+json"
    assert (body["code"], body["detail"]) == (code, str(error))
    assert {name: body[name] for name in more} == more
    assert body["type"] == f"urn:unseen:problem:{code}"
