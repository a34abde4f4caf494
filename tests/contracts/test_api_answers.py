"""The hub's answers and the SDK's types say the same, field by field; and every call of the API declares its answer."""

from __future__ import annotations

import dataclasses
import types
from enum import Enum
from typing import Annotated, Any, NotRequired, Union, get_args, get_origin, get_type_hints, is_typeddict

import pytest
from pydantic import BaseModel, ValidationError

from sandbox.client import answers as sdk
from sandbox.client import views
from sandbox.hub.api.answers import log, people, requests, running
from tests.support.live_hub import LiveHub, live_hub

ROOMS = (people, requests, running, log)


PLAN: dict[str, Any] = {
    "kind": "statistics", "plan": {"any": ["shape"]}, "plan_digest": "sha256:" + "0" * 64, "parameters": {"least": 1},
    "words": {"text": "a page", "cells": 12}, "decision": "allowed", "reasons": [], "replay_of": None,
}  # fmt: skip


def models() -> dict[str, type[BaseModel]]:
    """Every answer that a room declares, by name."""
    found = {}
    for room in ROOMS:
        for name, value in vars(room).items():
            if isinstance(value, type) and issubclass(value, BaseModel) and value.__module__ == room.__name__:
                assert name not in found
                found[name] = value
    return found


def sdk_types() -> dict[str, Any]:
    return {name: value for name, value in vars(sdk).items() if is_typeddict(value)}


def plain(kind: Any) -> Any:
    """A type without what only documents it; models and their SDK types by name, enumerations as text."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Annotated, NotRequired):
        return plain(arguments[0])
    if origin in (Union, types.UnionType):
        return frozenset(plain(argument) for argument in arguments)
    if origin is not None:
        return (origin, tuple(plain(argument) for argument in arguments))
    if is_typeddict(kind) or (isinstance(kind, type) and issubclass(kind, BaseModel)):
        return kind.__name__
    if isinstance(kind, type) and issubclass(kind, Enum):
        return str
    return kind


def test_both_sides_name_the_same_shapes() -> None:
    assert set(models()) == set(sdk_types())
    assert len(models()) > 30


@pytest.mark.parametrize("name", sorted(models()))
def test_fields_types_and_what_may_be_missing_are_the_same(name: str) -> None:
    model, shown = models()[name], sdk_types()[name]
    hints = get_type_hints(shown, include_extras=True)
    assert {field: plain(kind) for field, kind in hints.items()} == {
        field: plain(kind)
        for field, kind in get_type_hints(model, include_extras=True).items()
        if field != "model_config"
    }
    may_miss = {field for field, info in model.model_fields.items() if not info.is_required()}
    assert {field for field, kind in hints.items() if get_origin(kind) is NotRequired} == may_miss


def test_a_difference_would_be_seen() -> None:
    """The control of the comparison above."""
    assert plain(int | None) != plain(int)
    assert plain(list[str]) != plain(list[int])
    assert plain(list[requests.Reason]) == plain(list[sdk.Reason]) != plain(list[running.Failure])
    assert plain(dict[str, str]) != plain(dict[str, Any])


@pytest.mark.parametrize(
    ("view", "model"),
    [(views.Job, running.JobShown), (views.Preview, requests.PlanShown), (views.Scan, running.Scan)],
)
def test_what_the_sdks_views_read_is_what_the_hub_sends(view: type[Any], model: type[BaseModel]) -> None:
    fields = {field.name for field in dataclasses.fields(view)} - {"raw"}
    assert fields <= set(model.model_fields)


def test_a_plan_is_shown_in_its_kinds_shape_and_everything_around_it_in_ours(hub: LiveHub) -> None:
    """The control: a shape that is only declared would let through whatever the hub makes."""
    document = hub.call("GET", "/openapi.json").json()["components"]["schemas"]
    assert document["PlanShown"]["additionalProperties"] is False
    assert document["PlanShown"]["properties"]["plan"]["type"] == "object"
    assert document["PlanWords"]["additionalProperties"] is True
    with pytest.raises(ValidationError):
        requests.PlanShown.model_validate({**PLAN, "surprise": 1})
    assert requests.PlanShown.model_validate(PLAN).words.model_dump()["cells"] == 12


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with live_hub(tmp_path_factory.mktemp("answers")) as made:
        yield made


def test_every_call_shows_its_shape_in_openapi(hub: LiveHub) -> None:
    document = hub.call("GET", "/openapi.json").json()
    untyped = set()
    for path, calls in document["paths"].items():
        for method, call in calls.items():
            good = next(value for status, value in call["responses"].items() if status.startswith("2"))
            schema = good.get("content", {}).get("application/json", {}).get("schema")
            if schema is not None and "$ref" not in schema and "DSSE" not in schema.get("description", ""):
                untyped.add((method, path))
    assert untyped == set()
    assert set(models()) - {"Progress", "StateEvent"} <= set(document["components"]["schemas"])
