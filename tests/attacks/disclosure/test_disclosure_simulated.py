"""Disclosure attacks that need many answers, on the real plan, scan, noise, audit and referee in this process."""

from __future__ import annotations

import pytest

from tests.attacks.disclosure.bench import Attack
from tests.attacks.disclosure.catalogue import ATTACKS, SIMULATED
from tests.attacks.disclosure.judged import check_it_fails, check_it_works_without_the_defence, expected

HALF = SIMULATED[::2]


@pytest.mark.slow
@pytest.mark.parametrize("attack", expected(HALF))
def test_it_fails(attack: Attack) -> None:
    check_it_fails(attack)


@pytest.mark.slow
@pytest.mark.parametrize("attack", HALF, ids=[attack.name for attack in HALF])
def test_positive_control_it_works_without_the_defence(attack: Attack) -> None:
    check_it_works_without_the_defence(attack)


def test_every_attack_has_a_name_and_a_title_of_its_own() -> None:
    for names in ({attack.name for attack in ATTACKS}, {attack.title for attack in ATTACKS}):
        assert len(names) == len(ATTACKS) > 40
