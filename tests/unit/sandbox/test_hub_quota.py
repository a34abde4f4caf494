"""Token buckets and places: what the defaults allow, and who is refused for how long."""

from __future__ import annotations

import pytest

from sandbox.hub.api.quota import Buckets, Quotas
from sandbox.hub.core.errors import TooManyRequests
from sandbox.hub.core.front_door import FrontDoor, Rate
from sandbox.hub.people.tokens import Caller, Role


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def caller(number: int, role: Role = Role.OPERATOR) -> Caller:
    return Caller(role, f"party-{number}", f"t-{number}", "192.0.2.1")


def test_the_defaults_serve_100_operators_with_400_calls_a_second_for_an_hour() -> None:
    clock = Clock()
    quotas = Quotas(FrontDoor(), clock)
    people = [caller(number) for number in range(100)]
    for tick in range(4 * 3600 // 60):  # one minute in 240: the buckets are full again in between
        clock.now = tick * 15.0
        for one in people:
            for _ in range(60):
                quotas.charge(one, one.address)


def test_a_token_that_is_out_of_calls_is_told_how_long_and_then_served() -> None:
    clock = Clock()
    buckets = Buckets(Rate(per_second=0.5, burst=2), clock)
    buckets.take("a")
    buckets.take("a")
    with pytest.raises(TooManyRequests) as refused:
        buckets.take("a")
    assert refused.value.retry_after == 2
    buckets.take("b")
    clock.now += refused.value.retry_after
    buckets.take("a")
    with pytest.raises(TooManyRequests):
        buckets.take("a")


def test_asking_again_and_again_does_not_prolong_the_refusal() -> None:
    clock = Clock()
    buckets = Buckets(Rate(per_second=1, burst=1), clock)
    buckets.take("a")
    for _ in range(9):
        clock.now += 0.1
        with pytest.raises(TooManyRequests):
            buckets.take("a")
    clock.now += 0.11
    buckets.take("a")


def test_machines_people_and_strangers_have_buckets_of_their_own() -> None:
    clock = Clock()
    one = Rate(per_second=1, burst=1)
    quotas = Quotas(FrontDoor(people=one, machines=Rate(per_second=1, burst=3), strangers=one), clock)
    quotas.charge(caller(1), "192.0.2.1")
    quotas.charge(None, "192.0.2.1")
    for _ in range(3):
        quotas.charge(caller(1, Role.NODE), "192.0.2.1")
    for refused in (caller(1), None, caller(1, Role.NODE)):
        with pytest.raises(TooManyRequests):
            quotas.charge(refused, "192.0.2.1")


def fail_in_a_place(quotas: Quotas) -> None:
    with quotas.waiting(caller(1)):
        with pytest.raises(TooManyRequests), quotas.waiting(caller(1)):
            raise AssertionError
        with quotas.waiting(caller(2)):
            pass
        raise ZeroDivisionError


def test_places_are_given_back_also_after_a_failure() -> None:
    quotas = Quotas(FrontDoor(long_polls=1))
    for _ in range(3):
        with pytest.raises(ZeroDivisionError):
            fail_in_a_place(quotas)
