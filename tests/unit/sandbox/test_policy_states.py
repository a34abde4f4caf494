"""The transition table: every step there is, and none beyond it."""

from __future__ import annotations

import re
from itertools import product
from pathlib import Path

import pytest

from sandbox.policy.states import (
    TRANSITIONS,
    Cause,
    Event,
    NoSuchTransition,
    State,
    decide_next,
    is_final,
    render_state_diagram,
)

ARCHITECTURE = Path(__file__).parents[3] / "docs" / "architecture.md"
ALLOWED = {(t.source, t.event, cause): t.target for t in TRANSITIONS for cause in t.causes}


def test_the_architecture_page_shows_this_very_table() -> None:
    found = re.search(r"<!-- states -->\n(.*?)<!-- /states -->", ARCHITECTURE.read_text(), re.DOTALL)
    assert found is not None
    assert found.group(1) == render_state_diagram()


@pytest.mark.parametrize(("state", "event", "cause"), list(product(State, Event, Cause)))
def test_each_step_is_in_the_table_or_refused(state: State, event: Event, cause: Cause) -> None:
    if (state, event, cause) in ALLOWED:
        assert decide_next(state, event, cause) is ALLOWED[state, event, cause]
    else:
        with pytest.raises(NoSuchTransition):
            decide_next(state, event, cause)


def test_each_state_and_event_has_one_target() -> None:
    pairs = [(t.source, t.event) for t in TRANSITIONS]
    assert len(pairs) == len(set(pairs))


def test_final_states_are_those_that_people_know_as_the_end() -> None:
    ends = {State.RELEASED, State.FAILED, State.DENIED, State.CANCELLED, State.EXPIRED}
    assert {state for state in State if is_final(state)} == ends


def test_every_state_is_reached_from_submission_and_reaches_an_end() -> None:
    reached, ending = {State.SUBMITTED}, {state for state in State if is_final(state)}
    for _ in State:
        reached |= {t.target for t in TRANSITIONS if t.source in reached}
        ending |= {t.source for t in TRANSITIONS if t.target in ending}
    assert reached == ending == set(State)


def test_only_a_node_brings_a_release_about_and_only_from_running() -> None:
    releasing = [t for t in TRANSITIONS if t.event is Event.RELEASE]
    assert [(t.source, t.causes) for t in releasing] == [(State.RUNNING, frozenset({Cause.NODE}))]
