"""What one node decides about its own part, before anything leaves it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from jobs.disclosure.profile import Profile
from jobs.disclosure.rules import RULES, Evidence
from jobs.disclosure.rules.base import Bits


@dataclass(frozen=True)
class PartVerdict:
    """Shape (aggregates, cells). ``fail``: a rule fails here. ``present``: enough units for every rule here.

    ``by_rule`` says how many pairs each rule failed; it stays in the node's own record.
    """

    fail: Bits
    present: Bits
    by_rule: dict[str, int]


def decide_part(functions: Sequence[str], evidence: Sequence[Sequence[Evidence]], profile: Profile) -> PartVerdict:
    """Judge every aggregate of every cell. ``evidence[a]`` has one entry per unit column and measure of aggregate a.

    An aggregate fails if any rule fails on any of its evidence: AVG over one non-null value fails although the row
    group is large. A pair without units is neither failed nor present: empty and suppressed end alike.
    """
    cells = len(evidence[0][0].units)
    fail = np.zeros((len(functions), cells), dtype=np.bool_)
    present = np.zeros_like(fail)
    by_rule = dict.fromkeys(RULES, 0)
    for row, (function, entries) in enumerate(zip(functions, evidence, strict=True)):
        for entry in entries:
            present[row] |= entry.units > 0
            for name, rule in RULES.items():
                failing = rule(function, entry, profile) & (entry.units > 0)
                by_rule[name] += int(np.count_nonzero(failing & ~fail[row]))
                fail[row] |= failing
    return PartVerdict(fail, present & ~fail, by_rule)
