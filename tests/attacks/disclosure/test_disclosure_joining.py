"""An owner joins, or leaves: the same question to nine owners and to ten must not lay bare the tenth's part.

Where the owners size the noise for all parts together (``colluding_owners``), one part has a third of what suffices alone.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from jobs.kinds.statistics.plan import cell
from tests.attacks.disclosure import people as made
from tests.attacks.disclosure.bench import grouped
from tests.attacks.disclosure.catalogue import BENCHES
from tests.attacks.disclosure.people import HOUSES, MOST, Floats, People, people
from tests.attacks.disclosure.simulated import SimulatedData

OWNERS = 10
PART, ALONE = 1.0, 3.0
"""Deviation of the noise of one part of ten, and of what suffices alone."""


def tenth_parts() -> tuple[Floats, Floats]:
    """Of each house the tenth owner's number as the difference of two releases, and as it is."""
    who = people(MOST, 91)
    parts = [_everybody(who, owner) for owner in range(OWNERS)]
    dataset = made.dataset("people", "standard@2").model_copy(update={"colluding_owners": 0})
    ten = SimulatedData(BENCHES["standard"](), dataset, [part.arrow() for part in parts], "people")
    term = ["COUNT(*) FILTER (WHERE ill)"]
    found = grouped(ten, term) - grouped(replace(ten, tables=ten.tables[:-1]), term)
    last = parts[-1]
    exact = [float(last["ill"][last["house"] == house].sum()) for house in range(1, HOUSES + 1)]
    return found[:, 0], np.array(exact)


def _everybody(who: People, owner: int) -> People:
    return who.with_column("person", np.array([f"{name}at{owner}" for name in who["person"]]))


def deviation() -> float:
    found, exact = tenth_parts()
    assert not np.isnan(found).any()
    return float(np.sqrt(np.mean((found - exact) ** 2)))


def test_two_totals_differ_by_more_noise_than_suffices_alone() -> None:
    assert deviation() > ALONE


def test_positive_control_a_question_that_does_not_name_the_number_of_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cell, "_shared", lambda *_: {})
    assert deviation() < 2 * PART
