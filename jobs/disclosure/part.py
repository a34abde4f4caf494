"""What one node decides about its own part, before anything leaves it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from jobs.disclosure.profile import Profile
from jobs.disclosure.rules import RULES, SECRET_RULES, Bits, Evidence

AUDIT = "audit"
"""What the owner's record calls cells that the node's audit refused."""


@dataclass(frozen=True)
class PartVerdict:
    """``fail``: a rule fails here; shape (aggregates, cells). Only that leaves the node, and never why.

    ``by_rule`` says how many pairs each rule failed first, ``vetoes`` how many none but rules that look at secret
    values; both stay in the node's own record.
    """

    fail: Bits = field(repr=False)
    by_rule: Mapping[str, int]
    vetoes: int

    def refused(self, refused: Bits) -> PartVerdict:
        """The same with what the audit refuses; same shape."""
        new = int(np.count_nonzero(refused & ~self.fail))
        return PartVerdict(self.fail | refused, {**self.by_rule, AUDIT: new}, self.vetoes)


def decide_part(evidence: Sequence[Sequence[Evidence]], profile: Profile) -> PartVerdict:
    """Judge every aggregate of every cell. ``evidence[a]`` has one entry per unit column.

    A pair fails if any rule fails for any kind of individual: AVG over one non-null value fails although the row
    group is large. A pair that concerns nobody does not fail: it sends noise, and looks as a small or closed one does.
    """
    fail = np.zeros((len(evidence), len(evidence[0][0].base)), dtype=np.bool_)
    by_rule = {}
    for name, failing in closed_by(evidence, profile).items():
        by_rule[name] = int(np.count_nonzero(failing))
        fail |= failing
    return PartVerdict(fail, by_rule, sum(by_rule.get(name, 0) for name in SECRET_RULES))


def closed_by(evidence: Sequence[Sequence[Evidence]], profile: Profile) -> dict[str, Bits]:
    """By rule, in the order in which they judge, the pairs that it is the first to fail; shape (aggregates, cells).

    None under differential privacy: a verdict that reads data would be one more answer.
    """
    fail = np.zeros((len(evidence), len(evidence[0][0].base)), dtype=np.bool_)
    found: dict[str, Bits] = {}
    if profile.privacy is not None:
        return found
    for name, rule in {**RULES, **SECRET_RULES}.items():
        failing = np.array([np.any([rule(entry, profile) for entry in entries], axis=0) for entries in evidence])
        found[name] = failing & ~fail
        fail |= failing
    return found
