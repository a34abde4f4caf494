"""Attacks of somebody who knows nobody's value, but what values of that kind are mostly like.

The audit takes everybody's value to be as uncertain as it can be. Where others' values hardly differ they hide nobody.
"""

from __future__ import annotations

import numpy as np

from tests.attacks.disclosure.bench import Bench, Outcome, grouped, guessed, over
from tests.attacks.disclosure.people import AGES, HIGH, HOUSES, crowd

NARROW = (100, 200)
"""What others earn, of bounds to ``HIGH``."""


def outlier(bench: Bench) -> Outcome:
    """All in a house earn next to nothing, one of them perhaps the most: the house's sum in sixty unlike spellings."""
    who, targets = crowd(81)
    rng = np.random.default_rng(81)
    income = rng.integers(*NARROW, len(who))
    rich = rng.permutation(HOUSES) < HOUSES // 2
    income[targets] = np.where(rich, HIGH - 1, NARROW[0])
    data = bench.open(who.with_column("income", income))
    found = grouped(data, [f"SUM(income) FILTER (WHERE age + house >= {least})" for least in range(-41, 19)])
    return guessed(over(found) - (len(AGES) - 1) * sum(NARROW) / 2, rich, found, threshold=HIGH / 2)
