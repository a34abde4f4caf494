"""One secret of a person that stands in many records, as a join repeats it, is one unknown and has one cap.

Were a diagnosis that ``visits JOIN people`` puts beside each of 20 visits taken for 20 independent secrets, pairs about
one visit after the other would each have the whole cap: the control, in which 95% are told.
"""

from __future__ import annotations

from pathlib import Path
from statistics import NormalDist
from typing import Final

import numpy as np
import pytest

from tests.support.audited import Desk, member_labels

PEOPLE: Final = 100
BASE: Final = 50
NOISE: Final = 3


def told(folder: Path, visits: int, of_unit: bool) -> tuple[float, float]:
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
            if not all(desk.answered(sets, rows=rows, of_unit=of_unit)):
                break
            pairs += 1
    return NormalDist().cdf((pairs / (2 * NOISE**2)) ** 0.5 / 2), desk.highest()


@pytest.mark.parametrize("visits", [1, 20])
def test_a_secret_beside_each_visit_is_told_no_more_than_one_that_stands_once(tmp_path: Path, visits: int) -> None:
    right, highest = told(tmp_path, visits, of_unit=True)
    assert right <= 0.75
    assert highest <= 0.25


def test_positive_control_as_twenty_unknowns_it_is_told(tmp_path: Path) -> None:
    right, highest = told(tmp_path, 20, of_unit=False)
    assert right > 0.9
    assert highest <= 0.25  # and the audit shows nothing of it
