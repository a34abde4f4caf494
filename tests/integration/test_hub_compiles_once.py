"""A request is compiled once: preview, submission and repetition share it; nobody else's time tells of it."""

from __future__ import annotations

from typing import Any

import pytest

from jobs.kinds.statistics.kind import Statistics
from sandbox.hub.core.remembered import Remembered

SQL = "SELECT carrier, COUNT(*) AS flights FROM flights GROUP BY carrier"


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The statements that were compiled, in order."""
    seen: list[str] = []
    real = Statistics.compile

    def counted(self: Statistics, request: Any, view: Any) -> Any:
        seen.append(request["sql"])
        return real(self, request, view)

    monkeypatch.setattr(Statistics, "compile", counted)
    return seen


def preview(world: Any, operator: str = "acme", sql: str = SQL) -> Any:
    return world.call("POST", "/plans", operator, json={"request": {"sql": sql, "parameters": {}}})


def test_preview_and_submission_share_one_plan(world: Any, compiled: list[str]) -> None:
    world.register_all()
    first = preview(world)
    assert preview(world)["plan"] == first["plan"]
    job = world.submit(sql=SQL)
    assert job["plan_digest"] == first["plan_digest"]
    assert compiled == [SQL]
    world.hub.compiled = Remembered(0)  # the control: a hub that remembers nothing
    assert preview(world)["plan"] == first["plan"]
    assert compiled == [SQL, SQL]


def test_a_rival_cannot_tell_by_time_what_was_asked(world: Any, compiled: list[str]) -> None:
    world.register_all()
    preview(world)
    preview(world, "rival")
    assert compiled == [SQL, SQL]


def test_a_new_version_of_the_data_is_another_question(world: Any, compiled: list[str]) -> None:
    world.register_all()
    preview(world)
    world.register("ewr", sequence=2)
    preview(world)
    assert compiled == [SQL, SQL]
    listed = world.call("GET", "/datasets/flights", "acme")
    assert len(listed["holdings"]) == 3


def test_a_refusal_is_found_anew(world: Any, compiled: list[str]) -> None:
    for _ in range(2):
        refused = world.call("POST", "/plans", "acme", json={"request": {"sql": SQL}}, status=422)
        assert refused["code"] == "unknown-name"
    assert len(compiled) == 2
    world.register_all()
    preview(world)
