"""A kind's table of rounds is looked at before the kind can be used: one fault in an otherwise good table each."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from jobs.errors import BadKind
from jobs.kinds import registry
from jobs.kinds.base import RESERVED_ROUNDS, Receiver, Round
from jobs.kinds.registry import check_rounds
from sandbox.messages import DESTROYED, SENT, STOP, VOUCH

KEY = Round("key", Receiver.ALL)
PEER = Round("peer", Receiver.NODE, repeats=3)
FLAGS = Round("flags", reveals=True)
OPEN = Round("open", Receiver.ALL, by_hub=True)
VALUES = Round("values", reveals=True, binding=True)
EVERYBODY: Any = "everybody"
GOOD = (KEY, PEER, FLAGS, OPEN, VALUES)


def kind(*rounds: Round, metered: tuple[str, ...] = ("cells",)) -> Any:
    return SimpleNamespace(name="tried", version=1, rounds=rounds, metered=metered)


def test_a_good_table_is_taken() -> None:
    """The control: every table below differs from this one in one thing."""
    check_rounds(kind(*GOOD))
    check_rounds(kind(*GOOD, replace(VALUES, name="more", receiver=Receiver.NODE)))
    for name in registry.names():
        check_rounds(registry.kind_of(name))


FAULTS: dict[str, tuple[tuple[Round, ...], str]] = {
    "two of one name": ((*GOOD, KEY), "two rounds have one name"),
    "no name": ((replace(KEY, name=""), *GOOD[1:]), "no name"),
    "a line in a name": ((replace(KEY, name="a\nb"), *GOOD[1:]), "no name"),
    "no such receiver": ((replace(KEY, receiver=EVERYBODY), *GOOD[1:]), "no known receiver"),
    "no message": ((replace(KEY, repeats=0), *GOOD[1:]), "no message"),
    "more messages than a record holds": ((KEY, replace(PEER, repeats=16384), *GOOD[2:]), "more than 16384"),
    "binding and silent": ((*GOOD[:4], replace(VALUES, reveals=False)), "reveals"),
    "no point of no return": ((*GOOD[:4], replace(VALUES, binding=False)), "never be committed"),
    "a point of no return that may be left out": ((*GOOD[:4], replace(VALUES, optional=True)), "left out"),
    "free again after it": ((*GOOD, replace(FLAGS, name="later")), "binding too"),
    "nothing for the hub": ((KEY, replace(VALUES, receiver=Receiver.ALL)), "no round is for the hub"),
    "the hub to one node": ((KEY, FLAGS, replace(OPEN, receiver=Receiver.NODE), VALUES), "the hub's"),
    "the hub reveals": ((KEY, FLAGS, replace(OPEN, reveals=True), VALUES), "the hub's"),
    "the hub is bound": ((KEY, FLAGS, replace(OPEN, reveals=True, binding=True), VALUES), "the hub's"),
    "no round at all": ((), "no round is for the hub"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_table_that_cannot_be_driven_is_refused(name: str) -> None:
    rounds, why = FAULTS[name]
    with pytest.raises(BadKind, match=why):
        check_rounds(kind(*rounds))


@pytest.mark.parametrize("name", sorted(RESERVED_ROUNDS))
def test_no_round_has_the_name_of_what_nodes_say_of_every_job(name: str) -> None:
    with pytest.raises(BadKind, match="something else under this name"):
        check_rounds(kind(replace(KEY, name=name), *GOOD[1:]))


def test_the_names_that_hub_and_nodes_use_are_all_reserved() -> None:
    assert {SENT, STOP, DESTROYED, VOUCH} < RESERVED_ROUNDS


@pytest.mark.parametrize("metered", [("cells", "cells"), ("",), ("two words",)])
def test_units_are_named_once_and_in_one_word(metered: tuple[str, ...]) -> None:
    with pytest.raises(BadKind):
        check_rounds(kind(*GOOD, metered=metered))


@pytest.fixture
def package() -> Iterator[ModuleType]:
    """A package of one kind, as a configuration would name it."""
    front = ModuleType("unseen_tried.kind")
    sys.modules["unseen_tried.kind"] = front
    yield front
    del sys.modules["unseen_tried.kind"]


def test_a_bad_kind_is_refused_when_it_is_named_and_none_can_take_anothers_name(package: Any) -> None:
    before = registry.names()
    package.KIND = kind(*GOOD, KEY)
    with pytest.raises(BadKind, match="two rounds"):
        registry.add("unseen_tried")
    package.KIND = SimpleNamespace(name="statistics", version=1, rounds=GOOD, metered=("cells",))
    with pytest.raises(BadKind, match="another one"):
        registry.add("unseen_tried")
    assert registry.names() == before


@pytest.mark.parametrize("package", ["no_such_package_anywhere", "json", "..", ""])
def test_a_package_without_a_kind_is_refused_by_its_name(package: str) -> None:
    before = registry.names()
    with pytest.raises(BadKind, match="name a package that this Python can import"):
        registry.add(package)
    assert registry.names() == before
