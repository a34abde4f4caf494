"""What two files of tests say of each attack that runs in this process: two, so that two workers share them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from tests.attacks.disclosure.bench import Attack
from tests.attacks.disclosure.catalogue import simulated


def expected(attacks: Iterable[Attack]) -> list[Any]:
    """Who mends what the page admits takes it off ``docs/disclosure.md``."""
    found = []
    for attack in attacks:
        mark = pytest.mark.xfail(strict=True, reason=f"{attack.defence}; {attack.residual}")
        found.append(pytest.param(attack, id=attack.name, marks=[mark] if attack.admitted else []))
    return found


def check_it_fails(attack: Attack) -> None:
    outcome = simulated(attack, attack.bench)
    assert outcome.is_within(attack.limit, by_chance=False), outcome


def check_it_works_without_the_defence(attack: Attack) -> None:
    outcome = simulated(attack, attack.control)
    assert outcome.rate >= attack.works, outcome
