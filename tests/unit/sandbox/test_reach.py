"""A hub that is away: one line when it goes, one when it is back, and waits that grow with its absence."""

from __future__ import annotations

import logging

import pytest

from sandbox.hub_http import HubAway, HubRefused
from sandbox.reach import Reach


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def reach(clock: Clock) -> Reach:
    return Reach(logging.getLogger("unseen.reach"), clock)


def fail(reach: Reach, error: HubAway | HubRefused) -> float:
    with pytest.raises(type(error)), reach.call():
        raise error
    return reach.pause(error)


def succeed(reach: Reach) -> None:
    with reach.call():
        pass


def test_an_absence_is_two_lines_however_often_it_is_tried(
    reach: Reach, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    for _ in range(50):
        fail(reach, HubAway("the hub does not answer"))
        clock.now += 2
    succeed(reach)
    succeed(reach)
    assert [record.getMessage().split(":")[0] for record in caplog.records] == ["the hub is away", "the hub is back"]
    assert caplog.records[-1].facts["away_seconds"] == 100.0  # type: ignore[attr-defined]


def test_waits_grow_with_the_absence_and_start_anew_after_it(reach: Reach, clock: Clock) -> None:
    first = fail(reach, HubAway("away"))
    clock.now += 8
    later = fail(reach, HubAway("away"))
    clock.now += 3600
    longest = fail(reach, HubAway("away"))
    assert 0.3 < first <= 0.5 < 2.9 < later <= 4.0 < 7.4 < longest <= 10.0
    succeed(reach)
    assert fail(reach, HubAway("away")) <= 0.5


def test_a_hub_that_asks_to_wait_is_not_away(reach: Reach, caplog: pytest.LogCaptureFixture) -> None:
    assert fail(reach, HubAway("busy", status=429, retry_after=20.0)) == 20.0
    assert caplog.records == []


def test_an_answer_to_a_call_that_began_before_the_failure_says_nothing_of_now(
    reach: Reach, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """A stopping hub answers its long polls."""
    caplog.set_level(logging.INFO)
    with reach.call():
        clock.now += 1
        fail(reach, HubAway("away"))
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    clock.now += 1
    succeed(reach)
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]


def test_a_refusal_is_told_once_for_each_code(reach: Reach, caplog: pytest.LogCaptureFixture) -> None:
    for code in ("token-expired", "token-expired", "not-permitted"):
        assert fail(reach, HubRefused(code, "no")) == 5.0
    assert len(caplog.records) == 2
