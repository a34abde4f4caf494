"""Disclosure attacks over the public API against real processes: each fails, and succeeds where its defence is off."""

from __future__ import annotations

import pytest

from tests.attacks.disclosure.bench import Attack
from tests.attacks.disclosure.catalogue import LIVE
from tests.attacks.disclosure.live import Live

pytestmark = [pytest.mark.e2e]
NAMES = [attack.name for attack in LIVE]


@pytest.mark.parametrize("attack", LIVE, ids=NAMES)
def test_it_fails(live: Live, attack: Attack) -> None:
    outcome = attack.run(live.of("standard@2"))
    assert outcome.is_within(attack.limit, by_chance=True), outcome


@pytest.mark.parametrize("attack", LIVE, ids=NAMES)
def test_positive_control_it_works_on_open_data(live: Live, attack: Attack) -> None:
    assert attack.control.startswith("open")
    outcome = attack.run(live.of("open@1", rows_are_units=attack.control.endswith("units")))
    assert outcome.rate >= attack.works, outcome
