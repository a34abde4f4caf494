"""Disclosure attacks that need many answers, on the real plan, scan, noise, audit and referee in this process."""

from __future__ import annotations

from typing import Any

import pytest

from tests.attacks.disclosure.bench import Attack
from tests.attacks.disclosure.catalogue import ATTACKS, SIMULATED, simulated

NAMES = [attack.name for attack in SIMULATED]


def _expected(attack: Attack) -> Any:
    """Who mends what the page admits takes it off ``docs/disclosure.md``."""
    mark = pytest.mark.xfail(strict=True, reason=f"{attack.defence}; {attack.residual}")
    return pytest.param(attack, id=attack.name, marks=[mark] if attack.admitted else [])


@pytest.mark.slow
@pytest.mark.parametrize("attack", [_expected(attack) for attack in SIMULATED])
def test_it_fails(attack: Attack) -> None:
    outcome = simulated(attack, attack.bench)
    assert outcome.is_within(attack.limit, by_chance=False), outcome


@pytest.mark.slow
@pytest.mark.parametrize("attack", SIMULATED, ids=NAMES)
def test_positive_control_it_works_without_the_defence(attack: Attack) -> None:
    outcome = simulated(attack, attack.control)
    assert outcome.rate >= attack.works, outcome


def test_every_attack_has_a_name_of_its_own() -> None:
    assert len({attack.name for attack in ATTACKS}) == len(ATTACKS) > 40
