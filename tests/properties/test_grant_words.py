"""No signed field of a grant, or of the plan inside, changes without the words changing, or being refused."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from jobs.documents import DataScope, Grant, VersionSeries, canonical, digest
from jobs.errors import JobError
from jobs.kinds.statistics.kind import Statistics
from jobs.kinds.statistics.plan.check import check_plan
from jobs.kinds.statistics.plan.types import Plan
from sandbox.client import draft_grant, said
from sandbox.client.review import Review
from tests.support import asked

END = asked.NOW + timedelta(days=30)
RECORDS = asked.item()["records"]
REVIEW = asked.review()
GRANT = draft_grant(REVIEW, "ewr", asked.NOW, END, 2, allowed={"least": [5, 7]}, budget={"cells": 900}).model_copy(
    update={"requires": ("certificate: security",)}
)
POOL = [
    "=", "<", "<=", "and", "or", "eq", "lt", "le", "add", "mul", "div", "not", "neg", "inner", "left", "sum", "avg", "count",
    "count_rows", "var_pop", "date", "string", "number", "none", "crew", "O'Hare", "AA", "DL", "day", "cause", "carrier", "note",
    "2013-01-31", "2014-12-31", "11", "known", "exclude", "refuse", "few", "least", "flights", "planes", "zone",
]  # fmt: skip


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    if isinstance(value, dict):
        for name in value:
            yield from places(value[name], (*path, name))
    elif isinstance(value, list):
        for index in range(len(value)):
            yield from places(value[index], (*path, index))


def others(value: Any) -> Iterator[Any]:
    """Other values that could stand in the same place."""
    match value:
        case bool():
            yield not value
        case int():
            yield from (value + 1, value - 1, value * 2)
        case str() if value.startswith("sha256:"):
            yield digest(value.encode())
        case str() if len(value) == 20 and value.endswith("Z"):
            yield value.replace(":00Z", ":01Z") if value.endswith(":00Z") else value[:-3] + "00Z"
        case str():
            yield from (value + "x", value[:-1], value + "\n| x", value.upper(), *(POOL if value in POOL else ()))
        case list():
            yield from ([*value, *value[:1]], value[1:], value[:-1], value[::-1])
        case dict():
            yield from ({k: v for k, v in value.items() if k != name} for name in value)
        case None:
            yield from (0, 1, "x", True)


def changes(value: Any) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """Every place with every other value."""
    for path in places(value):
        if not path:
            continue
        old = value
        for step in path:
            old = old[step]
        for new in others(old):
            if new == old and type(new) is type(old):
                continue
            changed = copy.deepcopy(value)
            at = changed
            for step in path[:-1]:
                at = at[step]
            at[path[-1]] = new
            yield path, changed


def words(payload: bytes, review: Review) -> str | None:
    """``None``: refused."""
    try:
        return said(payload, review).text()
    except JobError:
        return None


def series(grant: Grant) -> Grant:
    """The same grant for later versions too."""
    own = {record.document.dataset: record.document for record in REVIEW.own_records("ewr")}
    scopes = [
        DataScope(
            dataset=scope.dataset,
            columns=scope.columns,
            version=VersionSeries(
                schema_digest=own[scope.dataset].schema_digest, frequency=own[scope.dataset].frequency, until=END
            ),
        )
        for scope in grant.data
    ]
    return grant.model_copy(update={"data": tuple(scopes)})


@pytest.mark.parametrize("grant", [GRANT, series(GRANT)], ids=["exact", "series"])
def test_every_field_of_a_grant_is_said(grant: Grant) -> None:
    honest = words(grant.payload(), REVIEW)
    assert honest is not None
    seen: set[str] = set()
    refused: set[str] = set()
    for path, changed in changes(grant.to_json()):
        text = words(canonical(changed), REVIEW)
        assert text != honest, path
        (refused if text is None else seen).add(path[0])
    # what an owner chooses is seen to change; what follows from the request is refused
    assert {"id", "issued", "period", "runs", "budget", "parameters", "requires", "terms"} <= seen
    assert seen | refused == set(grant.to_json())


def test_every_field_of_the_plan_is_said_or_the_plan_refused() -> None:
    """With an operator who commits to whatever the hub likes; lines that only name digests do not count."""
    honest = without_digests(REVIEW)
    seen: set[str] = set()
    tried = 0
    for path, plan in changes(asked.plan_of().model_dump(mode="json")):
        tried += 1
        if not compiler_makes(plan):
            continue
        try:
            review = asked.review(asked.item(plan, records=RECORDS))
        except JobError:
            continue
        assert without_digests(review) != honest, path
        seen.add(path[0])
    assert tried > 2000
    assert {"limit", "order_by", "outputs", "having"} <= seen


def compiler_makes(plan: Any) -> bool:
    """What ``Review.read`` asks too, without the signatures around it: most changes end here."""
    try:
        check_plan(Plan.model_validate(plan), asked.DATASETS.values())
    except (JobError, ValidationError):
        return False
    return True


def without_digests(review: Review) -> str:
    grant = draft_grant(review, "ewr", asked.NOW, END, 2)
    lines = said(grant.payload(), review).text().split("\n")
    return "\n".join(line for line in lines[1:] if "sha256:" not in line)


class Training(Statistics):
    name = "training"
    title = "training of a model"


def test_another_kind_of_job_is_said_to_be_another() -> None:
    """An owner that lets further kinds run reads which of them it signs for, not only a digest."""
    review = replace(REVIEW, kind=Training())
    other = said(draft_grant(review, "ewr", asked.NOW, END, 2).payload(), review)
    assert "Kind of job: training of a model, " in other.text()
    assert "Kind of job: joint statistic" in said(GRANT.payload(), REVIEW).text()
