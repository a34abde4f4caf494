"""What the gate does not hold, measured: one secret of a person that stands in many records, as a join repeats it.

The audit takes a person's records to be independent of each other. A diagnosis that ``visits JOIN people`` puts beside
each of 20 visits is not: pairs about one visit after the other each have the whole cap. ``docs/disclosure.md`` says so
under what is not promised; this page keeps its number true.
"""

from __future__ import annotations

from pathlib import Path
from statistics import NormalDist
from typing import Final

import numpy as np

from tests.support.audited import Desk, member_labels

PEOPLE: Final = 100
BASE: Final = 50
NOISE: Final = 3


def told(folder: Path, visits: int) -> tuple[float, float]:
    """How often a linear attacker is right about the last person, who has so many records; and the highest leverage.

    Pairs "with and without one of the person's records" until the audit refuses, for each record in turn.
    """
    desk, draw = Desk(folder), np.random.default_rng(0)
    records, pairs = PEOPLE * visits, 0
    rows = np.full(PEOPLE, visits, np.int32)
    for record in range(records - visits, records):
        while True:
            others = draw.permutation(records - visits)[:BASE]
            sets = [member_labels(some, records) for some in (others, np.append(others, record))]
            if not all(desk.answered(sets, rows=rows)):
                break
            pairs += 1
    return NormalDist().cdf((pairs / (2 * NOISE**2)) ** 0.5 / 2), desk.highest()


def test_known_limit_a_secret_beside_twenty_visits_is_told(tmp_path: Path) -> None:
    right, highest = told(tmp_path, 20)
    assert right > 0.9
    assert highest <= 0.25  # and the audit shows nothing of it


def test_control_beside_one_record_it_is_not(tmp_path: Path) -> None:
    right, highest = told(tmp_path, 1)
    assert right <= 0.75
    assert highest <= 0.25
